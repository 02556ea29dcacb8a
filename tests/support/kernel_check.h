/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Judging float kernels: buffers between guards, every instruction set of this machine, and an
 * error bound that grows with the number of terms of a sum.
 *
 * Check writes to a file at every assertion, passed or not: inner loops test first and abort then.
 */
#ifndef TESTS_SUPPORT_KERNEL_CHECK_H
#define TESTS_SUPPORT_KERNEL_CHECK_H

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels.h"
#include "core/memory.h"
#include "support/arrays.h"

/** Instruction sets of this machine: the bounds of a loop test over them. */
static inline int instruction_sets(void)
{
    return (int)fcmae_isa_detect(FCMAE_ISA_AVX512_BF16) + 1;
}

/** The kernels of the set that iteration `set` of such a test looks at. */
static inline const fcmae_kernels *kernels_of_set(int set)
{
    return fcmae_kernels_get((fcmae_isa)set);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define GUARD 64               /* floats on either side */
#define GUARD_BITS 0x7fc0deadu /* a NaN: reading it spoils the result, writing it is seen */

/** `count` zeroed floats, 64-byte aligned, between guards. Free with guarded_free(). */
static inline float *guarded_floats(int64_t count)
{
    uint32_t *words = fcmae_allocate_aligned((size_t)(count + 3 * GUARD), sizeof *words);
    ck_assert_ptr_nonnull(words);
    words[0] = (uint32_t)count;
    for (int i = 0; i < GUARD; i++) words[GUARD + i] = words[2 * GUARD + count + i] = GUARD_BITS;
    return (float *)words + 2 * GUARD;
}

/** Checks the guards and frees. */
static inline void guarded_free(float *values)
{
    uint32_t *words = (uint32_t *)values - 2 * GUARD;
    int64_t count = words[0];
    for (int i = 0; i < GUARD; i++) {
        if (words[GUARD + i] != GUARD_BITS)
            ck_abort_msg("written %d floats before a buffer", GUARD - i);
        if (words[2 * GUARD + count + i] != GUARD_BITS)
            ck_abort_msg("written %d floats after a buffer of %lld", i + 1, (long long)count);
    }
    free(words);
}

/** Guarded standard normal rows [rows][stride], zero beyond `columns`. */
static inline float *random_rows(fcmae_random *random, int64_t rows, int64_t columns,
                                 int64_t stride)
{
    float *values = guarded_floats(rows * stride);
    for (int64_t m = 0; m < rows; m++)
        for (int64_t c = 0; c < columns; c++)
            values[m * stride + c] = (float)fcmae_random_normal(random);
    return values;
}

static inline float *random_floats(fcmae_random *random, int64_t count)
{
    return random_rows(random, 1, count, count);
}

/** Guarded room for 16-bit values, an even number of them. Free with free_halves(). */
static inline uint16_t *guarded_halves(int64_t count)
{
    return (uint16_t *)(void *)guarded_floats(count / 2);
}

static inline void free_halves(uint16_t *values)
{
    guarded_free((float *)(void *)values);
}

/** The columns of [rows][stride] as packed doubles [rows][columns]. Free with free(). */
static inline double *as_doubles(const float *values, int64_t rows, int64_t columns, int64_t stride)
{
    double *out = zero_doubles(rows * columns);
    for (int64_t m = 0; m < rows; m++)
        for (int64_t c = 0; c < columns; c++) out[m * columns + c] = values[m * stride + c];
    return out;
}

/** |got - expected| <= eps (4 + sqrt(terms)) magnitude, magnitude = sum of |terms|. */
static inline void check_sum(const char *what, const fcmae_kernels *kernels, int64_t row,
                             int64_t column, double expected, double magnitude, double terms,
                             float got)
{
    double bound = FLT_EPSILON * (4 + sqrt(terms)) * magnitude + FLT_MIN;
    if (!(fabs((double)got - expected) <= bound))
        ck_abort_msg("%s (%s) at [%lld][%lld]: %.9g, expected %.9g +- %.2g (seed %llu)", what,
                     kernels->name, (long long)row, (long long)column, (double)got, expected, bound,
                     (unsigned long long)test_seed());
}

/** Columns beyond `columns` of every row are still zero. */
static inline void check_padding(const char *what, const float *values, int64_t rows,
                                 int64_t columns, int64_t stride)
{
    for (int64_t m = 0; m < rows; m++)
        for (int64_t c = columns; c < stride; c++)
            if (values[m * stride + c] != 0)
                ck_abort_msg("%s: padding [%lld][%lld] is %g", what, (long long)m, (long long)c,
                             (double)values[m * stride + c]);
}

/** For kernels that only move or multiply once: no error at all. */
static inline void check_equal(const char *what, const fcmae_kernels *kernels, int64_t index,
                               float expected, float got)
{
    if (got != expected)
        ck_abort_msg("%s (%s) at [%lld]: %.9g, expected %.9g", what, kernels->name,
                     (long long)index, (double)got, (double)expected);
}

/** The nearest value with 8 significant bits, ties to even; finite values only. */
static inline float round_bfloat16(float value)
{
    int exponent;
    double fraction = frexp(value, &exponent) * 256;
    return (float)ldexp(nearbyint(fraction), exponent - 8);
}

/** The value of bfloat16 bits. */
static inline float widen_bfloat16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static inline int row_stride(int channels)
{
    return (channels + 15) / 16 * 16;
}

#endif
