/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Dense kernels of every instruction set against double precision. */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/suite.h"

static const int widths[] = {16, 32, 48, 64, 80};
static const int channel_counts[] = {1, 3, 7, 8, 9, 16, 17, 24, 40, 48, 80, 95, 96, 97, 176};
static const int row_counts[] = {0, 1, 2, 5, 40};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* How the a side of a product lies in memory. */
typedef enum a_layout { A_ROWS, A_COLUMNS, A_PANELS, A_LAYOUTS } a_layout;

static fcmae_product describe_product(a_layout layout, int rows, int width, int depth)
{
    fcmae_product p = {.rows = rows,
                       .width = width,
                       .b_row = width + 16,
                       .c_row = width + 32,
                       .a_panels = 1,
                       .a_panel_width = depth};
    if (layout == A_ROWS) {
        p.a_row = depth + 3;
        p.a_step = 1;
    } else if (layout == A_COLUMNS) {
        p.a_row = 1;
        p.a_step = rows + 5;
    } else {
        p.a_panels = 3;
        p.a_panel_width = 16;
        p.a_row = 16;
        p.a_step = 1;
        p.a_panel_stride = 16 * (int64_t)rows + 32;
    }
    return p;
}

/* One product by the formula of core/kernels.h; c holds what was there before. */
static void check_product(const fcmae_kernels *kernels, const fcmae_product *p, const float *before)
{
    for (int m = 0; m < p->rows; m++)
        for (int n = 0; n < p->c_row; n++) {
            float got = p->c[m * p->c_row + n];
            if (n >= p->width) {
                check_equal("product beyond its panel", kernels, n, before[m * p->c_row + n], got);
                continue;
            }
            double sum = 0, magnitude = 0;
            int depth = p->a_panels * p->a_panel_width;
            for (int k = 0; k < depth; k++) {
                double a = p->a[k / p->a_panel_width * p->a_panel_stride + m * p->a_row +
                                k % p->a_panel_width * p->a_step];
                sum += a * p->b[k * p->b_row + n];
                magnitude += fabs(a * p->b[k * p->b_row + n]);
            }
            if (p->bias) sum += p->bias[n], magnitude += fabs(p->bias[n]);
            const float *add = p->add == p->c ? before : p->add;
            if (add) {
                sum += add[m * p->add_row + n];
                magnitude += fabs(add[m * p->add_row + n]);
            }
            check_sum("product", kernels, m, n, sum, magnitude, depth + 2, got);
        }
}

/* addend: 0 none, 1 another array, 2 the result itself */
static void try_product(a_layout layout, int rows, int width, int depth, bool with_bias, int addend)
{
    fcmae_random random = test_random((uint64_t)(rows * 1000 + width));
    fcmae_product p = describe_product(layout, rows, width, depth);
    depth = p.a_panels * p.a_panel_width;
    int64_t c_count = rows * p.c_row;
    float *a = random_floats(&random, (int64_t)p.a_panels * p.a_panel_stride + rows * p.a_row +
                                          depth * p.a_step);
    float *b = random_floats(&random, depth * p.b_row), *bias = random_floats(&random, width);
    float *before = random_floats(&random, c_count), *c = guarded_floats(c_count);
    float *other = random_floats(&random, rows * (width + 16));
    p.a = a;
    p.b = b;
    p.c = c;
    p.bias = with_bias ? bias : NULL;
    p.add = addend == 0 ? NULL : addend == 1 ? other : c;
    p.add_row = addend == 1 ? width + 16 : p.c_row;
    float *soon = random_floats(&random, rows * width), *kept = guarded_floats(rows * width);
    memcpy(kept, soon, (size_t)(rows * width) * sizeof *kept);
    if (rows % 4 == 1) p.soon_read = soon; /* hints: nothing is read or written */
    if (rows % 4 > 1) p.soon_written = soon;
    if (rows % 3 == 0) {
        p.soon_weights = soon;
        p.soon_lines = rows * width / 16;
    }
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        memcpy(c, before, (size_t)c_count * sizeof *c);
        kernels->product(&p);
        check_product(kernels, &p, before);
        ck_assert_mem_eq(kept, soon, (size_t)(rows * width) * sizeof *kept);
    }
    float *owned[] = {a, b, bias, before, c, other, soon, kept};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

START_TEST(products)
{
    for (size_t w = 0; w < COUNT(widths); w++)
        for (int layout = 0; layout < A_LAYOUTS; layout++) {
            for (int rows = 0; rows <= 34; rows++)
                try_product(layout, rows, widths[w], 19, rows % 2, rows % 3);
            try_product(layout, 76, widths[w], 1, true, 2);
            try_product(layout, 9, widths[w], 0, true, 0);
            try_product(layout, 9, widths[w], 160, false, 1);
        }
}
END_TEST

/* Values around every bend of the curve, and far away from it. */
static float gelu_argument(int i, fcmae_random *random)
{
    static const float special[] = {0,    -0.0f, 1e-30f, -1e-30f, 1,      -1,         4,
                                    -4,   6,     -6,     13.5f,   -13.5f, 40,         -40,
                                    1e4f, -1e4f, 1e30f,  -1e30f,  0.5f,   -0.7517916f};
    if (i < (int)COUNT(special)) return special[i];
    return (float)(fcmae_random_normal(random) * (i % 3 == 0 ? 5 : 1));
}

START_TEST(gelu)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            int rows = row_counts[r], width = widths[w], count = rows * width;
            float *z = guarded_floats(count), *h = guarded_floats(count);
            float *slope = guarded_floats(count), *square = guarded_floats(width);
            for (int i = 0; i < count; i++) z[i] = gelu_argument(i, &random);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                memcpy(h, z, (size_t)count * sizeof *h);
                kernels->gelu(rows, width, h, slope, square);
                for (int i = 0; i < count; i++) {
                    double x = z[i], one = 1, y, dy;
                    reference_gelu(1, &x, &y);
                    reference_gelu_backward(1, &x, &one, &dy);
                    if (!(fabs(h[i] - y) <= 5e-7 * fmax(1, fabs(x))))
                        ck_abort_msg("gelu(%.9g) is %.9g, not %.9g (%s)", x, (double)h[i], y,
                                     kernels->name);
                    if (!(fabs(slope[i] - dy) <= 5e-7))
                        ck_abort_msg("gelu'(%.9g) is %.9g, not %.9g (%s)", x, (double)slope[i], dy,
                                     kernels->name);
                }
                for (int n = 0; n < width; n++) {
                    double sum = 0;
                    for (int m = 0; m < rows; m++)
                        sum += (double)h[m * width + n] * h[m * width + n];
                    if (sum < FLT_MAX)
                        check_sum("gelu square", kernels, 0, n, sum, sum, rows, square[n]);
                }
                float *again = guarded_floats(
                    count); /* without slope and squares: the same value */
                memcpy(again, z, (size_t)count * sizeof *h);
                kernels->gelu(rows, width, again, NULL, NULL);
                ck_assert_mem_eq(again, h, (size_t)count * sizeof *h);
                memcpy(again, z, (size_t)count * sizeof *h);
                kernels->gelu_pairs(rows, width, again, NULL);
                for (int i = 0; i < count; i++) {
                    uint32_t pair, bits[2];
                    float got[2], expected[2] = {h[i], slope[i]};
                    memcpy(&pair, again + i, sizeof pair);
                    bits[0] = pair << 16;
                    bits[1] = pair & 0xffff0000;
                    memcpy(got, bits, sizeof got);
                    for (int half = 0; half < 2;
                         half++) /* half an ulp, and what is left out; minima */
                        if (fabs(expected[half]) < 1e30 && !(fabs(got[half] - expected[half]) <=
                                                             0.004 * fabs(expected[half]) + 4e-5))
                            ck_abort_msg("gelu_pairs(%.9g), half %d: %.9g, not %.9g (%s)",
                                         (double)z[i], half, (double)got[half],
                                         (double)expected[half], kernels->name);
                }
                guarded_free(again);
            }
            float *owned[] = {z, h, slope, square};
            for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
        }
}
END_TEST

static void check_norm_forward(const fcmae_kernels *kernels, int rows, int channels, int stride,
                               const float *x, const float *weight, const float *bias,
                               const float *normalised, const float *rstd, const float *out)
{
    double *xd = as_doubles(x, rows, channels, stride), *ones = zero_doubles(channels);
    double *zeros = zero_doubles(channels), *expected = zero_doubles((int64_t)rows * channels);
    for (int c = 0; c < channels; c++) ones[c] = 1;
    reference_layer_norm(rows, channels, 1e-6, xd, ones, zeros, expected);
    for (int m = 0; m < rows; m++) {
        double largest = 0;
        for (int c = 0; c < channels; c++) largest = fmax(largest, fabs(xd[m * channels + c]));
        for (int c = 0; c < channels; c++) {
            double n = expected[m * channels + c], magnitude = 2 * largest * rstd[m] + fabs(n);
            check_sum("layernorm", kernels, m, c, n, magnitude, channels,
                      normalised[m * stride + c]);
            check_sum("layernorm out", kernels, m, c, n * weight[c] + bias[c],
                      magnitude * fabs(weight[c]) + fabs(bias[c]), channels, out[m * stride + c]);
        }
    }
    check_padding("layernorm", normalised, rows, channels, stride);
    check_padding("layernorm out", out, rows, channels, stride);
    free(xd);
    free(ones);
    free(zeros);
    free(expected);
}

static void check_norm_backward(const fcmae_kernels *kernels, int rows, int channels, int stride,
                                const float *x, const float *rstd, const float *dn, const float *dx)
{
    double *xd = as_doubles(x, rows, channels, stride),
           *dnd = as_doubles(dn, rows, channels, stride);
    double *ones = zero_doubles(channels), *sink = zero_doubles(channels);
    double *expected = zero_doubles((int64_t)rows * channels);
    for (int c = 0; c < channels; c++) ones[c] = 1;
    reference_layer_norm_backward(rows, channels, 1e-6, xd, ones, dnd, expected, sink, sink);
    for (int m = 0; m < rows; m++) {
        double largest = 0;
        for (int c = 0; c < channels; c++) largest = fmax(largest, fabs(dnd[m * channels + c]));
        for (int c = 0; c < channels; c++)
            check_sum("layernorm backward", kernels, m, c, expected[m * channels + c],
                      16 * largest * rstd[m], channels, dx[m * stride + c]);
    }
    check_padding("layernorm backward", dx, rows, channels, stride);
    free(xd);
    free(dnd);
    free(ones);
    free(sink);
    free(expected);
}

START_TEST(layernorm)
{
    fcmae_random random = test_random(2);
    for (size_t i = 0; i < COUNT(channel_counts); i++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            int rows = row_counts[r], channels = channel_counts[i], stride = row_stride(channels);
            int64_t count = (int64_t)rows * stride;
            float *x = random_rows(&random, rows, channels, stride);
            float *dn = random_rows(&random, rows, channels, stride);
            float *weight = random_rows(&random, 1, channels, stride);
            float *bias = random_rows(&random, 1, channels, stride);
            float *normalised = guarded_floats(count), *out = guarded_floats(count);
            float *dx = guarded_floats(count), *rstd = guarded_floats(rows);
            for (int64_t m = 0; m < rows; m++) /* a mean away from zero */
                for (int c = 0; c < channels; c++) x[m * stride + c] += (float)(m % 3);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                for (int64_t k = 0; k < count; k++) normalised[k] = out[k] = dx[k] = 77;
                kernels->layernorm(rows, channels, stride, x, normalised, rstd, NULL, NULL, NULL);
                float *first = guarded_floats(count);
                memcpy(first, normalised, (size_t)count * sizeof *first);
                kernels->layernorm(rows, channels, stride, x, normalised, rstd, weight, bias, out);
                ck_assert_mem_eq(first, normalised, (size_t)count * sizeof *first);
                guarded_free(first);
                check_norm_forward(kernels, rows, channels, stride, x, weight, bias, normalised,
                                   rstd, out);
                kernels->layernorm_backward(rows, channels, stride, normalised, rstd, dn, dx);
                /* rows of one channel are all mean: 1e-6 under the root makes them
                 *  ill conditioned */
                if (channels > 1)
                    check_norm_backward(kernels, rows, channels, stride, x, rstd, dn, dx);
            }
            float *owned[] = {x, dn, weight, bias, normalised, out, dx, rstd};
            for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
        }
}
END_TEST

START_TEST(layernorm_of_a_constant_row)
{
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        float x[32], normalised[32], rstd;
        for (int c = 0; c < 32; c++) x[c] = c < 24 ? 0.25f : 0;
        kernels->layernorm(1, 24, 32, x, normalised, &rstd, NULL, NULL, NULL);
        for (int c = 0; c < 32; c++) ck_assert_float_eq(normalised[c], 0);
        ck_assert_float_eq_tol(rstd, 1000, 1e-3f);
    }
}
END_TEST

START_TEST(column_reductions)
{
    fcmae_random random = test_random(3);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            int rows = row_counts[r], columns = widths[w], stride = columns + 16;
            float *x = random_rows(&random, rows, columns, stride);
            float *y = random_rows(&random, rows, columns, stride);
            float *before = random_floats(&random, columns), *sum = guarded_floats(columns);
            float *dot = guarded_floats(columns);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                memcpy(sum, before, (size_t)columns * sizeof *sum);
                memcpy(dot, before, (size_t)columns * sizeof *sum);
                kernels->column_sum(rows, columns, stride, x, 0.625f, sum);
                kernels->column_dot(rows, columns, stride, x, y, dot);
                for (int c = 0; c < columns; c++) {
                    double s = before[c], d = before[c], size = fabs(s), dot_size = fabs(s);
                    for (int m = 0; m < rows; m++) {
                        double value = x[m * stride + c], both = value * y[m * stride + c];
                        s += 0.625 * value;
                        d += both;
                        size += 0.625 * fabs(value);
                        dot_size += fabs(both);
                    }
                    check_sum("column_sum", kernels, 0, c, s, size, rows, sum[c]);
                    check_sum("column_dot", kernels, 0, c, d, dot_size, rows, dot[c]);
                }
            }
            float *owned[] = {x, y, before, sum, dot};
            for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
        }
}
END_TEST

START_TEST(squared_error)
{
    fcmae_random random = test_random(4);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            int rows = row_counts[r], width = widths[w], stride = width + 48;
            float *kept = random_floats(&random, rows * width), *p = guarded_floats(rows * width);
            float *target = random_rows(&random, rows, width, stride);
            float *before = random_floats(&random, width), *sum = guarded_floats(width);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                memcpy(p, kept, (size_t)(rows * width) * sizeof *p);
                memcpy(sum, before, (size_t)width * sizeof *sum);
                double expected = 0;
                double got = kernels->squared_error(rows, width, p, target, stride, 0.375f, sum);
                for (int n = 0; n < width; n++) {
                    double total = before[n], size = fabs(total);
                    for (int m = 0; m < rows; m++) {
                        double a = kept[m * width + n], b = target[m * stride + n];
                        check_sum("error", kernels, m, n, (a - b) * 0.375,
                                  (fabs(a) + fabs(b)) * 0.375, 1, p[m * width + n]);
                        expected += (a - b) * (a - b);
                        total += (a - b) * 0.375;
                        size += (fabs(a) + fabs(b)) * 0.375;
                    }
                    check_sum("error sum", kernels, 0, n, total, size, rows, sum[n]);
                }
                ck_assert_msg(fabs(got - expected) <= FLT_EPSILON * 16 * expected,
                              "squared error %.9g, expected %.9g (%s)", got, expected,
                              kernels->name);
            }
            float *owned[] = {kept, p, target, before, sum};
            for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
        }
}
END_TEST

/* Patches from busy to flat, bright ones among them: the mean must
 *  not cost the digits of the rest. */
START_TEST(scale_bytes)
{
    fcmae_random random = test_random(12);
    float scale[FCMAE_BYTE_PERIOD], shift[FCMAE_BYTE_PERIOD];
    for (int i = 0; i < FCMAE_BYTE_PERIOD; i++) {
        scale[i] = (float)fcmae_random_uniform(&random) - 0.5f;
        shift[i] = (float)fcmae_random_uniform(&random) - 0.5f;
    }
    for (int count = 0; count <= 200; count++) {
        int rows = 1 + count % 3, row = count + count % 5, bytes = (rows - 1) * row + count;
        uint8_t *in = malloc((size_t)bytes +
                             !bytes); /* exact: the sanitizer sees a byte read beyond */
        ck_assert_ptr_nonnull(in);
        for (int i = 0; i < bytes; i++) in[i] = (uint8_t)(fcmae_random_uniform(&random) * 256);
        float *out = guarded_floats(rows * count);
        FOR_EACH_INSTRUCTION_SET(kernels)
        {
            kernels->scale_bytes(rows, count, in, row, scale, shift, out);
            for (int i = 0; i < rows * count; i++) {
                int j = i % count % FCMAE_BYTE_PERIOD;
                ck_assert_double_eq_tol(
                    out[i], (double)in[i / count * row + i % count] * scale[j] + shift[j], 1e-4);
            }
        }
        free(in);
        guarded_free(out);
    }
}
END_TEST

START_TEST(standardise)
{
    static const int counts[] = {2, 3, 48, 255, 256, 768, 3072};
    static const double spreads[] = {1, 0.1, 1e-3, 1e-5, 0};
    fcmae_random random = test_random(8);
    for (size_t i = 0; i < COUNT(counts); i++)
        for (size_t k = 0; k < COUNT(spreads); k++) {
            int count = counts[i];
            float *patch = guarded_floats(count), *x = guarded_floats(count);
            double *image = zero_doubles(count), *expected = zero_doubles(count);
            for (int n = 0; n < count; n++) {
                patch[n] = (float)(2.64 + spreads[k] * fcmae_random_normal(&random));
                image[n] = patch[n];
            }
            /* one pixel with `count` channels is a patch of that many values */
            reference_patch_target(image, count, 1, 1, 1, 0, 1, expected);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                memcpy(x, patch, (size_t)count * sizeof *x);
                kernels->standardise(count, x);
                for (int n = 0; n < count; n++)
                    if (!(fabs(x[n] - expected[n]) <= 4e-6 * (1 + fabs(expected[n]))))
                        ck_abort_msg(
                            "standardise (%s), %d values, spread %g: [%d] is %.9g, not %.9g",
                            kernels->name, count, spreads[k], n, (double)x[n], expected[n]);
            }
            guarded_free(patch);
            guarded_free(x);
            free(image);
            free(expected);
        }
}
END_TEST

/* dst[panel][k][n] against src[k][panel * width + n], rows outside [first, last) untouched */
static void try_pack(int k_total, int columns, int width, bool scaled)
{
    fcmae_random random = test_random(5);
    int stride = row_stride(columns), panels = (columns + width - 1) / width;
    int first = k_total / 3, last = k_total - k_total / 4;
    float *src = random_rows(&random, k_total, columns, stride);
    float *scale = random_floats(&random, k_total);
    float *dst = guarded_floats((int64_t)panels * k_total * width);
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        for (int i = 0; i < panels * k_total * width; i++) dst[i] = 77;
        for (int panel = 0; panel < panels; panel++)
            kernels->pack(first, last, columns, stride, src, scaled ? scale : NULL, width, panel,
                          k_total, dst);
        for (int i = 0; i < panels * k_total * width; i++) {
            int column = i / (k_total * width) * width + i % width, k = i / width % k_total;
            float value = column < columns ? src[k * stride + column] * (scaled ? scale[k] : 1) : 0;
            check_equal("pack", kernels, i, k < first || k >= last ? 77 : value, dst[i]);
        }
    }
    guarded_free(src);
    guarded_free(scale);
    guarded_free(dst);
}

/* dst[panel][k][n] against src[panel * width + n][k] */
static void try_pack_transposed(int k_total, int rows, int width, bool scaled)
{
    fcmae_random random = test_random(6);
    int stride = row_stride(k_total), panels = (rows + width - 1) / width;
    float *src = random_rows(&random, rows, k_total, stride);
    float *scale = random_floats(&random, rows);
    float *dst = guarded_floats((int64_t)panels * k_total * width);
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        for (int i = 0; i < panels * k_total * width; i++) dst[i] = 77;
        for (int panel = 0; panel < panels; panel++)
            kernels->pack_transposed(k_total, rows, stride, src, scaled ? scale : NULL, width,
                                     panel, dst);
        for (int i = 0; i < panels * k_total * width; i++) {
            int row = i / (k_total * width) * width + i % width, k = i / width % k_total;
            float value = row < rows ? src[row * stride + k] * (scaled ? scale[row] : 1) : 0;
            check_equal("pack_transposed", kernels, i, value, dst[i]);
        }
    }
    guarded_free(src);
    guarded_free(scale);
    guarded_free(dst);
}

START_TEST(packing)
{
    static const int sizes[] = {1, 3, 8, 16, 24, 40, 49, 80, 96, 97};
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t k = 0; k < COUNT(sizes); k++)
            for (size_t n = 0; n < COUNT(sizes); n++) {
                try_pack(sizes[k], sizes[n], widths[w], k % 2);
                try_pack_transposed(sizes[k], sizes[n], widths[w], n % 2);
            }
}
END_TEST

START_TEST(sum_of_blocks)
{
    fcmae_random random = test_random(7);
    float *block[5], *sum = guarded_floats(176);
    for (int b = 0; b < 5; b++) block[b] = random_floats(&random, 176);
    FOR_EACH_INSTRUCTION_SET(kernels)
    for (int blocks = 1; blocks <= 5; blocks++) {
        kernels->sum_blocks(176, blocks, (const float *const *)block, sum);
        for (int i = 0; i < 176; i++) {
            float expected = block[0][i];
            for (int b = 1; b < blocks; b++) expected += block[b][i];
            check_equal("sum_blocks", kernels, i, expected, sum[i]); /* same order: same bits */
        }
    }
    /* in place on the first block, as gradient lanes are summed */
    float *kept = guarded_floats(176);
    memcpy(kept, sum, 176 * sizeof *sum);
    fcmae_kernels_get(FCMAE_ISA_PORTABLE)
        ->sum_blocks(176, 5, (const float *const *)block, block[0]);
    ck_assert_mem_eq(kept, block[0], 176 * sizeof *sum);
    guarded_free(kept);
    for (int b = 0; b < 5; b++) guarded_free(block[b]);
    guarded_free(sum);
}
END_TEST

START_TEST(instruction_sets)
{
    ck_assert_int_eq(fcmae_isa_detect(FCMAE_ISA_PORTABLE), FCMAE_ISA_PORTABLE);
    ck_assert_int_le(fcmae_isa_detect(FCMAE_ISA_AVX2), FCMAE_ISA_AVX2);
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        float sink = 0;
        ck_assert_double_gt(kernels->peak(10, &sink), 0);
        ck_assert(isfinite(sink));
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, products);
    tcase_add_test(cases, gelu);
    tcase_add_test(cases, layernorm);
    tcase_add_test(cases, layernorm_of_a_constant_row);
    tcase_add_test(cases, column_reductions);
    tcase_add_test(cases, squared_error);
    tcase_add_test(cases, scale_bytes);
    tcase_add_test(cases, standardise);
    tcase_add_test(cases, packing);
    tcase_add_test(cases, sum_of_blocks);
    tcase_add_test(cases, instruction_sets);
}

int main(void)
{
    return run_suite("dense_kernels", add_tests);
}
