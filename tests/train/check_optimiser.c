/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checks of the optimiser's kernels against scalar double arithmetic. */
#include <check.h>

#include "support/kernel_check.h"
#include "support/kernel_checks.h"

static const int counts[] = {0, 16, 48, 160};

static void try_adamw(const fcmae_kernels *kernels, fcmae_random *random, int count)
{
    static const fcmae_adamw_factors factors = {.gradient_scale = 0.5f,
                                                .keep = 0.99f,
                                                .step_size = 0.01f,
                                                .correction2_root = 0.4f,
                                                .beta1 = 0.9,
                                                .beta2 = 0.95,
                                                .epsilon = 1e-3};
    float *value = random_floats(random, count), *gradient = random_floats(random, count);
    float *first = random_floats(random, count), *second = random_floats(random, count);
    double *wanted = zero_doubles(count), *m = zero_doubles(count), *v = zero_doubles(count);
    double squares = 0;
    for (int i = 0; i < count; i++) {
        double g = 0.5 * gradient[i];
        second[i] = fabsf(second[i]);
        squares += (double)gradient[i] * gradient[i];
        m[i] = 0.9 * first[i] + 0.1 * g;
        v[i] = 0.95 * second[i] + 0.05 * g * g;
        wanted[i] = value[i] * 0.99 - 0.01 * m[i] / (sqrt(v[i]) / 0.4 + 1e-3);
    }
    double found = kernels->adamw(count, value, gradient, first, second, &factors);
    ck_assert_double_eq_tol(found, squares, 1e-13 * squares + 1e-300);
    for (int i = 0; i < count; i++) {
        ck_assert_double_eq_tol(value[i], wanted[i], 5e-7);
        ck_assert_double_eq_tol(first[i], m[i], 5e-7);
        ck_assert_double_eq_tol(second[i], v[i], 5e-7);
    }
    float *owned[] = {value, gradient, first, second};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
    free(wanted);
    free(m);
    free(v);
}

void check_kernel_adamw(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(4);
    for (size_t i = 0; i < COUNT(counts); i++) try_adamw(kernels, &random, counts[i]);
}

/* Values whose squares are out of a float's range. */
void check_kernel_sum_of_squares(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(5);
    for (size_t i = 0; i < COUNT(counts); i++) {
        float *values = random_floats(&random, counts[i]);
        double squares = 0;
        for (int k = 0; k < counts[i]; k++) {
            values[k] *= 1e30f;
            squares += (double)values[k] * values[k];
        }
        double found = kernels->sum_of_squares(counts[i], values);
        ck_assert_double_eq_tol(found, squares, 1e-13 * squares + 1e-300);
        guarded_free(values);
    }
}

void check_kernel_blend(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(6);
    for (size_t i = 0; i < COUNT(counts); i++) {
        int count = counts[i];
        float *values = random_floats(&random, count), *average = random_floats(&random, count);
        double *before = as_doubles(average, 1, count, count);
        kernels->blend(count, 0.75f, 0.25f, values, average);
        for (int k = 0; k < count; k++)
            check_sum("blend", kernels, 0, k, 0.75 * before[k] + 0.25 * values[k],
                      fabs(before[k]) + fabs(values[k]), 2, average[k]);
        guarded_free(values);
        guarded_free(average);
        free(before);
    }
}
