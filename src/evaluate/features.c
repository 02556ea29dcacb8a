/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "evaluate/dense_pass.h"

void fcmae_features_release(fcmae_features *features)
{
    free(features->values);
    free(features->labels);
    free(features->indices);
    *features = (fcmae_features){0};
}

/* ---- in memory ---- */

typedef struct collection {
    fcmae_features *features;
    int64_t capacity;
    fcmae_pass_output output;
} collection;

static fcmae_status grow(collection *c, int64_t needed, fcmae_error *error)
{
    fcmae_features *f = c->features;
    if (needed <= c->capacity) return FCMAE_OK;
    int64_t capacity = c->capacity > needed / 2 ? 2 * c->capacity : needed;
    float *values = realloc(f->values, (size_t)capacity * (size_t)f->dimension * sizeof *values);
    if (values) f->values = values;
    int32_t *labels = realloc(f->labels, (size_t)capacity * sizeof *labels);
    if (labels) f->labels = labels;
    int64_t *indices = realloc(f->indices, (size_t)capacity * sizeof *indices);
    if (indices) f->indices = indices;
    if (!values || !labels || !indices)
        return fcmae_fail(error, FCMAE_ERR_MEMORY,
                          "no memory for the features of %" PRId64 " images", capacity);
    c->capacity = capacity;
    return FCMAE_OK;
}

static const float *values_of(const fcmae_pass_batch *batch, fcmae_pass_output output, int stage)
{
    switch (output) {
    case FCMAE_PASS_LOGITS: return batch->logits;
    case FCMAE_PASS_POOLED: return batch->pooled;
    case FCMAE_PASS_NORMALISED: return batch->normalised;
    case FCMAE_PASS_MAP: return batch->map;
    case FCMAE_PASS_STAGES: break;
    }
    return batch->stages[stage];
}

static fcmae_status collect(void *cookie, const fcmae_pass_batch *batch, fcmae_error *error)
{
    collection *c = cookie;
    fcmae_features *f = c->features;
    int count = batch->samples.count;
    FCMAE_TRY(grow(c, f->count + count, error));
    memcpy(f->values + f->count * f->dimension, values_of(batch, c->output, 0),
           (size_t)count * (size_t)f->dimension * sizeof *f->values);
    memcpy(f->labels + f->count, batch->samples.labels, (size_t)count * sizeof *f->labels);
    memcpy(f->indices + f->count, batch->samples.indices, (size_t)count * sizeof *f->indices);
    f->count += count;
    return FCMAE_OK;
}

fcmae_status fcmae_features_collect(fcmae_model *model, const fcmae_dataset *dataset,
                                    const fcmae_pass_options *pass,
                                    const fcmae_features_options *options, fcmae_features *features,
                                    fcmae_error *error)
{
    int views = options->views, size = pass->input_size > 0 ? pass->input_size : 224;
    if (options->output != FCMAE_PASS_POOLED && options->output != FCMAE_PASS_NORMALISED)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "features are pooled or normalised");
    if (views < 0 || views > 10000)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%d views, but there must be 0 to 10000",
                          views);
    if (views > 0 && !(options->crop_scale > 0 && options->crop_scale <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the crop scale is %g, but must be above 0 and at most 1",
                          options->crop_scale);
    fcmae_features_release(features);
    features->dimension = fcmae_model_configuration(model)->dims[3];
    features->views = views > 0 ? views : 1;
    collection c = {.features = features, .output = options->output};
    const fcmae_pass_request request = {
        .transform = views > 0 ? fcmae_transform_train(size, options->crop_scale)
                               : fcmae_transform_evaluate(size, pass->crop_ratio),
        .epochs = views,
        .seed = options->seed,
        .outputs = (int)options->output,
        .visit = collect,
        .visitor = &c};
    fcmae_status status = fcmae_pass_run_request(model, dataset, pass, &request, NULL, error);
    if (status == FCMAE_OK && features->count == 0)
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "no image could be read");
    if (status != FCMAE_OK) fcmae_features_release(features);
    return status;
}

/* ---- NumPy files ---- */

enum { HEADER = 128 }; /* bytes, a multiple of 64 */

typedef struct array_writer {
    const fcmae_dataset *dataset;
    fcmae_pass_output output;
    int stage;
    int64_t shape[4]; /* shape[0] grows */
    int rank;
    fcmae_atomic_file array, names;
} array_writer;

static int64_t values_per_image(const array_writer *w)
{
    int64_t product = 1;
    for (int i = 1; i < w->rank; i++) product *= w->shape[i];
    return product;
}

/** Magic, version 1.0 and the dictionary, padded with blanks (numpy/lib/format). */
static fcmae_status write_header(array_writer *w, fcmae_error *error)
{
    char header[HEADER], shape[96] = "";
    for (int i = 0; i < w->rank; i++) {
        size_t used = strlen(shape);
        snprintf(shape + used, sizeof shape - used, "%s%" PRId64, i ? ", " : "", w->shape[i]);
    }
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = HEADER - 10;
    header[9] = 0;
    char text[HEADER - 10];
    int length = snprintf(text, sizeof text,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    if (length < 0 || length >= (int)sizeof text)
        return fcmae_fail(error, FCMAE_ERR_SHAPE, "an array of %s has no place in .npy", shape);
    memcpy(header + 10, text, (size_t)length);
    header[HEADER - 1] = '\n';
    return fcmae_atomic_write(&w->array, header, sizeof header, error);
}

static fcmae_status write_batch(void *cookie, const fcmae_pass_batch *batch, fcmae_error *error)
{
    array_writer *w = cookie;
    size_t count = (size_t)batch->samples.count * (size_t)values_per_image(w);
    FCMAE_TRY(fcmae_atomic_write(&w->array, values_of(batch, w->output, w->stage),
                                 count * sizeof(float), error));
    for (int i = 0; i < batch->samples.count; i++) {
        char name[4096];
        fcmae_dataset_name(w->dataset, batch->samples.indices[i], name, sizeof name);
        for (char *c = name; *c; c++)
            if (*c == '\n') *c = '?'; /* one line for one image */
        FCMAE_TRY(fcmae_atomic_write(&w->names, name, strlen(name), error));
        FCMAE_TRY(fcmae_atomic_write(&w->names, "\n", 1, error));
    }
    w->shape[0] += batch->samples.count;
    return FCMAE_OK;
}

static void describe_shape(array_writer *w, const fcmae_model_config *config, int size)
{
    int side = size / fcmae_config_patch(config);
    w->rank = w->output == FCMAE_PASS_MAP ? 4 : 2;
    w->shape[1] = w->output == FCMAE_PASS_LOGITS   ? config->classes
                  : w->output == FCMAE_PASS_STAGES ? config->dims[w->stage]
                                                   : config->dims[3];
    w->shape[2] = w->shape[3] = side;
}

static fcmae_status finish_array(array_writer *w, fcmae_error *error)
{
    errno = 0;
    if (fseek(w->array.stream, 0, SEEK_SET) != 0)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "could not write %.300s",
                                 w->array.path);
    FCMAE_TRY(write_header(w, error));
    FCMAE_TRY(fcmae_atomic_flush(&w->array, error));
    FCMAE_TRY(fcmae_atomic_flush(&w->names, error));
    FCMAE_TRY(fcmae_atomic_commit(&w->array, error));
    return fcmae_atomic_commit(&w->names, error);
}

fcmae_status fcmae_features_write(fcmae_model *model, const fcmae_dataset *dataset,
                                  const fcmae_pass_options *options, fcmae_pass_output output,
                                  int stage, const char *path, fcmae_pass_result *result,
                                  fcmae_error *error)
{
    array_writer w = {.dataset = dataset, .output = output, .stage = stage};
    fcmae_pass_options o = *options;
    char names[4096];
    if (stage < 0 || stage >= FCMAE_STAGES)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "there is no stage %d", stage);
    FCMAE_TRY(fcmae_pass_resolve(&o, fcmae_model_configuration(model), error));
    describe_shape(&w, fcmae_model_configuration(model), o.input_size);
    if (snprintf(names, sizeof names, "%s.txt", path) >= (int)sizeof names)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the file name %.200s... is too long", path);
    fcmae_status status = fcmae_atomic_open(&w.array, path, error);
    if (status == FCMAE_OK) status = fcmae_atomic_open(&w.names, names, error);
    if (status == FCMAE_OK) status = write_header(&w, error);
    if (status == FCMAE_OK)
        status = fcmae_pass_run(model, dataset, &o, (int)output, write_batch, &w, result, error);
    if (status == FCMAE_OK) status = finish_array(&w, error);
    fcmae_atomic_discard(&w.array);
    fcmae_atomic_discard(&w.names);
    return status;
}
