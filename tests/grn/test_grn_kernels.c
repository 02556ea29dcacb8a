/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * GRN kernels of every instruction set: each by its formula, then all of them put together as the
 * block does it against the reference GRN, forward and backward.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/suite.h"

static const int widths[] = {16, 32, 48, 64, 80};
static const int row_counts[] = {0, 1, 3, 40};

START_TEST(panel_passes)
{
    fcmae_random random = test_random(1);
    for (int w = 0; w < 5; w++)
        for (int r = 0; r < 4; r++) {
            int rows = row_counts[r], width = widths[w], count = rows * width;
            float *hidden = random_floats(&random, count), *dy = random_floats(&random, count);
            float *slope = random_floats(&random, count), *scale = random_floats(&random, width);
            float *feedback = random_floats(&random, width),
                  *before = random_floats(&random, width);
            float *out = guarded_floats(count), *scaled = guarded_floats(count);
            float *dz = guarded_floats(count), *dot = random_floats(&random, width);
            float *sum = guarded_floats(width);
            FOR_EACH_INSTRUCTION_SET(kernels)
            {
                kernels->scale_panel(rows, width, hidden, scale, out);
                kernels->scale_and_dot(rows, width, dy, hidden, scale, scaled, dot);
                memcpy(dz, dy, (size_t)count * sizeof *dz);
                memcpy(sum, before, (size_t)width * sizeof *sum);
                kernels->hidden_backward(rows, width, dz, hidden, slope, scale, feedback, sum);
                ck_assert_mem_eq(out, scaled, (size_t)count * sizeof *out);
                for (int n = 0; n < width; n++) {
                    double t = 0, t_size = 0, total = before[n], total_size = fabs(total);
                    for (int m = 0; m < rows; m++) {
                        int i = m * width + n;
                        double h = hidden[i], g = dy[i], s = scale[n], k = feedback[n],
                               d = slope[i];
                        double size = (fabs(g * s) + fabs(h * k)) * fabs(d);
                        check_equal("scale_panel", kernels, i, hidden[i] * scale[n], out[i]);
                        check_sum("hidden_backward", kernels, m, n, (g * s + h * k) * d, size, 2,
                                  dz[i]);
                        t += g * h;
                        t_size += fabs(g * h);
                        total += (g * s + h * k) * d;
                        total_size += size;
                    }
                    check_sum("dot", kernels, 0, n, t, t_size, rows, dot[n]);
                    check_sum("sum", kernels, 0, n, total, total_size, rows, sum[n]);
                }
            }
            float *owned[] = {hidden, dy,     slope, scale, feedback, before,
                              out,    scaled, dz,    dot,   sum};
            for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
        }
}
END_TEST

/** Rounds both to bfloat16 and joins them as the block keeps them. */
static float *hidden_pairs(const fcmae_kernels *kernels, int count, float *value, float *slope)
{
    float *pairs = guarded_floats(count);
    for (int i = 0; i < count; i++) {
        float both[32] = {0}; /* two rows of 16 columns, the first of which counts */
        uint32_t joined[16], halves[2];
        both[0] = value[i];
        both[16] = slope[i];
        kernels->narrow_pairs(2, 16, both, 16, joined, 16);
        halves[0] = joined[0] << 16;
        halves[1] = joined[0] & 0xffff0000;
        memcpy(pairs + i, joined, sizeof *pairs);
        memcpy(value + i, &halves[0], sizeof *value);
        memcpy(slope + i, &halves[1], sizeof *slope);
    }
    return pairs;
}

/* The passes with bfloat16 results are the float32 passes and then narrow_rows and narrow_pairs,
 * however the rows are cut into segments. Sums may differ in the order of additions. */
START_TEST(narrow_passes)
{
    static const int cuts[] = {0, 7, 8, 19, 37}; /* odd and even beginnings, an odd total */
    enum { segments = 4, rows = 37, pair_rows = (rows + 1) / 2 };
    fcmae_random random = test_random(3);
    for (int w = 0; w < 5; w++) {
        int width = widths[w], count = rows * width, half = pair_rows * width;
        float *hidden = random_floats(&random, count), *dy = random_floats(&random, count);
        float *slope = random_floats(&random, count), *scale = random_floats(&random, width);
        float *feedback = random_floats(&random, width), *scaled = guarded_floats(count);
        float *dz = guarded_floats(count), *dot = guarded_floats(width),
              *sum = guarded_floats(width);
        float *got_dot = guarded_floats(width), *got_sum = guarded_floats(width);
        uint32_t *pairs = (uint32_t *)(void *)guarded_floats(half);
        uint32_t *got_pairs = (uint32_t *)(void *)guarded_floats(half);
        uint16_t *narrow = (uint16_t *)(void *)guarded_floats(half);
        uint16_t *got_narrow = (uint16_t *)(void *)guarded_floats(half);
        float *both = hidden_pairs(fcmae_kernels_get(FCMAE_ISA_PORTABLE), count, hidden, slope);
        FOR_EACH_INSTRUCTION_SET(kernels)
        {
            kernels->scale_panel(rows, width, hidden, scale, scaled);
            kernels->narrow_rows(rows, width, scaled, width, narrow, width);
            kernels->scale_panel_narrow(rows, width, both, scale, got_narrow);
            ck_assert_mem_eq(narrow, got_narrow, (size_t)count * sizeof *narrow);

            kernels->scale_and_dot(rows, width, dy, hidden, scale, scaled, dot);
            kernels->narrow_pairs(rows, width, scaled, width, pairs, width);
            for (int s = 0; s < segments; s++) {
                int first = cuts[s], n = cuts[s + 1] - first;
                kernels->scale_and_dot_pairs(first, n, width, dy + first * width,
                                             both + first * width, scale, got_pairs, got_dot);
                kernels->scale_and_dot(n, width, dy + first * width, hidden + first * width, scale,
                                       scaled, dot);
                ck_assert_mem_eq(dot, got_dot, (size_t)width * sizeof *dot);
            }
            ck_assert_mem_eq(pairs, got_pairs, (size_t)half * sizeof *pairs);

            memcpy(dz, dy, (size_t)count * sizeof *dz);
            memset(sum, 0, (size_t)width * sizeof *sum);
            memset(got_sum, 0, (size_t)width * sizeof *sum);
            memset(narrow, 0, (size_t)half * sizeof *pairs);
            memset(got_narrow, 0, (size_t)half * sizeof *pairs);
            kernels->hidden_backward(rows, width, dz, hidden, slope, scale, feedback, sum);
            kernels->narrow_pairs(rows, width, dz, width, pairs, width);
            kernels->narrow_rows(rows, width, dz, width, narrow, width);
            for (int s = 0; s < segments; s++) {
                int64_t first = cuts[s], at = first * width;
                kernels->hidden_backward_narrow((int)first, cuts[s + 1] - cuts[s], width, dy + at,
                                                both + at, scale, feedback, got_narrow, got_pairs,
                                                got_sum);
            }
            ck_assert_mem_eq(pairs, got_pairs, (size_t)half * sizeof *pairs);
            ck_assert_mem_eq(narrow, got_narrow, (size_t)half * sizeof *pairs);
            ck_assert_mem_eq(sum, got_sum, (size_t)width * sizeof *sum);
        }
        float *owned[] = {hidden, dy,  slope, scale,   feedback, scaled,
                          dz,     dot, sum,   got_dot, got_sum,  both};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
        void *halves[] = {pairs, got_pairs, narrow, got_narrow};
        for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) guarded_free(halves[i]);
    }
}
END_TEST

/* docs/equations.md, "GRN": the whole operator from squares, scale, dot and feedback. */
START_TEST(composed_operator)
{
    enum { rows = 29, width = 48 };
    fcmae_random random = test_random(2);
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        float *z = random_floats(&random, rows * width), *h = guarded_floats(rows * width);
        float *slope = guarded_floats(rows * width), *square = guarded_floats(width);
        float *dy = random_floats(&random, rows * width), *dz = guarded_floats(rows * width);
        float *y = guarded_floats(rows * width), *t = guarded_floats(width);
        float *scale = guarded_floats(width), *feedback = guarded_floats(width);
        float *sum = guarded_floats(width), *gamma = random_floats(&random, width);
        for (int m = 0; m < rows; m++) z[m * width + 5] = 0; /* a dead channel */
        memcpy(h, z, rows * width * sizeof *h);
        memcpy(dz, dy, rows * width * sizeof *dz);

        kernels->gelu(rows, width, h, slope, square);
        double mean = 0, feedback_sum = 0, g[width];
        for (int c = 0; c < width; c++) mean += (g[c] = sqrt(square[c])) / width;
        for (int c = 0; c < width; c++) scale[c] = (float)(1 + gamma[c] * g[c] / (mean + 1e-6));
        kernels->scale_and_dot(rows, width, dy, h, scale, y, t);
        for (int c = 0; c < width; c++) feedback_sum += gamma[c] * t[c] * g[c] / width;
        for (int c = 0; c < width; c++)
            feedback[c] = g[c] > 0 ? (float)((gamma[c] * t[c] / (mean + 1e-6) -
                                              feedback_sum / ((mean + 1e-6) * (mean + 1e-6))) /
                                             g[c])
                                   : 0;
        kernels->hidden_backward(rows, width, dz, h, slope, scale, feedback, sum);

        double *zd = as_doubles(z, 1, rows * width, rows * width), *hd = zero_doubles(rows * width);
        double *dyd = as_doubles(dy, 1, rows * width, rows * width),
               *yd = zero_doubles(rows * width);
        double *gammad = as_doubles(gamma, 1, width, width), *dhd = zero_doubles(rows * width);
        double *beta = zero_doubles(width), *dgamma = zero_doubles(width),
               *dbeta = zero_doubles(width);
        double *dzd = zero_doubles(rows * width);
        reference_gelu(rows * width, zd, hd);
        reference_grn(rows, width, hd, gammad, beta, yd);
        reference_grn_backward(rows, width, hd, gammad, dyd, dhd, dgamma, dbeta);
        reference_gelu_backward(rows * width, zd, dhd, dzd);
        for (int i = 0; i < rows * width; i++) {
            ck_assert_double_eq_tol(y[i], yd[i], 3e-6 * (1 + fabs(yd[i])));
            ck_assert_double_eq_tol(dz[i], dzd[i], 5e-6 * (1 + fabs(dzd[i])));
        }
        for (int c = 0; c < width; c++)
            ck_assert_double_eq_tol(t[c] * g[c] / (mean + 1e-6), dgamma[c], 1e-5);

        float *owned[] = {z, h, slope, square, dy, dz, y, t, scale, feedback, sum, gamma};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
        double *doubles[] = {zd, hd, dyd, yd, gammad, dhd, beta, dgamma, dbeta, dzd};
        for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) free(doubles[i]);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, panel_passes);
    tcase_add_test(cases, narrow_passes);
    tcase_add_test(cases, composed_operator);
}

int main(void)
{
    return run_suite("grn_kernels", add_tests);
}
