/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Is what OpenBLAS computes right? Sizes are no multiples of any block of its kernels, so that
 * their edges are tried too; the matrices are small enough for the stack and the test takes a few
 * milliseconds.
 */
#include "core/blas_fault.h"

#include <math.h>
#include <stdint.h>

enum { M = 67, N = 53, K = 131, ORDER = 43 };

/** Repeatable numbers in (-1, 1). */
static double next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return ((double)*state - 2147483647.5) / 2147483648.0;
}

static bool product_is_right(const fcmae_blas_calls *calls, bool transpose_a, bool transpose_b)
{
    float a[M * K], b[K * N], c[M * N];
    uint32_t state = 1;
    for (int i = 0; i < M * K; i++) a[i] = (float)next(&state);
    for (int i = 0; i < K * N; i++) b[i] = (float)next(&state);
    for (int i = 0; i < M * N; i++) c[i] = 1;
    calls->product(M, N, K, (fcmae_matrix){a, transpose_a ? M : K, transpose_a},
                   (fcmae_matrix){b, transpose_b ? K : N, transpose_b}, true, c, N);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 1;
            for (int k = 0; k < K; k++)
                sum += (double)a[transpose_a ? k * M + i : i * K + k] *
                       b[transpose_b ? j * K + k : k * N + j];
            if (!(fabs(c[i * N + j] - sum) <= 1e-4)) return false;
        }
    return true;
}

static bool gram_is_right(const fcmae_blas_calls *calls)
{
    double a[N * K], gram[N * N];
    uint32_t state = 2;
    for (int i = 0; i < N * K; i++) a[i] = next(&state);
    for (int i = 0; i < N * N; i++) gram[i] = 1;
    calls->gram(N, K, a, K, gram);
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 1;
            for (int k = 0; k < K; k++) sum += a[i * K + k] * a[j * K + k];
            if (!(fabs(gram[i * N + j] - sum) <= 1e-12 * K)) return false;
        }
    return true;
}

/** The matrix is H diag(1 .. n) H with a reflection H = 1 - 2 v v^T, |v| = 1. */
static bool eigenvalues_are_right(const fcmae_blas_calls *calls)
{
    double v[ORDER], h[ORDER * ORDER], matrix[ORDER * ORDER], values[ORDER], square = 0;
    double work[FCMAE_EIGENVALUES_WORK(ORDER)];
    uint32_t state = 3;
    for (int i = 0; i < ORDER; i++) {
        v[i] = next(&state);
        square += v[i] * v[i];
    }
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) h[i * ORDER + j] = (i == j) - 2 * v[i] * v[j] / square;
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) {
            double sum = 0;
            for (int k = 0; k < ORDER; k++) sum += h[i * ORDER + k] * (k + 1) * h[k * ORDER + j];
            matrix[i * ORDER + j] = sum;
        }
    if (calls->eigenvalues(ORDER, matrix, work, values, NULL) != FCMAE_OK) return false;
    for (int i = 0; i < ORDER; i++)
        if (!(fabs(values[i] - (i + 1)) <= 1e-11 * ORDER)) return false;
    return true;
}

const char *fcmae_blas_fault(const fcmae_blas_calls *calls)
{
    for (int kind = 0; kind < 4; kind++)
        if (!product_is_right(calls, kind & 1, kind & 2)) return "product of two matrices";
    if (!gram_is_right(calls)) return "product of a matrix with itself";
    if (!eigenvalues_are_right(calls)) return "set of eigenvalues";
    return NULL;
}
