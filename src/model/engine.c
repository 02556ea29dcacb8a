/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Making an engine, the values it computes with, and its gradients. */
#include "model/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"

/** Takes everything from the two arenas: measuring, then for good. */
static fcmae_status reserve(fcmae_engine *engine, const fcmae_lane_shape *shape, fcmae_error *error)
{
    const fcmae_engine_options *options = &engine->info.options;
    size_t batch = (size_t)options->batch, block = (size_t)engine->model->block_size;
    FCMAE_TRY(fcmae_network_reserve(&engine->network, &engine->packed, engine->model, shape->pairs,
                                    shape->backward, error));
    for (int l = 0; l < options->lanes; l++) {
        if (!engine->lane[l].network)
            FCMAE_TRY(fcmae_lane_create(&engine->lane[l], &engine->network, shape, l, error));
        engine->lane_begin[l] = engine->buffers.used;
        fcmae_lane_reserve(&engine->lane[l], &engine->buffers);
    }
    engine->lane_begin[options->lanes] = engine->buffers.used;
    if (options->train)
        engine->gradients = fcmae_arena_take(&engine->buffers, block * (size_t)options->lanes,
                                             sizeof(float));
    engine->piece_loss = fcmae_arena_take(&engine->buffers, batch, sizeof(double));
    engine->sample_loss = fcmae_arena_take(&engine->buffers, batch, sizeof(double));
    return FCMAE_OK;
}

static void zero_gradients(fcmae_engine *engine, int64_t lane)
{
    memset(engine->lane[lane].gradients, 0, (size_t)engine->model->block_size * sizeof(float));
}

static void zero_task(void *argument, int64_t lane, int worker)
{
    (void)worker;
    zero_gradients(argument, lane);
}

/** The first touch of a lane's memory, by the thread that will run the lane. */
static void touch_task(void *argument, int64_t lane, int worker)
{
    fcmae_engine *engine = argument;
    const size_t *begin = engine->lane_begin + lane;
    (void)worker;
    memset(engine->buffers.base + begin[0], 0, begin[1] - begin[0]);
    if (engine->gradients) zero_gradients(engine, lane);
}

static fcmae_status allocate(fcmae_engine *engine, fcmae_error *error)
{
    const fcmae_engine_options *options = &engine->info.options;
    const char *packed = "packed weights", *buffers = "gradients and activations";
    size_t lanes = (size_t)options->lanes, batch = (size_t)options->batch;
    fcmae_lane_shape shape = fcmae_engine_lane_shape(&engine->model->config, options);
    engine->lane = calloc(lanes, sizeof *engine->lane);
    engine->lane_begin = calloc(lanes + 1, sizeof *engine->lane_begin);
    if (!engine->lane || !engine->lane_begin)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the lanes");
    for (int pass = 0; pass < 2; pass++) {
        FCMAE_TRY(reserve(engine, &shape, error));
        if (pass == 1) break;
        FCMAE_TRY(fcmae_arena_allocate(&engine->packed, packed, error));
        FCMAE_TRY(fcmae_arena_allocate_bare(&engine->buffers, buffers, error));
    }
    FCMAE_TRY(fcmae_arena_finish(&engine->packed, packed, error));
    FCMAE_TRY(fcmae_arena_finish(&engine->buffers, buffers, error));
    for (int l = 0; l < options->lanes; l++) {
        engine->lane[l].workspace.kernels = engine->kernels;
        if (engine->gradients)
            engine->lane[l].gradients = engine->gradients + l * engine->model->block_size;
    }
    fcmae_parallel_static(fcmae_engine_lane_threads(engine), options->lanes, touch_task, engine);
    memset(engine->piece_loss, 0, batch * sizeof *engine->piece_loss);
    memset(engine->sample_loss, 0, batch * sizeof *engine->sample_loss);
    return FCMAE_OK;
}

fcmae_status fcmae_engine_create(fcmae_engine **out, fcmae_model *model,
                                 const fcmae_engine_options *options, fcmae_error *error)
{
    fcmae_engine *engine = calloc(1, sizeof *engine);
    if (!engine) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an engine");
    engine->model = model;
    engine->group = fcmae_group_of_one();
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
    free((*engine)->lane_begin);
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

void fcmae_engine_bind(fcmae_engine *engine, const float *values)
{
    fcmae_network_bind(&engine->network, values ? values : engine->model->values);
    fcmae_engine_pack(engine);
}

fcmae_status fcmae_engine_join(fcmae_engine *engine, const fcmae_group *group, fcmae_error *error)
{
    int lanes = engine->info.options.lanes;
    if (group->size > 1 && (lanes & (lanes - 1)) != 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%d lanes in each of %d processes: the same bits for any number of "
                          "processes need a power of two in each",
                          lanes, group->size);
    engine->group = group;
    return FCMAE_OK;
}

int fcmae_engine_lane_threads(const fcmae_engine *engine)
{
    const fcmae_engine_options *options = &engine->info.options;
    return options->threads < options->lanes ? options->threads : options->lanes;
}

void fcmae_engine_zero_gradients(fcmae_engine *engine)
{
    if (!engine->gradients) return;
    fcmae_parallel_static(fcmae_engine_lane_threads(engine), engine->info.options.lanes, zero_task,
                          engine);
}

/* Lanes hold gradients of the folded weights: summed over lanes and processes first, then unfolded
 * once. */
fcmae_status fcmae_engine_gradients(fcmae_engine *engine, float **gradients, fcmae_error *error)
{
    const fcmae_engine_options *options = &engine->info.options;
    const fcmae_group *group = engine->group;
    int64_t size = engine->model->block_size;
    if (!engine->gradients)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "an engine made for inference has no gradients");
    fcmae_tree_sum(engine->kernels, options->threads, engine->gradients, size, options->lanes);
    FCMAE_TRY(group->sum(group, engine->gradients, size, error));
    fcmae_network_finish(&engine->network, engine->kernels, options->threads, engine->gradients);
    *gradients = engine->gradients;
    return FCMAE_OK;
}
