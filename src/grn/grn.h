/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Global Response Normalization (ConvNeXt V2, algorithm 1), the part that is not element-wise.
 *
 *   g_c = sqrt(sum_s h[s,c]^2),  mu = mean_c g_c,  n_c = g_c / (mu + 1e-6)
 *   y[s,c] = h[s,c] * (1 + gamma_c n_c) + beta_c          (beta is folded into the next linear)
 *
 * over the visible sites s of one image (what the paper's results used) or of all images at hand.
 * Backward, with t_c = sum_s e[s,c] h[s,c] for the
 * incoming e:
 *
 *   dh = e * (1 + gamma n) + h * k,
 *   k_c = (gamma_c t_c / (mu + eps) - mean_j(gamma_j t_j g_j) / (mu + eps)^2) / g_c,   0 if g_c = 0
 *   dgamma_c += n_c t_c
 *
 * A branch factor per image (drop path: 0 or 1 / keep) multiplies y; it is carried in `scale`.
 * Sums arrive per segment of rows, so that threads and lanes cannot change their order.
 */
#ifndef FCMAE_GRN_GRN_H
#define FCMAE_GRN_GRN_H

#include <stdbool.h>
#include <stdint.h>

/** Who belongs together: filled by the caller, borrowed. */
typedef struct fcmae_grn_shape {
    int hidden, images, segments;
    const int32_t *segment_image; /**< [segments] */
    bool together;                /**< one group of all images, instead of one per image */
} fcmae_grn_shape;

/** norm[group][hidden], mean[group] from square_sums[segments][hidden]; groups: images, or 1. */
void fcmae_grn_norms(const fcmae_grn_shape *shape, const float *square_sums, float *norm,
                     float *mean);

/** scale[image][hidden] = branch[image] * (1 + gamma n). branch NULL: ones. gamma NULL: no GRN. */
void fcmae_grn_scale(const fcmae_grn_shape *shape, const float *norm, const float *mean,
                     const float *gamma, const float *branch, float *scale);

/** feedback[image][hidden] = k and dgamma += from dot_sums[segments][hidden] (sums of e * h before
 *  the branch factor). dot_sums is overwritten. gamma NULL: feedback is zero. */
void fcmae_grn_feedback(const fcmae_grn_shape *shape, float *dot_sums, const float *norm,
                        const float *mean, const float *gamma, const float *branch, float *feedback,
                        float *dgamma);

#endif
