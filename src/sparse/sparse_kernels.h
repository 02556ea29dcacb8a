/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Symbols of the depthwise kernels; contracts in core/kernels.h. */
#ifndef FCMAE_SPARSE_KERNELS_H
#define FCMAE_SPARSE_KERNELS_H

#include "core/isa.h"
#include "core/kernels.h"

void FCMAE_KERNEL(fcmae_depthwise_cell)(int side, int columns, const float *const *window,
                                        const float *taps, int64_t tap_stride, const float *bias,
                                        float *out, int64_t out_stride);
void FCMAE_KERNEL(fcmae_depthwise_list)(int first, int last, int columns,
                                        const fcmae_neighbours *neighbours, const float *x,
                                        int64_t stride, const float *taps, int64_t tap_stride,
                                        const float *bias, float *out);
void FCMAE_KERNEL(fcmae_depthwise_cell_taps)(int side, int columns, const float *const *window,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride);
void FCMAE_KERNEL(fcmae_depthwise_list_tap)(int pairs, int columns, const int32_t *site,
                                            const int32_t *row, const float *x,
                                            const float *gradient, int64_t stride, float *dtap);

#endif
