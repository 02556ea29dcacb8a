/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A stage: blocks of one width on one grid, walked in chunks of images. The encoder has four; an
 * objective may have one of its own (a decoder).
 *
 * A chunk goes through all blocks of a stage while its rows are in cache: one image at a time in
 * the early stages (few weights, many rows), several in the deep ones (the other way round).
 * Measured at 224 px: whole batch layer by layer is 15 % slower.
 */
#ifndef FCMAE_MODEL_STAGE_H
#define FCMAE_MODEL_STAGE_H

#include "model/block.h"
#include "model/chunk.h"
#include "model/observe.h"

/** Shared by all lanes. */
typedef struct fcmae_stage {
    int depth, channels; /**< depth 0: no such stage */
    int cell;            /**< side of a mask cell in sites: 8, 4, 2, 1 */
    bool complete;       /**< removed cells have rows too */
    fcmae_block *block;  /**< [depth] */
} fcmae_stage;

/** A stage's buffers in one lane. Inference keeps two row buffers and one chunk of state. */
typedef struct fcmae_stage_lane {
    const fcmae_stage *stage;
    int chunk, chunks; /**< images per chunk, and chunks */
    bool backward;
    fcmae_site_map *map;      /**< [chunks] */
    float **x;                /**< [depth + 1] block inputs, [micro rows][stride] each */
    fcmae_block_state *state; /**< [depth] */
    float *gradient;          /**< [micro rows][stride]; NULL in inference */
    void *tables;             /**< owner of the three arrays */
} fcmae_stage_lane;

/** Drop path factors of the blocks of a stage for the first sample of a chunk. */
typedef struct fcmae_branch {
    const float *factor; /**< NULL: none */
    int64_t step;        /**< from block to block */
} fcmae_branch;

/** Rows of one sample at most. */
int64_t fcmae_stage_rows(const fcmae_stage *stage, const fcmae_lane_shape *shape);

/** Allocates the tables (once), before reserve. Nothing for a stage of depth 0. */
fcmae_status fcmae_stage_create(fcmae_stage_lane *lane, const fcmae_stage *stage,
                                const fcmae_lane_shape *shape, int chunk, fcmae_error *error);
void fcmae_stage_destroy(fcmae_stage_lane *lane);
/** Takes the buffers from the arena (twice: measure, take) and raises what the workspace needs. */
void fcmae_stage_reserve(fcmae_stage_lane *lane, const fcmae_lane_shape *shape, fcmae_arena *arena,
                         fcmae_workspace_size *size);

/** Steps to chunk number `index` of `count` samples, in order from 0; false behind the last. */
bool fcmae_stage_chunk(const fcmae_stage_lane *lane, int index, int count, fcmae_chunk *chunk);

/** Rows that come out of the last block, [micro rows][stride]. */
float *fcmae_stage_output(const fcmae_stage_lane *lane);

/** Blocks of the stage over a chunk whose rows stand in x[0]. The last block leaves out the rows
 *  beyond map->live. observer: NULL or who is shown every block. */
void fcmae_stage_forward(const fcmae_stage_lane *lane, const fcmae_workspace *workspace,
                         const fcmae_chunk *chunk, fcmae_branch branch,
                         const fcmae_observer *observer);
/** Back from block depth - 1 to block `first`; the rows of lane->gradient hold the gradient of the
 *  output (zero beyond map->live) and then that of the input. */
void fcmae_stage_backward(const fcmae_stage_lane *lane, const fcmae_workspace *workspace,
                          const fcmae_chunk *chunk, fcmae_branch branch, int first,
                          float *gradients);

#endif
