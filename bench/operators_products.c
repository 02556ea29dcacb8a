/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The products of a block: C -> 4C, 4C -> C and the weight gradient, in float32 and bfloat16. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "operators.h"

enum { BLOCK_ROWS = 40, GROUP_ROWS = 160 }; /* rows a step takes at a time */

typedef struct products {
    const stage_case *stage;
    const fcmae_kernels *kernels;
    bool pairs;
    fcmae_packed expand, reduce;
    fcmae_arena arena;
    float *x, *h;                /* [rows][stride], [hidden / width][rows][width] */
    float *weights;              /* [channels][hidden] */
    float *wide, *narrow;        /* results: panels, rows */
    float *gradient;             /* [channels][hidden] */
    uint16_t *x_rows, *h_rows;   /* the same operands in bfloat16 */
    uint32_t *x_pairs, *h_pairs; /* in pairs of rows */
} products;

static float value_of(const products *p, float value)
{
    if (!p->pairs) return value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

static void run_expand(void *argument)
{
    products *p = argument;
    int rows = p->stage->rows, width = p->expand.width;
    int64_t row = p->pairs ? p->stage->stride / 2 : p->stage->stride;
    const float *x = p->pairs ? (const float *)(const void *)p->x_rows : p->x;
    for (int panel = 0; panel < p->expand.panels; panel++)
        for (int first = 0; first < rows; first += BLOCK_ROWS) {
            int count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
            fcmae_linear_multiply(
                p->kernels, &(fcmae_linear){.weights = &p->expand,
                                            .panel = panel,
                                            .rows = count,
                                            .a = x + first * row,
                                            .a_row = row,
                                            .c = p->wide + ((int64_t)panel * rows + first) * width,
                                            .c_row = width,
                                            .part = first / BLOCK_ROWS,
                                            .parts = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS});
        }
}

static void run_reduce(void *argument)
{
    products *p = argument;
    int rows = p->stage->rows, half = p->pairs ? 2 : 1, width = p->expand.width / half;
    const float *h = p->pairs ? (const float *)(const void *)p->h_rows : p->h;
    for (int panel = 0; panel < p->reduce.panels; panel++)
        fcmae_linear_multiply(p->kernels, &(fcmae_linear){.weights = &p->reduce,
                                                          .panel = panel,
                                                          .rows = rows,
                                                          .a = h,
                                                          .a_row = width,
                                                          .a_width = width,
                                                          .a_distance = (int64_t)rows * width,
                                                          .add = p->x + panel * p->reduce.width,
                                                          .add_row = p->stage->stride,
                                                          .c = p->narrow + panel * p->reduce.width,
                                                          .c_row = p->stage->stride});
}

static void run_gradient(void *argument)
{
    products *p = argument;
    const stage_case *s = p->stage;
    int rows = s->rows, width = p->expand.width;
    for (int panel = 0; panel < p->expand.panels; panel++) {
        fcmae_linear_gradient gradient = {.rows = rows,
                                          .columns = s->channels,
                                          .width = width,
                                          .pairs = p->pairs,
                                          .x_row = s->stride,
                                          .d_row = width,
                                          .g = p->gradient + panel * width,
                                          .g_row = s->hidden};
        if (p->pairs) {
            gradient.x = p->x_pairs;
            gradient.d = p->h_pairs + (int64_t)panel * ((rows + 1) / 2) * width;
            fcmae_linear_add_gradient(p->kernels, &gradient);
            continue;
        }
        for (int first = 0; first < rows; first += GROUP_ROWS) {
            gradient.rows = rows - first < GROUP_ROWS ? rows - first : GROUP_ROWS;
            gradient.x = p->x + (int64_t)first * s->stride;
            gradient.d = p->h + ((int64_t)panel * rows + first) * width;
            fcmae_linear_add_gradient(p->kernels, &gradient);
        }
    }
}

static float *panel_value(const products *p, float *panels, int row, int column)
{
    int width = p->expand.width;
    return panels + ((int64_t)(column / width) * p->stage->rows + row) * width + column % width;
}

/* A few hundred results of each product; an element of it in double precision. */
static void check(products *p)
{
    const stage_case *s = p->stage;
    memset(p->gradient, 0, (size_t)s->channels * (size_t)s->hidden * sizeof(float));
    run_expand(p);
    run_reduce(p);
    run_gradient(p);
    for (int i = 0; i < 300; i++) {
        int row = i * 37 % s->rows, c = i * 11 % s->channels, j = i * 53 % s->hidden;
        double wide = 0, narrow = p->x[(int64_t)row * s->stride + c], gradient = 0;
        for (int k = 0; k < s->channels; k++)
            wide += (double)value_of(p, p->x[(int64_t)row * s->stride + k]) *
                    value_of(p, p->weights[(int64_t)k * s->hidden + j]);
        for (int k = 0; k < s->hidden; k++)
            narrow += (double)value_of(p, *panel_value(p, p->h, row, k)) *
                      value_of(p, p->weights[(int64_t)c * s->hidden + k]);
        for (int r = 0; r < s->rows; r++)
            gradient += (double)value_of(p, p->x[(int64_t)r * s->stride + c]) *
                        value_of(p, *panel_value(p, p->h, r, j));
        const char *name = p->pairs ? "a product in bf16" : "a product in f32";
        bench_compare(s, name, *panel_value(p, p->wide, row, j), wide, 1e-5 * s->channels);
        bench_compare(s, name, p->narrow[(int64_t)row * s->stride + c], narrow, 1e-5 * s->hidden);
        bench_compare(s, name, p->gradient[(int64_t)c * s->hidden + j], gradient, 1e-5 * s->rows);
    }
}

static void set_up(products *p)
{
    const stage_case *s = p->stage;
    int64_t rows = s->rows, hidden = s->hidden, stride = s->stride;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_packed_reserve(&p->expand, &p->arena, s->channels, s->hidden, p->pairs);
        fcmae_packed_reserve(&p->reduce, &p->arena, s->hidden, s->channels, p->pairs);
        if (pass == 0 && fcmae_arena_allocate(&p->arena, "weights", NULL) != FCMAE_OK) exit(1);
    }
    p->x = bench_floats(rows * stride, 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = s->channels; c < stride; c++) p->x[r * stride + c] = 0;
    p->h = bench_floats(rows * hidden, 2);
    p->weights = bench_floats(s->channels * hidden, 3);
    p->wide = bench_floats(rows * hidden, 0);
    p->narrow = bench_floats(rows * stride, 0);
    p->gradient = bench_floats(s->channels * hidden, 0);
    for (int panel = 0; panel < p->expand.panels; panel++)
        fcmae_packed_fill(p->kernels, &p->expand, panel, p->weights, hidden, NULL);
    for (int panel = 0; panel < p->reduce.panels; panel++)
        fcmae_packed_fill_transposed(p->kernels, &p->reduce, panel, p->weights, hidden, NULL);
    if (!p->pairs) return;
    int width = p->expand.width;
    int64_t twos = (rows + 1) / 2;
    p->x_rows = (uint16_t *)(void *)bench_floats(rows * stride / 2, 0);
    p->h_rows = (uint16_t *)(void *)bench_floats(rows * hidden / 2, 0);
    p->x_pairs = (uint32_t *)(void *)bench_floats(twos * stride, 0);
    p->h_pairs = (uint32_t *)(void *)bench_floats(twos * hidden, 0);
    p->kernels->narrow_rows(s->rows, s->stride, p->x, stride, p->x_rows, stride);
    p->kernels->narrow_pairs(s->rows, s->stride, p->x, stride, p->x_pairs, stride);
    for (int panel = 0; panel < p->expand.panels; panel++) {
        const float *h = p->h + panel * rows * width;
        p->kernels->narrow_rows(s->rows, width, h, width, p->h_rows + panel * rows * width, width);
        p->kernels->narrow_pairs(s->rows, width, h, width, p->h_pairs + panel * twos * width,
                                 width);
    }
}

void bench_products(const stage_case *stage)
{
    static const char *const names[2][3] = {
        {"C -> 4C, f32", "4C -> C, f32", "weight gradient, f32"},
        {"C -> 4C, bf16", "4C -> C, bf16", "weight gradient, bf16"}};
    double flops = 2.0 * stage->rows * stage->channels * stage->hidden;
    for (int pairs = 0; pairs < 2; pairs++) {
        products p = {
            .stage = stage,
            .pairs = pairs,
            .kernels = fcmae_kernels_get(fcmae_isa_choose(stage->instruction_set, pairs))};
        set_up(&p);
        if (stage->check) {
            check(&p);
        } else {
            void (*const runs[])(void *) = {run_expand, run_reduce, run_gradient};
            for (int i = 0; i < 3; i++)
                bench_time(stage, &(operator_figure){names[pairs][i], flops, 0, pairs}, runs[i],
                           &p);
        }
        void *const owned[] = {p.x,        p.h,      p.weights, p.wide,    p.narrow,
                               p.gradient, p.x_rows, p.h_rows,  p.x_pairs, p.h_pairs};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
        fcmae_arena_release(&p.arena);
    }
}
