/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Symbols of the GRN kernels; contracts in core/kernels.h. */
#ifndef FCMAE_GRN_KERNELS_H
#define FCMAE_GRN_KERNELS_H

#include "core/isa.h"
#include "core/kernels.h"

void FCMAE_KERNEL(fcmae_scale_panel)(int rows, int width, const float *in, const float *scale,
                                     float *out);
void FCMAE_KERNEL(fcmae_scale_and_dot)(int rows, int width, const float *gradient,
                                       const float *hidden, const float *scale, float *scaled,
                                       float *dot);
void FCMAE_KERNEL(fcmae_hidden_backward)(int rows, int width, float *gradient, const float *hidden,
                                         const float *slope, const float *scale,
                                         const float *feedback, float *sum);

void FCMAE_KERNEL(fcmae_scale_panel_narrow)(int rows, int width, const float *in,
                                            const float *scale, uint16_t *out);
void FCMAE_KERNEL(fcmae_scale_and_dot_pairs)(int first, int rows, int width, const float *gradient,
                                             const float *hidden, const float *scale,
                                             uint32_t *pairs, float *dot);
void FCMAE_KERNEL(fcmae_hidden_backward_narrow)(int first, int rows, int width,
                                                const float *gradient, const float *hidden,
                                                const float *scale, const float *feedback,
                                                uint16_t *narrow, uint32_t *pairs, float *sum);

#endif
