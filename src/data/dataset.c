/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "data/dataset.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

static fcmae_status no_memory(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while listing the data set");
}

fcmae_status fcmae_dataset_add_folder(fcmae_dataset *dataset, const char *path, int label,
                                      fcmae_error *error)
{
    if (dataset->folder_count == dataset->folder_capacity) {
        size_t capacity = dataset->folder_capacity ? dataset->folder_capacity * 2 : 16;
        fcmae_folder *folders = realloc(dataset->folders, capacity * sizeof *folders);
        if (!folders) return no_memory(error);
        dataset->folders = folders;
        dataset->folder_capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) return no_memory(error);
    dataset->folders[dataset->folder_count++] =
        (fcmae_folder){.path = copy, .label = label, .entries = dataset->entry_count,
                       .names = dataset->names.size};
    return FCMAE_OK;
}

fcmae_status fcmae_dataset_add_name(fcmae_dataset *dataset, const char *name, fcmae_error *error)
{
    fcmae_folder *folder = &dataset->folders[dataset->folder_count - 1];
    size_t length = strlen(name) + 1, offset = dataset->names.size - folder->names;
    if (offset > UINT32_MAX)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s holds more than 4 GiB of file names; spread it over subfolders",
                          folder->path);
    if (dataset->entry_count == dataset->entry_capacity) {
        size_t capacity = dataset->entry_capacity ? dataset->entry_capacity / 2 * 3 : 64;
        uint32_t *offsets = realloc(dataset->name_offsets, capacity * sizeof *offsets);
        if (!offsets) return no_memory(error);
        dataset->name_offsets = offsets;
        dataset->entry_capacity = capacity;
    }
    FCMAE_TRY(fcmae_buffer_reserve(&dataset->names, dataset->names.size + length, error));
    memcpy(dataset->names.bytes + dataset->names.size, name, length);
    dataset->names.size += length;
    dataset->name_offsets[dataset->entry_count++] = (uint32_t)offset;
    folder->count++;
    return FCMAE_OK;
}

void fcmae_dataset_number(fcmae_dataset *dataset)
{
    dataset->count = 0;
    for (size_t i = 0; i < dataset->folder_count; i++) {
        dataset->folders[i].first = dataset->count;
        dataset->count += dataset->folders[i].count;
    }
    if (dataset->count == 0) return;
    uint32_t *offsets =
        realloc(dataset->name_offsets, dataset->entry_count * sizeof *dataset->name_offsets);
    if (offsets) dataset->name_offsets = offsets;
    uint8_t *names = realloc(dataset->names.bytes, dataset->names.size);
    if (names) dataset->names.bytes = names;
}

fcmae_status fcmae_dataset_from_files(fcmae_dataset **out, const char *const *paths, int64_t count,
                                      fcmae_error *error)
{
    if (count < 1) return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the list of images is empty");
    fcmae_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset) return no_memory(error);
    fcmae_status status = fcmae_dataset_add_folder(dataset, "", -1, error);
    for (int64_t i = 0; status == FCMAE_OK && i < count; i++)
        status = fcmae_dataset_add_name(dataset, paths[i], error);
    if (status != FCMAE_OK) {
        fcmae_dataset_close(&dataset);
        return status;
    }
    fcmae_dataset_number(dataset);
    *out = dataset;
    return FCMAE_OK;
}

void fcmae_dataset_close(fcmae_dataset **pointer)
{
    fcmae_dataset *dataset = *pointer;
    if (!dataset) return;
    for (size_t i = 0; i < dataset->folder_count; i++) free(dataset->folders[i].path);
    for (int i = 0; i < dataset->class_count; i++) free(dataset->classes[i]);
    free(dataset->folders);
    free(dataset->classes);
    free(dataset->name_offsets);
    fcmae_buffer_release(&dataset->names);
    free(dataset);
    *pointer = NULL;
}

int64_t fcmae_dataset_count(const fcmae_dataset *dataset)
{
    return dataset->count;
}

int fcmae_dataset_classes(const fcmae_dataset *dataset)
{
    return dataset->class_count;
}

const char *fcmae_dataset_class_name(const fcmae_dataset *dataset, int class_index)
{
    if (class_index < 0 || class_index >= dataset->class_count) return NULL;
    return dataset->classes[class_index];
}

/** The folder of an image: the last one that starts at or before it and is not empty. */
static const fcmae_folder *folder_of(const fcmae_dataset *dataset, int64_t index)
{
    size_t low = 0, high = dataset->folder_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (dataset->folders[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return &dataset->folders[low];
}

int fcmae_dataset_label(const fcmae_dataset *dataset, int64_t index)
{
    return folder_of(dataset, index)->label;
}

void fcmae_dataset_name(const fcmae_dataset *dataset, int64_t index, char *name, size_t size)
{
    const fcmae_folder *folder = folder_of(dataset, index);
    size_t entry = folder->entries + (size_t)(index - folder->first);
    const char *file =
        (const char *)dataset->names.bytes + folder->names + dataset->name_offsets[entry];
    size_t length = strlen(folder->path);
    const char *join = length == 0 || folder->path[length - 1] == '/' ? "" : "/";
    snprintf(name, size, "%s%s%s", folder->path, join, file);
}

fcmae_status fcmae_dataset_fetch(const fcmae_dataset *dataset, int64_t index, fcmae_buffer *file,
                                 fcmae_error *error)
{
    char path[PATH_MAX];
    fcmae_dataset_name(dataset, index, path, sizeof path);
    return fcmae_file_read(file, path, FCMAE_IMAGE_MAX_FILE, error);
}

/** Marks `wanted` of the images first .. first + count - 1 (selection sampling: one pass, each
 *  choice equally likely). */
static int64_t draw_range(fcmae_random *random, const int64_t *members, int64_t count,
                          double fraction, int64_t *out)
{
    int64_t wanted = (int64_t)rint((double)count * fraction), taken = 0;
    if (wanted < 1 && count > 0) wanted = 1;
    for (int64_t i = 0; i < count && taken < wanted; i++)
        if ((int64_t)fcmae_random_below(random, (uint64_t)(count - i)) < wanted - taken)
            out[taken++] = members[i];
    return taken;
}

static int compare_indices(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

fcmae_status fcmae_dataset_subset(const fcmae_dataset *dataset, double fraction, uint64_t seed,
                                  int64_t **indices, int64_t *count, fcmae_error *error)
{
    if (!(fraction > 0 && fraction <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "share %g of the images is outside the range above 0 and up to 1",
                          fraction);
    size_t total = (size_t)dataset->count;
    int64_t *members = malloc(total * sizeof *members), *chosen = malloc(total * sizeof *chosen);
    if (!members || !chosen) {
        free(members);
        free(chosen);
        return no_memory(error);
    }
    int64_t taken = 0;
    size_t folder = 0;
    int classes = dataset->class_count > 0 ? dataset->class_count : 1;
    for (int label = 0; label < classes; label++) {
        /* folders are in the order of their labels; a labelled set begins with its root, label -1 */
        int64_t in_class = 0;
        while (dataset->class_count > 0 && folder < dataset->folder_count &&
               dataset->folders[folder].label < label)
            folder++;
        for (; folder < dataset->folder_count &&
               (dataset->class_count == 0 || dataset->folders[folder].label == label);
             folder++)
            for (uint32_t i = 0; i < dataset->folders[folder].count; i++)
                members[in_class++] = dataset->folders[folder].first + i;
        fcmae_random random =
            fcmae_random_start(seed, FCMAE_RANDOM_SUBSET, 0, (uint64_t)label);
        taken += draw_range(&random, members, in_class, fraction, chosen + taken);
    }
    free(members);
    qsort(chosen, (size_t)taken, sizeof *chosen, compare_indices);
    *indices = chosen;
    *count = taken;
    return FCMAE_OK;
}
