/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/status.h"
#include "fcmae/evaluate.h"

#define KEY "class_names"

enum { MOST_NAMES = 1000000, LARGEST_FILE = 64 << 20 };

void fcmae_class_names_release(fcmae_class_names *names)
{
    for (int i = 0; i < names->count; i++) free(names->names[i]);
    free(names->names);
    *names = (fcmae_class_names){0};
}

static fcmae_status no_memory(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of class names");
}

/** Like strndup(), but never looks beyond `length`: the text has no end of its own. */
static char *copy_text(const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

static fcmae_status append(fcmae_class_names *names, const char *text, size_t length,
                           fcmae_error *error)
{
    if (names->count >= MOST_NAMES)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "more than %d class names", MOST_NAMES);
    if ((names->count & (names->count - 1)) == 0) { /* doubles at powers of two */
        size_t room = names->count > 0 ? 2 * (size_t)names->count : 1;
        char **list = realloc(names->names, room * sizeof *list);
        if (!list) return no_memory(error);
        names->names = list;
    }
    char *copy = copy_text(text, length);
    if (!copy) return no_memory(error);
    names->names[names->count++] = copy;
    return FCMAE_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/** Refuses a list with a name that occurs twice. */
static fcmae_status check_unique(const fcmae_class_names *names, const char *what,
                                 fcmae_error *error)
{
    if (names->count == 0) return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s holds no names", what);
    char **sorted = malloc((size_t)names->count * sizeof *sorted);
    if (!sorted) return no_memory(error);
    memcpy(sorted, names->names, (size_t)names->count * sizeof *sorted);
    qsort(sorted, (size_t)names->count, sizeof *sorted, compare_names);
    fcmae_status status = FCMAE_OK;
    for (int i = 1; i < names->count && status == FCMAE_OK; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s holds the class %.100s twice", what,
                                sorted[i]);
    free(sorted);
    return status;
}

/** "n01440764 tench, Tinca tinca": length of WordNet's identifier in front; 0: there is none. */
static size_t synset_length(const char *name)
{
    size_t digits = name[0] == 'n' ? strspn(name + 1, "0123456789") : 0;
    return digits == 8 && (name[9] == ' ' || name[9] == '\t') ? 9 : 0;
}

static int find_name(const fcmae_class_names *names, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0) return i;
    for (int i = 0; i < names->count; i++)
        if (length > 0 && synset_length(names->names[i]) == length &&
            strncmp(names->names[i], name, length) == 0)
            return i;
    return -1;
}

int fcmae_class_names_find(const fcmae_class_names *names, const char *name)
{
    int found = find_name(names, name);
    if (found >= 0) return found;
    /* a folder that is no UTF-8 stands in checkpoints with replacement characters */
    json_t *text = fcmae_json_lossy_text(name);
    if (text && strcmp(json_string_value(text), name) != 0)
        found = find_name(names, json_string_value(text));
    json_decref(text);
    return found;
}

fcmae_status fcmae_class_names_of_dataset(fcmae_class_names *names, const fcmae_dataset *dataset,
                                          fcmae_error *error)
{
    fcmae_class_names_release(names);
    fcmae_status status = FCMAE_OK;
    for (int i = 0; i < fcmae_dataset_classes(dataset) && status == FCMAE_OK; i++) {
        const char *name = fcmae_dataset_class_name(dataset, i);
        status = append(names, name, strlen(name), error);
    }
    if (status != FCMAE_OK) fcmae_class_names_release(names);
    return status;
}

/* ---- text files ---- */

/** A text file cut into lines, without '\r' and blanks at the ends. */
typedef struct text_lines {
    fcmae_buffer buffer;
    size_t position;
    int number; /* of the line given last, from 1 */
} text_lines;

static fcmae_status open_lines(text_lines *lines, const char *path, fcmae_error *error)
{
    FCMAE_TRY(fcmae_file_read(&lines->buffer, path, LARGEST_FILE, error));
    if (lines->buffer.size > 0 && memchr(lines->buffer.bytes, 0, lines->buffer.size))
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%.300s is no text of single bytes: save it as UTF-8 (an editor's "
                          "\"Unicode\" may be UTF-16)",
                          path);
    return FCMAE_OK;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/** The next line that is not empty; false at the end. */
static bool next_line(text_lines *lines, const char **start, size_t *length)
{
    const uint8_t *bytes = lines->buffer.bytes;
    if (lines->position == 0 && lines->buffer.size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        lines->position = 3; /* the byte order mark of Windows' editors */
    while (lines->position < lines->buffer.size) {
        size_t first = lines->position, end = first;
        while (end < lines->buffer.size && bytes[end] != '\n') end++;
        lines->position = end + 1;
        lines->number++;
        while (first < end && is_blank(bytes[first])) first++;
        while (end > first && is_blank(bytes[end - 1])) end--;
        if (end == first) continue;
        *start = (const char *)bytes + first;
        *length = end - first;
        return true;
    }
    return false;
}

fcmae_status fcmae_class_names_read(fcmae_class_names *names, const char *path, fcmae_error *error)
{
    text_lines lines = {0};
    const char *start;
    size_t length;
    fcmae_class_names_release(names);
    fcmae_status status = open_lines(&lines, path, error);
    while (status == FCMAE_OK && next_line(&lines, &start, &length))
        status = append(names, start, length, error);
    if (status == FCMAE_OK) status = check_unique(names, path, error);
    fcmae_buffer_release(&lines.buffer);
    if (status != FCMAE_OK) fcmae_class_names_release(names);
    return status;
}

/* ---- checkpoints ---- */

fcmae_status fcmae_class_names_of_checkpoint(fcmae_class_names *names,
                                             const fcmae_checkpoint *checkpoint, fcmae_error *error)
{
    fcmae_class_names_release(names);
    const char *text = fcmae_tensor_file_text(fcmae_checkpoint_file(checkpoint), KEY);
    if (!text) return FCMAE_OK;
    json_t *list = NULL, *item;
    size_t i;
    FCMAE_TRY(fcmae_json_parse(text, strlen(text), "the checkpoint's " KEY, &list, error));
    fcmae_status status = FCMAE_OK;
    if (!json_is_array(list))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "the checkpoint's " KEY " is not a list");
    json_array_foreach(list, i, item)
    {
        if (status != FCMAE_OK) break;
        if (json_is_string(item))
            status = append(names, json_string_value(item), json_string_length(item), error);
        else
            status = fcmae_fail(error, FCMAE_ERR_FORMAT,
                                "entry %zu of the checkpoint's " KEY " is not a text", i);
    }
    json_decref(list);
    if (status != FCMAE_OK) fcmae_class_names_release(names);
    return status;
}

char *fcmae_class_names_text(const fcmae_class_names *names)
{
    json_t *list = json_array();
    for (int i = 0; i < names->count; i++)
        fcmae_json_append(&list, fcmae_json_lossy_text(names->names[i]));
    char *text = fcmae_json_line(list);
    json_decref(list);
    return text;
}

/* ---- which output stands for which folder ---- */

/** Output of the second word of a line: a name, else a number. -1: neither. */
static int read_output(const fcmae_class_names *names, int outputs, const char *text)
{
    int found = fcmae_class_names_find(names, text);
    if (found >= 0) return found < outputs ? found : -1;
    char *end = NULL;
    long number = strtol(text, &end, 10);
    return end != text && *end == 0 && number >= 0 && number < outputs ? (int)number : -1;
}

/** A label map as it is read. */
typedef struct label_map {
    const char *path;
    const fcmae_class_names *names, *folders;
    int outputs;
    int32_t *output_of;
    int *line_of; /* of each folder, from 1; 0: none yet */
} label_map;

/** Cuts a line in two: at a tab, else at the blank behind the longest name of a folder, since names
 *  may have blanks, else at the first one. NULL: it has neither. */
static char *cut_line(const fcmae_class_names *folders, char *line)
{
    char *gap = strchr(line, '\t');
    for (char *at = gap ? NULL : strchr(line, ' '); at; at = strchr(at + 1, ' ')) {
        *at = 0;
        bool known = fcmae_class_names_find(folders, line) >= 0;
        *at = ' ';
        if (known || !gap) gap = at;
    }
    if (!gap) return NULL;
    *gap++ = 0;
    while (*gap == ' ' || *gap == '\t') gap++;
    for (size_t end = strlen(line); end > 0 && line[end - 1] == ' '; end--) line[end - 1] = 0;
    return gap;
}

static fcmae_status read_map_line(const label_map *map, int number, char *line, fcmae_error *error)
{
    char *gap = cut_line(map->folders, line);
    if (!gap)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%.300s, line %d: \"%.100s\" is not a pair of a folder and an output",
                          map->path, number, line);
    int folder = fcmae_class_names_find(map->folders, line);
    int output = read_output(map->names, map->outputs, gap);
    if (output < 0)
        return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                          "%.300s, line %d: %.100s is neither a class of the checkpoint nor a "
                          "number below %d",
                          map->path, number, gap, map->outputs);
    if (folder < 0) return FCMAE_OK; /* a map may know more folders than there are */
    if (map->line_of[folder] > 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%.300s: the folder %.100s stands in two lines, %d and %d, for the "
                          "outputs %d and %d",
                          map->path, line, map->line_of[folder], number,
                          (int)map->output_of[folder], output);
    map->line_of[folder] = number;
    map->output_of[folder] = output;
    return FCMAE_OK;
}

static fcmae_status read_map(const fcmae_class_names *names, int outputs,
                             const fcmae_class_names *folders, const char *path, int32_t *output_of,
                             fcmae_error *error)
{
    text_lines lines = {0};
    const char *start;
    size_t length;
    label_map map = {.path = path,
                     .names = names,
                     .folders = folders,
                     .outputs = outputs,
                     .output_of = output_of,
                     .line_of = calloc((size_t)folders->count + 1, sizeof(int))};
    fcmae_status status = map.line_of ? open_lines(&lines, path, error) : no_memory(error);
    while (status == FCMAE_OK && next_line(&lines, &start, &length)) {
        if (*start == '#') continue;
        char *line = copy_text(start, length);
        status = line ? read_map_line(&map, lines.number, line, error) : no_memory(error);
        free(line);
    }
    fcmae_buffer_release(&lines.buffer);
    free(map.line_of);
    return status;
}

/** Names a few of the folders that stand for nothing. */
static fcmae_status report_unmatched(const fcmae_class_names *folders, const int32_t *output_of,
                                     const char *map_file, fcmae_error *error)
{
    char list[500] = "";
    int missing = 0;
    for (int i = 0; i < folders->count; i++) {
        if (output_of[i] >= 0) continue;
        size_t used = strlen(list);
        if (missing++ < 5)
            snprintf(list + used, sizeof list - used, "%s%.80s", used ? ", " : "",
                     folders->names[i]);
    }
    if (missing == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                      "%d of the %d class folders stand for no class of %.200s: %s%s", missing,
                      folders->count, map_file ? map_file : "the checkpoint", list,
                      missing > 5 ? ", ..." : "");
}

static bool stands_for(const int32_t *output_of, int folders, int output)
{
    for (int i = 0; i < folders; i++)
        if (output_of[i] == output) return true;
    return false;
}

static void remark_missing_folders(const fcmae_class_names *names, const fcmae_class_names *folders,
                                   const int32_t *output_of, const fcmae_log *log)
{
    char list[500] = "";
    int missing = 0;
    for (int i = 0; i < names->count; i++) {
        if (stands_for(output_of, folders->count, i)) continue;
        size_t used = strlen(list);
        if (missing++ < 5)
            snprintf(list + used, sizeof list - used, "%s%.80s", used ? ", " : "", names->names[i]);
    }
    if (missing > 0)
        fcmae_log_line(log, FCMAE_LOG_WARNING,
                       "%d of the checkpoint's %d classes have no folder: %s%s", missing,
                       names->count, list, missing > 5 ? ", ..." : "");
}

static fcmae_status match(const fcmae_class_names *names, int outputs,
                          const fcmae_class_names *folders, const char *map_file,
                          int32_t *output_of, const fcmae_log *log, fcmae_error *error)
{
    for (int i = 0; i < folders->count; i++) output_of[i] = -1;
    if (map_file) {
        FCMAE_TRY(read_map(names, outputs, folders, map_file, output_of, error));
    } else if (names->count > 0) {
        for (int i = 0; i < folders->count; i++)
            output_of[i] = fcmae_class_names_find(names, folders->names[i]);
        remark_missing_folders(names, folders, output_of, log);
    } else if (folders->count == outputs) {
        for (int i = 0; i < folders->count; i++) output_of[i] = i;
    } else {
        return fcmae_fail(
            error, FCMAE_ERR_MISMATCH,
            "there are %d class folders, the checkpoint has %d outputs without names: "
            "give its class names or a label map",
            folders->count, outputs);
    }
    return report_unmatched(folders, output_of, map_file, error);
}

fcmae_status fcmae_class_names_match(const fcmae_class_names *names, int outputs,
                                     const fcmae_dataset *dataset, const char *map_file,
                                     int32_t *output_of, const fcmae_log *log, fcmae_error *error)
{
    fcmae_class_names folders = {0};
    if (names->count > 0 && names->count != outputs)
        return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                          "there are %d class names, but the checkpoint has %d outputs",
                          names->count, outputs);
    FCMAE_TRY(fcmae_class_names_of_dataset(&folders, dataset, error));
    fcmae_status status = folders.count > 0
                              ? match(names, outputs, &folders, map_file, output_of, log, error)
                              : fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the images have no labels");
    fcmae_class_names_release(&folders);
    return status;
}
