/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * log.jsonl: one JSON object per line, one line per update, in order and without gaps.
 *
 * Every line is one write, so a killed process leaves at most one torn line at the end. A resumed
 * run cuts the log after the line of the update it continues from and goes on there.
 */
#ifndef FCMAE_RUN_RUN_LOG_H
#define FCMAE_RUN_RUN_LOG_H

#include <stdint.h>

#include "core/status.h"
#include "fcmae/train.h"

typedef struct fcmae_run_log {
    int file;       /**< -1: closed                                     */
    int64_t size;   /**< bytes, all of them whole lines                 */
    double elapsed; /**< of the last line kept when opening; 0: no line */
} fcmae_run_log;

/** Opens or creates RUN/log.jsonl and cuts everything after the line of update `last_step`
 *  (0: everything). A log that ends earlier is kept as it is. */
fcmae_status fcmae_run_log_open(fcmae_run_log *log, const char *folder, int64_t last_step,
                                fcmae_error *error);
/** One update; `figures` may be NULL. */
fcmae_status fcmae_run_log_step(fcmae_run_log *log, const fcmae_train_progress *progress,
                                const fcmae_train_figures *figures, fcmae_error *error);
/** {"step": step, "event": event, "message": message, "images": [...]} (no images: left out). */
fcmae_status fcmae_run_log_event(fcmae_run_log *log, int64_t step, const char *event,
                                 const char *message, const char *const *images, int64_t count,
                                 fcmae_error *error);
/** Calls `visit` with every number that the log holds under the name of a figure, in order. A
 *  folder without a log has none. */
fcmae_status fcmae_run_log_read(const char *folder, const char *figure,
                                fcmae_status (*visit)(void *cookie, int64_t step, double value,
                                                      fcmae_error *error),
                                void *cookie, fcmae_error *error);
/** Waits until everything written is on the disk. */
fcmae_status fcmae_run_log_sync(fcmae_run_log *log, fcmae_error *error);
void fcmae_run_log_close(fcmae_run_log *log);

#endif
