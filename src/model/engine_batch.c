/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A batch through the engine: checks, pieces of samples dealt to lanes, the loss. */
#include <math.h>

#include "core/parallel.h"
#include "model/engine.h"
#include "model/objective.h"

/* Checking a batch: everything a kernel relies on. */

static fcmae_status check_masks(const fcmae_engine *engine, const fcmae_batch *batch,
                                fcmae_error *error)
{
    const fcmae_lane_shape *shape = &engine->lane[0].shape;
    int cells = shape->height * shape->width;
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
    }
    return FCMAE_OK;
}

static fcmae_status check_batch(const fcmae_engine *engine, const fcmae_batch *batch,
                                fcmae_error *error)
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
    return check_masks(engine, batch, error);
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
    fcmae_parallel_static(fcmae_engine_lane_threads(pass->engine), lanes, lane_task, pass);
    double loss = 0;
    for (int64_t piece = 0; piece < pass->pieces; piece++) loss += pass->engine->piece_loss[piece];
    return loss;
}

/** Finds each sample's own loss in a forward pass, and names the first that is not finite. */
static fcmae_status report_not_finite(fcmae_engine *engine, const fcmae_batch *batch, double loss,
                                      fcmae_error *error)
{
    fcmae_outputs outputs = {.sample_loss = engine->sample_loss};
    batch_pass pass = {.engine = engine,
                       .call = {.batch = batch, .outputs = &outputs, .weight = 1}};
    run_batch(&pass);
    for (int64_t i = 0; i < batch->samples; i++) {
        if (isfinite(engine->sample_loss[i])) continue;
        engine->failed = true;
        return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                          "the loss is %g; the first sample that is not finite is %lld", loss,
                          (long long)i);
    }
    return fcmae_fail(error, FCMAE_ERR_NUMERIC, "the loss is %g", loss);
}

const double *fcmae_engine_failed_losses(const fcmae_engine *engine)
{
    return engine->failed ? engine->sample_loss : NULL;
}

/** What a training step needs besides a good batch; sets call->terms, of the whole group. */
static fcmae_status begin_step(fcmae_engine *engine, fcmae_call *call, fcmae_error *error)
{
    const fcmae_objective *objective = engine->model->objective;
    const fcmae_lane_shape *shape = &engine->lane[0].shape;
    if (!engine->info.options.train)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "an engine made for inference cannot train");
    if (objective->targets && !call->batch->targets)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "a training step needs targets");
    call->terms = call->batch->samples;
    if (objective->begin) FCMAE_TRY(objective->begin(call, shape->height * shape->width, error));
    double terms = (double)call->terms; /* whole numbers: exact */
    FCMAE_TRY(engine->group->add(engine->group, &terms, 1, error));
    call->terms = (int64_t)terms;
    return FCMAE_OK;
}

fcmae_status fcmae_engine_step(fcmae_engine *engine, const fcmae_batch *batch, double weight,
                               double *loss, fcmae_error *error)
{
    batch_pass pass = {.engine = engine,
                       .call = {.batch = batch, .backward = true, .weight = weight}};
    engine->failed = false;
    FCMAE_TRY(check_batch(engine, batch, error));
    FCMAE_TRY(begin_step(engine, &pass.call, error));
    /* Summed over pieces and then over processes: its last bits, unlike those of the gradients,
     * depend on the number of processes. */
    double sum = run_batch(&pass);
    FCMAE_TRY(engine->group->add(engine->group, &sum, 1, error));
    *loss = sum / (double)pass.call.terms;
    if (!isfinite(*loss)) return report_not_finite(engine, batch, *loss, error);
    return FCMAE_OK;
}

fcmae_status fcmae_engine_forward(fcmae_engine *engine, const fcmae_batch *batch,
                                  const fcmae_outputs *outputs, fcmae_error *error)
{
    batch_pass pass = {.engine = engine, .call = {.batch = batch, .outputs = outputs, .weight = 1}};
    engine->failed = false;
    FCMAE_TRY(check_batch(engine, batch, error));
    run_batch(&pass);
    return FCMAE_OK;
}
