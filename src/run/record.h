/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The resolved options of a run, as its table says they are recorded: written to config.json,
 * carried in every checkpoint, and compared when a run is resumed.
 */
#ifndef FCMAE_RUN_RECORD_H
#define FCMAE_RUN_RECORD_H

#include "core/options.h"

typedef struct fcmae_recorded {
    const fcmae_option *option;
    char key[64];
    json_t *value; /**< owned */
    char *text;    /**< the value as JSON, owned */
} fcmae_recorded;

/** Zero-initialise. */
typedef struct fcmae_record {
    fcmae_recorded *items; /**< owned */
    int count;
} fcmae_record;

/** Takes the values as they are now. FCMAE_ERR_MEMORY. */
fcmae_status fcmae_record_take(fcmae_record *record, const fcmae_option_set *set,
                               const void *values, fcmae_error *error);
void fcmae_record_release(fcmae_record *record);

/** One indented JSON object, for people; caller frees. NULL if memory is short. */
char *fcmae_record_json(const fcmae_record *record);

/**
 * Compares with an earlier record, found by key (NULL: it has none, which passes).
 * @return FCMAE_ERR_MISMATCH: a fixed option differs. Changed free ones go to the log.
 */
fcmae_status fcmae_record_compare(const fcmae_record *record,
                                  const char *(*earlier)(const void *cookie, const char *key),
                                  const void *cookie, const fcmae_log *log, fcmae_error *error);

#endif
