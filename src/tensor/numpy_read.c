/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading .npy arrays, alone or as the members of a .npz: a header
 *  in Python notation, then data. */
#include <stdio.h>
#include <string.h>

#include "tensor/zip.h"

#define LONGEST_HEADER 10000 /* as NumPy's own reader */

/** Reading position in the header's text, which is zero-terminated. */
typedef struct cursor {
    const char *at;
} cursor;

static void skip_space(cursor *c)
{
    while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t') c->at++;
}

static bool accept(cursor *c, char expected)
{
    skip_space(c);
    if (*c->at != expected) return false;
    c->at++;
    return true;
}

/** A text in single or double quotes without escapes. */
static bool read_text(cursor *c, char *text, size_t room)
{
    skip_space(c);
    char quote = *c->at;
    if (quote != '\'' && quote != '"') return false;
    const char *start = ++c->at;
    while (*c->at && *c->at != quote && *c->at != '\\') c->at++;
    size_t length = (size_t)(c->at - start);
    if (*c->at != quote || length >= room) return false;
    memcpy(text, start, length);
    text[length] = 0;
    c->at++;
    return true;
}

static bool read_number(cursor *c, int64_t *value)
{
    skip_space(c);
    if (*c->at < '0' || *c->at > '9') return false;
    *value = 0;
    while (*c->at >= '0' && *c->at <= '9') {
        if (*value > (INT64_MAX - 9) / 10) return false;
        *value = *value * 10 + (*c->at++ - '0');
    }
    if (*c->at == 'L') c->at++; /* Python 2 */
    return true;
}

static bool read_shape(cursor *c, fcmae_tensor *tensor)
{
    if (!accept(c, '(')) return false;
    for (tensor->rank = 0; !accept(c, ')'); tensor->rank++) {
        if (tensor->rank == FCMAE_TENSOR_RANK) return false;
        if (!read_number(c, &tensor->shape[tensor->rank])) return false;
        if (!accept(c, ',')) {
            tensor->rank++;
            return accept(c, ')');
        }
    }
    return true;
}

static bool read_bool(cursor *c, bool *value)
{
    skip_space(c);
    *value = strncmp(c->at, "True", 4) == 0;
    if (!*value && strncmp(c->at, "False", 5) != 0) return false;
    c->at += *value ? 4 : 5;
    return true;
}

/** "<f4" and its kin; false if it is not a type at all. Unknown ones become OTHER. */
static bool read_type(const char *text, fcmae_dtype *dtype, bool *big_endian)
{
    static const struct {
        const char *code;
        fcmae_dtype dtype;
    } types[] = {{"f4", FCMAE_DTYPE_F32}, {"f2", FCMAE_DTYPE_F16}, {"f8", FCMAE_DTYPE_F64},
                 {"i8", FCMAE_DTYPE_I64}, {"i4", FCMAE_DTYPE_I32}, {"i2", FCMAE_DTYPE_I16},
                 {"i1", FCMAE_DTYPE_I8},  {"u8", FCMAE_DTYPE_U64}, {"u4", FCMAE_DTYPE_U32},
                 {"u2", FCMAE_DTYPE_U16}, {"u1", FCMAE_DTYPE_U8},  {"b1", FCMAE_DTYPE_BOOL}};
    if (!strchr("<>|=", text[0]) || !text[0]) return false;
    *big_endian = text[0] == '>';
    *dtype = FCMAE_DTYPE_OTHER;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(text + 1, types[i].code) == 0) *dtype = types[i].dtype;
    return true;
}

/** {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } in any order, each once. */
static bool read_dictionary(const char *text, fcmae_tensor *tensor, bool *fortran, bool *big_endian)
{
    cursor c = {text};
    int seen = 0;
    if (!accept(&c, '{')) return false;
    while (!accept(&c, '}')) {
        char key[16], type[16];
        int bit;
        if (!read_text(&c, key, sizeof key) || !accept(&c, ':')) return false;
        if (strcmp(key, "descr") == 0) {
            bit = 1;
            if (!read_text(&c, type, sizeof type) || !read_type(type, &tensor->dtype, big_endian))
                return false;
        } else if (strcmp(key, "fortran_order") == 0) {
            bit = 2;
            if (!read_bool(&c, fortran)) return false;
        } else if (strcmp(key, "shape") == 0) {
            bit = 4;
            if (!read_shape(&c, tensor)) return false;
        } else
            return false;
        if (seen & bit) return false;
        seen |= bit;
        if (!accept(&c, ',')) {
            if (!accept(&c, '}')) return false;
            break;
        }
    }
    skip_space(&c);
    return seen == 7 && *c.at == 0;
}

/** Strides of Fortran order: the first index runs fastest. */
static void fortran_strides(const fcmae_tensor *tensor, int64_t *stride)
{
    int64_t step = 1;
    for (int i = 0; i < tensor->rank; i++) {
        stride[i] = step;
        if (tensor->shape[i] > 0 && step <= ((int64_t)1 << 62) / tensor->shape[i])
            step *= tensor->shape[i];
    }
}

/** Adds the array that fills section number `section`. */
static fcmae_status read_array(fcmae_tensor_file *file, int section, const char *name,
                               fcmae_error *error)
{
    const fcmae_section *whole = &file->sections[section];
    uint8_t start[12];
    char header[LONGEST_HEADER + 1];
    if (whole->size < sizeof start)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: array %s is too short", file->source.name,
                          name);
    FCMAE_TRY(fcmae_section_read(&file->source, whole, 0, start, sizeof start, error));
    int major = start[6];
    if (memcmp(start, "\x93NUMPY", 6) != 0 || major < 1 || major > 3)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: array %s is not in .npy format 1 to 3",
                          file->source.name, name);
    uint64_t length = start[8] | (uint64_t)start[9] << 8;
    if (major > 1) length |= (uint64_t)start[10] << 16 | (uint64_t)start[11] << 24;
    uint64_t first = major > 1 ? 12 : 10;
    if (length > LONGEST_HEADER || length > whole->size - first)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: array %s has a header of %llu bytes",
                          file->source.name, name, (unsigned long long)length);
    FCMAE_TRY(fcmae_section_read(&file->source, whole, first, header, (size_t)length, error));
    header[length] = 0;
    fcmae_tensor tensor = {.name = name};
    fcmae_placement place = {.section = section, .offset = first + length, .stride = {-1}};
    bool fortran = false;
    if (strlen(header) != length || !read_dictionary(header, &tensor, &fortran, &place.big_endian))
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: array %s has a header that is not an array's: %.60s",
                          file->source.name, name, header);
    if (fortran) fortran_strides(&tensor, place.stride);
    return fcmae_tensor_file_add(file, &tensor, &place, error);
}

fcmae_status fcmae_npz_read(fcmae_tensor_file *file, const fcmae_zip *zip, fcmae_error *error)
{
    file->container = FCMAE_CONTAINER_NUMPY;
    for (int i = 0; i < zip->count; i++) {
        const char *name = zip->entries[i].name;
        size_t length = strlen(name);
        int section;
        if (length <= 4 || strcmp(name + length - 4, ".npy") != 0) continue;
        char *array = fcmae_pool_text(&file->pool, name, length - 4);
        if (!array)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %s", file->source.name);
        FCMAE_TRY(fcmae_tensor_file_add_section(file, &zip->entries[i].section, &section, error));
        FCMAE_TRY(read_array(file, section, array, error));
    }
    return FCMAE_OK;
}

fcmae_status fcmae_npy_read(fcmae_tensor_file *file, fcmae_error *error)
{
    int section;
    fcmae_section whole = {.stored = file->source.size, .size = file->source.size};
    file->container = FCMAE_CONTAINER_NUMPY;
    FCMAE_TRY(fcmae_tensor_file_add_section(file, &whole, &section, error));
    return read_array(file, section, "array", error);
}
