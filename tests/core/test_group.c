/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The tree over lanes: its bits, whatever the threads, and the same from the parts of a group. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "core/group.h"
#include "core/memory.h"
#include "support/arrays.h"
#include "support/suite.h"

/* Sizes around pieces and stretches of the loop. */
static const int64_t sizes[] = {16, 1024, 1040, 65536, 65536 + 2064, 200000};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 21 };

static float *random_blocks(int count, int64_t size)
{
    fcmae_random random = test_random((uint64_t)count);
    float *block = fcmae_allocate_aligned((size_t)(count * size), sizeof *block);
    ck_assert_ptr_nonnull(block);
    for (int64_t i = 0; i < count * size; i++) /* of many magnitudes: order shows */
        block[i] = (float)(fcmae_random_normal(&random) * exp(4 * fcmae_random_normal(&random)));
    return block;
}

static float *copy_of(const float *values, int64_t count)
{
    float *copy = fcmae_allocate_aligned((size_t)count, sizeof *copy);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, values, (size_t)count * sizeof *copy);
    return copy;
}

/* The tree written down: neighbours, then pairs, then pairs of pairs. Every second block is spoilt.
 */
static void explicit_tree(float *block, int64_t size, int count)
{
    for (int step = 1; step < count; step *= 2)
        for (int b = 0; b + step < count; b += 2 * step)
            for (int64_t i = 0; i < size; i++) block[b * size + i] += block[(b + step) * size + i];
}

static void tree(int threads, float *block, int64_t size, int count)
{
    const fcmae_kernels *kernels = fcmae_kernels_get(fcmae_isa_detect(FCMAE_ISA_AVX512));
    fcmae_tree_sum(kernels, threads, block, size, count);
}

START_TEST(halves)
{
    static const int expected[] = {1, 2, 2, 4, 4, 4, 4, 8, 8};
    for (int n = 2; n <= 10; n++) ck_assert_int_eq(fcmae_tree_half(n), expected[n - 2]);
    ck_assert_int_eq(fcmae_tree_half(4096), 2048);
    ck_assert_int_eq(fcmae_tree_half(4095), 2048);
}
END_TEST

START_TEST(the_tree_is_the_tree)
{
    static const int threads[] = {1, 2, 3, 7};
    int64_t size = sizes[_i];
    for (int count = 1; count <= MOST; count += size > 2000 ? 5 : count < 9 ? 1 : 4) {
        float *block = random_blocks(count, size), *expected = copy_of(block, count * size);
        explicit_tree(expected, size, count);
        for (int t = 0; t < 4; t++) {
            float *sum = copy_of(block, count * size);
            tree(threads[t], sum, size, count);
            ck_assert_msg(memcmp(sum, expected, (size_t)size * sizeof *sum) == 0,
                          "%d blocks, %d threads", count, threads[t]);
            /* only the first block is written */
            ck_assert_int_eq(
                memcmp(sum + size, block + size, (size_t)((count - 1) * size) * sizeof *sum), 0);
            free(sum);
        }
        for (int64_t i = 0; i < size; i++) {
            double sum = 0, magnitude = 0;
            for (int b = 0; b < count; b++) {
                sum += (double)block[b * size + i];
                magnitude += fabs((double)block[b * size + i]);
            }
            if (fabs(expected[i] - sum) > 4e-7 * magnitude) ck_abort_msg("value %d", (int)i);
        }
        free(block);
        free(expected);
    }
}
END_TEST

/* Members of a group each sum their lanes, then the tree goes on over the members. */
START_TEST(members_sum_to_the_same_bits)
{
    static const int members[] = {1, 2, 3, 4, 5, 6}, each[] = {1, 2, 4};
    int64_t size = 1040;
    for (int m = 0; m < 6; m++)
        for (int e = 0; e < 3; e++) {
            int lanes = members[m] * each[e];
            float *block = random_blocks(lanes, size), *whole = copy_of(block, lanes * size);
            float *sums = copy_of(block, members[m] * size);
            tree(1, whole, size, lanes);
            for (int rank = 0; rank < members[m]; rank++) {
                float *own = block + rank * each[e] * size;
                tree(2, own, size, each[e]);
                memcpy(sums + rank * size, own, (size_t)size * sizeof *own);
            }
            explicit_tree(sums, size, members[m]);
            ck_assert_msg(memcmp(sums, whole, (size_t)size * sizeof *sums) == 0,
                          "%d members of %d lanes", members[m], each[e]);
            free(block);
            free(whole);
            free(sums);
        }
}
END_TEST

START_TEST(one_keeps_what_it_has)
{
    const fcmae_group *one = fcmae_group_of_one();
    float value = 3;
    double count = 5;
    int wish = 7;
    ck_assert(one->rank == 0 && one->size == 1);
    ck_assert_int_eq(one->sum(one, &value, 1, NULL), FCMAE_OK);
    ck_assert_int_eq(one->add(one, &count, 1, NULL), FCMAE_OK);
    ck_assert_int_eq(one->agree(one, &wish, NULL), FCMAE_OK);
    ck_assert(value == 3 && count == 5 && wish == 7);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, halves);
    tcase_add_loop_test(cases, the_tree_is_the_tree, 0, SIZES);
    tcase_add_test(cases, members_sum_to_the_same_bits);
    tcase_add_test(cases, one_keeps_what_it_has);
}

int main(void)
{
    return run_suite("group", add_tests);
}
