/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "tensor/torch_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEEPEST 32
#define LONGEST_PATH 512
#define LONGEST_VALUE ((size_t)1 << 20)
#define MOST_TEXTS 4096

typedef struct walk {
    fcmae_tensor_file *file;
    bool big_endian;
    fcmae_storage_finder find;
    void *cookie;
    fcmae_error *error;
    char path[LONGEST_PATH];
} walk;

static fcmae_status add_tensor(walk *w, const fcmae_pickle_value *value)
{
    const fcmae_pickle_storage *storage = value->as.tensor.storage;
    fcmae_tensor tensor = *value->as.tensor.tensor;
    fcmae_section section = {0};
    fcmae_placement place = {.big_endian = w->big_endian};
    size_t element = fcmae_dtype_size(tensor.dtype);
    tensor.name = w->path;
    memcpy(place.stride, value->as.tensor.stride, sizeof place.stride);
    if (tensor.dtype != FCMAE_DTYPE_OTHER)
        FCMAE_TRY(w->find(w->cookie, storage, &section, w->error));
    uint64_t first;
    if (__builtin_add_overflow((uint64_t)value->as.tensor.offset, (uint64_t)storage->view_offset,
                               &first) ||
        __builtin_mul_overflow(first, (uint64_t)element, &place.offset))
        return fcmae_fail(w->error, FCMAE_ERR_FORMAT,
                          "%s: tensor %s starts at an impossible offset", w->file->source.name,
                          w->path);
    FCMAE_TRY(fcmae_tensor_file_add_section(w->file, &section, &place.section, w->error));
    return fcmae_tensor_file_add(w->file, &tensor, &place, w->error);
}

/** Texts under "metadata" are known by their own names, as in safetensors. */
static fcmae_status add_text(walk *w, const char *text, size_t length)
{
    const char *key = w->path;
    if (strncmp(key, "metadata.", 9) == 0) key += 9;
    if (w->file->metadata_count >= MOST_TEXTS || length > LONGEST_VALUE || memchr(text, 0, length))
        return FCMAE_OK;
    return fcmae_tensor_file_add_metadata(w->file, key, strlen(key), text, length, w->error);
}

static fcmae_status add_scalar(walk *w, const fcmae_pickle_value *value)
{
    char text[64];
    switch (value->kind) {
    case FCMAE_PICKLE_TEXT: return add_text(w, value->as.text.start, value->as.text.length);
    case FCMAE_PICKLE_INT: snprintf(text, sizeof text, "%" PRId64, value->as.integer); break;
    case FCMAE_PICKLE_FLOAT: snprintf(text, sizeof text, "%.17g", value->as.real); break;
    case FCMAE_PICKLE_BOOL:
        snprintf(text, sizeof text, "%s", value->as.integer ? "true" : "false");
        break;
    default: return FCMAE_OK;
    }
    return add_text(w, text, strlen(text));
}

/** Appends ".key" to the path; false if the key is no text or
 *  number, or the path grows too long. */
static bool descend(walk *w, const fcmae_pickle_value *key, int64_t index)
{
    size_t used = strlen(w->path);
    size_t room = sizeof w->path - used;
    const char *dot = used ? "." : "";
    int length;
    if (!key)
        length = snprintf(w->path + used, room, "%s%" PRId64, dot, index);
    else if (key->kind == FCMAE_PICKLE_INT)
        length = snprintf(w->path + used, room, "%s%" PRId64, dot, key->as.integer);
    else if (key->kind == FCMAE_PICKLE_TEXT && key->as.text.length < room &&
             !memchr(key->as.text.start, 0, key->as.text.length))
        length = snprintf(w->path + used, room, "%s%.*s", dot, (int)key->as.text.length,
                          key->as.text.start);
    else
        length = -1;
    if (length >= 0 && (size_t)length < room) return true;
    w->path[used] = 0;
    return false;
}

static fcmae_status visit(walk *w, fcmae_pickle_value *value, int depth)
{
    if (value->kind == FCMAE_PICKLE_TENSOR) return add_tensor(w, value);
    bool dictionary = value->kind == FCMAE_PICKLE_DICT;
    if (!dictionary && value->kind != FCMAE_PICKLE_LIST && value->kind != FCMAE_PICKLE_TUPLE)
        return depth <= 2 ? add_scalar(w, value) : FCMAE_OK;
    if (value->visited || depth >= DEEPEST) return FCMAE_OK; /* shared or cyclic: once is enough */
    value->visited = true;
    size_t length = strlen(w->path);
    int64_t step = dictionary ? 2 : 1;
    for (int64_t i = 0; i + step <= value->as.list.count; i += step) {
        const fcmae_pickle_value *key = dictionary ? value->as.list.item[i] : NULL;
        if (!descend(w, key, i)) continue;
        FCMAE_TRY(visit(w, value->as.list.item[i + step - 1], depth + 1));
        w->path[length] = 0;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_torch_walk(fcmae_tensor_file *file, fcmae_pickle_value *root, bool big_endian,
                              fcmae_storage_finder find, void *cookie, fcmae_error *error)
{
    walk w = {
        .file = file, .big_endian = big_endian, .find = find, .cookie = cookie, .error = error};
    if (root->kind == FCMAE_PICKLE_TENSOR) snprintf(w.path, sizeof w.path, "tensor");
    return visit(&w, root, 0);
}
