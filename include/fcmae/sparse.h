/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Submanifold sparse convolutions over any active set of a grid, without a model.
 *
 * A fcmae_sites object holds which sites of [images, height, width] are active. Features are plain
 * rows [S, C], row-major, without padding: one row per active site, ordered by image, then
 * row-major (fcmae_sites_coordinates() lists them). An inactive site has no row, so nothing can be
 * computed from it. Weights have PyTorch's layout and can be copied from there as they are.
 *
 *     fcmae_sites_create(&sites, 1, height, width, active, 0, &error);
 *     fcmae_sites_gather(sites, channels, FCMAE_LAYOUT_NCHW, image, x, &error);
 *     fcmae_sites_depthwise_forward(sites, channels, x, weight, bias, y, &error);
 *     fcmae_sites_scatter(sites, channels, FCMAE_LAYOUT_NCHW, y, map, &error);
 *
 * Reference: Graham, Engelcke, van der Maaten, "3D Semantic Segmentation with Submanifold Sparse
 * Convolutional Networks" (arXiv 1711.10275); in two dimensions with masks: ConvNeXt V2 (arXiv
 * 2301.00808). With every site active the results are those of the dense convolution.
 *
 * Common to all operators:
 *  - Arrays are borrowed for the call. Every output is overwritten; to accumulate gradients, add
 * them. No output may overlap another argument.
 *  - Sums are float32, in an order that the number of threads does not change: same bits for any.
 *  - Working memory (weights repacked; rows padded where C is not a multiple of 16) is taken and
 * given back within the call. FCMAE_ERR_MEMORY: it was not there; outputs are then untouched.
 *  - FCMAE_ERR_ARGUMENT: channels outside 1 .. FCMAE_SITES_MOST_CHANNELS, or a missing array.
 *  - A fcmae_sites object never changes: several threads may use it at the same time.
 */
#ifndef FCMAE_SPARSE_H
#define FCMAE_SPARSE_H

#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most channels of a row. */
#define FCMAE_SITES_MOST_CHANNELS 65536
/** Most sites of a grid, active or not: images * height * width. */
#define FCMAE_SITES_MOST_SITES 33554432

/** The active sites of one grid: rows, neighbours, work units. Opaque; one owner. Never changes:
 *  any thread may use it. */
typedef struct fcmae_sites fcmae_sites;

/**
 * Sites of a mask. Costs O(images * height * width + 49 S) time, about 0.7 KiB per active site.
 * @param active   [images, height, width], nonzero = active (the opposite of the `removed` masks of
 *                 fcmae/mask.h); not retained. Any set will do: none, one, all.
 * @param threads  of the operators on these sites; 0: every processor
 * @return FCMAE_ERR_ARGUMENT (a size below 1, too many sites), FCMAE_ERR_MEMORY; *sites is then
 *         NULL.
 */
FCMAE_API fcmae_status fcmae_sites_create(fcmae_sites **sites, int images, int height, int width,
                                          const uint8_t *active, int threads, fcmae_error *error);

/**
 * Sites of the next stage: (y, x) is active if one of the children (2y, 2x), (2y, 2x + 1), (2y + 1,
 * 2x), (2y + 1, 2x + 1) is. The grid has (height + 1) / 2 x (width + 1) / 2 sites: of an odd side
 * the last children are missing, no active site is lost. (A dense convolution of stride 2 leaves an
 * odd last row out; leave it out of `active` for the same.)
 * @param fine  not retained: the new object is independent of it
 */
FCMAE_API fcmae_status fcmae_sites_coarsen(fcmae_sites **coarse, const fcmae_sites *fine,
                                           fcmae_error *error);

/** Frees and sets *sites to NULL; NULL and *sites == NULL are fine. */
FCMAE_API void fcmae_sites_destroy(fcmae_sites **sites);

/** S: active sites of all images. */
FCMAE_API int64_t fcmae_sites_count(const fcmae_sites *sites);
/** The grid: images, height, width. */
FCMAE_API void fcmae_sites_shape(const fcmae_sites *sites, int shape[3]);
/** coordinates: [S, 3] image, y, x of every row. */
FCMAE_API void fcmae_sites_coordinates(const fcmae_sites *sites, int32_t *coordinates);

/**
 * Submanifold depthwise 7x7 convolution. Output sites are input sites; the sum runs over the
 * offsets (i, j) whose site is active and is not renormalised:
 *
 *   y[s,c] = bias[c] +
 *            sum over i, j in -3 .. 3 of weight[c, i + 3, j + 3] * x[(s.y + i, s.x + j), c]
 *
 * @param x, y    [S, C]
 * @param weight  [C, 1, 7, 7]
 * @param bias    [C], or NULL: zero
 * Costs 2 C flops per pair of active sites at most 3 apart: S * 49 pairs if all are active.
 */
FCMAE_API fcmae_status fcmae_sites_depthwise_forward(const fcmae_sites *sites, int channels,
                                                     const float *x, const float *weight,
                                                     const float *bias, float *y,
                                                     fcmae_error *error);
/** Where the gradients of a convolution go: arrays of the shapes of x, weight and bias,
 * overwritten; NULL: not wanted. */
typedef struct fcmae_sites_gradients {
    float *dx, *dweight, *dbias;
} fcmae_sites_gradients;

/**
 * Gradients of sum(y * dy).
 * @param x       may be NULL without dweight
 * @param weight  may be NULL without dx
 * @param dy      [S, C]
 * dx and dweight cost as much as the forward pass each.
 */
FCMAE_API fcmae_status fcmae_sites_depthwise_backward(const fcmae_sites *sites, int channels,
                                                      const float *x, const float *weight,
                                                      const float *dy,
                                                      const fcmae_sites_gradients *gradients,
                                                      fcmae_error *error);

/**
 * 2x2 convolution with stride 2 from the fine sites to the coarse ones; a missing child counts as
 * zero:
 *
 *   y[s,o] = bias[o] +
 *            sum over i, j in 0 .. 1 and c of weight[o,c,i,j] * x[(2 s.y + i, 2 s.x + j), c]
 *
 * @param coarse  from fcmae_sites_coarsen(), else FCMAE_ERR_ARGUMENT
 * @param x       [fine S, in], rows of the object that was coarsened
 * @param weight  [out, in, 2, 2]
 * @param bias    [out], or NULL: zero
 * @param y       [coarse S, out]
 * Costs 8 * in * out flops per coarse site (missing children are multiplied, too).
 */
FCMAE_API fcmae_status fcmae_sites_downsample_forward(const fcmae_sites *coarse, int in, int out,
                                                      const float *x, const float *weight,
                                                      const float *bias, float *y,
                                                      fcmae_error *error);
/**
 * Gradients of sum(y * dy).
 * @param x       [fine S, in]; may be NULL without dweight
 * @param weight  [out, in, 2, 2]; may be NULL without dx
 * @param dy      [coarse S, out]
 */
FCMAE_API fcmae_status fcmae_sites_downsample_backward(const fcmae_sites *coarse, int in, int out,
                                                       const float *x, const float *weight,
                                                       const float *dy,
                                                       const fcmae_sites_gradients *gradients,
                                                       fcmae_error *error);

/** Order of a dense map. */
typedef enum fcmae_dense_layout {
    FCMAE_LAYOUT_NCHW = 0, /**< [images, channels, height, width] */
    FCMAE_LAYOUT_NHWC = 1  /**< [images, height, width, channels] */
} fcmae_dense_layout;

/** dense = rows [S, C] at the active sites, zero elsewhere. The gradient of gather. */
FCMAE_API fcmae_status fcmae_sites_scatter(const fcmae_sites *sites, int channels,
                                           fcmae_dense_layout layout, const float *rows,
                                           float *dense, fcmae_error *error);
/** rows [S, C] = dense at the active sites; inactive sites are not
 *  read. The gradient of scatter. */
FCMAE_API fcmae_status fcmae_sites_gather(const fcmae_sites *sites, int channels,
                                          fcmae_dense_layout layout, const float *dense,
                                          float *rows, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
