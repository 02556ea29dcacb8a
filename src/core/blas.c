/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/blas.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <pthread.h>

/* Each thread inside takes one of the library's buffers, of which Debian's build has 128. */
#define MOST_THREADS 64

static const char *fault; /* written once, under `once`, and then only read */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void test_once(void)
{
    static const fcmae_blas_calls calls = {fcmae_blas_product, fcmae_blas_gram,
                                           fcmae_blas_eigenvalues};
    openblas_set_num_threads(1);
    fault = fcmae_blas_fault(&calls);
}

fcmae_status fcmae_blas_check(fcmae_error *error)
{
    pthread_once(&once, test_once);
    if (!fault) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                      "OpenBLAS computes a wrong %s on this processor, for which it chose the "
                      "kernels of %s: set the environment variable OPENBLAS_CORETYPE to an older "
                      "processor (Haswell, Nehalem) and start again",
                      fault, fcmae_blas_core());
}

const char *fcmae_blas_core(void)
{
    return openblas_get_corename();
}

int fcmae_blas_threads(int threads)
{
    return threads < MOST_THREADS ? threads : MOST_THREADS;
}

void fcmae_blas_product(int m, int n, int k, fcmae_matrix a, fcmae_matrix b, bool add, float *c,
                        int stride)
{
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
                b.transposed ? CblasTrans : CblasNoTrans, m, n, k, 1, a.values, a.stride, b.values,
                b.stride, add ? 1 : 0, c, stride);
}

void fcmae_blas_gram(int n, int k, const double *a, int stride, double *gram)
{
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, n, k, 1, a, stride, 1, gram, n);
}

/* The lower triangle of rows is the upper one of LAPACK's columns: nothing has to be turned. */
fcmae_status fcmae_blas_eigenvalues(int n, double *matrix, double *work, double *values,
                                    fcmae_error *error)
{
    double no_vectors;
    lapack_int found = 0, *integers = (lapack_int *)(void *)(work + 26 * (size_t)n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            if (!isfinite(matrix[(size_t)i * (size_t)n + (size_t)j]))
                return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                                  "eigenvalues of a matrix whose values are not all finite");
    lapack_int info = LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'N', 'A', 'U', n, matrix, n, 0, 0, 0, 0,
                                          0, &found, values, &no_vectors, 1, NULL, work, 26 * n,
                                          integers, 10 * n);
    if (info != 0 || found != n)
        return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                          "LAPACK found %d of the %d eigenvalues of a matrix (dsyevr: %d)",
                          (int)found, n, (int)info);
    return FCMAE_OK;
}
