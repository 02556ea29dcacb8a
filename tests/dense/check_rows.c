/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checks of the kernels on rows and panels of floats; contracts in core/kernel_list.h. */
#include <check.h>
#include <stdbool.h>

#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/kernel_checks.h"

static const int widths[] = {16, 32, 48, 64, 80};
static const int channel_counts[] = {1, 3, 7, 8, 9, 16, 17, 24, 40, 48, 80, 95, 96, 97, 176};
static const int row_counts[] = {0, 1, 2, 5, 40};

/* Values around every bend of the curve, and far away from it. */
static float gelu_argument(int i, fcmae_random *random)
{
    static const float special[] = {0,    -0.0f, 1e-30f, -1e-30f, 1,      -1,         4,
                                    -4,   6,     -6,     13.5f,   -13.5f, 40,         -40,
                                    1e4f, -1e4f, 1e30f,  -1e30f,  0.5f,   -0.7517916f};
    if (i < (int)COUNT(special)) return special[i];
    return (float)(fcmae_random_normal(random) * (i % 3 == 0 ? 5 : 1));
}

/* In `rows` rows of a panel. */
static void try_gelu(const fcmae_kernels *kernels, fcmae_random *random, int rows, int width)
{
    int count = rows * width;
    size_t bytes = (size_t)count * sizeof(float);
    float *z = guarded_floats(count), *h = guarded_floats(count), *again = guarded_floats(count);
    float *slope = guarded_floats(count), *square = guarded_floats(width);
    for (int i = 0; i < count; i++) z[i] = gelu_argument(i, random);
    memcpy(h, z, bytes);
    kernels->gelu(rows, width, h, slope, square);
    for (int i = 0; i < count; i++) {
        double x = z[i], one = 1, y, dy;
        reference_gelu(1, &x, &y);
        reference_gelu_backward(1, &x, &one, &dy);
        if (!(fabs(h[i] - y) <= 5e-7 * fmax(1, fabs(x))))
            ck_abort_msg("gelu(%.9g) is %.9g, not %.9g (%s)", x, (double)h[i], y, kernels->name);
        if (!(fabs(slope[i] - dy) <= 5e-7))
            ck_abort_msg("gelu'(%.9g) is %.9g, not %.9g (%s)", x, (double)slope[i], dy,
                         kernels->name);
    }
    for (int n = 0; n < width; n++) {
        double sum = 0;
        for (int m = 0; m < rows; m++) sum += (double)h[m * width + n] * h[m * width + n];
        if (sum < FLT_MAX) check_sum("gelu square", kernels, 0, n, sum, sum, rows, square[n]);
    }
    memcpy(again, z, bytes); /* without slope and squares: the same value */
    kernels->gelu(rows, width, again, NULL, NULL);
    ck_assert_mem_eq(again, h, bytes);
    float *owned[] = {z, h, again, slope, square};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

void check_kernel_gelu(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_gelu(kernels, &random, row_counts[r], widths[w]);
}

/* One half of a pair: half an ulp, and what coarse functions leave out; minima. */
static void check_half(const fcmae_kernels *kernels, const char *what, double z, double expected,
                       float got)
{
    if (fabs(expected) < 1e30 && !(fabs(got - expected) <= 0.004 * fabs(expected) + 4e-5))
        ck_abort_msg("gelu_pairs(%.9g), %s: %.9g, not %.9g (%s)", z, what, (double)got, expected,
                     kernels->name);
}

static void try_gelu_pairs(const fcmae_kernels *kernels, fcmae_random *random, int rows, int width)
{
    int count = rows * width;
    float *z = guarded_floats(count), *pairs = guarded_floats(count);
    float *square = guarded_floats(width);
    double *sum = zero_doubles(width);
    for (int i = 0; i < count; i++) pairs[i] = z[i] = gelu_argument(i, random);
    kernels->gelu_pairs(rows, width, pairs, square);
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        double x = z[i], one = 1, y, dy;
        memcpy(&bits, pairs + i, sizeof bits);
        reference_gelu(1, &x, &y);
        reference_gelu_backward(1, &x, &one, &dy);
        check_half(kernels, "value", x, y, widen_bfloat16((uint16_t)bits));
        check_half(kernels, "slope", x, dy, widen_bfloat16((uint16_t)(bits >> 16)));
        sum[i % width] += y * y;
    }
    for (int n = 0; n < width; n++)
        if (sum[n] < FLT_MAX && !(fabs(square[n] - sum[n]) <= 1e-3 * sum[n] + 1e-6))
            ck_abort_msg("gelu_pairs, square [%d]: %.9g, not %.9g (%s)", n, (double)square[n],
                         sum[n], kernels->name);
    free(sum);
    float *owned[] = {z, pairs, square};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

void check_kernel_gelu_pairs(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_gelu_pairs(kernels, &random, row_counts[r], widths[w]);
    float z[16] = {1, -1}; /* squares are optional */
    kernels->gelu_pairs(1, 16, z, NULL);
}

/* Arrays of rows that LayerNorm sees. */
typedef struct norm_case {
    int rows, channels, stride;
    float *x, *dn, *weight, *bias, *normalised, *out, *dx, *rstd;
} norm_case;

static norm_case make_norm(int rows, int channels)
{
    fcmae_random random = test_random(2);
    int stride = row_stride(channels);
    int64_t count = (int64_t)rows * stride;
    norm_case c = {.rows = rows,
                   .channels = channels,
                   .stride = stride,
                   .x = random_rows(&random, rows, channels, stride),
                   .dn = random_rows(&random, rows, channels, stride),
                   .weight = random_rows(&random, 1, channels, stride),
                   .bias = random_rows(&random, 1, channels, stride),
                   .normalised = guarded_floats(count),
                   .out = guarded_floats(count),
                   .dx = guarded_floats(count),
                   .rstd = guarded_floats(rows)};
    for (int64_t m = 0; m < rows; m++) /* a mean away from zero */
        for (int k = 0; k < channels; k++) c.x[m * stride + k] += (float)(m % 3);
    for (int64_t k = 0; k < count; k++) c.normalised[k] = c.out[k] = c.dx[k] = 77;
    return c;
}

static void release_norm(norm_case *c)
{
    float *owned[] = {c->x, c->dn, c->weight, c->bias, c->normalised, c->out, c->dx, c->rstd};
    for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
}

static void check_norm_forward(const fcmae_kernels *kernels, const norm_case *v)
{
    int rows = v->rows, channels = v->channels, stride = v->stride;
    double *x = as_doubles(v->x, rows, channels, stride), *ones = zero_doubles(channels);
    double *zeros = zero_doubles(channels), *expected = zero_doubles((int64_t)rows * channels);
    for (int c = 0; c < channels; c++) ones[c] = 1;
    reference_layer_norm(rows, channels, 1e-6, x, ones, zeros, expected);
    for (int m = 0; m < rows; m++) {
        double largest = 0;
        for (int c = 0; c < channels; c++) largest = fmax(largest, fabs(x[m * channels + c]));
        for (int c = 0; c < channels; c++) {
            double n = expected[m * channels + c], size = 2 * largest * v->rstd[m] + fabs(n);
            check_sum("layernorm", kernels, m, c, n, size, channels, v->normalised[m * stride + c]);
            check_sum("layernorm out", kernels, m, c, n * v->weight[c] + v->bias[c],
                      size * fabs(v->weight[c]) + fabs(v->bias[c]), channels,
                      v->out[m * stride + c]);
        }
    }
    check_padding("layernorm", v->normalised, rows, channels, stride);
    check_padding("layernorm out", v->out, rows, channels, stride);
    double *owned[] = {x, ones, zeros, expected};
    for (size_t i = 0; i < COUNT(owned); i++) free(owned[i]);
}

static void check_constant_row(const fcmae_kernels *kernels)
{
    float x[32], normalised[32], rstd;
    for (int c = 0; c < 32; c++) x[c] = c < 24 ? 0.25f : 0;
    kernels->layernorm(1, 24, 32, x, normalised, &rstd, NULL);
    for (int c = 0; c < 32; c++) ck_assert_float_eq(normalised[c], 0);
    ck_assert_float_eq_tol(rstd, 1000, 1e-3f);
}

void check_kernel_layernorm(const fcmae_kernels *kernels)
{
    for (size_t i = 0; i < COUNT(channel_counts); i++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            norm_case v = make_norm(row_counts[r], channel_counts[i]);
            int64_t count = (int64_t)v.rows * v.stride;
            float *first = guarded_floats(count);
            const fcmae_affine affine = {v.weight, v.bias, v.out};
            kernels->layernorm(v.rows, v.channels, v.stride, v.x, first, v.rstd, NULL);
            kernels->layernorm(v.rows, v.channels, v.stride, v.x, v.normalised, v.rstd, &affine);
            ck_assert_mem_eq(first, v.normalised, (size_t)count * sizeof *first);
            check_norm_forward(kernels, &v);
            guarded_free(first);
            release_norm(&v);
        }
    check_constant_row(kernels);
}

static void check_norm_backward(const fcmae_kernels *kernels, const norm_case *v)
{
    int rows = v->rows, channels = v->channels, stride = v->stride;
    double *x = as_doubles(v->x, rows, channels, stride);
    double *dn = as_doubles(v->dn, rows, channels, stride);
    double *ones = zero_doubles(channels), *sink = zero_doubles(channels);
    double *expected = zero_doubles((int64_t)rows * channels);
    for (int c = 0; c < channels; c++) ones[c] = 1;
    reference_layer_norm_backward(rows, channels, 1e-6, x, ones, dn, expected, sink, sink);
    for (int m = 0; m < rows; m++) {
        double largest = 0;
        for (int c = 0; c < channels; c++) largest = fmax(largest, fabs(dn[m * channels + c]));
        for (int c = 0; c < channels; c++)
            check_sum("layernorm backward", kernels, m, c, expected[m * channels + c],
                      16 * largest * v->rstd[m], channels, v->dx[m * stride + c]);
    }
    check_padding("layernorm backward", v->dx, rows, channels, stride);
    double *owned[] = {x, dn, ones, sink, expected};
    for (size_t i = 0; i < COUNT(owned); i++) free(owned[i]);
}

/* Rows of one channel are all mean: 1e-6 under the root makes them ill conditioned. */
void check_kernel_layernorm_backward(const fcmae_kernels *kernels)
{
    for (size_t i = 1; i < COUNT(channel_counts); i++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            norm_case v = make_norm(row_counts[r], channel_counts[i]);
            kernels->layernorm(v.rows, v.channels, v.stride, v.x, v.normalised, v.rstd, NULL);
            kernels->layernorm_backward(v.rows, v.channels, v.stride, v.normalised, v.rstd, v.dn,
                                        v.dx);
            check_norm_backward(kernels, &v);
            release_norm(&v);
        }
}

/* sum[c] += over rows of x[m][c] * y[m][c], or of x[m][c] * 0.625 */
static void try_columns(const fcmae_kernels *kernels, bool dot, int rows, int columns)
{
    fcmae_random random = test_random(3);
    int stride = columns + 16;
    float *x = random_rows(&random, rows, columns, stride);
    float *y = random_rows(&random, rows, columns, stride);
    float *before = random_floats(&random, columns), *sum = guarded_floats(columns);
    memcpy(sum, before, (size_t)columns * sizeof *sum);
    if (dot)
        kernels->column_dot(rows, columns, stride, x, y, sum);
    else
        kernels->column_sum(rows, columns, stride, x, 0.625f, sum);
    for (int c = 0; c < columns; c++) {
        double expected = before[c], size = fabs(expected);
        for (int m = 0; m < rows; m++) {
            double term = x[m * stride + c] * (dot ? (double)y[m * stride + c] : 0.625);
            expected += term;
            size += fabs(term);
        }
        check_sum(dot ? "column_dot" : "column_sum", kernels, 0, c, expected, size, rows, sum[c]);
    }
    float *owned[] = {x, y, before, sum};
    for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
}

static void check_columns(const fcmae_kernels *kernels, bool dot)
{
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_columns(kernels, dot, row_counts[r], widths[w]);
}

void check_kernel_column_sum(const fcmae_kernels *kernels)
{
    check_columns(kernels, false);
}

void check_kernel_column_dot(const fcmae_kernels *kernels)
{
    check_columns(kernels, true);
}

static void try_squared_error(const fcmae_kernels *kernels, int rows, int width)
{
    fcmae_random random = test_random(4);
    int stride = width + 48;
    float *kept = random_floats(&random, rows * width), *p = guarded_floats(rows * width);
    float *target = random_rows(&random, rows, width, stride);
    float *before = random_floats(&random, width), *sum = guarded_floats(width);
    memcpy(p, kept, (size_t)(rows * width) * sizeof *p);
    memcpy(sum, before, (size_t)width * sizeof *sum);
    double expected = 0;
    double got = kernels->squared_error(rows, width, p, target, stride, 0.375f, sum);
    for (int n = 0; n < width; n++) {
        double total = before[n], size = fabs(total);
        for (int m = 0; m < rows; m++) {
            double a = kept[m * width + n], b = target[m * stride + n];
            check_sum("error", kernels, m, n, (a - b) * 0.375, (fabs(a) + fabs(b)) * 0.375, 1,
                      p[m * width + n]);
            expected += (a - b) * (a - b);
            total += (a - b) * 0.375;
            size += (fabs(a) + fabs(b)) * 0.375;
        }
        check_sum("error sum", kernels, 0, n, total, size, rows, sum[n]);
    }
    ck_assert_msg(fabs(got - expected) <= FLT_EPSILON * 16 * expected,
                  "squared error %.9g, expected %.9g (%s)", got, expected, kernels->name);
    float *owned[] = {kept, p, target, before, sum};
    for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
}

void check_kernel_squared_error(const fcmae_kernels *kernels)
{
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_squared_error(kernels, row_counts[r], widths[w]);
}
