/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** One submanifold depthwise convolution with all of its gradients, against double precision. */
#ifndef TESTS_SPARSE_CONVOLUTION_H
#define TESTS_SPARSE_CONVOLUTION_H

#include <stdbool.h>

#include "sparse/depthwise.h"

/** Arrays of one case. */
typedef struct convolution {
    const fcmae_site_map *map;
    int channels, stride;
    float *x, *taps, *bias, *dy;
    float *dx_before, *dtaps_before;
    float *y, *dx, *dtaps;
} convolution;

convolution make_convolution(const fcmae_site_map *map, int channels, uint64_t stream);
void release_convolution(convolution *v);
/** Runs the three functions; tap gradients in slices of 16 columns if `sliced`. */
void run_convolution(const fcmae_kernels *kernels, convolution *v, bool sliced);

/** What is judged: results and input gradients, or the gradients of the taps. */
typedef enum convolution_part { CONVOLUTION_ROWS, CONVOLUTION_TAPS } convolution_part;

/** Random arrays of the stream over a map of at most 3 images. */
void check_convolution(const fcmae_kernels *kernels, const fcmae_site_map *map, int channels,
                       uint64_t stream, convolution_part part);

#endif
