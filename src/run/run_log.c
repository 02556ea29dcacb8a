/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "run/run_folder.h"

static fcmae_status log_failure(const char *what, fcmae_error *error)
{
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "log.jsonl of the run cannot be %s", what);
}

/** The update a line reports and its time, or -1 if it is something else. */
static int64_t step_of_line(const char *line, size_t length, double *elapsed)
{
    json_t *object = NULL;
    if (fcmae_json_parse(line, length, "a line of the log", &object, NULL) != FCMAE_OK) return -1;
    int64_t step = fcmae_json_integer(object, "step", -1);
    if (!json_object_get(object, "loss")) step = -1;
    *elapsed = fcmae_json_number(object, "elapsed", 0);
    json_decref(object);
    return step;
}

/** Length of the log up to and including the line of `last_step`. */
static int64_t length_to_keep(FILE *stream, int64_t last_step, double *elapsed)
{
    char *line = NULL;
    size_t capacity = 0;
    int64_t position = 0, keep = 0;
    for (ssize_t length; (length = getline(&line, &capacity, stream)) > 0;) {
        if (line[length - 1] != '\n') break; /* torn */
        position += length;
        double time = 0;
        int64_t step = step_of_line(line, (size_t)length, &time);
        if (step < 0) continue;
        if (step > last_step) break;
        keep = position;
        *elapsed = time;
    }
    free(line);
    return keep;
}

fcmae_status fcmae_run_log_open(fcmae_run_log *log, const char *folder, int64_t last_step,
                                fcmae_error *error)
{
    char path[FCMAE_PATH];
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    *log = (fcmae_run_log){.file = -1};
    FCMAE_TRY(fcmae_file_open(path, O_RDWR | O_CREAT, &log->file, NULL, error));
    int copy = dup(log->file);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");
    if (!stream) {
        fcmae_status status = log_failure("read", error);
        if (copy >= 0) close(copy);
        fcmae_run_log_close(log);
        return status;
    }
    log->size = last_step > 0 ? length_to_keep(stream, last_step, &log->elapsed) : 0;
    fclose(stream);
    if (ftruncate(log->file, log->size) != 0 || lseek(log->file, log->size, SEEK_SET) < 0) {
        fcmae_status status = log_failure("continued", error);
        fcmae_run_log_close(log);
        return status;
    }
    return FCMAE_OK;
}

/** Writes one object (taken over; NULL: no memory) as a whole line or not at all. */
static fcmae_status append(fcmae_run_log *log, json_t *object, fcmae_error *error)
{
    char *line = fcmae_json_words(object, 10);
    json_decref(object);
    if (!line) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a line of log.jsonl");
    size_t length = strlen(line);
    line[length++] = '\n'; /* in place of the final zero: the line is not a string any more */
    ssize_t written = write(log->file, line, length);
    free(line);
    if (written == (ssize_t)length) {
        log->size += written;
        return FCMAE_OK;
    }
    if (written >= 0) errno = ENOSPC;
    fcmae_status status = log_failure("written", error);
    /* takes the torn line back; if even that fails, the next resume will */
    if (ftruncate(log->file, log->size) == 0) lseek(log->file, log->size, SEEK_SET);
    return status;
}

static void add_figures(json_t **object, const fcmae_train_figures *figures)
{
    for (int i = 0; i < figures->count && i < FCMAE_TRAIN_FIGURES; i++) {
        const double *values = figures->figures[i].values;
        int size = figures->figures[i].size;
        json_t *value = size == 1 ? fcmae_json_figure(values[0]) : json_array();
        for (int k = 0; size != 1 && k < size && k < FCMAE_TRAIN_FIGURE_SIZE; k++)
            fcmae_json_append(&value, fcmae_json_figure(values[k]));
        fcmae_json_set(object, figures->figures[i].name, value);
    }
}

fcmae_status fcmae_run_log_step(fcmae_run_log *log, const fcmae_train_progress *p,
                                const fcmae_train_figures *figures, fcmae_error *error)
{
    json_t *object = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "step",
                               (json_int_t)p->step, "epoch", p->epoch, "loss", p->loss, "lr", p->lr,
                               "grad_norm", p->grad_norm, "images_per_s", p->images_per_s,
                               "data_wait", p->data_wait, "elapsed", p->elapsed);
    if (figures) add_figures(&object, figures);
    return append(log, object, error);
}

fcmae_status fcmae_run_log_event(fcmae_run_log *log, int64_t step, const char *event,
                                 const char *message, const char *const *images, int64_t count,
                                 fcmae_error *error)
{
    json_t *object = json_pack("{s:I, s:s, s:o}", "step", (json_int_t)step, "event", event,
                               "message", fcmae_json_lossy_text(message));
    if (count > 0) {
        json_t *list = json_array();
        for (int64_t i = 0; i < count; i++)
            fcmae_json_append(&list, fcmae_json_lossy_text(images[i]));
        fcmae_json_set(&object, "images", list);
    }
    return append(log, object, error);
}

fcmae_status fcmae_run_log_read(const char *folder, const char *figure,
                                fcmae_status (*visit)(void *cookie, int64_t step, double value,
                                                      fcmae_error *error),
                                void *cookie, fcmae_error *error)
{
    char path[FCMAE_PATH], *line = NULL;
    size_t capacity = 0;
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    int file = -1;
    fcmae_status status = fcmae_file_open(path, O_RDONLY, &file, NULL, error);
    if (status == FCMAE_ERR_NOT_FOUND) return FCMAE_OK;
    if (status != FCMAE_OK) return status;
    FILE *stream = fdopen(file, "r");
    if (!stream) {
        status = log_failure("read", error);
        close(file);
        return status;
    }
    for (ssize_t length; status == FCMAE_OK && (length = getline(&line, &capacity, stream)) > 0;) {
        json_t *object = NULL;
        fcmae_status parsed = fcmae_json_parse(line, (size_t)length, "a line of the log", &object,
                                               error);
        if (parsed == FCMAE_ERR_MEMORY) status = parsed;
        const json_t *value = json_object_get(object, figure);
        if (json_is_number(value))
            status = visit(cookie, fcmae_json_integer(object, "step", -1), json_number_value(value),
                           error);
        json_decref(object);
    }
    free(line);
    fclose(stream);
    return status;
}

fcmae_status fcmae_run_log_sync(fcmae_run_log *log, fcmae_error *error)
{
    return fsync(log->file) == 0 ? FCMAE_OK : log_failure("written to the disk", error);
}

void fcmae_run_log_close(fcmae_run_log *log)
{
    if (log->file >= 0) close(log->file);
    log->file = -1;
}
