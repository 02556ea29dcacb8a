/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Objective "classify": mean over sites, LayerNorm, linear; soft cross-entropy against the batch's
 *  targets, mean over samples. */
#include <string.h>

#include "model/objective.h"
#include "objective/head.h"

enum { LAST = FCMAE_STAGES - 1 };

static fcmae_status check(const fcmae_model_config *config, fcmae_error *error)
{
    return fcmae_check_row(config, "classes", error);
}

static void add_parameters(fcmae_table *table, const fcmae_model_config *config, bool after_encoder)
{
    int64_t c = config->dims[LAST];
    if (!after_encoder) return;
    fcmae_table_prefix(table, FCMAE_PART_HEAD, FCMAE_STAGES, 0, "norm.");
    fcmae_table_vector(table, "weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE, c);
    fcmae_table_vector(table, "bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO, c);
    fcmae_table_prefix(table, FCMAE_PART_HEAD, FCMAE_STAGES, 0, "head.");
    fcmae_table_add(table, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                    2, config->classes, c, 1, 1);
    fcmae_table_vector(table, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, config->classes);
}

static void reserve(const fcmae_network *network, fcmae_arena *arena)
{
    fcmae_head_reserve(network->layers, arena, network);
}

static void reserve_backward(const fcmae_network *network, fcmae_arena *arena)
{
    fcmae_head_reserve_backward(network->layers, arena);
}

static int pack_tasks(const fcmae_network *network)
{
    (void)network;
    return 1;
}

static void pack(const fcmae_network *network, const fcmae_kernels *kernels, int task)
{
    (void)task;
    fcmae_head_pack(network->layers, kernels);
}

static void reserve_lane(fcmae_lane *lane, fcmae_arena *arena, fcmae_workspace_size *size)
{
    (void)size;
    fcmae_head_reserve_state(lane->network->layers, arena, lane->shape.micro_batch, lane->state);
}

/** Gradient of the encoder's output: that of its mean, shared by the sites of an image. */
static void spread(fcmae_lane *lane, const fcmae_head *head, const fcmae_head_state *state,
                   int count)
{
    fcmae_chunk chunk = {0};
    for (int c = 0; fcmae_stage_chunk(&lane->stage[LAST], c, count, &chunk); c++) {
        float *gradient = lane->sent[LAST] + chunk.row * head->stride;
        float share = (float)chunk.images / (float)chunk.map->rows; /* every image is complete */
        for (int row = 0; row < chunk.map->rows; row++) {
            const float *d = state->dpooled +
                             (int64_t)(chunk.first + chunk.map->image[row]) * head->stride;
            for (int i = 0; i < head->stride; i++)
                gradient[(int64_t)row * head->stride + i] = d[i] * share;
        }
    }
}

static double run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    const fcmae_head *head = lane->network->layers;
    const fcmae_outputs *outputs = call->outputs;
    fcmae_head_state *state = lane->state;
    double total = 0;
    state->pooled = lane->pooled;
    fcmae_head_forward(head, lane->workspace.kernels, count, state);
    for (int i = 0; i < count; i++) {
        float *z = state->logits + (int64_t)i * head->class_stride;
        if (outputs && outputs->logits)
            memcpy(outputs->logits + (first + i) * head->classes, z,
                   (size_t)head->classes * sizeof(float));
        if (!call->batch->targets) continue;
        double loss = fcmae_cross_entropy(head->classes, z,
                                          call->batch->targets + (first + i) * head->classes);
        if (outputs && outputs->sample_loss) outputs->sample_loss[first + i] = loss;
        total += loss;
    }
    if (!call->backward) return total;
    float factor = (float)(call->weight / (double)call->terms);
    for (int64_t i = 0; i < (int64_t)count * head->class_stride; i++) state->logits[i] *= factor;
    fcmae_head_backward(head, lane->workspace.kernels, count, state, lane->gradients);
    spread(lane, head, state, count);
    return total;
}

static void count(const fcmae_model_config *config, int high, int wide, int visible,
                  fcmae_engine_plan_info *info, double *necessary)
{
    (void)high, (void)wide, (void)visible;
    double head = (double)config->dims[LAST] * config->classes;
    info->encoder_macs_dense += head;
    info->encoder_macs += head;
    *necessary += head;
}

const fcmae_objective fcmae_objective_classify = {
    .name = "classify",
    .kind = "classifier",
    .parts = FCMAE_BIT(FCMAE_PART_HEAD),
    .sends = FCMAE_BIT(LAST),
    .pooled = true,
    .targets = true,
    .frozen = true,
    .layers_size = sizeof(fcmae_head),
    .state_size = sizeof(fcmae_head_state),
    .check = check,
    .add_parameters = add_parameters,
    .reserve = reserve,
    .reserve_backward = reserve_backward,
    .pack_tasks = pack_tasks,
    .pack = pack,
    .reserve_lane = reserve_lane,
    .run = run,
    .count = count,
};
