/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a run folder holds, read for the report. Anything missing or
 *  damaged is left out and said. */
#ifndef FCMAE_REPORT_RUN_DATA_H
#define FCMAE_REPORT_RUN_DATA_H

#include <stdbool.h>

#include "core/json.h"

#define FCMAE_RUN_COLUMNS 64

/** One quantity of log.jsonl over the steps. Element k of an array "name" is the column "name.k";
 *  the one element of an array of one is the column "name". */
typedef struct fcmae_column {
    char name[64];
    double *step, *value; /**< [count] in the order of the log */
    int64_t count, capacity;
} fcmae_column;

/** A picture file. */
typedef struct fcmae_picture {
    char *path;
    char caption[120];
    int64_t step; /**< -1: none */
} fcmae_picture;

typedef struct fcmae_run_data {
    char name[200]; /**< last part of the folder's path                               */
    char *folder;
    json_t *config; /**< object of config.json, or NULL                               */
    fcmae_column columns[FCMAE_RUN_COLUMNS];
    int column_count;
    int64_t lines, bad_lines; /**< of log.jsonl                                               */
    json_t *events;           /**< array of the log's objects with "event"; the last 100         */
    json_t *analyses;         /**< array of collapse.json objects                               */
    fcmae_picture *reconstructions, *galleries; /**< by step; by name                          */
    int reconstruction_count, gallery_count;
} fcmae_run_data;

/** @return FCMAE_ERR_NOT_FOUND: neither config.json nor log.jsonl; FCMAE_ERR_MEMORY. */
fcmae_status fcmae_run_data_read(fcmae_run_data *run, const char *folder, const fcmae_log *log,
                                 fcmae_error *error);
void fcmae_run_data_release(fcmae_run_data *run);
/** The column of that name, or NULL. */
const fcmae_column *fcmae_run_data_column(const fcmae_run_data *run, const char *name);

#endif
