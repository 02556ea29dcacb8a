/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "tensor/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "core/memory.h"
#include "tensor/deflate.h"
#include "tensor/tensor_file.h"

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static fcmae_status check_names(const fcmae_tensor_contents *contents, const char *path,
                                fcmae_error *error)
{
    fcmae_status status = FCMAE_OK;
    const char **names = calloc((size_t)contents->count + 1, sizeof *names);
    if (!names) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    for (int i = 0; i < contents->count; i++) names[i] = contents->tensors[i].name;
    qsort(names, (size_t)contents->count, sizeof *names, compare_texts);
    for (int i = 1; i < contents->count && status == FCMAE_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s would hold two tensors called %s",
                                path, names[i]);
    free(names);
    return status;
}

/** A text that is there twice would be read once, and the checksum of the header not agree. */
static fcmae_status check_texts(const fcmae_tensor_contents *contents, const char *path,
                                fcmae_error *error)
{
    for (int i = 0; i < contents->metadata_count; i++) {
        const char *key = contents->metadata[i].key;
        bool twice = contents->checksums && strcmp(key, FCMAE_CHECKSUMS) == 0;
        for (int j = 0; j < i; j++) twice |= strcmp(key, contents->metadata[j].key) == 0;
        if (twice)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "%s would hold two metadata entries called %s", path, key);
    }
    return FCMAE_OK;
}

fcmae_status fcmae_contents_check(const fcmae_tensor_contents *contents, const char *path,
                                  fcmae_error *error)
{
    for (int i = 0; i < contents->count; i++) {
        const fcmae_tensor *tensor = &contents->tensors[i];
        int64_t count;
        if (!tensor->name || !tensor->name[0] || fcmae_dtype_size(tensor->dtype) == 0)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "tensor %d for %s has no name or no writable dtype", i, path);
        if (tensor->rank < 0 || tensor->rank > FCMAE_TENSOR_RANK ||
            !fcmae_shape_count(tensor->rank, tensor->shape, &count) || count != tensor->count ||
            (uint64_t)count > (uint64_t)INT64_MAX / 8)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "tensor %s for %s has an impossible shape",
                              tensor->name, path);
    }
    FCMAE_TRY(check_texts(contents, path, error));
    return check_names(contents, path, error);
}

fcmae_status fcmae_tensor_narrow(const fcmae_tensor *tensor, const float *values, void *bytes,
                                 fcmae_error *error)
{
    /* what is rounded beyond the largest number becomes an infinity */
    bool half = tensor->dtype == FCMAE_DTYPE_F16, brief = tensor->dtype == FCMAE_DTYPE_BF16;
    float limit = half ? 65520.0f : 0x1.ffp127f;
    for (int64_t i = 0; (half || brief) && i < tensor->count; i++)
        if (fabsf(values[i]) >= limit)
            return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                              "tensor %.200s holds %g, which is beyond the numbers of %s: take f32",
                              tensor->name, (double)values[i], fcmae_dtype_name(tensor->dtype));
    fcmae_dtype_narrow(tensor->dtype, tensor->count, values, bytes);
    return FCMAE_OK;
}

fcmae_status fcmae_writer_open(fcmae_tensor_writer *writer, const char *path, fcmae_error *error)
{
    size_t largest = 0;
    writer->total = 0;
    for (int i = 0; i < writer->contents->count; i++) {
        const fcmae_tensor *tensor = &writer->contents->tensors[i];
        size_t size = (size_t)tensor->count * fcmae_dtype_size(tensor->dtype);
        if (size > largest) largest = size;
        writer->total += size;
    }
    writer->bytes = fcmae_allocate_aligned(largest, 1);
    if (!writer->bytes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a tensor of %zu bytes", largest);
    return fcmae_atomic_open(&writer->file, path, error);
}

fcmae_status fcmae_writer_put(fcmae_tensor_writer *writer, const void *bytes, size_t size,
                              fcmae_error *error)
{
    FCMAE_TRY(fcmae_atomic_write(&writer->file, bytes, size, error));
    writer->position += size;
    if (writer->want_crc) writer->crc = fcmae_crc32(writer->crc, bytes, size);
    return FCMAE_OK;
}

fcmae_status fcmae_writer_put_tensor(fcmae_tensor_writer *writer, int index, fcmae_error *error)
{
    const fcmae_tensor_contents *contents = writer->contents;
    const fcmae_tensor *tensor = &contents->tensors[index];
    size_t size = (size_t)tensor->count * fcmae_dtype_size(tensor->dtype);
    FCMAE_TRY(contents->fill(contents->cookie, index, writer->bytes, error));
    if (contents->checksums) writer->checksum = fcmae_checksum(writer->bytes, size);
    FCMAE_TRY(fcmae_writer_put(writer, writer->bytes, size, error));
    writer->done += size;
    if (contents->progress) contents->progress(contents->cookie, writer->done, writer->total);
    return FCMAE_OK;
}

fcmae_status fcmae_writer_close(fcmae_tensor_writer *writer, fcmae_status status,
                                fcmae_error *error)
{
    if (status == FCMAE_OK)
        status = fcmae_atomic_commit(&writer->file, error);
    else
        fcmae_atomic_discard(&writer->file);
    free(writer->bytes);
    writer->bytes = NULL;
    return status;
}
