/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/network.h"

#include <stdlib.h>
#include <string.h>

static int decoder_depth(const fcmae_model_config *config)
{
    return config->kind == FCMAE_KIND_PRETRAIN ? config->decoder_depth : 0;
}

/** Weights that only backward reads, in its order: a product fetches what lies behind its own. */
static void reserve_backward(fcmae_network *network, fcmae_arena *arena)
{
    const fcmae_model_config *config = &network->model->config;
    if (config->kind == FCMAE_KIND_PRETRAIN)
        fcmae_decoder_reserve_backward(&network->decoder, arena);
    for (int b = decoder_depth(config) - 1; b >= 0; b--)
        fcmae_block_reserve_backward(&network->decoder_blocks[b], arena);
    for (int s = FCMAE_STAGES - 1; s >= 0; s--) {
        for (int b = config->depths[s] - 1; b >= 0; b--)
            fcmae_block_reserve_backward(&network->stage[s][b], arena);
        if (s > 0) fcmae_patch_reserve_backward(&network->patch[s], arena);
    }
}

fcmae_status fcmae_network_reserve(fcmae_network *network, fcmae_arena *arena,
                                   const fcmae_model *model, bool pairs, bool backward,
                                   fcmae_error *error)
{
    const fcmae_model_config *config = &model->config;
    network->model = model;
    network->block_count = fcmae_config_blocks(config) + decoder_depth(config);
    if (!network->blocks)
        network->blocks = calloc((size_t)network->block_count, sizeof *network->blocks);
    if (!network->blocks) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the layers");
    fcmae_block *next = network->blocks;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int positions = s == 0 ? config->stem_stride * config->stem_stride : 4;
        fcmae_patch_reserve(&network->patch[s], arena, &model->patch[s],
                            s == 0 ? config->channels : config->dims[s - 1], config->dims[s],
                            positions, s == 0, pairs);
        network->patch[s].values = model->values;
        network->stage[s] = next;
        for (int b = 0; b < config->depths[s]; b++, next++) {
            fcmae_block_reserve(next, arena, &model->stage[s][b], config->dims[s],
                                config->grn_scope, pairs);
            next->values = model->values;
        }
    }
    network->decoder_blocks = next;
    for (int b = 0; b < decoder_depth(config); b++, next++) {
        /* the decoder is dense: its GRN is per image in every published variant */
        fcmae_block_reserve(next, arena, &model->decoder[b], config->decoder_dim, FCMAE_GRN_IMAGE,
                            pairs);
        next->values = model->values;
    }
    if (config->kind == FCMAE_KIND_PRETRAIN)
        fcmae_decoder_reserve(&network->decoder, arena, model, pairs);
    if (config->kind == FCMAE_KIND_CLASSIFIER)
        fcmae_head_reserve(&network->head, arena, model, backward);
    if (backward) reserve_backward(network, arena);
    return FCMAE_OK;
}

void fcmae_network_release(fcmae_network *network)
{
    free(network->blocks);
    memset(network, 0, sizeof *network);
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
    int task = (int)index, kind = n->model->config.kind;
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
    if (kind == FCMAE_KIND_PRETRAIN) fcmae_decoder_pack(&n->decoder, pass->kernels, task);
    if (kind == FCMAE_KIND_CLASSIFIER) fcmae_head_pack(&n->head, pass->kernels);
}

void fcmae_network_pack(const fcmae_network *network, const fcmae_kernels *kernels, int threads)
{
    int tasks = 0, kind = network->model->config.kind;
    for (int b = 0; b < network->block_count; b++)
        tasks += fcmae_block_pack_tasks(&network->blocks[b]);
    for (int s = 0; s < FCMAE_STAGES; s++) tasks += fcmae_patch_pack_tasks(&network->patch[s]);
    if (kind == FCMAE_KIND_PRETRAIN) tasks += fcmae_decoder_pack_tasks(&network->decoder);
    if (kind == FCMAE_KIND_CLASSIFIER) tasks += 1;
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
