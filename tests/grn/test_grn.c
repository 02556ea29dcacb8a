/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The GRN kernels put together as the block does it, against the reference, forward and backward.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/suite.h"

/* docs/equations.md, "GRN": the whole operator from squares, scale, dot and feedback. */
START_TEST(composed_operator)
{
    enum { rows = 29, width = 48 };
    const fcmae_kernels *kernels = kernels_of_set(_i);
    fcmae_random random = test_random(2);
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
    double *dyd = as_doubles(dy, 1, rows * width, rows * width), *yd = zero_doubles(rows * width);
    double *gammad = as_doubles(gamma, 1, width, width), *dhd = zero_doubles(rows * width);
    double *beta = zero_doubles(width), *dgamma = zero_doubles(width), *dbeta = zero_doubles(width);
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
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, composed_operator, 0, instruction_sets());
}

int main(void)
{
    return run_suite("grn", add_tests);
}
