/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* General matrices: OpenBLAS and LAPACK through their doorway. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/blas.h"
#include "core/random.h"
#include "support/suite.h"

START_TEST(the_doorway_opens)
{
    fcmae_error error = {0};
    ck_assert_msg(fcmae_blas_check(&error) == FCMAE_OK, "%s", error.message);
    ck_assert_ptr_nonnull(fcmae_blas_core());
    ck_assert_str_ne(fcmae_blas_core(), "");
    ck_assert_int_eq(fcmae_blas_threads(3), 3);
    ck_assert_int_eq(fcmae_blas_threads(500), 64);
}
END_TEST

static void *check(void *argument)
{
    *(fcmae_status *)argument = fcmae_blas_check(NULL);
    return NULL;
}

START_TEST(any_thread_may_be_first)
{
    pthread_t threads[8];
    fcmae_status status[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, check, &status[i]);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(status[i], FCMAE_OK);
    }
}
END_TEST

static void wrong_product(int m, int n, int k, fcmae_matrix a, fcmae_matrix b, bool add, float *c,
                          int stride)
{
    fcmae_blas_product(m, n, k, a, b, add, c, stride);
    if (b.transposed) c[(m - 1) * stride + n - 1] += 0.01f;
}

static void wrong_gram(int n, int k, const double *a, int stride, double *gram)
{
    fcmae_blas_gram(n, k, a, stride, gram);
    gram[n] = NAN;
}

static fcmae_status wrong_eigenvalues(int n, double *matrix, double *work, double *values,
                                      fcmae_error *error)
{
    fcmae_status status = fcmae_blas_eigenvalues(n, matrix, work, values, error);
    values[n - 1] *= 1 + 1e-8;
    return status;
}

START_TEST(wrong_results_are_noticed)
{
    fcmae_blas_calls calls = {fcmae_blas_product, fcmae_blas_gram, fcmae_blas_eigenvalues};
    ck_assert_ptr_null(fcmae_blas_fault(&calls));
    calls.product = wrong_product;
    ck_assert_str_eq(fcmae_blas_fault(&calls), "product of two matrices");
    calls.product = fcmae_blas_product;
    calls.gram = wrong_gram;
    ck_assert_str_eq(fcmae_blas_fault(&calls), "product of a matrix with itself");
    calls.gram = fcmae_blas_gram;
    calls.eigenvalues = wrong_eigenvalues;
    ck_assert_str_eq(fcmae_blas_fault(&calls), "set of eigenvalues");
}
END_TEST

START_TEST(eigenvalues_of_known_matrices)
{
    enum { n = 12 };
    double matrix[n * n], work[FCMAE_EIGENVALUES_WORK(n)], values[n];
    for (int i = 0; i < n; i++) /* second difference: 2 - 2 cos(k pi / (n + 1)) */
        for (int j = 0; j < n; j++) matrix[i * n + j] = i == j ? 2 : abs(i - j) == 1 ? -1 : 0;
    ck_assert_int_eq(fcmae_blas_eigenvalues(n, matrix, work, values, NULL), FCMAE_OK);
    for (int k = 0; k < n; k++)
        ck_assert_double_eq_tol(values[k], 2 - 2 * cos((k + 1) * M_PI / (n + 1)), 1e-12);
    for (int i = 0; i < n; i++) /* all ones plus identity: 1 (n-1 times) and n + 1 */
        for (int j = 0; j < n; j++) matrix[i * n + j] = 1 + (i == j);
    ck_assert_int_eq(fcmae_blas_eigenvalues(n, matrix, work, values, NULL), FCMAE_OK);
    for (int k = 0; k < n - 1; k++) ck_assert_double_eq_tol(values[k], 1, 1e-12);
    ck_assert_double_eq_tol(values[n - 1], n + 1, 1e-12);
}
END_TEST

START_TEST(eigenvalues_keep_trace_and_energy)
{
    enum { n = 60 };
    static double matrix[n * n], work[FCMAE_EIGENVALUES_WORK(n)], values[n];
    fcmae_random random = fcmae_random_start(11, FCMAE_RANDOM_TEST, 0, 0);
    double trace = 0, energy = 0, sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            matrix[i * n + j] = matrix[j * n + i] = fcmae_random_normal(&random);
    for (int i = 0; i < n * n; i++) energy += matrix[i] * matrix[i];
    for (int i = 0; i < n; i++) trace += matrix[i * n + i];
    ck_assert_int_eq(fcmae_blas_eigenvalues(n, matrix, work, values, NULL), FCMAE_OK);
    for (int i = 0; i < n; i++) {
        sum += values[i];
        squares += values[i] * values[i];
        if (i > 0) ck_assert_double_ge(values[i], values[i - 1]);
    }
    ck_assert_double_eq_tol(sum, trace, 1e-10);
    ck_assert_double_eq_tol(squares, energy, 1e-9);
}
END_TEST

START_TEST(eigenvalues_of_what_is_not_finite)
{
    double matrix[4] = {1, 0, NAN, 1}, work[FCMAE_EIGENVALUES_WORK(2)], values[2];
    ck_assert_int_eq(fcmae_blas_eigenvalues(2, matrix, work, values, NULL), FCMAE_ERR_NUMERIC);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, any_thread_may_be_first);
    tcase_add_test(cases, the_doorway_opens);
    tcase_add_test(cases, wrong_results_are_noticed);
    tcase_add_test(cases, eigenvalues_of_known_matrices);
    tcase_add_test(cases, eigenvalues_keep_trace_and_energy);
    tcase_add_test(cases, eigenvalues_of_what_is_not_finite);
}

int main(void)
{
    return run_suite("blas", add_tests);
}
