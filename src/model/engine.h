/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/engine.h. */
#ifndef FCMAE_MODEL_ENGINE_H
#define FCMAE_MODEL_ENGINE_H

#include "core/group.h"
#include "model/lane.h"

struct fcmae_engine {
    fcmae_model *model;
    fcmae_engine_plan_info info;
    const fcmae_kernels *kernels;
    const fcmae_group *group; /* processes that share the batch */
    fcmae_network network;
    fcmae_lane *lane;                 /* [lanes] */
    size_t *lane_begin;               /* [lanes + 1] where its memory begins in `buffers` */
    float *gradients;                 /* [lanes][block_size] */
    double *piece_loss, *sample_loss; /* [batch] */
    bool failed;                      /* sample_loss is that of a step that was not finite */
    fcmae_arena packed, buffers;
};

/** The engine becomes a member of a group: its lanes are the member's share of the group's, its
 *  batches the samples of those lanes. The group must outlive it. FCMAE_ERR_ARGUMENT if the lanes
 * of a member are no node of the tree over all lanes (core/group.h). */
fcmae_status fcmae_engine_join(fcmae_engine *engine, const fcmae_group *group, fcmae_error *error);
/** Threads of a loop over lanes: lanes stay with their threads (fcmae_parallel_static). */
int fcmae_engine_lane_threads(const fcmae_engine *engine);

/** Sizes of the lanes for resolved options. */
fcmae_lane_shape fcmae_engine_lane_shape(const fcmae_model_config *config,
                                         const fcmae_engine_options *options);

#endif
