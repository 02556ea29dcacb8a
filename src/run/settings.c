/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

enum { DIGITS = 15 }; /* decimal numbers read back as they were typed */

/** Takes over `value`. */
static void add(fcmae_settings *settings, fcmae_setting_kind kind, const char *name, json_t *value)
{
    assert(settings->count < FCMAE_SETTINGS);
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS)) : NULL;
    settings->items[settings->count++] = (fcmae_setting){name, kind, value, text};
}

void fcmae_settings_text(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                         const char *value)
{
    add(settings, kind, name, fcmae_json_lossy_text(value));
}

void fcmae_settings_integer(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                            int64_t value)
{
    add(settings, kind, name, json_integer(value));
}

void fcmae_settings_number(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                           double value)
{
    add(settings, kind, name, json_real(value));
}

void fcmae_settings_flag(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                         bool value)
{
    add(settings, kind, name, json_boolean(value));
}

void fcmae_settings_integers(fcmae_settings *settings, fcmae_setting_kind kind, const char *name,
                             const int *values, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count && list; i++)
        if (json_array_append_new(list, json_integer(values[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    add(settings, kind, name, list);
}

fcmae_status fcmae_settings_check(const fcmae_settings *settings, fcmae_error *error)
{
    for (int i = 0; i < settings->count; i++)
        if (!settings->items[i].text)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "the option %s cannot be recorded",
                              settings->items[i].name);
    return FCMAE_OK;
}

void fcmae_settings_release(fcmae_settings *settings)
{
    for (int i = 0; i < settings->count; i++) {
        json_decref(settings->items[i].value);
        free(settings->items[i].text);
    }
    settings->count = 0;
}

char *fcmae_settings_json(const fcmae_settings *settings)
{
    json_t *object = json_object();
    for (int i = 0; i < settings->count; i++)
        json_object_set(object, settings->items[i].name, settings->items[i].value);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
    json_decref(object);
    return text;
}

fcmae_status fcmae_settings_compare(const fcmae_settings *settings,
                                    const char *(*earlier)(const void *cookie, const char *name),
                                    const void *cookie, const fcmae_log *log, fcmae_error *error)
{
    for (int i = 0; i < settings->count; i++) {
        const fcmae_setting *setting = &settings->items[i];
        if (setting->kind == FCMAE_SETTING_MACHINE) continue;
        const char *before = earlier(cookie, setting->name);
        if (!before || strcmp(before, setting->text) == 0) continue;
        if (setting->kind == FCMAE_SETTING_FIXED)
            return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                              "the checkpoint belongs to a run with %s %s, not %s: repeat the old "
                              "value, or start a new run in another folder",
                              setting->name, before, setting->text);
        fcmae_log_line(log, FCMAE_LOG_WARNING, "%s changes from %s to %s from here on",
                       setting->name, before, setting->text);
    }
    return FCMAE_OK;
}
