/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
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
    dataset->folders[dataset->folder_count++] = (fcmae_folder){.path = copy,
                                                               .label = label,
                                                               .entries = dataset->entry_count,
                                                               .names = dataset->names.size};
    return FCMAE_OK;
}

fcmae_status fcmae_dataset_add_name(fcmae_dataset *dataset, const char *name, fcmae_error *error)
{
    fcmae_folder *folder = &dataset->folders[dataset->folder_count - 1];
    size_t offset = dataset->names.size - folder->names;
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
    fcmae_buffer_add(&dataset->names, name, strlen(name) + 1);
    FCMAE_TRY(fcmae_buffer_check(&dataset->names, "the names of the data set", error));
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
    uint32_t *offsets = realloc(dataset->name_offsets,
                                dataset->entry_count * sizeof *dataset->name_offsets);
    if (offsets) dataset->name_offsets = offsets;
    uint8_t *names = realloc(dataset->names.bytes, dataset->names.size);
    if (names) {
        dataset->names.bytes = names;
        dataset->names.capacity = dataset->names.size;
    }
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
    free(dataset->places);
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

static size_t entry_of(const fcmae_folder *folder, int64_t index)
{
    return folder->entries + (size_t)(index - folder->first);
}

int fcmae_dataset_label(const fcmae_dataset *dataset, int64_t index)
{
    const fcmae_folder *folder = folder_of(dataset, index);
    if (dataset->places) return dataset->places[entry_of(folder, index)].label;
    return folder->label;
}

void fcmae_dataset_name(const fcmae_dataset *dataset, int64_t index, char *name, size_t size)
{
    const fcmae_folder *folder = folder_of(dataset, index);
    size_t entry = entry_of(folder, index);
    const char *file = (const char *)dataset->names.bytes + folder->names +
                       dataset->name_offsets[entry];
    size_t length = strlen(folder->path);
    const char *join = length == 0 || folder->path[length - 1] == '/' ? "" : "/";
    snprintf(name, size, "%s%s%s", folder->path, join, file);
}

/** The bytes of a shard where the image lies. */
static fcmae_status fetch_place(const char *path, const fcmae_place *place, fcmae_buffer *file,
                                fcmae_error *error)
{
    FCMAE_TRY(fcmae_buffer_reserve(file, (size_t)place->size + 1, error));
    int shard = -1;
    FCMAE_TRY(fcmae_file_open(path, O_RDONLY, &shard, NULL, error));
    file->size = 0;
    ssize_t got = 1;
    while (file->size < place->size && got > 0) {
        got = pread(shard, file->bytes + file->size, place->size - file->size,
                    (off_t)(place->offset + file->size));
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            file->size += (size_t)got;
    }
    int reason = errno;
    close(shard);
    if (got < 0) return fcmae_fail_system(error, FCMAE_ERR_IO, reason, "reading %s", path);
    return FCMAE_OK; /* a shard that became shorter: whoever parses the image will notice */
}

fcmae_status fcmae_dataset_fetch(const fcmae_dataset *dataset, int64_t index, fcmae_buffer *file,
                                 fcmae_error *error)
{
    const fcmae_folder *folder = folder_of(dataset, index);
    if (dataset->places)
        return fetch_place(folder->path, &dataset->places[entry_of(folder, index)], file, error);
    char path[PATH_MAX];
    fcmae_dataset_name(dataset, index, path, sizeof path);
    return fcmae_file_read(file, path, FCMAE_IMAGE_MAX_FILE, error);
}

void fcmae_dataset_shuffle(const fcmae_dataset *dataset, fcmae_random *random, int64_t buffer,
                           int64_t *shard_order, int64_t *ahead, int64_t *order)
{
    if (!dataset->places) {
        fcmae_random_permutation(random, dataset->count, order);
        return;
    }
    int64_t filled = 0;
    fcmae_random_permutation(random, (int64_t)dataset->folder_count, shard_order);
    for (size_t i = 0; i < dataset->folder_count; i++) {
        const fcmae_folder *shard = &dataset->folders[shard_order[i]];
        for (uint32_t k = 0; k < shard->count; k++) ahead[filled++] = shard->first + k;
    }
    memcpy(order, ahead, (size_t)filled * sizeof *order);
    for (int64_t i = 0; i < filled; i++) {
        /* what the buffer holds now: order[i] .. order[i + buffer - 1] */
        int64_t held = filled - i < buffer ? filled - i : buffer;
        int64_t j = i + (int64_t)fcmae_random_below(random, (uint64_t)held), taken = order[j];
        order[j] = order[i];
        order[i] = taken;
    }
}

void fcmae_dataset_announce(const fcmae_dataset *dataset, const int64_t *indices, int64_t count)
{
    for (int64_t i = 0; i < count;) {
        const fcmae_folder *shard = folder_of(dataset, indices[i]);
        int64_t end = i + 1, past = shard->first + shard->count;
        while (end < count && indices[end] == indices[end - 1] + 1 && indices[end] < past) end++;
        const fcmae_place *first = &dataset->places[entry_of(shard, indices[i])];
        const fcmae_place *last = &dataset->places[entry_of(shard, indices[end - 1])];
        int file = -1;
        if (fcmae_file_open(shard->path, O_RDONLY, &file, NULL, NULL) == FCMAE_OK) {
            posix_fadvise(file, (off_t)first->offset,
                          (off_t)(last->offset + last->size - first->offset), POSIX_FADV_WILLNEED);
            close(file);
        }
        i = end;
    }
}

/** Draws `fraction` of the members (selection sampling: one pass, each choice equally likely). */
static int64_t draw_share(fcmae_random *random, const int64_t *members, int64_t count,
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

static int class_of(const fcmae_dataset *dataset, const fcmae_folder *folder, uint32_t image)
{
    int label = dataset->places ? dataset->places[folder->entries + image].label : folder->label;
    return label < 0 ? 0 : label;
}

/** Images by class: those of class k are members[start[k]] .. members[start[k + 1] - 1].
 *  @param start  [classes + 2], zeros */
static void sort_by_class(const fcmae_dataset *dataset, int64_t *members, int64_t *start)
{
    const fcmae_folder *end = dataset->folders + dataset->folder_count;
    for (const fcmae_folder *folder = dataset->folders; folder < end; folder++)
        for (uint32_t i = 0; i < folder->count; i++) start[class_of(dataset, folder, i) + 1]++;
    for (int k = 1; k <= dataset->class_count; k++) start[k] += start[k - 1];
    for (const fcmae_folder *folder = dataset->folders; folder < end; folder++)
        for (uint32_t i = 0; i < folder->count; i++)
            members[start[class_of(dataset, folder, i)]++] = folder->first + i;
    for (int k = dataset->class_count; k > 0; k--) start[k] = start[k - 1]; /* ends to starts */
    start[0] = 0;
}

fcmae_status fcmae_dataset_subset(const fcmae_dataset *dataset, double fraction, uint64_t seed,
                                  int64_t **indices, int64_t *count, fcmae_error *error)
{
    if (!(fraction > 0 && fraction <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "share %g of the images is outside the range above 0 and up to 1",
                          fraction);
    size_t total = (size_t)dataset->count, classes = (size_t)dataset->class_count;
    int64_t *members = malloc(total * sizeof *members), *chosen = malloc(total * sizeof *chosen);
    int64_t *start = calloc(classes + 2, sizeof *start), taken = 0;
    if (!members || !chosen || !start) {
        free(members);
        free(chosen);
        free(start);
        return no_memory(error);
    }
    sort_by_class(dataset, members, start);
    for (size_t label = 0; label < (classes > 0 ? classes : 1); label++) {
        fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_SUBSET, 0, label);
        int64_t end = classes > 0 ? start[label + 1] : dataset->count;
        taken += draw_share(&random, members + start[label], end - start[label], fraction,
                            chosen + taken);
    }
    free(members);
    free(start);
    qsort(chosen, (size_t)taken, sizeof *chosen, compare_indices);
    *indices = chosen;
    *count = taken;
    return FCMAE_OK;
}
