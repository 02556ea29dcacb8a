/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "evaluate/dense_pass.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "fcmae/measure.h"
#include "model/model.h"

/** Buffers of one pass. */
typedef struct pass_buffers {
    float *logits, *pooled, *normalised, *map, *stages[FCMAE_STAGES];
    const fcmae_model_config *config;
} pass_buffers;

static void release_buffers(pass_buffers *b)
{
    free(b->logits);
    free(b->pooled);
    free(b->normalised);
    free(b->map);
    for (int s = 0; s < FCMAE_STAGES; s++) free(b->stages[s]);
}

static bool take(float **buffer, bool wanted, size_t images, size_t values)
{
    if (!wanted) return true;
    if (values > 0 && images > SIZE_MAX / sizeof(float) / values) return false;
    *buffer = fcmae_allocate_aligned(images * values, sizeof **buffer);
    return *buffer != NULL;
}

static fcmae_status reserve_buffers(pass_buffers *b, const fcmae_pass *pass, fcmae_error *error)
{
    const fcmae_model_config *config = fcmae_model_configuration(pass->model);
    size_t images = (size_t)pass->batch, channels = (size_t)config->dims[3];
    size_t side = (size_t)(pass->size / fcmae_config_patch(config));
    int wanted = pass->outputs;
    b->config = config;
    bool good = take(&b->logits, wanted & FCMAE_PASS_LOGITS, images, (size_t)config->classes) &&
                take(&b->pooled, wanted & (FCMAE_PASS_POOLED | FCMAE_PASS_NORMALISED), images,
                     channels) &&
                take(&b->normalised, wanted & FCMAE_PASS_NORMALISED, images, channels) &&
                take(&b->map, wanted & FCMAE_PASS_MAP, images, channels * side * side);
    for (int s = 0; s < FCMAE_STAGES && good; s++)
        good = take(&b->stages[s], wanted & FCMAE_PASS_STAGES, images, (size_t)config->dims[s]);
    if (good) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY,
                      "no memory for the outputs of %d images: take a "
                      "smaller batch",
                      pass->batch);
}

/** Mean over the sites of the last block of every stage. Every image writes its own row. */
static void observe_stage(void *cookie, const fcmae_observation *o)
{
    pass_buffers *b = cookie;
    if (o->point != FCMAE_OBSERVE_OUTPUT || o->stage >= FCMAE_STAGES ||
        o->block != b->config->depths[o->stage] - 1)
        return;
    float *mean = b->stages[o->stage] + o->sample * o->channels;
    for (int64_t c = 0; c < o->channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < o->sites; i++) sum += o->values[i * o->stride + c];
        mean[c] = (float)(sum / (double)o->sites);
    }
}

void fcmae_pass_normalise(fcmae_model *model, const float *pooled, int64_t count, float *normalised)
{
    const fcmae_parameter *weight = fcmae_model_find(model, "norm.weight");
    const fcmae_parameter *bias = fcmae_model_find(model, "norm.bias");
    const float *values = fcmae_model_values(model);
    int channels = fcmae_model_configuration(model)->dims[3];
    for (int64_t i = 0; i < count; i++) {
        const float *x = pooled + i * channels;
        float *y = normalised + i * channels;
        double mean = 0, square = 0;
        for (int c = 0; c < channels; c++) mean += x[c];
        mean /= channels;
        for (int c = 0; c < channels; c++) square += (x[c] - mean) * (x[c] - mean);
        double scale = 1 / sqrt(square / channels + 1e-6);
        for (int c = 0; c < channels; c++)
            y[c] = (float)((x[c] - mean) * scale * (weight ? values[weight->offset + c] : 1) +
                           (bias ? values[bias->offset + c] : 0));
    }
}

/** Weights may be finite and yet too large to compute with: such outputs reach nobody. */
static fcmae_status expect_finite(const fcmae_pass *pass, const fcmae_samples *samples,
                                  const float *values, int64_t width, fcmae_error *error)
{
    char name[256], what[300];
    for (int64_t i = 0; values && i < samples->count * width; i++) {
        if (isfinite(values[i])) continue;
        fcmae_dataset_name(pass->dataset, samples->indices[i / width], name, sizeof name);
        snprintf(what, sizeof what, "what the network makes of %.250s", name);
        return fcmae_model_not_finite(pass->model, what, error);
    }
    return FCMAE_OK;
}

static fcmae_status check_outputs(const fcmae_pass *pass, const fcmae_samples *samples,
                                  const pass_buffers *b, fcmae_error *error)
{
    const int *dims = b->config->dims;
    int64_t side = pass->size / fcmae_config_patch(b->config), channels = dims[3];
    FCMAE_TRY(expect_finite(pass, samples, b->logits, b->config->classes, error));
    FCMAE_TRY(expect_finite(pass, samples, b->pooled, channels, error));
    FCMAE_TRY(expect_finite(pass, samples, b->normalised, channels, error));
    FCMAE_TRY(expect_finite(pass, samples, b->map, channels * side * side, error));
    for (int s = 0; s < FCMAE_STAGES; s++)
        FCMAE_TRY(expect_finite(pass, samples, b->stages[s], dims[s], error));
    return FCMAE_OK;
}

static fcmae_status run_batch(const fcmae_pass *pass, const fcmae_samples *samples, pass_buffers *b,
                              fcmae_error *error)
{
    const fcmae_batch batch = {.images = {.count = samples->count,
                                          .bytes = samples->images,
                                          .mean = fcmae_imagenet_mean,
                                          .deviation = fcmae_imagenet_deviation},
                               .samples = samples->count};
    const fcmae_outputs outputs = {.logits = b->logits,
                                   .pooled = b->pooled,
                                   .encoder = b->map,
                                   .observe = b->stages[0] ? observe_stage : NULL,
                                   .cookie = b};
    FCMAE_TRY(fcmae_engine_forward(pass->engine, &batch, &outputs, error));
    if (b->normalised) fcmae_pass_normalise(pass->model, b->pooled, samples->count, b->normalised);
    FCMAE_TRY(check_outputs(pass, samples, b, error));
    const fcmae_pass_batch result = {
        .samples = *samples,
        .logits = b->logits,
        .pooled = b->pooled,
        .normalised = b->normalised,
        .map = b->map,
        .stages = {b->stages[0], b->stages[1], b->stages[2], b->stages[3]}};
    return pass->visit(pass->visitor, &result, error);
}

fcmae_status fcmae_pass_batches(const fcmae_pass *pass, int64_t *images, fcmae_error *error)
{
    pass_buffers buffers = {0};
    *images = 0;
    fcmae_status status = reserve_buffers(&buffers, pass, error);
    for (int64_t i = 0; i < pass->batches && status == FCMAE_OK; i++) {
        fcmae_samples samples = {0};
        if (pass->should_stop && pass->should_stop(pass->cookie))
            status = fcmae_fail(error, FCMAE_ERR_INTERRUPTED, "stopped on request");
        if (status == FCMAE_OK) status = fcmae_loader_next(pass->loader, &samples, error);
        if (status != FCMAE_OK || samples.count == 0) break;
        status = run_batch(pass, &samples, &buffers, error);
        *images += samples.count;
        if (pass->progress && status == FCMAE_OK)
            pass->progress(pass->cookie, *images, pass->total);
    }
    release_buffers(&buffers);
    return status;
}

fcmae_status fcmae_pass_resolve(fcmae_pass_options *o, const fcmae_model_config *config,
                                fcmae_error *error)
{
    int patch = fcmae_config_patch(config);
    if (o->input_size == 0) o->input_size = 224;
    if (o->batch == 0) o->batch = 32;
    if (o->threads <= 0) o->threads = fcmae_processor_count();
    if (o->workers <= 0) o->workers = o->threads;
    if (config->channels != 3)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the model takes %d channels, but image files give 3", config->channels);
    if (o->input_size < patch || o->input_size > 4096 || o->input_size % patch != 0)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "the input is %d pixels, but must be a multiple of the patch of %d, at most "
            "4096",
            o->input_size, patch);
    if (o->batch < 1 || o->batch > 65536)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the batch is %d, but must be 1 to 65536",
                          o->batch);
    return FCMAE_OK;
}

fcmae_status fcmae_pass_run_request(fcmae_model *model, const fcmae_dataset *dataset,
                                    const fcmae_pass_options *options,
                                    const fcmae_pass_request *request, fcmae_pass_result *result,
                                    fcmae_error *error)
{
    int epochs = request->epochs;
    const fcmae_model_config *config = fcmae_model_configuration(model);
    fcmae_pass_options o = *options;
    FCMAE_TRY(fcmae_pass_resolve(&o, config, error));
    if (!fcmae_config_has_part(config, FCMAE_PART_HEAD) && (request->outputs & FCMAE_PASS_LOGITS))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "a network without a head has no logits");
    int64_t images = o.subset ? o.subset_count : fcmae_dataset_count(dataset);
    if (images < o.batch) o.batch = (int)images; /* a training loader wants a whole batch */
    const fcmae_loader_options loading = {.transform = request->transform,
                                          .batch = o.batch,
                                          .training = epochs > 0,
                                          .seed = request->seed,
                                          .workers = o.workers,
                                          .bad_share = o.bad_share,
                                          .subset = o.subset,
                                          .subset_count = o.subset_count,
                                          .log = o.log};
    const fcmae_engine_options engine_options = {.height = o.input_size,
                                                 .width = o.input_size,
                                                 .batch = o.batch,
                                                 .threads = o.threads,
                                                 .precision = o.precision};
    fcmae_pass pass = {.model = model,
                       .dataset = dataset,
                       .batch = o.batch,
                       .size = o.input_size,
                       .outputs = request->outputs,
                       .visit = request->visit,
                       .visitor = request->visitor,
                       .progress = o.progress,
                       .should_stop = o.should_stop,
                       .cookie = o.cookie};
    double began = fcmae_measure_seconds();
    int64_t seen = 0;
    fcmae_status status = fcmae_loader_create(&pass.loader, dataset, &loading, error);
    if (status == FCMAE_OK)
        status = fcmae_engine_create(&pass.engine, model, &engine_options, error);
    if (status == FCMAE_OK) {
        pass.batches = fcmae_loader_batches(pass.loader) * (epochs > 0 ? epochs : 1);
        pass.total = epochs > 0 ? pass.batches * o.batch : images;
        status = fcmae_pass_batches(&pass, &seen, error);
    }
    if (result && pass.loader) {
        double taken = fcmae_measure_seconds() - began;
        *result = (fcmae_pass_result){
            .images = seen,
            .bad_files = fcmae_loader_get_statistics(pass.loader).bad_files,
            .seconds = taken,
            .images_per_s = taken > 0 ? (double)seen / taken : 0};
    }
    fcmae_engine_destroy(&pass.engine);
    fcmae_loader_destroy(&pass.loader);
    return status;
}

fcmae_status fcmae_pass_run(fcmae_model *model, const fcmae_dataset *dataset,
                            const fcmae_pass_options *options, int outputs,
                            fcmae_pass_visitor *visit, void *cookie, fcmae_pass_result *result,
                            fcmae_error *error)
{
    int size = options->input_size > 0 ? options->input_size : 224;
    const fcmae_pass_request request = {
        .transform = fcmae_transform_evaluate(size, options->crop_ratio),
        .outputs = outputs,
        .visit = visit,
        .visitor = cookie};
    return fcmae_pass_run_request(model, dataset, options, &request, result, error);
}
