/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/depthwise.h"

#define SITES_PER_UNIT 16
#define WINDOW_SIDE (8 + FCMAE_KERNEL_SIDE - 1)

static bool has_windows(const fcmae_site_map *map)
{
    return map->cell >= 4;
}

int fcmae_depthwise_units(const fcmae_site_map *map)
{
    int sites = has_windows(map) ? map->cell * map->cell : SITES_PER_UNIT;
    return (map->rows + sites - 1) / sites;
}

void fcmae_depthwise_unit_rows(const fcmae_site_map *map, int unit, int *first, int *last)
{
    int sites = has_windows(map) ? map->cell * map->cell : SITES_PER_UNIT;
    *first = unit * sites;
    *last = *first + sites < map->rows ? *first + sites : map->rows;
}

/** Pointers to the rows around a cell; a missing neighbour reads zeros. */
static void locate_window(const fcmae_site_map *map, int cell, const float *x, int stride,
                          const float *zeros, const float **window)
{
    int side = map->cell + FCMAE_KERNEL_SIDE - 1, count = side * side;
    const int32_t *row = map->window + (int64_t)cell * count;
    for (int i = 0; i < count; i++) window[i] = row[i] < 0 ? zeros : x + (int64_t)row[i] * stride;
}

void fcmae_depthwise_forward(const fcmae_kernels *kernels, const fcmae_site_map *map, int unit,
                             const float *x, int stride, const float *taps, const float *bias,
                             const float *zeros, float *y)
{
    int first, last;
    fcmae_depthwise_unit_rows(map, unit, &first, &last);
    if (has_windows(map)) {
        const float *window[WINDOW_SIDE * WINDOW_SIDE];
        locate_window(map, unit, x, stride, zeros, window);
        kernels->depthwise_cell(map->cell, stride, window, taps, stride, bias,
                                y + (int64_t)first * stride, stride);
    } else {
        kernels->depthwise_list(first, last, stride, &map->neighbours, x, stride, taps, stride,
                                bias, y);
    }
}

void fcmae_depthwise_backward_data(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   int unit, const float *dy, int stride, const float *taps,
                                   const float *zeros, float *dx)
{
    const float *flipped = taps + (FCMAE_KERNEL_TAPS - 1) * (int64_t)stride; /* walked backwards */
    int first, last;
    fcmae_depthwise_unit_rows(map, unit, &first, &last);
    if (has_windows(map)) {
        const float *window[WINDOW_SIDE * WINDOW_SIDE];
        locate_window(map, unit, dy, stride, zeros, window);
        kernels->depthwise_cell(map->cell, stride, window, flipped, -stride, 0,
                                dx + (int64_t)first * stride, stride);
    } else {
        kernels->depthwise_list(first, last, stride, &map->neighbours, dy, stride, flipped, -stride,
                                0, dx);
    }
}

void fcmae_depthwise_backward_taps(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   const float *x, const float *dy, int stride, int first,
                                   int columns, const float *zeros, float *dtaps)
{
    if (has_windows(map)) {
        const float *window[WINDOW_SIDE * WINDOW_SIDE];
        int sites = map->cell * map->cell, cells = map->rows / sites;
        for (int cell = 0; cell < cells; cell++) {
            locate_window(map, cell, x + first, stride, zeros, window);
            kernels->depthwise_cell_taps(map->cell, columns, window,
                                         dy + (int64_t)cell * sites * stride + first, stride,
                                         dtaps + first, stride);
        }
    } else {
        for (int tap = 0; tap < FCMAE_KERNEL_TAPS; tap++) {
            int begin = map->tap_start[tap], pairs = map->tap_start[tap + 1] - begin;
            kernels->depthwise_list_tap(pairs, columns, map->tap_site + begin, map->tap_row + begin,
                                        x + first, dy + first, stride,
                                        dtaps + (int64_t)tap * stride + first);
        }
    }
}
