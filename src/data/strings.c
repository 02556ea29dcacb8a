/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "data/strings.h"

#include <stdlib.h>
#include <string.h>

void fcmae_strings_release(fcmae_strings *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i]);
    free(list->items);
    memset(list, 0, sizeof *list);
}

fcmae_status fcmae_strings_add(fcmae_strings *list, const char *text, fcmae_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        char **items = realloc(list->items, capacity * sizeof *items);
        if (!items) return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory for file names");
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = strdup(text);
    if (!copy) return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory for file names");
    list->items[list->count++] = copy;
    return FCMAE_OK;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void fcmae_strings_sort(fcmae_strings *list)
{
    if (list->count > 1) qsort(list->items, list->count, sizeof *list->items, compare_strings);
}
