/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "analysis/synthetic.h"

#include <math.h>
#include <stdlib.h>

#include "core/parallel.h"
#include "core/random.h"

typedef struct forward_task {
    const synthetic *source;
    int64_t first;
    int count;
    void (*observe)(void *, const fcmae_observation *);
    void *cookie;
} forward_task;

fcmae_model_config synthetic_config(int version)
{
    fcmae_model_config config = {.name = "synthetic",
                                 .objective = NULL,
                                 .version = version,
                                 .depths = {1, 2, 3, 1},
                                 .dims = {8, 16, 24, 32},
                                 .channels = 3,
                                 .stem_stride = 4,
                                 .decoder_depth = 1,
                                 .decoder_dim = 16,
                                 .norm_pix = true,
                                 .classes = 10,
                                 .layer_scale_init = 1e-6};
    return config;
}

static void show(const forward_task *task, int sample, int lane, int stage, int block,
                 fcmae_observation_point point)
{
    const synthetic *source = task->source;
    int shift = 2 + stage, height = source->height >> shift, width = source->width >> shift;
    bool wide = point == FCMAE_OBSERVE_HIDDEN || point == FCMAE_OBSERVE_GRN;
    int64_t channels = stage == 4 ? 16 : source->config.dims[stage] * (wide ? 4 : 1);
    if (stage == 4) height = source->height / 32, width = source->width / 32;
    int64_t sites = (int64_t)height * width, stride = (channels + 15) / 16 * 16;
    float *values = calloc((size_t)(sites * stride), sizeof *values);
    int32_t *position = malloc((size_t)sites * sizeof *position);
    int64_t image = task->first + sample;
    fcmae_random random = fcmae_random_start((uint64_t)image, FCMAE_RANDOM_TEST, (uint32_t)stage,
                                             (uint64_t)(block * 4 + (int)point));
    for (int64_t s = 0; s < sites; s++) {
        position[s] = (int32_t)s;
        double common = 1 + sin(0.7 * (double)(s % width) + (double)image) *
                                cos(0.5 * (double)(s / width) + stage);
        for (int64_t c = 0; c < channels; c++) {
            double own = fcmae_random_normal(&random);
            double value = source->sameness * common + (1 - source->sameness) * own;
            if (c < source->dead * (double)channels) value = 0;
            if (source->classes > 0 && c < source->classes)
                value = image % source->classes == c ? 1 : 0;
            values[s * stride + c] = (float)value;
        }
    }
    if (image == source->poisoned_image && stage == 1 && block == 0) values[0] = NAN;
    fcmae_observation observation = {.sample = sample,
                                     .stage = stage,
                                     .block = block,
                                     .point = point,
                                     .values = values,
                                     .sites = sites,
                                     .channels = channels,
                                     .stride = stride,
                                     .position = position,
                                     .height = height,
                                     .width = width,
                                     .lane = lane};
    task->observe(task->cookie, &observation);
    free(values);
    free(position);
}

static void run_lane(void *argument, int64_t lane, int worker)
{
    (void)worker;
    const forward_task *task = argument;
    for (int sample = (int)lane; sample < task->count; sample += task->source->lanes) {
        for (int stage = 0; stage < FCMAE_STAGES; stage++)
            for (int block = 0; block < task->source->config.depths[stage]; block++)
                for (int point = 0; point < 4; point++) {
                    if (point == FCMAE_OBSERVE_GRN && task->source->config.version == 1) continue;
                    show(task, sample, (int)lane, stage, block, (fcmae_observation_point)point);
                }
        show(task, sample, (int)lane, 4, 0, FCMAE_OBSERVE_HIDDEN);
    }
}

void synthetic_forward(const synthetic *source, int64_t first, int count,
                       void (*observe)(void *, const fcmae_observation *), void *cookie)
{
    forward_task task = {source, first, count, observe, cookie};
    fcmae_parallel_for(source->threads, source->lanes, run_lane, &task);
}
