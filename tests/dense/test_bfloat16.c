/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * bfloat16 operands: rounding, the two packed orders, and products whose operands are rounded and
 * whose sums are not, on every instruction set.
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "support/kernel_check.h"
#include "support/suite.h"

static uint16_t *half_rows(int64_t count)
{
    return (uint16_t *)(void *)guarded_floats(count / 2);
}

static void free_half_rows(uint16_t *values)
{
    guarded_free((float *)(void *)values);
}

/* Values over the whole range, ties and infinities; index 0 is a NaN. */
static void fill_special(float *x, int count, fcmae_random *random)
{
    static const float special[] = {0,           -0.0f,        1,       -1,       1.00390625f,
                                    1.01171875f, -1.00390625f, 3.4e38f, -3.4e38f, INFINITY,
                                    -INFINITY,   65504,        1e-30f,  255.5f,   2.5f};
    for (int i = 0; i < count; i++)
        x[i] = i < (int)(sizeof special / sizeof *special)
                   ? special[i]
                   : (float)(fcmae_random_normal(random) * pow(10, i % 17 - 8));
    x[0] = NAN;
}

static void check_rounded(const fcmae_kernels *kernels, const char *what, float value,
                          uint16_t bits)
{
    float got = widen_bfloat16(bits), expected = isfinite(value) ? round_bfloat16(value) : value;
    if (fabsf(value) > 3.3961e38f) expected = value < 0 ? -INFINITY : INFINITY;
    if (isnan(value) ? !isnan(got) : got != expected)
        ck_abort_msg("%s (%s): %.9g became %.9g, expected %.9g", what, kernels->name, (double)value,
                     (double)got, (double)expected);
}

START_TEST(rounding)
{
    enum { rows = 5, columns = 48, stride = 64 };
    fcmae_random random = test_random(1);
    float *x = guarded_floats(rows * stride);
    fill_special(x, rows * stride, &random);
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        uint16_t *out = half_rows(rows * 80);
        kernels->narrow_rows(rows, columns, x, stride, out, 80);
        for (int m = 0; m < rows; m++)
            for (int c = 0; c < columns; c++)
                check_rounded(kernels, "narrow_rows", x[m * stride + c], out[m * 80 + c]);
        for (int c = columns; c < 80; c++) ck_assert_uint_eq(out[c], 0);
        for (int count = 0; count <= rows; count++) { /* an odd last row is paired with zeros */
            uint16_t *pairs = half_rows(2 * 3 * 64);
            kernels->narrow_pairs(count, columns, x, stride, (uint32_t *)(void *)pairs, 64);
            for (int m = 0; m < 2 * ((count + 1) / 2); m++)
                for (int c = 0; c < columns; c++)
                    check_rounded(kernels, "narrow_pairs", m < count ? x[m * stride + c] : 0,
                                  pairs[(m / 2 * 64 + c) * 2 + m % 2]);
            free_half_rows(pairs);
        }
        free_half_rows(out);
    }
    guarded_free(x);
}
END_TEST

/* y = x W + b and its transpose; operands rounded once, everything else as in single precision. */
static void try_linear(int k, int n, int rows, bool transposed)
{
    fcmae_random random = test_random((uint64_t)(k * 1000 + n));
    fcmae_packed packed;
    fcmae_arena arena = {0};
    int depth = transposed ? n : k, columns = transposed ? k : n;
    int64_t w_stride = fcmae_stride(n), in = fcmae_stride(depth), out = fcmae_stride(columns);
    float *w = random_rows(&random, k, n, w_stride), *scale = random_floats(&random, k);
    float *x = random_rows(&random, rows, depth, in), *y = guarded_floats(rows * out);
    float *bias = random_rows(&random, 1, columns, out);
    uint16_t *narrow = half_rows(rows * in);
    for (int pass = 0; pass < 2; pass++) {
        fcmae_packed_reserve(&packed, &arena, depth, columns, true);
        if (pass == 0) ck_assert_int_eq(fcmae_arena_allocate(&arena, "weights", NULL), FCMAE_OK);
    }
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        kernels->narrow_rows(rows, (int)in, x, in, narrow, in);
        for (int panel = 0; panel < packed.panels; panel++) {
            if (transposed)
                fcmae_packed_fill_transposed(kernels, &packed, panel, w, w_stride, scale);
            else
                fcmae_packed_fill(kernels, &packed, panel, w, w_stride, scale);
            fcmae_linear_rows(kernels, &packed, panel, rows, (const float *)(const void *)narrow,
                              in / 2, bias + panel * packed.width, NULL, 0,
                              y + panel * packed.width, out);
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
    }
    float *owned[] = {w, scale, x, y, bias};
    for (int i = 0; i < 5; i++) guarded_free(owned[i]);
    free_half_rows(narrow);
    fcmae_arena_release(&arena);
}

START_TEST(linear_maps)
{
    static const int sizes[] = {8, 16, 24, 40, 80, 96, 176};
    for (int k = 0; k < 7; k++)
        for (int n = 0; n < 7; n++)
            for (int transposed = 0; transposed < 2; transposed++)
                try_linear(sizes[k], sizes[n], 1 + 5 * k, transposed);
}
END_TEST

START_TEST(weight_gradients)
{
    fcmae_random random = test_random(2);
    for (int rows = 0; rows <= 41; rows += rows < 4 ? 1 : 9)
        for (int columns = 8; columns <= 96; columns += 24) {
            int width = fcmae_panel_width(4 * columns), stride = fcmae_stride(columns);
            float *x = random_rows(&random, rows, columns, stride);
            float *d = random_rows(&random, rows, width, width);
            float *before = random_floats(&random, columns * width);
            float *g = guarded_floats(columns * width);
            uint16_t *x_pairs = half_rows(2 * (rows + 1) / 2 * stride + stride);
            uint16_t *d_pairs = half_rows(2 * (rows + 1) / 2 * width + width);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                memcpy(g, before, (size_t)(columns * width) * sizeof *g);
                kernels->narrow_pairs(rows, stride, x, stride, (uint32_t *)(void *)x_pairs, stride);
                kernels->narrow_pairs(rows, width, d, width, (uint32_t *)(void *)d_pairs, width);
                fcmae_linear_gradient_pairs(kernels, rows, columns, (uint32_t *)(void *)x_pairs,
                                            stride, (uint32_t *)(void *)d_pairs, width, width, g,
                                            width);
                for (int m = 0; m < columns; m++)
                    for (int n = 0; n < width; n++) {
                        double sum = before[m * width + n], size = fabs(sum);
                        for (int i = 0; i < rows; i++) {
                            double term = (double)round_bfloat16(x[i * stride + m]) *
                                          (double)round_bfloat16(d[i * width + n]);
                            sum += term;
                            size += fabs(term);
                        }
                        check_sum("gradient of pairs", kernels, m, n, sum, size, rows + 1,
                                  g[m * width + n]);
                    }
            }
            float *owned[] = {x, d, before, g};
            for (int i = 0; i < 4; i++) guarded_free(owned[i]);
            free_half_rows(x_pairs);
            free_half_rows(d_pairs);
        }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, rounding);
    tcase_add_test(cases, linear_maps);
    tcase_add_test(cases, weight_gradients);
}

int main(void)
{
    return run_suite("bfloat16", add_tests);
}
