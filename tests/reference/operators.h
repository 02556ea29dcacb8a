/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reference operators: every operator of the network in double precision, written from its
 * equation (docs/equations.md) in the plainest loops, sharing no code with the library.
 *
 * Features are packed rows [sites][channels]: the active sites of a grid in reading order.
 * Weights have the official (PyTorch, dense) layout. Forward and backward stand side by side;
 * activation gradients are overwritten, parameter gradients are added to.
 */
#ifndef TESTS_REFERENCE_OPERATORS_H
#define TESTS_REFERENCE_OPERATORS_H

#include <stdint.h>

/** Sites of one image: active[y * width + x] != 0. Rows are the active sites in reading order. */
typedef struct reference_grid {
    int height, width;
    const uint8_t *active;
} reference_grid;

/** Number of active sites. */
int64_t reference_sites(reference_grid grid);
/** rows[i] = map[position of site i]; map is [height * width][channels]. */
void reference_gather(reference_grid grid, int channels, const double *map, double *rows);
/** The inverse; inactive positions become 0. */
void reference_scatter(reference_grid grid, int channels, const double *rows, double *map);

/**
 * Convolution with kernel = stride = patch at the active sites of the output grid.
 * image [in][grid.height * patch][grid.width * patch], weight [out][in][patch][patch].
 * y[s][o] = bias[o] + sum_{i,ky,kx} weight[o][i][ky][kx] image[i][patch y_s + ky][patch x_s + kx]
 */
void reference_patch_convolution(reference_grid grid, int patch, int in, int out,
                                 const double *image, const double *weight, const double *bias,
                                 double *y);
void reference_patch_convolution_backward(reference_grid grid, int patch, int in, int out,
                                          const double *image, const double *weight,
                                          const double *dy, double *dimage, double *dweight,
                                          double *dbias);

/**
 * Depthwise 7x7, centred: inactive and outside neighbours count as zero, no renormalisation.
 * weight [channels][7][7].
 */
void reference_depthwise(reference_grid grid, int channels, const double *x, const double *weight,
                         const double *bias, double *y);
void reference_depthwise_backward(reference_grid grid, int channels, const double *x,
                                  const double *weight, const double *dy, double *dx,
                                  double *dweight, double *dbias);

/** Active set of the next stage: a site is active if any of its 2x2 children is. `parents` has
 *  (height / 2) * (width / 2) entries. */
void reference_parents(reference_grid grid, uint8_t *parents);
/** 2x2 convolution with stride 2: absent children contribute zero. weight [out][in][2][2];
 *  y has one row per active site of reference_parents(). */
void reference_downsample(reference_grid grid, int in, int out, const double *x,
                          const double *weight, const double *bias, double *y);
void reference_downsample_backward(reference_grid grid, int in, int out, const double *x,
                                   const double *weight, const double *dy, double *dx,
                                   double *dweight, double *dbias);

/** LayerNorm over channels, biased variance, epsilon inside the root. */
void reference_layer_norm(int64_t rows, int channels, double epsilon, const double *x,
                          const double *weight, const double *bias, double *y);
void reference_layer_norm_backward(int64_t rows, int channels, double epsilon, const double *x,
                                   const double *weight, const double *dy, double *dx,
                                   double *dweight, double *dbias);

/** y = x weight^T + bias; weight [out][in]. */
void reference_linear(int64_t rows, int in, int out, const double *x, const double *weight,
                      const double *bias, double *y);
void reference_linear_backward(int64_t rows, int in, int out, const double *x, const double *weight,
                               const double *dy, double *dx, double *dweight, double *dbias);

/** y = x Phi(x), Phi the exact normal distribution function. */
void reference_gelu(int64_t count, const double *x, double *y);
void reference_gelu_backward(int64_t count, const double *x, const double *dy, double *dx);

/**
 * Global Response Normalization over `rows` (the sites of one image, or of a whole batch):
 * g_c = sqrt(sum_s x_sc^2), n_c = g_c / (mean_j g_j + 1e-6), y = gamma (x n) + beta + x.
 * The gradient of g_c at g_c = 0 is 0. rows = 0 is fine.
 */
void reference_grn(int64_t rows, int channels, const double *x, const double *gamma,
                   const double *beta, double *y);
void reference_grn_backward(int64_t rows, int channels, const double *x, const double *gamma,
                            const double *dy, double *dx, double *dgamma, double *dbeta);

/** y[s][c] = scale[c] x[s][c] */
void reference_layer_scale(int64_t rows, int channels, const double *x, const double *scale,
                           double *y);
void reference_layer_scale_backward(int64_t rows, int channels, const double *x,
                                    const double *scale, const double *dy, double *dx,
                                    double *dscale);

/** y = x + keep * branch; keep is 0 or 1 / keep probability of the sample (drop path). */
void reference_residual(int64_t count, double keep, const double *x, const double *branch,
                        double *y);
/** dx = dy, dbranch = keep * dy. */
void reference_residual_backward(int64_t count, double keep, const double *dy, double *dx,
                                 double *dbranch);

/** y[c] = mean of x over rows; rows >= 1. */
void reference_pool(int64_t rows, int channels, const double *x, double *y);
void reference_pool_backward(int64_t rows, int channels, const double *dy, double *dx);

/** -sum_k target_k log softmax(logits)_k of one sample. */
double reference_cross_entropy(int classes, const double *logits, const double *target);
/** Gradient of weight * loss. */
void reference_cross_entropy_backward(int classes, const double *logits, const double *target,
                                      double weight, double *dlogits);

/** Pixels of one patch in the order (row, column, channel); `normalise`: (t - mean) / sqrt(var +
 *  1e-6) with the unbiased variance. image [channels][height][width]; target has
 *  patch * patch * channels values. */
void reference_patch_target(const double *image, int channels, int height, int width, int patch,
                            int64_t cell, int normalise, double *target);
/** Mean of (prediction - target)^2 over `count` values. */
double reference_squared_error(int64_t count, const double *prediction, const double *target);
/** Gradient of weight * loss. */
void reference_squared_error_backward(int64_t count, const double *prediction, const double *target,
                                      double weight, double *dprediction);

#endif
