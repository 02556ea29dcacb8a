/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * The squares of the singular values are the eigenvalues of the Gram matrix of the centred values,
 * taken over the longer side, so that it is as small as it can be. It is summed in blocks of the
 * longer side: the centred copy of the whole matrix is never needed.
 */
#include "analysis/statistics.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/blas.h"
#include "core/memory.h"

enum { BLOCK = 256 };

/** Column means. Returns whether anything varies beyond rounding: floats differ by 6e-8 of their
 *  size or not at all. */
static bool find_means(const float *values, int64_t rows, int64_t columns, double *means)
{
    double energy = 0, variation = 0;
    for (int64_t c = 0; c < columns; c++) {
        double mean = 0;
        for (int64_t r = 0; r < rows; r++) mean += values[r * columns + c];
        mean /= (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            double value = values[r * columns + c], centred = value - mean;
            energy += value * value;
            variation += centred * centred;
        }
        means[c] = mean;
    }
    return variation > 1e-24 * energy;
}

/** gram [small][small], zero before; block [small][BLOCK] is scratch. */
static void sum_gram(const float *values, int64_t rows, int64_t columns, const double *means,
                     double *block, double *gram)
{
    bool transpose = columns < rows;
    int64_t small = transpose ? columns : rows, large = transpose ? rows : columns;
    for (int64_t first = 0; first < large; first += BLOCK) {
        int64_t width = large - first < BLOCK ? large - first : BLOCK;
        for (int64_t i = 0; i < small; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t row = transpose ? first + j : i, column = transpose ? i : first + j;
                block[i * BLOCK + j] = values[row * columns + column] - means[column];
            }
        fcmae_blas_gram((int)small, (int)width, block, BLOCK, gram);
    }
}

static double entropy_rank(const double *eigenvalues, int64_t n)
{
    double total = 0, entropy = 0;
    double floor = n > 0 ? 1e-14 * fabs(eigenvalues[n - 1]) : 0; /* rounding of the Gram matrix */
    for (int64_t i = 0; i < n; i++)
        if (eigenvalues[i] > floor) total += sqrt(eigenvalues[i]);
    if (!(total > 0)) return 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(eigenvalues[i] > floor)) continue;
        double share = sqrt(eigenvalues[i]) / total;
        entropy -= share * log(share);
    }
    return exp(entropy);
}

fcmae_status fcmae_effective_rank(const float *values, int64_t rows, int64_t columns, double *rank,
                                  fcmae_error *error)
{
    if (!values || !rank || rows < 1 || columns < 1)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "effective rank: a matrix of %lld x %lld was given; it needs at least one "
            "row and one column",
            (long long)rows, (long long)columns);
    int64_t small = rows < columns ? rows : columns;
    if (small > INT_MAX / 32 || columns > INT64_MAX / 8)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "effective rank: %lld x %lld is too large",
                          (long long)rows, (long long)columns);
    FCMAE_TRY(fcmae_blas_check(error));
    fcmae_arena arena = {0};
    double *gram, *block, *work, *eigenvalues, *means;
    for (int pass = 0; pass < 2; pass++) {
        gram = fcmae_arena_take(&arena, (size_t)small * (size_t)small, sizeof *gram);
        block = fcmae_arena_take(&arena, (size_t)small * BLOCK, sizeof *block);
        work = fcmae_arena_take(&arena, FCMAE_EIGENVALUES_WORK(small), sizeof *work);
        eigenvalues = fcmae_arena_take(&arena, (size_t)small, sizeof *eigenvalues);
        means = fcmae_arena_take(&arena, (size_t)columns, sizeof *means);
        if (pass == 0) FCMAE_TRY(fcmae_arena_allocate(&arena, "the effective rank", error));
    }
    double found = 0;
    fcmae_status status = FCMAE_OK;
    if (find_means(values, rows, columns, means)) {
        memset(gram, 0, (size_t)small * (size_t)small * sizeof *gram);
        sum_gram(values, rows, columns, means, block, gram);
        status = fcmae_blas_eigenvalues((int)small, gram, work, eigenvalues, error);
        if (status == FCMAE_OK) found = entropy_rank(eigenvalues, small);
    }
    fcmae_arena_release(&arena);
    if (status == FCMAE_OK) *rank = found;
    return status;
}
