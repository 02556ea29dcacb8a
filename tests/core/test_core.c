/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "support/suite.h"

START_TEST(random_known_answer)
{
    /* Random123's known-answer test of philox4x32-10 with zero counter and key */
    fcmae_random random = {.used = 4};
    ck_assert_uint_eq(fcmae_random_u32(&random), 0x6627e8d5u);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0xe169c58du);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0xbc57ac4cu);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0x9b00dbd8u);
}
END_TEST

START_TEST(random_streams_differ)
{
    fcmae_random a = fcmae_random_start(1, FCMAE_RANDOM_MASK, 0, 0);
    fcmae_random b = fcmae_random_start(1, FCMAE_RANDOM_CROP, 0, 0);
    fcmae_random c = fcmae_random_start(1, FCMAE_RANDOM_MASK, 1, 0);
    uint32_t x = fcmae_random_u32(&a), y = fcmae_random_u32(&b), z = fcmae_random_u32(&c);
    ck_assert(x != y && y != z && x != z);
}
END_TEST

START_TEST(permutation_is_one)
{
    fcmae_random random = fcmae_random_start(7, FCMAE_RANDOM_TEST, 0, 0);
    int64_t order[100];
    int seen[100] = {0};
    fcmae_random_permutation(&random, 100, order);
    for (int i = 0; i < 100; i++) seen[order[i]]++;
    for (int i = 0; i < 100; i++) ck_assert_int_eq(seen[i], 1);
}
END_TEST

static void square(void *argument, int64_t index, int worker)
{
    (void)worker;
    ((int64_t *)argument)[index] = index * index;
}

START_TEST(parallel_covers_every_index)
{
    for (int threads = 0; threads <= 5; threads++) {
        int64_t out[37] = {0};
        fcmae_parallel_for(threads, 37, square, out);
        for (int64_t i = 0; i < 37; i++) ck_assert_int_eq(out[i], i * i);
    }
}
END_TEST

START_TEST(arena_measures_then_hands_out)
{
    fcmae_arena arena = {0};
    fcmae_error error = {0};
    ck_assert_ptr_null(fcmae_arena_take(&arena, 10, 4));
    ck_assert_ptr_null(fcmae_arena_take(&arena, 1, 1));
    ck_assert_int_eq(fcmae_arena_allocate(&arena, "test", &error), FCMAE_OK);
    char *a = fcmae_arena_take(&arena, 10, 4), *b = fcmae_arena_take(&arena, 1, 1);
    ck_assert_int_eq(b - a, 64);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    fcmae_arena_release(&arena);
    fcmae_arena_take(&arena, SIZE_MAX / 4, 8);
    ck_assert_int_eq(fcmae_arena_allocate(&arena, "test", &error), FCMAE_ERR_MEMORY);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, random_known_answer);
    tcase_add_test(cases, random_streams_differ);
    tcase_add_test(cases, permutation_is_one);
    tcase_add_test(cases, parallel_covers_every_index);
    tcase_add_test(cases, arena_measures_then_hands_out);
}

int main(void)
{
    return run_suite("core", add_tests);
}
