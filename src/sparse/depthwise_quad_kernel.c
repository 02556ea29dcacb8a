/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Depthwise 7x7 at cells of 2x2 sites (quads), pair of cells by pair of cells.
 *
 * A site sees other cells whole or not at all. Between two cells at most one apart all 16 pairs of
 * sites are in reach and share 9 taps, so 4 rows and 9 taps are loaded for 16 products where a list
 * of sites loads 32. Of a cell two apart, only the near row or column of sites is in reach.
 */
#include <stdbool.h>

#include "core/isa.h"
#include "sparse/sparse_kernels.h"

#define SIDE 5    /* cells in reach: -2 .. 2 in both directions */
#define CENTRE 24 /* tap of distance zero */

/* The tap between equal sites of two cells, by place: CENTRE + 14 dy + 2 dx. A table, because gcc
 * 12 takes the sum for one that may leave the 49 taps. */
static const int8_t tap_between[SIDE * SIDE] = {-8, -6, -4, -2, 0,  6,  8,  10, 12, 14, 20, 22, 24,
                                                26, 28, 34, 36, 38, 40, 42, 48, 50, 52, 54, 56};

/* Vectors of channels that one pass over the neighbours takes. */
#define GROUP 2

/** Sites of a cell that are in reach along one axis: `out` of this cell, `in` of the other. */
#define OUT_FIRST(distance) ((distance) == 2)
#define OUT_LAST(distance) ((distance) != -2)
#define IN_FIRST(distance) ((distance) == -2)
#define IN_LAST(distance) ((distance) != 2)

/** Calls body(dy, dx, ...): a cell's distance along an axis is -2, 2, or near, given as 0. */
#define FIX_DISTANCE(y, x, body, ...)                                                  \
    switch (((y) == -2 ? 0 : (y) == 2 ? 6 : 3) + ((x) == -2 ? 0 : (x) == 2 ? 2 : 1)) { \
    case 0: body(-2, -2, __VA_ARGS__); break;                                          \
    case 1: body(-2, 0, __VA_ARGS__); break;                                           \
    case 2: body(-2, 2, __VA_ARGS__); break;                                           \
    case 3: body(0, -2, __VA_ARGS__); break;                                           \
    case 4: body(0, 0, __VA_ARGS__); break;                                            \
    case 5: body(0, 2, __VA_ARGS__); break;                                            \
    case 6: body(2, -2, __VA_ARGS__); break;                                           \
    case 7: body(2, 0, __VA_ARGS__); break;                                            \
    default: body(2, 2, __VA_ARGS__); break;                                           \
    }

/** sum[nv][4 sites] += the sites in reach of the cell at `x`; tap: between equal sites of both. */
FCMAE_INLINE void add_cell(const int dy, const int dx, const int nv, const float *x, int64_t stride,
                           const vec (*tap)[GROUP], vec (*sum)[4])
{
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        FCMAE_UNROLL
        for (int iy = IN_FIRST(dy); iy <= IN_LAST(dy); iy++) {
            FCMAE_UNROLL
            for (int ix = IN_FIRST(dx); ix <= IN_LAST(dx); ix++) {
                vec value = vec_load(x + (2 * iy + ix) * stride + n * VEC_LANES);
                FCMAE_UNROLL
                for (int oy = OUT_FIRST(dy); oy <= OUT_LAST(dy); oy++) {
                    FCMAE_UNROLL
                    for (int ox = OUT_FIRST(dx); ox <= OUT_LAST(dx); ox++)
                        sum[n][2 * oy + ox] += value * tap[(iy - oy) * 7 + ix - ox][n];
                }
            }
        }
    }
}

/** One group of columns at cells first .. last-1. */
FCMAE_INLINE void quad_columns(const int nv, int first, int last,
                               const fcmae_neighbours *neighbours, const float *x, int64_t stride,
                               const float *taps, int64_t tap_stride, const float *bias, float *out,
                               const float *soon_read, float *soon_written)
{
    vec tap[49][GROUP]; /* side by side: whatever the stride, they stay in the first cache */
    for (int k = 0; k < 49; k++) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) tap[k][n] = vec_load(taps + k * tap_stride + n * VEC_LANES);
    }
    for (int cell = first; cell < last; cell++) {
        float *o = out + 4 * cell * stride;
        for (int64_t row = 4 * (cell - first); row < 4 * (cell - first) + 4; row++)
            for (int n = 0; n < nv * VEC_LANES; n += 16) {
                if (soon_read) __builtin_prefetch(soon_read + row * stride + n, 0);
                if (soon_written) __builtin_prefetch(soon_written + row * stride + n, 1);
            }
        vec sum[GROUP][4];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            FCMAE_UNROLL
            for (int s = 0; s < 4; s++)
                sum[n][s] = vec_load((bias ? bias : o + s * stride) + n * VEC_LANES);
        }
        for (int e = neighbours->start[cell]; e < neighbours->start[cell + 1]; e++) {
            int dy = neighbours->place[e] / SIDE - 2, dx = neighbours->place[e] % SIDE - 2;
            FIX_DISTANCE(dy, dx, add_cell, nv, x + neighbours->row[e] * stride, stride,
                         tap + tap_between[neighbours->place[e]], sum)
        }
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            FCMAE_UNROLL
            for (int s = 0; s < 4; s++) vec_store(o + s * stride + n * VEC_LANES, sum[n][s]);
        }
    }
}

void FCMAE_KERNEL(fcmae_depthwise_quads)(int first, int last, int columns,
                                         const fcmae_neighbours *neighbours, const float *x,
                                         int64_t stride, const float *taps, int64_t tap_stride,
                                         const float *bias, float *out, const float *soon_read,
                                         float *soon_written)
{
    int c = 0;
    for (; c + GROUP * VEC_LANES <= columns; c += GROUP * VEC_LANES)
        quad_columns(GROUP, first, last, neighbours, x + c, stride, taps + c, tap_stride,
                     bias ? bias + c : 0, out + c, soon_read ? soon_read + c : 0,
                     soon_written ? soon_written + c : 0);
    for (; c < columns; c += VEC_LANES)
        quad_columns(1, first, last, neighbours, x + c, stride, taps + c, tap_stride,
                     bias ? bias + c : 0, out + c, soon_read ? soon_read + c : 0,
                     soon_written ? soon_written + c : 0);
}

/** Tap gradients of all pairs of cells at one distance, one vector of channels. */
FCMAE_INLINE void pair_taps(const int dy, const int dx, int pairs, const int32_t *cell,
                            const int32_t *other, const float *x, const float *gradient,
                            int64_t stride, float *dtap, int64_t tap_stride)
{
    /* one sum for each pair of site rows and each column distance: 12 chains, not 9 */
    vec sum[2][2][3] = {{{{0}}}};
    for (int i = 0; i < pairs; i++) {
        const float *value = x + other[i] * stride, *d = gradient + cell[i] * stride;
        FCMAE_UNROLL
        for (int oy = OUT_FIRST(dy); oy <= OUT_LAST(dy); oy++) {
            FCMAE_UNROLL
            for (int iy = IN_FIRST(dy); iy <= IN_LAST(dy); iy++) {
                FCMAE_UNROLL
                for (int ox = OUT_FIRST(dx); ox <= OUT_LAST(dx); ox++) {
                    FCMAE_UNROLL
                    for (int ix = IN_FIRST(dx); ix <= IN_LAST(dx); ix++)
                        sum[oy][iy][ix - ox + 1] += vec_load(value + (2 * iy + ix) * stride) *
                                                    vec_load(d + (2 * oy + ox) * stride);
                }
            }
        }
    }
    FCMAE_UNROLL
    for (int oy = OUT_FIRST(dy); oy <= OUT_LAST(dy); oy++) {
        FCMAE_UNROLL
        for (int iy = IN_FIRST(dy); iy <= IN_LAST(dy); iy++) {
            FCMAE_UNROLL
            for (int k = IN_FIRST(dx) - OUT_LAST(dx); k <= IN_LAST(dx) - OUT_FIRST(dx); k++) {
                float *to = dtap + ((iy - oy) * 7 + k) * tap_stride;
                vec_store(to, vec_load(to) + sum[oy][iy][k + 1]);
            }
        }
    }
}

/* Rows a multiple of 512 bytes apart share few sets of the first cache and push each other out.
 * Then one vector of each row is copied, side by side, before all places are visited: twice as fast
 * at 512 channels, 1.2 times at 384; at 160 channels it would cost a tenth. */
#define CROWDED_STRIDE 128
#define MOST_ROWS 512

void FCMAE_KERNEL(fcmae_depthwise_quad_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                             const float *gradient, int64_t stride, float *dtaps,
                                             int64_t tap_stride)
{
    vec near_x[MOST_ROWS], near_gradient[MOST_ROWS];
    const bool crowded = stride % CROWDED_STRIDE == 0 && pairs->rows <= MOST_ROWS;
    for (int c = 0; c < columns; c += VEC_LANES, x += VEC_LANES, gradient += VEC_LANES) {
        for (int row = 0; row < pairs->rows && crowded; row++) {
            near_x[row] = vec_load(x + row * stride);
            near_gradient[row] = vec_load(gradient + row * stride);
        }
        for (int place = 0; place < SIDE * SIDE; place++) {
            int begin = pairs->start[place], count = pairs->start[place + 1] - begin;
            int dy = place / SIDE - 2, dx = place % SIDE - 2;
            FIX_DISTANCE(dy, dx, pair_taps, count, pairs->cell + begin, pairs->other + begin,
                         crowded ? (const float *)near_x : x,
                         crowded ? (const float *)near_gradient : gradient,
                         crowded ? VEC_LANES : stride,
                         dtaps + (CENTRE + 14 * dy + 2 * dx) * tap_stride + c, tap_stride)
        }
    }
}
