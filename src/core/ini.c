/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** inih reads lines through `next_line`, which counts them, so that a value is refused with its
 * line. */
#include "core/ini.h"

#include <ini.h>
#include <stdbool.h>
#include <string.h>

enum { FILE_LIMIT = 65536, LINE_LIMIT = 190 }; /* inih takes lines of up to 199 bytes */

typedef struct ini_text {
    const char *file, *next; /* name for messages; text not read yet */
    int line;
    fcmae_status (*take)(void *cookie, const fcmae_ini_entry *entry, fcmae_error *error);
    void *cookie;
    fcmae_status status; /* the first failure */
    fcmae_error *error;
} ini_text;

/** inih's fgets: the next line of the text, or NULL at its end. */
static char *next_line(char *line, int size, void *cookie)
{
    ini_text *reader = cookie;
    if (!*reader->next || reader->status != FCMAE_OK) return NULL;
    reader->line++;
    size_t length = strcspn(reader->next, "\n");
    if (length > LINE_LIMIT || length + 2 > (size_t)size) {
        reader->status = fcmae_fail(reader->error, FCMAE_ERR_FORMAT,
                                    "%s:%d: the line is longer than %d bytes", reader->file,
                                    reader->line, LINE_LIMIT);
        return NULL;
    }
    memcpy(line, reader->next, length);
    line[length] = '\0';
    reader->next += length + (reader->next[length] == '\n');
    const char *first = line + strspn(line, " \t\r");
    if (first > line && *first && *first != ';' && *first != '#') {
        reader->status = fcmae_fail(reader->error, FCMAE_ERR_FORMAT,
                                    "%s:%d: lines must not be indented", reader->file,
                                    reader->line);
        return NULL;
    }
    return line;
}

static int take_entry(void *cookie, const char *section, const char *key, const char *value)
{
    ini_text *reader = cookie;
    if (reader->status != FCMAE_OK) return 0;
    const fcmae_ini_entry entry = {reader->file, section, key, value, reader->line};
    reader->status = reader->take(reader->cookie, &entry, reader->error);
    return reader->status == FCMAE_OK;
}

fcmae_status fcmae_ini_parse(const char *text, const char *file,
                             fcmae_status (*take)(void *cookie, const fcmae_ini_entry *entry,
                                                  fcmae_error *error),
                             void *cookie, fcmae_error *error)
{
    ini_text reader = {.file = file, .next = text, .take = take, .cookie = cookie, .error = error};
    int result = ini_parse_stream(next_line, &reader, take_entry, &reader);
    if (reader.status != FCMAE_OK) return reader.status;
    if (result > 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s:%d: neither 'key = value' nor '[section]' nor a comment", file,
                          result);
    if (result < 0) return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: no memory to read it", file);
    return FCMAE_OK;
}

fcmae_status fcmae_ini_load(const char *path, fcmae_buffer *text, fcmae_error *error)
{
    FCMAE_TRY(fcmae_file_read(text, path, FILE_LIMIT, error));
    FCMAE_TRY(fcmae_buffer_reserve(text, text->size + 1, error));
    if (memchr(text->bytes, 0, text->size))
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not text", path);
    text->bytes[text->size] = 0;
    return FCMAE_OK;
}
