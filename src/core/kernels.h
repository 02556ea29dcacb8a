/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The kernel table: every inner loop of the project, one copy per instruction set.
 *
 * Kernels know nothing of networks. They see rows of floats whose stride is a multiple of 16
 * (padding columns are zero and stay zero) and *panels*: [rows][width] blocks with width one of 16,
 * 32, 48, 64, 80, contiguous. Kernels validate nothing; operators above them do.
 * All sums are taken in an order that depends on the arguments alone.
 */
#ifndef FCMAE_CORE_KERNELS_H
#define FCMAE_CORE_KERNELS_H

#include <stdint.h>

/** Instruction sets, each including the ones before it. */
typedef enum fcmae_isa {
    FCMAE_ISA_PORTABLE = 0,
    FCMAE_ISA_AVX2 = 1,
    FCMAE_ISA_AVX512 = 2,
    FCMAE_ISA_AVX512_BF16 = 3 /**< AVX-512 with bfloat16 products */
} fcmae_isa;

/**
 * One panel of a matrix product:
 *   c[m][n] = sum_k a(m, k) * b[k][n]  (+ bias[n])  (+ add[m][n]),   m < rows, n < width.
 * k runs over `a_panels` groups of `a_panel_width`; a(m, k) is
 * a[(k / a_panel_width) * a_panel_stride + m * a_row + (k % a_panel_width) * a_step].
 * b is [K][b_row] and c is [rows][c_row]. add == c accumulates.
 */
typedef struct fcmae_product {
    int rows, width;
    int a_panels, a_panel_width;
    const float *a;
    int64_t a_row, a_step, a_panel_stride;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
    const float *bias; /**< [width] or NULL */
    const float *add;  /**< [rows][add_row] or NULL */
    int64_t add_row;
    const float
        *soon_read; /**< [rows][width] that the caller reads next, fetched meanwhile; or NULL */
    float *soon_written; /**< likewise for what it overwrites next */
    const float
        *soon_weights; /**< fetched into the L2 cache meanwhile, or NULL: the b of the next one */
    int soon_lines;    /**< so many cache lines of it, spread over the product */
} fcmae_product;

/** Period of the factors of scale_bytes: whole vectors of whole pixels of 1, 2, 3, 4, 6 or 8
 * channels. */
#define FCMAE_BYTE_PERIOD 48

/** Neighbours of cells, flat: entries start[s] .. start[s + 1] - 1 belong to cell s. */
typedef struct fcmae_neighbours {
    const int32_t *start;
    const int32_t *row;   /**< first row of the neighbour */
    const uint8_t *place; /**< where it lies among the cells in reach, row-major, centre in the
                             middle: 7x7 of single sites (then place = tap), 5x5 of 2x2, else 3x3 */
} fcmae_neighbours;

/** The same by place: entries start[p] .. start[p + 1] - 1 lie at place p; first rows of both. */
typedef struct fcmae_pairs {
    int32_t rows; /**< of the map */
    int32_t start[49 + 1];
    const int32_t *cell, *other;
} fcmae_pairs;

/**
 * A rectangle of high x wide sites (at most 8 x 8) and the rows around it.
 * window[(high + 6) * (wide + 6)]: pointers to the input rows, row-major. In each line the first 3,
 * the middle `wide` and the last 3 rows are present or missing together: NULL in the first of them.
 */
typedef struct fcmae_depthwise_block {
    int high, wide, columns; /**< columns: multiple of 16 */
    const float *const *window;
    const float *soon_read; /**< high * wide rows that are read later: may be fetched; or NULL */
    float *soon_written;    /**< likewise written later */
    int64_t soon_stride;
} fcmae_depthwise_block;

typedef struct fcmae_kernels {
    const char *name;

    void (*product)(const fcmae_product *product);
    /** The same with pairs of bfloat16 in every 4-byte element of a and b (the even k in the low
     *  half); widths, strides and steps count 4-byte elements. Sums, bias, add
     *  and c are float32. */
    void (*product_pairs)(const fcmae_product *product);
    /** Rows to bfloat16, round to nearest even: out[m][c] from x[m][c]; columns a multiple of 16.
     *  Strides count floats and 2-byte elements. */
    void (*narrow_rows)(int rows, int columns, const float *x, int64_t stride, uint16_t *out,
                        int64_t out_stride);
    /** Pairs of rows: out[m / 2][c] = (x[m][c], x[m + 1][c]) for even m; a missing last row is
     * zero. out: 4-byte elements, [ceil(rows / 2)][out_stride]. */
    void (*narrow_pairs)(int rows, int columns, const float *x, int64_t stride, uint32_t *out,
                         int64_t out_stride);
    /** scale_panel of hidden pairs with a bfloat16 result, both [rows][width]. */
    void (*scale_panel_narrow)(int rows, int width, const float *hidden, const float *scale,
                               uint16_t *out);

    /** In place on a panel: value h = gelu(z) with exact erf, slope d = gelu'(z) (NULL: not
     * wanted), square[n] = sum over the rows of h^2 (NULL: not wanted; overwritten). */
    void (*gelu)(int rows, int width, float *z, float *slope, float *square);
    /** The same where products compute in bfloat16: an element becomes a *hidden pair* of bfloat16,
     * the value in the low half and the slope in the high half, good to that precision. square is
     * of the unrounded values. */
    void (*gelu_pairs)(int rows, int width, float *z, float *square);
    /** out[m][n] = in[m][n] * scale[n] */
    void (*scale_panel)(int rows, int width, const float *in, const float *scale, float *out);
    /** scaled = hidden * scale; dot[n] = sum over the rows of gradient * hidden (overwritten) */
    void (*scale_and_dot)(int rows, int width, const float *gradient, const float *hidden,
                          const float *scale, float *scaled, float *dot);
    /** gradient = (gradient * scale + hidden * feedback) * slope, in place; sum[n] += over rows */
    void (*hidden_backward)(int rows, int width, float *gradient, const float *hidden,
                            const float *slope, const float *scale, const float *feedback,
                            float *sum);

    /** scale_and_dot of hidden pairs; the scaled panel leaves as pairs of rows in bfloat16.
     * gradient and hidden begin at row `first`, pairs [ceil(rows of all / 2)][width] at row 0. Rows
     * are handed over in order. */
    void (*scale_and_dot_pairs)(int first, int rows, int width, const float *gradient,
                                const float *hidden, const float *scale, uint32_t *pairs,
                                float *dot);
    /** hidden_backward with hidden pairs; the result leaves in bfloat16, [rows of all][width] in
     * narrow and as pairs of rows; gradient is only read. Rows likewise. */
    void (*hidden_backward_narrow)(int first, int rows, int width, const float *gradient,
                                   const float *hidden, const float *scale, const float *feedback,
                                   uint16_t *narrow, uint32_t *pairs, float *sum);

    /** normalised = (x - mean) * rstd over `channels` columns of each row; stride for all arrays.
     *  weight/bias NULL: no affine in `out`; out may be NULL (then only normalised is written). */
    void (*layernorm)(int rows, int channels, int stride, const float *x, float *normalised,
                      float *rstd, const float *weight, const float *bias, float *out);
    /** dx = rstd * (dn - mean(dn) - normalised * mean(dn * normalised)) */
    void (*layernorm_backward)(int rows, int channels, int stride, const float *normalised,
                               const float *rstd, const float *dn, float *dx);
    /** sum[c] += over rows of x[m][c] * factor */
    void (*column_sum)(int rows, int columns, int64_t stride, const float *x, float factor,
                       float *sum);
    /** sum[c] += over rows of x[m][c] * y[m][c] */
    void (*column_dot)(int rows, int columns, int64_t stride, const float *x, const float *y,
                       float *sum);

    /** Depthwise 7x7 at the sites of a block; out[high * wide]: pointers to their rows, row-major.
     *  taps [49][tap_stride] (negative stride: flipped kernel). bias NULL: accumulate into out. */
    void (*depthwise_block)(const fcmae_depthwise_block *block, const float *taps,
                            int64_t tap_stride, const float *bias, float *const *out);
    /** The same at cells first..last-1 of 2x2 sites, Z-order rows, through a list of cells.
     *  soon_read, soon_written: as many rows as these cells have, as in a block. */
    void (*depthwise_quads)(int first, int last, int columns, const fcmae_neighbours *neighbours,
                            const float *x, int64_t stride, const float *taps, int64_t tap_stride,
                            const float *bias, float *out, const float *soon_read,
                            float *soon_written);
    /** The same at sites first..last-1 through a list of sites. */
    void (*depthwise_list)(int first, int last, int columns, const fcmae_neighbours *neighbours,
                           const float *x, int64_t stride, const float *taps, int64_t tap_stride,
                           const float *bias, float *out);
    /** dtaps[tap][c] += sum over the block's sites of window(site, tap)[c] * gradient[site][c]. */
    void (*depthwise_block_taps)(const fcmae_depthwise_block *block, const float *const *gradient,
                                 float *dtaps, int64_t tap_stride);
    /** The same over pairs of 2x2 cells: x at `other`, gradient at `cell`. */
    void (*depthwise_quad_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                const float *gradient, int64_t stride, float *dtaps,
                                int64_t tap_stride);
    /** The same over pairs of single sites. */
    void (*depthwise_list_taps)(const fcmae_pairs *pairs, int columns, const float *x,
                                const float *gradient, int64_t stride, float *dtaps,
                                int64_t tap_stride);

    /** Prediction error of a panel against targets: p = (p - target) * factor in place, sum[n] +=
     *  over rows; returns the sum of the squared errors. */
    double (*squared_error)(int rows, int width, float *p, const float *target,
                            int64_t target_stride, float factor, float *sum);

    /** out[m * count + i] = in[m * in_row + i] * scale[i % period] + shift[i % period] for rows m
     * and i < count; period FCMAE_BYTE_PERIOD */
    void (*scale_bytes)(int rows, int count, const uint8_t *in, int64_t in_row, const float *scale,
                        const float *shift, float *out);
    /** x = (x - mean) / sqrt(variance + 1e-6) with the unbiased variance, over count values. */
    void (*standardise)(int count, float *x);

    /** dst = panels of src [K rows][columns]: dst[panel][k][width], rows
     *  times row_scale (or NULL). */
    void (*pack)(int k_first, int k_last, int columns, int64_t src_stride, const float *src,
                 const float *row_scale, int width, int panel, int64_t k_total, float *dst);
    /** One panel of the transpose: dst[k][n] = src[n][k] * row_scale[n], n in the panel, k <
     * k_total. */
    void (*pack_transposed)(int k_total, int rows, int64_t src_stride, const float *src,
                            const float *row_scale, int width, int panel, float *dst);

    /** Inner product of two vectors; count a multiple of 8, no padding needed. */
    float (*dot)(int count, const float *x, const float *y);
    /** y = a x + b y */
    void (*combine)(int count, float a, const float *x, float b, float *y);

    /** sum[i] = block[0][i] + block[1][i] + ..., in that order; count a multiple of 16 */
    void (*sum_blocks)(int64_t count, int blocks, const float *const *block, float *sum);

    /** Independent fused multiply-adds in registers: returns the floating-point operations done. */
    double (*peak)(int64_t iterations, float *sink);
    /** The same with bfloat16 pairs (float32 where the instruction is missing). */
    double (*peak_pairs)(int64_t iterations, float *sink);
} fcmae_kernels;

/** Best instruction set of this processor; never above `most`. */
fcmae_isa fcmae_isa_detect(fcmae_isa most);
/** The table of one instruction set; portable if it is not in this build. */
const fcmae_kernels *fcmae_kernels_get(fcmae_isa isa);

#endif
