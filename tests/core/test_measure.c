/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Measurements: nothing exact can be said of them, but much that would be absurd. */
#include <stdlib.h>
#include <string.h>

#include "fcmae/measure.h"
#include "support/suite.h"

START_TEST(rates_are_plausible)
{
    enum { BYTES = 8 << 20 };
    void *buffer = calloc(1, BYTES);
    double one = fcmae_measure_peak(0, false, 1, 0.02), all = fcmae_measure_peak(0, false, 0, 0.02);
    ck_assert_double_gt(one, 1e7);
    ck_assert_double_lt(one, 1e13);
    ck_assert_double_gt(all, 0.2 * one); /* a busy machine may give less than its share */
    ck_assert_double_lt(all, 1e5 * one);
    for (int set = 1; set <= 3; set++) {
        ck_assert_double_gt(fcmae_measure_peak(set, false, 1, 0.005), 1e7);
        ck_assert_double_gt(fcmae_measure_peak(set, true, 1, 0.005), 1e7);
    }
    double bandwidth = fcmae_measure_bandwidth(buffer, BYTES, 2);
    ck_assert_double_gt(bandwidth, 1e6);
    ck_assert_double_lt(bandwidth, 1e14);
    ck_assert_double_eq(fcmae_measure_bandwidth(buffer, 63, 1), 0);
    free(buffer);
}
END_TEST

START_TEST(memory_and_processors)
{
    enum { BYTES = 64 << 20 };
    uint64_t before = fcmae_measure_peak_memory();
    volatile char *block = malloc(BYTES);
    for (int i = 0; i < BYTES; i += 4096) block[i] = 1;
    ck_assert_uint_ge(fcmae_measure_peak_memory(), BYTES);
    ck_assert_uint_ge(fcmae_measure_peak_memory(), before);
    free((void *)block);
    ck_assert_uint_gt(fcmae_measure_physical_memory(), 16 << 20);
    ck_assert_int_ge(fcmae_measure_processors(), 1);
    const char *name = fcmae_measure_instruction_set(0, false);
    ck_assert(!strcmp(name, "portable") || !strcmp(name, "avx2") || !strcmp(name, "avx512"));
    ck_assert_str_eq(fcmae_measure_instruction_set(1, false), "portable");
    ck_assert_str_eq(fcmae_measure_instruction_set(1, true), "portable");
    ck_assert_int_eq(fcmae_measure_has_bfloat16(0),
                     !strcmp(fcmae_measure_instruction_set(0, true), "avx512bf16"));
    for (int set = 1; set <= 3; set++) ck_assert(!fcmae_measure_has_bfloat16(set));
    ck_assert_str_eq(fcmae_measure_instruction_set(3, true),
                     fcmae_measure_instruction_set(3, false));
    ck_assert_str_ne(fcmae_measure_blas(), "");
}
END_TEST

START_TEST(the_clock_runs_forward)
{
    double start = fcmae_measure_seconds(), last = start;
    while (last < start + 0.01) {
        double now = fcmae_measure_seconds();
        if (now < last) ck_abort_msg("the clock went back by %g s", last - now);
        last = now;
    }
    ck_assert_double_lt(last, start + 60); /* seconds, not some other unit */
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, rates_are_plausible);
    tcase_add_test(cases, memory_and_processors);
    tcase_add_test(cases, the_clock_runs_forward);
}

int main(void)
{
    return run_suite("measure", add_tests);
}
