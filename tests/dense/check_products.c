/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checks of the products and of what packs their operands; contracts in core/kernel_list.h. */
#include <check.h>
#include <stdbool.h>

#include "support/kernel_check.h"
#include "support/kernel_checks.h"

static const int widths[] = {16, 32, 48, 64, 80};

/* How the a side of a product lies in memory. */
typedef enum a_layout { A_ROWS, A_COLUMNS, A_PANELS, A_LAYOUTS } a_layout;

static fcmae_product describe_product(a_layout layout, int rows, int width, int depth)
{
    fcmae_product p = {.rows = rows,
                       .width = width,
                       .b_row = width + 16,
                       .c_row = width + 32,
                       .a_panels = 1,
                       .a_panel_width = depth};
    if (layout == A_ROWS) {
        p.a_row = depth + 3;
        p.a_step = 1;
    } else if (layout == A_COLUMNS) {
        p.a_row = 1;
        p.a_step = rows + 5;
    } else {
        p.a_panels = 3;
        p.a_panel_width = 16;
        p.a_row = 16;
        p.a_step = 1;
        p.a_panel_stride = 16 * (int64_t)rows + 32;
    }
    return p;
}

/** Element `index`, its low (half 0) or high bfloat16 where elements are pairs. */
static double element(const float *values, int64_t index, bool pairs, int half)
{
    uint32_t bits;
    memcpy(&bits, values + index, sizeof bits);
    return pairs ? widen_bfloat16((uint16_t)(bits >> 16 * half)) : values[index];
}

/* One product by the formula of core/kernels.h; c holds what was there before. */
static void check_product(const fcmae_kernels *kernels, bool pairs, const fcmae_product *p,
                          const float *before)
{
    int depth = p->a_panels * p->a_panel_width;
    for (int m = 0; m < p->rows; m++)
        for (int n = 0; n < p->c_row; n++) {
            float got = p->c[m * p->c_row + n];
            if (n >= p->width) {
                check_equal("product beyond its panel", kernels, n, before[m * p->c_row + n], got);
                continue;
            }
            double sum = 0, magnitude = 0;
            for (int k = 0; k < (pairs ? 2 * depth : depth); k++) {
                int i = pairs ? k / 2 : k;
                int64_t at = i / p->a_panel_width * p->a_panel_stride + m * p->a_row +
                             i % p->a_panel_width * p->a_step;
                double term = element(p->a, at, pairs, k % 2) *
                              element(p->b, i * p->b_row + n, pairs, k % 2);
                sum += term;
                magnitude += fabs(term);
            }
            if (p->bias) sum += p->bias[n], magnitude += fabs(p->bias[n]);
            const float *add = p->add == p->c ? before : p->add;
            if (add) {
                sum += add[m * p->add_row + n];
                magnitude += fabs(add[m * p->add_row + n]);
            }
            check_sum(pairs ? "product_pairs" : "product", kernels, m, n, sum, magnitude,
                      2 * depth + 2, got);
        }
}

/** Random elements: floats, or pairs of bfloat16. */
static float *random_elements(fcmae_random *random, int64_t count, bool pairs)
{
    float *values = random_floats(random, count);
    for (int64_t i = 0; i < count && pairs; i++) {
        uint32_t bits[2];
        float other = (float)fcmae_random_normal(random);
        memcpy(bits, values + i, sizeof *bits);
        memcpy(bits + 1, &other, sizeof other);
        bits[0] = bits[0] >> 16 | (bits[1] & 0xffff0000);
        memcpy(values + i, bits, sizeof *bits);
    }
    return values;
}

/* addend: 0 none, 1 another array, 2 the result itself */
static void try_product(const fcmae_kernels *kernels, bool pairs, fcmae_product p, bool with_bias,
                        int addend)
{
    int rows = p.rows, width = p.width, depth = p.a_panels * p.a_panel_width;
    fcmae_random random = test_random((uint64_t)(rows * 1000 + width));
    int64_t c_count = rows * p.c_row;
    int64_t a_count = p.a_panels * p.a_panel_stride + rows * p.a_row + depth * p.a_step;
    float *a = random_elements(&random, a_count, pairs);
    float *b = random_elements(&random, depth * p.b_row, pairs);
    float *bias = random_floats(&random, width), *other = random_floats(&random, rows * p.b_row);
    float *before = random_floats(&random, c_count), *c = guarded_floats(c_count);
    float *soon = random_floats(&random, rows * width), *kept = guarded_floats(rows * width);
    p.a = a;
    p.b = b;
    p.c = c;
    p.bias = with_bias ? bias : NULL;
    p.add = addend == 0 ? NULL : addend == 1 ? other : c;
    p.add_row = addend == 1 ? p.b_row : p.c_row;
    memcpy(kept, soon, (size_t)(rows * width) * sizeof *kept);
    if (rows % 4 == 1) p.soon_read = soon; /* hints: nothing is read or written */
    if (rows % 4 > 1) p.soon_written = soon;
    if (rows % 3 == 0) {
        p.soon_weights = soon;
        p.soon_lines = rows * width / 16;
    }
    memcpy(c, before, (size_t)c_count * sizeof *c);
    (pairs ? kernels->product_pairs : kernels->product)(&p);
    check_product(kernels, pairs, &p, before);
    ck_assert_mem_eq(kept, soon, (size_t)(rows * width) * sizeof *kept);
    float *owned[] = {a, b, bias, before, c, other, soon, kept};
    for (size_t i = 0; i < COUNT(owned); i++) guarded_free(owned[i]);
}

static void check_products(const fcmae_kernels *kernels, bool pairs)
{
    for (size_t w = 0; w < COUNT(widths); w++)
        for (int i = 0; i < A_LAYOUTS; i++) {
            a_layout layout = (a_layout)i;
            int width = widths[w];
            for (int rows = 0; rows <= 34; rows += layout == A_ROWS ? 1 : 5)
                try_product(kernels, pairs, describe_product(layout, rows, width, 19), rows % 2,
                            rows % 3);
            try_product(kernels, pairs, describe_product(layout, 76, width, 1), true, 2);
            try_product(kernels, pairs, describe_product(layout, 9, width, 0), true, 0);
            try_product(kernels, pairs, describe_product(layout, 9, width, 160), false, 1);
        }
}

void check_kernel_product(const fcmae_kernels *kernels)
{
    check_products(kernels, false);
}

void check_kernel_product_pairs(const fcmae_kernels *kernels)
{
    check_products(kernels, true);
}

static const int sizes[] = {1, 3, 8, 16, 24, 40, 49, 80, 96, 97};

/* panels [columns / width][rows][width] of src [rows][columns], or of its transpose */
static void try_pack(const fcmae_kernels *kernels, bool transposed, int rows, int columns,
                     int width, bool scaled)
{
    fcmae_random random = test_random(5);
    int stride = row_stride(transposed ? rows : columns), panels = (columns + width - 1) / width;
    int src_rows = transposed ? columns : rows;
    float *src = random_rows(&random, src_rows, transposed ? rows : columns, stride);
    float *scale = random_floats(&random, src_rows);
    float *panel = guarded_floats((int64_t)rows * width);
    for (int first = 0; first < panels * width; first += width) {
        for (int i = 0; i < rows * width; i++) panel[i] = 77;
        if (transposed)
            kernels->pack_transposed(rows, columns - first, stride, src + first * stride,
                                     scaled ? scale + first : NULL, width, panel);
        else
            kernels->pack(rows, stride - first, stride, src + first, scaled ? scale : NULL, width,
                          panel);
        for (int i = 0; i < rows * width; i++) {
            int k = i / width, n = first + i % width, row = transposed ? n : k;
            float factor = scaled && n < columns ? scale[row] : 1;
            float value = n >= columns ? 0 : src[transposed ? n * stride + k : k * stride + n];
            check_equal(transposed ? "pack_transposed" : "pack", kernels, i, value * factor,
                        panel[i]);
        }
    }
    guarded_free(src);
    guarded_free(scale);
    guarded_free(panel);
}

static void check_packing(const fcmae_kernels *kernels, bool transposed)
{
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t k = 0; k < COUNT(sizes); k++)
            for (size_t n = 0; n < COUNT(sizes); n++)
                try_pack(kernels, transposed, sizes[k], sizes[n], widths[w], (k + n) % 2);
}

void check_kernel_pack(const fcmae_kernels *kernels)
{
    check_packing(kernels, false);
}

void check_kernel_pack_transposed(const fcmae_kernels *kernels)
{
    check_packing(kernels, true);
}

/** Ten operations a turn at least, and a sum that was computed. */
static void check_peak(double (*peak)(int64_t iterations, float *sink))
{
    float sink = 0;
    double operations = peak(10, &sink);
    ck_assert_double_ge(operations, 100);
    ck_assert_double_eq(peak(30, &sink), 3 * operations);
    ck_assert(isfinite(sink) && sink != 0);
}

void check_kernel_peak(const fcmae_kernels *kernels)
{
    check_peak(kernels->peak);
}

void check_kernel_peak_pairs(const fcmae_kernels *kernels)
{
    check_peak(kernels->peak_pairs);
}
