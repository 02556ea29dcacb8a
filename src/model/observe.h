/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Showing observers (fcmae_outputs.observe) what a block of the encoder computed. */
#ifndef FCMAE_MODEL_OBSERVE_H
#define FCMAE_MODEL_OBSERVE_H

#include "fcmae/engine.h"
#include "model/block.h"
#include "model/chunk.h"

typedef struct fcmae_observer {
    const fcmae_outputs *outputs;
    int stage, lane;
    int64_t first_sample; /**< of the micro-batch */
    float *rows;          /**< scratch, [rows of a chunk][4C] */
} fcmae_observer;

/** Block number `index` of the observer's stage: x to out, rows of one chunk. */
void fcmae_observe_block(const fcmae_observer *observer, int index, const fcmae_block *block,
                         const fcmae_block_state *state, const fcmae_chunk *chunk, const float *x,
                         const float *out);

#endif
