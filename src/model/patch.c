/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/patch.h"

#include <string.h>

#include "model/pixels.h"

void fcmae_patch_reserve(fcmae_patch_layer *layer, fcmae_arena *arena, const fcmae_patch_parameters *p,
                         int in, int out, int positions, bool stem)
{
    *layer = (fcmae_patch_layer){.parameters = p, .in = in, .in_stride = fcmae_stride(in), .out = out,
                                 .out_stride = fcmae_stride(out), .positions = positions};
    fcmae_packed_reserve(&layer->weight, arena, positions * in, out, false);
    layer->bias = fcmae_arena_take(arena, (size_t)layer->out_stride, sizeof(float));
}

void fcmae_patch_reserve_backward(fcmae_patch_layer *layer, fcmae_arena *arena)
{
    for (int child = 0; child < 4; child++)
        fcmae_packed_reserve(&layer->weight_back[child], arena, layer->out, layer->in, false);
}

static bool is_stem(const fcmae_patch_layer *layer)
{
    /* the stem's norm acts on its output: it has as many weights as there are output channels */
    return layer->parameters->norm_weight->part == FCMAE_PART_DOWNSAMPLE &&
           layer->parameters->norm_weight->stage == 0;
}

int fcmae_patch_pack_tasks(const fcmae_patch_layer *layer)
{
    return 1 + (layer->weight_back[0].data ? 4 : 0);
}

/** bias' = bias + sum over children and channels of norm.bias * W */
static void pack_forward(const fcmae_patch_layer *layer, const fcmae_kernels *kernels)
{
    const fcmae_patch_parameters *p = layer->parameters;
    const float *v = layer->values, *w = v + p->weight->offset;
    memcpy(layer->bias, v + p->bias->offset, (size_t)layer->out_stride * sizeof(float));
    if (is_stem(layer)) {
        for (int panel = 0; panel < layer->weight.panels; panel++)
            fcmae_packed_fill(kernels, &layer->weight, panel, w, p->weight->stride, 0);
        return;
    }
    const float *norm = v + p->norm_weight->offset, *norm_bias = v + p->norm_bias->offset;
    const fcmae_packed *all = &layer->weight;
    for (int child = 0; child < 4; child++) {
        int first = child * layer->in;
        for (int c = 0; c < layer->in; c++) {
            const float *row = w + (first + c) * p->weight->stride;
            for (int n = 0; n < layer->out; n++) layer->bias[n] += norm_bias[c] * row[n];
        }
        for (int panel = 0; panel < all->panels; panel++)
            kernels->pack(0, layer->in, layer->out, p->weight->stride, w + first * p->weight->stride,
                          norm, all->width, panel, all->k, all->data + (int64_t)first * all->width);
    }
}

void fcmae_patch_pack(const fcmae_patch_layer *layer, const fcmae_kernels *kernels, int task)
{
    if (task == 0) {
        pack_forward(layer, kernels);
        return;
    }
    const fcmae_patch_parameters *p = layer->parameters;
    const fcmae_packed *back = &layer->weight_back[task - 1];
    const float *w = layer->values + p->weight->offset +
                     (int64_t)(task - 1) * layer->in * p->weight->stride;
    for (int panel = 0; panel < back->panels; panel++)
        fcmae_packed_fill_transposed(kernels, back, panel, w, p->weight->stride,
                                     layer->values + p->norm_weight->offset);
}

typedef struct patch_pass {
    const fcmae_patch_layer *layer;
    const fcmae_workspace *workspace;
    int rows, per_task;
    const float *x, *normalised_in, *rstd_in, *gradient;
    float *normalised, *rstd, *out;
    /* stem */
    const fcmae_model_config *config;
    const fcmae_site_map *map;
    fcmae_pixels pixels;
    const int32_t *image_index;
    float *patches;
} patch_pass;

/** Rows of one task: short enough to be shared, long enough to keep weights in use. */
static int rows_per_task(const fcmae_workspace *workspace, int rows)
{
    int want = workspace->threads > 1 ? rows / (2 * workspace->threads) : 320;
    return want < 20 ? 20 : want > 320 ? 320 : want;
}

static int task_rows(const patch_pass *pass, int64_t task, int *first)
{
    *first = (int)task * pass->per_task;
    return pass->rows - *first < pass->per_task ? pass->rows - *first : pass->per_task;
}

static void run_rows(patch_pass *pass, fcmae_task task)
{
    pass->per_task = rows_per_task(pass->workspace, pass->rows);
    fcmae_run(pass->workspace, (pass->rows + pass->per_task - 1) / pass->per_task, task, pass);
}

/* 2x2 downsampling */

static void downsample_task(void *argument, int64_t task, int worker)
{
    const patch_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    (void)worker;
    int first, rows = task_rows(pass, task, &first);
    int64_t at = 4 * (int64_t)first * layer->in_stride;
    kernels->layernorm(4 * rows, layer->in, layer->in_stride, pass->x + at, pass->normalised + at,
                       pass->rstd + 4 * (int64_t)first, 0, 0, 0);
    for (int panel = 0; panel < layer->weight.panels; panel++) {
        const fcmae_packed *w = &layer->weight;
        fcmae_product product = {
            .rows = rows, .width = w->width, .a_panels = 4, .a_panel_width = layer->in,
            .a = pass->normalised + at, .a_row = 4 * (int64_t)layer->in_stride, .a_step = 1,
            .a_panel_stride = layer->in_stride, .b = w->data + (int64_t)panel * w->k * w->width,
            .b_row = w->width, .bias = layer->bias + panel * w->width,
            .c = pass->out + (int64_t)first * layer->out_stride + panel * w->width,
            .c_row = layer->out_stride};
        kernels->product(&product);
    }
}

void fcmae_downsample_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                              int rows, const float *x, float *normalised, float *rstd, float *out)
{
    patch_pass pass = {.layer = layer, .workspace = workspace, .rows = rows, .x = x,
                       .normalised = normalised, .rstd = rstd, .out = out};
    run_rows(&pass, downsample_task);
}

static void downsample_data_task(void *argument, int64_t task, int worker)
{
    const patch_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    (void)worker;
    int first, rows = task_rows(pass, task, &first);
    float *dn = pass->out + 4 * (int64_t)first * layer->in_stride;
    for (int child = 0; child < 4; child++)
        for (int panel = 0; panel < layer->weight_back[child].panels; panel++)
            fcmae_linear_rows(pass->workspace->kernels, &layer->weight_back[child], panel, rows,
                              pass->gradient + (int64_t)first * layer->out_stride, layer->out_stride,
                              0, 0, 0,
                              dn + child * layer->in_stride + panel * layer->weight_back[child].width,
                              4 * (int64_t)layer->in_stride);
    pass->workspace->kernels->layernorm_backward(
        4 * rows, layer->in, layer->in_stride,
        pass->normalised_in + 4 * (int64_t)first * layer->in_stride,
        pass->rstd_in + 4 * (int64_t)first, dn, dn);
}

typedef struct weight_pass {
    const fcmae_patch_layer *layer;
    const fcmae_workspace *workspace;
    int rows;
    const float *normalised, *gradient;
    float *gradients;
} weight_pass;

/** Raw weight gradient: task = (child, panel of outputs). */
static void downsample_weight_task(void *argument, int64_t task, int worker)
{
    const weight_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    const fcmae_parameter *weight = layer->parameters->weight;
    (void)worker;
    int child = (int)(task / layer->weight.panels);
    int column = (int)(task % layer->weight.panels) * layer->weight.width;
    fcmae_linear_gradient(pass->workspace->kernels, pass->rows, layer->in,
                          pass->normalised + child * layer->in_stride, 4 * (int64_t)layer->in_stride,
                          pass->gradient + column, layer->out_stride, layer->weight.width,
                          pass->gradients + weight->offset +
                              (int64_t)child * layer->in * weight->stride + column,
                          weight->stride);
}

void fcmae_downsample_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                               int rows, const float *normalised, const float *rstd,
                               const float *gradient, float *dx, float *gradients)
{
    workspace->kernels->column_sum(rows, layer->out_stride, layer->out_stride, gradient, 1.0f,
                                   gradients + layer->parameters->bias->offset);
    weight_pass weights = {layer, workspace, rows, normalised, gradient, gradients};
    fcmae_run(workspace, 4 * (int64_t)layer->weight.panels, downsample_weight_task, &weights);
    patch_pass pass = {.layer = layer, .workspace = workspace, .rows = rows, .gradient = gradient,
                       .normalised_in = normalised, .rstd_in = rstd, .out = dx};
    run_rows(&pass, downsample_data_task);
}

void fcmae_downsample_finish(const fcmae_patch_layer *layer, float *gradients)
{
    const fcmae_patch_parameters *p = layer->parameters;
    const float *v = layer->values, *dbias = gradients + p->bias->offset;
    for (int c = 0; c < layer->in; c++) {
        float weight = v[p->norm_weight->offset + c], bias = v[p->norm_bias->offset + c];
        double dweight = 0, dnorm_bias = 0;
        for (int child = 0; child < 4; child++) {
            int64_t at = p->weight->offset + (int64_t)(child * layer->in + c) * p->weight->stride;
            for (int n = 0; n < layer->out; n++) {
                dweight += (double)v[at + n] * gradients[at + n];
                dnorm_bias += (double)v[at + n] * dbias[n];
                gradients[at + n] = weight * gradients[at + n] + bias * dbias[n];
            }
        }
        gradients[p->norm_weight->offset + c] = (float)dweight;
        gradients[p->norm_bias->offset + c] = (float)dnorm_bias;
    }
}

/* Stem */

int fcmae_stem_patch_stride(const fcmae_model_config *config)
{
    return fcmae_stride(config->stem_stride * config->stem_stride * config->channels);
}

static void stem_task(void *argument, int64_t task, int worker)
{
    const patch_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    const fcmae_site_map *map = pass->map;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    (void)worker;
    int first, rows = task_rows(pass, task, &first);
    int side = pass->config->stem_stride, channels = pass->config->channels;
    int patch_stride = fcmae_stem_patch_stride(pass->config);
    for (int row = first; row < first + rows; row++) {
        int y = map->position[row] / map->width * side, x = map->position[row] % map->width * side;
        float *patch = pass->patches + (int64_t)row * patch_stride;
        for (int i = 0; i < side; i++)
            fcmae_pixels_read(&pass->pixels, pass->image_index[map->image[row]], y + i, x, side,
                              patch + i * side * channels);
    }
    int64_t at = (int64_t)first * layer->out_stride;
    for (int panel = 0; panel < layer->weight.panels; panel++) {
        int column = panel * layer->weight.width;
        fcmae_linear_rows(kernels, &layer->weight, panel, rows,
                          pass->patches + (int64_t)first * patch_stride, patch_stride,
                          layer->bias + column, 0, 0, pass->normalised + at + column,
                          layer->out_stride);
    }
    const float *values = layer->values;
    kernels->layernorm(rows, layer->out, layer->out_stride, pass->normalised + at,
                       pass->normalised + at, pass->rstd + first,
                       values + layer->parameters->norm_weight->offset,
                       values + layer->parameters->norm_bias->offset, pass->out + at);
}

void fcmae_stem_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                        const fcmae_model_config *config, const fcmae_site_map *map,
                        const fcmae_images *images, const int32_t *image_index, float *patches,
                        float *normalised, float *rstd, float *out)
{
    patch_pass pass = {.layer = layer, .workspace = workspace, .rows = map->rows, .config = config,
                       .map = map, .image_index = image_index,
                       .patches = patches, .normalised = normalised, .rstd = rstd, .out = out};
    int side = config->stem_stride;
    pass.pixels = fcmae_pixels_of(images, workspace->kernels, config->channels, map->height * side,
                                  map->width * side);
    run_rows(&pass, stem_task);
}

void fcmae_stem_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                         int rows, int patch_stride, const float *patches, const float *normalised,
                         const float *rstd, float *gradient, float *gradients)
{
    const fcmae_patch_parameters *p = layer->parameters;
    const fcmae_kernels *kernels = workspace->kernels;
    int stride = layer->out_stride;
    kernels->column_dot(rows, stride, stride, gradient, normalised,
                        gradients + p->norm_weight->offset);
    kernels->column_sum(rows, stride, stride, gradient, 1.0f, gradients + p->norm_bias->offset);
    kernels->scale_panel(rows, stride, gradient, layer->values + p->norm_weight->offset, gradient);
    kernels->layernorm_backward(rows, layer->out, stride, normalised, rstd, gradient, gradient);
    kernels->column_sum(rows, stride, stride, gradient, 1.0f, gradients + p->bias->offset);
    for (int panel = 0; panel < layer->weight.panels; panel++) {
        int column = panel * layer->weight.width;
        fcmae_linear_gradient(kernels, rows, layer->weight.k, patches, patch_stride,
                              gradient + column, stride, layer->weight.width,
                              gradients + p->weight->offset + column, p->weight->stride);
    }
}
