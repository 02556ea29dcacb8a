/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "objective/decoder.h"

#include <string.h>

#include "model/pixels.h"

void fcmae_decoder_reserve(fcmae_decoder *decoder, fcmae_arena *arena, const fcmae_network *network)
{
    const fcmae_model *model = network->model;
    const fcmae_model_config *config = &model->config;
    bool pairs = network->pairs;
    *decoder = (fcmae_decoder){.network = network,
                               .parameters = {fcmae_model_find(model, "mask_token"),
                                              fcmae_model_find(model, "proj.weight"),
                                              fcmae_model_find(model, "proj.bias"),
                                              fcmae_model_find(model, "pred.weight"),
                                              fcmae_model_find(model, "pred.bias")},
                               .channels = config->dims[3],
                               .stride = fcmae_stride(config->dims[3]),
                               .dim = config->decoder_dim,
                               .pairs = pairs,
                               .values = fcmae_config_patch_values(config),
                               .value_stride = fcmae_stride(fcmae_config_patch_values(config))};
    fcmae_packed_reserve(&decoder->proj, arena, decoder->channels, decoder->dim, pairs);
    fcmae_packed_reserve(&decoder->pred, arena, decoder->dim, decoder->values, pairs);
}

void fcmae_decoder_reserve_backward(fcmae_decoder *d, fcmae_arena *arena)
{
    fcmae_packed_reserve(&d->proj_back, arena, d->dim, d->channels, d->pairs);
    fcmae_packed_reserve(&d->pred_back, arena, d->value_stride, d->dim, d->pairs);
}

static int pack_count(const fcmae_decoder *d)
{
    return d->proj.panels + d->pred.panels;
}

int fcmae_decoder_pack_tasks(const fcmae_decoder *d)
{
    return pack_count(d) + (d->proj_back.data ? d->proj_back.panels + d->pred_back.panels : 0);
}

void fcmae_decoder_pack(const fcmae_decoder *d, const fcmae_kernels *kernels, int task)
{
    const fcmae_parameter *proj = d->parameters.proj_weight, *pred = d->parameters.pred_weight;
    const float *v = d->network->values;
    if (task < d->proj.panels) {
        fcmae_packed_fill(kernels, &d->proj, task, v + proj->offset, proj->stride, 0);
        return;
    }
    task -= d->proj.panels;
    if (task < d->pred.panels) {
        fcmae_packed_fill(kernels, &d->pred, task, v + pred->offset, pred->stride, 0);
        return;
    }
    task -= d->pred.panels;
    if (task < d->proj_back.panels) {
        fcmae_packed_fill_transposed(kernels, &d->proj_back, task, v + proj->offset, proj->stride,
                                     0);
        return;
    }
    fcmae_packed_fill_transposed(kernels, &d->pred_back, task - d->proj_back.panels,
                                 v + pred->offset, pred->stride, 0);
}

typedef struct decoder_pass {
    const fcmae_decoder *decoder;
    const fcmae_workspace *workspace;
    const fcmae_site_map *map;
    int live;
    const float *encoder, *rows, *targets;
    float factor;
    float *out, *error, *gradients;
    double *panel_loss;
    fcmae_pixels pixels;
    const int32_t *image_index;
} decoder_pass;

static void embed_task(void *argument, int64_t panel, int worker)
{
    const decoder_pass *pass = argument;
    const fcmae_decoder *d = pass->decoder;
    (void)worker;
    int column = (int)panel * d->proj.width, visible = pass->map->rows - pass->map->removed;
    const float *bias = d->network->values + d->parameters.proj_bias->offset + column;
    fcmae_linear_multiply(
        pass->workspace->kernels,
        &(fcmae_linear){
            .weights = &d->proj,
            .panel = (int)panel,
            .rows = visible,
            .a = fcmae_operand(d->pairs, pass->encoder, pass->workspace->narrow_rows, 0),
            .a_row = fcmae_operand_row(d->pairs, d->stride),
            .bias = bias,
            .c = pass->out + (int64_t)pass->map->removed * d->dim + column,
            .c_row = d->dim});
}

void fcmae_decoder_embed(const fcmae_decoder *d, const fcmae_workspace *workspace,
                         const fcmae_site_map *map, const float *encoder, float *rows)
{
    const float *token = d->network->values + d->parameters.mask_token->offset;
    for (int row = 0; row < map->removed; row++)
        memcpy(rows + (int64_t)row * d->dim, token, (size_t)d->dim * sizeof(float));
    if (d->pairs)
        workspace->kernels->narrow_rows(map->rows - map->removed, d->stride, encoder, d->stride,
                                        workspace->narrow_rows, d->stride);
    decoder_pass pass = {
        .decoder = d, .workspace = workspace, .map = map, .encoder = encoder, .out = rows};
    fcmae_workspace_run(workspace, d->proj.panels, embed_task, &pass);
}

void fcmae_decoder_embed_backward(const fcmae_decoder *d, const fcmae_workspace *workspace,
                                  const fcmae_site_map *map, const float *encoder,
                                  const float *gradient, float *dencoder, float *gradients)
{
    const fcmae_decoder_parameters *m = &d->parameters;
    const fcmae_kernels *kernels = workspace->kernels;
    int visible = map->rows - map->removed;
    const float *tail = gradient + (int64_t)map->removed * d->dim;
    kernels->column_sum(map->removed, d->dim, d->dim, gradient, 1.0f,
                        gradients + m->mask_token->offset);
    kernels->column_sum(visible, d->dim, d->dim, tail, 1.0f, gradients + m->proj_bias->offset);
    if (d->pairs) {
        kernels->narrow_pairs(visible, d->stride, encoder, d->stride, workspace->row_pairs,
                              d->stride);
        kernels->narrow_pairs(visible, d->dim, tail, d->dim, workspace->gradient_pairs, d->dim);
        kernels->narrow_rows(visible, d->dim, tail, d->dim, workspace->narrow_rows, d->dim);
    }
    for (int panel = 0; panel < d->proj.panels; panel++) {
        int column = panel * d->proj.width;
        const void *slice = d->pairs ? (const void *)(workspace->gradient_pairs + column)
                                     : tail + column;
        fcmae_linear_add_gradient(
            kernels,
            &(fcmae_linear_gradient){.rows = visible,
                                     .columns = d->channels,
                                     .width = d->proj.width,
                                     .pairs = d->pairs,
                                     .x = d->pairs ? (const void *)workspace->row_pairs : encoder,
                                     .x_row = d->stride,
                                     .d = slice,
                                     .d_row = d->dim,
                                     .g = gradients + m->proj_weight->offset + column,
                                     .g_row = m->proj_weight->stride});
    }
    for (int panel = 0; panel < d->proj_back.panels; panel++)
        fcmae_linear_multiply(
            kernels, &(fcmae_linear){.weights = &d->proj_back,
                                     .panel = panel,
                                     .rows = visible,
                                     .a = fcmae_operand(d->pairs, tail, workspace->narrow_rows, 0),
                                     .a_row = fcmae_operand_row(d->pairs, d->dim),
                                     .c = dencoder + panel * d->proj_back.width,
                                     .c_row = d->stride});
}

static void target_task(void *argument, int64_t row, int worker)
{
    const decoder_pass *pass = argument;
    const fcmae_decoder *d = pass->decoder;
    const fcmae_site_map *map = pass->map;
    const fcmae_model_config *config = &d->network->model->config;
    (void)worker;
    int side = fcmae_config_patch(config);
    int y = map->position[row] / map->width * side, x = map->position[row] % map->width * side;
    float *target = pass->out + row * d->value_stride;
    fcmae_pixels_read(&pass->pixels, pass->image_index[map->image[row]], y, x, side, target);
    if (config->norm_pix) pass->workspace->kernels->standardise(d->values, target);
}

void fcmae_decoder_targets(const fcmae_decoder *decoder, const fcmae_workspace *workspace,
                           const fcmae_site_map *map, const fcmae_images *images,
                           const int32_t *image_index, float *targets)
{
    decoder_pass pass = {.decoder = decoder,
                         .workspace = workspace,
                         .map = map,
                         .out = targets,
                         .image_index = image_index};
    const fcmae_model_config *config = &decoder->network->model->config;
    int side = fcmae_config_patch(config);
    pass.pixels = fcmae_pixels_of(images, workspace->kernels, config->channels, map->height * side,
                                  map->width * side);
    fcmae_workspace_run(workspace, map->live, target_task, &pass);
}

/** Decoder output as bfloat16 operands, where the prediction computes in bfloat16. */
static void narrow_rows(const decoder_pass *pass, bool backward)
{
    const fcmae_workspace *w = pass->workspace;
    int dim = pass->decoder->dim;
    if (!pass->decoder->pairs) return;
    w->kernels->narrow_rows(pass->live, dim, pass->rows, dim, w->narrow_rows, dim);
    if (backward) w->kernels->narrow_pairs(pass->live, dim, pass->rows, dim, w->row_pairs, dim);
}

static void predict_panel(const decoder_pass *pass, int panel, float *out)
{
    const fcmae_decoder *d = pass->decoder;
    const float *rows = fcmae_operand(d->pairs, pass->rows, pass->workspace->narrow_rows, 0);
    const float *bias = d->network->values + d->parameters.pred_bias->offset;
    fcmae_linear_multiply(pass->workspace->kernels,
                          &(fcmae_linear){.weights = &d->pred,
                                          .panel = panel,
                                          .rows = pass->live,
                                          .a = rows,
                                          .a_row = fcmae_operand_row(d->pairs, d->dim),
                                          .bias = bias + panel * d->pred.width,
                                          .c = out,
                                          .c_row = d->pred.width});
}

static void predict_task(void *argument, int64_t panel, int worker)
{
    const decoder_pass *pass = argument;
    (void)worker;
    predict_panel(pass, (int)panel, pass->out + panel * pass->live * pass->decoder->pred.width);
}

void fcmae_decoder_predict(const fcmae_decoder *decoder, const fcmae_workspace *workspace, int live,
                           const float *rows, float *prediction)
{
    decoder_pass pass = {
        .decoder = decoder, .workspace = workspace, .live = live, .rows = rows, .out = prediction};
    narrow_rows(&pass, false);
    fcmae_workspace_run(workspace, decoder->pred.panels, predict_task, &pass);
}

/** One panel: prediction, error, its bias and weight gradient, while
 *  the panel is in the L2 cache. */
static void loss_task(void *argument, int64_t panel, int worker)
{
    const decoder_pass *pass = argument;
    const fcmae_decoder *d = pass->decoder;
    const fcmae_decoder_parameters *m = &d->parameters;
    int width = d->pred.width, column = (int)panel * width;
    float *error = pass->error + panel * pass->live * width;
    predict_panel(pass, (int)panel, error);
    pass->panel_loss[panel] = pass->workspace->kernels->squared_error(
        pass->live, width, error, pass->targets + column, d->value_stride, pass->factor,
        pass->gradients + m->pred_bias->offset + column);
    const fcmae_kernels *kernels = pass->workspace->kernels;
    fcmae_linear_gradient gradient = {.rows = pass->live,
                                      .columns = d->dim,
                                      .width = width,
                                      .pairs = d->pairs,
                                      .x = pass->rows,
                                      .x_row = d->dim,
                                      .d = error,
                                      .d_row = width,
                                      .g = pass->gradients + m->pred_weight->offset + column,
                                      .g_row = m->pred_weight->stride};
    if (d->pairs) {
        uint32_t *pairs = (uint32_t *)(void *)fcmae_scratch(pass->workspace, worker);
        kernels->narrow_pairs(pass->live, width, error, width, pairs, width);
        kernels->narrow_rows(pass->live, width, error, width,
                             pass->workspace->narrow_hidden + panel * pass->live * width, width);
        gradient.x = pass->workspace->row_pairs;
        gradient.d = pairs;
    }
    fcmae_linear_add_gradient(kernels, &gradient);
}

/** Gradient of the decoder output, one panel of its columns. */
static void loss_data_task(void *argument, int64_t panel, int worker)
{
    const decoder_pass *pass = argument;
    const fcmae_decoder *d = pass->decoder;
    (void)worker;
    const float *error = fcmae_operand(d->pairs, pass->error, pass->workspace->narrow_hidden, 0);
    int width = (int)fcmae_operand_row(d->pairs, d->pred.width);
    fcmae_linear_multiply(pass->workspace->kernels,
                          &(fcmae_linear){.weights = &d->pred_back,
                                          .panel = (int)panel,
                                          .rows = pass->live,
                                          .a = error,
                                          .a_row = width,
                                          .a_width = width,
                                          .a_distance = (int64_t)pass->live * width,
                                          .c = pass->out + panel * d->pred_back.width,
                                          .c_row = d->dim});
}

void fcmae_decoder_loss(const fcmae_decoder *decoder, const fcmae_workspace *workspace, int live,
                        const float *rows, const float *targets, float factor, float *error,
                        double *panel_loss, float *gradient, float *gradients)
{
    decoder_pass pass = {.decoder = decoder,
                         .workspace = workspace,
                         .live = live,
                         .rows = rows,
                         .targets = targets,
                         .factor = factor,
                         .error = error,
                         .panel_loss = panel_loss,
                         .out = gradient,
                         .gradients = gradients};
    narrow_rows(&pass, true);
    fcmae_workspace_run(workspace, decoder->pred.panels, loss_task, &pass);
    fcmae_workspace_run(workspace, decoder->pred_back.panels, loss_data_task, &pass);
}
