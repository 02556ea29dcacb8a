/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Writing torch zip archives that torch.load(..., weights_only=True) accepts: stored entries whose
 * data start at multiples of 64, one storage per tensor, a pickle of dictionaries, tensors and
 * texts only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "tensor/tensor_file.h"
#include "tensor/write.h"

#define ALIGNMENT 64
#define LARGEST_ENTRY 0xfffffffeu

static const char *const storage_names[FCMAE_DTYPE_OTHER] = {
    [FCMAE_DTYPE_F32] = "FloatStorage",     [FCMAE_DTYPE_F16] = "HalfStorage",
    [FCMAE_DTYPE_BF16] = "BFloat16Storage", [FCMAE_DTYPE_F64] = "DoubleStorage",
    [FCMAE_DTYPE_I64] = "LongStorage",      [FCMAE_DTYPE_I32] = "IntStorage",
    [FCMAE_DTYPE_I16] = "ShortStorage",     [FCMAE_DTYPE_I8] = "CharStorage",
    [FCMAE_DTYPE_U8] = "ByteStorage",       [FCMAE_DTYPE_BOOL] = "BoolStorage",
};

static void put_number(fcmae_buffer *t, uint64_t value, int bytes)
{
    uint8_t encoded[8];
    for (int i = 0; i < bytes; i++) encoded[i] = (uint8_t)(value >> (8 * i));
    fcmae_buffer_add(t, encoded, (size_t)bytes);
}

static void put_opcode(fcmae_buffer *t, uint8_t opcode)
{
    fcmae_buffer_add(t, &opcode, 1);
}

/* ---------------------------------------------------------------- pickle --------------------- */

static void pickle_integer(fcmae_buffer *t, int64_t value)
{
    if (value >= 0 && value < 256) {
        put_opcode(t, 'K');
        put_number(t, (uint64_t)value, 1);
    } else if (value >= 0 && value <= INT32_MAX) {
        put_opcode(t, 'J');
        put_number(t, (uint64_t)value, 4);
    } else {
        put_opcode(t, 0x8a);
        put_number(t, 8, 1);
        put_number(t, (uint64_t)value, 8);
    }
}

static void pickle_string(fcmae_buffer *t, const char *string)
{
    put_opcode(t, 'X');
    put_number(t, strlen(string), 4);
    fcmae_text_add(t, string);
}

static void pickle_sizes(fcmae_buffer *t, int rank, const int64_t *sizes)
{
    put_opcode(t, '(');
    for (int i = 0; i < rank; i++) pickle_integer(t, sizes[i]);
    put_opcode(t, 't');
}

static void pickle_tensor(fcmae_buffer *t, const fcmae_tensor *tensor, int key)
{
    char number[16];
    int64_t stride[FCMAE_TENSOR_RANK];
    snprintf(number, sizeof number, "%d", key);
    fcmae_tensor_strides(tensor, stride);
    fcmae_text_add(t, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_string(t, "storage");
    fcmae_text_add(t, "ctorch\n");
    fcmae_text_add(t, storage_names[tensor->dtype]);
    put_opcode(t, '\n');
    pickle_string(t, number);
    pickle_string(t, "cpu");
    pickle_integer(t, tensor->count);
    fcmae_text_add(t, "tQ");
    pickle_integer(t, 0);
    pickle_sizes(t, tensor->rank, tensor->shape);
    pickle_sizes(t, tensor->rank, stride);
    put_opcode(t, 0x89);
    fcmae_text_add(t, "ccollections\nOrderedDict\n)RtR");
}

static void pickle_state_dict(fcmae_buffer *t, const fcmae_tensor_contents *contents)
{
    fcmae_text_add(t, "ccollections\nOrderedDict\n)R(");
    for (int i = 0; i < contents->count; i++) {
        pickle_string(t, contents->tensors[i].name);
        pickle_tensor(t, &contents->tensors[i], i);
    }
    put_opcode(t, 'u');
}

/** {"model": state dict, "metadata": {...}}, or the state dict alone. */
static void pickle_object(fcmae_buffer *t, const fcmae_tensor_contents *contents)
{
    fcmae_buffer_add(t, "\x80\2", 2);
    if (contents->metadata_count == 0) {
        pickle_state_dict(t, contents);
        put_opcode(t, '.');
        return;
    }
    fcmae_text_add(t, "}(");
    pickle_string(t, "model");
    pickle_state_dict(t, contents);
    pickle_string(t, "metadata");
    fcmae_text_add(t, "}(");
    for (int i = 0; i < contents->metadata_count; i++) {
        pickle_string(t, contents->metadata[i].key);
        pickle_string(t, contents->metadata[i].value);
    }
    fcmae_text_add(t, "uu.");
}

/* ---------------------------------------------------------------- zip ------------------------ */

/** One entry on its way out. */
typedef struct entry {
    char name[96];
    uint64_t header;
    uint32_t crc, size;
} entry;

typedef struct archive {
    fcmae_tensor_writer *writer;
    char root[64];
    entry *entries;
    int count;
} archive;

/** The fields that local headers and directory entries share, from the version on. */
static void put_common(fcmae_buffer *t, const entry *e, uint32_t crc, uint32_t size, int extra)
{
    put_number(t, 20, 2);     /* version needed */
    put_number(t, 0x0808, 2); /* sizes follow the data; names are UTF-8 */
    put_number(t, 0, 2);      /* stored */
    put_number(t, 0, 2); /* time and date: the first day of DOS, so that files are repeatable */
    put_number(t, 0x21, 2);
    put_number(t, crc, 4);
    put_number(t, size, 4);
    put_number(t, size, 4);
    put_number(t, strlen(e->name), 2);
    put_number(t, (uint64_t)extra, 2);
}

static fcmae_status put_text(archive *a, fcmae_buffer *t, fcmae_error *error)
{
    fcmae_status status = fcmae_buffer_check(t, a->writer->file.path, error);
    if (status == FCMAE_OK) status = fcmae_writer_put(a->writer, t->bytes, t->size, error);
    fcmae_buffer_release(t);
    return status;
}

/** Local header with padding; the data are put next. */
static fcmae_status begin_entry(archive *a, const char *name, fcmae_error *error)
{
    fcmae_buffer t = {0};
    entry *e = &a->entries[a->count];
    snprintf(e->name, sizeof e->name, "%s/%s", a->root, name);
    e->header = a->writer->position;
    uint64_t start = e->header + 30 + strlen(e->name) + 4;
    int padding = (int)((ALIGNMENT - start % ALIGNMENT) % ALIGNMENT);
    fcmae_text_add(&t, "PK\3\4");
    put_common(&t, e, 0, 0, padding + 4);
    fcmae_text_add(&t, e->name);
    fcmae_text_add(&t, "FB");
    put_number(&t, (uint64_t)padding, 2);
    for (int i = 0; i < padding; i++) put_opcode(&t, 'Z');
    FCMAE_TRY(put_text(a, &t, error));
    a->writer->crc = 0;
    return FCMAE_OK;
}

/** Data descriptor. */
static fcmae_status end_entry(archive *a, uint32_t size, fcmae_error *error)
{
    fcmae_buffer t = {0};
    entry *e = &a->entries[a->count++];
    e->crc = a->writer->crc;
    e->size = size;
    fcmae_text_add(&t, "PK\7\10");
    put_number(&t, e->crc, 4);
    put_number(&t, size, 4);
    put_number(&t, size, 4);
    return put_text(a, &t, error);
}

static fcmae_status put_record(archive *a, const char *name, const void *bytes, size_t size,
                               fcmae_error *error)
{
    if (size > LARGEST_ENTRY)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%s: record %s is larger than 4 GiB",
                          a->writer->file.path, name);
    FCMAE_TRY(begin_entry(a, name, error));
    FCMAE_TRY(fcmae_writer_put(a->writer, bytes, size, error));
    return end_entry(a, (uint32_t)size, error);
}

static fcmae_status put_directory(archive *a, fcmae_error *error)
{
    fcmae_buffer t = {0};
    uint64_t start = a->writer->position;
    for (int i = 0; i < a->count; i++) {
        const entry *e = &a->entries[i];
        bool far = e->header >= 0xffffffffu;
        fcmae_text_add(&t, "PK\1\2");
        put_number(&t, far ? 45 : 20, 2);
        put_common(&t, e, e->crc, e->size, far ? 12 : 0);
        put_number(&t, 0, 6); /* comment, volume, internal attributes */
        put_number(&t, 0, 4);
        put_number(&t, far ? 0xffffffffu : e->header, 4);
        fcmae_text_add(&t, e->name);
        if (far) {
            put_number(&t, 1, 2);
            put_number(&t, 8, 2);
            put_number(&t, e->header, 8);
        }
    }
    FCMAE_TRY(put_text(a, &t, error));
    uint64_t end = a->writer->position, size = end - start;
    t = (fcmae_buffer){0};
    fcmae_text_add(&t, "PK\6\6"); /* the zip64 end record, for any size of file */
    put_number(&t, 44, 8);
    put_number(&t, 45, 2);
    put_number(&t, 45, 2);
    put_number(&t, 0, 8);
    put_number(&t, (uint64_t)a->count, 8);
    put_number(&t, (uint64_t)a->count, 8);
    put_number(&t, size, 8);
    put_number(&t, start, 8);
    fcmae_text_add(&t, "PK\6\7");
    put_number(&t, 0, 4);
    put_number(&t, end, 8);
    put_number(&t, 1, 4);
    fcmae_text_add(&t, "PK\5\6");
    put_number(&t, 0, 4);
    put_number(&t, a->count > 0xffff ? 0xffffu : (uint64_t)a->count, 2);
    put_number(&t, a->count > 0xffff ? 0xffffu : (uint64_t)a->count, 2);
    put_number(&t, size > 0xffffffffu ? 0xffffffffu : size, 4);
    put_number(&t, start > 0xffffffffu ? 0xffffffffu : start, 4);
    put_number(&t, 0, 2);
    return put_text(a, &t, error);
}

static fcmae_status put_tensors(archive *a, fcmae_error *error)
{
    const fcmae_tensor_contents *contents = a->writer->contents;
    for (int i = 0; i < contents->count; i++) {
        const fcmae_tensor *tensor = &contents->tensors[i];
        char name[32];
        snprintf(name, sizeof name, "data/%d", i);
        FCMAE_TRY(begin_entry(a, name, error));
        FCMAE_TRY(fcmae_writer_put_tensor(a->writer, i, error));
        FCMAE_TRY(end_entry(a, (uint32_t)((size_t)tensor->count * fcmae_dtype_size(tensor->dtype)),
                            error));
    }
    return FCMAE_OK;
}

static fcmae_status put_archive(archive *a, fcmae_error *error)
{
    fcmae_buffer pickle = {0};
    pickle_object(&pickle, a->writer->contents);
    fcmae_status status = fcmae_buffer_check(&pickle, "a pickle", error);
    if (status == FCMAE_OK) status = put_record(a, "data.pkl", pickle.bytes, pickle.size, error);
    fcmae_buffer_release(&pickle);
    if (status == FCMAE_OK) status = put_record(a, "byteorder", "little", 6, error);
    if (status == FCMAE_OK) status = put_tensors(a, error);
    if (status == FCMAE_OK) status = put_record(a, "version", "3\n", 2, error);
    if (status == FCMAE_OK) status = put_directory(a, error);
    return status;
}

/** The top folder: the file's name without folder and last extension, as torch has it. */
static void name_root(archive *a, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    snprintf(a->root, sizeof a->root, "%s", name);
    char *dot = strrchr(a->root, '.');
    if (dot) *dot = 0;
    if (!a->root[0]) snprintf(a->root, sizeof a->root, "archive");
}

fcmae_status fcmae_torch_write(fcmae_tensor_writer *writer, const char *path, fcmae_error *error)
{
    const fcmae_tensor_contents *contents = writer->contents;
    archive a = {.writer = writer};
    writer->want_crc = true;
    for (int i = 0; i < contents->count; i++) {
        const fcmae_tensor *tensor = &contents->tensors[i];
        if (!storage_names[tensor->dtype])
            return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                              "%s: torch archives have no %s tensors (%s)", path,
                              fcmae_dtype_name(tensor->dtype), tensor->name);
        if ((uint64_t)tensor->count > LARGEST_ENTRY / fcmae_dtype_size(tensor->dtype))
            return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                              "%s: tensor %s is larger than 4 GiB; write safetensors instead", path,
                              tensor->name);
    }
    name_root(&a, path);
    a.entries = calloc((size_t)contents->count + 3, sizeof *a.entries);
    if (!a.entries) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    fcmae_status status = fcmae_writer_open(writer, path, error);
    if (status == FCMAE_OK) status = put_archive(&a, error);
    free(a.entries);
    return status;
}
