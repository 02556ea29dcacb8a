/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Options from files: the config.json of a run, or lines "key = value". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ini.h"
#include "core/options_values.h"

enum { FILE_LIMIT = 1 << 20 };

/** One file being read. */
typedef struct file_reader {
    fcmae_options *options;
    bool *seen;           /* [count of the set]: in this file */
    int entries;          /* taken */
    char passed_over[64]; /* the last section of another set */
} file_reader;

/** Sets an option; what a file says twice contradicts itself, unless it is a list. */
static fcmae_status set_once(file_reader *reader, const char *name, const char *text,
                             fcmae_error *error)
{
    const fcmae_option_set *set = reader->options->set;
    const fcmae_option *option = fcmae_option_find(set, name);
    bool *seen = option ? &reader->seen[option - set->options] : NULL;
    if (seen && *seen && option->type != FCMAE_OPTION_TEXTS)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is given twice", name);
    FCMAE_TRY(fcmae_options_set_at(reader->options, FCMAE_LEVEL_FILE, name, text, error));
    if (seen) *seen = true;
    reader->entries++;
    return FCMAE_OK;
}

static fcmae_status take_entry(void *cookie, const fcmae_ini_entry *entry, fcmae_error *error)
{
    file_reader *reader = cookie;
    if (entry->section[0] && strcmp(entry->section, reader->options->set->name) != 0) {
        snprintf(reader->passed_over, sizeof reader->passed_over, "%s", entry->section);
        return FCMAE_OK;
    }
    fcmae_status status = set_once(reader, entry->key, entry->value, error);
    if (status == FCMAE_OK || status == FCMAE_ERR_MEMORY) return status;
    return fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s:%d", entry->file, entry->line);
}

static fcmae_status read_ini(file_reader *reader, const char *path, fcmae_error *error)
{
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_ini_load(path, &text, error);
    if (status == FCMAE_OK)
        status = fcmae_ini_parse((const char *)text.bytes, path, take_entry, reader, error);
    fcmae_buffer_release(&text);
    if (status != FCMAE_OK || reader->entries > 0 || !reader->passed_over[0]) return status;
    return fcmae_fail(error, FCMAE_ERR_FORMAT,
                      "%s has a section [%s], but no line outside a section or in [%s]", path,
                      reader->passed_over, reader->options->set->name);
}

/** A JSON value as it would be typed. NULL: memory is short, or it is an object or a list. */
static char *typed(const json_t *value)
{
    char *text = NULL;
    if (json_is_string(value)) return strdup(json_string_value(value));
    if (json_is_boolean(value)) return strdup(json_is_true(value) ? "on" : "off");
    if (json_is_integer(value) &&
        asprintf(&text, "%lld", (long long)json_integer_value(value)) >= 0)
        return text;
    if (json_is_real(value) && asprintf(&text, "%.17g", json_real_value(value)) >= 0) return text;
    return NULL;
}

static fcmae_status set_json(file_reader *reader, const fcmae_option *option, const json_t *value,
                             fcmae_error *error)
{
    char *text = typed(value);
    if (!text)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s: must be a text, a number, true or false",
                          option->name);
    fcmae_status status = set_once(reader, option->name, text, error);
    free(text);
    return status;
}

static fcmae_status take_value(file_reader *reader, const char *key, const json_t *value,
                               fcmae_error *error)
{
    const fcmae_option *option = fcmae_option_find(reader->options->set, key);
    if (!option) return set_once(reader, key, "", error); /* which says so */
    if (json_is_null(value)) return FCMAE_OK;
    if (option->source != FCMAE_SOURCE_ANY) return FCMAE_OK; /* follows from data and model */
    if (option->type != FCMAE_OPTION_TEXTS || !json_is_array(value))
        return set_json(reader, option, value, error);
    for (size_t i = 0; i < json_array_size(value); i++)
        FCMAE_TRY(set_json(reader, option, json_array_get(value, i), error));
    return FCMAE_OK;
}

static fcmae_status read_json(file_reader *reader, const char *path, const fcmae_buffer *text,
                              fcmae_error *error)
{
    json_t *object = NULL;
    const char *key;
    json_t *value;
    FCMAE_TRY(fcmae_json_parse((const char *)text->bytes, text->size, path, &object, error));
    fcmae_status status = FCMAE_OK;
    if (!json_is_object(object))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is no JSON object of options", path);
    json_object_foreach(object, key, value)
    {
        if (status == FCMAE_OK) status = take_value(reader, key, value, error);
        if (status == FCMAE_ERR_ARGUMENT)
            status = fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s", path);
    }
    json_decref(object);
    return status;
}

fcmae_status fcmae_options_read(fcmae_options *options, const char *path, fcmae_error *error)
{
    fcmae_buffer text = {0};
    file_reader reader = {.options = options};
    size_t first = 0;
    fcmae_status status = fcmae_file_read(&text, path, FILE_LIMIT, error);
    if (status == FCMAE_OK) reader.seen = calloc((size_t)options->set->count + 1, sizeof(bool));
    if (status == FCMAE_OK && !reader.seen)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read %s", path);
    while (status == FCMAE_OK && first < text.size && strchr(" \t\r\n", text.bytes[first])) first++;
    if (status == FCMAE_OK && first < text.size && text.bytes[first] == '{')
        status = read_json(&reader, path, &text, error);
    else if (status == FCMAE_OK)
        status = read_ini(&reader, path, error);
    free(reader.seen);
    fcmae_buffer_release(&text);
    return status;
}
