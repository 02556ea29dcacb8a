/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Depthwise 7x7 at sites without order: each walks the list of its present neighbours, up to five
 * vectors of channels at a time. Two loads for each product, and nothing is known of the next site.
 */
#include "core/isa.h"

FCMAE_INLINE void list_columns(const int nv, fcmae_depthwise_cells cells, fcmae_filter filter,
                               int column, float *out)
{
    const float *taps = filter.taps + column, *x = cells.x + column;
    const float *bias = filter.bias ? filter.bias + column : 0;
    for (int s = cells.first; s < cells.last; s++) {
        float *o = out + s * cells.stride + column;
        vec sum[5];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) sum[n] = vec_load((bias ? bias : o) + n * VEC_LANES);
        for (int e = cells.neighbours->start[s]; e < cells.neighbours->start[s + 1]; e++) {
            const float *value = x + cells.neighbours->row[e] * cells.stride;
            const float *tap = taps + cells.neighbours->place[e] * filter.stride;
            FCMAE_UNROLL
            for (int n = 0; n < nv; n++)
                sum[n] += vec_load(value + n * VEC_LANES) * vec_load(tap + n * VEC_LANES);
        }
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) vec_store(o + n * VEC_LANES, sum[n]);
    }
}

void FCMAE_KERNEL(fcmae_depthwise_list)(const fcmae_depthwise_cells *cells,
                                        const fcmae_filter *filter, float *out)
{
    VEC_FOR_GROUPS(cells->columns, column, group)
    VEC_FIX_GROUP(group, list_columns, *cells, *filter, column, out);
}

FCMAE_INLINE void list_tap_columns(const int nv, const fcmae_pairs *pairs, const float *x,
                                   const float *gradient, int64_t stride, float *dtaps,
                                   int64_t tap_stride)
{
    for (int tap = 0; tap < 49; tap++) {
        float *dtap = dtaps + tap * tap_stride;
        vec sum[5];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) sum[n] = vec_load(dtap + n * VEC_LANES);
        for (int i = pairs->start[tap]; i < pairs->start[tap + 1]; i++) {
            const float *value = x + pairs->other[i] * stride;
            const float *d = gradient + pairs->cell[i] * stride;
            FCMAE_UNROLL
            for (int n = 0; n < nv; n++)
                sum[n] += vec_load(value + n * VEC_LANES) * vec_load(d + n * VEC_LANES);
        }
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) vec_store(dtap + n * VEC_LANES, sum[n]);
    }
}

void FCMAE_KERNEL(fcmae_depthwise_list_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride)
{
    VEC_FOR_GROUPS(columns, column, group)
    VEC_FIX_GROUP(group, list_tap_columns, pairs, x + column, gradient + column, stride,
                  dtaps + column, tap_stride);
}
