/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The table of contents of a tensor file while a reader fills it in: every claim is checked. */
#include <string.h>

#include "tensor/tensor_file.h"

#define LARGEST_COUNT ((int64_t)1 << 62)
#define SMALL_VIEW ((uint64_t)1 << 20) /* a view may repeat elements up to this size */
#define SPARSE_VIEW \
    ((uint64_t)64 << 20) /* a strided view may span this much, or 4 times its size */

bool fcmae_shape_count(int rank, const int64_t *shape, int64_t *count)
{
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        if (shape[i] == 0) {
            empty = true;
            continue;
        }
        if (product > LARGEST_COUNT / shape[i]) return false;
        product *= shape[i];
    }
    *count = empty ? 0 : product;
    return true;
}

void fcmae_tensor_strides(const fcmae_tensor *tensor, int64_t *stride)
{
    int64_t step = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= tensor->shape[i] > 0 ? tensor->shape[i] : 1;
    }
}

/** Makes room for one more element of an array in the pool; old arrays stay until the close. */
static void *grow(fcmae_pool *pool, void *old, int count, int *capacity, size_t element)
{
    if (count < *capacity) return old;
    int wanted = *capacity ? *capacity * 2 : 64;
    if (wanted > (1 << 24)) return NULL;
    void *larger = fcmae_pool_take(pool, (size_t)wanted * element);
    if (!larger) return NULL;
    if (count) memcpy(larger, old, (size_t)count * element);
    *capacity = wanted;
    return larger;
}

fcmae_status fcmae_tensor_file_too_large(const fcmae_tensor_file *file, fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: its table of contents needs too much memory",
                      file->source.name);
}

fcmae_status fcmae_tensor_file_add_section(fcmae_tensor_file *file, const fcmae_section *section,
                                           int *index, fcmae_error *error)
{
    fcmae_section *sections = grow(&file->pool, file->sections, file->section_count,
                                   &file->section_capacity, sizeof *sections);
    if (!sections) return fcmae_tensor_file_too_large(file, error);
    file->sections = sections;
    *index = file->section_count++;
    sections[*index] = *section;
    return FCMAE_OK;
}

fcmae_status fcmae_tensor_file_add_metadata(fcmae_tensor_file *file, const char *key,
                                            size_t key_length, const char *value,
                                            size_t value_length, fcmae_error *error)
{
    fcmae_metadata *metadata = grow(&file->pool, file->metadata, file->metadata_count,
                                    &file->metadata_capacity, sizeof *metadata);
    char *key_copy = fcmae_pool_text(&file->pool, key, key_length);
    char *value_copy = fcmae_pool_text(&file->pool, value, value_length);
    if (!metadata || !key_copy || !value_copy) return fcmae_tensor_file_too_large(file, error);
    file->metadata = metadata;
    metadata[file->metadata_count++] = (fcmae_metadata){key_copy, value_copy};
    return FCMAE_OK;
}

bool fcmae_tensor_span(const fcmae_tensor *tensor, const int64_t *stride, int64_t *span)
{
    int64_t last = 0, reach;
    for (int i = 0; i < tensor->rank; i++) {
        if (stride[i] < 0) return false;
        if (__builtin_mul_overflow(tensor->shape[i] - 1, stride[i], &reach)) return false;
        if (__builtin_add_overflow(last, reach, &last)) return false;
    }
    if (last >= LARGEST_COUNT) return false;
    *span = last + 1;
    return true;
}

static fcmae_status check_place(const fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                const fcmae_placement *place, fcmae_error *error)
{
    const fcmae_section *section = &file->sections[place->section];
    size_t element = fcmae_dtype_size(tensor->dtype);
    int64_t span = 0;
    uint64_t bytes = 0;
    if (tensor->count == 0 || element == 0) return FCMAE_OK;
    if (!fcmae_tensor_span(tensor, place->stride, &span) ||
        __builtin_mul_overflow((uint64_t)span, (uint64_t)element, &bytes) ||
        place->offset > section->size || bytes > section->size - place->offset)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: tensor %s reaches beyond its storage of %llu bytes (offset %llu)",
                          file->source.name, tensor->name, (unsigned long long)section->size,
                          (unsigned long long)place->offset);
    uint64_t room = section->size > SMALL_VIEW ? section->size : SMALL_VIEW;
    if ((uint64_t)tensor->count > room / element)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: tensor %s repeats a storage of %llu bytes %lld times",
                          file->source.name, tensor->name, (unsigned long long)section->size,
                          (long long)tensor->count);
    if (bytes > SPARSE_VIEW && bytes / 4 > (uint64_t)tensor->count * element)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: tensor %s is a view of %lld elements scattered over %llu bytes",
                          file->source.name, tensor->name, (long long)tensor->count,
                          (unsigned long long)bytes);
    return FCMAE_OK;
}

fcmae_status fcmae_tensor_file_add(fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                   const fcmae_placement *place, fcmae_error *error)
{
    fcmae_tensor entry = *tensor;
    fcmae_placement position = *place;
    if (entry.rank < 0 || entry.rank > FCMAE_TENSOR_RANK)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: tensor %s has %d dimensions, at most %d", file->source.name,
                          entry.name, entry.rank, FCMAE_TENSOR_RANK);
    if (!fcmae_shape_count(entry.rank, entry.shape, &entry.count))
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: tensor %s has an impossible shape",
                          file->source.name, entry.name);
    if (entry.rank > 0 && position.stride[0] < 0) fcmae_tensor_strides(&entry, position.stride);
    FCMAE_TRY(check_place(file, &entry, &position, error));

    int capacity = file->capacity;
    fcmae_tensor *tensors = grow(&file->pool, file->tensors, file->count, &capacity,
                                 sizeof *tensors);
    capacity = file->capacity;
    fcmae_placement *places = grow(&file->pool, file->places, file->count, &capacity,
                                   sizeof *places);
    entry.name = fcmae_pool_text(&file->pool, entry.name, strlen(entry.name));
    if (!tensors || !places || !entry.name) return fcmae_tensor_file_too_large(file, error);
    file->tensors = tensors;
    file->places = places;
    file->capacity = capacity;
    tensors[file->count] = entry;
    places[file->count++] = position;
    return FCMAE_OK;
}
