/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/dense_map.h"

#include <string.h>

/** Distances of two images, two sites and two channels in a dense map. */
typedef struct dense_steps {
    int64_t image, site, channel;
} dense_steps;

static dense_steps steps_of(const fcmae_site_map *map, int channels, fcmae_dense_layout layout)
{
    int64_t plane = (int64_t)map->height * map->width, image = plane * channels;
    if (layout == FCMAE_LAYOUT_NCHW) return (dense_steps){image, 1, plane};
    return (dense_steps){image, channels, 1};
}

void fcmae_scatter(const fcmae_site_map *map, const float *rows, int channels, int64_t stride,
                   fcmae_dense_layout layout, float *dense)
{
    dense_steps step = steps_of(map, channels, layout);
    memset(dense, 0, (size_t)(map->images * step.image) * sizeof *dense);
    for (int row = 0; row < map->rows; row++) {
        float *to = dense + map->image[row] * step.image + map->position[row] * step.site;
        for (int c = 0; c < channels; c++) to[c * step.channel] = rows[row * stride + c];
    }
}

void fcmae_gather(const fcmae_site_map *map, const float *dense, fcmae_dense_layout layout,
                  int channels, int64_t stride, float *rows)
{
    dense_steps step = steps_of(map, channels, layout);
    for (int row = 0; row < map->rows; row++) {
        const float *from = dense + map->image[row] * step.image + map->position[row] * step.site;
        for (int c = 0; c < channels; c++) rows[row * stride + c] = from[c * step.channel];
    }
}
