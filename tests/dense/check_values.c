/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checks of the kernels that convert values and of those on vectors; core/kernel_list.h. */
#include <check.h>

#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/kernel_checks.h"

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

enum { ROWS = 5, COLUMNS = 48, STRIDE = 64 };

void check_kernel_narrow_rows(const fcmae_kernels *kernels)
{
    enum { OUT = 80 };
    fcmae_random random = test_random(1);
    float *x = guarded_floats(ROWS * STRIDE);
    uint16_t *out = guarded_halves(ROWS * OUT);
    fill_special(x, ROWS * STRIDE, &random);
    kernels->narrow_rows(ROWS, COLUMNS, x, STRIDE, out, OUT);
    for (int m = 0; m < ROWS; m++)
        for (int c = 0; c < COLUMNS; c++)
            check_rounded(kernels, "narrow_rows", x[m * STRIDE + c], out[m * OUT + c]);
    for (int c = COLUMNS; c < OUT; c++) ck_assert_uint_eq(out[c], 0);
    free_halves(out);
    guarded_free(x);
}

/* An odd last row is paired with zeros. */
void check_kernel_narrow_pairs(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    float *x = guarded_floats(ROWS * STRIDE);
    fill_special(x, ROWS * STRIDE, &random);
    for (int count = 0; count <= ROWS; count++) {
        uint16_t *pairs = guarded_halves(2 * 3 * STRIDE);
        kernels->narrow_pairs(count, COLUMNS, x, STRIDE, (uint32_t *)(void *)pairs, STRIDE);
        for (int m = 0; m < 2 * ((count + 1) / 2); m++)
            for (int c = 0; c < COLUMNS; c++)
                check_rounded(kernels, "narrow_pairs", m < count ? x[m * STRIDE + c] : 0,
                              pairs[(m / 2 * STRIDE + c) * 2 + m % 2]);
        free_halves(pairs);
    }
    guarded_free(x);
}

void check_kernel_scale_bytes(const fcmae_kernels *kernels)
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
        kernels->scale_bytes(rows, count, in, row, scale, shift, out);
        for (int i = 0; i < rows * count; i++) {
            int j = i % count % FCMAE_BYTE_PERIOD;
            ck_assert_double_eq_tol(
                out[i], (double)in[i / count * row + i % count] * scale[j] + shift[j], 1e-4);
        }

        free(in);
        guarded_free(out);
    }
}

/* Patches from busy to flat, bright ones among them: the mean must not cost the digits of the rest.
 */
void check_kernel_standardise(const fcmae_kernels *kernels)
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
            memcpy(x, patch, (size_t)count * sizeof *x);
            kernels->standardise(count, x);
            for (int n = 0; n < count; n++)
                if (!(fabs(x[n] - expected[n]) <= 4e-6 * (1 + fabs(expected[n]))))
                    ck_abort_msg("standardise (%s), %d values, spread %g: [%d] is %.9g, not %.9g",
                                 kernels->name, count, spreads[k], n, (double)x[n], expected[n]);

            guarded_free(patch);
            guarded_free(x);
            free(image);
            free(expected);
        }
}

static const int lengths[] = {0, 1, 7, 8, 15, 16, 64, 65, 127, 320};

void check_kernel_dot(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(9);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        float *x = random_floats(&random, lengths[i]), *y = random_floats(&random, lengths[i]);
        double sum = 0, size = 0;
        for (int k = 0; k < lengths[i]; k++) {
            sum += (double)x[k] * y[k];
            size += fabs((double)x[k] * y[k]);
        }
        check_sum("dot", kernels, 0, lengths[i], sum, size, lengths[i],
                  kernels->dot(lengths[i], x, y));
        guarded_free(x);
        guarded_free(y);
    }
}

void check_kernel_combine(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(10);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        int count = lengths[i];
        float *x = random_floats(&random, count), *y = random_floats(&random, count);
        float *before = guarded_floats(count);
        memcpy(before, y, (size_t)count * sizeof *y);
        kernels->combine(count, 0.625f, x, -1.5f, y);
        for (int k = 0; k < count; k++)
            check_sum("combine", kernels, 0, k, 0.625 * x[k] - 1.5 * before[k],
                      fabs(0.625 * x[k]) + fabs(1.5 * before[k]), 2, y[k]);
        float *owned[] = {x, y, before};
        for (size_t k = 0; k < COUNT(owned); k++) guarded_free(owned[k]);
    }
}

void check_kernel_sum_blocks(const fcmae_kernels *kernels)
{
    enum { LENGTH = 176 };
    fcmae_random random = test_random(7);
    float *block[5], *sum = guarded_floats(LENGTH);
    for (int b = 0; b < 5; b++) block[b] = random_floats(&random, LENGTH);
    for (int blocks = 1; blocks <= 5; blocks++) {
        kernels->sum_blocks(LENGTH, blocks, (const float *const *)block, sum);
        for (int i = 0; i < LENGTH; i++) {
            float expected = block[0][i];
            for (int b = 1; b < blocks; b++) expected += block[b][i];
            check_equal("sum_blocks", kernels, i, expected, sum[i]); /* same order: same bits */
        }
    }
    /* in place on the first block, as gradient lanes are summed */
    kernels->sum_blocks(LENGTH, 5, (const float *const *)block, block[0]);
    ck_assert_mem_eq(sum, block[0], LENGTH * sizeof *sum);
    for (int b = 0; b < 5; b++) guarded_free(block[b]);
    guarded_free(sum);
}
