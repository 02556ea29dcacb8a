/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * General matrices: the one doorway to OpenBLAS and LAPACK, for what is not the network:
 * neighbours, probes, covariances, eigenvalues.
 *
 * A call computes on the thread that makes it. Callers cut their work into blocks of fixed size and
 * give blocks to threads, so the bits of a result do not depend on the number of threads. They do
 * depend on the kernels that OpenBLAS chose for the processor.
 *
 * That choice is known to fail on processors newer than the library. So the first call of
 * fcmae_blas_check() compares a product and an eigenproblem with plain loops; nothing else here may
 * be called before it succeeded. It also sets OpenBLAS to one thread, for the whole process.
 */
#ifndef FCMAE_CORE_BLAS_H
#define FCMAE_CORE_BLAS_H

#include "core/blas_fault.h"

/** FCMAE_OK, or FCMAE_ERR_UNSUPPORTED: which kernels compute what wrongly, and the remedy. The test
 *  is made once in a process; any thread may call. */
fcmae_status fcmae_blas_check(fcmae_error *error);
/** The processor whose kernels OpenBLAS chose: "Haswell". */
const char *fcmae_blas_core(void);
/** `threads`, but no more than may be inside OpenBLAS at a time. */
int fcmae_blas_threads(int threads);

/** c[m][n] = a[m][k] b[k][n], or c += a b if `add`. */
void fcmae_blas_product(int m, int n, int k, fcmae_matrix a, fcmae_matrix b, bool add, float *c,
                        int stride);
/** gram[n][n] += a[n][k] a^T, the lower triangle only. */
void fcmae_blas_gram(int n, int k, const double *a, int stride, double *gram);

/**
 * All eigenvalues of a symmetric matrix, ascending.
 * @param matrix  [n][n], of which the lower triangle is read; destroyed
 * @param values  [out] [n]
 * @return FCMAE_ERR_NUMERIC: a value is not finite, or LAPACK found none.
 */
fcmae_status fcmae_blas_eigenvalues(int n, double *matrix, double *work, double *values,
                                    fcmae_error *error);

#endif
