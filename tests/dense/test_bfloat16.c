/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Linear maps with bfloat16 operands: these are rounded, and their sums are not, on every
 * instruction set.
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "support/kernel_check.h"
#include "support/suite.h"

/* y = x W + b and its transpose; operands rounded once, everything else as in single precision. */
static void try_linear(const fcmae_kernels *kernels, int k, int n, int rows, bool transposed)
{
    fcmae_random random = test_random((uint64_t)(k * 1000 + n));
    fcmae_packed packed;
    fcmae_arena arena = {0};
    int depth = transposed ? n : k, columns = transposed ? k : n;
    int64_t w_stride = fcmae_stride(n), in = fcmae_stride(depth), out = fcmae_stride(columns);
    float *w = random_rows(&random, k, n, w_stride), *scale = random_floats(&random, k);
    float *x = random_rows(&random, rows, depth, in), *y = guarded_floats(rows * out);
    float *bias = random_rows(&random, 1, columns, out);
    uint16_t *narrow = guarded_halves(rows * in);
    for (int pass = 0; pass < 2; pass++) {
        fcmae_packed_reserve(&packed, &arena, depth, columns, true);
        if (pass == 0) ck_assert_int_eq(fcmae_arena_allocate(&arena, "weights", NULL), FCMAE_OK);
    }
    kernels->narrow_rows(rows, (int)in, x, in, narrow, in);
    for (int panel = 0; panel < packed.panels; panel++) {
        if (transposed)
            fcmae_packed_fill_transposed(kernels, &packed, panel, w, w_stride, scale);
        else
            fcmae_packed_fill(kernels, &packed, panel, w, w_stride, scale);
        fcmae_linear_multiply(kernels, &(fcmae_linear){.weights = &packed,
                                                       .panel = panel,
                                                       .rows = rows,
                                                       .a = (const float *)(const void *)narrow,
                                                       .a_row = in / 2,
                                                       .bias = bias + panel * packed.width,
                                                       .c = y + panel * packed.width,
                                                       .c_row = out});
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < out; j++) {
            double sum = 0, size = 0;
            for (int i = 0; i < depth && j < columns; i++) {
                int row = transposed ? j : i, column = transposed ? i : j;
                double weight = round_bfloat16(w[row * w_stride + column] * scale[row]);
                double value = round_bfloat16(x[r * in + i]);
                sum += weight * value;
                size += fabs(weight * value);
            }
            if (j < columns) sum += bias[j], size += fabs(bias[j]);
            check_sum("pairs", kernels, r, j, sum, size, depth + 1, y[r * out + j]);
        }
    float *owned[] = {w, scale, x, y, bias};
    for (int i = 0; i < 5; i++) guarded_free(owned[i]);
    free_halves(narrow);
    fcmae_arena_release(&arena);
}

START_TEST(linear_maps)
{
    static const int sizes[] = {8, 16, 24, 40, 80, 96, 176};
    for (int k = 0; k < 7; k++)
        for (int n = 0; n < 7; n++)
            for (int transposed = 0; transposed < 2; transposed++)
                try_linear(kernels_of_set(_i), sizes[k], sizes[n], 1 + 5 * k, transposed);
}
END_TEST

static void try_gradient(const fcmae_kernels *kernels, fcmae_random *random, int rows, int columns)
{
    int width = fcmae_panel_width(4 * columns), stride = fcmae_stride(columns);
    float *x = random_rows(random, rows, columns, stride);
    float *d = random_rows(random, rows, width, width);
    float *before = random_floats(random, columns * width), *g = guarded_floats(columns * width);
    uint32_t *x_pairs = (uint32_t *)(void *)guarded_floats((rows + 1) / 2 * stride);
    uint32_t *d_pairs = (uint32_t *)(void *)guarded_floats((rows + 1) / 2 * width);
    memcpy(g, before, (size_t)(columns * width) * sizeof *g);
    kernels->narrow_pairs(rows, stride, x, stride, x_pairs, stride);
    kernels->narrow_pairs(rows, width, d, width, d_pairs, width);
    fcmae_linear_add_gradient(kernels, &(fcmae_linear_gradient){.rows = rows,
                                                                .columns = columns,
                                                                .width = width,
                                                                .pairs = true,
                                                                .x = x_pairs,
                                                                .x_row = stride,
                                                                .d = d_pairs,
                                                                .d_row = width,
                                                                .g = g,
                                                                .g_row = width});
    for (int m = 0; m < columns; m++)
        for (int n = 0; n < width; n++) {
            double sum = before[m * width + n], size = fabs(sum);
            for (int i = 0; i < rows; i++) {
                double term = (double)round_bfloat16(x[i * stride + m]) *
                              (double)round_bfloat16(d[i * width + n]);
                sum += term;
                size += fabs(term);
            }
            check_sum("gradient of pairs", kernels, m, n, sum, size, rows + 1, g[m * width + n]);
        }
    void *owned[] = {x, d, before, g, x_pairs, d_pairs};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

START_TEST(weight_gradients)
{
    fcmae_random random = test_random(2);
    for (int rows = 0; rows <= 41; rows += rows < 4 ? 1 : 9)
        for (int columns = 8; columns <= 96; columns += 24)
            try_gradient(kernels_of_set(_i), &random, rows, columns);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, linear_maps, 0, instruction_sets());
    tcase_add_loop_test(cases, weight_gradients, 0, instruction_sets());
}

int main(void)
{
    return run_suite("bfloat16", add_tests);
}
