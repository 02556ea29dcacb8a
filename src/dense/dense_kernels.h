/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Symbols of the dense kernels; contracts in core/kernels.h. */
#ifndef FCMAE_DENSE_KERNELS_H
#define FCMAE_DENSE_KERNELS_H

#include "core/isa.h"
#include "core/kernels.h"

void FCMAE_KERNEL(fcmae_product_panel)(const fcmae_product *product);
void FCMAE_KERNEL(fcmae_product_pairs)(const fcmae_product *product);
void FCMAE_KERNEL(fcmae_narrow_rows)(int rows, int columns, const float *x, int64_t stride,
                                     uint16_t *out, int64_t out_stride);
void FCMAE_KERNEL(fcmae_narrow_pairs)(int rows, int columns, const float *x, int64_t stride,
                                      uint32_t *out, int64_t out_stride);
double FCMAE_KERNEL(fcmae_peak_pairs)(int64_t iterations, float *sink);
double FCMAE_KERNEL(fcmae_peak)(int64_t iterations, float *sink);
void FCMAE_KERNEL(fcmae_gelu)(int rows, int width, float *z, float *slope, float *square);
void FCMAE_KERNEL(fcmae_gelu_pairs)(int rows, int width, float *z, float *square);
void FCMAE_KERNEL(fcmae_layernorm)(int rows, int channels, int stride, const float *x,
                                   float *normalised, float *rstd, const float *weight,
                                   const float *bias, float *out);
void FCMAE_KERNEL(fcmae_layernorm_backward)(int rows, int channels, int stride,
                                            const float *normalised, const float *rstd,
                                            const float *dn, float *dx);
void FCMAE_KERNEL(fcmae_column_sum)(int rows, int columns, int64_t stride, const float *x,
                                    float factor, float *sum);
void FCMAE_KERNEL(fcmae_column_dot)(int rows, int columns, int64_t stride, const float *x,
                                    const float *y, float *sum);
void FCMAE_KERNEL(fcmae_pack)(int k_first, int k_last, int columns, int64_t src_stride,
                              const float *src, const float *row_scale, int width, int panel,
                              int64_t k_total, float *dst);
void FCMAE_KERNEL(fcmae_pack_transposed)(int k_total, int rows, int64_t src_stride,
                                         const float *src, const float *row_scale, int width,
                                         int panel, float *dst);
double FCMAE_KERNEL(fcmae_squared_error)(int rows, int width, float *p, const float *target,
                                         int64_t target_stride, float factor, float *sum);
void FCMAE_KERNEL(fcmae_scale_bytes)(int rows, int count, const uint8_t *in, int64_t in_row,
                                     const float *scale, const float *shift, float *out);
void FCMAE_KERNEL(fcmae_standardise)(int count, float *x);
float FCMAE_KERNEL(fcmae_dot)(int count, const float *x, const float *y);
void FCMAE_KERNEL(fcmae_combine)(int count, float a, const float *x, float b, float *y);
void FCMAE_KERNEL(fcmae_sum_blocks)(int64_t count, int blocks, const float *const *block,
                                    float *sum);

#endif
