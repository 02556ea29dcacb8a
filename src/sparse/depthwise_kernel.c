/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Depthwise 7x7 over active sites, one vector of channels at a time.
 *
 * Where a mask cell holds 8x8 or 4x4 sites, all of them are active: a stencil with 16 accumulators
 * and the 7 taps of one kernel row in registers. The rows around the cell come through a table of
 * pointers (missing neighbours point to zeros), so nothing is gathered or cleared. Where cells are
 * 2x2 or single sites, half of the taps are missing and a list of the present ones is faster.
 */
#include "core/isa.h"
#include "sparse/sparse_kernels.h"
#include "sparse/z_order.h"

#define KERNEL 7

/** Two rows of eight outputs, or four rows of four. */
FCMAE_INLINE void stencil(const int side, const int out_rows, int y, const float *const *window,
                          int c, const float *taps, int64_t tap_stride, const float *bias,
                          float *out, int64_t out_stride)
{
    const int wide = side + KERNEL - 1;
    vec sum[4][8];
    FCMAE_UNROLL
    for (int r = 0; r < out_rows; r++) {
        FCMAE_UNROLL
        for (int x = 0; x < side; x++)
            sum[r][x] = bias ? vec_load(bias + c)
                             : vec_load(out + fcmae_z_order[y + r][x] * out_stride + c);
    }
    for (int ky = 0; ky < KERNEL; ky++) {
        vec tap[KERNEL];
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            tap[kx] = vec_load(taps + (ky * KERNEL + kx) * tap_stride + c);
        FCMAE_UNROLL
        for (int r = 0; r < out_rows; r++) {
            const float *const *line = window + (y + r + ky) * wide;
            FCMAE_UNROLL
            for (int i = 0; i < wide; i++) {
                vec value = vec_load(line[i] + c);
                FCMAE_UNROLL
                for (int kx = 0; kx < KERNEL; kx++)
                    if (i - kx >= 0 && i - kx < side) sum[r][i - kx] += value * tap[kx];
            }
        }
    }
    FCMAE_UNROLL
    for (int r = 0; r < out_rows; r++) {
        FCMAE_UNROLL
        for (int x = 0; x < side; x++)
            vec_store(out + fcmae_z_order[y + r][x] * out_stride + c, sum[r][x]);
    }
}

void FCMAE_KERNEL(fcmae_depthwise_cell)(int side, int columns, const float *const *window,
                                        const float *taps, int64_t tap_stride, const float *bias,
                                        float *out, int64_t out_stride)
{
    for (int c = 0; c < columns; c += VEC_LANES) {
        if (side == 8)
            for (int y = 0; y < 8; y += 2)
                stencil(8, 2, y, window, c, taps, tap_stride, bias, out, out_stride);
        else
            stencil(4, 4, 0, window, c, taps, tap_stride, bias, out, out_stride);
    }
}

/** Kernel row ky of the tap gradient: seven accumulators over the whole cell. */
FCMAE_INLINE void tap_row(const int side, int ky, const float *const *window, int c,
                          const float *gradient, int64_t stride, float *dtaps, int64_t tap_stride)
{
    const int wide = side + KERNEL - 1;
    vec sum[KERNEL];
    FCMAE_UNROLL
    for (int kx = 0; kx < KERNEL; kx++)
        sum[kx] = vec_load(dtaps + (ky * KERNEL + kx) * tap_stride + c);
    for (int y = 0; y < side; y++) {
        const float *const *line = window + (y + ky) * wide;
        vec d[8];
        FCMAE_UNROLL
        for (int x = 0; x < side; x++) d[x] = vec_load(gradient + fcmae_z_order[y][x] * stride + c);
        FCMAE_UNROLL
        for (int i = 0; i < wide; i++) {
            vec value = vec_load(line[i] + c);
            FCMAE_UNROLL
            for (int kx = 0; kx < KERNEL; kx++)
                if (i - kx >= 0 && i - kx < side) sum[kx] += value * d[i - kx];
        }
    }
    FCMAE_UNROLL
    for (int kx = 0; kx < KERNEL; kx++)
        vec_store(dtaps + (ky * KERNEL + kx) * tap_stride + c, sum[kx]);
}

void FCMAE_KERNEL(fcmae_depthwise_cell_taps)(int side, int columns, const float *const *window,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride)
{
    for (int c = 0; c < columns; c += VEC_LANES)
        for (int ky = 0; ky < KERNEL; ky++) {
            if (side == 8)
                tap_row(8, ky, window, c, gradient, stride, dtaps, tap_stride);
            else
                tap_row(4, ky, window, c, gradient, stride, dtaps, tap_stride);
        }
}

FCMAE_INLINE void list_columns(const int nv, int first, int last,
                               const fcmae_neighbours *neighbours, const float *x, int64_t stride,
                               const float *taps, int64_t tap_stride, const float *bias, float *out)
{
    for (int s = first; s < last; s++) {
        float *o = out + s * stride;
        vec sum[5];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) sum[n] = vec_load((bias ? bias : o) + n * VEC_LANES);
        for (int e = neighbours->start[s]; e < neighbours->start[s + 1]; e++) {
            const float *value = x + neighbours->row[e] * stride;
            const float *tap = taps + neighbours->tap[e] * tap_stride;
            FCMAE_UNROLL
            for (int n = 0; n < nv; n++)
                sum[n] += vec_load(value + n * VEC_LANES) * vec_load(tap + n * VEC_LANES);
        }
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) vec_store(o + n * VEC_LANES, sum[n]);
    }
}

void FCMAE_KERNEL(fcmae_depthwise_list)(int first, int last, int columns,
                                        const fcmae_neighbours *neighbours, const float *x,
                                        int64_t stride, const float *taps, int64_t tap_stride,
                                        const float *bias, float *out)
{
    VEC_FOR_GROUPS (columns, column, group)
        VEC_FIX_GROUP(group, list_columns, first, last, neighbours, x + column, stride,
                      taps + column, tap_stride, bias ? bias + column : 0, out + column)
}

FCMAE_INLINE void list_tap_columns(const int nv, int pairs, const int32_t *site, const int32_t *row,
                                   const float *x, const float *gradient, int64_t stride,
                                   float *dtap)
{
    vec sum[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) sum[n] = vec_load(dtap + n * VEC_LANES);
    for (int i = 0; i < pairs; i++) {
        const float *value = x + row[i] * stride, *d = gradient + site[i] * stride;
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++)
            sum[n] += vec_load(value + n * VEC_LANES) * vec_load(d + n * VEC_LANES);
    }
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) vec_store(dtap + n * VEC_LANES, sum[n]);
}

void FCMAE_KERNEL(fcmae_depthwise_list_tap)(int pairs, int columns, const int32_t *site,
                                            const int32_t *row, const float *x,
                                            const float *gradient, int64_t stride, float *dtap)
{
    VEC_FOR_GROUPS (columns, column, group)
        VEC_FIX_GROUP(group, list_tap_columns, pairs, site, row, x + column, gradient + column,
                      stride, dtap + column)
}
