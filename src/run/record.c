/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/record.h"

#include <stdlib.h>
#include <string.h>

fcmae_status fcmae_record_take(fcmae_record *record, const fcmae_option_set *set,
                               const void *values, fcmae_error *error)
{
    record->items = calloc((size_t)set->count + 1, sizeof *record->items);
    if (!record->items) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to record options");
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (option->type == FCMAE_OPTION_HEADING || option->record == FCMAE_RECORD_NOT) continue;
        fcmae_recorded *item = &record->items[record->count++];
        item->option = option;
        fcmae_option_key(option, item->key, sizeof item->key);
        item->value = fcmae_option_json(option, values);
        item->text = fcmae_json_words(item->value, 15); /* numbers as they were typed */
        if (!item->text)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "the option %s cannot be recorded",
                              option->name);
    }
    return FCMAE_OK;
}

void fcmae_record_release(fcmae_record *record)
{
    for (int i = 0; i < record->count; i++) {
        json_decref(record->items[i].value);
        free(record->items[i].text);
    }
    free(record->items);
    memset(record, 0, sizeof *record);
}

char *fcmae_record_json(const fcmae_record *record)
{
    json_t *object = json_object();
    for (int i = 0; i < record->count; i++)
        fcmae_json_set(&object, record->items[i].key, json_incref(record->items[i].value));
    char *text = fcmae_json_page(object);
    json_decref(object);
    return text;
}

/** What an earlier record holds under the key of an option, or under its older name. */
static const char *find_earlier(const fcmae_recorded *item,
                                const char *(*earlier)(const void *cookie, const char *key),
                                const void *cookie)
{
    const char *found = earlier(cookie, item->key);
    if (found || !item->option->also) return found;
    const fcmae_option older = {.name = item->option->also};
    char key[64];
    return earlier(cookie, fcmae_option_key(&older, key, sizeof key));
}

/** Left open in both: earlier records hold a number for that, outside the range of the option. */
static bool both_open(const fcmae_recorded *item, const char *before)
{
    const char *range = item->option->range;
    char *end;
    double number = strtod(before, &end);
    return json_is_null(item->value) && range && end != before && *end == 0 &&
           !fcmae_option_in_range(range, number);
}

/** "0.0" and "-0.0" are one number. */
static bool same_number(const char *a, const char *b)
{
    char *end_of_a, *end_of_b;
    double x = strtod(a, &end_of_a), y = strtod(b, &end_of_b);
    return end_of_a > a && end_of_b > b && !*end_of_a && !*end_of_b && x == y;
}

/** What an earlier record holds, if that is another value; NULL: the same, or nothing. */
static const char *find_other(const fcmae_recorded *item,
                              const char *(*earlier)(const void *cookie, const char *key),
                              const void *cookie)
{
    if (item->option->record == FCMAE_RECORD_MACHINE) return NULL;
    const char *before = find_earlier(item, earlier, cookie);
    if (!before || strcmp(before, item->text) == 0 || same_number(before, item->text)) return NULL;
    return both_open(item, before) ? NULL : before;
}

fcmae_status fcmae_record_compare(const fcmae_record *record,
                                  const char *(*earlier)(const void *cookie, const char *key),
                                  const void *cookie, const fcmae_log *log, fcmae_error *error)
{
    /* what is refused comes first: nothing changes then */
    for (int i = 0; i < record->count; i++) {
        const fcmae_recorded *item = &record->items[i];
        if (item->option->record != FCMAE_RECORD_FIXED) continue;
        const char *before = find_other(item, earlier, cookie);
        if (before)
            return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                              "the checkpoint belongs to a run with %s %s, not %s: repeat the old "
                              "value, or start a new run in another folder, which can begin with "
                              "these weights (pretrain --init, finetune --checkpoint)",
                              item->key, before, item->text);
    }
    for (int i = 0; i < record->count; i++) {
        const fcmae_recorded *item = &record->items[i];
        const char *before = find_other(item, earlier, cookie);
        if (before)
            fcmae_log_line(log, FCMAE_LOG_WARNING, "%s changes from %s to %s from here on",
                           item->key, before, item->text);
    }
    return FCMAE_OK;
}
