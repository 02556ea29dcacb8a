/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/lane.h"

#include "model/encoder.h"
#include "model/features.h"
#include "model/objective.h"

double fcmae_lane_run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    const fcmae_batch *batch = call->batch;
    const fcmae_objective *objective = lane->network->model->objective;
    int cells = lane->shape.height * lane->shape.width;
    for (int i = 0; i < count; i++) {
        int64_t sample = first + i;
        lane->removed[i] = batch->removed ? batch->removed + sample * cells : 0;
        lane->image_index[i] = batch->image_of ? batch->image_of[sample] : (int32_t)sample;
    }
    fcmae_encoder_forward(lane, call, first, count);
    if (!call->backward || objective->pooled) fcmae_lane_pool(lane, count);
    if (!call->backward) fcmae_lane_write_features(lane, call, first, count);
    double loss = objective ? objective->run(lane, call, first, count) : 0;
    if (call->backward) fcmae_encoder_backward(lane, call, first, count);
    return loss;
}
