/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Element-wise passes over hidden panels that GRN needs; contracts in core/kernel_list.h. */
#include "core/isa.h"

FCMAE_INLINE void scale_columns(const int nv, int rows, int width, const float *in,
                                const float *scale, float *out)
{
    vec s[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) s[n] = vec_load(scale + n * VEC_LANES);
    for (int m = 0; m < rows; m++, in += width, out += width) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++)
            vec_store(out + n * VEC_LANES, vec_load(in + n * VEC_LANES) * s[n]);
    }
}

void FCMAE_KERNEL(fcmae_scale_panel)(int rows, int width, const float *in, const float *scale,
                                     float *out)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, scale_columns, rows, width, in + column, scale + column, out + column);
}

FCMAE_INLINE void scale_and_dot_columns(const int nv, int rows, int width, const float *gradient,
                                        const float *hidden, const float *scale, float *scaled,
                                        float *dot)
{
    vec s[5], sum[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(scale + n * VEC_LANES);
        sum[n] = vec_zero();
    }
    for (int m = 0; m < rows; m++, gradient += width, hidden += width, scaled += width) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            vec h = vec_load(hidden + n * VEC_LANES);
            sum[n] += vec_load(gradient + n * VEC_LANES) * h;
            vec_store(scaled + n * VEC_LANES, h * s[n]);
        }
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(dot + n * VEC_LANES, sum[n]);
}

void FCMAE_KERNEL(fcmae_scale_and_dot)(int rows, int width, const float *gradient,
                                       const float *hidden, const float *scale, float *scaled,
                                       float *dot)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, scale_and_dot_columns, rows, width, gradient + column, hidden + column,
                  scale + column, scaled + column, dot + column);
}

/** The per-column operands of hidden_backward. */
typedef struct column_terms {
    const float *scale, *feedback;
    float *sum;
} column_terms;

FCMAE_INLINE void hidden_backward_columns(const int nv, int rows, int width, float *gradient,
                                          const float *hidden, const float *slope,
                                          column_terms terms)
{
    vec s[5], k[5], total[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        s[n] = vec_load(terms.scale + n * VEC_LANES);
        k[n] = vec_load(terms.feedback + n * VEC_LANES);
        total[n] = vec_load(terms.sum + n * VEC_LANES);
    }
    for (int m = 0; m < rows; m++, gradient += width, hidden += width, slope += width) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            __builtin_prefetch(slope + 8 * width + n * VEC_LANES);
            __builtin_prefetch(hidden + 8 * width + n * VEC_LANES);
            vec dz = (vec_load(gradient + n * VEC_LANES) * s[n] +
                      vec_load(hidden + n * VEC_LANES) * k[n]) *
                     vec_load(slope + n * VEC_LANES);
            vec_store(gradient + n * VEC_LANES, dz);
            total[n] += dz;
        }
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(terms.sum + n * VEC_LANES, total[n]);
}

void FCMAE_KERNEL(fcmae_hidden_backward)(int rows, int width, float *gradient, const float *hidden,
                                         const float *slope, const float *scale,
                                         const float *feedback, float *sum)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, hidden_backward_columns, rows, width, gradient + column, hidden + column,
                  slope + column,
                  ((column_terms){scale + column, feedback + column, sum + column}));
}
