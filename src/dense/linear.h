/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Packed weights of a linear map, and the three products in which it takes part. */
#ifndef FCMAE_DENSE_LINEAR_H
#define FCMAE_DENSE_LINEAR_H

#include <stdbool.h>
#include <string.h>

#include "core/kernels.h"
#include "core/memory.h"

/**
 * Weights [k][n] as `panels` panels of `width` columns, columns beyond n zero. With `pairs` an
 * element of 4 bytes holds two consecutive k in bfloat16, and so must the operand a that meets it:
 * its rows and strides then count pairs. k is even where pairs are used.
 *
 * Weights outgrow the caches, and products of a few dozen rows wait for them: cold weights cost 4
 * to 7 % of a product. So matrices are reserved in the order in which a step reads them, and each
 * product fetches what lies behind its own panel.
 */
typedef struct fcmae_packed {
    int k, n, width, panels;
    bool pairs;
    float *data; /**< [panels][k or k / 2][width] */
} fcmae_packed;

/** The operand of a product: float32 rows, or the same rows in bfloat16. `at` counts values. */
static inline const float *fcmae_operand(bool pairs, const float *wide, const uint16_t *narrow,
                                         int64_t at)
{
    return pairs ? (const float *)(const void *)(narrow + at) : wide + at;
}

/** The number in the low half of a pair. */
static inline float fcmae_low_half(const float *pair)
{
    uint32_t bits;
    float value;
    memcpy(&bits, pair, sizeof bits);
    bits <<= 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** A row of `values` values in 4-byte elements of that operand. */
static inline int64_t fcmae_operand_row(bool pairs, int64_t values)
{
    return pairs ? values / 2 : values;
}

/** Smallest multiple of 16 that holds n columns: the stride of every row. */
int fcmae_stride(int n);
/** Panel width for n columns: the first of 80, 64, 48, 32, 16 that divides fcmae_stride(n).
 *  The three wide ones run within 3 % of each other at the FMA peak. */
int fcmae_panel_width(int n);

/** Takes room for packed weights (k rows, n columns). */
void fcmae_packed_reserve(fcmae_packed *packed, fcmae_arena *arena, int k, int n, bool pairs);
/** Fills panel `panel` from src [k][stride], rows times row_scale (NULL: one). */
void fcmae_packed_fill(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale);
/** Fills panel `panel` from the transpose: src [n][stride], rows (columns here) times row_scale. */
void fcmae_packed_fill_transposed(const fcmae_kernels *kernels, const fcmae_packed *packed,
                                  int panel, const float *src, int64_t stride,
                                  const float *row_scale);

/**
 * c = a * panel (+ bias) (+ add): one panel of a product with packed weights.
 *
 * `a` has packed->k columns. It may lie in pieces of a_width columns, a_distance apart, as panels
 * of hidden values do. Then k is walked in blocks of about 1280, so that a block of weights stays
 * in the L2 cache; the next block, or the panel that lies behind, is fetched meanwhile.
 */
typedef struct fcmae_linear {
    const fcmae_packed *weights;
    int panel, rows;
    const float *a; /**< [rows][a_row], of every piece  */
    int64_t a_row;
    int a_width; /**< columns of a piece; 0: all in one */
    int64_t a_distance;
    const float *bias; /**< [width] or NULL             */
    const float *add;  /**< [rows][add_row] or NULL     */
    int64_t add_row;
    float *c; /**< [rows][c_row]                        */
    int64_t c_row;
    const float *soon_read; /**< [rows][width] that the caller reads next, fetched; or NULL  */
    float *soon_written;    /**< likewise, to be overwritten                                 */
    int part, parts; /**< the call is one of `parts` that use the same panel, each of which fetches
                          its share of the weights behind it; parts 0: the only one          */
} fcmae_linear;

void fcmae_linear_multiply(const fcmae_kernels *kernels, const fcmae_linear *linear);

/**
 * Weight gradient: g[m][n] += sum_r x[r][m] * d[r][n] for m < columns and n < width. d is a panel,
 * or a slice of rows. With `pairs` x and d are pairs of rows in bfloat16 (the kernel narrow_pairs),
 * else float32 rows; their strides count 4-byte elements.
 */
typedef struct fcmae_linear_gradient {
    int rows, columns, width;
    bool pairs;
    const void *x; /**< [rows or ceil(rows / 2)][x_row] */
    int64_t x_row;
    const void *d; /**< [rows or ceil(rows / 2)][d_row] */
    int64_t d_row;
    float *g; /**< [columns][g_row] */
    int64_t g_row;
} fcmae_linear_gradient;

void fcmae_linear_add_gradient(const fcmae_kernels *kernels, const fcmae_linear_gradient *gradient);

#endif
