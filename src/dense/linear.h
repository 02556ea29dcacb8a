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
/** Elements of 4 bytes along k: k, or k / 2 for pairs. */
int fcmae_packed_depth(const fcmae_packed *packed);
/** Fills panel `panel` from src [k][stride], rows times row_scale (NULL: one). */
void fcmae_packed_fill(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale);
/** Fills panel `panel` from the transpose: src [n][stride], rows (columns here) times row_scale. */
void fcmae_packed_fill_transposed(const fcmae_kernels *kernels, const fcmae_packed *packed,
                                  int panel, const float *src, int64_t stride,
                                  const float *row_scale);

/** c[rows][c_row] panel = a[rows][a_row] * panel (+ bias) (+ add). a has packed->k columns. */
void fcmae_linear_rows(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       int rows, const float *a, int64_t a_row, const float *bias, const float *add,
                       int64_t add_row, float *c, int64_t c_row);
/** What the caller of a product touches next and wants fetched meanwhile. */
typedef struct fcmae_soon {
    const float *read; /**< a panel [rows][width], or NULL              */
    float *written;    /**< likewise, to be overwritten                 */
    int part, parts;   /**< the call is one of `parts` that use the same weights: each fetches its
                            share of those that lie behind them. parts 0: none. */
} fcmae_soon;

/** The same into a panel c[rows][width]. */
void fcmae_linear_panel(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                        int rows, const float *a, int64_t a_row, const float *bias, float *c,
                        const fcmae_soon *soon);

/**
 * The same with `a` in pieces of a_width columns: a_row is the distance of two rows of a piece (in
 * panels [k / width][rows...][width] it is the width), a_panel that of two pieces. k is walked in
 * blocks of about 1280 so that a block of weights stays in the L2 cache; the next block, or the
 * panel that lies behind, is fetched meanwhile.
 */
void fcmae_linear_panels(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                         int rows, const float *a, int a_width, int64_t a_row, int64_t a_panel,
                         const float *bias, const float *add, int64_t add_row, float *c,
                         int64_t c_row);

/**
 * Weight gradient: g[m][0 .. width-1] += sum_r x[r][m] * d[r][0 .. width-1], m < columns of x.
 * d is [rows][d_row] (a panel, or a slice of rows), g is [m][g_row].
 */
void fcmae_linear_gradient(const fcmae_kernels *kernels, int rows, int columns, const float *x,
                           int64_t x_row, const float *d, int64_t d_row, int width, float *g,
                           int64_t g_row);
/** The same with x and d as pairs of rows (fcmae_kernels.narrow_pairs); rows counts rows. */
void fcmae_linear_gradient_pairs(const fcmae_kernels *kernels, int rows, int columns,
                                 const uint32_t *x, int64_t x_row, const uint32_t *d, int64_t d_row,
                                 int width, float *g, int64_t g_row);

#endif
