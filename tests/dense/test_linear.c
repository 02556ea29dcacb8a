/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Packed linear maps: the three products put together as layers use
 *  them, every instruction set. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "support/kernel_check.h"
#include "support/suite.h"

/* A matrix [k][n] with padded rows, packed both ways. */
typedef struct matrix {
    int k, n;
    int64_t stride;
    float *values, *row_scale;
    fcmae_packed packed, transposed; /* [k][n], and [n][k] from the same values */
    fcmae_arena arena;
} matrix;

static matrix make_matrix(fcmae_random *random, int k, int n)
{
    matrix m = {.k = k, .n = n, .stride = fcmae_stride(n)};
    m.values = random_rows(random, k, n, m.stride);
    m.row_scale = random_floats(random, k);
    for (int pass = 0; pass < 2; pass++) {
        fcmae_packed_reserve(&m.packed, &m.arena, k, n, false);
        fcmae_packed_reserve(&m.transposed, &m.arena, n, k, false);
        if (pass == 0) ck_assert_int_eq(fcmae_arena_allocate(&m.arena, "a matrix", NULL), FCMAE_OK);
    }
    return m;
}

static void pack_matrix(const fcmae_kernels *kernels, const matrix *m, bool scaled)
{
    const float *scale = scaled ? m->row_scale : NULL;
    for (int panel = 0; panel < m->packed.panels; panel++)
        fcmae_packed_fill(kernels, &m->packed, panel, m->values, m->stride, scale);
    for (int panel = 0; panel < m->transposed.panels; panel++)
        fcmae_packed_fill_transposed(kernels, &m->transposed, panel, m->values, m->stride, scale);
}

static void release_matrix(matrix *m)
{
    guarded_free(m->values);
    guarded_free(m->row_scale);
    fcmae_arena_release(&m->arena);
}

/* c[r][j] = sum_i a[r][i] matrix(i, j) + bias[j] + add[r][j]; columns beyond n are zero. */
static void check_result(const fcmae_kernels *kernels, const matrix *m, bool scaled,
                         const fcmae_linear *l)
{
    bool transposed = l->weights == &m->transposed;
    int depth = transposed ? m->n : m->k, columns = transposed ? m->k : m->n;
    for (int r = 0; r < l->rows; r++)
        for (int j = 0; j < l->c_row; j++) {
            double sum = 0, size = 0;
            for (int i = 0; i < depth && j < columns; i++) {
                int row = transposed ? j : i, column = transposed ? i : j;
                int64_t at = l->a_width ? i / l->a_width * l->a_distance + i % l->a_width : i;
                double w = m->values[row * m->stride + column], x = l->a[r * l->a_row + at];
                if (scaled) w *= m->row_scale[row];
                sum += w * x;
                size += fabs(w * x);
            }
            if (l->bias && j < columns) sum += l->bias[j], size += fabs(l->bias[j]);
            if (l->add) sum += l->add[r * l->add_row + j], size += fabs(l->add[r * l->add_row + j]);
            check_sum(transposed ? "transposed" : "straight", kernels, r, j, sum, size, depth + 2,
                      l->c[r * l->c_row + j]);
        }
}

/* The whole product: `l` describes the panel of the first column. */
static void multiply_panels(const fcmae_kernels *kernels, fcmae_linear l)
{
    for (l.panel = 0; l.panel < l.weights->panels; l.panel++) {
        fcmae_linear_multiply(kernels, &l);
        l.c += l.weights->width;
        if (l.bias) l.bias += l.weights->width;
        if (l.add) l.add += l.weights->width;
    }
}

/* y = x W + b + add, and dx = dy W^T, with rows of features on the left. */
static void try_rows(const fcmae_kernels *kernels, int k, int n, int rows, bool scaled)
{
    fcmae_random random = test_random((uint64_t)(k * 1000 + n));
    matrix m = make_matrix(&random, k, n);
    int64_t in = fcmae_stride(k), out = fcmae_stride(n);
    float *x = random_rows(&random, rows, k, in), *bias = random_rows(&random, 1, n, out);
    float *add = random_rows(&random, rows, n, out), *y = guarded_floats(rows * out);
    float *dy = random_rows(&random, rows, n, out), *dx = guarded_floats(rows * in);
    const fcmae_linear forward = {.weights = &m.packed,
                                  .rows = rows,
                                  .a = x,
                                  .a_row = in,
                                  .bias = bias,
                                  .add = add,
                                  .add_row = out,
                                  .c = y,
                                  .c_row = out};
    const fcmae_linear backward = {
        .weights = &m.transposed, .rows = rows, .a = dy, .a_row = out, .c = dx, .c_row = in};
    pack_matrix(kernels, &m, scaled);
    multiply_panels(kernels, forward);
    check_result(kernels, &m, scaled, &forward);
    multiply_panels(kernels, backward);
    check_result(kernels, &m, scaled, &backward);
    float *owned[] = {x, bias, add, y, dy, dx};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
    release_matrix(&m);
}

/* y = x W + b with x in panels [k / width][rows + 2][width], as hidden activations are kept. */
static void try_panels(const fcmae_kernels *kernels, int k, int n, int rows)
{
    fcmae_random random = test_random((uint64_t)(k * 1000 + n));
    matrix m = make_matrix(&random, k, n);
    int width = fcmae_panel_width(k);
    int64_t out = fcmae_stride(n), distance = (int64_t)(rows + 2) * width;
    float *panels = random_floats(&random, k / width * distance), *y = guarded_floats(rows * out);
    float *bias = random_rows(&random, 1, n, out), *add = random_rows(&random, rows, n, out);
    const fcmae_linear linear = {.weights = &m.packed,
                                 .rows = rows,
                                 .a = panels,
                                 .a_row = width,
                                 .a_width = width,
                                 .a_distance = distance,
                                 .bias = bias,
                                 .add = add,
                                 .add_row = out,
                                 .c = y,
                                 .c_row = out};
    pack_matrix(kernels, &m, false);
    multiply_panels(kernels, linear);
    check_result(kernels, &m, false, &linear);
    float *owned[] = {panels, bias, y, add};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
    release_matrix(&m);
}

START_TEST(rows_of_features)
{
    static const int sizes[] = {8, 16, 24, 40, 80, 96, 176};
    const fcmae_kernels *kernels = kernels_of_set(_i);
    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t n = 0; n < COUNT(sizes); n++)
            try_rows(kernels, sizes[k], sizes[n], 1 + (int)(5 * k), (k + n) % 2);
    try_rows(kernels, 5, 3, 4, false);
    try_rows(kernels, 40, 1000, 3, true);
    try_rows(kernels, 40, 40, 0, true);
}
END_TEST

/* 2816 and 5632 are walked in blocks of k; 1296 leaves a rest. */
START_TEST(panels_of_features)
{
    static const int depths[] = {32, 64, 96, 160, 320, 1280, 1296, 1408, 2816, 5632};
    const fcmae_kernels *kernels = kernels_of_set(_i);
    for (size_t k = 0; k < COUNT(depths); k++) {
        try_panels(kernels, depths[k], 40, 7);
        try_panels(kernels, depths[k], 96, 1);
    }
}
END_TEST

static void try_gradient(const fcmae_kernels *kernels, fcmae_random *random, int rows, int columns)
{
    int width = fcmae_panel_width(4 * columns), stride = fcmae_stride(columns);
    int64_t g_row = width + 16;
    float *x = random_rows(random, rows, columns, stride);
    float *d = random_rows(random, rows, width, width);
    float *before = random_floats(random, columns * g_row), *g = guarded_floats(columns * g_row);
    memcpy(g, before, (size_t)(columns * g_row) * sizeof *g);
    fcmae_linear_add_gradient(kernels, &(fcmae_linear_gradient){.rows = rows,
                                                                .columns = columns,
                                                                .width = width,
                                                                .x = x,
                                                                .x_row = stride,
                                                                .d = d,
                                                                .d_row = width,
                                                                .g = g,
                                                                .g_row = g_row});
    for (int m = 0; m < columns; m++)
        for (int n = 0; n < g_row; n++) {
            double sum = before[m * g_row + n], size = fabs(sum);
            for (int i = 0; i < rows && n < width; i++) {
                double term = (double)x[i * stride + m] * d[i * width + n];
                sum += term;
                size += fabs(term);
            }
            check_sum("gradient", kernels, m, n, sum, size, rows + 1, g[m * g_row + n]);
        }
    float *owned[] = {x, d, before, g};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

START_TEST(weight_gradient)
{
    static const int rows[] = {0, 1, 3, 40, 77};
    fcmae_random random = test_random(9);
    for (size_t r = 0; r < COUNT(rows); r++)
        for (int columns = 8; columns <= 96; columns += 8)
            try_gradient(kernels_of_set(_i), &random, rows[r], columns);
}
END_TEST

/* Every channel count of a model has panels that divide its stride. */
START_TEST(panel_widths)
{
    for (int n = 1; n <= 12000; n++) {
        int stride = fcmae_stride(n), width = fcmae_panel_width(n);
        if (stride % 16 || stride < n || stride >= n + 16 || stride % width || width > 80)
            ck_abort_msg("%d columns: stride %d, width %d", n, stride, width);
    }
    ck_assert_int_eq(fcmae_panel_width(160), 80);
    ck_assert_int_eq(fcmae_panel_width(512), 64);
    ck_assert_int_eq(fcmae_panel_width(40), 48);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, rows_of_features, 0, instruction_sets());
    tcase_add_loop_test(cases, panels_of_features, 0, instruction_sets());
    tcase_add_loop_test(cases, weight_gradient, 0, instruction_sets());
    tcase_add_test(cases, panel_widths);
}

int main(void)
{
    return run_suite("linear", add_tests);
}
