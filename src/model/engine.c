/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"

static fcmae_status allocate(fcmae_engine *engine, fcmae_error *error)
{
    const fcmae_engine_options *options = &engine->info.options;
    bool backward = options->mode != FCMAE_MODE_INFERENCE;
    fcmae_lane_shape shape = fcmae_engine_lane_shape(&engine->model->config, options);
    engine->lane = calloc((size_t)options->lanes, sizeof *engine->lane);
    if (!engine->lane) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the lanes");
    for (int pass = 0; pass < 2; pass++) { /* measure, then take */
        FCMAE_TRY(fcmae_network_reserve(&engine->network, &engine->packed, engine->model,
                                        shape.pairs, backward, error));
        for (int l = 0; l < options->lanes; l++) {
            if (pass == 0)
                FCMAE_TRY(fcmae_lane_create(&engine->lane[l], &engine->network, &shape, l, error));
            fcmae_lane_reserve(&engine->lane[l], &engine->buffers);
        }
        size_t batch = (size_t)options->batch, block = (size_t)engine->model->block_size;
        engine->piece_loss = fcmae_arena_take(&engine->buffers, batch, sizeof(double));
        engine->sample_loss = fcmae_arena_take(&engine->buffers, batch, sizeof(double));
        if (backward)
            engine->gradients = fcmae_arena_take(&engine->buffers, block * (size_t)options->lanes,
                                                 sizeof(float));
        if (pass == 1) break;
        FCMAE_TRY(fcmae_arena_allocate(&engine->packed, "packed weights", error));
        FCMAE_TRY(fcmae_arena_allocate(&engine->buffers, "gradients and activations", error));
    }
    for (int l = 0; l < options->lanes; l++) {
        engine->lane[l].workspace.kernels = engine->kernels;
        if (backward) engine->lane[l].gradients = engine->gradients + l * engine->model->block_size;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_engine_create(fcmae_engine **out, fcmae_model *model,
                                 const fcmae_engine_options *options, fcmae_error *error)
{
    fcmae_engine *engine = calloc(1, sizeof *engine);
    if (!engine) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an engine");
    engine->model = model;
    fcmae_status status = fcmae_engine_plan(&model->config, options, &engine->info, error);
    if (status == FCMAE_OK) {
        engine->kernels = fcmae_kernels_get(
            fcmae_isa_choose(options->instruction_set, options->precision == FCMAE_BFLOAT16));
        status = allocate(engine, error);
    }
    if (status != FCMAE_OK) {
        fcmae_engine_destroy(&engine);
        return status;
    }
    fcmae_engine_pack(engine);
    *out = engine;
    return FCMAE_OK;
}

void fcmae_engine_destroy(fcmae_engine **engine)
{
    if (!engine || !*engine) return;
    for (int l = 0; (*engine)->lane && l < (*engine)->info.options.lanes; l++)
        fcmae_lane_destroy(&(*engine)->lane[l]);
    free((*engine)->lane);
    fcmae_network_release(&(*engine)->network);
    fcmae_arena_release(&(*engine)->packed);
    fcmae_arena_release(&(*engine)->buffers);
    free(*engine);
    *engine = NULL;
}

const fcmae_engine_plan_info *fcmae_engine_info(const fcmae_engine *engine)
{
    return &engine->info;
}

void fcmae_engine_pack(fcmae_engine *engine)
{
    fcmae_network_pack(&engine->network, engine->kernels, engine->info.options.threads);
}

/* Checking a batch: everything a kernel relies on. */

static fcmae_status check_masks(const fcmae_engine *engine, const fcmae_batch *batch, bool step,
                                int64_t *removed_total, fcmae_error *error)
{
    const fcmae_lane_shape *shape = &engine->lane[0].shape;
    int cells = shape->height * shape->width;
    *removed_total = 0;
    for (int64_t i = 0; i < batch->samples; i++) {
        int removed = 0;
        for (int c = 0; batch->removed && c < cells; c++)
            removed += batch->removed[i * cells + c] != 0;
        if (removed == cells)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "sample %lld: all %d cells are removed, nothing is left to encode",
                              (long long)i, cells);
        if (cells - removed > shape->visible_cells)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "sample %lld has %d visible cells, but the engine was made for %d",
                              (long long)i, cells - removed, shape->visible_cells);
        if (step && engine->model->config.kind == FCMAE_KIND_PRETRAIN && removed == 0)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "sample %lld: no cell is removed, nothing is left to predict",
                              (long long)i);
        *removed_total += removed;
    }
    return FCMAE_OK;
}

static fcmae_status check_batch(const fcmae_engine *engine, const fcmae_batch *batch, bool step,
                                int64_t *removed_total, fcmae_error *error)
{
    const fcmae_engine_options *options = &engine->info.options;
    const fcmae_images *images = &batch->images;
    if (batch->samples < 1 || batch->samples > options->batch)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%lld samples, but the engine was made for 1 to %d",
                          (long long)batch->samples, options->batch);
    if (!images->values == !images->bytes)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "images must be given as bytes or as values");
    if (images->bytes && (!images->mean || !images->deviation))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "images as bytes need mean and deviation");
    for (int64_t i = 0; i < batch->samples; i++) {
        int64_t image = batch->image_of ? batch->image_of[i] : i;
        if (image < 0 || image >= images->count)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "sample %lld is of image %lld, but there are %lld", (long long)i,
                              (long long)image, (long long)images->count);
    }
    if (step && options->mode == FCMAE_MODE_INFERENCE)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "an engine made for inference cannot train");
    if (step && options->mode == FCMAE_MODE_CLASSIFY && !batch->targets)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "a training step needs targets");
    return check_masks(engine, batch, step, removed_total, error);
}

/* Running a batch: pieces of samples, dealt to the lanes in turn. */

typedef struct batch_pass {
    fcmae_engine *engine;
    fcmae_call call;
    int64_t pieces;
} batch_pass;

static void lane_task(void *argument, int64_t lane, int worker)
{
    const batch_pass *pass = argument;
    int64_t samples = pass->call.batch->samples, lanes = pass->engine->info.options.lanes;
    (void)worker;
    for (int64_t piece = lane; piece < pass->pieces; piece += lanes) {
        int64_t first = samples * piece / pass->pieces, last = samples * (piece + 1) / pass->pieces;
        pass->engine->piece_loss[piece] = fcmae_lane_run(&pass->engine->lane[lane], &pass->call,
                                                         first, (int)(last - first));
    }
}

/** Returns the sum of the pieces' losses; their number depends on the options alone. */
static double run_batch(batch_pass *pass)
{
    const fcmae_engine_options *options = &pass->engine->info.options;
    int64_t samples = pass->call.batch->samples, lanes = options->lanes;
    int64_t pieces = (samples + options->micro_batch - 1) / options->micro_batch;
    pieces = (pieces + lanes - 1) / lanes * lanes; /* an equal number for every lane */
    pass->pieces = pieces < samples ? pieces : samples;
    fcmae_parallel_for(options->threads < lanes ? options->threads : (int)lanes, lanes, lane_task,
                       pass);
    double loss = 0;
    for (int64_t piece = 0; piece < pass->pieces; piece++) loss += pass->engine->piece_loss[piece];
    return loss;
}

/** Names the first sample whose own loss is not finite. */
static fcmae_status report_not_finite(fcmae_engine *engine, const fcmae_batch *batch, double loss,
                                      fcmae_error *error)
{
    fcmae_outputs outputs = {.sample_loss = engine->sample_loss};
    if (fcmae_engine_forward(engine, batch, &outputs, NULL) == FCMAE_OK)
        for (int64_t i = 0; i < batch->samples; i++)
            if (!isfinite(engine->sample_loss[i]))
                return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                                  "the loss is %g; the first sample that is not finite is %lld",
                                  loss, (long long)i);
    return fcmae_fail(error, FCMAE_ERR_NUMERIC, "the loss is %g", loss);
}

static void zero_task(void *argument, int64_t lane, int worker)
{
    fcmae_engine *engine = argument;
    (void)worker;
    memset(engine->lane[lane].gradients, 0, (size_t)engine->model->block_size * sizeof(float));
}

void fcmae_engine_zero_gradients(fcmae_engine *engine)
{
    if (!engine->gradients) return;
    fcmae_parallel_for(engine->info.options.threads, engine->info.options.lanes, zero_task, engine);
}

fcmae_status fcmae_engine_step(fcmae_engine *engine, const fcmae_batch *batch, double weight,
                               double *loss, fcmae_error *error)
{
    batch_pass pass = {.engine = engine,
                       .call = {.batch = batch, .backward = true, .weight = weight}};
    FCMAE_TRY(check_batch(engine, batch, true, &pass.call.removed_total, error));
    double sum = run_batch(&pass);
    int64_t count = engine->info.options.mode == FCMAE_MODE_PRETRAIN ? pass.call.removed_total
                                                                     : batch->samples;
    *loss = sum / (double)count;
    if (!isfinite(*loss)) return report_not_finite(engine, batch, *loss, error);
    return FCMAE_OK;
}

fcmae_status fcmae_engine_forward(fcmae_engine *engine, const fcmae_batch *batch,
                                  const fcmae_outputs *outputs, fcmae_error *error)
{
    batch_pass pass = {.engine = engine, .call = {.batch = batch, .outputs = outputs, .weight = 1}};
    FCMAE_TRY(check_batch(engine, batch, false, &pass.call.removed_total, error));
    run_batch(&pass);
    return FCMAE_OK;
}

/* Gradients: sum over lanes in their order, then from folded to real parameters. */

#define SUM_CHUNK 65536

static void sum_task(void *argument, int64_t chunk, int worker)
{
    fcmae_engine *engine = argument;
    int64_t first = chunk * SUM_CHUNK, left = engine->model->block_size - first;
    const float *block[64];
    int lanes = engine->info.options.lanes;
    (void)worker;
    float *sum = engine->gradients + first;
    for (int done = 1; done < lanes;) { /* 63 further lanes at a time */
        int count = 1;
        block[0] = sum;
        while (count < 64 && done < lanes)
            block[count++] = engine->gradients + done++ * engine->model->block_size + first;
        engine->kernels->sum_blocks(left < SUM_CHUNK ? left : SUM_CHUNK, count, block, sum);
    }
}

float *fcmae_engine_gradients(fcmae_engine *engine)
{
    if (!engine->gradients) return NULL;
    int64_t chunks = (engine->model->block_size + SUM_CHUNK - 1) / SUM_CHUNK;
    if (engine->info.options.lanes > 1)
        fcmae_parallel_for(engine->info.options.threads, chunks, sum_task, engine);
    fcmae_network_finish(&engine->network, engine->kernels, engine->info.options.threads,
                         engine->gradients);
    return engine->gradients;
}
