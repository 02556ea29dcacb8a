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

#define SIDE 5 /* cells in reach: -2 .. 2 in both directions */

/* The tap between equal sites of two cells, by place: 24 + 14 dy + 2 dx. Outside of the 49 where no
 * equal sites are in reach. A table, because gcc 12 warns of the sum. */
static const int8_t tap_between[SIDE * SIDE] = {-8, -6, -4, -2, 0,  6,  8,  10, 12, 14, 20, 22, 24,
                                                26, 28, 34, 36, 38, 40, 42, 48, 50, 52, 54, 56};

/* Vectors of channels that one pass over the neighbours takes. */
#define GROUP 2

/** Sites of a cell that are in reach along one axis: `out` of this cell, `in` of the other. */
#define OUT_FIRST(distance) ((distance) == 2)
#define OUT_LAST(distance) ((distance) != -2)
#define IN_FIRST(distance) ((distance) == -2)
#define IN_LAST(distance) ((distance) != 2)

/** A statement: calls body(dy, dx, ...); a distance along an axis is -2, 2, or near, given as 0. */
#define FIX_DISTANCE(y, x, body, ...)                                                      \
    do {                                                                                   \
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
        }                                                                                  \
    } while (0)

/** sum[nv][4 sites] += the sites in reach of the cell at `x`; between: tap of equal sites of both.
 */
FCMAE_INLINE void add_cell(const int dy, const int dx, const int nv, const float *x, int64_t stride,
                           const vec (*tap)[GROUP], int between, vec (*sum)[4])
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
                        sum[n][2 * oy + ox] += value * tap[between + (iy - oy) * 7 + ix - ox][n];
                }
            }
        }
    }
}

/** Fetches the columns from `column` on of the rows of a cell that are wanted soon. */
FCMAE_INLINE void fetch_soon(const int nv, fcmae_depthwise_cells cells, int cell, int column)
{
    for (int64_t row = 4 * (cell - cells.first); row < 4 * (cell - cells.first) + 4; row++)
        for (int n = column; n < column + nv * VEC_LANES; n += 16) {
            if (cells.soon_read) __builtin_prefetch(cells.soon_read + row * cells.stride + n, 0);
            if (cells.soon_written)
                __builtin_prefetch(cells.soon_written + row * cells.stride + n, 1);
        }
}

/** One group of columns at all cells. */
FCMAE_INLINE void quad_columns(const int nv, fcmae_depthwise_cells cells, fcmae_filter filter,
                               int column, float *out)
{
    const int64_t stride = cells.stride;
    const float *x = cells.x + column, *bias = filter.bias ? filter.bias + column : 0;
    vec tap[49][GROUP]; /* side by side: whatever the stride, they stay in the first cache */
    for (int k = 0; k < 49; k++) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++)
            tap[k][n] = vec_load(filter.taps + k * filter.stride + column + n * VEC_LANES);
    }
    for (int cell = cells.first; cell < cells.last; cell++) {
        float *o = out + 4 * cell * stride + column;
        fetch_soon(nv, cells, cell, column);
        vec sum[GROUP][4];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            FCMAE_UNROLL
            for (int s = 0; s < 4; s++)
                sum[n][s] = vec_load((bias ? bias : o + s * stride) + n * VEC_LANES);
        }
        for (int e = cells.neighbours->start[cell]; e < cells.neighbours->start[cell + 1]; e++) {
            int place = cells.neighbours->place[e], dy = place / SIDE - 2, dx = place % SIDE - 2;
            FIX_DISTANCE(dy, dx, add_cell, nv, x + cells.neighbours->row[e] * stride, stride, tap,
                         tap_between[place], sum);
        }
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            FCMAE_UNROLL
            for (int s = 0; s < 4; s++) vec_store(o + s * stride + n * VEC_LANES, sum[n][s]);
        }
    }
}

void FCMAE_KERNEL(fcmae_depthwise_quads)(const fcmae_depthwise_cells *cells,
                                         const fcmae_filter *filter, float *out)
{
    int c = 0;
    for (; c + GROUP * VEC_LANES <= cells->columns; c += GROUP * VEC_LANES)
        quad_columns(GROUP, *cells, *filter, c, out);
    for (; c < cells->columns; c += VEC_LANES) quad_columns(1, *cells, *filter, c, out);
}

/** Pairs of cells at one distance, and the rows they lead to. */
typedef struct cell_pairs {
    int count;
    const int32_t *cell, *other;
    const float *x, *gradient;
    int64_t stride;
} cell_pairs;

/** Tap gradients of these pairs, one vector of channels. */
FCMAE_INLINE void pair_taps(const int dy, const int dx, cell_pairs pairs, float *dtaps,
                            int64_t tap_stride, int between)
{
    const int64_t stride = pairs.stride;
    /* one sum for each pair of site rows and each column distance: 12 chains, not 9 */
    vec sum[2][2][3] = {{{{0}}}};
    for (int i = 0; i < pairs.count; i++) {
        const float *value = pairs.x + pairs.other[i] * stride;
        const float *d = pairs.gradient + pairs.cell[i] * stride;
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
                float *to = dtaps + (between + (iy - oy) * 7 + k) * tap_stride;
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
            const cell_pairs near = {.count = count,
                                     .cell = pairs->cell + begin,
                                     .other = pairs->other + begin,
                                     .x = crowded ? (const float *)near_x : x,
                                     .gradient = crowded ? (const float *)near_gradient : gradient,
                                     .stride = crowded ? VEC_LANES : stride};
            FIX_DISTANCE(dy, dx, pair_taps, near, dtaps + c, tap_stride, tap_between[place]);
        }
    }
}
