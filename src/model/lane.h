/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A lane: buffers for one micro-batch, which goes through the encoder, the objective and back. */
#ifndef FCMAE_MODEL_LANE_H
#define FCMAE_MODEL_LANE_H

#include "model/network.h"

/** What the layer in front of a stage leaves for backward. */
typedef struct fcmae_front {
    float *normalised, *rstd;
    float *patches; /**< stem only */
} fcmae_front;

typedef struct fcmae_lane {
    const fcmae_network *network;
    fcmae_lane_shape shape;
    fcmae_workspace workspace;
    fcmae_stage_lane stage[FCMAE_STAGES];
    fcmae_stage_lane own; /**< the objective's own blocks */
    fcmae_front front[FCMAE_STAGES];
    float *sent[FCMAE_STAGES]; /**< gradients that the objective sends to the output of a stage */
    int deepest;               /**< last stage that gets one */
    float *pooled;             /**< [micro_batch][stride of stage 3] means over the visible sites */
    float *observed;           /**< [rows of a chunk][4C], for observers */
    const uint8_t **removed;   /**< [micro_batch]; NULL: everything is visible */
    int32_t *image_index;      /**< [micro_batch] */
    float *gradients;          /**< the lane's gradient block */
    void *state;               /**< the objective's; owned */
    void *tables;              /**< owner of the pointer arrays */
    int index;
} fcmae_lane;

/** One engine call as the lanes see it. */
typedef struct fcmae_call {
    const fcmae_batch *batch;
    const fcmae_outputs *outputs; /**< NULL in a training step */
    bool backward;
    double weight;
    int64_t terms; /**< the loss of the whole batch is the mean of so many: samples, or patches */
} fcmae_call;

/** Choice of chunk sizes for a model. */
void fcmae_lane_chunks(const fcmae_model_config *config, fcmae_lane_shape *shape);
/** FCMAE_ERR_UNSUPPORTED if the sites of a chunk are more than can be numbered. */
fcmae_status fcmae_lane_check(const fcmae_network *network, const fcmae_lane_shape *shape,
                              fcmae_error *error);
/** Allocates the pointer tables (once), before reserve. */
fcmae_status fcmae_lane_create(fcmae_lane *lane, const fcmae_network *network,
                               const fcmae_lane_shape *shape, int index, fcmae_error *error);
void fcmae_lane_destroy(fcmae_lane *lane);
/** Takes every buffer from the arena (twice: measure, take). */
void fcmae_lane_reserve(fcmae_lane *lane, fcmae_arena *arena);

/** Runs samples [first, first + count) of the call; returns the sum of the objective's terms. */
double fcmae_lane_run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count);

#endif
