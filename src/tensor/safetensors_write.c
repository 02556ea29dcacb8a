/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Writing safetensors, byte for byte as the reference implementation orders and pads them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "tensor/tensor_file.h"
#include "tensor/write.h"

/** Names and order of the reference writer: largest rank first. */
static const struct {
    const char *name;
    int rank;
} written_types[FCMAE_DTYPE_OTHER] = {
    [FCMAE_DTYPE_BOOL] = {"BOOL", 0}, [FCMAE_DTYPE_U8] = {"U8", 1},
    [FCMAE_DTYPE_I8] = {"I8", 2},     [FCMAE_DTYPE_I16] = {"I16", 3},
    [FCMAE_DTYPE_U16] = {"U16", 4},   [FCMAE_DTYPE_F16] = {"F16", 5},
    [FCMAE_DTYPE_BF16] = {"BF16", 6}, [FCMAE_DTYPE_I32] = {"I32", 7},
    [FCMAE_DTYPE_U32] = {"U32", 8},   [FCMAE_DTYPE_F32] = {"F32", 9},
    [FCMAE_DTYPE_F64] = {"F64", 10},  [FCMAE_DTYPE_I64] = {"I64", 11},
    [FCMAE_DTYPE_U64] = {"U64", 12},
};

static int compare_tensors(const void *a, const void *b, void *argument)
{
    const fcmae_tensor *tensors = argument;
    const fcmae_tensor *x = &tensors[*(const int *)a], *y = &tensors[*(const int *)b];
    int order = written_types[y->dtype].rank - written_types[x->dtype].rank;
    return order ? order : strcmp(x->name, y->name);
}

static json_t *describe(const fcmae_tensor *tensor, uint64_t begin, uint64_t end)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        fcmae_json_append(&shape, json_integer(tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", written_types[tensor->dtype].name, "shape",
                     shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static json_t *describe_metadata(const fcmae_tensor_contents *contents)
{
    json_t *metadata = json_object();
    for (int i = 0; i < contents->metadata_count; i++)
        fcmae_json_set(&metadata, contents->metadata[i].key,
                       json_string(contents->metadata[i].value));
    if (contents->checksums) {
        size_t digits = ((size_t)contents->count + 1) * FCMAE_CHECKSUM_DIGITS;
        char *room = malloc(digits + 1);
        if (room) memset(room, '0', digits);
        fcmae_json_set(&metadata, FCMAE_CHECKSUMS, room ? json_stringn(room, digits) : NULL);
        free(room);
    }
    return metadata;
}

/** The header's text, padded to a multiple of 8; NULL if a name is not UTF-8 or memory is short. */
static char *header_text(const fcmae_tensor_contents *contents, const int *order, size_t *length)
{
    json_t *header = json_object();
    uint64_t offset = 0;
    if (contents->metadata_count > 0 || contents->checksums)
        fcmae_json_set(&header, "__metadata__", describe_metadata(contents));
    for (int i = 0; i < contents->count; i++) {
        const fcmae_tensor *tensor = &contents->tensors[order[i]];
        uint64_t end = offset + (uint64_t)tensor->count * fcmae_dtype_size(tensor->dtype);
        fcmae_json_set(&header, tensor->name, describe(tensor, offset, end));
        offset = end;
    }
    char *text = fcmae_json_line(header);
    json_decref(header);
    if (!text) return NULL;
    *length = (strlen(text) + 7) / 8 * 8;
    char *padded = realloc(text, *length + 1);
    if (!padded) {
        free(text);
        return NULL;
    }
    size_t used = strlen(padded);
    memset(padded + used, ' ', *length - used);
    padded[*length] = 0;
    return padded;
}

/** Where the header has room for the checksums, from the start of the file; 0: it has none. */
static uint64_t place_of_checksums(const char *header)
{
    static const char before[] = "\"" FCMAE_CHECKSUMS "\":\"";
    const char *found = strstr(header, before);
    return found ? sizeof(uint64_t) + (uint64_t)(found - header) + sizeof before - 1 : 0;
}

/** Writes the tensors and then, into their place in the header, the checksums. */
static fcmae_status write_tensors(fcmae_tensor_writer *writer, const int *order, uint64_t place,
                                  fcmae_error *error)
{
    const fcmae_tensor_contents *contents = writer->contents;
    int count = contents->count;
    size_t digits = ((size_t)count + 1) * FCMAE_CHECKSUM_DIGITS;
    char *sums = malloc(digits + 1);
    fcmae_status status = FCMAE_OK;
    if (!sums) status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for checksums");
    for (int i = 0; i < count && status == FCMAE_OK; i++) {
        status = fcmae_writer_put_tensor(writer, order[i], error);
        snprintf(sums + (size_t)i * FCMAE_CHECKSUM_DIGITS, FCMAE_CHECKSUM_DIGITS + 1, "%016" PRIx64,
                 writer->checksum);
    }
    if (status == FCMAE_OK)
        snprintf(sums + (size_t)count * FCMAE_CHECKSUM_DIGITS, FCMAE_CHECKSUM_DIGITS + 1,
                 "%016" PRIx64,
                 fcmae_header_checksum(contents->tensors, count, contents->metadata,
                                       contents->metadata_count));
    if (status == FCMAE_OK && place > 0) {
        errno = 0;
        if (fseeko(writer->file.stream, (off_t)place, SEEK_SET) != 0)
            status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "writing %s", writer->file.path);
        if (status == FCMAE_OK) status = fcmae_writer_put(writer, sums, digits, error);
    }
    free(sums);
    return status;
}

fcmae_status fcmae_safetensors_write(fcmae_tensor_writer *writer, const char *path,
                                     fcmae_error *error)
{
    const fcmae_tensor_contents *contents = writer->contents;
    int *order = calloc((size_t)contents->count + 1, sizeof *order);
    char *header = NULL;
    size_t padded = 0;
    if (order) {
        for (int i = 0; i < contents->count; i++) order[i] = i;
        if (contents->count > 1)
            qsort_r(order, (size_t)contents->count, sizeof *order, compare_tensors,
                    (void *)(uintptr_t)contents->tensors);
        header = header_text(contents, order, &padded);
    }
    fcmae_status status =
        header
            ? fcmae_writer_open(writer, path, error)
            : fcmae_fail(error, FCMAE_ERR_MEMORY,
                         "could not describe the tensors of %s: memory is short, or a name is not "
                         "valid UTF-8",
                         path);
    uint64_t length = padded;
    if (status == FCMAE_OK) status = fcmae_writer_put(writer, &length, sizeof length, error);
    if (status == FCMAE_OK) status = fcmae_writer_put(writer, header, padded, error);
    uint64_t place = contents->checksums && header ? place_of_checksums(header) : 0;
    if (status == FCMAE_OK) status = write_tensors(writer, order, place, error);
    free(header);
    free(order);
    return status;
}
