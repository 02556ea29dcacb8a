/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checks of the two passes of resampling: integers, so every set gives the sum of the definition.
 */
#include <check.h>

#include "image/resample.h"
#include "support/kernel_check.h"
#include "support/kernel_checks.h"

enum { INPUT = 300, MOST = 200 };

static uint8_t to_byte(int64_t sum)
{
    int64_t value = (sum + (1 << (FCMAE_RESAMPLE_BITS - 1))) >> FCMAE_RESAMPLE_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void check_byte(const fcmae_kernels *kernels, const char *what, int index, int64_t sum,
                       uint8_t got)
{
    if (got != to_byte(sum))
        ck_abort_msg("%s (%s): byte %d is %d, not %d", what, kernels->name, index, got,
                     to_byte(sum));
}

void check_kernel_resample_columns(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(2);
    uint8_t source[INPUT * 3], found[MOST * 3 + 1];
    int32_t wide[INPUT * 3 + 4] = {0};
    for (size_t i = 0; i < sizeof source; i++) source[i] = (uint8_t)fcmae_random_u32(&random);
    for (int output = 1; output <= MOST; output += 7) {
        fcmae_axis axis = {0};
        ck_assert_int_eq(fcmae_axis_build(&axis, INPUT, output, 0, output, false, NULL), FCMAE_OK);
        const fcmae_resample_axis columns = {axis.count, axis.taps,   axis.low,    axis.high,
                                             axis.first, axis.length, axis.weights};
        memset(found, 99, sizeof found);
        kernels->resample_columns(&columns, source + 3 * axis.low, wide, found);
        for (int i = 0; i < 3 * output; i++) {
            int64_t sum = 0;
            for (int k = 0; k < axis.length[i / 3]; k++)
                sum += (int64_t)axis.weights[i / 3 * axis.taps + k] *
                       source[3 * (axis.first[i / 3] + k) + i % 3];
            check_byte(kernels, "resample_columns", i, sum, found[i]);
        }
        ck_assert_int_eq(found[3 * output], 99);
        fcmae_axis_release(&axis);
    }
}

void check_kernel_resample_rows(const fcmae_kernels *kernels)
{
    enum { ROWS = 5, WIDEST = 150 };
    static const int32_t weights[ROWS] = {-300000, 1500000, 2400000, 900000, -305696};
    fcmae_random random = test_random(3);
    uint8_t rows[ROWS * WIDEST + FCMAE_RESAMPLE_BLOCK], found[WIDEST + 1];
    for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)fcmae_random_u32(&random);
    for (int stride = 1; stride <= WIDEST; stride++) {
        int length = 1 + stride % ROWS;
        memset(found, 99, sizeof found);
        kernels->resample_rows(rows, (size_t)stride, weights, length, found);
        for (int i = 0; i < stride; i++) {
            int64_t sum = 0;
            for (int k = 0; k < length; k++) sum += (int64_t)weights[k] * rows[k * stride + i];
            check_byte(kernels, "resample_rows", i, sum, found[i]);
        }
        ck_assert_int_eq(found[stride], 99);
    }
}
