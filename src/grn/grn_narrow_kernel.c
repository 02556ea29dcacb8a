/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The passes of grn_kernel.c whose results are operands of bfloat16 products: they leave as such,
 * so that they are not written and read once more in float32. Contracts in core/kernel_list.h.
 */
#include "dense/narrow.h"

void FCMAE_KERNEL(fcmae_scale_panel_narrow)(int rows, int width, const float *hidden,
                                            const float *scale, uint16_t *out)
{
    for (int m = 0; m < rows; m++, hidden += width, out += width)
        for (int c = 0; c < width; c += VEC_LANES)
            vec_store_half(out + c,
                           vec_narrow(vec_low(vec_load(hidden + c)) * vec_load(scale + c)));
}

/** Columns of hidden pairs and of the gradient, rows first .. first + rows - 1 of a panel. */
typedef struct hidden_columns {
    int first, rows, width;
    const float *gradient, *hidden; /* at row `first` */
} hidden_columns;

/** The same, `columns` columns on. */
FCMAE_INLINE hidden_columns shifted(hidden_columns h, int columns)
{
    h.gradient += columns;
    h.hidden += columns;
    return h;
}

/** Rows from m on that are handled together: a whole pair where both of its rows are here. */
FCMAE_INLINE int rows_together(hidden_columns h, int m)
{
    return m % 2 == 0 && m + 1 < h.first + h.rows ? 2 : 1;
}

FCMAE_INLINE void scale_and_dot_columns(const int nv, hidden_columns h, const float *scale,
                                        uint32_t *pairs, float *dot)
{
    vec s[5], sum[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(scale + n * VEC_LANES);
        sum[n] = vec_zero();
    }
    for (int m = h.first, step; m < h.first + h.rows; m += step, h = shifted(h, step * h.width)) {
        uint32_t *out = pairs + (int64_t)(m / 2) * h.width;
        step = rows_together(h, m);
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            int at = n * VEC_LANES;
            vec value = vec_low(vec_load(h.hidden + at));
            sum[n] += vec_load(h.gradient + at) * value;
            if (step == 2) {
                vec next = vec_low(vec_load(h.hidden + h.width + at));
                sum[n] += vec_load(h.gradient + h.width + at) * next;
                vec_store((float *)(void *)(out + at), vec_pair(value * s[n], next * s[n]));
            } else {
                vec_store_pair(out + at, vec_narrow(value * s[n]), m);
            }
        }
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(dot + n * VEC_LANES, sum[n]);
}

void FCMAE_KERNEL(fcmae_scale_and_dot_pairs)(int first, int rows, int width, const float *gradient,
                                             const float *hidden, const float *scale,
                                             uint32_t *pairs, float *dot)
{
    hidden_columns all = {first, rows, width, gradient, hidden};
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, scale_and_dot_columns, shifted(all, column), scale + column,
                  pairs + column, dot + column);
}

/** dz of one vector of a row. */
FCMAE_INLINE vec hidden_gradient(const float *gradient, const float *hidden, vec scale,
                                 vec feedback)
{
    vec pair = vec_load(hidden);
    return (vec_load(gradient) * scale + vec_low(pair) * feedback) * vec_high(pair);
}

FCMAE_INLINE void hidden_backward_columns(const int nv, hidden_columns h, const float *scale,
                                          const float *feedback, uint16_t *narrow, uint32_t *pairs,
                                          float *sum)
{
    vec s[5], k[5], total[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(scale + n * VEC_LANES);
        k[n] = vec_load(feedback + n * VEC_LANES);
        total[n] = vec_load(sum + n * VEC_LANES);
    }
    for (int m = h.first, step; m < h.first + h.rows; m += step, h = shifted(h, step * h.width)) {
        uint32_t *both = pairs + (int64_t)(m / 2) * h.width;
        uint16_t *out = narrow + (int64_t)m * h.width;
        step = rows_together(h, m);
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            int at = n * VEC_LANES, below = h.width + at;
            __builtin_prefetch(h.hidden + 8 * h.width + at);
            vec dz = hidden_gradient(h.gradient + at, h.hidden + at, s[n], k[n]);
            half_vec half = vec_narrow(dz);
            vec_store_half(out + at, half);
            total[n] += dz;
            if (step == 2) {
                __builtin_prefetch(h.hidden + 9 * h.width + at);
                vec next = hidden_gradient(h.gradient + below, h.hidden + below, s[n], k[n]);
                vec_store_half(out + below, vec_narrow(next));
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

void FCMAE_KERNEL(fcmae_hidden_backward_narrow)(int rows, int width, const float *gradient,
                                                const float *hidden, const float *scale,
                                                const float *feedback,
                                                const fcmae_narrow_panel *out, float *sum)
{
    hidden_columns all = {out->first, rows, width, gradient, hidden};
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, hidden_backward_columns, shifted(all, column), scale + column,
                  feedback + column, out->rows + column, out->pairs + column, sum + column);
}
