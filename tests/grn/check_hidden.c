/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Checks of the element-wise passes over hidden panels; contracts in core/kernel_list.h. Those with
 * bfloat16 results must be the float32 passes and then narrow_rows and narrow_pairs.
 */
#include <check.h>

#include "support/kernel_check.h"
#include "support/kernel_checks.h"

static const int widths[] = {16, 32, 48, 64, 80};
static const int row_counts[] = {0, 1, 3, 40};

void check_kernel_scale_panel(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++) {
            int width = widths[w], count = row_counts[r] * width;
            float *in = random_floats(&random, count), *scale = random_floats(&random, width);
            float *out = guarded_floats(count);
            kernels->scale_panel(row_counts[r], width, in, scale, out);
            for (int i = 0; i < count; i++)
                check_equal("scale_panel", kernels, i, in[i] * scale[i % width], out[i]);
            float *owned[] = {in, scale, out};
            for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
        }
}

static void try_scale_and_dot(const fcmae_kernels *kernels, fcmae_random *random, int rows,
                              int width)
{
    int count = rows * width;
    float *hidden = random_floats(random, count), *dy = random_floats(random, count);
    float *scale = random_floats(random, width), *dot = random_floats(random, width);
    float *scaled = guarded_floats(count);
    kernels->scale_and_dot(rows, width, dy, hidden, scale, scaled, dot);
    for (int n = 0; n < width; n++) {
        double sum = 0, size = 0;
        for (int i = n; i < count; i += width) {
            check_equal("scale_and_dot", kernels, i, hidden[i] * scale[n], scaled[i]);
            sum += (double)dy[i] * hidden[i];
            size += fabs((double)dy[i] * hidden[i]);
        }
        check_sum("dot", kernels, 0, n, sum, size, rows, dot[n]);
    }
    float *owned[] = {hidden, dy, scale, dot, scaled};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

void check_kernel_scale_and_dot(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_scale_and_dot(kernels, &random, row_counts[r], widths[w]);
}

static void try_hidden_backward(const fcmae_kernels *kernels, fcmae_random *random, int rows,
                                int width)
{
    int count = rows * width;
    float *hidden = random_floats(random, count), *dy = random_floats(random, count);
    float *slope = random_floats(random, count), *scale = random_floats(random, width);
    float *feedback = random_floats(random, width), *before = random_floats(random, width);
    float *dz = guarded_floats(count), *sum = guarded_floats(width);
    memcpy(dz, dy, (size_t)count * sizeof *dz);
    memcpy(sum, before, (size_t)width * sizeof *sum);
    kernels->hidden_backward(rows, width, dz, hidden, slope, scale, feedback, sum);
    for (int n = 0; n < width; n++) {
        double total = before[n], total_size = fabs(total), s = scale[n], k = feedback[n];
        for (int i = n; i < count; i += width) {
            double h = hidden[i], g = dy[i], d = slope[i];
            double size = (fabs(g * s) + fabs(h * k)) * fabs(d);
            check_sum("hidden_backward", kernels, i / width, n, (g * s + h * k) * d, size, 2,
                      dz[i]);
            total += (g * s + h * k) * d;
            total_size += size;
        }
        check_sum("sum", kernels, 0, n, total, total_size, rows, sum[n]);
    }
    float *owned[] = {hidden, dy, slope, scale, feedback, before, dz, sum};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

void check_kernel_hidden_backward(const fcmae_kernels *kernels)
{
    fcmae_random random = test_random(1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t r = 0; r < COUNT(row_counts); r++)
            try_hidden_backward(kernels, &random, row_counts[r], widths[w]);
}

/* bfloat16. An odd number of rows, cut into segments that begin and end at odd and even ones. */
enum { ROWS = 37, PAIR_ROWS = (ROWS + 1) / 2, SEGMENTS = 4 };
static const int cuts[SEGMENTS + 1] = {0, 7, 8, 19, ROWS};

/* Operands of a pass, in float32 and as hidden pairs of the same values; and its results. */
typedef struct narrow_case {
    int width, count;
    float *hidden, *slope, *pairs, *dy, *scale, *feedback;
    float *wide;                          /* result in float32 */
    uint16_t *rows_expected, *rows_got;   /* [2 * PAIR_ROWS][width] */
    uint32_t *pairs_expected, *pairs_got; /* [PAIR_ROWS][width] */
    float *sum_expected, *sum_got;
} narrow_case;

/** Rounds both to bfloat16 and joins them as the block keeps them. */
static float *hidden_pairs(const fcmae_kernels *kernels, int count, float *value, float *slope)
{
    float *pairs = guarded_floats(count);
    for (int i = 0; i < count; i++) {
        float both[32] = {0}; /* two rows of 16 columns, the first of which counts */
        uint32_t joined[16], halves[2];
        both[0] = value[i];
        both[16] = slope[i];
        kernels->narrow_pairs(2, 16, both, 16, joined, 16);
        halves[0] = joined[0] << 16;
        halves[1] = joined[0] & 0xffff0000;
        memcpy(pairs + i, joined, sizeof *pairs);
        memcpy(value + i, &halves[0], sizeof *value);
        memcpy(slope + i, &halves[1], sizeof *slope);
    }
    return pairs;
}

static narrow_case make_narrow(int width)
{
    fcmae_random random = test_random(3);
    int count = ROWS * width, half = PAIR_ROWS * width;
    narrow_case v = {.width = width,
                     .count = count,
                     .hidden = random_floats(&random, count),
                     .slope = random_floats(&random, count),
                     .dy = random_floats(&random, count),
                     .scale = random_floats(&random, width),
                     .feedback = random_floats(&random, width),
                     .wide = guarded_floats(count),
                     .rows_expected = guarded_halves(2 * half),
                     .rows_got = guarded_halves(2 * half),
                     .pairs_expected = (uint32_t *)(void *)guarded_floats(half),
                     .pairs_got = (uint32_t *)(void *)guarded_floats(half),
                     .sum_expected = guarded_floats(width),
                     .sum_got = guarded_floats(width)};
    v.pairs = hidden_pairs(fcmae_kernels_get(FCMAE_ISA_PORTABLE), count, v.hidden, v.slope);
    return v;
}

static void release_narrow(narrow_case *v)
{
    void *owned[] = {v->hidden,   v->slope,          v->pairs,     v->dy,
                     v->scale,    v->feedback,       v->wide,      v->rows_expected,
                     v->rows_got, v->pairs_expected, v->pairs_got, v->sum_expected,
                     v->sum_got};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

/* The results in bfloat16 are those of `wide`, to the bit. */
static void check_narrow_rows(const fcmae_kernels *kernels, narrow_case *v)
{
    kernels->narrow_rows(ROWS, v->width, v->wide, v->width, v->rows_expected, v->width);
    ck_assert_mem_eq(v->rows_expected, v->rows_got, (size_t)v->count * sizeof *v->rows_got);
}

static void check_narrow_pairs(const fcmae_kernels *kernels, narrow_case *v)
{
    kernels->narrow_pairs(ROWS, v->width, v->wide, v->width, v->pairs_expected, v->width);
    ck_assert_mem_eq(v->pairs_expected, v->pairs_got,
                     (size_t)(PAIR_ROWS * v->width) * sizeof *v->pairs_got);
}

void check_kernel_scale_panel_narrow(const fcmae_kernels *kernels)
{
    for (size_t w = 0; w < COUNT(widths); w++) {
        narrow_case v = make_narrow(widths[w]);
        kernels->scale_panel(ROWS, v.width, v.hidden, v.scale, v.wide);
        kernels->scale_panel_narrow(ROWS, v.width, v.pairs, v.scale, v.rows_got);
        check_narrow_rows(kernels, &v);
        release_narrow(&v);
    }
}

void check_kernel_scale_and_dot_pairs(const fcmae_kernels *kernels)
{
    for (size_t w = 0; w < COUNT(widths); w++) {
        narrow_case v = make_narrow(widths[w]);
        for (int s = 0; s < SEGMENTS; s++) {
            int first = cuts[s], rows = cuts[s + 1] - first, at = first * v.width;
            kernels->scale_and_dot(rows, v.width, v.dy + at, v.hidden + at, v.scale, v.wide + at,
                                   v.sum_expected);
            kernels->scale_and_dot_pairs(first, rows, v.width, v.dy + at, v.pairs + at, v.scale,
                                         v.pairs_got, v.sum_got);
            ck_assert_mem_eq(v.sum_expected, v.sum_got, (size_t)v.width * sizeof *v.sum_got);
        }
        check_narrow_pairs(kernels, &v);
        release_narrow(&v);
    }
}

void check_kernel_hidden_backward_narrow(const fcmae_kernels *kernels)
{
    for (size_t w = 0; w < COUNT(widths); w++) {
        narrow_case v = make_narrow(widths[w]);
        memcpy(v.wide, v.dy, (size_t)v.count * sizeof *v.wide);
        kernels->hidden_backward(ROWS, v.width, v.wide, v.hidden, v.slope, v.scale, v.feedback,
                                 v.sum_expected);
        for (int s = 0; s < SEGMENTS; s++) {
            int first = cuts[s], at = first * v.width;
            const fcmae_narrow_panel out = {first, v.rows_got, v.pairs_got};
            kernels->hidden_backward_narrow(cuts[s + 1] - first, v.width, v.dy + at, v.pairs + at,
                                            v.scale, v.feedback, &out, v.sum_got);
        }
        check_narrow_rows(kernels, &v);
        check_narrow_pairs(kernels, &v);
        ck_assert_mem_eq(v.sum_expected, v.sum_got, (size_t)v.width * sizeof *v.sum_got);
        release_narrow(&v);
    }
}
