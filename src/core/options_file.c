/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Options from files: the config.json of a run, or lines "key = value". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ini.h"
#include "core/options_values.h"

enum { FILE_LIMIT = 1 << 20 };

static fcmae_status take_entry(void *cookie, const fcmae_ini_entry *entry, fcmae_error *error)
{
    fcmae_options *options = cookie;
    if (entry->section[0] && strcmp(entry->section, options->set->name) != 0) return FCMAE_OK;
    fcmae_status status = fcmae_options_set_at(options, FCMAE_LEVEL_FILE, entry->key, entry->value,
                                               error);
    if (status == FCMAE_OK || status == FCMAE_ERR_MEMORY) return status;
    return fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s:%d", entry->file, entry->line);
}

/** A JSON value as it would be typed. NULL: memory is short, or it is an object. */
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

static fcmae_status set_json(fcmae_options *options, const fcmae_option *option,
                             const json_t *value, fcmae_error *error)
{
    char *text = typed(value);
    if (!text)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s: must be a text, a number, true or false",
                          option->name);
    fcmae_status status = fcmae_options_set_at(options, FCMAE_LEVEL_FILE, option->name, text,
                                               error);
    free(text);
    return status;
}

static fcmae_status take_value(fcmae_options *options, const char *key, const json_t *value,
                               fcmae_error *error)
{
    const fcmae_option *option = fcmae_option_find(options->set, key);
    if (json_is_null(value)) return FCMAE_OK;
    if (!option) return fcmae_options_set_at(options, FCMAE_LEVEL_FILE, key, "", error);
    if (option->source != FCMAE_SOURCE_ANY) return FCMAE_OK; /* follows from data and model */
    if (!json_is_array(value)) return set_json(options, option, value, error);
    for (size_t i = 0; i < json_array_size(value); i++)
        FCMAE_TRY(set_json(options, option, json_array_get(value, i), error));
    return FCMAE_OK;
}

static fcmae_status read_json(fcmae_options *options, const char *path, const fcmae_buffer *text,
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
        if (status == FCMAE_OK) status = take_value(options, key, value, error);
        if (status == FCMAE_ERR_ARGUMENT)
            status = fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s", path);
    }
    json_decref(object);
    return status;
}

fcmae_status fcmae_options_read(fcmae_options *options, const char *path, fcmae_error *error)
{
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_file_read(&text, path, FILE_LIMIT, error);
    size_t first = 0;
    while (status == FCMAE_OK && first < text.size && strchr(" \t\r\n", text.bytes[first])) first++;
    if (status == FCMAE_OK && first < text.size && text.bytes[first] == '{') {
        status = read_json(options, path, &text, error);
    } else if (status == FCMAE_OK) {
        status = fcmae_ini_load(path, &text, error);
        if (status == FCMAE_OK)
            status = fcmae_ini_parse((const char *)text.bytes, path, take_entry, options, error);
    }
    fcmae_buffer_release(&text);
    return status;
}
