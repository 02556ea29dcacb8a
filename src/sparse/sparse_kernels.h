/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Symbols of the depthwise kernels; contracts in core/kernels.h. */
#ifndef FCMAE_SPARSE_KERNELS_H
#define FCMAE_SPARSE_KERNELS_H

#include "core/isa.h"
#include "core/kernels.h"

void FCMAE_KERNEL(fcmae_depthwise_block)(const fcmae_depthwise_block *block, const float *taps,
                                         int64_t tap_stride, const float *bias, float *const *out);
void FCMAE_KERNEL(fcmae_depthwise_quads)(int first, int last, int columns,
                                         const fcmae_neighbours *neighbours, const float *x,
                                         int64_t stride, const float *taps, int64_t tap_stride,
                                         const float *bias, float *out, const float *soon_read,
                                         float *soon_written);
void FCMAE_KERNEL(fcmae_depthwise_list)(int first, int last, int columns,
                                        const fcmae_neighbours *neighbours, const float *x,
                                        int64_t stride, const float *taps, int64_t tap_stride,
                                        const float *bias, float *out);
void FCMAE_KERNEL(fcmae_depthwise_block_taps)(const fcmae_depthwise_block *block,
                                              const float *const *gradient, float *dtaps,
                                              int64_t tap_stride);
void FCMAE_KERNEL(fcmae_depthwise_quad_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride);
void FCMAE_KERNEL(fcmae_depthwise_list_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride);

#endif
