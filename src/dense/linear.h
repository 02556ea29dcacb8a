/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Packed weights of a linear map, and the three products in which it takes part. */
#ifndef FCMAE_DENSE_LINEAR_H
#define FCMAE_DENSE_LINEAR_H

#include "core/kernels.h"
#include "core/memory.h"

/** Weights [k][n] as `panels` panels of `width` columns; the last one is padded with zeros. */
typedef struct fcmae_packed {
    int k, n, width, panels;
    float *data; /**< [panels][k][width] */
} fcmae_packed;

/** Smallest multiple of 16 that holds n columns: the stride of every row. */
int fcmae_stride(int n);
/** Panel width for n columns: the first of 80, 64, 48, 32, 16 that divides fcmae_stride(n).
 *  The three wide ones run within 3 % of each other at the FMA peak. */
int fcmae_panel_width(int n);

/** Takes room for packed weights (k rows, n columns). */
void fcmae_packed_reserve(fcmae_packed *packed, fcmae_arena *arena, int k, int n);
/** Fills panel `panel` from src [k][stride], rows times row_scale (NULL: one). */
void fcmae_packed_fill(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale);
/** Fills panel `panel` from the transpose: src [n][stride], rows (columns here) times row_scale. */
void fcmae_packed_fill_transposed(const fcmae_kernels *kernels, const fcmae_packed *packed,
                                  int panel, const float *src, int64_t stride,
                                  const float *row_scale);

/** c[rows][c_row] panel = a[rows][a_row] * panel (+ bias) (+ add). a has packed->k columns. */
void fcmae_linear_rows(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       int rows, const float *a, int64_t a_row, const float *bias,
                       const float *add, int64_t add_row, float *c, int64_t c_row);
/** The same into a panel c[rows][width], fetching panels that the caller touches next (or NULL). */
void fcmae_linear_panel(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                        int rows, const float *a, int64_t a_row, const float *bias, float *c,
                        const float *soon_read, float *soon_written);

/**
 * The same with `a` stored as panels [k / width][rows...][width]: a_panel is the distance of two
 * panels. k is walked in blocks of about 1280 so that a block of weights stays in the L2 cache.
 */
void fcmae_linear_panels(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                         int rows, const float *a, int a_width, int64_t a_panel, const float *bias,
                         const float *add, int64_t add_row, float *c, int64_t c_row);

/**
 * Weight gradient: g[m][0 .. width-1] += sum_r x[r][m] * d[r][0 .. width-1], m < columns of x.
 * d is [rows][d_row] (a panel, or a slice of rows), g is [m][g_row].
 */
void fcmae_linear_gradient(const fcmae_kernels *kernels, int rows, int columns, const float *x,
                           int64_t x_row, const float *d, int64_t d_row, int width, float *g,
                           int64_t g_row);

#endif
