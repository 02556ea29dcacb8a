/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Choosing what the caller left open, and telling what it will cost
 *  before anything is allocated. */
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "model/engine.h"

#define MICRO_BATCH                                                              \
    8 /* 4, 8 and 16 run within 3 % of each other; 1 moves the weights too often \
       */

static int at_least_one(int64_t value)
{
    return value < 1 ? 1 : (int)value;
}

static fcmae_status check_mode(const fcmae_model_config *config,
                               const fcmae_engine_options *options, fcmae_error *error)
{
    if (options->mode == FCMAE_MODE_PRETRAIN && config->kind != FCMAE_KIND_PRETRAIN)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "pretraining needs a model with a decoder");
    if (options->mode == FCMAE_MODE_CLASSIFY && config->kind != FCMAE_KIND_CLASSIFIER)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "supervised training needs a model with a head");
    if (options->precision != FCMAE_FLOAT32 && options->precision != FCMAE_BFLOAT16)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "precision %d is unknown", options->precision);
    int blocks = 0, patch = fcmae_config_patch(config);
    for (int s = 0; s < FCMAE_STAGES; s++) blocks += config->depths[s];
    if (options->frozen_blocks < 0 || options->frozen_blocks > blocks ||
        (options->frozen_blocks > 0 && options->mode != FCMAE_MODE_CLASSIFY))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%d frozen blocks: supervised training can freeze 0 to %d",
                          options->frozen_blocks, blocks);
    if (options->height < patch || options->width < patch || options->height % patch ||
        options->width % patch)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "input of %d x %d pixels: both sides must be multiples of %d, the patch "
                          "of this model",
                          options->height, options->width, patch);
    if ((int64_t)options->height * options->width > (int64_t)1 << 26)
        return fcmae_fail(error, FCMAE_ERR_SHAPE, "input of %d x %d pixels is too large",
                          options->height, options->width);
    if (options->batch < 0 || options->batch > 1 << 20 || options->lanes < 0 ||
        options->lanes > 4096 || options->micro_batch < 0 || options->threads < 0 ||
        options->threads > 4096)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "batch %d, lanes %d, micro-batch %d, threads %d: none may be negative or "
                          "absurd",
                          options->batch, options->lanes, options->micro_batch, options->threads);
    return FCMAE_OK;
}

fcmae_status fcmae_engine_resolve(const fcmae_model_config *config, int64_t block_size,
                                  fcmae_engine_options *o, fcmae_error *error)
{
    FCMAE_TRY(check_mode(config, o, error));
    int patch = fcmae_config_patch(config), cells = o->height / patch * (o->width / patch);
    int processors = fcmae_processor_count();
    if (o->visible_cells <= 0 || o->visible_cells > cells) o->visible_cells = cells;
    if (o->threads == 0) o->threads = processors;
    bool together = config->grn_scope ==
                    FCMAE_GRN_BATCH; /* statistics need the batch in one piece */
    if (o->batch == 0) o->batch = MICRO_BATCH * processors;
    if (o->lanes == 0) {
        /* One per processor, unless the lanes' gradients would take an eighth of the memory: then
         * one lane, with threads inside the operators. */
        uint64_t memory = fcmae_physical_memory(), block = (uint64_t)block_size * sizeof(float);
        o->lanes = processors < o->batch ? processors : o->batch;
        if (o->mode != FCMAE_MODE_INFERENCE && memory && block * (uint64_t)o->lanes > memory / 8)
            o->lanes = 1;
    }
    if (together) o->lanes = 1;
    if (o->lanes > o->batch) o->lanes = o->batch;
    int share = at_least_one((o->batch + o->lanes - 1) / o->lanes);
    if (o->micro_batch == 0) o->micro_batch = MICRO_BATCH;
    if (o->micro_batch > share || together) o->micro_batch = share;
    return FCMAE_OK;
}

fcmae_lane_shape fcmae_engine_lane_shape(const fcmae_model_config *config,
                                         const fcmae_engine_options *options)
{
    int patch = fcmae_config_patch(config);
    fcmae_lane_shape shape = {.height = options->height / patch,
                              .width = options->width / patch,
                              .micro_batch = options->micro_batch,
                              .visible_cells = options->visible_cells,
                              .threads = options->lanes == 1 ? options->threads : 1,
                              .frozen_blocks = options->frozen_blocks,
                              .pairs = options->precision == FCMAE_BFLOAT16,
                              .backward = options->mode != FCMAE_MODE_INFERENCE};
    fcmae_lane_chunks(config, &shape);
    return shape;
}

fcmae_status fcmae_engine_plan(const fcmae_model_config *config,
                               const fcmae_engine_options *options, fcmae_engine_plan_info *info,
                               fcmae_error *error)
{
    struct fcmae_model model = {.config = *config}; /* table without values */
    fcmae_network network = {0};
    fcmae_lane lane = {0};
    fcmae_arena packed = {0}, buffers = {0};
    memset(info, 0, sizeof *info);
    info->options = *options;
    fcmae_status status = fcmae_model_build_table(&model, error);
    if (status == FCMAE_OK)
        status = fcmae_engine_resolve(config, model.block_size, &info->options, error);
    bool backward = info->options.mode != FCMAE_MODE_INFERENCE;
    if (status == FCMAE_OK)
        status = fcmae_network_reserve(&network, &packed, &model,
                                       info->options.precision == FCMAE_BFLOAT16, backward, error);
    if (status == FCMAE_OK) {
        fcmae_lane_shape shape = fcmae_engine_lane_shape(config, &info->options);
        status = fcmae_lane_create(&lane, &network, &shape, 0, error);
    }
    if (status == FCMAE_OK) {
        uint64_t lanes = (uint64_t)info->options.lanes;
        fcmae_lane_reserve(&lane, &buffers);
        info->parameter_bytes = (uint64_t)model.block_size * sizeof(float);
        info->packed_bytes = packed.used;
        info->gradient_bytes = backward ? lanes * info->parameter_bytes : 0;
        info->activation_bytes = lanes * buffers.used;
        info->total_bytes = info->parameter_bytes + info->packed_bytes + info->gradient_bytes +
                            info->activation_bytes;
        fcmae_count_operations(config, &info->options, info);
    }
    fcmae_lane_destroy(&lane);
    fcmae_network_release(&network);
    free(model.table);
    free(model.blocks);
    return status;
}
