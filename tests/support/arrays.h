/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Arrays for tests: zeroed or random, and the one seed of all tests. Free with free(). */
#ifndef TESTS_SUPPORT_ARRAYS_H
#define TESTS_SUPPORT_ARRAYS_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/random.h"

/** FCMAE_TEST_SEED, or 1. */
static inline uint64_t test_seed(void)
{
    const char *text = getenv("FCMAE_TEST_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

/** The stream `index` of this test run. */
static inline fcmae_random test_random(uint64_t index)
{
    return fcmae_random_start(test_seed(), FCMAE_RANDOM_TEST, 0, index);
}

static inline double *zero_doubles(int64_t count)
{
    double *values = calloc(count > 0 ? (size_t)count : 1, sizeof *values);
    ck_assert_ptr_nonnull(values);
    return values;
}

/** Standard normal values. */
static inline double *random_doubles(fcmae_random *random, int64_t count)
{
    double *values = zero_doubles(count);
    for (int64_t i = 0; i < count; i++) values[i] = fcmae_random_normal(random);
    return values;
}

/** Sites: each active with that probability; the caller frees. */
static inline uint8_t *random_active(fcmae_random *random, int64_t count, double probability)
{
    uint8_t *active = calloc(count > 0 ? (size_t)count : 1, 1);
    ck_assert_ptr_nonnull(active);
    for (int64_t i = 0; i < count; i++) active[i] = fcmae_random_uniform(random) < probability;
    return active;
}

/** '#' is active, '.' is not, anything else is skipped. */
static inline uint8_t *picture_active(const char *picture, int64_t count)
{
    uint8_t *active = calloc((size_t)count, 1);
    ck_assert_ptr_nonnull(active);
    int64_t i = 0;
    for (; *picture; picture++)
        if (*picture == '#' || *picture == '.') {
            ck_assert_int_lt(i, count);
            active[i++] = *picture == '#';
        }
    ck_assert_int_eq(i, count);
    return active;
}

#endif
