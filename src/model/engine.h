/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/engine.h. */
#ifndef FCMAE_MODEL_ENGINE_H
#define FCMAE_MODEL_ENGINE_H

#include "model/lane.h"

struct fcmae_engine {
    fcmae_model *model;
    fcmae_engine_plan_info info;
    const fcmae_kernels *kernels;
    fcmae_network network;
    fcmae_lane *lane;                 /* [lanes] */
    float *gradients;                 /* [lanes][block_size] */
    double *piece_loss, *sample_loss; /* [batch] */
    fcmae_arena packed, buffers;
};

/** Resolves every 0 of the options; checks them against the configuration. */
fcmae_status fcmae_engine_resolve(const fcmae_model_config *config, int64_t block_size,
                                  fcmae_engine_options *options, fcmae_error *error);
/** Sizes of the lanes for resolved options. */
fcmae_lane_shape fcmae_engine_lane_shape(const fcmae_model_config *config,
                                         const fcmae_engine_options *options);
/** Necessary operations and multiply-adds per sample. */
void fcmae_count_operations(const fcmae_model_config *config, const fcmae_engine_options *options,
                            fcmae_engine_plan_info *info);

#endif
