/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The two inner loops of resampling, one copy per instruction set, all of the same result. */
#ifndef FCMAE_IMAGE_RESAMPLE_KERNELS_H
#define FCMAE_IMAGE_RESAMPLE_KERNELS_H

#include "image/resample.h"

#define FCMAE_RESAMPLE_BITS 22 /**< fractional bits of a weight */
#define FCMAE_RESAMPLE_BLOCK                                            \
    64 /**< bytes of a row summed at a time: the sums stay in registers \
        */

/** columns: one row of pixels to columns->count pixels; `wide` is scratch memory for
 *  3 * (columns->high - columns->low) + 4 values.
 *  rows: one row as the weighted sum of `length` rows of `stride` bytes; FCMAE_RESAMPLE_BLOCK bytes
 *  behind the last row must be readable. */
#define FCMAE_RESAMPLE_KERNELS(isa)                                                            \
    void fcmae_resample_columns_##isa(const fcmae_axis *columns, const uint8_t *source,        \
                                      int32_t *wide, uint8_t *out);                            \
    void fcmae_resample_rows_##isa(const uint8_t *rows, size_t stride, const int32_t *weights, \
                                   int length, uint8_t *out);

FCMAE_RESAMPLE_KERNELS(portable)
FCMAE_RESAMPLE_KERNELS(avx2)
FCMAE_RESAMPLE_KERNELS(avx512)

#endif
