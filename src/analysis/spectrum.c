/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Eigenvalues without vectors, n up to about a thousand: Householder reduction to tridiagonal form,
 * then bisection on Sturm counts (Golub and Van Loan, Matrix Computations, 8.3 and 8.4). Bisection
 * cannot fail to converge and costs a third of a second at n = 1000; a LAPACK dependency for one
 * call was not worth it.
 */
#include "analysis/statistics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

static double dot(const double *a, const double *b, int64_t n)
{
    double part[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) part[k] += a[i + k] * b[i + k];
    for (; i < n; i++) part[0] += a[i] * b[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) +
           ((part[4] + part[5]) + (part[6] + part[7]));
}

/* diagonal into d[n], subdiagonal into e[n-1]; v[n] and w[n] are scratch */
static void tridiagonalise(double *matrix, int64_t n, double *d, double *e, double *v, double *w)
{
    for (int64_t k = 0; k < n; k++) {
        d[k] = matrix[k * n + k];
        if (k + 1 == n) break;
        int64_t rest = n - k - 1;
        double *block = matrix + (k + 1) * n + k + 1;
        memcpy(v, matrix + k * n + k + 1, (size_t)rest * sizeof *v); /* symmetric: row = column */
        double norm = sqrt(dot(v, v, rest));
        double alpha = v[0] > 0 ? -norm : norm;
        e[k] = rest == 1 ? v[0] : alpha;
        if (rest == 1 || norm == 0) continue;
        v[0] -= alpha;
        double beta = 2 / dot(v, v, rest);
        for (int64_t i = 0; i < rest; i++) w[i] = beta * dot(block + i * n, v, rest);
        double half = beta / 2 * dot(w, v, rest);
        for (int64_t i = 0; i < rest; i++) w[i] -= half * v[i];
        for (int64_t i = 0; i < rest; i++) {
            double *row = block + i * n, vi = v[i], wi = w[i];
            for (int64_t j = 0; j < rest; j++) row[j] -= vi * w[j] + wi * v[j];
        }
    }
}

/* number of eigenvalues below x */
static int64_t sturm_count(const double *d, const double *e, int64_t n, double x)
{
    int64_t below = 0;
    double pivot = 1;
    for (int64_t i = 0; i < n; i++) {
        double coupling = i > 0 ? e[i - 1] * e[i - 1] : 0;
        pivot = d[i] - x - (i > 0 ? coupling / pivot : 0);
        if (fabs(pivot) < DBL_MIN) pivot = -DBL_MIN;
        below += pivot < 0;
    }
    return below;
}

void fcmae_symmetric_eigenvalues(double *matrix, int64_t n, double *work, double *values)
{
    double *d = work, *e = work + n;
    tridiagonalise(matrix, n, d, e, work + 2 * n, work + 3 * n);
    double low = INFINITY, high = -INFINITY; /* Gershgorin */
    for (int64_t i = 0; i < n; i++) {
        double radius = (i > 0 ? fabs(e[i - 1]) : 0) + (i + 1 < n ? fabs(e[i]) : 0);
        low = fmin(low, d[i] - radius);
        high = fmax(high, d[i] + radius);
    }
    double span = fmax(fabs(low), fabs(high)), start = low;
    for (int64_t k = 0; k < n; k++) {
        double left = start, right = high;
        while (right - left > 1e-15 * span) {
            double middle = (left + right) / 2;
            if (middle <= left || middle >= right) break;
            if (sturm_count(d, e, n, middle) > k)
                right = middle;
            else
                left = middle;
        }
        values[k] = (left + right) / 2;
        start = left; /* the next one is not smaller */
    }
}

/* out [small, large] = centred values, transposed where that makes the rows the shorter side.
   Returns whether anything varies beyond rounding: floats differ by 6e-8 of their size or not at
   all */
static bool centre(const float *values, int64_t rows, int64_t columns, double *out)
{
    bool transpose = columns < rows;
    double energy = 0, variation = 0;
    for (int64_t c = 0; c < columns; c++) {
        double mean = 0;
        for (int64_t r = 0; r < rows; r++) mean += values[r * columns + c];
        mean /= (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            double value = values[r * columns + c], centred = value - mean;
            out[transpose ? c * rows + r : r * columns + c] = centred;
            energy += value * value;
            variation += centred * centred;
        }
    }
    return variation > 1e-24 * energy;
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
    int64_t small = rows < columns ? rows : columns, large = rows < columns ? columns : rows;
    size_t gram_size, matrix_size, bytes;
    if (__builtin_mul_overflow((size_t)small, (size_t)small, &gram_size) ||
        __builtin_mul_overflow((size_t)small, (size_t)large, &matrix_size) ||
        __builtin_add_overflow(gram_size, matrix_size, &bytes) ||
        __builtin_add_overflow(bytes, 5 * (size_t)small, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(double), &bytes))
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "effective rank: %lld x %lld is too large",
                          (long long)rows, (long long)columns);
    double *matrix = malloc(bytes);
    if (!matrix)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "effective rank: %zu bytes are not available",
                          bytes);
    double *gram = matrix + matrix_size, *work = gram + gram_size, *eigenvalues = work + 4 * small;
    *rank = 0;
    if (centre(values, rows, columns, matrix)) {
        for (int64_t i = 0; i < small; i++)
            for (int64_t j = 0; j <= i; j++) {
                double product = dot(matrix + i * large, matrix + j * large, large);
                gram[i * small + j] = gram[j * small + i] = product;
            }
        fcmae_symmetric_eigenvalues(gram, small, work, eigenvalues);
        *rank = entropy_rank(eigenvalues, small);
    }
    free(matrix);
    return FCMAE_OK;
}
