/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** How a lane cuts its micro-batch: sizes that every lane shares, and one chunk of images. */
#ifndef FCMAE_MODEL_CHUNK_H
#define FCMAE_MODEL_CHUNK_H

#include "fcmae/model.h"
#include "sparse/site_map.h"

/** Sizes every lane of an engine shares. */
typedef struct fcmae_lane_shape {
    int height, width;              /**< grid of cells */
    int micro_batch, visible_cells; /**< most per micro-batch and sample */
    int chunk[FCMAE_STAGES];        /**< images per chunk of a stage */
    int own_chunk;                  /**< likewise of the objective's own blocks */
    int threads;
    int frozen_blocks; /**< first encoder blocks without a backward pass */
    bool pairs;        /**< bfloat16 operands */
    bool backward;
} fcmae_lane_shape;

/** Where one chunk of a stage stands in the buffers of its lane. */
typedef struct fcmae_chunk {
    const fcmae_site_map *map;
    int first, images; /**< samples of the micro-batch */
    int64_t row;       /**< first row in the stage's buffers */
} fcmae_chunk;

#endif
