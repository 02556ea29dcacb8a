/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "dense/linear.h"

#define K_BLOCK 1280

int fcmae_stride(int n)
{
    return (n + 15) / 16 * 16;
}

int fcmae_panel_width(int n)
{
    int stride = fcmae_stride(n);
    for (int width = 80; width > 16; width -= 16)
        if (stride % width == 0) return width;
    return 16;
}

int fcmae_packed_depth(const fcmae_packed *packed)
{
    return packed->pairs ? packed->k / 2 : packed->k;
}

void fcmae_packed_reserve(fcmae_packed *packed, fcmae_arena *arena, int k, int n, bool pairs)
{
    packed->k = k;
    packed->n = n;
    packed->pairs = pairs;
    packed->width = fcmae_panel_width(n);
    packed->panels = fcmae_stride(n) / packed->width;
    packed->data = fcmae_arena_take(
        arena, (size_t)fcmae_packed_depth(packed) * (size_t)fcmae_stride(n), sizeof(float));
}

static float *panel_data(const fcmae_packed *packed, int panel)
{
    return packed->data + (int64_t)panel * fcmae_packed_depth(packed) * packed->width;
}

#define PACK_ROWS 64 /* k of one turn: a [64][80] square of float32 on the way to bfloat16 */

/** Packs panel `panel` in bfloat16, a few k at a time through a float32 square. */
static void fill_pairs(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale, bool transposed)
{
    float square[PACK_ROWS * 80];
    int width = packed->width, column = panel * width;
    uint32_t *out = (uint32_t *)(void *)panel_data(packed, panel);
    for (int k = 0; k < packed->k; k += PACK_ROWS) {
        int rows = packed->k - k < PACK_ROWS ? packed->k - k : PACK_ROWS;
        if (transposed)
            kernels->pack_transposed(rows, packed->n - column, stride, src + column * stride + k,
                                     row_scale ? row_scale + column : 0, width, 0, square);
        else
            kernels->pack(0, rows, width, stride, src + k * stride + column,
                          row_scale ? row_scale + k : 0, width, 0, PACK_ROWS, square);
        kernels->narrow_pairs(rows, width, square, width, out + (int64_t)(k / 2) * width, width);
    }
}

void fcmae_packed_fill(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale)
{
    if (packed->pairs)
        fill_pairs(kernels, packed, panel, src, stride, row_scale, false);
    else
        kernels->pack(0, packed->k, packed->n, stride, src, row_scale, packed->width, panel,
                      packed->k, packed->data);
}

void fcmae_packed_fill_transposed(const fcmae_kernels *kernels, const fcmae_packed *packed,
                                  int panel, const float *src, int64_t stride,
                                  const float *row_scale)
{
    if (packed->pairs)
        fill_pairs(kernels, packed, panel, src, stride, row_scale, true);
    else
        kernels->pack_transposed(packed->k, packed->n, stride, src, row_scale, packed->width, panel,
                                 packed->data);
}

static void multiply(const fcmae_kernels *kernels, const fcmae_packed *packed,
                     const fcmae_product *product)
{
    if (packed->pairs)
        kernels->product_pairs(product);
    else
        kernels->product(product);
}

/** c = a * panel + bias, fetching part `part` of `parts` of the
 *  weights behind the panel meanwhile. */
static fcmae_product one_panel(const fcmae_packed *packed, int panel, int rows, const float *a,
                               int64_t a_row, const float *bias, float *c, int64_t c_row, int part,
                               int parts)
{
    int depth = fcmae_packed_depth(packed), lines = depth * packed->width / 16;
    int first = parts > 0 ? lines * part / parts : 0;
    return (fcmae_product){.rows = rows,
                           .width = packed->width,
                           .a_panels = 1,
                           .a_panel_width = depth,
                           .a = a,
                           .a_row = a_row,
                           .a_step = 1,
                           .b = panel_data(packed, panel),
                           .b_row = packed->width,
                           .c = c,
                           .c_row = c_row,
                           .bias = bias,
                           .soon_weights = panel_data(packed, panel + 1) + 16 * (int64_t)first,
                           .soon_lines = parts > 0 ? lines * (part + 1) / parts - first : 0};
}

void fcmae_linear_rows(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       int rows, const float *a, int64_t a_row, const float *bias, const float *add,
                       int64_t add_row, float *c, int64_t c_row)
{
    fcmae_product product = one_panel(packed, panel, rows, a, a_row, bias, c, c_row, 0, 1);
    product.add = add;
    product.add_row = add_row;
    multiply(kernels, packed, &product);
}

void fcmae_linear_panel(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                        int rows, const float *a, int64_t a_row, const float *bias, float *c,
                        const fcmae_soon *soon)
{
    fcmae_product product = one_panel(packed, panel, rows, a, a_row, bias, c, packed->width,
                                      soon->part, soon->parts);
    product.soon_read = soon->read;
    product.soon_written = soon->written;
    multiply(kernels, packed, &product);
}

void fcmae_linear_panels(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                         int rows, const float *a, int a_width, int64_t a_row, int64_t a_panel,
                         const float *bias, const float *add, int64_t add_row, float *c,
                         int64_t c_row)
{
    fcmae_product product = {.rows = rows,
                             .width = packed->width,
                             .a_panel_width = a_width,
                             .a_row = a_row,
                             .a_step = 1,
                             .a_panel_stride = a_panel,
                             .b_row = packed->width,
                             .c = c,
                             .c_row = c_row,
                             .bias = bias,
                             .add = add,
                             .add_row = add_row};
    int panels = fcmae_packed_depth(packed) / a_width,
        step = a_width < K_BLOCK ? K_BLOCK / a_width : 1;
    for (int first = 0; first < panels; first += step) {
        product.a_panels = panels - first < step ? panels - first : step;
        product.a = a + first * a_panel;
        product.b = panel_data(packed, panel) + (int64_t)first * a_width * packed->width;
        product.soon_lines = product.a_panels * a_width * packed->width / 16;
        product.soon_weights = product.b + product.soon_lines * 16;
        multiply(kernels, packed, &product);
        product.bias = 0; /* later blocks of k add to what is there */
        product.add = c;
        product.add_row = c_row;
    }
}

void fcmae_linear_gradient(const fcmae_kernels *kernels, int rows, int columns, const float *x,
                           int64_t x_row, const float *d, int64_t d_row, int width, float *g,
                           int64_t g_row)
{
    fcmae_product product = {.rows = columns,
                             .width = width,
                             .a_panels = 1,
                             .a_panel_width = rows,
                             .a = x,
                             .a_row = 1,
                             .a_step = x_row,
                             .b = d,
                             .b_row = d_row,
                             .c = g,
                             .c_row = g_row,
                             .add = g,
                             .add_row = g_row};
    kernels->product(&product);
}

void fcmae_linear_gradient_pairs(const fcmae_kernels *kernels, int rows, int columns,
                                 const uint32_t *x, int64_t x_row, const uint32_t *d, int64_t d_row,
                                 int width, float *g, int64_t g_row)
{
    fcmae_product product = {.rows = columns,
                             .width = width,
                             .a_panels = 1,
                             .a_panel_width = (rows + 1) / 2,
                             .a = (const float *)(const void *)x,
                             .a_row = 1,
                             .a_step = x_row,
                             .b = (const float *)(const void *)d,
                             .b_row = d_row,
                             .c = g,
                             .c_row = g_row,
                             .add = g,
                             .add_row = g_row};
    kernels->product_pairs(&product);
}
