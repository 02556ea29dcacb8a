/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Classifier head: mean over the sites of each image, LayerNorm, linear; soft cross-entropy.
 *
 *   p = mean_s x[s],  z = LN(p) W + b,  loss = -sum_k target_k log softmax(z)_k
 */
#ifndef FCMAE_OBJECTIVE_HEAD_H
#define FCMAE_OBJECTIVE_HEAD_H

#include "dense/linear.h"
#include "model/network.h"

typedef struct fcmae_head_parameters {
    const fcmae_parameter *norm_weight, *norm_bias, *head_weight, *head_bias;
} fcmae_head_parameters;

typedef struct fcmae_head {
    const fcmae_network *network; /**< whose values it computes with */
    fcmae_head_parameters parameters;
    int channels, stride, classes, class_stride;
    fcmae_packed weight, weight_back;
} fcmae_head;

/** Arrays of one lane for `images` samples; pooled is the lane's. */
typedef struct fcmae_head_state {
    float *pooled, *normalised, *affine, *rstd; /**< [images][stride], rstd [images]  */
    float *logits, *dpooled;                    /**< [images][class_stride], [stride] */
} fcmae_head_state;

void fcmae_head_reserve(fcmae_head *head, fcmae_arena *arena, const fcmae_network *network);
/** Takes room for the weights that only backward reads. */
void fcmae_head_reserve_backward(fcmae_head *head, fcmae_arena *arena);
void fcmae_head_reserve_state(const fcmae_head *head, fcmae_arena *arena, int images,
                              fcmae_head_state *state);
void fcmae_head_pack(const fcmae_head *head, const fcmae_kernels *kernels);

/** logits from state->pooled. */
void fcmae_head_forward(const fcmae_head *head, const fcmae_kernels *kernels, int images,
                        const fcmae_head_state *state);
/** Loss of one sample against a target distribution; z is overwritten with softmax(z) - target. */
double fcmae_cross_entropy(int classes, float *z, const float *target);
/** state->logits holds factor * (softmax - target); leaves the gradient in state->dpooled. */
void fcmae_head_backward(const fcmae_head *head, const fcmae_kernels *kernels, int images,
                         const fcmae_head_state *state, float *gradients);

#endif
