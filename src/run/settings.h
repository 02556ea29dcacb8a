/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The resolved options of a run as one list of names and JSON values: written to config.json,
 * carried in every checkpoint, and compared when a run is resumed.
 */
#ifndef FCMAE_RUN_SETTINGS_H
#define FCMAE_RUN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/json.h"

enum { FCMAE_SETTINGS = 96 };

typedef enum fcmae_setting_kind {
    FCMAE_SETTING_FIXED,  /**< a resumed run must have the same                                */
    FCMAE_SETTING_FREE,   /**< shapes the result, may change when resuming: a remark in the log */
    FCMAE_SETTING_MACHINE /**< cannot change the result: config.json only, not in checkpoints    */
} fcmae_setting_kind;

typedef struct fcmae_setting {
    const char *name; /**< literal, with '_' */
    fcmae_setting_kind kind;
    json_t *value; /**< owned; NULL: memory was short */
    char *text;    /**< the value as JSON, owned      */
} fcmae_setting;

/** Zero-initialise. */
typedef struct fcmae_settings {
    fcmae_setting items[FCMAE_SETTINGS];
    int count;
} fcmae_settings;

void fcmae_settings_text(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                         const char *value);
void fcmae_settings_integer(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                            int64_t value);
void fcmae_settings_number(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                           double value);
void fcmae_settings_flag(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                         bool value);
/** [a, b, ...] */
void fcmae_settings_integers(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                             const int *values, int count);
/** FCMAE_ERR_MEMORY if any of the above failed. */
fcmae_status fcmae_settings_check(const fcmae_settings *settings, fcmae_error *error);
void fcmae_settings_release(fcmae_settings *settings);

/** One indented JSON object, for people; caller frees. NULL if memory is short. */
char *fcmae_settings_json(const fcmae_settings *settings);

/**
 * Compares with the settings of an earlier run, found by name (NULL: it has none, which passes).
 * @return FCMAE_ERR_MISMATCH: a fixed setting differs. Changed free ones go to the log.
 */
fcmae_status fcmae_settings_compare(const fcmae_settings *settings,
                                    const char *(*earlier)(const void *cookie, const char *name),
                                    const void *cookie, const fcmae_log *log, fcmae_error *error);

#endif
