/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What OpenBLAS is asked for (core/blas.h), and the test whether it computes that. */
#ifndef FCMAE_CORE_BLAS_FAULT_H
#define FCMAE_CORE_BLAS_FAULT_H

#include <stdbool.h>

#include "core/status.h"

/** Matrices are rows `stride` elements apart. */
typedef struct fcmae_matrix {
    const float *values;
    int stride;
    bool transposed; /**< the matrix meant is the transposed one of what `values` holds */
} fcmae_matrix;

/** Doubles of scratch memory of fcmae_blas_eigenvalues(). */
#define FCMAE_EIGENVALUES_WORK(n) (32 * (size_t)(n))

/** What is tested, so that tests can put something wrong in its place. */
typedef struct fcmae_blas_calls {
    void (*product)(int m, int n, int k, fcmae_matrix a, fcmae_matrix b, bool add, float *c,
                    int stride);
    void (*gram)(int n, int k, const double *a, int stride, double *gram);
    fcmae_status (*eigenvalues)(int n, double *matrix, double *work, double *values,
                                fcmae_error *error);
} fcmae_blas_calls;

/** Name of the first call that disagrees with plain loops; NULL: none. */
const char *fcmae_blas_fault(const fcmae_blas_calls *calls);

#endif
