/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The layers of one model with their packed weights: shared by all lanes, read-only in a step. */
#ifndef FCMAE_MODEL_NETWORK_H
#define FCMAE_MODEL_NETWORK_H

#include "model/patch.h"
#include "model/stage.h"

typedef struct fcmae_network {
    const fcmae_model *model;
    const float
        *values; /**< block of values it computes with: the model's, or one that was bound */
    bool pairs;  /**< bfloat16 operands */
    fcmae_patch_layer patch[FCMAE_STAGES];
    fcmae_stage stage[FCMAE_STAGES]; /**< blocks: into `blocks` */
    fcmae_stage own;                 /**< the objective's own blocks; depth 0: none */
    fcmae_block *blocks;             /**< owned */
    int block_count;                 /**< of the encoder and the objective */
    void *layers;                    /**< the objective's; owned */
} fcmae_network;

/** Sets the layers up and takes room for packed weights from the arena (twice: measure, take). */
fcmae_status fcmae_network_reserve(fcmae_network *network, fcmae_arena *arena,
                                   const fcmae_model *model, bool pairs, bool backward,
                                   fcmae_error *error);
void fcmae_network_release(fcmae_network *network);
/** Computes with this block from now on; the weights must be packed again. */
void fcmae_network_bind(fcmae_network *network, const float *values);
/** Packs every weight; tasks on `threads` threads. */
void fcmae_network_pack(const fcmae_network *network, const fcmae_kernels *kernels, int threads);
/** Raw gradients (summed over lanes) to gradients of the parameters, in place. */
void fcmae_network_finish(const fcmae_network *network, const fcmae_kernels *kernels, int threads,
                          float *gradients);

#endif
