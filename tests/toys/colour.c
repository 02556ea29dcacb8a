/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Objective "colour": the mean colour t of each image from the features of all four stages,
 *
 *   y = b + sum_s W_s^T p_s,  p_s = mean over the sites of stage s,  loss = mean_k (y_k - t_k)^2,
 *
 * mean over samples. A toy that proves the interface: one file, and one line in a list.
 */
#include <stdio.h>
#include <string.h>

#include "model/objective.h"
#include "model/pixels.h"

/** Entries of the table, shared by all lanes. */
typedef struct colour_layers {
    const fcmae_parameter *weight[FCMAE_STAGES], *bias;
} colour_layers;

/** Of one lane. */
typedef struct colour_state {
    float *pooled[FCMAE_STAGES]; /* [micro_batch][dims[s]] */
    float *sites[FCMAE_STAGES];  /* [micro_batch] sites of each image */
    float *patch;                /* pixels of one cell */
} colour_state;

static void add_parameters(fcmae_table *table, const fcmae_model_config *config, bool after_encoder)
{
    if (!after_encoder) return;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        fcmae_table_prefix(table, FCMAE_PART_OTHER, FCMAE_STAGES, 0, "colour.%d.", s);
        fcmae_table_add(table, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED,
                        FCMAE_INIT_NORMAL, 2, (const int64_t[]){config->channels, config->dims[s]});
    }
    fcmae_table_prefix(table, FCMAE_PART_OTHER, FCMAE_STAGES, 0, "colour.");
    fcmae_table_vector(table, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, config->channels);
}

static void reserve(const fcmae_network *network, fcmae_arena *arena)
{
    colour_layers *layers = network->layers;
    (void)arena; /* nothing to pack */
    for (int s = 0; s < FCMAE_STAGES; s++) {
        char name[32];
        snprintf(name, sizeof name, "colour.%d.weight", s);
        layers->weight[s] = fcmae_model_find(network->model, name);
    }
    layers->bias = fcmae_model_find(network->model, "colour.bias");
}

static void reserve_lane(fcmae_lane *lane, fcmae_arena *arena, fcmae_workspace_size *size)
{
    colour_state *state = lane->state;
    (void)size;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int images = lane->shape.micro_batch;
        state->pooled[s] = fcmae_take_floats(arena, images, lane->network->stage[s].channels);
        state->sites[s] = fcmae_take_floats(arena, images, 1);
    }
    state->patch = fcmae_take_floats(arena, 1,
                                     fcmae_config_patch_values(&lane->network->model->config));
}

static void pool(fcmae_lane *lane, int s, int count)
{
    const colour_state *state = lane->state;
    int channels = lane->network->stage[s].channels, stride = fcmae_stride(channels);
    const float *rows = fcmae_stage_output(&lane->stage[s]);
    fcmae_chunk chunk = {0};
    memset(state->pooled[s], 0, (size_t)count * (size_t)channels * sizeof(float));
    memset(state->sites[s], 0, (size_t)count * sizeof(float));
    for (int c = 0; fcmae_stage_chunk(&lane->stage[s], c, count, &chunk); c++)
        for (int row = 0; row < chunk.map->rows; row++) {
            int image = chunk.first + chunk.map->image[row];
            const float *x = rows + (chunk.row + row) * stride;
            for (int i = 0; i < channels; i++) state->pooled[s][image * channels + i] += x[i];
            state->sites[s][image]++;
        }
    for (int i = 0; i < count * channels; i++) state->pooled[s][i] /= state->sites[s][i / channels];
}

static void mean_colour(fcmae_lane *lane, const fcmae_call *call, int sample, double *colour)
{
    const colour_state *state = lane->state;
    const fcmae_model_config *config = &lane->network->model->config;
    int side = fcmae_config_patch(config), values = fcmae_config_patch_values(config);
    int high = lane->shape.height, wide = lane->shape.width;
    fcmae_pixels pixels = fcmae_pixels_of(&call->batch->images, lane->workspace.kernels,
                                          config->channels, high * side, wide * side);
    memset(colour, 0, (size_t)config->channels * sizeof *colour);
    for (int cell = 0; cell < high * wide; cell++) {
        fcmae_pixels_read(&pixels, lane->image_index[sample], cell / wide * side,
                          cell % wide * side, side, state->patch);
        for (int i = 0; i < values; i++)
            colour[i % config->channels] += (double)state->patch[i] / side / side / high / wide;
    }
}

/** dy: [channels] gradient of the prediction for a sample; into weights, bias and pooled, whose
 *  place the gradient of a single site takes. */
static void backward_sample(fcmae_lane *lane, int sample, const double *dy)
{
    const colour_layers *layers = lane->network->layers;
    const colour_state *state = lane->state;
    int colours = lane->network->model->config.channels;
    for (int k = 0; k < colours; k++) lane->gradients[layers->bias->offset + k] += (float)dy[k];
    for (int s = 0; s < FCMAE_STAGES; s++) {
        const fcmae_parameter *w = layers->weight[s];
        for (int i = 0; i < w->rows; i++) {
            float *p = &state->pooled[s][sample * w->rows + i];
            const float *value = lane->network->values + w->offset + i * w->stride;
            double d = 0;
            for (int k = 0; k < colours; k++) {
                lane->gradients[w->offset + i * w->stride + k] += (float)(*p * dy[k]);
                d += value[k] * dy[k];
            }
            *p = (float)(d / state->sites[s][sample]);
        }
    }
}

/** The gradient of every site of every stage. */
static void send(fcmae_lane *lane, int s, int count)
{
    const colour_state *state = lane->state;
    int channels = lane->network->stage[s].channels, stride = fcmae_stride(channels);
    fcmae_chunk chunk = {0};
    for (int c = 0; fcmae_stage_chunk(&lane->stage[s], c, count, &chunk); c++)
        for (int row = 0; row < chunk.map->rows; row++) {
            float *out = lane->sent[s] + (chunk.row + row) * stride;
            const float *d = state->pooled[s] + (chunk.first + chunk.map->image[row]) * channels;
            memset(out, 0, (size_t)stride * sizeof *out);
            memcpy(out, d, (size_t)channels * sizeof *out);
        }
}

static double run(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    const colour_layers *layers = lane->network->layers;
    const colour_state *state = lane->state;
    const float *values = lane->network->values;
    int colours = lane->network->model->config.channels;
    double total = 0;
    for (int s = 0; s < FCMAE_STAGES; s++) pool(lane, s, count);
    for (int i = 0; i < count; i++) {
        double y[64], loss = 0;
        mean_colour(lane, call, i, y);
        for (int k = 0; k < colours; k++) {
            y[k] = values[layers->bias->offset + k] - y[k];
            for (int s = 0; s < FCMAE_STAGES; s++) {
                const fcmae_parameter *w = layers->weight[s];
                for (int c = 0; c < w->rows; c++)
                    y[k] += state->pooled[s][i * w->rows + c] *
                            values[w->offset + c * w->stride + k];
            }
            loss += y[k] * y[k] / colours;
        }
        for (int k = 0; k < colours; k++) y[k] *= 2 * call->weight / colours / (double)call->terms;
        if (call->backward) backward_sample(lane, i, y);
        if (call->outputs && call->outputs->sample_loss)
            call->outputs->sample_loss[first + i] = loss;
        total += loss;
    }
    for (int s = 0; s < FCMAE_STAGES && call->backward; s++) send(lane, s, count);
    return total;
}

const fcmae_objective fcmae_objective_colour = {
    .name = "colour",
    .kind = "colour",
    .parts = FCMAE_BIT(FCMAE_PART_OTHER),
    .sends = FCMAE_BIT(0) | FCMAE_BIT(1) | FCMAE_BIT(2) | FCMAE_BIT(3),
    .layers_size = sizeof(colour_layers),
    .state_size = sizeof(colour_state),
    .add_parameters = add_parameters,
    .reserve = reserve,
    .reserve_lane = reserve_lane,
    .run = run,
};
