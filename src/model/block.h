/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The ConvNeXt block over the sites of a map: forward and backward (docs/equations.md).
 *
 *   t = depthwise(x);  n = normalise(t);  h = gelu(n W1' + b1');  out = x + scale(h) W2' + b2'
 *
 * V2: scale is GRN; V1: none. What costs nothing per site is folded into the packed weights:
 *   W1' = diag(norm.weight) W1,  b1' = b1 + norm.bias W1,
 *   V2: W2' = W2, b2' = b2 + W2 beta;   V1 (LayerScale l): W2' = diag(l) W2, b2' = l b2.
 * Backward therefore leaves *raw* gradients (of the folded weights) in the gradient block;
 * fcmae_block_finish() turns the sum over all lanes into gradients of the parameters, once per
 * step.
 */
#ifndef FCMAE_MODEL_BLOCK_H
#define FCMAE_MODEL_BLOCK_H

#include "dense/linear.h"
#include "model/model.h"
#include "model/workspace.h"
#include "sparse/site_map.h"

/** A block with its packed weights. Shared by all lanes, read-only during a step. */
typedef struct fcmae_block {
    const fcmae_block_parameters *parameters;
    const float *values; /**< the model's value block */
    int channels, stride, hidden;
    fcmae_grn_scope scope;
    bool pairs;               /**< operands of the linears in bfloat16    */
    fcmae_packed expand;      /**< W1' [C][4C]                            */
    fcmae_packed reduce;      /**< W2' transposed: [4C][C]                */
    fcmae_packed reduce_back; /**< W2' [C][4C]: gradient of the hidden    */
    fcmae_packed expand_back; /**< W1' transposed: [4C][C]                */
    float *expand_bias, *reduce_bias;
} fcmae_block;

/** What forward leaves for backward, for the rows of one chunk. In bfloat16 an element of `hidden`
 * is a hidden pair (value and slope, core/kernels.h): half of the memory that streams from forward
 * to backward. slope is then NULL, as it is in inference. */
typedef struct fcmae_block_state {
    float *normalised; /**< [rows][stride]              */
    float *rstd;       /**< [rows]                      */
    float *hidden;     /**< panels [4C / w][rows][w]    */
    float *slope;      /**< likewise: gelu'             */
    float *scale;      /**< [images][4C]                */
    float *norm;       /**< [images][4C] GRN norms      */
    float *mean;       /**< [images]                    */
    uint16_t *narrow;  /**< normalised in bfloat16, [rows][stride]; NULL in float32 */
} fcmae_block_state;

/** Sets a block up and takes room for the packed weights of forward. */
void fcmae_block_reserve(fcmae_block *block, fcmae_arena *arena, const fcmae_block_parameters *p,
                         int channels, fcmae_grn_scope scope, bool pairs);
/** Takes room for those that only backward reads. */
void fcmae_block_reserve_backward(fcmae_block *block, fcmae_arena *arena);
/** Number of tasks and one task of packing; tasks are independent. */
int fcmae_block_pack_tasks(const fcmae_block *block);
void fcmae_block_pack(const fcmae_block *block, const fcmae_kernels *kernels, int task);

/** Floats of worker scratch that forward (and backward) of a chunk of `rows` rows need. */
int64_t fcmae_block_scratch(int channels, int rows, int threads);

/**
 * @param x       [rows][stride] input; kept by the caller for backward
 * @param out     [live rows][stride]; may not alias x. Rows beyond map->live are not written.
 * @param branch  [images] drop path factors, or NULL
 */
void fcmae_block_forward(const fcmae_block *block, const fcmae_workspace *workspace,
                         const fcmae_site_map *map, const float *x, const float *branch,
                         const fcmae_block_state *state, float *out);

/**
 * @param gradient   [rows][stride] in: of the output (zero beyond map->live); out: of the input
 * @param gradients  the lane's gradient block; raw gradients are added
 */
void fcmae_block_backward(const fcmae_block *block, const fcmae_workspace *workspace,
                          const fcmae_site_map *map, const float *x, const float *branch,
                          const fcmae_block_state *state, float *gradient, float *gradients);

/** Raw gradients to gradients of the parameters, in place. */
void fcmae_block_finish(const fcmae_block *block, const fcmae_kernels *kernels, float *gradients);

/** Copies the hidden rows [first, last) of a chunk to row-major [rows][4C], times scale + offset
 *  if given. For observers. */
void fcmae_block_unpanel(const fcmae_block *block, const fcmae_site_map *map,
                         const fcmae_block_state *state, bool after_grn, int first, int last,
                         float *out);

#endif
