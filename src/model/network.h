/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The layers of one model with their packed weights: shared by all lanes, read-only in a step. */
#ifndef FCMAE_MODEL_NETWORK_H
#define FCMAE_MODEL_NETWORK_H

#include "model/block.h"
#include "model/patch.h"
#include "objective/decoder.h"
#include "objective/head.h"

typedef struct fcmae_network {
    const fcmae_model *model;
    fcmae_patch_layer patch[FCMAE_STAGES];
    fcmae_block *stage[FCMAE_STAGES]; /**< into blocks */
    fcmae_block *decoder_blocks;      /**< into blocks */
    fcmae_block *blocks;              /**< owned */
    int block_count;                  /**< encoder and decoder */
    fcmae_decoder decoder;
    fcmae_head head;
} fcmae_network;

/** Sets the layers up and takes room for packed weights from the arena (twice: measure, take). */
fcmae_status fcmae_network_reserve(fcmae_network *network, fcmae_arena *arena,
                                   const fcmae_model *model, bool pairs, bool backward,
                                   fcmae_error *error);
void fcmae_network_release(fcmae_network *network);
/** Packs every weight; tasks on `threads` threads. */
void fcmae_network_pack(const fcmae_network *network, const fcmae_kernels *kernels, int threads);
/** Raw gradients (summed over lanes) to gradients of the parameters, in place. */
void fcmae_network_finish(const fcmae_network *network, const fcmae_kernels *kernels, int threads,
                          float *gradients);

#endif
