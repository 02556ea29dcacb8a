/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** One option: its row, and a text read into the member that the row names. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options.h"

/* ---- rows ---- */

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) return false;
    return *a == *b;
}

const fcmae_option *fcmae_option_find(const fcmae_option_set *set, const char *name)
{
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (option->type == FCMAE_OPTION_HEADING) continue;
        if (same_name(option->name, name) || (option->also && same_name(option->also, name)))
            return option;
    }
    return NULL;
}

const char *fcmae_option_key(const fcmae_option *option, char *key, size_t size)
{
    snprintf(key, size, "%s", option->name);
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    return key;
}

/* ---- mistyped words ---- */

enum { WORD = 63 };

static int minimum(int a, int b)
{
    return a < b ? a : b;
}

/** Edits that turn a into b: insertions, deletions, replacements, swapped neighbours. */
static int edit_distance(const char *a, const char *b)
{
    int rows = minimum((int)strlen(a), WORD), columns = minimum((int)strlen(b), WORD);
    int distance[WORD + 1][WORD + 1];
    for (int i = 0; i <= rows; i++) distance[i][0] = i;
    for (int j = 0; j <= columns; j++) distance[0][j] = j;
    for (int i = 1; i <= rows; i++) {
        for (int j = 1; j <= columns; j++) {
            int best = distance[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = minimum(best, minimum(distance[i - 1][j], distance[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = minimum(best, distance[i - 2][j - 2] + 1);
            distance[i][j] = best;
        }
    }
    return distance[rows][columns];
}

const char *fcmae_suggest(const char *word, const char *const *candidates, int count)
{
    const char *near = NULL;
    int length = (int)strlen(word), best = length / 3 + 1; /* more edits than that: another word */
    if (best > 3) best = 3;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (length >= 3 && strncmp(candidates[i], word, (size_t)length) == 0) distance = 1;
        if (distance < best || (distance == best && !near)) {
            best = distance;
            near = candidates[i];
        }
    }
    return near;
}

/* ---- values ---- */

bool fcmae_option_in_range(const char *range, double value)
{
    if (!range) return true;
    char *end = NULL;
    double low = strtod(range + 1, &end);
    double high = strtod(end + 1, &end);
    while (*end == ' ') end++;
    bool above = range[0] == '[' ? value >= low : value > low;
    bool below = *end == ']' ? value <= high : value < high;
    return above && below;
}

static fcmae_status refuse(const fcmae_option *option, const char *text, const char *expected,
                           fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s %s: must be %s", option->name,
                      text[0] ? text : "''", expected);
}

static fcmae_status refuse_range(const fcmae_option *option, const char *text, const char *type,
                                 fcmae_error *error)
{
    char expected[128];
    snprintf(expected, sizeof expected, "in %s", option->range ? option->range : type);
    return refuse(option, text, expected, error);
}

static fcmae_status parse_integer(const fcmae_option *option, const char *text, int64_t *out,
                                  fcmae_error *error)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end) return refuse(option, text, "a whole number", error);
    bool narrow = option->type == FCMAE_OPTION_INT;
    if (errno == ERANGE || !fcmae_option_in_range(option->range, (double)value) ||
        (narrow && (value < INT32_MIN || value > INT32_MAX)))
        return refuse_range(option, text, narrow ? "32 bits" : "64 bits", error);
    *out = value;
    return FCMAE_OK;
}

static fcmae_status parse_number(const fcmae_option *option, const char *text, double *out,
                                 fcmae_error *error)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) return refuse(option, text, "a number", error);
    if (!fcmae_option_in_range(option->range, value)) return refuse_range(option, text, "", error);
    *out = value;
    return FCMAE_OK;
}

/** Position of `word` in "one|two|three", or -1. */
int fcmae_option_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int index = 0;
    for (const char *at = choices; at; index++) {
        size_t width = strcspn(at, "|");
        if (width == length && memcmp(at, word, width) == 0) return index;
        at = at[width] ? at + width + 1 : NULL;
    }
    return -1;
}

static fcmae_status parse_choice(const fcmae_option *option, const char *choices, const char *text,
                                 int *out, fcmae_error *error)
{
    int index = fcmae_option_choice(choices, text);
    if (index < 0) {
        char expected[256];
        snprintf(expected, sizeof expected, "one of %s", choices);
        return refuse(option, text, expected, error);
    }
    *out = index;
    return FCMAE_OK;
}

/** "2, 2, 6, 2" */
static fcmae_status parse_four(const fcmae_option *option, const char *text, int *out,
                               fcmae_error *error)
{
    const char *expected = "four whole numbers with commas between them";
    int values[4];
    const char *at = text;
    for (int i = 0; i < 4; i++) {
        char *end = NULL;
        errno = 0;
        long value = strtol(at, &end, 10);
        if (end == at || errno) return refuse(option, text, expected, error);
        if (!fcmae_option_in_range(option->range, (double)value))
            return refuse_range(option, text, "32 bits", error);
        values[i] = (int)value;
        while (*end == ' ') end++;
        if (*end != (i < 3 ? ',' : '\0')) return refuse(option, text, expected, error);
        at = end + 1;
    }
    memcpy(out, values, sizeof values);
    return FCMAE_OK;
}

fcmae_status fcmae_option_parse(const fcmae_option *option, const char *text, void *values,
                                fcmae_error *error)
{
    void *member = (char *)values + option->offset;
    int64_t integer = 0;
    int index = 0;
    switch (option->type) {
    case FCMAE_OPTION_FLAG:
    case FCMAE_OPTION_SWITCH:
        FCMAE_TRY(parse_choice(option, "off|on", text, &index, error));
        *(bool *)member = index == 1;
        break;
    case FCMAE_OPTION_INT:
        FCMAE_TRY(parse_integer(option, text, &integer, error));
        *(int *)member = (int)integer;
        break;
    case FCMAE_OPTION_INTEGER: return parse_integer(option, text, member, error);
    case FCMAE_OPTION_NUMBER: return parse_number(option, text, member, error);
    case FCMAE_OPTION_CHOICE:
        FCMAE_TRY(parse_choice(option, option->choices, text, &index, error));
        memcpy(member, &index, sizeof index); /* it may be an enumeration */
        break;
    case FCMAE_OPTION_FOUR: return parse_four(option, text, member, error);
    case FCMAE_OPTION_TEXT:
    case FCMAE_OPTION_TEXTS:
        if (!text[0]) return refuse(option, text, "a text that is not empty", error);
        if (option->type == FCMAE_OPTION_TEXT) *(const char **)member = text;
        break;
    case FCMAE_OPTION_HEADING: break;
    }
    return FCMAE_OK;
}

void fcmae_option_defaults(const fcmae_option_set *set, void *values)
{
    memset(values, 0, set->values_size);
    for (int i = 0; i < set->count; i++)
        if (set->options[i].fallback)
            fcmae_option_parse(&set->options[i], set->options[i].fallback, values, NULL);
}

/* ---- JSON ---- */

static json_t *choice_json(const fcmae_option *option, const void *member)
{
    int index;
    const char *at = option->choices;
    memcpy(&index, member, sizeof index);
    for (int i = 0; i < index; i++) at = strchr(at, '|') + 1;
    return json_stringn(at, strcspn(at, "|"));
}

static json_t *list_json(json_t *const *items, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) fcmae_json_append(&list, items[i]);
    return list;
}

static json_t *texts_json(const fcmae_texts *texts)
{
    json_t *list = json_array();
    for (int i = 0; i < texts->count; i++)
        fcmae_json_append(&list, fcmae_json_lossy_text(texts->items[i]));
    return list;
}

/** null for what was left open, which a member shows by a number outside the range. */
static json_t *number_json(const fcmae_option *option, double number, json_t *value)
{
    if (!option->range || fcmae_option_in_range(option->range, number)) return value;
    json_decref(value);
    return json_null();
}

json_t *fcmae_option_json(const fcmae_option *option, const void *values)
{
    const void *member = (const char *)values + option->offset;
    const int *integer = member;
    const int64_t *large = member;
    const double *number = member;
    switch (option->type) {
    case FCMAE_OPTION_FLAG:
    case FCMAE_OPTION_SWITCH: return json_boolean(*(const bool *)member);
    case FCMAE_OPTION_INT: return number_json(option, *integer, json_integer(*integer));
    case FCMAE_OPTION_INTEGER: return number_json(option, (double)*large, json_integer(*large));
    case FCMAE_OPTION_NUMBER: return number_json(option, *number, json_real(*number));
    case FCMAE_OPTION_CHOICE: return choice_json(option, member);
    case FCMAE_OPTION_TEXTS: return texts_json(member);
    case FCMAE_OPTION_TEXT: {
        const char *text = *(const char *const *)member;
        return text ? fcmae_json_lossy_text(text) : json_null();
    }
    case FCMAE_OPTION_FOUR: {
        json_t *items[4];
        for (int i = 0; i < 4; i++) items[i] = json_integer(integer[i]);
        return list_json(items, 4);
    }
    case FCMAE_OPTION_HEADING: break;
    }
    return json_null();
}
