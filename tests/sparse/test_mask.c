/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Public masks: exact counts, disjoint views, a function of the arguments alone. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/mask.h"
#include "support/suite.h"

static void draw(uint64_t index, int height, int width, int unit, int visible, int views,
                 uint8_t *removed)
{
    const fcmae_mask_shape shape = {5, height, width, unit, visible, views};
    ck_assert_int_eq(fcmae_mask_generate(&shape, 0, index, removed, NULL), FCMAE_OK);
}

static int count_removed(const uint8_t *removed, int cells)
{
    int count = 0;
    for (int i = 0; i < cells; i++) count += removed[i];
    return count;
}

START_TEST(visible_counts)
{
    /* 64, 96, 128, 160, 192, 224, 256, 384, 512 pixels at ratio 0.6, floor rule */
    const int side[] = {2, 3, 4, 5, 6, 7, 8, 12, 16};
    const int visible[] = {1, 3, 6, 10, 14, 19, 25, 57, 102};
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(fcmae_mask_visible(side[i] * side[i], 0.6), visible[i]);
    ck_assert_int_eq(fcmae_mask_visible(49, 1), 1);
    ck_assert_int_eq(fcmae_mask_visible(49, 0), 48);
    ck_assert_int_eq(fcmae_mask_visible(1, 0.5), 1);
}
END_TEST

START_TEST(masks_are_exact_disjoint_and_repeatable)
{
    uint8_t removed[5 * 63], again[5 * 63];
    for (int unit = 1; unit <= 10; unit++)
        for (int visible = 1; visible < 63; visible += 6) {
            draw((uint64_t)unit, 7, 9, unit, visible, 5, removed);
            draw((uint64_t)unit, 7, 9, unit, visible, 5, again);
            ck_assert_mem_eq(removed, again, sizeof removed);
            int times_visible[63] = {0};
            for (int view = 0; view < 5; view++) {
                ck_assert_int_eq(63 - count_removed(removed + view * 63, 63), visible);
                for (int i = 0; i < 63; i++) times_visible[i] += !removed[view * 63 + i];
            }
            if (5 * visible <= 63)
                for (int i = 0; i < 63; i++) ck_assert_int_le(times_visible[i], 1);
        }
}
END_TEST

/* With a unit of 2 on a 4x4 grid and 8 visible cells, two whole units are visible. */
START_TEST(mask_units_stay_together)
{
    for (uint64_t stream = 0; stream < 20; stream++) {
        uint8_t removed[16];
        draw(stream, 4, 4, 2, 8, 1, removed);
        for (int unit = 0; unit < 4; unit++) {
            const uint8_t *corner = removed + unit / 2 * 8 + unit % 2 * 2;
            ck_assert(corner[0] == corner[1] && corner[0] == corner[4] && corner[0] == corner[5]);
        }
    }
}
END_TEST

/* Every cell is visible equally often: 4000 masks of 7 of 16 cells, six standard deviations. */
START_TEST(masks_are_uniform)
{
    int visible[16] = {0};
    for (uint64_t stream = 0; stream < 4000; stream++) {
        uint8_t removed[16];
        draw(stream, 4, 4, 1, 7, 1, removed);
        for (int i = 0; i < 16; i++) visible[i] += !removed[i];
    }
    for (int i = 0; i < 16; i++) ck_assert_int_lt(abs(visible[i] - 1750), 190);
}
END_TEST

START_TEST(views_are_exact_and_disjoint)
{
    for (int unit = 1; unit <= 3; unit++) {
        uint8_t removed[3][35];
        const fcmae_mask_shape shape = {
            .seed = 1, .height = 5, .width = 7, .unit = unit, .visible = 11, .views = 3};
        ck_assert_int_eq(fcmae_mask_generate(&shape, 2, 3, removed[0], NULL), FCMAE_OK);
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
    fcmae_mask_shape shape = {
        .seed = 1, .height = 8, .width = 8, .unit = 1, .visible = 25, .views = 1};
    ck_assert_int_eq(fcmae_mask_generate(&shape, 2, 3, a, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_mask_generate(&shape, 2, 3, b, NULL), FCMAE_OK);
    ck_assert_mem_eq(a, b, sizeof a);
    static const int other[3][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (int i = 0; i < 3; i++) {
        shape.seed = (uint64_t)other[i][0];
        ck_assert_int_eq(
            fcmae_mask_generate(&shape, (uint32_t)other[i][1], (uint64_t)other[i][2], b, NULL),
            FCMAE_OK);
        ck_assert_mem_ne(a, b, sizeof a);
    }
}
END_TEST

/* FNV-1a of what earlier releases drew: a mask is a function of its arguments for good */
START_TEST(masks_stay_what_they_were)
{
    static const struct {
        int height, width, unit, visible, views;
        uint64_t digest;
    } cases[] = {
        {7, 7, 1, 19, 1, 0x254c16547bce25b5},       {14, 14, 1, 78, 1, 0xf22c389488395c7f},
        {7, 7, 2, 19, 2, 0xdc685847a564fa4b},       {5, 9, 3, 11, 6, 0x56122d01a3280187},
        {12, 12, 5, 36, 4, 0x54b80593b2c5df11},     {1, 1, 1, 1, 3, 0xe604823a249029bf},
        {3, 40, 4, 48, 5, 0x60e3433b934385fd},      {128, 128, 1, 6553, 2, 0xcb2d324e522225e1},
        {256, 256, 7, 26214, 3, 0xc15c1f627c41771f}};
    static uint8_t removed[3 * 256 * 256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t digest = 0xcbf29ce484222325u;
        const fcmae_mask_shape shape = {.seed = 77 + i,
                                        .height = cases[i].height,
                                        .width = cases[i].width,
                                        .unit = cases[i].unit,
                                        .visible = cases[i].visible,
                                        .views = cases[i].views};
        for (uint64_t image = 0; image < 3; image++) {
            ck_assert_int_eq(fcmae_mask_generate(&shape, (uint32_t)i, image, removed, NULL),
                             FCMAE_OK);
            int count = cases[i].height * cases[i].width * cases[i].views;
            for (int k = 0; k < count; k++) digest = (digest ^ removed[k]) * 0x100000001b3u;
        }
        ck_assert_msg(digest == cases[i].digest, "case %zu: 0x%016llx", i,
                      (unsigned long long)digest);
    }
}
END_TEST

START_TEST(impossible_masks_are_refused)
{
    static const fcmae_mask_shape wrong[] = {/* seed, height, width, unit, visible, views */
                                             {0, 0, 4, 1, 1, 1},
                                             {0, 4, 0, 1, 1, 1},
                                             {0, 4, 4, 0, 1, 1},
                                             {0, 4, 4, 1, 0, 1},
                                             {0, 4, 4, 1, 17, 1},
                                             {0, 4, 4, 1, 4, 0},
                                             {0, 1 << 20, 1 << 20, 1, 4, 1}};
    uint8_t removed[16];
    for (int i = 0; i < 7; i++) {
        fcmae_error error = {0};
        ck_assert_int_eq(fcmae_mask_generate(&wrong[i], 0, 0, removed, &error), FCMAE_ERR_ARGUMENT);
        ck_assert(error.message[0]);
    }
    const fcmae_mask_shape shape = {
        .height = 4, .width = 2, .unit = INT_MAX, .visible = 3, .views = 1};
    ck_assert_int_eq(fcmae_mask_generate(&shape, 0, 0, removed, NULL), FCMAE_OK);
    static const uint8_t in_order[8] = {0, 0, 0, 1, 1, 1, 1, 1}; /* one unit of all cells */
    ck_assert_mem_eq(removed, in_order, sizeof in_order);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, visible_counts);
    tcase_add_test(cases, masks_are_exact_disjoint_and_repeatable);
    tcase_add_test(cases, mask_units_stay_together);
    tcase_add_test(cases, masks_are_uniform);
    tcase_add_test(cases, views_are_exact_and_disjoint);
    tcase_add_test(cases, arguments_decide);
    tcase_add_test(cases, masks_stay_what_they_were);
    tcase_add_test(cases, impossible_masks_are_refused);
}

int main(void)
{
    return run_suite("mask", add_tests);
}
