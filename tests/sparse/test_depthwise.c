/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The submanifold depthwise convolution as a whole; check_depthwise.c judges its numbers. */
#include <check.h>
#include <string.h>

#include "sparse/convolution.h"
#include "sparse/map_support.h"
#include "support/suite.h"

/* A batch is its images one by one, to the bit. */
START_TEST(images_do_not_mix)
{
    static const uint8_t removed[12] = {0, 1, 0, 1, 1, 0, /**/ 1, 0, 0, 1, 0, 1};
    const fcmae_kernels *kernels = kernels_of_set(_i);
    for (int cell = 1; cell <= 8; cell *= 2) {
        owned_map both = map_of_cells(2, 2 * cell, 3 * cell, cell, removed);
        owned_map second = map_of_cells(1, 2 * cell, 3 * cell, cell, removed + 6);
        convolution v = make_convolution(&both.map, 24, 1),
                    w = make_convolution(&second.map, 24, 2);
        int skipped = both.map.rows - second.map.rows;
        size_t count = (size_t)second.map.rows * 32;
        memcpy(w.x, v.x + skipped * 32, count * sizeof(float));
        memcpy(w.taps, v.taps, 49 * 32 * sizeof(float));
        memcpy(w.bias, v.bias, 32 * sizeof(float));
        run_convolution(kernels, &v, false);
        run_convolution(kernels, &w, true);
        ck_assert_mem_eq(w.y, v.y + skipped * 32, count * sizeof(float));
        release_convolution(&v);
        release_convolution(&w);
        release_map(&both);
        release_map(&second);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, images_do_not_mix, 0, instruction_sets());
}

int main(void)
{
    return run_suite("depthwise", add_tests);
}
