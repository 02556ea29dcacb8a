/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A lane: buffers for one micro-batch and the walk through the network.
 *
 * Each stage is walked in chunks of images, a chunk going through all blocks of the stage while its
 * rows are in cache: one image at a time in the early stages (few weights, many rows), several in
 * the deep ones (the other way round). Measured at 224 px: whole batch layer by layer is 15 %
 * slower.
 */
#ifndef FCMAE_MODEL_LANE_H
#define FCMAE_MODEL_LANE_H

#include "model/network.h"

/** Sizes every lane of an engine shares. */
typedef struct fcmae_lane_shape {
    int height, width;              /**< grid of cells */
    int micro_batch, visible_cells; /**< most per micro-batch and sample */
    int chunk[FCMAE_STAGES + 1];    /**< images per chunk; the last entry is the decoder */
    int threads;
    int frozen_blocks; /**< first encoder blocks without a backward pass */
    bool pairs;        /**< bfloat16 operands */
    bool backward;
} fcmae_lane_shape;

/** One stage's buffers. Inference keeps two row buffers and one chunk of state. */
typedef struct fcmae_lane_stage {
    int chunks;
    fcmae_site_map *map;      /**< [chunks] */
    float **x;                /**< [depth + 1] block inputs, [micro rows][stride] each */
    fcmae_block_state *state; /**< [depth] */
    float *normalised, *rstd; /**< of the layer in front of the stage */
    float *patches;           /**< stem only */
    float *gradient;          /**< [micro rows][stride] */
} fcmae_lane_stage;

typedef struct fcmae_lane {
    const fcmae_network *network;
    fcmae_lane_shape shape;
    fcmae_workspace workspace;
    fcmae_lane_stage stage[FCMAE_STAGES + 1]; /**< the last one is the decoder */
    float *targets, *prediction;
    double *panel_loss; /**< [panels of the prediction] */
    double *image_loss; /**< [micro_batch] */
    fcmae_head_state head;
    float *observed;         /**< [rows of a chunk][4C], for observers */
    const uint8_t **removed; /**< [micro_batch] */
    int32_t *image_index;    /**< [micro_batch] */
    float *gradients;        /**< the lane's gradient block */
    void *tables;            /**< owner of the pointer arrays */
    int index;
} fcmae_lane;

/** One engine call as the lanes see it. */
typedef struct fcmae_call {
    const fcmae_batch *batch;
    const fcmae_outputs *outputs; /**< NULL in a training step */
    bool backward;
    double weight;
    int64_t removed_total; /**< removed cells of the whole batch */
} fcmae_call;

/** Choice of chunk sizes for a model. */
void fcmae_lane_chunks(const fcmae_model_config *config, fcmae_lane_shape *shape);
/** Allocates the pointer tables (once), before reserve. */
fcmae_status fcmae_lane_create(fcmae_lane *lane, const fcmae_network *network,
                               const fcmae_lane_shape *shape, int index, fcmae_error *error);
void fcmae_lane_destroy(fcmae_lane *lane);
/** Takes every buffer from the arena (twice: measure, take). */
void fcmae_lane_reserve(fcmae_lane *lane, fcmae_arena *arena);

/** Runs samples [first, first + count) of the call; returns the sum of their losses
 *  (PRETRAIN: sum over removed patches of the patch means; CLASSIFY: sum over samples). */
double fcmae_lane_run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count);

#endif
