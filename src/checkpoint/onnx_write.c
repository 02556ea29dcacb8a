/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * ONNX files. Weights up to 1 GiB lie inside; larger ones, which protocol buffers could not hold,
 * beside it in FILE.data, written tensor by tensor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/onnx_graph.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/status.h"

#define LARGEST_INSIDE ((uint64_t)1 << 30)
#define DATA_ALIGNMENT 4096

static int64_t count_of(const Fcmae__Onnx__Tensor *tensor)
{
    int64_t count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++) count *= tensor->dims[i];
    return count;
}

/** The values of initialiser `index`; `scratch` is as large. */
static fcmae_status read_values(fcmae_onnx_graph *g, fcmae_conversion *c, size_t index,
                                float *values, float *scratch, fcmae_error *error)
{
    const fcmae_onnx_value *from = &g->values[index];
    if (from->parameter < 0) {
        values[0] = from->constant;
        return FCMAE_OK;
    }
    if (!from->transposed) return fcmae_conversion_read(c, from->parameter, values, error);
    const fcmae_parameter *p = &c->table[from->parameter];
    FCMAE_TRY(fcmae_conversion_read(c, from->parameter, scratch, error));
    for (int64_t row = 0; row < p->shape[0]; row++)
        for (int64_t column = 0; column < p->shape[1]; column++)
            values[column * p->shape[0] + row] = scratch[row * p->shape[1] + column];
    return FCMAE_OK;
}

static void report_progress(const fcmae_conversion *c, uint64_t done, uint64_t total)
{
    if (c->options->progress) c->options->progress(c->options->cookie, done, total);
}

/** Points initialiser `index` at a range of the data file. */
static bool refer(fcmae_onnx_graph *g, size_t index, const char *location, uint64_t offset,
                  uint64_t length)
{
    char numbers[2][24];
    const char *keys[] = {"location", "offset", "length"};
    const char *values[] = {location, numbers[0], numbers[1]};
    Fcmae__Onnx__Tensor *tensor = g->graph.initializer[index];
    snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)offset);
    snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)length);
    tensor->external_data = fcmae_pool_take(&g->pool, 3 * sizeof(Fcmae__Onnx__Entry *));
    if (!tensor->external_data) return false;
    for (int i = 0; i < 3; i++) {
        Fcmae__Onnx__Entry *entry = fcmae_pool_take(&g->pool, sizeof *entry);
        if (!entry) return false;
        fcmae__onnx__entry__init(entry);
        entry->key = fcmae_pool_text(&g->pool, keys[i], strlen(keys[i]));
        entry->value = fcmae_pool_text(&g->pool, values[i], strlen(values[i]));
        if (!entry->key || !entry->value) return false;
        tensor->external_data[tensor->n_external_data++] = entry;
    }
    tensor->has_data_location = 1;
    tensor->data_location = 1;
    return true;
}

static fcmae_status write_data(fcmae_onnx_graph *g, fcmae_conversion *c, fcmae_atomic_file *file,
                               uint64_t total, fcmae_error *error)
{
    static const char zeros[DATA_ALIGNMENT];
    const char *slash = strrchr(file->path, '/'), *location = slash ? slash + 1 : file->path;
    uint64_t position = 0, done = 0;
    int64_t largest = 1;
    for (size_t i = 0; i < g->graph.n_initializer; i++)
        if (count_of(g->graph.initializer[i]) > largest)
            largest = count_of(g->graph.initializer[i]);
    float *values = fcmae_allocate_aligned(2 * (size_t)largest, sizeof *values);
    fcmae_status status = values ? FCMAE_OK
                                 : fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a tensor");
    for (size_t i = 0; i < g->graph.n_initializer && status == FCMAE_OK; i++) {
        size_t size = (size_t)count_of(g->graph.initializer[i]) * sizeof *values;
        size_t padding = (size_t)((DATA_ALIGNMENT - position % DATA_ALIGNMENT) % DATA_ALIGNMENT);
        status = read_values(g, c, i, values, values + largest, error);
        if (status != FCMAE_OK) break;
        status = fcmae_atomic_write(file, zeros, padding, error);
        if (status == FCMAE_OK) status = fcmae_atomic_write(file, values, size, error);
        if (status == FCMAE_OK && !refer(g, i, location, position + padding, size))
            status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an ONNX graph");
        position += padding + size;
        done += size;
        report_progress(c, done, total);
    }
    free(values);
    return status;
}

/** Writes FILE.data, to be committed with the graph, and makes every initialiser refer to it. */
static fcmae_status put_outside(fcmae_onnx_graph *g, fcmae_conversion *c, const char *path,
                                uint64_t total, fcmae_atomic_file *file, fcmae_error *error)
{
    size_t room = strlen(path) + 6;
    char *name = malloc(room);
    if (!name) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    snprintf(name, room, "%s.data", path);
    fcmae_status status = fcmae_atomic_open(file, name, error);
    free(name);
    if (status == FCMAE_OK) status = write_data(g, c, file, total, error);
    return status == FCMAE_OK ? fcmae_atomic_flush(file, error) : status;
}

/** Reads every initialiser into memory; `owned` receives what to free. */
static fcmae_status put_inside(fcmae_onnx_graph *g, fcmae_conversion *c, float **owned,
                               uint64_t total, fcmae_error *error)
{
    uint64_t done = 0;
    for (size_t i = 0; i < g->graph.n_initializer; i++) {
        Fcmae__Onnx__Tensor *tensor = g->graph.initializer[i];
        size_t count = (size_t)count_of(tensor);
        float *scratch = g->values[i].transposed ? fcmae_allocate_aligned(count, sizeof *scratch)
                                                 : NULL;
        owned[i] = fcmae_allocate_aligned(count, sizeof(float));
        fcmae_status status = FCMAE_OK;
        if (!owned[i] || (g->values[i].transposed && !scratch))
            status = fcmae_fail(error, FCMAE_ERR_MEMORY,
                                "no memory for the weights of an ONNX file");
        if (status == FCMAE_OK) status = read_values(g, c, i, owned[i], scratch, error);
        free(scratch);
        FCMAE_TRY(status);
        tensor->has_raw_data = 1;
        tensor->raw_data.len = count * sizeof(float);
        tensor->raw_data.data = (uint8_t *)owned[i];
        done += tensor->raw_data.len;
        report_progress(c, done, total);
    }
    return FCMAE_OK;
}

/** A protocol buffer that goes straight into a file. */
typedef struct file_buffer {
    ProtobufCBuffer base;
    fcmae_atomic_file *file;
    fcmae_status status; /* of the first failure */
    fcmae_error *error;
} file_buffer;

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes)
{
    file_buffer *out = (file_buffer *)buffer;
    if (out->status == FCMAE_OK)
        out->status = fcmae_atomic_write(out->file, bytes, size, out->error);
}

/** @param data  the file beside it, or NULL */
static fcmae_status write_model(fcmae_onnx_graph *g, const char *path, fcmae_atomic_file *data,
                                fcmae_error *error)
{
    char producer[] = "fcmae", domain[] = "";
    Fcmae__Onnx__OperatorSet opset = FCMAE__ONNX__OPERATOR_SET__INIT, *opsets[] = {&opset};
    Fcmae__Onnx__Model model = FCMAE__ONNX__MODEL__INIT;
    fcmae_atomic_file file;
    opset.domain = domain;
    opset.has_version = 1;
    opset.version = 17;
    model.has_ir_version = 1;
    model.ir_version = 8;
    model.producer_name = producer;
    model.graph = &g->graph;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    FCMAE_TRY(fcmae_atomic_open(&file, path, error));
    file_buffer buffer = {{append}, &file, FCMAE_OK, error};
    fcmae__onnx__model__pack_to_buffer(&model, &buffer.base);
    fcmae_status status = buffer.status;
    if (status == FCMAE_OK) status = fcmae_atomic_flush(&file, error);
    if (status == FCMAE_OK && data) status = fcmae_atomic_commit(data, error);
    if (status == FCMAE_OK) return fcmae_atomic_commit(&file, error);
    fcmae_atomic_discard(&file);
    return status;
}

static fcmae_status write_graph(fcmae_onnx_graph *g, fcmae_conversion *c, const char *path,
                                uint64_t *bytes, fcmae_error *error)
{
    FCMAE_TRY(fcmae_onnx_build(g, c, error));
    *bytes = 0;
    for (size_t i = 0; i < g->graph.n_initializer; i++)
        *bytes += (uint64_t)count_of(g->graph.initializer[i]) * sizeof(float);
    if (*bytes > LARGEST_INSIDE) {
        fcmae_atomic_file data = {0};
        fcmae_status status = put_outside(g, c, path, *bytes, &data, error);
        if (status == FCMAE_OK) status = write_model(g, path, &data, error);
        fcmae_atomic_discard(&data);
        return status;
    }
    float **owned = calloc(g->graph.n_initializer + 1, sizeof *owned);
    if (!owned) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    fcmae_status status = put_inside(g, c, owned, *bytes, error);
    if (status == FCMAE_OK) status = write_model(g, path, NULL, error);
    for (size_t i = 0; i < g->graph.n_initializer; i++) free(owned[i]);
    free(owned);
    return status;
}

fcmae_status fcmae_onnx_write(fcmae_conversion *conversion, const char *path, uint64_t *bytes,
                              fcmae_error *error)
{
    fcmae_onnx_graph graph = {0};
    if (conversion->options->dtype != FCMAE_DTYPE_F32)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "ONNX files are written in f32 only");
    fcmae_status status = write_graph(&graph, conversion, path, bytes, error);
    fcmae_onnx_release(&graph);
    return status;
}
