/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/network.h"

#include <stdlib.h>
#include <string.h>

#include "model/objective.h"

/** Weights that only backward reads, in its order: a product fetches what lies behind its own. */
static void reserve_backward(fcmae_network *network, fcmae_arena *arena)
{
    const fcmae_objective *objective = network->model->objective;
    if (objective && objective->reserve_backward) objective->reserve_backward(network, arena);
    for (int b = network->own.depth - 1; b >= 0; b--)
        fcmae_block_reserve_backward(&network->own.block[b], arena);
    for (int s = FCMAE_STAGES - 1; s >= 0; s--) {
        for (int b = network->stage[s].depth - 1; b >= 0; b--)
            fcmae_block_reserve_backward(&network->stage[s].block[b], arena);
        if (s > 0) fcmae_patch_reserve_backward(&network->patch[s], arena);
    }
}

/** Takes over the blocks from `next` on and returns those behind them. */
static fcmae_block *reserve_stage(fcmae_network *network, fcmae_stage *stage,
                                  const fcmae_block_parameters *parameters, fcmae_block *next,
                                  fcmae_arena *arena)
{
    /* On a complete grid GRN is per image in every published variant. */
    fcmae_grn_scope scope = stage->complete ? FCMAE_GRN_IMAGE : network->model->config.grn_scope;
    stage->block = next;
    for (int b = 0; b < stage->depth; b++)
        fcmae_block_reserve(next++, arena, &parameters[b], stage->channels, scope, network->pairs);
    return next;
}

/** Allocates what is no buffer (once). */
static fcmae_status create(fcmae_network *network, const fcmae_model *model, fcmae_error *error)
{
    const fcmae_objective *objective = model->objective;
    network->model = model;
    if (objective && objective->own_stage) network->own = objective->own_stage(&model->config);
    network->block_count = fcmae_config_blocks(&model->config) + network->own.depth;
    network->blocks = calloc((size_t)network->block_count, sizeof *network->blocks);
    network->layers = calloc(1, objective ? objective->layers_size + 1 : 1);
    if (!network->blocks || !network->layers)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the layers");
    return FCMAE_OK;
}

fcmae_status fcmae_network_reserve(fcmae_network *network, fcmae_arena *arena,
                                   const fcmae_model *model, bool pairs, bool backward,
                                   fcmae_error *error)
{
    const fcmae_model_config *config = &model->config;
    if (!network->blocks) FCMAE_TRY(create(network, model, error));
    network->pairs = pairs;
    fcmae_block *next = network->blocks;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int positions = s == 0 ? config->stem_stride * config->stem_stride : 4;
        fcmae_patch_reserve(&network->patch[s], arena, &model->patch[s],
                            s == 0 ? config->channels : config->dims[s - 1], config->dims[s],
                            positions, s == 0, pairs);
        network->stage[s] = (fcmae_stage){
            .depth = config->depths[s], .channels = config->dims[s], .cell = 8 >> s};
        next = reserve_stage(network, &network->stage[s], model->stage[s], next, arena);
    }
    reserve_stage(network, &network->own, model->own_blocks, next, arena);
    if (model->objective) model->objective->reserve(network, arena);
    if (backward) reserve_backward(network, arena);
    fcmae_network_bind(network, model->values);
    return FCMAE_OK;
}

void fcmae_network_release(fcmae_network *network)
{
    free(network->blocks);
    free(network->layers);
    memset(network, 0, sizeof *network);
}

void fcmae_network_bind(fcmae_network *network, const float *values)
{
    network->values = values;
    for (int s = 0; s < FCMAE_STAGES; s++) network->patch[s].values = values;
    for (int b = 0; b < network->block_count; b++) network->blocks[b].values = values;
}

/** Packing tasks are numbered through: layer after layer. */
typedef struct pack_pass {
    const fcmae_network *network;
    const fcmae_kernels *kernels;
} pack_pass;

static void pack_task(void *argument, int64_t index, int worker)
{
    const pack_pass *pass = argument;
    const fcmae_network *n = pass->network;
    int task = (int)index;
    (void)worker;
    for (int b = 0; b < n->block_count; b++) {
        int count = fcmae_block_pack_tasks(&n->blocks[b]);
        if (task < count) {
            fcmae_block_pack(&n->blocks[b], pass->kernels, task);
            return;
        }
        task -= count;
    }
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int count = fcmae_patch_pack_tasks(&n->patch[s]);
        if (task < count) {
            fcmae_patch_pack(&n->patch[s], pass->kernels, task);
            return;
        }
        task -= count;
    }
    n->model->objective->pack(n, pass->kernels, task);
}

void fcmae_network_pack(const fcmae_network *network, const fcmae_kernels *kernels, int threads)
{
    const fcmae_objective *objective = network->model->objective;
    int tasks = objective && objective->pack_tasks ? objective->pack_tasks(network) : 0;
    for (int b = 0; b < network->block_count; b++)
        tasks += fcmae_block_pack_tasks(&network->blocks[b]);
    for (int s = 0; s < FCMAE_STAGES; s++) tasks += fcmae_patch_pack_tasks(&network->patch[s]);
    pack_pass pass = {network, kernels};
    fcmae_parallel_for(threads, tasks, pack_task, &pass);
}

typedef struct finish_network_pass {
    const fcmae_network *network;
    const fcmae_kernels *kernels;
    float *gradients;
} finish_network_pass;

static void finish_task(void *argument, int64_t index, int worker)
{
    const finish_network_pass *pass = argument;
    const fcmae_network *n = pass->network;
    (void)worker;
    if (index < n->block_count)
        fcmae_block_finish(&n->blocks[index], pass->kernels, pass->gradients);
    else
        fcmae_downsample_finish(&n->patch[1 + index - n->block_count], pass->gradients);
}

void fcmae_network_finish(const fcmae_network *network, const fcmae_kernels *kernels, int threads,
                          float *gradients)
{
    finish_network_pass pass = {network, kernels, gradients};
    fcmae_parallel_for(threads, network->block_count + FCMAE_STAGES - 1, finish_task, &pass);
}
