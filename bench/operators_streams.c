/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Kernels that compute little for each value they move. Bytes count every array once per pass; a
 * panel that stays in a cache can exceed the bandwidth of the memory.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "operators.h"

enum { TILE_ROWS = 40 }; /* rows between two passes over a panel in a step */

typedef struct streams {
    const stage_case *stage;
    const fcmae_kernels *kernels;
    int width, panels;
    int64_t weights;                   /* of one of the two linears */
    float *z, *h, *slope, *e, *scaled; /* [hidden / width][rows][width]; z one tile */
    float *scale, *feedback, *sum;     /* [hidden] */
    float *x, *normalised, *dx, *rstd; /* [rows][stride] */
    float *value, *gradient, *first, *second, *packed; /* [weights] */
} streams;

typedef void tile_work(streams *s, int panel, int64_t at, int rows);

/* Calls work for the tiles of every panel, as a step walks them. */
static void walk(streams *s, tile_work *work)
{
    int rows = s->stage->rows;
    for (int panel = 0; panel < s->panels; panel++)
        for (int first = 0; first < rows; first += TILE_ROWS)
            work(s, panel, ((int64_t)panel * rows + first) * s->width,
                 rows - first < TILE_ROWS ? rows - first : TILE_ROWS);
}

/* In place, so every tile starts from the same values: a copy from L1 stands for the product. */
static void gelu_tile(streams *s, int panel, int64_t at, int rows)
{
    memcpy(s->h + at, s->z, (size_t)rows * (size_t)s->width * sizeof(float));
    s->kernels->gelu(rows, s->width, s->h + at, s->slope + at, s->sum + panel * s->width);
}
static void scale_tile(streams *s, int panel, int64_t at, int rows)
{
    s->kernels->scale_panel(rows, s->width, s->h + at, s->scale + panel * s->width, s->scaled + at);
}
static void scale_and_dot_tile(streams *s, int panel, int64_t at, int rows)
{
    s->kernels->scale_and_dot(rows, s->width, s->e + at, s->h + at, s->scale + panel * s->width,
                              s->scaled + at, s->sum + panel * s->width);
}
static void hidden_backward_tile(streams *s, int panel, int64_t at, int rows)
{
    s->kernels->hidden_backward(rows, s->width, s->e + at, s->h + at, s->slope + at,
                                s->scale + panel * s->width, s->feedback + panel * s->width,
                                s->sum + panel * s->width);
}

static void run_gelu(void *s)
{
    walk(s, gelu_tile);
}
static void run_scale(void *s)
{
    walk(s, scale_tile);
}
static void run_scale_and_dot(void *s)
{
    walk(s, scale_and_dot_tile);
}
static void run_hidden_backward(void *s)
{
    walk(s, hidden_backward_tile);
}

static void run_layernorm(void *argument)
{
    streams *s = argument;
    s->kernels->layernorm(s->stage->rows, s->stage->channels, s->stage->stride, s->x, s->normalised,
                          s->rstd, NULL);
}
static void run_layernorm_backward(void *argument)
{
    streams *s = argument;
    s->kernels->layernorm_backward(s->stage->rows, s->stage->channels, s->stage->stride,
                                   s->normalised, s->rstd, s->x, s->dx);
}
static void run_pack(void *argument)
{
    streams *s = argument;
    for (int panel = 0; panel < s->panels; panel++)
        s->kernels->pack(s->stage->channels, s->width, s->stage->hidden,
                         s->value + panel * s->width, NULL, s->width,
                         s->packed + (int64_t)panel * s->stage->channels * s->width);
}
static void run_pack_transposed(void *argument)
{
    streams *s = argument;
    int width = fcmae_panel_width(s->stage->channels);
    for (int panel = 0; panel < s->stage->stride / width; panel++)
        s->kernels->pack_transposed(s->stage->hidden, s->stage->channels - panel * width,
                                    s->stage->hidden,
                                    s->value + (int64_t)panel * width * s->stage->hidden, NULL,
                                    width, s->packed + (int64_t)panel * s->stage->hidden * width);
}
static void run_adamw(void *argument)
{
    streams *s = argument;
    static const fcmae_adamw_factors factors = {.gradient_scale = 1,
                                                .keep = 0.9999f,
                                                .step_size = 1e-5f,
                                                .correction2_root = 1,
                                                .beta1 = 0.9,
                                                .beta2 = 0.95,
                                                .epsilon = 1e-8};
    s->kernels->adamw(s->weights, s->value, s->gradient, s->first, s->second, &factors);
}

static void check(streams *s)
{
    const stage_case *c = s->stage;
    run_gelu(s);
    run_scale(s);
    run_scale_and_dot(s);
    run_layernorm(s);
    for (int i = 0; i < TILE_ROWS * s->width; i++) {
        double z = s->z[i], phi = 0.5 * (1 + erf(z * M_SQRT1_2));
        bench_compare(c, "GELU", s->h[i], z * phi, 1e-6);
        bench_compare(c, "GELU, slope", s->slope[i],
                      phi + z * exp(-0.5 * z * z) / sqrt(2 * acos(-1)), 1e-6);
        bench_compare(c, "GRN, scale", s->scaled[i], (double)s->h[i] * s->scale[i % s->width],
                      1e-6);
    }
    float before = s->e[5];
    run_hidden_backward(s);
    bench_compare(c, "GRN and GELU backward", s->e[5],
                  (before * s->scale[5] + (double)s->h[5] * s->feedback[5]) * s->slope[5], 1e-6);
    for (int row = 0; row < c->rows; row += 17) {
        const float *x = s->x + (int64_t)row * c->stride;
        double mean = 0, variance = 0;
        for (int j = 0; j < c->channels; j++) mean += x[j] / (double)c->channels;
        for (int j = 0; j < c->channels; j++)
            variance += (x[j] - mean) * (x[j] - mean) / c->channels;
        for (int j = 0; j < c->channels; j++)
            bench_compare(c, "LayerNorm", s->normalised[(int64_t)row * c->stride + j],
                          (x[j] - mean) / sqrt(variance + 1e-6), 1e-5);
    }
    run_pack(s);
    for (int k = 0; k < c->channels; k++)
        for (int j = 0; j < c->hidden; j += 7)
            bench_compare(
                c, "pack",
                s->packed[((int64_t)(j / s->width) * c->channels + k) * s->width + j % s->width],
                s->value[(int64_t)k * c->hidden + j], 0);
    float old = s->value[3], g = s->gradient[3];
    run_adamw(s);
    bench_compare(c, "AdamW", s->first[3], 0.1 * g, 1e-6);
    bench_compare(c, "AdamW", s->second[3], 0.05 * g * g, 1e-6);
    bench_compare(c, "AdamW", s->value[3],
                  old * 0.9999 - 1e-5 * 0.1 * g / (sqrt(0.05 * g * g) + 1e-8), 1e-6);
}

static void measure(streams *s)
{
    const stage_case *c = s->stage;
    double hidden = 4.0 * c->rows * c->hidden, rows = 4.0 * c->rows * c->channels;
    double weights = 4.0 * (double)s->weights;
    const struct {
        operator_figure figure;
        void (*work)(void *argument);
    } all[] = {
        {{"GELU and its slope", 0, 2 * hidden, false}, run_gelu},
        {{"GRN, scale", 0, 2 * hidden, false}, run_scale},
        {{"GRN backward, sums", 0, 3 * hidden, false}, run_scale_and_dot},
        {{"GRN and GELU backward", 0, 4 * hidden, false}, run_hidden_backward},
        {{"LayerNorm", 0, 2 * rows, false}, run_layernorm},
        {{"LayerNorm backward", 0, 3 * rows, false}, run_layernorm_backward},
        {{"pack", 0, 2 * weights, false}, run_pack},
        {{"pack transposed", 0, 2 * weights, false}, run_pack_transposed},
        {{"AdamW", 0, 7 * weights, false}, run_adamw},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_time(c, &all[i].figure, all[i].work, s);
}

void bench_streams(const stage_case *stage)
{
    streams s = {.stage = stage,
                 .kernels = fcmae_kernels_get(fcmae_isa_choose(stage->instruction_set, false)),
                 .width = fcmae_panel_width(stage->hidden),
                 .weights = (int64_t)stage->channels * stage->hidden};
    s.panels = stage->hidden / s.width;
    int64_t hidden = (int64_t)stage->rows * stage->hidden,
            rows = (int64_t)stage->rows * stage->stride;
    const struct {
        float **values;
        int64_t count;
        uint64_t seed;
    } all[] = {
        {&s.z, TILE_ROWS * s.width, 1},
        {&s.h, hidden, 2},
        {&s.slope, hidden, 3},
        {&s.e, hidden, 4},
        {&s.scaled, hidden, 0},
        {&s.scale, stage->hidden, 5},
        {&s.feedback, stage->hidden, 6},
        {&s.sum, stage->hidden, 0},
        {&s.x, rows, 7},
        {&s.normalised, rows, 0},
        {&s.dx, rows, 0},
        {&s.rstd, stage->rows, 0},
        {&s.value, s.weights, 8},
        {&s.gradient, s.weights, 9},
        {&s.first, s.weights, 0},
        {&s.second, s.weights, 0},
        {&s.packed, (int64_t)stage->stride * stage->hidden, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i].values = bench_floats(all[i].count, all[i].seed);
    for (int64_t r = 0; r < stage->rows; r++)
        for (int c = stage->channels; c < stage->stride; c++) s.x[r * stage->stride + c] = 0;
    if (stage->check)
        check(&s);
    else
        measure(&s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(*all[i].values);
}
