/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Matrix products, one panel at a time.
 *
 * One body with constant tile height and width: the accumulators stay in registers, a step in k
 * loads NV vectors of b and broadcasts one value of a per row, read in place (nothing is packed on
 * the a side). a may be addressed by row or by column, so forward, input gradient and weight
 * gradient are the same loop. Rows are split into nearly equal tiles: 76 rows are 12 tiles of 5 and
 * 4 of 4, not 15 of 5 and one of 1, which would run at a fifth of the speed.
 *
 * The bfloat16 product is the same loop over pairs: a 4-byte element holds two consecutive k.
 */
#include <stdbool.h>

#include "core/isa.h"
#include "core/kernels.h"
#include "dense/dense_kernels.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define MOST_ROWS 14
#define MOST_VECTORS 5

/** Bits of a float that holds a pair of bfloat16. */
FCMAE_INLINE int32_t pair_bits(const float *pair)
{
    int32_t bits;
    memcpy(&bits, pair, sizeof bits);
    return bits;
}

/**
 * One step over a pair of k in bfloat16: every 4-byte element is a pair (k even in the low half),
 * so addressing is that of the float32 step over half as many k. Without the instruction each half
 * is widened (a shift) and multiplied in float32: same operands, slower.
 */
FCMAE_INLINE void step_pairs(const int mr, const int nv, vec sum[][MOST_VECTORS], const float *a,
                             int64_t a_row, const float *b)
{
#ifdef __AVX512BF16__
    __m512bh line[MOST_VECTORS];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) line[n] = (__m512bh)_mm512_loadu_ps(b + n * VEC_LANES);
    FCMAE_UNROLL
    for (int m = 0; m < mr; m++) {
        __m512bh value = (__m512bh)_mm512_set1_epi32(pair_bits(a + m * a_row));
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++)
            sum[m][n] = (vec)_mm512_dpbf16_ps((__m512)sum[m][n], value, line[n]);
    }
#else
    for (int half = 0; half < 2; half++) {
        vec line[MOST_VECTORS];
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            vec_int bits = (vec_int)vec_load(b + n * VEC_LANES);
            line[n] = half ? (vec)(bits & (int32_t)0xffff0000) : (vec)(bits << 16);
        }
        FCMAE_UNROLL
        for (int m = 0; m < mr; m++) {
            int32_t bits = pair_bits(a + m * a_row);
            vec_int wide = (vec_int){0} +
                           (half ? bits & (int32_t)0xffff0000 : (int32_t)((uint32_t)bits << 16));
            FCMAE_UNROLL
            for (int n = 0; n < nv; n++) sum[m][n] += (vec)wide * line[n];
        }
    }
#endif
}

/** One step in k: nv vectors of b against one value of a per row. */
FCMAE_INLINE void step(const bool pairs, const int mr, const int nv, vec sum[][MOST_VECTORS],
                       const float *a, int64_t a_row, const float *b)
{
    if (pairs) {
        step_pairs(mr, nv, sum, a, a_row, b);
        return;
    }
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
 * channels: 0.72 of the peak against 0.93).
 */
FCMAE_INLINE void fetch_line(const int nv, const fcmae_product *p, int row, int column, int index)
{
    const int lines = nv * VEC_LANES / 16 > 0 ? nv * VEC_LANES / 16 : 1;
    int64_t m = row + index / lines, i = column + index % lines * 16;
    __builtin_prefetch(p->c + m * p->c_row + i, 1);
    if (p->soon_written) __builtin_prefetch(p->soon_written + m * p->width + i, 1);
    if (p->soon_read) __builtin_prefetch(p->soon_read + m * p->width + i, 0);
}

/** Lines of the next weights that one tile fetches. */
typedef struct weight_share {
    int first, lines;
} weight_share;

FCMAE_INLINE void tile(const bool pairs, const int mr, const int nv, const fcmae_product *p,
                       int row, int column, weight_share share)
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
    int fetched = 0, ahead = 0;
    const float *weights = p->soon_weights + 16 * (int64_t)share.first;
    for (int panel = 0; panel < p->a_panels; panel++) {
        const float *a = p->a + panel * p->a_panel_stride + row * a_row;
        if (panel + 1 <
            p->a_panels) { /* panels lie far apart: no hardware prefetch finds the next */
            FCMAE_UNROLL
            for (int m = 0; m < mr; m++)
                for (int i = 0; i < p->a_panel_width; i += 16)
                    __builtin_prefetch(a + p->a_panel_stride + m * a_row + i);
        }
        int k = 0;
        for (; k < p->a_panel_width && fetched < lines; k++, a += a_step, b += b_row) {
            fetch_line(nv, p, row, column, fetched++);
            step(pairs, mr, nv, sum, a, a_row, b);
        }
        for (; k < p->a_panel_width && ahead < share.lines; k++, a += a_step, b += b_row) {
            __builtin_prefetch(weights + 16 * ahead++, 0, 2);
            step(pairs, mr, nv, sum, a, a_row, b);
        }
        for (; k < p->a_panel_width; k++, a += a_step, b += b_row) {
            step(pairs, mr, nv, sum, a, a_row, b);
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

typedef void tile_function(const fcmae_product *p, int row, int column, weight_share share);

#define TILE(MR, NV)                                                                               \
    static void tile_##MR##x##NV(const fcmae_product *p, int row, int column, weight_share share)  \
    {                                                                                              \
        tile(false, MR, NV, p, row, column, share);                                                \
    }                                                                                              \
    static void pairs_##MR##x##NV(const fcmae_product *p, int row, int column, weight_share share) \
    {                                                                                              \
        tile(true, MR, NV, p, row, column, share);                                                 \
    }

#if VEC_LANES == 16
/* 32 registers. Tile heights by panel width: 80 -> 5, 64 -> 6, 48 -> 8, 32 -> 12, 16 -> 14. */
TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1)
    TILE(13, 1) TILE(14, 1) TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2)
        TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2) TILE(11, 2) TILE(12, 2) TILE(1, 3) TILE(2, 3)
            TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3) TILE(1, 4) TILE(2, 4)
                TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4) TILE(1, 5) TILE(2, 5) TILE(3, 5)
                    TILE(4, 5) TILE(5, 5) static const int tile_rows[] = {0, 14, 12, 8, 6, 5};
#define TABLE(T)                                                                          \
    {                                                                                     \
        {0}, {0,       T##_1x1, T##_2x1,  T##_3x1,  T##_4x1,  T##_5x1,  T##_6x1, T##_7x1, \
              T##_8x1, T##_9x1, T##_10x1, T##_11x1, T##_12x1, T##_13x1, T##_14x1},        \
            {0,       T##_1x2, T##_2x2, T##_3x2,  T##_4x2,  T##_5x2, T##_6x2,             \
             T##_7x2, T##_8x2, T##_9x2, T##_10x2, T##_11x2, T##_12x2},                    \
            {0, T##_1x3, T##_2x3, T##_3x3, T##_4x3, T##_5x3, T##_6x3, T##_7x3, T##_8x3},  \
            {0, T##_1x4, T##_2x4, T##_3x4, T##_4x4, T##_5x4, T##_6x4},                    \
        {                                                                                 \
            0, T##_1x5, T##_2x5, T##_3x5, T##_4x5, T##_5x5                                \
        }                                                                                 \
    }
static int vectors_at_once(int width)
{
    return width / VEC_LANES;
}
#else
/* 16 registers: 6 rows of two vectors (12 accumulators), panels in slices of two vectors. */
TILE(1, 2)
TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) static const int tile_rows[] = {0, 0, 6};
#define TABLE(T)                                                    \
    {                                                               \
        {0}, {0},                                                   \
        {                                                           \
            0, T##_1x2, T##_2x2, T##_3x2, T##_4x2, T##_5x2, T##_6x2 \
        }                                                           \
    }
static int vectors_at_once(int width)
{
    (void)width;
    return 2;
}
#endif
static tile_function *const float_tiles[][MOST_ROWS + 1] = TABLE(tile);
static tile_function *const pair_tiles[][MOST_ROWS + 1] = TABLE(pairs);

static void run_tiles(tile_function *const tiles[][MOST_ROWS + 1], const fcmae_product *p)
{
    if (p->rows <= 0) return;
    int nv = vectors_at_once(p->width), most = tile_rows[nv];
    int count = (p->rows + most - 1) / most, height = p->rows / count, taller = p->rows % count;
    int strips = p->width / (nv * VEC_LANES);
    weight_share share = {0, (p->soon_lines + strips * count - 1) / (strips * count)};
    for (int column = 0; column < p->width; column += nv * VEC_LANES) {
        int row = 0;
        for (int t = 0; t < count; t++, share.first += share.lines) {
            int rows = height + (t < taller);
            tiles[nv][rows](p, row, column, share);
            row += rows;
        }
    }
}

void FCMAE_KERNEL(fcmae_product_panel)(const fcmae_product *product)
{
    run_tiles(float_tiles, product);
}

void FCMAE_KERNEL(fcmae_product_pairs)(const fcmae_product *product)
{
    run_tiles(pair_tiles, product);
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

double FCMAE_KERNEL(fcmae_peak_pairs)(int64_t iterations, float *sink)
{
#ifdef __AVX512BF16__
    enum { CHAINS = 24 };
    vec sum[CHAINS];
    __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3f803f80); /* pairs of 1.0 */
    FCMAE_UNROLL
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_set((float)i);
    for (int64_t n = 0; n < iterations; n++) {
        FCMAE_UNROLL
        for (int i = 0; i < CHAINS; i++)
            sum[i] = (vec)_mm512_dpbf16_ps((__m512)sum[i], factor, factor);
    }
    vec total = vec_zero();
    FCMAE_UNROLL
    for (int i = 0; i < CHAINS; i++) total += sum[i];
    *sink += vec_sum(total);
    return 4.0 * VEC_LANES * CHAINS * (double)iterations;
#else
    return FCMAE_KERNEL(fcmae_peak)(iterations, sink);
#endif
}
