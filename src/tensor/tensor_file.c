/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Opening, listing and reading tensor files; the containers
 *  themselves are in files of their own. */
#include "tensor/tensor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/checksum.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

static fcmae_status refuse_tar(fcmae_tensor_file *file, fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                      "%s is a tar archive, as PyTorch wrote them before 0.1.10: load it there and "
                      "save it again",
                      file->source.name);
}

/** The containers: a file is of the first one whose mark it bears. */
static const struct format {
    fcmae_container container;
    const char *name;
    size_t at, size; /* of the mark in the file */
    const char *mark;
    fcmae_status (*read)(fcmae_tensor_file *file, fcmae_error *error);
    fcmae_status (*write)(fcmae_tensor_writer *writer, const char *path,
                          fcmae_error *error); /* NULL: read only */
} formats[] = {
    /* .npz too: which of the two is decided by what is inside */
    {FCMAE_CONTAINER_TORCH, "torch", 0, 4, "PK\3\4", fcmae_torch_zip_read, fcmae_torch_write},
    {FCMAE_CONTAINER_TORCH_LEGACY, "torch legacy", 0, 15,
     "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", fcmae_torch_legacy_read, NULL},
    /* of pickle protocols 3, and 4 and 5, which have frames */
    {FCMAE_CONTAINER_TORCH_LEGACY, NULL, 0, 15,
     "\x80\3\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", fcmae_torch_legacy_read, NULL},
    {FCMAE_CONTAINER_TORCH_LEGACY, NULL, 2, 22,
     "\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
     fcmae_torch_legacy_read, NULL},
    {FCMAE_CONTAINER_NUMPY, "numpy", 0, 6, "\x93NUMPY", fcmae_npy_read, NULL},
    {FCMAE_CONTAINER_TORCH, NULL, 257, 5, "ustar", refuse_tar, NULL},
    /* behind the length of a header, whose highest byte is zero */
    {FCMAE_CONTAINER_SAFETENSORS, "safetensors", 7, 2, "\0{", fcmae_safetensors_read,
     fcmae_safetensors_write},
};

enum { FORMATS = sizeof formats / sizeof *formats };

const char *fcmae_container_name(fcmae_container container)
{
    for (int i = 0; i < FORMATS; i++)
        if (formats[i].name && formats[i].container == container) return formats[i].name;
    return "unknown";
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
    if (!file->by_name) return fcmae_tensor_file_too_large(file, error);
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
    const fcmae_source *source = &file->source;
    uint8_t start[264] = {0};
    size_t size = source->size < sizeof start ? (size_t)source->size : sizeof start;
    FCMAE_TRY(fcmae_source_read(source, 0, start, size, error));
    for (int i = 0; i < FORMATS; i++)
        if (size >= formats[i].at + formats[i].size &&
            memcmp(start + formats[i].at, formats[i].mark, formats[i].size) == 0)
            return formats[i].read(file, error);
    return fcmae_foreign_refuse(file, start, size, error);
}

static fcmae_status open_source(fcmae_tensor_file **out, const fcmae_source *source,
                                fcmae_tensor_reader *read, fcmae_error *error)
{
    fcmae_tensor_file *file = calloc(1, sizeof *file);
    if (!file) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", source->name);
    file->source = *source;
    char *name = fcmae_pool_text(&file->pool, source->name, strlen(source->name));
    if (name) file->source.name = name;
    fcmae_status status = name ? read(file, error) : fcmae_tensor_file_too_large(file, error);
    if (status == FCMAE_OK) status = index_names(file, error);
    if (status != FCMAE_OK) {
        file->source.descriptor = -1; /* still the caller's */
        fcmae_tensor_file_close(&file);
        return status;
    }
    *out = file;
    return FCMAE_OK;
}

fcmae_status fcmae_tensor_file_open_by(fcmae_tensor_file **file, const char *path,
                                       fcmae_tensor_reader *read, fcmae_error *error)
{
    fcmae_source source = {.name = path};
    FCMAE_TRY(fcmae_file_open(path, O_RDONLY, &source.descriptor, &source.size, error));
    fcmae_status status = open_source(file, &source, read ? read : read_container, error);
    if (status != FCMAE_OK) close(source.descriptor);
    return status;
}

fcmae_status fcmae_tensor_file_open_memory(fcmae_tensor_file **file, const void *bytes, size_t size,
                                           fcmae_error *error)
{
    fcmae_source source = {.descriptor = -1, .memory = bytes, .size = size, .name = "(memory)"};
    return open_source(file, &source, read_container, error);
}

void fcmae_tensor_file_close(fcmae_tensor_file **file)
{
    if (!file || !*file) return;
    if (!(*file)->source.memory && (*file)->source.descriptor >= 0)
        close((*file)->source.descriptor);
    for (int i = 0; i < (*file)->shard_count; i++) fcmae_tensor_file_close(&(*file)->shards[i]);
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
    if (file->origins) {
        const fcmae_tensor_origin *origin = &file->origins[tensor - file->tensors];
        return fcmae_tensor_file_read_raw(origin->file, origin->tensor, bytes, error);
    }
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
        fcmae_tensor_span(tensor, place->stride, &span);
        uint8_t *whole = fcmae_allocate_aligned((size_t)span, element);
        if (!whole)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read tensor %s", tensor->name);
        status = fcmae_section_read(&file->source, section, place->offset, whole,
                                    (size_t)span * element, error);
        if (status == FCMAE_OK) gather(tensor, place->stride, whole, element, bytes);
        free(whole);
    }
    if (status != FCMAE_OK) return fcmae_error_prefix(error, status, "tensor %s", tensor->name);
    if (file->checksums && file->checksums[tensor - file->tensors] !=
                               fcmae_checksum(bytes, (size_t)tensor->count * element))
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: tensor %s is not what was written: the file is damaged, or another "
                          "program changed it and kept the metadata entry \"checksums\"",
                          file->source.name, tensor->name);
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

/** Whether a file holds what a writer was given. Names of a torch archive with metadata stand under
 *  `model`. */
static fcmae_status compare_contents(const fcmae_tensor_file *file,
                                     const fcmae_tensor_contents *contents, const char *path,
                                     fcmae_error *error)
{
    bool nested = file->container == FCMAE_CONTAINER_TORCH && contents->metadata_count > 0;
    fcmae_buffer name = {0};
    fcmae_status status = FCMAE_OK;
    bool equal = file->count == contents->count;
    for (int i = 0; i < contents->count && equal && status == FCMAE_OK; i++) {
        const fcmae_tensor *wanted = &contents->tensors[i];
        name.size = 0;
        fcmae_text_add(&name, nested ? "model." : "");
        fcmae_text_add(&name, wanted->name);
        status = fcmae_buffer_check(&name, "the name of a tensor", error);
        const fcmae_tensor *found = status == FCMAE_OK ? fcmae_tensor_file_find(file, name.text)
                                                       : NULL;
        equal = found && found->dtype == wanted->dtype && found->rank == wanted->rank &&
                memcmp(found->shape, wanted->shape, (size_t)wanted->rank * sizeof *wanted->shape) ==
                    0;
    }
    /* one behind the other, as they were put */
    for (int i = 1; i < file->count && equal; i++) {
        const fcmae_placement *before = &file->places[i - 1], *place = &file->places[i];
        const fcmae_tensor *tensor = &file->tensors[i - 1];
        uint64_t size = (uint64_t)tensor->count * fcmae_dtype_size(tensor->dtype);
        equal = place->section != before->section || place->offset == before->offset + size;
    }
    fcmae_buffer_release(&name);
    if (status != FCMAE_OK || equal) return status;
    return fcmae_fail(error, FCMAE_ERR_IO,
                      "%s does not hold what was written: the disk or the memory is damaged", path);
}

/** A file counts when it has been read again. */
static fcmae_status read_back(fcmae_tensor_writer *writer, fcmae_error *error)
{
    fcmae_tensor_file *file = NULL;
    errno = 0;
    if (fflush(writer->file.stream) != 0)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "writing %s", writer->file.path);
    fcmae_status status = fcmae_tensor_file_open_by(&file, writer->file.temporary, NULL, error);
    if (status != FCMAE_OK) return fcmae_error_prefix(error, status, "reading what was written");
    status = compare_contents(file, writer->contents, writer->file.path, error);
    fcmae_tensor_file_close(&file);
    return status;
}

static fcmae_status write_container(const struct format *format, const char *path,
                                    const fcmae_tensor_contents *contents, fcmae_error *error)
{
    FCMAE_TRY(fcmae_contents_check(contents, path, error));
    fcmae_tensor_writer writer = {.contents = contents};
    fcmae_status status = format->write(&writer, path, error);
    if (status == FCMAE_OK) status = read_back(&writer, error);
    return fcmae_writer_close(&writer, status, error);
}

fcmae_status fcmae_tensor_file_write(const char *path, fcmae_container container,
                                     const fcmae_tensor_contents *contents, fcmae_error *error)
{
    for (int i = 0; i < FORMATS; i++)
        if (formats[i].name && formats[i].container == container && formats[i].write)
            return write_container(&formats[i], path, contents, error);
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s: files of container %s are read only", path,
                      fcmae_container_name(container));
}
