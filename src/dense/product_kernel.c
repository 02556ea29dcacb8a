/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Matrix products, one panel at a time.
 *
 * One body with constant tile height and width: the accumulators stay in registers, a step in k
 * loads NV vectors of b and broadcasts one value of a per row, read in place (nothing is packed on
 * the a side). a may be addressed by row or by column, so forward, input gradient and weight gradient
 * are the same loop. Rows are split into nearly equal tiles: 76 rows are 12 tiles of 5 and 4 of 4,
 * not 15 of 5 and one of 1, which would run at a fifth of the speed.
 */
#include "core/isa.h"
#include "core/kernels.h"
#include "dense/dense_kernels.h"

#define MOST_ROWS 14
#define MOST_VECTORS 5

/** One step in k: nv vectors of b against one value of a per row. */
FCMAE_INLINE void step(const int mr, const int nv, vec sum[][MOST_VECTORS], const float *a,
                       int64_t a_row, const float *b)
{
    vec line[MOST_VECTORS];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) line[n] = vec_load(b + n * VEC_LANES);
    FCMAE_UNROLL
    for (int m = 0; m < mr; m++) {
        vec value = vec_set(a[m * a_row]);
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) sum[m][n] += value * line[n];
    }
}

/**
 * Fetches cache line `index` of the tile's results, and of what the caller touches next. One line
 * per step: all at once they fill the miss buffers and the loop waits behind them (wgrad of 320
 * channels: 0.72 of the peak against 0.85).
 */
FCMAE_INLINE void fetch_line(const int nv, const fcmae_product *p, int row, int column, int index)
{
    const int lines = nv * VEC_LANES / 16 > 0 ? nv * VEC_LANES / 16 : 1;
    int64_t m = row + index / lines, i = column + index % lines * 16;
    __builtin_prefetch(p->c + m * p->c_row + i, 1);
    if (p->soon_written) __builtin_prefetch(p->soon_written + m * p->width + i, 1);
    if (p->soon_read) __builtin_prefetch(p->soon_read + m * p->width + i, 0);
}

FCMAE_INLINE void tile(const int mr, const int nv, const fcmae_product *p, int row, int column)
{
    const int lines = mr * (nv * VEC_LANES / 16 > 0 ? nv * VEC_LANES / 16 : 1);
    const int64_t a_row = p->a_row, a_step = p->a_step, b_row = p->b_row;
    const float *b = p->b + column;
    vec sum[MOST_ROWS][MOST_VECTORS];

    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) {
        vec start = p->bias ? vec_load(p->bias + column + n * VEC_LANES) : vec_zero();
        FCMAE_UNROLL
        for (int m = 0; m < mr; m++) sum[m][n] = start;
    }
    int fetched = 0;
    for (int panel = 0; panel < p->a_panels; panel++) {
        const float *a = p->a + panel * p->a_panel_stride + row * a_row;
        if (panel + 1 < p->a_panels) { /* panels lie far apart: no hardware prefetch finds the next */
            FCMAE_UNROLL
            for (int m = 0; m < mr; m++)
                for (int i = 0; i < p->a_panel_width; i += 16)
                    __builtin_prefetch(a + p->a_panel_stride + m * a_row + i);
        }
        int k = 0;
        for (; k < p->a_panel_width && fetched < lines; k++, a += a_step, b += b_row) {
            fetch_line(nv, p, row, column, fetched++);
            step(mr, nv, sum, a, a_row, b);
        }
        for (; k < p->a_panel_width; k++, a += a_step, b += b_row) {
            __builtin_prefetch(a + 12 * a_step); /* rows of a power-of-two stride share few sets */
            step(mr, nv, sum, a, a_row, b);
        }
    }
    FCMAE_UNROLL
    for (int m = 0; m < mr; m++) {
        float *c = p->c + (row + m) * p->c_row + column;
        const float *add = p->add ? p->add + (row + m) * p->add_row + column : 0;
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            if (add) sum[m][n] += vec_load(add + n * VEC_LANES);
            vec_store(c + n * VEC_LANES, sum[m][n]);
        }
    }
}

typedef void tile_function(const fcmae_product *p, int row, int column);

#define TILE(MR, NV)                                                                               \
    static void tile_##MR##x##NV(const fcmae_product *p, int row, int column)                      \
    {                                                                                              \
        tile(MR, NV, p, row, column);                                                              \
    }

#if VEC_LANES == 16
/* 32 registers. Tile heights by panel width: 80 -> 5, 64 -> 6, 48 -> 8, 32 -> 12, 16 -> 14. */
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(9, 1)
TILE(10, 1) TILE(11, 1) TILE(12, 1) TILE(13, 1) TILE(14, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2)
TILE(10, 2) TILE(11, 2) TILE(12, 2)
TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)
TILE(1, 5) TILE(2, 5) TILE(3, 5) TILE(4, 5) TILE(5, 5)
static const int tile_rows[] = {0, 14, 12, 8, 6, 5};
static tile_function *const tiles[][MOST_ROWS + 1] = {
    {0},
    {0, tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1, tile_9x1,
     tile_10x1, tile_11x1, tile_12x1, tile_13x1, tile_14x1},
    {0, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2, tile_9x2,
     tile_10x2, tile_11x2, tile_12x2},
    {0, tile_1x3, tile_2x3, tile_3x3, tile_4x3, tile_5x3, tile_6x3, tile_7x3, tile_8x3},
    {0, tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4},
    {0, tile_1x5, tile_2x5, tile_3x5, tile_4x5, tile_5x5},
};
static int vectors_at_once(int width)
{
    return width / VEC_LANES;
}
#else
/* 16 registers: 6 rows of two vectors (12 accumulators), panels in slices of two vectors. */
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2)
static const int tile_rows[] = {0, 0, 6};
static tile_function *const tiles[][MOST_ROWS + 1] = {
    {0}, {0}, {0, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2}};
static int vectors_at_once(int width)
{
    (void)width;
    return 2;
}
#endif

void FCMAE_KERNEL(fcmae_product_panel)(const fcmae_product *p)
{
    if (p->rows <= 0) return;
    int nv = vectors_at_once(p->width), most = tile_rows[nv];
    int count = (p->rows + most - 1) / most, height = p->rows / count, taller = p->rows % count;
    for (int column = 0; column < p->width; column += nv * VEC_LANES) {
        int row = 0;
        for (int t = 0; t < count; t++) {
            int rows = height + (t < taller);
            tiles[nv][rows](p, row, column);
            row += rows;
        }
    }
}

double FCMAE_KERNEL(fcmae_peak)(int64_t iterations, float *sink)
{
    enum { CHAINS = VEC_LANES == 16 ? 24 : 12 }; /* covers latency 4 x 2 units with room */
    vec sum[CHAINS], factor = vec_set(0.999999f), term = vec_set(1e-7f);
    FCMAE_UNROLL
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_set((float)i);
    for (int64_t n = 0; n < iterations; n++) {
        FCMAE_UNROLL
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + term;
    }
    vec total = vec_zero();
    FCMAE_UNROLL
    for (int i = 0; i < CHAINS; i++) total += sum[i];
    *sink += vec_sum(total);
    return 2.0 * VEC_LANES * CHAINS * (double)iterations;
}
