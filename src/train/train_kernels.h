/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The inner loops of the optimiser: a table per instruction set, beside the one of the network. */
#ifndef FCMAE_TRAIN_KERNELS_H
#define FCMAE_TRAIN_KERNELS_H

#include "core/kernels.h"

/** Counts are multiples of 16. */
typedef struct fcmae_train_kernels {
    /** AdamW on `count` values, equations in fcmae/optimiser.h; returns the sum of the squares of
     *  the unscaled gradient, in double. */
    double (*adamw)(int64_t count, float *value, const float *gradient, float *first, float *second,
                    float gradient_scale, float keep, float step_size, double beta1, double beta2,
                    float correction2_root, float epsilon);
    /** Sum of the squares, in double. */
    double (*sum_of_squares)(int64_t count, const float *values);
    /** average = average * keep + values * fresh */
    void (*blend)(int64_t count, float keep, float fresh, const float *values, float *average);
} fcmae_train_kernels;

/** The table of one instruction set; portable if it is not in this build. */
const fcmae_train_kernels *fcmae_train_kernels_get(fcmae_isa isa);

#endif
