/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "objective/head.h"

#include <math.h>

void fcmae_head_reserve(fcmae_head *head, fcmae_arena *arena, const fcmae_network *network)
{
    const fcmae_model *model = network->model;
    const fcmae_model_config *config = &model->config;
    *head = (fcmae_head){.network = network,
                         .parameters = {fcmae_model_find(model, "norm.weight"),
                                        fcmae_model_find(model, "norm.bias"),
                                        fcmae_model_find(model, "head.weight"),
                                        fcmae_model_find(model, "head.bias")},
                         .channels = config->dims[3],
                         .stride = fcmae_stride(config->dims[3]),
                         .classes = config->classes,
                         .class_stride = fcmae_stride(config->classes)};
    fcmae_packed_reserve(&head->weight, arena, head->channels, head->classes, false);
}

void fcmae_head_reserve_backward(fcmae_head *head, fcmae_arena *arena)
{
    fcmae_packed_reserve(&head->weight_back, arena, head->classes, head->channels, false);
}

void fcmae_head_reserve_state(const fcmae_head *head, fcmae_arena *arena, int images,
                              fcmae_head_state *state)
{
    size_t rows = (size_t)images, stride = (size_t)head->stride;
    state->normalised = fcmae_arena_take(arena, rows * stride, sizeof(float));
    state->affine = fcmae_arena_take(arena, rows * stride, sizeof(float));
    state->dpooled = fcmae_arena_take(arena, rows * stride, sizeof(float));
    state->rstd = fcmae_arena_take(arena, rows, sizeof(float));
    state->logits = fcmae_arena_take(arena, rows * (size_t)head->class_stride, sizeof(float));
}

void fcmae_head_pack(const fcmae_head *head, const fcmae_kernels *kernels)
{
    const fcmae_parameter *w = head->parameters.head_weight;
    const float *values = head->network->values + w->offset;
    for (int panel = 0; panel < head->weight.panels; panel++)
        fcmae_packed_fill(kernels, &head->weight, panel, values, w->stride, 0);
    for (int panel = 0; panel < head->weight_back.panels; panel++)
        fcmae_packed_fill_transposed(kernels, &head->weight_back, panel, values, w->stride, 0);
}

void fcmae_head_forward(const fcmae_head *head, const fcmae_kernels *kernels, int images,
                        const fcmae_head_state *state)
{
    const fcmae_head_parameters *m = &head->parameters;
    const float *values = head->network->values;
    kernels->layernorm(images, head->channels, head->stride, state->pooled, state->normalised,
                       state->rstd,
                       &(fcmae_affine){values + m->norm_weight->offset,
                                       values + m->norm_bias->offset, state->affine});
    for (int panel = 0; panel < head->weight.panels; panel++) {
        int column = panel * head->weight.width;
        fcmae_linear_multiply(kernels,
                              &(fcmae_linear){.weights = &head->weight,
                                              .panel = panel,
                                              .rows = images,
                                              .a = state->affine,
                                              .a_row = head->stride,
                                              .bias = values + m->head_bias->offset + column,
                                              .c = state->logits + column,
                                              .c_row = head->class_stride});
    }
}

double fcmae_cross_entropy(int classes, float *z, const float *target)
{
    double most = -INFINITY, total = 0, mass = 0, loss = 0;
    for (int k = 0; k < classes; k++)
        if (!(z[k] <= most)) most = z[k]; /* a NaN wins, so that the loss shows it */
    for (int k = 0; k < classes; k++) total += exp(z[k] - most);
    double log_total = log(total) + most;
    for (int k = 0; k < classes; k++) {
        loss += target[k] * (log_total - z[k]);
        mass += target[k];
    }
    for (int k = 0; k < classes; k++) z[k] = (float)(mass * exp(z[k] - log_total) - target[k]);
    return loss;
}

void fcmae_head_backward(const fcmae_head *head, const fcmae_kernels *kernels, int images,
                         const fcmae_head_state *state, float *gradients)
{
    const fcmae_head_parameters *m = &head->parameters;
    const float *values = head->network->values;
    int stride = head->stride, classes = head->class_stride;
    const float *dlogits = state->logits;
    float *d = state->dpooled;
    kernels->column_sum(images, classes, classes, dlogits, 1.0f, gradients + m->head_bias->offset);
    for (int panel = 0; panel < head->weight.panels; panel++) {
        int column = panel * head->weight.width;
        fcmae_linear_add_gradient(
            kernels, &(fcmae_linear_gradient){.rows = images,
                                              .columns = head->channels,
                                              .width = head->weight.width,
                                              .x = state->affine,
                                              .x_row = stride,
                                              .d = dlogits + column,
                                              .d_row = classes,
                                              .g = gradients + m->head_weight->offset + column,
                                              .g_row = m->head_weight->stride});
    }
    for (int panel = 0; panel < head->weight_back.panels; panel++)
        fcmae_linear_multiply(kernels, &(fcmae_linear){.weights = &head->weight_back,
                                                       .panel = panel,
                                                       .rows = images,
                                                       .a = dlogits,
                                                       .a_row = classes,
                                                       .c = d + panel * head->weight_back.width,
                                                       .c_row = stride});
    kernels->column_dot(images, stride, stride, d, state->normalised,
                        gradients + m->norm_weight->offset);
    kernels->column_sum(images, stride, stride, d, 1.0f, gradients + m->norm_bias->offset);
    kernels->scale_panel(images, stride, d, values + m->norm_weight->offset, d);
    kernels->layernorm_backward(images, head->channels, stride, state->normalised, state->rstd, d,
                                d);
}
