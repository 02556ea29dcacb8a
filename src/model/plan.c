/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Choosing what the caller left open, and telling what it will cost
 *  before anything is allocated. */
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "model/engine.h"
#include "model/objective.h"
#include "model/operations.h"

/* 4, 8 and 16 run within 3 % of each other; 1 moves the weights too often. */
enum { MICRO_BATCH = 8 };

static int at_least_one(int64_t value)
{
    return value < 1 ? 1 : (int)value;
}

static fcmae_status check_options(const fcmae_model_config *config,
                                  const fcmae_engine_options *options, fcmae_error *error)
{
    const fcmae_objective *objective = fcmae_objective_find(config->objective);
    if (options->train && !objective)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "training needs a model with an objective, but this is an encoder alone");
    if (options->precision != FCMAE_FLOAT32 && options->precision != FCMAE_BFLOAT16)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "precision %d is unknown", options->precision);
    int blocks = fcmae_config_blocks(config), patch = fcmae_config_patch(config);
    if (options->frozen_blocks < 0 || options->frozen_blocks > blocks ||
        (options->frozen_blocks > 0 && !(options->train && objective->frozen)))
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

/** Resolves every 0 of the options; checks them against the configuration. */
static fcmae_status resolve(const fcmae_model_config *config, int64_t block_size,
                            fcmae_engine_options *o, fcmae_error *error)
{
    FCMAE_TRY(check_options(config, o, error));
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
        if (o->train && memory && block * (uint64_t)o->lanes > memory / 8) o->lanes = 1;
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
                              .backward = options->train};
    fcmae_lane_chunks(config, &shape);
    return shape;
}

/** Fills the bytes of a plan from the arenas that were measured. */
static fcmae_status add_up(fcmae_engine_plan_info *info, int64_t block_size, size_t packed,
                           size_t buffers, fcmae_error *error)
{
    uint64_t lanes = (uint64_t)info->options.lanes, most = (uint64_t)1 << 60;
    if (packed > most || buffers > most / lanes)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "a micro-batch of %d images takes more memory than can be addressed",
                          info->options.micro_batch);
    info->parameter_bytes = (uint64_t)block_size * sizeof(float);
    info->packed_bytes = packed;
    info->gradient_bytes = info->options.train ? lanes * info->parameter_bytes : 0;
    info->activation_bytes = lanes * buffers;
    info->total_bytes = info->parameter_bytes + info->packed_bytes + info->gradient_bytes +
                        info->activation_bytes;
    return FCMAE_OK;
}

/** With a model whose table is built: options are resolved, everything is measured. */
static fcmae_status measure(const struct fcmae_model *model, fcmae_network *network,
                            fcmae_lane *lane, fcmae_engine_plan_info *info, fcmae_error *error)
{
    fcmae_arena packed = {0}, buffers = {0};
    fcmae_engine_options *options = &info->options;
    FCMAE_TRY(resolve(&model->config, model->block_size, options, error));
    FCMAE_TRY(fcmae_network_reserve(network, &packed, model, options->precision == FCMAE_BFLOAT16,
                                    options->train, error));
    fcmae_lane_shape shape = fcmae_engine_lane_shape(&model->config, options);
    FCMAE_TRY(fcmae_lane_check(network, &shape, error));
    FCMAE_TRY(fcmae_lane_create(lane, network, &shape, 0, error));
    fcmae_lane_reserve(lane, &buffers);
    FCMAE_TRY(add_up(info, model->block_size, packed.used, buffers.used, error));
    fcmae_count_operations(&model->config, options, info);
    return FCMAE_OK;
}

fcmae_status fcmae_engine_plan(const fcmae_model_config *config,
                               const fcmae_engine_options *options, fcmae_engine_plan_info *info,
                               fcmae_error *error)
{
    struct fcmae_model model = {.config = *config}; /* table without values */
    fcmae_network network = {0};
    fcmae_lane lane = {0};
    memset(info, 0, sizeof *info);
    info->options = *options;
    fcmae_status status = fcmae_model_build_table(&model, error);
    if (status == FCMAE_OK) status = measure(&model, &network, &lane, info, error);
    fcmae_lane_destroy(&lane);
    fcmae_network_release(&network);
    free(model.table);
    free(model.blocks);
    return status;
}
