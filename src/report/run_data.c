/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "report/run_data.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"

#define LOG_LIMIT ((size_t)1 << 30) /* bytes of a log that is read */
#define JSON_LIMIT ((size_t)64 << 20)
#define FOLDER_LIMIT 20000 /* names of a folder that are looked at */
#define EVENT_LIMIT 100

/* ---- log.jsonl
 *  --------------------------------------------------------------------------------- */

const fcmae_column *fcmae_run_data_column(const fcmae_run_data *run, const char *name)
{
    for (int i = 0; i < run->column_count; i++)
        if (strcmp(run->columns[i].name, name) == 0) return &run->columns[i];
    return NULL;
}

/* false: out of memory */
static bool add_value(fcmae_run_data *run, const char *name, double step, double value)
{
    fcmae_column *column = (fcmae_column *)fcmae_run_data_column(run, name);
    if (!column) {
        if (run->column_count == FCMAE_RUN_COLUMNS || strlen(name) >= sizeof column->name)
            return true; /* more quantities than any run logs: ignored */
        column = &run->columns[run->column_count++];
        snprintf(column->name, sizeof column->name, "%s", name);
    }
    if (column->count == column->capacity) {
        int64_t capacity = column->capacity ? 2 * column->capacity : 256;
        double *steps = realloc(column->step, (size_t)capacity * sizeof *steps);
        if (steps) column->step = steps;
        double *values = realloc(column->value, (size_t)capacity * sizeof *values);
        if (values) column->value = values;
        if (!steps || !values) return false;
        column->capacity = capacity;
    }
    column->step[column->count] = step;
    column->value[column->count++] = value;
    return true;
}

static double number_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool add_record(fcmae_run_data *run, json_t *record)
{
    double step = fcmae_json_number(record, "step", NAN);
    const char *key;
    json_t *value;
    if (json_object_get(record, "event")) {
        if (json_array_size(run->events) >= EVENT_LIMIT) json_array_remove(run->events, 0);
        fcmae_json_append(&run->events, json_incref(record));
        return run->events != NULL;
    }
    if (!isfinite(step)) return true;
    json_object_foreach(record, key, value)
    {
        if (strcmp(key, "step") == 0) continue;
        if (json_is_number(value) || json_is_null(value)) {
            if (!add_value(run, key, step, number_or_nan(value))) return false;
        } else if (json_is_array(value) && json_array_size(value) <= 8) {
            for (size_t k = 0; k < json_array_size(value); k++) {
                char name[100];
                if (json_array_size(value) == 1)
                    snprintf(name, sizeof name, "%.60s", key);
                else
                    snprintf(name, sizeof name, "%.60s.%d", key, (int)k);
                if (!add_value(run, name, step, number_or_nan(json_array_get(value, k))))
                    return false;
            }
        }
    }
    return true;
}

static fcmae_status read_log(fcmae_run_data *run, const char *path, const fcmae_log *log,
                             fcmae_error *error)
{
    fcmae_buffer buffer = {0};
    FCMAE_TRY(fcmae_file_read(&buffer, path, LOG_LIMIT, error));
    const char *text = buffer.text, *end = text + buffer.size;
    bool memory = true;
    while (memory && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end) line_end = end;
        if (line_end > text) {
            json_t *record = NULL;
            run->lines++;
            fcmae_status parsed = fcmae_json_parse(text, (size_t)(line_end - text), path, &record,
                                                   NULL);
            if (parsed == FCMAE_ERR_MEMORY)
                memory = false;
            else if (parsed == FCMAE_OK && json_is_object(record))
                memory = add_record(run, record);
            else
                run->bad_lines++;
            json_decref(record);
        }
        text = line_end + 1;
    }
    fcmae_buffer_release(&buffer);
    if (!memory) return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: out of memory", path);
    if (run->bad_lines)
        fcmae_log_line(log, FCMAE_LOG_WARNING,
                       "%s: %lld of %lld lines are damaged and were skipped", path,
                       (long long)run->bad_lines, (long long)run->lines);
    return FCMAE_OK;
}

/* ---- folders ---- */

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, int count)
{
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
}

/* names of a folder that begin with `prefix`, sorted; a missing folder has none. *count is -1 if
   memory is short */
static char **list_names(const char *folder, const char *prefix, int *count)
{
    char **names = NULL;
    int capacity = 0;
    bool memory = true;
    *count = 0;
    DIR *directory = opendir(folder);
    if (!directory) memory = errno != ENOMEM;
    for (struct dirent *entry;
         directory && (entry = readdir(directory)) && *count < FOLDER_LIMIT;) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            char **more = realloc(names, (size_t)capacity * sizeof *names);
            memory = more != NULL;
            if (!memory) break;
            names = more;
        }
        memory = (names[*count] = strdup(entry->d_name)) != NULL;
        if (!memory) break;
        ++*count;
    }
    if (directory) closedir(directory);
    if (*count > 0) qsort(names, (size_t)*count, sizeof *names, compare_names);
    if (memory) return names;
    free_names(names, *count);
    *count = -1;
    return NULL;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* takes `path`; false: out of memory */
static bool add_picture(fcmae_picture **pictures, int *count, char *path, int64_t step,
                        const char *caption)
{
    fcmae_picture *more = realloc(*pictures, (size_t)(*count + 1) * sizeof *more);
    if (!more || !path) {
        free(path);
        if (more) *pictures = more;
        return false;
    }
    *pictures = more;
    more[*count] = (fcmae_picture){.path = path, .step = step};
    snprintf(more[*count].caption, sizeof more[*count].caption, "%.110s", caption);
    ++*count;
    return true;
}

static int compare_steps(const void *a, const void *b)
{
    const fcmae_picture *p = a, *q = b;
    return p->step < q->step ? -1 : p->step > q->step;
}

/* false: out of memory */
static bool find_reconstructions(fcmae_run_data *run)
{
    int count;
    char *folder = join(run->folder, "reconstructions");
    if (!folder) return false;
    char **names = list_names(folder, "step-", &count);
    bool memory = count >= 0;
    for (int i = 0; i < count && memory; i++) {
        char *end;
        long long step = strtoll(names[i] + 5, &end, 10);
        if (end == names[i] + 5 || step < 0 || strcmp(end, ".png") != 0) continue;
        char caption[40];
        snprintf(caption, sizeof caption, "step %lld", step);
        memory = add_picture(&run->reconstructions, &run->reconstruction_count,
                             join(folder, names[i]), step, caption);
    }
    if (run->reconstruction_count > 0)
        qsort(run->reconstructions, (size_t)run->reconstruction_count, sizeof *run->reconstructions,
              compare_steps);
    free_names(names, count);
    free(folder);
    return memory;
}

/* ---- collapse analyses ---- */

/* what is damaged is left out and said; false: out of memory */
static bool read_analysis(fcmae_run_data *run, const char *path, const fcmae_log *log)
{
    fcmae_buffer buffer = {0};
    fcmae_error error = {0};
    json_t *root = NULL;
    fcmae_status status = fcmae_file_read(&buffer, path, JSON_LIMIT, &error);
    if (status == FCMAE_OK)
        status = fcmae_json_parse(buffer.text, buffer.size, path, &root, &error);
    bool memory = status != FCMAE_ERR_MEMORY;
    if (status != FCMAE_OK && memory)
        fcmae_log_line(log, FCMAE_LOG_WARNING, "left out of the report: %s", error.message);
    if (status == FCMAE_OK && json_is_array(json_object_get(root, "models"))) {
        fcmae_json_append(&run->analyses, json_incref(root));
        memory = run->analyses != NULL;
    }
    json_decref(root);
    fcmae_buffer_release(&buffer);
    return memory;
}

/* false: out of memory */
static bool read_analysis_folder(fcmae_run_data *run, const char *folder, const fcmae_log *log)
{
    int count;
    char **names = list_names(folder, "", &count);
    bool memory = count >= 0;
    for (int i = 0; i < count && memory; i++) {
        char *path = join(folder, names[i]);
        if (!path) {
            memory = false;
        } else if (ends_with(names[i], ".json")) {
            memory = read_analysis(run, path, log);
        } else if (strncmp(names[i], "activations-", 12) == 0 && ends_with(names[i], ".png")) {
            memory = add_picture(&run->galleries, &run->gallery_count, path, -1, names[i]);
            path = NULL;
        }
        free(path);
    }
    free_names(names, count);
    return memory;
}

/* false: out of memory */
static bool find_analyses(fcmae_run_data *run, const fcmae_log *log)
{
    int count;
    char **names = list_names(run->folder, "collapse", &count);
    bool memory = count >= 0;
    for (int i = 0; i < count && memory; i++) {
        char *path = join(run->folder, names[i]);
        struct stat info;
        if (!path)
            memory = false;
        else if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            memory = read_analysis_folder(run, path, log);
        else if (ends_with(names[i], ".json"))
            memory = read_analysis(run, path, log);
        free(path);
    }
    free_names(names, count);
    return memory;
}

/* ---- the whole ---- */

static void name_run(fcmae_run_data *run)
{
    size_t length = strlen(run->folder);
    while (length > 1 && run->folder[length - 1] == '/') run->folder[--length] = 0;
    const char *slash = strrchr(run->folder, '/');
    const char *name = slash && slash[1] ? slash + 1 : run->folder;
    snprintf(run->name, sizeof run->name, "%.190s", name);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        char *real = realpath(run->folder, NULL);
        slash = real ? strrchr(real, '/') : NULL;
        if (slash && slash[1]) snprintf(run->name, sizeof run->name, "%.190s", slash + 1);
        free(real);
    }
}

static fcmae_status read_config(fcmae_run_data *run, const char *path, fcmae_error *error)
{
    fcmae_buffer buffer = {0};
    fcmae_status status = fcmae_file_read(&buffer, path, JSON_LIMIT, error);
    if (status == FCMAE_OK)
        status = fcmae_json_parse(buffer.text, buffer.size, path, &run->config, error);
    if (status == FCMAE_OK && !json_is_object(run->config)) {
        json_decref(run->config);
        run->config = NULL;
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a JSON object", path);
    }
    fcmae_buffer_release(&buffer);
    return status;
}

/** config.json and log.jsonl, of which one is enough, and what else there is. */
static fcmae_status read_parts(fcmae_run_data *run, const char *config, const char *lines,
                               const fcmae_log *log, fcmae_error *error)
{
    fcmae_error first = {0}, second = {0};
    fcmae_status of_config = read_config(run, config, &first);
    fcmae_status of_log = read_log(run, lines, log, &second);
    bool memory = of_config != FCMAE_ERR_MEMORY && of_log != FCMAE_ERR_MEMORY;
    if (memory && of_config != FCMAE_OK && of_log != FCMAE_OK)
        return fcmae_fail(error, FCMAE_ERR_NOT_FOUND,
                          "%s is not a run folder: neither config.json nor log.jsonl can be read "
                          "there (%s)",
                          run->folder, second.message);
    if (memory && (of_config != FCMAE_OK || of_log != FCMAE_OK))
        fcmae_log_line(log, FCMAE_LOG_WARNING, "left out of the report: %s",
                       of_config != FCMAE_OK ? first.message : second.message);
    if (memory && find_reconstructions(run) && find_analyses(run, log)) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "reading the run %s: out of memory", run->folder);
}

fcmae_status fcmae_run_data_read(fcmae_run_data *run, const char *folder, const fcmae_log *log,
                                 fcmae_error *error)
{
    *run = (fcmae_run_data){
        .folder = strdup(folder), .events = json_array(), .analyses = json_array()};
    char *config = join(folder, "config.json"), *lines = join(folder, "log.jsonl");
    fcmae_status status = FCMAE_OK;
    if (!run->folder || !run->events || !run->analyses || !config || !lines) {
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "reading the run %s: out of memory", folder);
    } else {
        name_run(run);
        status = read_parts(run, config, lines, log, error);
    }
    free(config);
    free(lines);
    if (status != FCMAE_OK) fcmae_run_data_release(run);
    return status;
}

void fcmae_run_data_release(fcmae_run_data *run)
{
    for (int i = 0; i < run->column_count; i++) {
        free(run->columns[i].step);
        free(run->columns[i].value);
    }
    for (int i = 0; i < run->reconstruction_count; i++) free(run->reconstructions[i].path);
    for (int i = 0; i < run->gallery_count; i++) free(run->galleries[i].path);
    free(run->reconstructions);
    free(run->galleries);
    free(run->folder);
    json_decref(run->config);
    json_decref(run->events);
    json_decref(run->analyses);
    *run = (fcmae_run_data){0};
}
