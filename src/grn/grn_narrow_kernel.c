/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The passes of grn_kernel.c whose results are operands of bfloat16 products: they leave as such,
 * so that they are not written and read once more in float32. Contracts in core/kernels.h.
 */
#include "dense/narrow.h"
#include "grn/grn_kernels.h"

void FCMAE_KERNEL(fcmae_scale_panel_narrow)(int rows, int width, const float *hidden,
                                            const float *scale, uint16_t *out)
{
    for (int m = 0; m < rows; m++, hidden += width, out += width)
        for (int c = 0; c < width; c += VEC_LANES)
            vec_store_half(out + c,
                           vec_narrow(vec_low(vec_load(hidden + c)) * vec_load(scale + c)));
}

FCMAE_INLINE void scale_and_dot_columns(const int nv, int first, int rows, int width,
                                        const float *gradient, const float *hidden,
                                        const float *scale, uint32_t *pairs, float *dot)
{
    vec s[5], sum[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(scale + n * VEC_LANES);
        sum[n] = vec_zero();
    }
    for (int m = first, step; m < first + rows;
         m += step, gradient += step * width, hidden += step * width) {
        uint32_t *out = pairs + (int64_t)(m / 2) * width;
        step = m % 2 == 0 && m + 1 < first + rows ? 2
                                                  : 1; /* whole pairs where both rows are here */
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            int at = n * VEC_LANES;
            vec h = vec_low(vec_load(hidden + at));
            sum[n] += vec_load(gradient + at) * h;
            if (step == 2) {
                vec next = vec_low(vec_load(hidden + width + at));
                sum[n] += vec_load(gradient + width + at) * next;
                vec_store((float *)(void *)(out + at), vec_pair(h * s[n], next * s[n]));
            } else {
                vec_store_pair(out + at, vec_narrow(h * s[n]), m);
            }
        }
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(dot + n * VEC_LANES, sum[n]);
}

void FCMAE_KERNEL(fcmae_scale_and_dot_pairs)(int first, int rows, int width, const float *gradient,
                                             const float *hidden, const float *scale,
                                             uint32_t *pairs, float *dot){
    VEC_FOR_GROUPS(width, column, group)
        VEC_FIX_GROUP(group, scale_and_dot_columns, first, rows, width, gradient + column,
                      hidden + column, scale + column, pairs + column, dot + column)}

/** dz of one vector of a row. */
FCMAE_INLINE vec
    hidden_gradient(const float *gradient, const float *hidden, vec scale, vec feedback)
{
    vec pair = vec_load(hidden);
    return (vec_load(gradient) * scale + vec_low(pair) * feedback) * vec_high(pair);
}

FCMAE_INLINE void hidden_backward_columns(const int nv, int first, int rows, int width,
                                          const float *gradient, const float *hidden,
                                          const float *scale, const float *feedback,
                                          uint16_t *narrow, uint32_t *pairs, float *sum)
{
    vec s[5], k[5], total[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(scale + n * VEC_LANES);
        k[n] = vec_load(feedback + n * VEC_LANES);
        total[n] = vec_load(sum + n * VEC_LANES);
    }
    for (int m = first, step; m < first + rows;
         m += step, gradient += step * width, hidden += step * width) {
        uint32_t *both = pairs + (int64_t)(m / 2) * width;
        uint16_t *out = narrow + (int64_t)m * width;
        step = m % 2 == 0 && m + 1 < first + rows ? 2
                                                  : 1; /* whole pairs where both rows are here */
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            int at = n * VEC_LANES;
            __builtin_prefetch(hidden + 8 * width + at);
            vec dz = hidden_gradient(gradient + at, hidden + at, s[n], k[n]);
            half_vec half = vec_narrow(dz);
            vec_store_half(out + at, half);
            total[n] += dz;
            if (step == 2) {
                __builtin_prefetch(hidden + 9 * width + at);
                vec next = hidden_gradient(gradient + width + at, hidden + width + at, s[n], k[n]);
                vec_store_half(out + width + at, vec_narrow(next));
                vec_store((float *)(void *)(both + at), vec_pair(dz, next));
                total[n] += next;
            } else {
                vec_store_pair(both + at, half, m);
            }
        }
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(sum + n * VEC_LANES, total[n]);
}

void FCMAE_KERNEL(fcmae_hidden_backward_narrow)(int first, int rows, int width,
                                                const float *gradient, const float *hidden,
                                                const float *scale, const float *feedback,
                                                uint16_t *narrow, uint32_t *pairs, float *sum)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, hidden_backward_columns, first, rows, width, gradient + column,
                  hidden + column, scale + column, feedback + column, narrow + column,
                  pairs + column, sum + column)
}
