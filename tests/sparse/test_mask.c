/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Public masks: exact counts, disjoint views, a function of the arguments alone. */
#include <string.h>

#include "fcmae/mask.h"
#include "support/suite.h"

START_TEST(views_are_exact_and_disjoint)
{
    for (int unit = 1; unit <= 3; unit++) {
        uint8_t removed[3][35];
        ck_assert_int_eq(fcmae_mask_generate(1, 2, 3, 5, 7, unit, 11, 3, removed[0], NULL),
                         FCMAE_OK);
        for (int view = 0; view < 3; view++) {
            int visible = 0;
            for (int cell = 0; cell < 35; cell++) visible += removed[view][cell] == 0;
            ck_assert_int_eq(visible, 11);
        }
        for (int cell = 0; cell < 35; cell++)
            ck_assert_int_ge(removed[0][cell] + removed[1][cell] + removed[2][cell], 2);
    }
}
END_TEST

START_TEST(arguments_decide)
{
    uint8_t a[64], b[64];
    ck_assert_int_eq(fcmae_mask_generate(1, 2, 3, 8, 8, 1, 25, 1, a, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_mask_generate(1, 2, 3, 8, 8, 1, 25, 1, b, NULL), FCMAE_OK);
    ck_assert_mem_eq(a, b, sizeof a);
    static const int other[3][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(fcmae_mask_generate((uint64_t)other[i][0], (uint32_t)other[i][1],
                                             (uint64_t)other[i][2], 8, 8, 1, 25, 1, b, NULL),
                         FCMAE_OK);
        ck_assert_mem_ne(a, b, sizeof a);
    }
}
END_TEST

START_TEST(impossible_masks_are_refused)
{
    static const int wrong[][5] = {/* height, width, unit, visible, views */
                                   {0, 4, 1, 1, 1},
                                   {4, 0, 1, 1, 1},
                                   {4, 4, 0, 1, 1},
                                   {4, 4, 1, 0, 1},
                                   {4, 4, 1, 17, 1},
                                   {4, 4, 1, 4, 0},
                                   {1 << 20, 1 << 20, 1, 4, 1}};
    uint8_t removed[16];
    for (int i = 0; i < 7; i++) {
        fcmae_error error = {0};
        ck_assert_int_eq(fcmae_mask_generate(0, 0, 0, wrong[i][0], wrong[i][1], wrong[i][2],
                                             wrong[i][3], wrong[i][4], removed, &error),
                         FCMAE_ERR_ARGUMENT);
        ck_assert(error.message[0]);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, views_are_exact_and_disjoint);
    tcase_add_test(cases, arguments_decide);
    tcase_add_test(cases, impossible_masks_are_refused);
}

int main(void)
{
    return run_suite("mask", add_tests);
}
