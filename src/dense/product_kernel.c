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

/* Most rows of a tile, by its vectors: what the accumulators of a row, the vectors of b and one
 * value of a leave of 32 registers, or of 16. There panels are taken in slices of two vectors. */
#if VEC_LANES == 16
#define TILE_SIZES(X) X(1, 14) X(2, 12) X(3, 8) X(4, 6) X(5, 5)
#else
#define TILE_SIZES(X) X(2, 6)
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
    const float *weights = share.lines ? p->soon_weights + 16 * (int64_t)share.first : NULL;
    for (int panel = 0; panel < p->a_panels; panel++) {
        const float *a = p->a + panel * p->a_panel_stride + row * a_row;
        if (panel + 1 < p->a_panels) { /* far apart: no hardware prefetch finds the next */
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

/* X(rows, vectors) for every height up to the most */
#define HEIGHTS_5(X, nv) X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv)
#define HEIGHTS_6(X, nv) HEIGHTS_5(X, nv) X(6, nv)
#define HEIGHTS_8(X, nv) HEIGHTS_6(X, nv) X(7, nv) X(8, nv)
#define HEIGHTS_12(X, nv) HEIGHTS_8(X, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)
#define HEIGHTS_14(X, nv) HEIGHTS_12(X, nv) X(13, nv) X(14, nv)

#define DEFINE_TILE(mr, nv)                                                                        \
    static void tile_##mr##x##nv(const fcmae_product *p, int row, int column, weight_share share)  \
    {                                                                                              \
        tile(false, mr, nv, p, row, column, share);                                                \
    }                                                                                              \
    static void pairs_##mr##x##nv(const fcmae_product *p, int row, int column, weight_share share) \
    {                                                                                              \
        tile(true, mr, nv, p, row, column, share);                                                 \
    }
#define DEFINE_TILES(nv, most) HEIGHTS_##most(DEFINE_TILE, nv)
TILE_SIZES(DEFINE_TILES)

#define LIMIT(nv, most) [nv] = most,
static const int most_rows[] = {TILE_SIZES(LIMIT)};

#define FLOAT_ENTRY(mr, nv) [nv][mr] = tile_##mr##x##nv,
#define FLOAT_ENTRIES(nv, most) HEIGHTS_##most(FLOAT_ENTRY, nv)
static tile_function *const float_tiles[][MOST_ROWS + 1] = {TILE_SIZES(FLOAT_ENTRIES)};

#define PAIR_ENTRY(mr, nv) [nv][mr] = pairs_##mr##x##nv,
#define PAIR_ENTRIES(nv, most) HEIGHTS_##most(PAIR_ENTRY, nv)
static tile_function *const pair_tiles[][MOST_ROWS + 1] = {TILE_SIZES(PAIR_ENTRIES)};

static void run_tiles(tile_function *const tiles[][MOST_ROWS + 1], const fcmae_product *p)
{
    if (p->rows <= 0) return;
    int nv = VEC_LANES == 16 ? p->width / VEC_LANES : 2, most = most_rows[nv];
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

void FCMAE_KERNEL(fcmae_product)(const fcmae_product *product)
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
