/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Backward of the block: the passes of block.c undone in reverse order.
 *
 * GRN needs t_c = sum_s e * h over all rows before any dz is known, so the gradient of the hidden
 * layer is stored once ([4C / w][rows][w]) and revisited. Recomputing it instead was measured equal
 * in speed and is wrong without a symptom when a tile spans images.
 */
#include <string.h>

#include "grn/grn.h"
#include "model/block_pass.h"
#include "sparse/depthwise.h"

/** Rows whose panels (e, h, y of 80 columns: 115 KiB) stay in the L2 cache between passes, and
 * whose y (38 KiB) fits the L1 cache of most processors with AVX-512 for the weight gradient. */
#define PANEL_GROUP_ROWS 120

/** Pairs of rows straddle groups, so bfloat16 takes all rows at once (of half the size). */
static fcmae_block_groups panel_groups(const fcmae_block *block, int blocks)
{
    fcmae_block_groups groups = {.blocks = blocks,
                                 .per_group = PANEL_GROUP_ROWS / FCMAE_SEGMENT_ROWS};
    if (block->pairs && blocks > 0) groups.per_group = blocks;
    groups.count = (blocks + groups.per_group - 1) / groups.per_group;
    return groups;
}

#define NARROW_ROWS 64 /* even: a task never splits a pair */

/** Rows of `out` (gradient or normalised input) as bfloat16 operands: along rows and as pairs. */
static void narrow_task(void *argument, int64_t task, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    (void)worker;
    int stride = pass->block->stride, first = (int)task * NARROW_ROWS;
    int left = pass->map->rows - first, rows = left < NARROW_ROWS ? left : NARROW_ROWS;
    const float *from = pass->out + (int64_t)first * stride;
    kernels->narrow_pairs(rows, stride, from, stride,
                          pass->workspace->row_pairs + (int64_t)(first / 2) * stride, stride);
    if (pass->out == pass->gradient)
        kernels->narrow_rows(rows, stride, from, stride,
                             pass->workspace->narrow_rows + (int64_t)first * stride, stride);
}

static void narrow_operand(fcmae_block_pass *pass, float *rows)
{
    if (!pass->block->pairs) return;
    pass->out = rows;
    fcmae_workspace_run(pass->workspace, (pass->map->rows + NARROW_ROWS - 1) / NARROW_ROWS,
                        narrow_task, pass);
}

/** G[c][panel] += x^T d over a row range; d is float32 rows, or pairs of rows in bfloat16. */
static void weight_gradient(const fcmae_block_pass *pass, const fcmae_row_range *range,
                            const float *x, const float *d, int width, float *g, int64_t g_row)
{
    const fcmae_block *b = pass->block;
    const float *rows = x + (int64_t)range->first * b->stride;
    fcmae_linear_add_gradient(
        pass->workspace->kernels,
        &(fcmae_linear_gradient){.rows = range->last - range->first,
                                 .columns = b->channels,
                                 .width = width,
                                 .pairs = b->pairs,
                                 .x = b->pairs ? (const void *)pass->workspace->row_pairs : rows,
                                 .x_row = b->stride,
                                 .d = d,
                                 .d_row = width,
                                 .g = g,
                                 .g_row = g_row});
}

/** Sums e * h of a segment of panel `panel`, and h * scale as an
 *  operand: y begins at row `first`. */
static void scale_and_dot(const fcmae_block_pass *pass, int64_t panel, int segment, int first,
                          float *y)
{
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    int begin = map->segment_begin[segment], rows = map->segment_begin[segment + 1] - begin;
    int width = b->reduce_back.width;
    int64_t column = panel * width, at = (panel * map->rows + begin) * width;
    const float *e = pass->workspace->hidden_gradient + at, *hidden = pass->state->hidden + at;
    const float *scale = pass->state->scale + (int64_t)map->segment_image[segment] * b->hidden +
                         column;
    float *dot = pass->workspace->segment_sums + (int64_t)segment * b->hidden + column;
    if (b->pairs)
        kernels->scale_and_dot_pairs(begin - first, rows, width, e, hidden, scale,
                                     (uint32_t *)(void *)y, dot);
    else
        kernels->scale_and_dot(rows, width, e, hidden, scale, y + (int64_t)(begin - first) * width,
                               dot);
}

/** out = x + y W2' + b2', one panel of 4C: e = dout W2'^T, sums e * h, y = h * scale, raw dW2. */
static void reduce_backward_task(void *argument, int64_t panel, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    const fcmae_parameter *weight = b->parameters->reduce_weight;
    int width = b->reduce_back.width, column = (int)panel * width;
    int64_t base = panel * map->rows * width;
    float *e = pass->workspace->hidden_gradient + base, *y = fcmae_scratch(pass->workspace, worker);
    const float *hidden = pass->state->hidden + base;
    for (int group = 0; group < pass->groups.count; group++) {
        fcmae_row_range range = fcmae_block_range(map, &pass->groups, group);
        for (int block = group * pass->groups.per_group;
             block < pass->groups.blocks && block < (group + 1) * pass->groups.per_group; block++) {
            int first = map->segment_begin[map->block_segment[block]];
            int rows = map->segment_begin[map->block_segment[block + 1]] - first;
            fcmae_linear_multiply(pass->workspace->kernels,
                                  &(fcmae_linear){.weights = &b->reduce_back,
                                                  .panel = (int)panel,
                                                  .rows = rows,
                                                  .a = fcmae_operand(b->pairs, pass->gradient,
                                                                     pass->workspace->narrow_rows,
                                                                     (int64_t)first * b->stride),
                                                  .a_row = fcmae_operand_row(b->pairs, b->stride),
                                                  .c = e + (int64_t)first * width,
                                                  .c_row = width,
                                                  .soon_read = hidden + (int64_t)first * width,
                                                  .part = block,
                                                  .parts = pass->groups.blocks});
            for (int s = map->block_segment[block]; s < map->block_segment[block + 1]; s++)
                scale_and_dot(pass, panel, s, range.first, y);
        }
        weight_gradient(pass, &range, pass->gradient, y, width,
                        pass->gradients + weight->offset + column, weight->stride);
    }
    memset(e + (int64_t)map->live * width, 0,
           (size_t)(map->rows - map->live) * (size_t)width * sizeof(float));
}

/** dz = (e * scale + h * k) * gelu'(z) of a segment of panel `panel`, in place; in bfloat16 into
 * the operands of both products that follow. db1 += its sum. */
static void hidden_backward(const fcmae_block_pass *pass, int64_t panel, int segment,
                            uint32_t *pairs)
{
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    const fcmae_workspace *w = pass->workspace;
    int begin = map->segment_begin[segment], rows = map->segment_begin[segment + 1] - begin;
    int width = b->expand.width;
    int64_t column = panel * width, first = panel * map->rows * width,
            at = first + (int64_t)begin * width;
    int64_t image = (int64_t)map->segment_image[segment] * b->hidden + column;
    float *e = w->hidden_gradient + at;
    const float *hidden = pass->state->hidden + at;
    const float *scale = pass->state->scale + image, *feedback = w->feedback + image;
    float *dbias = pass->gradients + b->parameters->expand_bias->offset + column;
    if (b->pairs)
        w->kernels->hidden_backward_narrow(
            rows, width, e, hidden, scale, feedback,
            &(fcmae_narrow_panel){begin, w->narrow_hidden + first, pairs}, dbias);
    else
        w->kernels->hidden_backward(rows, width, e, hidden, pass->state->slope + at, scale,
                                    feedback, dbias);
}

/** z = n W1' + b1', one panel of 4C: dz, db1, raw dW1. */
static void expand_backward_task(void *argument, int64_t panel, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    const fcmae_parameter *weight = b->parameters->expand_weight;
    int width = b->expand.width;
    float *g = pass->gradients + weight->offset + panel * width;
    float *pairs = fcmae_scratch(pass->workspace, worker);
    const float *dz = pass->workspace->hidden_gradient + panel * pass->map->rows * width;
    for (int group = 0; group < pass->groups.count; group++) {
        fcmae_row_range range = fcmae_block_range(pass->map, &pass->groups, group);
        for (int s = range.first_segment; s < range.last_segment; s++)
            hidden_backward(pass, panel, s, (uint32_t *)(void *)pairs);
        weight_gradient(pass, &range, pass->state->normalised,
                        b->pairs ? pairs : dz + (int64_t)range.first * width, width, g,
                        weight->stride);
    }
}

/** dn = dz W1'^T, then through LayerNorm: the gradient of the depthwise output. */
static void normalise_backward_task(void *argument, int64_t group, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    fcmae_row_range range = fcmae_block_range(pass->map, &pass->groups, group);
    int rows = range.last - range.first, width = b->expand.width;
    float *dn = fcmae_scratch(pass->workspace, worker);
    const float *dz = fcmae_operand(b->pairs, pass->workspace->hidden_gradient,
                                    pass->workspace->narrow_hidden, (int64_t)range.first * width);
    int row = (int)fcmae_operand_row(b->pairs, width);
    for (int panel = 0; panel < b->expand_back.panels; panel++)
        fcmae_linear_multiply(kernels,
                              &(fcmae_linear){.weights = &b->expand_back,
                                              .panel = panel,
                                              .rows = rows,
                                              .a = dz,
                                              .a_row = row,
                                              .a_width = row,
                                              .a_distance = fcmae_operand_row(
                                                  b->pairs, (int64_t)pass->map->rows * width),
                                              .c = dn + panel * b->expand_back.width,
                                              .c_row = b->stride});
    int64_t at = (int64_t)range.first * b->stride;
    kernels->layernorm_backward(rows, b->channels, b->stride, pass->state->normalised + at,
                                pass->state->rstd + range.first, dn,
                                pass->workspace->row_gradient + at);
}

/** t = depthwise(x): adds to the gradient of x, which already holds the residual branch. */
static void mix_backward_task(void *argument, int64_t unit, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    (void)worker;
    fcmae_depthwise_backward_data(
        pass->workspace->kernels, pass->map, (int)unit, pass->workspace->row_gradient, b->stride,
        b->values + b->parameters->depthwise_weight->offset, pass->x, pass->gradient);
}

/** Gradients of taps and bias for a slice of channels. */
static void taps_backward_task(void *argument, int64_t slice, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    (void)worker;
    int columns = pass->workspace->threads > 1 ? 16 : b->stride, first = (int)slice * columns;
    const float *dt = pass->workspace->row_gradient;
    fcmae_depthwise_backward_taps(pass->workspace->kernels, pass->map, pass->x, dt, b->stride,
                                  first, columns,
                                  pass->gradients + b->parameters->depthwise_weight->offset);
    pass->workspace->kernels->column_sum(pass->map->rows, columns, b->stride, dt + first, 1.0f,
                                         pass->gradients + b->parameters->depthwise_bias->offset +
                                             first);
}

/** db2 += column sums of the output gradient, times the branch factor of each image. */
static void reduce_bias_backward(const fcmae_block_pass *pass)
{
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    float *sum = pass->gradients + b->parameters->reduce_bias->offset;
    for (int s = 0; s < map->live_segments; s++) {
        int begin = map->segment_begin[s], rows = map->segment_begin[s + 1] - begin;
        pass->workspace->kernels->column_sum(
            rows, b->stride, b->stride, pass->gradient + (int64_t)begin * b->stride,
            pass->branch ? pass->branch[map->segment_image[s]] : 1, sum);
    }
}

void fcmae_block_backward(const fcmae_block *block, const fcmae_workspace *workspace,
                          const fcmae_site_map *map, const float *x, const float *branch,
                          const fcmae_block_state *state, float *gradient, float *gradients)
{
    const fcmae_block_parameters *p = block->parameters;
    fcmae_block_pass pass = {.block = block,
                             .workspace = workspace,
                             .map = map,
                             .state = state,
                             .x = x,
                             .branch = branch,
                             .gradient = gradient,
                             .gradients = gradients,
                             .grn = p->grn_gamma != 0};
    reduce_bias_backward(&pass);
    narrow_operand(&pass, gradient);
    pass.groups = panel_groups(block, map->live_blocks);
    fcmae_workspace_run(workspace, block->reduce_back.panels, reduce_backward_task, &pass);

    fcmae_grn_shape shape = {.hidden = block->hidden,
                             .images = map->images,
                             .segments = map->live_segments,
                             .segment_image = map->segment_image,
                             .together = block->scope == FCMAE_GRN_BATCH};
    fcmae_grn_feedback(&shape, workspace->segment_sums, state->norm, state->mean,
                       pass.grn ? block->values + p->grn_gamma->offset : 0, branch,
                       workspace->feedback, pass.grn ? gradients + p->grn_gamma->offset : 0);

    narrow_operand(&pass, state->normalised);
    pass.groups = panel_groups(block, map->blocks);
    fcmae_workspace_run(workspace, block->expand.panels, expand_backward_task, &pass);
    pass.groups = fcmae_block_group(map, map->blocks, block->channels, workspace->threads);
    fcmae_workspace_run(workspace, pass.groups.count, normalise_backward_task, &pass);
    fcmae_workspace_run(workspace, fcmae_depthwise_units(map), mix_backward_task, &pass);
    fcmae_workspace_run(workspace, workspace->threads > 1 ? block->stride / 16 : 1,
                        taps_backward_task, &pass);
}

/* From gradients of the folded weights to gradients of the parameters. */

/** Row c of W1 and W2: with G the raw gradient and db1 the sum of dz,
 *  dW1 = w G + b db1,  dw = <W1, G>,  db = <W1, db1>. */
static void finish_row(const fcmae_block *b, const fcmae_kernels *kernels, int c, float *d)
{
    const fcmae_block_parameters *p = b->parameters;
    const float *v = b->values, *w1 = v + p->expand_weight->offset + c * p->expand_weight->stride;
    const float *w2 = v + p->reduce_weight->offset + c * p->reduce_weight->stride;
    float *g1 = d + p->expand_weight->offset + c * p->expand_weight->stride;
    float *g2 = d + p->reduce_weight->offset + c * p->reduce_weight->stride;
    const float *db1 = d + p->expand_bias->offset;
    d[p->norm_weight->offset + c] = kernels->dot(b->hidden, w1, g1);
    d[p->norm_bias->offset + c] = kernels->dot(b->hidden, w1, db1);
    kernels->combine(b->hidden, v[p->norm_bias->offset + c], db1, v[p->norm_weight->offset + c],
                     g1);

    float *db2 = d + p->reduce_bias->offset + c;
    if (p->layer_scale) { /* W2' = diag(l) W2, b2' = l b2 */
        float l = v[p->layer_scale->offset + c];
        d[p->layer_scale->offset + c] = kernels->dot(b->hidden, w2, g2) +
                                        v[p->reduce_bias->offset + c] * *db2;
        kernels->combine(b->hidden, l, g2, 0, g2);
        *db2 *= l;
    } else { /* b2' = b2 + W2 beta: the gradient of beta is W2^T db2 */
        kernels->combine(b->hidden, *db2, v + p->grn_beta->offset, 1, g2);
        kernels->combine(b->hidden, *db2, w2, 1, d + p->grn_beta->offset);
    }
}

void fcmae_block_finish(const fcmae_block *block, const fcmae_kernels *kernels, float *gradients)
{
    for (int c = 0; c < block->channels; c++) finish_row(block, kernels, c, gradients);
}
