/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Opening, listing and reading tensor files; the containers
 *  themselves are in files of their own. */
#include "tensor/tensor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

#define LARGEST_COUNT ((int64_t)1 << 62)
#define SMALL_VIEW ((uint64_t)1 << 20) /* a view may repeat elements up to this size */
#define SPARSE_VIEW \
    ((uint64_t)64 << 20) /* a strided view may span this much, or 4 times its size */

const char *fcmae_container_name(fcmae_container container)
{
    switch (container) {
    case FCMAE_CONTAINER_SAFETENSORS: return "safetensors";
    case FCMAE_CONTAINER_TORCH: return "torch";
    case FCMAE_CONTAINER_TORCH_LEGACY: return "torch legacy";
    case FCMAE_CONTAINER_NUMPY: return "numpy";
    }
    return "unknown";
}

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

static fcmae_status too_large(const fcmae_tensor_file *file, fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: its table of contents needs too much memory",
                      file->source.name);
}

fcmae_status fcmae_tensor_file_add_section(fcmae_tensor_file *file, const fcmae_section *section,
                                           int *index, fcmae_error *error)
{
    fcmae_section *sections = grow(&file->pool, file->sections, file->section_count,
                                   &file->section_capacity, sizeof *sections);
    if (!sections) return too_large(file, error);
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
    if (!metadata || !key_copy || !value_copy) return too_large(file, error);
    file->metadata = metadata;
    metadata[file->metadata_count++] = (fcmae_metadata){key_copy, value_copy};
    return FCMAE_OK;
}

/** Elements from the first to the last one of a tensor that is not empty; false on overflow. */
static bool tensor_span(const fcmae_tensor *tensor, const int64_t *stride, int64_t *span)
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
    if (!tensor_span(tensor, place->stride, &span) ||
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
    if (!tensors || !places || !entry.name) return too_large(file, error);
    file->tensors = tensors;
    file->places = places;
    file->capacity = capacity;
    tensors[file->count] = entry;
    places[file->count++] = position;
    return FCMAE_OK;
}

static int compare_names(const void *a, const void *b, void *argument)
{
    const fcmae_tensor *tensors = argument;
    int first = *(const int *)a, second = *(const int *)b;
    int order = strcmp(tensors[first].name, tensors[second].name);
    return order ? order : (first > second) - (first < second);
}

static fcmae_status index_names(fcmae_tensor_file *file, fcmae_error *error)
{
    file->by_name = fcmae_pool_take(&file->pool, (size_t)file->count * sizeof(int));
    if (!file->by_name) return too_large(file, error);
    for (int i = 0; i < file->count; i++) file->by_name[i] = i;
    if (file->count > 1)
        qsort_r(file->by_name, (size_t)file->count, sizeof(int), compare_names, file->tensors);
    for (int i = 1; i < file->count; i++) {
        const fcmae_tensor *tensor = &file->tensors[file->by_name[i]];
        if (strcmp(file->tensors[file->by_name[i - 1]].name, tensor->name) == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: two tensors are called %s",
                              file->source.name, tensor->name);
    }
    return FCMAE_OK;
}

static fcmae_status read_container(fcmae_tensor_file *file, fcmae_error *error)
{
    static const uint8_t legacy[15] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
    const fcmae_source *source = &file->source;
    uint8_t start[264] = {0};
    size_t size = source->size < sizeof start ? (size_t)source->size : sizeof start;
    FCMAE_TRY(fcmae_source_read(source, 0, start, size, error));
    if (size >= 4 && memcmp(start, "PK\3\4", 4) == 0) return fcmae_torch_zip_read(file, error);
    if (size >= sizeof legacy && memcmp(start, legacy, sizeof legacy) == 0)
        return fcmae_torch_legacy_read(file, error);
    if (size >= 6 && memcmp(start, "\x93NUMPY", 6) == 0) return fcmae_npy_read(file, error);
    if (size >= 263 && memcmp(start + 257, "ustar", 5) == 0)
        return fcmae_fail(
            error, FCMAE_ERR_UNSUPPORTED,
            "%s is a tar archive, as PyTorch wrote them before 0.1.10: load it there and "
            "save it again",
            source->name);
    if (size >= 9 && start[8] == '{') return fcmae_safetensors_read(file, error);
    return fcmae_fail(
        error, FCMAE_ERR_FORMAT,
        "%s is not a tensor file: expected safetensors, a torch archive, .npz or .npy",
        source->name);
}

static fcmae_status open_source(fcmae_tensor_file **out, const fcmae_source *source,
                                fcmae_error *error)
{
    fcmae_tensor_file *file = calloc(1, sizeof *file);
    if (!file) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", source->name);
    file->source = *source;
    char *name = fcmae_pool_text(&file->pool, source->name, strlen(source->name));
    if (name) file->source.name = name;
    fcmae_status status = name ? read_container(file, error) : too_large(file, error);
    if (status == FCMAE_OK) status = index_names(file, error);
    if (status != FCMAE_OK) {
        file->source.descriptor = -1; /* still the caller's */
        fcmae_tensor_file_close(&file);
        return status;
    }
    *out = file;
    return FCMAE_OK;
}

fcmae_status fcmae_tensor_file_open(fcmae_tensor_file **file, const char *path, fcmae_error *error)
{
    fcmae_source source = {.name = path};
    source.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source.descriptor < 0)
        return fcmae_fail_system(error, errno == ENOENT ? FCMAE_ERR_NOT_FOUND : FCMAE_ERR_IO, errno,
                                 "cannot open %s", path);
    struct stat information;
    fcmae_status status;
    if (fstat(source.descriptor, &information) != 0)
        status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "%s", path);
    else if (!S_ISREG(information.st_mode))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a regular file", path);
    else {
        source.size = (uint64_t)information.st_size;
        status = open_source(file, &source, error);
    }
    if (status != FCMAE_OK) close(source.descriptor);
    return status;
}

fcmae_status fcmae_tensor_file_open_memory(fcmae_tensor_file **file, const void *bytes, size_t size,
                                           fcmae_error *error)
{
    fcmae_source source = {.descriptor = -1, .memory = bytes, .size = size, .name = "(memory)"};
    return open_source(file, &source, error);
}

void fcmae_tensor_file_close(fcmae_tensor_file **file)
{
    if (!file || !*file) return;
    if (!(*file)->source.memory && (*file)->source.descriptor >= 0)
        close((*file)->source.descriptor);
    fcmae_pool_release(&(*file)->pool);
    free(*file);
    *file = NULL;
}

fcmae_container fcmae_tensor_file_container(const fcmae_tensor_file *file)
{
    return file->container;
}

const fcmae_tensor *fcmae_tensor_file_tensors(const fcmae_tensor_file *file, int *count)
{
    if (count) *count = file->count;
    return file->tensors;
}

const fcmae_tensor *fcmae_tensor_file_find(const fcmae_tensor_file *file, const char *name)
{
    int low = 0, high = file->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const fcmae_tensor *tensor = &file->tensors[file->by_name[middle]];
        int order = strcmp(name, tensor->name);
        if (order == 0) return tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const fcmae_metadata *fcmae_tensor_file_metadata(const fcmae_tensor_file *file, int *count)
{
    if (count) *count = file->metadata_count;
    return file->metadata;
}

const char *fcmae_tensor_file_text(const fcmae_tensor_file *file, const char *key)
{
    for (int i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}

static void swap_bytes(uint8_t *bytes, int64_t count, size_t element)
{
    for (int64_t i = 0; i < count; i++, bytes += element)
        for (size_t low = 0, high = element - 1; low < high; low++, high--) {
            uint8_t byte = bytes[low];
            bytes[low] = bytes[high];
            bytes[high] = byte;
        }
}

static bool is_contiguous(const fcmae_tensor *tensor, const int64_t *stride)
{
    int64_t expected[FCMAE_TENSOR_RANK];
    fcmae_tensor_strides(tensor, expected);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] > 1 && stride[i] != expected[i]) return false;
    return true;
}

/** Copies the elements of a strided tensor from `from` (its first element) in C order. */
static void gather(const fcmae_tensor *tensor, const int64_t *stride, const uint8_t *from,
                   size_t element, uint8_t *to)
{
    int64_t index[FCMAE_TENSOR_RANK] = {0}, position = 0;
    for (int64_t i = 0; i < tensor->count; i++) {
        memcpy(to + i * (int64_t)element, from + position * (int64_t)element, element);
        for (int d = tensor->rank - 1; d >= 0; d--) {
            position += stride[d];
            if (++index[d] < tensor->shape[d]) break;
            position -= index[d] * stride[d];
            index[d] = 0;
        }
    }
}

fcmae_status fcmae_tensor_file_read_raw(const fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                        void *bytes, fcmae_error *error)
{
    const fcmae_placement *place = &file->places[tensor - file->tensors];
    const fcmae_section *section = &file->sections[place->section];
    size_t element = fcmae_dtype_size(tensor->dtype);
    if (element == 0)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: tensor %s has elements of an unknown kind", file->source.name,
                          tensor->name);
    if (tensor->count == 0) return FCMAE_OK;
    fcmae_status status = FCMAE_OK;
    if (is_contiguous(tensor, place->stride))
        status = fcmae_section_read(&file->source, section, place->offset, bytes,
                                    (size_t)tensor->count * element, error);
    else {
        int64_t span = 0;
        tensor_span(tensor, place->stride, &span);
        uint8_t *whole = fcmae_allocate_aligned((size_t)span, element);
        if (!whole)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read tensor %s", tensor->name);
        status = fcmae_section_read(&file->source, section, place->offset, whole,
                                    (size_t)span * element, error);
        if (status == FCMAE_OK) gather(tensor, place->stride, whole, element, bytes);
        free(whole);
    }
    if (status != FCMAE_OK) return fcmae_error_prefix(error, status, "tensor %s", tensor->name);
    if (place->big_endian && element > 1) swap_bytes(bytes, tensor->count, element);
    return FCMAE_OK;
}

fcmae_status fcmae_tensor_file_read(const fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                    float *values, fcmae_error *error)
{
    if (tensor->dtype == FCMAE_DTYPE_F32)
        return fcmae_tensor_file_read_raw(file, tensor, values, error);
    size_t element = fcmae_dtype_size(tensor->dtype);
    void *bytes = fcmae_allocate_aligned((size_t)tensor->count, element ? element : 1);
    if (!bytes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read tensor %s", tensor->name);
    fcmae_status status = fcmae_tensor_file_read_raw(file, tensor, bytes, error);
    if (status == FCMAE_OK) fcmae_dtype_widen(tensor->dtype, tensor->count, bytes, values);
    free(bytes);
    return status;
}

fcmae_status fcmae_tensor_file_write(const char *path, fcmae_container container,
                                     const fcmae_tensor_contents *contents, fcmae_error *error)
{
    if (container == FCMAE_CONTAINER_SAFETENSORS)
        return fcmae_safetensors_write(path, contents, error);
    if (container == FCMAE_CONTAINER_TORCH) return fcmae_torch_write(path, contents, error);
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s: files of container %s are read only", path,
                      fcmae_container_name(container));
}
