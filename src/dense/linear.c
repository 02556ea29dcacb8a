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

/** Elements of 4 bytes along k: k, or k / 2 for pairs. */
static int packed_depth(const fcmae_packed *packed)
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
    packed->data = fcmae_arena_take(arena, (size_t)packed_depth(packed) * (size_t)fcmae_stride(n),
                                    sizeof(float));
}

static float *panel_data(const fcmae_packed *packed, int panel)
{
    return packed->data + (int64_t)panel * packed_depth(packed) * packed->width;
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
                                     row_scale ? row_scale + column : 0, width, square);
        else
            kernels->pack(rows, width, stride, src + k * stride + column,
                          row_scale ? row_scale + k : 0, width, square);
        kernels->narrow_pairs(rows, width, square, width, out + (int64_t)(k / 2) * width, width);
    }
}

void fcmae_packed_fill(const fcmae_kernels *kernels, const fcmae_packed *packed, int panel,
                       const float *src, int64_t stride, const float *row_scale)
{
    int width = packed->width;
    if (packed->pairs)
        fill_pairs(kernels, packed, panel, src, stride, row_scale, false);
    else
        kernels->pack(packed->k, width, stride, src + (int64_t)panel * width, row_scale, width,
                      panel_data(packed, panel));
}

void fcmae_packed_fill_transposed(const fcmae_kernels *kernels, const fcmae_packed *packed,
                                  int panel, const float *src, int64_t stride,
                                  const float *row_scale)
{
    int column = panel * packed->width;
    if (packed->pairs)
        fill_pairs(kernels, packed, panel, src, stride, row_scale, true);
    else
        kernels->pack_transposed(packed->k, packed->n - column, stride, src + column * stride,
                                 row_scale ? row_scale + column : 0, packed->width,
                                 panel_data(packed, panel));
}

static void multiply(const fcmae_kernels *kernels, bool pairs, const fcmae_product *product)
{
    if (pairs)
        kernels->product_pairs(product);
    else
        kernels->product(product);
}

/** All of k at once: fetches part `part` of `parts` of the weights behind the panel. */
static void multiply_whole(const fcmae_kernels *kernels, const fcmae_linear *l,
                           fcmae_product *product)
{
    int depth = packed_depth(l->weights), lines = depth * l->weights->width / 16;
    int parts = l->parts > 0 ? l->parts : 1, first = lines * l->part / parts;
    product->a_panels = 1;
    product->a_panel_width = depth;
    product->a = l->a;
    product->b = panel_data(l->weights, l->panel);
    product->soon_weights = panel_data(l->weights, l->panel + 1) + 16 * (int64_t)first;
    product->soon_lines = lines * (l->part + 1) / parts - first;
    multiply(kernels, l->weights->pairs, product);
}

/** Blocks of k, a few pieces of `a` each. */
static void multiply_pieces(const fcmae_kernels *kernels, const fcmae_linear *l,
                            fcmae_product *product)
{
    int pieces = packed_depth(l->weights) / l->a_width;
    int step = l->a_width < K_BLOCK ? K_BLOCK / l->a_width : 1;
    product->a_panel_width = l->a_width;
    product->a_panel_stride = l->a_distance;
    product->b = panel_data(l->weights, l->panel);
    for (int first = 0; first < pieces; first += step, product->b = product->soon_weights) {
        product->a_panels = pieces - first < step ? pieces - first : step;
        product->a = l->a + first * l->a_distance;
        product->soon_lines = product->a_panels * l->a_width * l->weights->width / 16;
        product->soon_weights = product->b + product->soon_lines * 16;
        multiply(kernels, l->weights->pairs, product);
        product->bias = 0; /* later blocks of k add to what is there */
        product->add = l->c;
        product->add_row = l->c_row;
    }
}

void fcmae_linear_multiply(const fcmae_kernels *kernels, const fcmae_linear *l)
{
    fcmae_product product = {.rows = l->rows,
                             .width = l->weights->width,
                             .a_row = l->a_row,
                             .a_step = 1,
                             .b_row = l->weights->width,
                             .c = l->c,
                             .c_row = l->c_row,
                             .bias = l->bias,
                             .add = l->add,
                             .add_row = l->add_row,
                             .soon_read = l->soon_read,
                             .soon_written = l->soon_written};
    if (l->a_width > 0)
        multiply_pieces(kernels, l, &product);
    else
        multiply_whole(kernels, l, &product);
}

void fcmae_linear_add_gradient(const fcmae_kernels *kernels, const fcmae_linear_gradient *gradient)
{
    fcmae_product product = {.rows = gradient->columns,
                             .width = gradient->width,
                             .a_panels = 1,
                             .a_panel_width = gradient->pairs ? (gradient->rows + 1) / 2
                                                              : gradient->rows,
                             .a = gradient->x,
                             .a_row = 1,
                             .a_step = gradient->x_row,
                             .b = gradient->d,
                             .b_row = gradient->d_row,
                             .c = gradient->g,
                             .c_row = gradient->g_row,
                             .add = gradient->g,
                             .add_row = gradient->g_row};
    multiply(kernels, gradient->pairs, &product);
}
