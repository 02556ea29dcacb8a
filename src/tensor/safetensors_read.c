/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reading safetensors: u64 header length N, N bytes of JSON, then the data. Every rule of the
 * format is enforced: tensors tile the data without hole, overlap or remainder, sizes agree with
 * dtype and shape, no key occurs twice, metadata are texts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "tensor/tensor_file.h"

#define LARGEST_HEADER 100000000
#define MOST_VALUES 4000000 /* about 100 bytes each while the header is parsed */

static const struct {
    const char *name;
    fcmae_dtype dtype;
    int bits;
} stored_types[] = {
    {"F32", FCMAE_DTYPE_F32, 32},          {"F16", FCMAE_DTYPE_F16, 16},
    {"BF16", FCMAE_DTYPE_BF16, 16},        {"F64", FCMAE_DTYPE_F64, 64},
    {"I64", FCMAE_DTYPE_I64, 64},          {"I32", FCMAE_DTYPE_I32, 32},
    {"I16", FCMAE_DTYPE_I16, 16},          {"I8", FCMAE_DTYPE_I8, 8},
    {"U64", FCMAE_DTYPE_U64, 64},          {"U32", FCMAE_DTYPE_U32, 32},
    {"U16", FCMAE_DTYPE_U16, 16},          {"U8", FCMAE_DTYPE_U8, 8},
    {"BOOL", FCMAE_DTYPE_BOOL, 8},         {"F4", FCMAE_DTYPE_OTHER, 4},
    {"F6_E2M3", FCMAE_DTYPE_OTHER, 6},     {"F6_E3M2", FCMAE_DTYPE_OTHER, 6},
    {"F8_E5M2", FCMAE_DTYPE_OTHER, 8},     {"F8_E4M3", FCMAE_DTYPE_OTHER, 8},
    {"F8_E8M0", FCMAE_DTYPE_OTHER, 8},     {"F8_E4M3FNUZ", FCMAE_DTYPE_OTHER, 8},
    {"F8_E5M2FNUZ", FCMAE_DTYPE_OTHER, 8}, {"C64", FCMAE_DTYPE_OTHER, 64},
};

/** Data range of one tensor. */
typedef struct extent {
    uint64_t begin, end;
    const char *name; /* of the JSON object */
} extent;

static fcmae_status broken(const fcmae_tensor_file *file, const char *tensor, const char *rule,
                           fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: tensor %.200s %s", file->source.name, tensor,
                      rule);
}

static bool read_size(const json_t *value, int64_t *size)
{
    if (!json_is_integer(value)) return false;
    *size = json_integer_value(value);
    return *size >= 0;
}

static fcmae_status read_shape(fcmae_tensor_file *file, const json_t *shape, fcmae_tensor *tensor,
                               fcmae_error *error)
{
    if (!json_is_array(shape)) return broken(file, tensor->name, "has no shape array", error);
    size_t rank = json_array_size(shape);
    if (rank > FCMAE_TENSOR_RANK)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: tensor %.200s has %zu dimensions, at most %d are supported",
                          file->source.name, tensor->name, rank, FCMAE_TENSOR_RANK);
    tensor->rank = (int)rank;
    for (size_t i = 0; i < rank; i++)
        if (!read_size(json_array_get(shape, i), &tensor->shape[i]))
            return broken(file, tensor->name, "has a shape that is not made of sizes", error);
    return FCMAE_OK;
}

static fcmae_status check_size(fcmae_tensor_file *file, const fcmae_tensor *tensor, int bits,
                               const extent *range, fcmae_error *error)
{
    int64_t count;
    uint64_t total;
    if (!fcmae_shape_count(tensor->rank, tensor->shape, &count) ||
        __builtin_mul_overflow((uint64_t)count, (uint64_t)bits, &total))
        return broken(file, tensor->name, "has a shape whose size overflows", error);
    if (total % 8 != 0) return broken(file, tensor->name, "does not fill whole bytes", error);
    if (total / 8 != range->end - range->begin)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: tensor %.200s needs %llu bytes for its shape, but its data_offsets "
                          "[%llu, %llu] hold %llu",
                          file->source.name, tensor->name, (unsigned long long)(total / 8),
                          (unsigned long long)range->begin, (unsigned long long)range->end,
                          (unsigned long long)(range->end - range->begin));
    return FCMAE_OK;
}

static fcmae_status read_entry(fcmae_tensor_file *file, const char *name, const json_t *entry,
                               uint64_t data_size, extent *range, fcmae_error *error)
{
    fcmae_tensor tensor = {.name = name};
    if (!json_is_object(entry)) return broken(file, name, "is not described by an object", error);
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    size_t kind = 0, kinds = sizeof stored_types / sizeof *stored_types;
    while (type && kind < kinds && strcmp(stored_types[kind].name, type) != 0) kind++;
    if (!type || kind == kinds) return broken(file, name, "has no known dtype", error);
    tensor.dtype = stored_types[kind].dtype;
    FCMAE_TRY(read_shape(file, json_object_get(entry, "shape"), &tensor, error));

    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_size(json_array_get(offsets, 0), &begin) ||
        !read_size(json_array_get(offsets, 1), &end) || end < begin)
        return broken(file, name, "has no valid data_offsets", error);
    if ((uint64_t)end > data_size)
        return fcmae_fail(
            error, FCMAE_ERR_FORMAT,
            "%s: tensor %.200s ends at data offset %lld, but the file holds %llu bytes "
            "of data: it is truncated or damaged",
            file->source.name, name, (long long)end, (unsigned long long)data_size);
    if (json_object_size(entry) != 3) return broken(file, name, "has an unknown property", error);
    *range = (extent){(uint64_t)begin, (uint64_t)end, name};
    FCMAE_TRY(check_size(file, &tensor, stored_types[kind].bits, range, error));
    fcmae_placement place = {.offset = (uint64_t)begin, .stride = {-1}};
    return fcmae_tensor_file_add(file, &tensor, &place, error);
}

static int compare_extents(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/** No hole, no overlap, nothing behind the last tensor. */
static fcmae_status check_tiling(fcmae_tensor_file *file, extent *ranges, size_t count,
                                 uint64_t data_size, fcmae_error *error)
{
    uint64_t expected = 0;
    if (count > 1) qsort(ranges, count, sizeof *ranges, compare_extents);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].begin != expected)
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: tensor %.200s begins at data offset %llu, but the previous one "
                              "ended at %llu",
                              file->source.name, ranges[i].name,
                              (unsigned long long)ranges[i].begin, (unsigned long long)expected);
        expected = ranges[i].end;
    }
    if (expected != data_size)
        return fcmae_fail(
            error, FCMAE_ERR_FORMAT,
            "%s: its tensors end at data offset %llu, but the file holds %llu bytes of "
            "data",
            file->source.name, (unsigned long long)expected, (unsigned long long)data_size);
    return FCMAE_OK;
}

static fcmae_status read_metadata(fcmae_tensor_file *file, json_t *metadata, fcmae_error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: __metadata__ is not an object",
                          file->source.name);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: __metadata__ entry %.200s is not a text", file->source.name,
                              key);
        if (strcmp(key, FCMAE_CHECKSUMS) == 0) continue; /* are no text for users */
        FCMAE_TRY(fcmae_tensor_file_add_metadata(file, key, strlen(key), json_string_value(value),
                                                 json_string_length(value), error));
    }
    return FCMAE_OK;
}

static uint64_t number_at(const char *digits, size_t index)
{
    char one[FCMAE_CHECKSUM_DIGITS + 1];
    memcpy(one, digits + index * FCMAE_CHECKSUM_DIGITS, FCMAE_CHECKSUM_DIGITS);
    one[FCMAE_CHECKSUM_DIGITS] = 0;
    return strtoull(one, NULL, 16); /* what is no number will not agree */
}

/** Sixteen digits for each tensor and for the header; earlier versions wrote none for that. A list
 *  for another number of tensors is another file's. */
static fcmae_status read_checksums(fcmae_tensor_file *file, const json_t *header,
                                   fcmae_error *error)
{
    const json_t *text = json_object_get(json_object_get(header, "__metadata__"), FCMAE_CHECKSUMS);
    const char *digits = json_string_value(text);
    size_t count = (size_t)file->count, length = digits ? json_string_length(text) : 0;
    bool whole = length == (count + 1) * FCMAE_CHECKSUM_DIGITS;
    if (!digits || (!whole && length != count * FCMAE_CHECKSUM_DIGITS)) return FCMAE_OK;
    if (whole &&
        number_at(digits, count) !=
            fcmae_header_checksum(file->tensors, file->count, file->metadata, file->metadata_count))
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: its header is not what was written: the file is damaged, or another "
                          "program changed names or texts and kept the metadata entry "
                          "\"" FCMAE_CHECKSUMS "\"",
                          file->source.name);
    file->checksums = fcmae_pool_take(&file->pool, (count + 1) * sizeof *file->checksums);
    if (!file->checksums) return fcmae_tensor_file_too_large(file, error);
    for (size_t i = 0; i < count; i++) file->checksums[i] = number_at(digits, i);
    return FCMAE_OK;
}

static fcmae_status read_header(fcmae_tensor_file *file, json_t *header, uint64_t data_size,
                                fcmae_error *error)
{
    const char *name;
    json_t *entry;
    size_t count = 0;
    extent *ranges = calloc(json_object_size(header) + 1, sizeof *ranges);
    if (!ranges) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %s", file->source.name);
    fcmae_status status = FCMAE_OK;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            status = read_metadata(file, entry, error);
        else
            status = read_entry(file, name, entry, data_size, &ranges[count++], error);
        if (status != FCMAE_OK) break;
    }
    if (status == FCMAE_OK) status = check_tiling(file, ranges, count, data_size, error);
    if (status == FCMAE_OK) status = read_checksums(file, header, error);
    free(ranges);
    return status;
}

/** Upper bound of the number of values of a text: what bounds the memory of its parse. */
static size_t count_values(const char *text, size_t length)
{
    size_t count = 1;
    for (size_t i = 0; i < length; i++)
        if (text[i] == ',' || text[i] == '[' || text[i] == '{') count++;
    return count;
}

fcmae_status fcmae_safetensors_read(fcmae_tensor_file *file, fcmae_error *error)
{
    uint64_t length = 0;
    file->container = FCMAE_CONTAINER_SAFETENSORS;
    FCMAE_TRY(fcmae_source_read(&file->source, 0, &length, sizeof length, error));
    if (length > LARGEST_HEADER || length > file->source.size - 8)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: a header of %llu bytes is announced, but the file has %llu and the "
                          "limit is %d: it is truncated or not a safetensors file",
                          file->source.name, (unsigned long long)length,
                          (unsigned long long)file->source.size, LARGEST_HEADER);
    fcmae_section data = {.offset = 8 + length};
    data.size = data.stored = file->source.size - data.offset;
    int section;
    FCMAE_TRY(fcmae_tensor_file_add_section(file, &data, &section, error));

    char *text = malloc((size_t)length + 1);
    if (!text) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %s", file->source.name);
    json_t *header = NULL;
    fcmae_status status = fcmae_source_read(&file->source, 8, text, (size_t)length, error);
    if (status == FCMAE_OK) {
        char what[512];
        snprintf(what, sizeof what, "the header of %.450s", file->source.name);
        if (count_values(text, (size_t)length) > MOST_VALUES)
            status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s holds more than %d values", what,
                                MOST_VALUES);
        else
            status = fcmae_json_parse(text, (size_t)length, what, &header, error);
    }
    free(text);
    if (status == FCMAE_OK && !json_is_object(header))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: its header is not a JSON object",
                            file->source.name);
    if (status == FCMAE_OK) status = read_header(file, header, data.size, error);
    json_decref(header);
    return status;
}
