/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "checkpoint/entries.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/layout_names.h"
#include "core/status.h"

static int compare_entries(const void *a, const void *b)
{
    const fcmae_entry *x = a, *y = b;
    return strcmp(x->parsed.official, y->parsed.official);
}

static fcmae_status check_unique(const fcmae_entries *entries, fcmae_error *error)
{
    for (int i = 1; i < entries->count; i++)
        if (compare_entries(&entries->entry[i - 1], &entries->entry[i]) == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "tensors %.200s and %.200s are both %s",
                              entries->entry[i - 1].tensor->name, entries->entry[i].tensor->name,
                              entries->entry[i].parsed.official);
    return FCMAE_OK;
}

fcmae_status fcmae_entries_collect(fcmae_entries *entries, const fcmae_tensor_file *file,
                                   const char *prefix, fcmae_error *error)
{
    int count;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(file, &count);
    size_t length = strlen(prefix);
    *entries = (fcmae_entries){.prefix_length = length};
    entries->entry = calloc((size_t)count + 1, sizeof *entries->entry);
    entries->unknown = calloc((size_t)count + 1, sizeof *entries->unknown);
    if (!entries->entry || !entries->unknown) {
        fcmae_entries_release(entries);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of %d tensors", count);
    }
    for (int i = 0; i < count; i++) {
        if (strncmp(tensors[i].name, prefix, length) != 0) continue;
        fcmae_entry *entry = &entries->entry[entries->count];
        entry->tensor = &tensors[i];
        if (fcmae_layout_parse(tensors[i].name + length, &entry->parsed))
            entries->count++;
        else
            entries->unknown[entries->unknown_count++] = &tensors[i];
    }
    qsort(entries->entry, (size_t)entries->count, sizeof *entries->entry, compare_entries);
    fcmae_status status = check_unique(entries, error);
    if (status != FCMAE_OK) fcmae_entries_release(entries);
    return status;
}

void fcmae_entries_release(fcmae_entries *entries)
{
    free(entries->entry);
    free(entries->unknown);
    *entries = (fcmae_entries){0};
}

const fcmae_entry *fcmae_entries_find(const fcmae_entries *entries, const char *official)
{
    int low = 0, high = entries->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(official, entries->entry[middle].parsed.official);
        if (order == 0) return &entries->entry[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

fcmae_layout fcmae_entries_layout(const fcmae_entries *entries)
{
    int votes[FCMAE_LAYOUT_LAST + 1] = {0};
    for (int i = 0; i < entries->count; i++) votes[entries->entry[i].parsed.layout]++;
    /* every name the dense form shares with another layout votes for dense */
    fcmae_layout best = FCMAE_LAYOUT_DENSE;
    int most = 0;
    for (int layout = FCMAE_LAYOUT_SPARSE; layout <= FCMAE_LAYOUT_LAST; layout++)
        if (layout != FCMAE_LAYOUT_DENSE && votes[layout] > most) {
            best = (fcmae_layout)layout;
            most = votes[layout];
        }
    return best;
}
