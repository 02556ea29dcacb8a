/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * 2x2 convolution with stride 2 over any active set.
 *
 *   y[s] = bias + sum_k x[child(s, k)] W[k],   k = 0 .. 3 at (0,0), (0,1), (1,0), (1,1)
 *
 * A missing child contributes zero. The children of a site are gathered side by side, [rows][4 *
 * in_stride]; from there on it is a linear map and uses the products of the kernel table. (The
 * network's own maps have complete cells in Z-order and read the children in place: model/patch.h.)
 *
 * Functions over rows [first, last) write what belongs to these rows only, so any number of threads
 * may share them, and the result does not depend on how the rows are divided.
 */
#ifndef FCMAE_SPARSE_DOWNSAMPLE_H
#define FCMAE_SPARSE_DOWNSAMPLE_H

#include "core/kernels.h"
#include "core/memory.h"
#include "dense/linear.h"

typedef struct fcmae_sparse_downsample {
    int in, out, in_stride, out_stride;
    fcmae_packed weight; /**< [4 * in_stride][out]          */
    fcmae_packed back;   /**< the transpose, backward only  */
} fcmae_sparse_downsample;

/** Takes room for the packed weights. */
void fcmae_sparse_downsample_reserve(fcmae_sparse_downsample *layer, fcmae_arena *arena, int in,
                                     int out, bool backward);
/** Packs weight [4 * in_stride][out_stride]: row k * in_stride + i, zero where i >= in. */
void fcmae_sparse_downsample_pack(const fcmae_sparse_downsample *layer,
                                  const fcmae_kernels *kernels, const float *weight);

/** merged[s] = the four children of s, zeros where missing. x: [fine rows][x_stride], merged:
 * [rows][4 * stride]; `channels` columns are copied, padding of `merged` is left alone (and must be
 * zero). */
void fcmae_sparse_merge(const int32_t *children, int first, int last, int channels, const float *x,
                        int x_stride, float *merged, int stride);
/** The adjoint: writes the rows of the children of [first, last). Every site has one parent, so all
 *  parents together overwrite all of x. */
void fcmae_sparse_unmerge(const int32_t *children, int first, int last, int channels,
                          const float *merged, int stride, float *x, int x_stride);

/** y[rows][out_stride] of merged rows; bias [out_stride]. */
void fcmae_sparse_downsample_forward(const fcmae_sparse_downsample *layer,
                                     const fcmae_kernels *kernels, int first, int last,
                                     const float *merged, const float *bias, float *y);
/** dmerged[rows][4 * in_stride] of dy[rows][out_stride]; needs a layer reserved for backward. */
void fcmae_sparse_downsample_backward_data(const fcmae_sparse_downsample *layer,
                                           const fcmae_kernels *kernels, int first, int last,
                                           const float *dy, float *dmerged);
/** dweight[4 * in_stride][out_stride] += merged^T dy at the columns of one panel of `weight`. */
void fcmae_sparse_downsample_backward_weight(const fcmae_sparse_downsample *layer,
                                             const fcmae_kernels *kernels, int panel, int rows,
                                             const float *merged, const float *dy, float *dweight);

#endif
