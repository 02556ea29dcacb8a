/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/patch.h"

#include <string.h>

#include "model/pixels.h"

void fcmae_patch_reserve(fcmae_patch_layer *layer, fcmae_arena *arena,
                         const fcmae_patch_parameters *p, int in, int out, int positions, bool stem,
                         bool pairs)
{
    *layer = (fcmae_patch_layer){.parameters = p,
                                 .in = in,
                                 .in_stride = fcmae_stride(in),
                                 .out = out,
                                 .out_stride = fcmae_stride(out),
                                 .positions = positions,
                                 .pairs = pairs && !stem}; /* pixels keep their precision */
    fcmae_packed_reserve(&layer->weight, arena, positions * in, out, layer->pairs);
    layer->bias = fcmae_arena_take(arena, (size_t)layer->out_stride, sizeof(float));
    if (!stem) layer->norm_weight = fcmae_arena_take(arena, 4 * (size_t)in, sizeof(float));
}

void fcmae_patch_reserve_backward(fcmae_patch_layer *layer, fcmae_arena *arena)
{
    for (int child = 0; child < 4; child++)
        fcmae_packed_reserve(&layer->weight_back[child], arena, layer->out, layer->in,
                             layer->pairs);
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
    for (int child = 0; child < 4 && !is_stem(layer); child++) {
        const float *norm_bias = v + p->norm_bias->offset;
        int first = child * layer->in;
        memcpy(layer->norm_weight + first, v + p->norm_weight->offset,
               (size_t)layer->in * sizeof(float));
        for (int c = 0; c < layer->in; c++)
            kernels->combine(layer->out, norm_bias[c], w + (first + c) * p->weight->stride, 1,
                             layer->bias);
    }
    for (int panel = 0; panel < layer->weight.panels; panel++)
        fcmae_packed_fill(kernels, &layer->weight, panel, w, p->weight->stride, layer->norm_weight);
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
    fcmae_workspace_run(pass->workspace, (pass->rows + pass->per_task - 1) / pass->per_task, task,
                        pass);
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
                       pass->rstd + 4 * (int64_t)first, NULL);
    if (layer->pairs)
        kernels->narrow_rows(4 * rows, layer->in_stride, pass->normalised + at, layer->in_stride,
                             pass->workspace->narrow_rows + at, layer->in_stride);
    const float *a = fcmae_operand(layer->pairs, pass->normalised, pass->workspace->narrow_rows,
                                   at);
    for (int panel = 0; panel < layer->weight.panels; panel++)
        fcmae_linear_multiply(
            kernels,
            &(fcmae_linear){.weights = &layer->weight,
                            .panel = panel,
                            .rows = rows,
                            .a = a,
                            .a_row = fcmae_operand_row(layer->pairs, 4 * (int64_t)layer->in_stride),
                            .a_width = (int)fcmae_operand_row(layer->pairs, layer->in),
                            .a_distance = fcmae_operand_row(layer->pairs, layer->in_stride),
                            .bias = layer->bias + panel * layer->weight.width,
                            .c = pass->out + (int64_t)first * layer->out_stride +
                                 panel * layer->weight.width,
                            .c_row = layer->out_stride});
}

void fcmae_downsample_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                              int rows, const float *x, float *normalised, float *rstd, float *out)
{
    patch_pass pass = {.layer = layer,
                       .workspace = workspace,
                       .rows = rows,
                       .x = x,
                       .normalised = normalised,
                       .rstd = rstd,
                       .out = out};
    run_rows(&pass, downsample_task);
}

static void downsample_data_task(void *argument, int64_t task, int worker)
{
    const patch_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    (void)worker;
    int first, rows = task_rows(pass, task, &first);
    float *dn = pass->out + 4 * (int64_t)first * layer->in_stride;
    int64_t at = (int64_t)first * layer->out_stride;
    if (layer->pairs)
        pass->workspace->kernels->narrow_rows(rows, layer->out_stride, pass->gradient + at,
                                              layer->out_stride, pass->workspace->narrow_rows + at,
                                              layer->out_stride);
    const float *gradient = fcmae_operand(layer->pairs, pass->gradient,
                                          pass->workspace->narrow_rows, at);
    for (int child = 0; child < 4; child++)
        for (int panel = 0; panel < layer->weight_back[child].panels; panel++)
            fcmae_linear_multiply(
                pass->workspace->kernels,
                &(fcmae_linear){.weights = &layer->weight_back[child],
                                .panel = panel,
                                .rows = rows,
                                .a = gradient,
                                .a_row = fcmae_operand_row(layer->pairs, layer->out_stride),
                                .c = dn + child * layer->in_stride +
                                     panel * layer->weight_back[child].width,
                                .c_row = 4 * (int64_t)layer->in_stride});
    pass->workspace->kernels->layernorm_backward(4 * rows, layer->in, layer->in_stride,
                                                 pass->normalised_in +
                                                     4 * (int64_t)first * layer->in_stride,
                                                 pass->rstd_in + 4 * (int64_t)first, dn, dn);
}

typedef struct weight_pass {
    const fcmae_patch_layer *layer;
    const fcmae_workspace *workspace;
    int rows;
    const float *normalised, *gradient;
    float *gradients;
} weight_pass;

#define NARROW_ROWS 64 /* even: a task never splits a pair */

/** bfloat16: pairs of rows of both operands of the weight gradient. */
static void downsample_pairs_task(void *argument, int64_t task, int worker)
{
    const weight_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    const fcmae_workspace *w = pass->workspace;
    (void)worker;
    int first = (int)task * NARROW_ROWS, left = pass->rows - first;
    int rows = left < NARROW_ROWS ? left : NARROW_ROWS, wide = 4 * layer->in_stride;
    w->kernels->narrow_pairs(rows, wide, pass->normalised + (int64_t)first * wide, wide,
                             w->row_pairs + (int64_t)(first / 2) * wide, wide);
    w->kernels->narrow_pairs(rows, layer->out_stride,
                             pass->gradient + (int64_t)first * layer->out_stride, layer->out_stride,
                             w->gradient_pairs + (int64_t)(first / 2) * layer->out_stride,
                             layer->out_stride);
}

/** Raw weight gradient: task = (child, panel of outputs). */
static void downsample_weight_task(void *argument, int64_t task, int worker)
{
    const weight_pass *pass = argument;
    const fcmae_patch_layer *layer = pass->layer;
    const fcmae_parameter *weight = layer->parameters->weight;
    (void)worker;
    int child = (int)(task / layer->weight.panels);
    int column = (int)(task % layer->weight.panels) * layer->weight.width;
    float *g = pass->gradients + weight->offset + (int64_t)child * layer->in * weight->stride +
               column;
    const fcmae_workspace *w = pass->workspace;
    const void *x = layer->pairs ? (const void *)(w->row_pairs + child * layer->in_stride)
                                 : pass->normalised + child * layer->in_stride;
    const void *d = layer->pairs ? (const void *)(w->gradient_pairs + column)
                                 : pass->gradient + column;
    fcmae_linear_add_gradient(w->kernels,
                              &(fcmae_linear_gradient){.rows = pass->rows,
                                                       .columns = layer->in,
                                                       .width = layer->weight.width,
                                                       .pairs = layer->pairs,
                                                       .x = x,
                                                       .x_row = 4 * (int64_t)layer->in_stride,
                                                       .d = d,
                                                       .d_row = layer->out_stride,
                                                       .g = g,
                                                       .g_row = weight->stride});
}

void fcmae_downsample_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                               int rows, const float *normalised, const float *rstd,
                               const float *gradient, float *dx, float *gradients)
{
    workspace->kernels->column_sum(rows, layer->out_stride, layer->out_stride, gradient, 1.0f,
                                   gradients + layer->parameters->bias->offset);
    weight_pass weights = {layer, workspace, rows, normalised, gradient, gradients};
    if (layer->pairs)
        fcmae_workspace_run(workspace, (rows + NARROW_ROWS - 1) / NARROW_ROWS,
                            downsample_pairs_task, &weights);
    fcmae_workspace_run(workspace, 4 * (int64_t)layer->weight.panels, downsample_weight_task,
                        &weights);
    patch_pass pass = {.layer = layer,
                       .workspace = workspace,
                       .rows = rows,
                       .gradient = gradient,
                       .normalised_in = normalised,
                       .rstd_in = rstd,
                       .out = dx};
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
    int side = pass->config->stem_stride;
    int patch_stride = fcmae_stem_patch_stride(pass->config);
    for (int row = first; row < first + rows; row++) {
        int y = map->position[row] / map->width * side, x = map->position[row] % map->width * side;
        fcmae_pixels_read(&pass->pixels, pass->image_index[map->image[row]], y, x, side,
                          pass->patches + (int64_t)row * patch_stride);
    }
    int64_t at = (int64_t)first * layer->out_stride;
    for (int panel = 0; panel < layer->weight.panels; panel++) {
        int column = panel * layer->weight.width;
        fcmae_linear_multiply(kernels,
                              &(fcmae_linear){.weights = &layer->weight,
                                              .panel = panel,
                                              .rows = rows,
                                              .a = pass->patches + (int64_t)first * patch_stride,
                                              .a_row = patch_stride,
                                              .bias = layer->bias + column,
                                              .c = pass->normalised + at + column,
                                              .c_row = layer->out_stride});
    }
    const float *values = layer->values;
    kernels->layernorm(rows, layer->out, layer->out_stride, pass->normalised + at,
                       pass->normalised + at, pass->rstd + first,
                       &(fcmae_affine){values + layer->parameters->norm_weight->offset,
                                       values + layer->parameters->norm_bias->offset,
                                       pass->out + at});
}

void fcmae_stem_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                        const fcmae_model_config *config, const fcmae_site_map *map,
                        const fcmae_images *images, const int32_t *image_index,
                        const fcmae_stem_state *state, float *out)
{
    patch_pass pass = {.layer = layer,
                       .workspace = workspace,
                       .rows = map->rows,
                       .config = config,
                       .map = map,
                       .image_index = image_index,
                       .patches = state->patches,
                       .normalised = state->normalised,
                       .rstd = state->rstd,
                       .out = out};
    int side = config->stem_stride;
    pass.pixels = fcmae_pixels_of(images, workspace->kernels, config->channels, map->height * side,
                                  map->width * side);
    run_rows(&pass, stem_task);
}

void fcmae_stem_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace, int rows,
                         int patch_stride, const fcmae_stem_state *state, float *gradient,
                         float *gradients)
{
    const fcmae_patch_parameters *p = layer->parameters;
    const fcmae_kernels *kernels = workspace->kernels;
    int stride = layer->out_stride;
    kernels->column_dot(rows, stride, stride, gradient, state->normalised,
                        gradients + p->norm_weight->offset);
    kernels->column_sum(rows, stride, stride, gradient, 1.0f, gradients + p->norm_bias->offset);
    kernels->scale_panel(rows, stride, gradient, layer->values + p->norm_weight->offset, gradient);
    kernels->layernorm_backward(rows, layer->out, stride, state->normalised, state->rstd, gradient,
                                gradient);
    kernels->column_sum(rows, stride, stride, gradient, 1.0f, gradients + p->bias->offset);
    for (int panel = 0; panel < layer->weight.panels; panel++) {
        int column = panel * layer->weight.width;
        fcmae_linear_add_gradient(
            kernels, &(fcmae_linear_gradient){.rows = rows,
                                              .columns = layer->weight.k,
                                              .width = layer->weight.width,
                                              .x = state->patches,
                                              .x_row = patch_stride,
                                              .d = gradient + column,
                                              .d_row = stride,
                                              .g = gradients + p->weight->offset + column,
                                              .g_row = p->weight->stride});
    }
}
