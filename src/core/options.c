/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The values of a set of options: setting them at their levels, asking for them. */
#include "core/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options_values.h"

static int index_of(const fcmae_options *options, const fcmae_option *option)
{
    return option ? (int)(option - options->set->options) : -1;
}

static int find(const fcmae_options *options, const char *name)
{
    return index_of(options, fcmae_option_find(options->set, name));
}

/* ---- life ---- */

fcmae_status fcmae_options_create(fcmae_options **out, const fcmae_option_set *set,
                                  fcmae_error *error)
{
    fcmae_options *options = calloc(1, sizeof *options);
    if (!options) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for options");
    options->set = set;
    options->values = calloc(1, set->values_size + 1);
    options->levels = calloc((size_t)set->count + 1, sizeof *options->levels);
    fcmae_status status = FCMAE_OK;
    if (!options->values || !options->levels)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for options");
    for (int i = 0; i < set->count && status == FCMAE_OK; i++)
        if (set->options[i].fallback)
            status = fcmae_options_set_at(options, FCMAE_LEVEL_DEFAULT, set->options[i].name,
                                          set->options[i].fallback, error);
    if (status != FCMAE_OK)
        fcmae_options_destroy(&options);
    else
        *out = options;
    return status;
}

void fcmae_options_destroy(fcmae_options **options)
{
    if (!options || !*options) return;
    fcmae_options *o = *options;
    for (int i = 0; o->values && i < o->set->count; i++)
        if (o->set->options[i].type == FCMAE_OPTION_TEXTS)
            free(((fcmae_texts *)(void *)((char *)o->values + o->set->options[i].offset))->items);
    for (int i = 0; i < o->text_count; i++) free(o->texts[i]);
    free(o->texts);
    free(o->values);
    free(o->levels);
    free(o);
    *options = NULL;
}

const fcmae_option_set *fcmae_options_describe(const fcmae_options *options)
{
    return options->set;
}

/* ---- setting ---- */

/** A copy that lives as long as the options; NULL if memory is short. */
static const char *keep(fcmae_options *options, const char *text)
{
    char **texts = realloc(options->texts, ((size_t)options->text_count + 1) * sizeof *texts);
    if (!texts) return NULL;
    options->texts = texts;
    char *copy = strdup(text);
    if (copy) texts[options->text_count++] = copy;
    return copy;
}

static fcmae_status append_text(fcmae_texts *list, const char *text, fcmae_error *error)
{
    const char **items = realloc(list->items, ((size_t)list->count + 1) * sizeof *items);
    if (!items) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for options");
    list->items = items;
    items[list->count++] = text;
    return FCMAE_OK;
}

static fcmae_status unknown(const fcmae_options *options, const char *name, fcmae_error *error)
{
    enum { MOST = 160 };
    const char *names[MOST];
    int count = 0;
    for (int i = 0; i < options->set->count && count < MOST; i++) {
        const fcmae_option *option = &options->set->options[i];
        if (option->type != FCMAE_OPTION_HEADING && !option->positional &&
            option->source == FCMAE_SOURCE_ANY)
            names[count++] = option->name;
    }
    const char *near = fcmae_suggest(name, names, count);
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s has no option %s%s%s%s", options->set->name,
                      name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/** Sets row `index`, whoever may: see fcmae_options_set_at(). */
static fcmae_status store(fcmae_options *options, fcmae_option_level level, int index,
                          const char *text, fcmae_error *error)
{
    const fcmae_option *option = &options->set->options[index];
    bool stays = options->levels[index] > level;
    if (option->type == FCMAE_OPTION_TEXT || option->type == FCMAE_OPTION_TEXTS)
        if (text[0] && !stays && !(text = keep(options, text)))
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for options");
    if (stays) { /* the value of a higher level; what is hidden must make sense nevertheless */
        double spare[4];
        fcmae_option alone = *option;
        alone.offset = 0;
        return fcmae_option_parse(&alone, text, spare, error);
    }
    FCMAE_TRY(fcmae_option_parse(option, text, options->values, error));
    if (option->type == FCMAE_OPTION_TEXTS) {
        fcmae_texts *list = (void *)((char *)options->values + option->offset);
        if (options->levels[index] < level) list->count = 0;
        FCMAE_TRY(append_text(list, text, error));
    }
    options->levels[index] = level;
    return FCMAE_OK;
}

fcmae_status fcmae_options_set_at(fcmae_options *options, fcmae_option_level level,
                                  const char *name, const char *text, fcmae_error *error)
{
    int index = find(options, name);
    if (index < 0) return unknown(options, name, error);
    const fcmae_option *option = &options->set->options[index];
    if (option->source == FCMAE_SOURCE_FACT ||
        (option->source == FCMAE_SOURCE_PRESET && level > FCMAE_LEVEL_RECIPE))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s cannot be set: %s", option->name,
                          option->source == FCMAE_SOURCE_FACT ? "the run finds it out"
                                                              : "it belongs into a preset file");
    return store(options, level, index, text, error);
}

fcmae_status fcmae_options_set(fcmae_options *options, const char *name, const char *text,
                               fcmae_error *error)
{
    return fcmae_options_set_at(options, FCMAE_LEVEL_GIVEN, name, text, error);
}

/** Level of a row as far as others are concerned: a flag that is off excludes nothing. */
static fcmae_option_level excluding(const fcmae_options *options, int index)
{
    const fcmae_option *option = &options->set->options[index];
    const char *member = (const char *)options->values + option->offset;
    bool off = option->type == FCMAE_OPTION_FLAG && !*(const bool *)(const void *)member;
    return off ? FCMAE_LEVEL_UNSET : options->levels[index];
}

fcmae_status fcmae_options_check(const fcmae_options *options, fcmae_error *error)
{
    for (int i = 0; i < options->set->count; i++) {
        const fcmae_option *option = &options->set->options[i];
        if (option->required && options->levels[i] == FCMAE_LEVEL_UNSET)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is required: %s", option->name,
                              option->help);
        int other = option->excludes ? find(options, option->excludes) : -1;
        if (other >= 0 && excluding(options, i) == FCMAE_LEVEL_GIVEN &&
            options->levels[other] == FCMAE_LEVEL_GIVEN)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s and %s exclude each other",
                              option->name, options->set->options[other].name);
    }
    return FCMAE_OK;
}

/* ---- asking ---- */

fcmae_option_level fcmae_options_level(const fcmae_options *options, const char *name)
{
    int index = find(options, name);
    if (index < 0) return FCMAE_LEVEL_UNSET;
    /* beside one that excludes it and is of a higher level, or as high and stronger, it is hidden
     */
    fcmae_option_level level = options->levels[index];
    for (int i = 0; i < options->set->count; i++) {
        const fcmae_option *option = &options->set->options[i];
        if (!option->excludes) continue;
        int other = find(options, option->excludes);
        if (other == index && excluding(options, i) >= level) return FCMAE_LEVEL_UNSET;
        if (i == index && other >= 0 && options->levels[other] > level) return FCMAE_LEVEL_UNSET;
    }
    return level;
}

bool fcmae_options_given(const fcmae_options *options, const char *name)
{
    return fcmae_options_level(options, name) >= FCMAE_LEVEL_FILE;
}

const char *fcmae_options_text(const fcmae_options *options, const char *name, char *text,
                               size_t size)
{
    int index = find(options, name);
    if (size > 0) text[0] = 0;
    if (index < 0 || options->levels[index] == FCMAE_LEVEL_UNSET) return text;
    json_t *value = fcmae_option_json(&options->set->options[index], options->values);
    if (json_is_string(value)) {
        snprintf(text, size, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(text, size, "%s", json_is_true(value) ? "on" : "off");
    } else if (json_is_real(value)) {
        snprintf(text, size, "%.15g", json_real_value(value));
    } else {
        char *dump = fcmae_json_words(value, 15);
        snprintf(text, size, "%s", dump ? dump : "");
        free(dump);
    }
    json_decref(value);
    return text;
}

double fcmae_options_number(const fcmae_options *options, const char *name)
{
    int index = find(options, name);
    if (index < 0) return 0;
    const fcmae_option *option = &options->set->options[index];
    const void *member = (const char *)options->values + option->offset;
    int number = 0;
    switch (option->type) {
    case FCMAE_OPTION_FLAG:
    case FCMAE_OPTION_SWITCH: return *(const bool *)member;
    case FCMAE_OPTION_INT: return *(const int *)member;
    case FCMAE_OPTION_INTEGER: return (double)*(const int64_t *)member;
    case FCMAE_OPTION_NUMBER: return *(const double *)member;
    case FCMAE_OPTION_CHOICE: memcpy(&number, member, sizeof number); return number;
    case FCMAE_OPTION_TEXT:
    case FCMAE_OPTION_TEXTS:
    case FCMAE_OPTION_FOUR:
    case FCMAE_OPTION_HEADING: break;
    }
    return 0;
}

void *fcmae_options_values(fcmae_options *options)
{
    return options->values;
}
