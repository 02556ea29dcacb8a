/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * float32 to bfloat16 in the two orders a product wants: along a row (pairs of columns are adjacent
 * anyway) and pairs of rows interleaved (weight gradients sum over rows).
 */
#include "dense/narrow.h"

void FCMAE_KERNEL(fcmae_narrow_rows)(int rows, int columns, const float *x, int64_t stride,
                                     uint16_t *out, int64_t out_stride)
{
    for (int m = 0; m < rows; m++)
        for (int c = 0; c < columns; c += VEC_LANES)
            vec_store_half(out + m * out_stride + c, vec_narrow(vec_load(x + m * stride + c)));
}

void FCMAE_KERNEL(fcmae_narrow_pairs)(int rows, int columns, const float *x, int64_t stride,
                                      uint32_t *out, int64_t out_stride)
{
    for (int m = 0; m < rows; m += 2, x += 2 * stride, out += out_stride)
        for (int c = 0; c < columns; c += VEC_LANES) {
            vec odd = m + 1 < rows ? vec_load(x + stride + c) : vec_zero();
            vec pair = vec_pair(vec_load(x + c), odd);
            memcpy(out + c, &pair, sizeof pair);
        }
}
