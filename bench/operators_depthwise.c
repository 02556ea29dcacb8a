/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Depthwise 7x7 over the visible sites of random masks; taps that are present count. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/mask.h"
#include "operators.h"
#include "sparse/depthwise.h"

enum { CELLS = 7, MOST_IMAGES = 8 };

typedef struct depthwise {
    const stage_case *stage;
    const fcmae_kernels *kernels;
    fcmae_site_map map;
    float *x, *y, *taps, *dtaps, *bias;
} depthwise;

static void forward(void *argument)
{
    depthwise *d = argument;
    for (int unit = 0; unit < fcmae_depthwise_units(&d->map); unit++)
        fcmae_depthwise_forward(d->kernels, &d->map, unit, d->x, d->stage->stride, d->taps, d->bias,
                                d->y);
}

static void backward_data(void *argument)
{
    depthwise *d = argument;
    for (int unit = 0; unit < fcmae_depthwise_units(&d->map); unit++)
        fcmae_depthwise_backward_data(d->kernels, &d->map, unit, d->x, d->stage->stride, d->taps, 0,
                                      d->y);
}

static void backward_taps(void *argument)
{
    depthwise *d = argument;
    fcmae_depthwise_backward_taps(d->kernels, &d->map, d->x, d->y, d->stage->stride, 0,
                                  d->stage->stride, d->dtaps);
}

/* Row of the neighbour of `row` at tap k, or -1. */
static int neighbour(const fcmae_site_map *map, int row, int k)
{
    int y = map->position[row] / map->width + k / FCMAE_KERNEL_SIDE - 3;
    int x = map->position[row] % map->width + k % FCMAE_KERNEL_SIDE - 3;
    if (y < 0 || x < 0 || y >= map->height || x >= map->width) return -1;
    return map->row_of[((int64_t)map->image[row] * map->height + y) * map->width + x];
}

static int64_t present_taps(const fcmae_site_map *map)
{
    int64_t count = 0;
    for (int row = 0; row < map->rows; row++)
        for (int k = 0; k < FCMAE_KERNEL_TAPS; k++) count += neighbour(map, row, k) >= 0;
    return count;
}

static void check(depthwise *d)
{
    const stage_case *s = d->stage;
    int64_t stride = s->stride;
    forward(d);
    backward_taps(d);
    for (int i = 0; i < 200; i++) {
        int row = i * 37 % s->rows, c = i * 11 % s->channels, tap = i % FCMAE_KERNEL_TAPS;
        double sum = d->bias[c], dtap = 0;
        for (int k = 0; k < FCMAE_KERNEL_TAPS; k++) {
            int from = neighbour(&d->map, row, k);
            if (from >= 0) sum += (double)d->x[from * stride + c] * d->taps[k * stride + c];
        }
        bench_compare(s, "depthwise, forward", d->y[row * stride + c], sum, 1e-4);
        for (int r = 0; r < s->rows; r++) {
            int from = neighbour(&d->map, r, tap);
            if (from >= 0) dtap += (double)d->x[from * stride + c] * d->y[r * stride + c];
        }
        bench_compare(s, "depthwise, taps", d->dtaps[tap * stride + c], dtap, 1e-4 * s->rows);
    }
    memset(d->y, 0, (size_t)s->rows * (size_t)stride * sizeof(float));
    backward_data(d);
    for (int i = 0; i < 200; i++) {
        int row = i * 37 % s->rows, c = i * 11 % s->channels;
        double sum = 0;
        for (int k = 0; k < FCMAE_KERNEL_TAPS; k++) {
            int from = neighbour(&d->map, row, k);
            if (from >= 0)
                sum += (double)d->x[from * stride + c] *
                       d->taps[(FCMAE_KERNEL_TAPS - 1 - k) * stride + c];
        }
        bench_compare(s, "depthwise, data", d->y[row * stride + c], sum, 1e-4);
    }
}

void bench_depthwise(const stage_case *stage)
{
    uint8_t masks[MOST_IMAGES][CELLS * CELLS];
    const uint8_t *removed[MOST_IMAGES];
    depthwise d = {.stage = stage,
                   .kernels = fcmae_kernels_get(fcmae_isa_choose(stage->instruction_set, false))};
    const fcmae_mask_shape shape = {.seed = 1,
                                    .height = CELLS,
                                    .width = CELLS,
                                    .unit = 1,
                                    .visible = fcmae_mask_visible(CELLS * CELLS, 0.6),
                                    .views = 1};
    for (int i = 0; i < stage->images; i++) {
        removed[i] = masks[i];
        if (fcmae_mask_generate(&shape, 0, (uint64_t)i, masks[i], NULL) != FCMAE_OK) exit(1);
    }
    fcmae_arena arena = {0};
    int side = CELLS * stage->cell;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_site_map_reserve(&d.map, &arena, stage->images, side, side, stage->rows, stage->cell);
        if (pass == 0 && fcmae_arena_allocate(&arena, "a site map", NULL) != FCMAE_OK) exit(1);
    }
    fcmae_site_map_from_cells(&d.map, stage->images, removed);
    int64_t values = (int64_t)stage->rows * stage->stride;
    int64_t kernel = (int64_t)FCMAE_KERNEL_TAPS * stage->stride;
    d.x = bench_floats(values, 1);
    d.y = bench_floats(values, 0);
    d.taps = bench_floats(kernel, 2);
    d.dtaps = bench_floats(kernel, 0);
    d.bias = bench_floats(stage->stride, 3);
    double flops = 2.0 * (double)present_taps(&d.map) * stage->channels;
    if (stage->check) {
        check(&d);
    } else {
        bench_time(stage, &(operator_figure){"depthwise, forward", flops, 0, false}, forward, &d);
        bench_time(stage, &(operator_figure){"depthwise, data", flops, 0, false}, backward_data,
                   &d);
        bench_time(stage, &(operator_figure){"depthwise, taps", flops, 0, false}, backward_taps,
                   &d);
    }
    float *const owned[] = {d.x, d.y, d.taps, d.dtaps, d.bias};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    fcmae_arena_release(&arena);
}
