/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/features.h"

#include <string.h>

#include "sparse/dense_map.h"

enum { LAST = FCMAE_STAGES - 1 };

/** pooled[image] = mean over the rows of each image of x [rows][stride]. */
static void pool(const fcmae_kernels *kernels, const fcmae_site_map *map, const float *x,
                 int stride, float *pooled)
{
    for (int first = 0; first < map->rows;) {
        int last = first, image = map->image[first];
        while (last < map->rows && map->image[last] == image) last++;
        float *mean = pooled + (int64_t)image * stride;
        memset(mean, 0, (size_t)stride * sizeof *mean);
        kernels->column_sum(last - first, stride, stride, x + (int64_t)first * stride,
                            1.0f / (float)(last - first), mean);
        first = last;
    }
}

void fcmae_lane_pool(fcmae_lane *lane, int count)
{
    const fcmae_stage_lane *stage = &lane->stage[LAST];
    int stride = fcmae_stride(stage->stage->channels);
    fcmae_chunk chunk = {0};
    for (int c = 0; fcmae_stage_chunk(stage, c, count, &chunk); c++)
        pool(lane->workspace.kernels, chunk.map, fcmae_stage_output(stage) + chunk.row * stride,
             stride, lane->pooled + (int64_t)chunk.first * stride);
}

void fcmae_lane_write_features(const fcmae_lane *lane, const fcmae_call *call, int64_t first,
                               int count)
{
    const fcmae_outputs *outputs = call->outputs;
    const fcmae_stage_lane *stage = &lane->stage[LAST];
    int channels = stage->stage->channels, stride = fcmae_stride(channels);
    fcmae_chunk chunk = {0};
    /* [sample][channels][h][w], zeros where removed */
    for (int c = 0; outputs->encoder && fcmae_stage_chunk(stage, c, count, &chunk); c++)
        fcmae_scatter(chunk.map, fcmae_stage_output(stage) + chunk.row * stride, channels, stride,
                      FCMAE_LAYOUT_NCHW,
                      outputs->encoder + (first + chunk.first) * channels *
                                             ((int64_t)chunk.map->height * chunk.map->width));
    for (int i = 0; outputs->pooled && i < count; i++)
        memcpy(outputs->pooled + (first + i) * channels, lane->pooled + (int64_t)i * stride,
               (size_t)channels * sizeof(float));
}
