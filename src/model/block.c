/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/block.h"

#include <string.h>

#include "grn/grn.h"
#include "model/block_pass.h"
#include "sparse/depthwise.h"

void fcmae_block_reserve(fcmae_block *block, fcmae_arena *arena, const fcmae_block_parameters *p,
                         int channels, fcmae_grn_scope scope, bool pairs)
{
    *block = (fcmae_block){.parameters = p,
                           .channels = channels,
                           .stride = fcmae_stride(channels),
                           .hidden = 4 * channels,
                           .scope = scope,
                           .pairs = pairs};
    fcmae_packed_reserve(&block->expand, arena, channels, block->hidden, pairs);
    fcmae_packed_reserve(&block->reduce, arena, block->hidden, channels, pairs);
    block->expand_bias = fcmae_arena_take(arena, (size_t)block->hidden, sizeof(float));
    block->reduce_bias = fcmae_arena_take(arena, (size_t)block->stride, sizeof(float));
}

void fcmae_block_reserve_backward(fcmae_block *block, fcmae_arena *arena)
{
    fcmae_packed_reserve(&block->reduce_back, arena, block->channels, block->hidden, block->pairs);
    fcmae_packed_reserve(&block->expand_back, arena, block->hidden, block->channels, block->pairs);
}

/* Packing: one task per panel of each matrix, and one for the two biases. */

int fcmae_block_pack_tasks(const fcmae_block *b)
{
    return 1 + b->expand.panels + b->reduce.panels +
           (b->reduce_back.data ? b->reduce_back.panels + b->expand_back.panels : 0);
}

static void pack_biases(const fcmae_block *b, const fcmae_kernels *kernels)
{
    const fcmae_block_parameters *p = b->parameters;
    const float *v = b->values, *norm_bias = v + p->norm_bias->offset;
    memcpy(b->expand_bias, v + p->expand_bias->offset, (size_t)b->hidden * sizeof(float));
    for (int c = 0; c < b->channels; c++) {
        const float *w1 = v + p->expand_weight->offset + c * p->expand_weight->stride;
        const float *w2 = v + p->reduce_weight->offset + c * p->reduce_weight->stride;
        float bias = v[p->reduce_bias->offset + c];
        kernels->combine(b->hidden, norm_bias[c], w1, 1, b->expand_bias);
        b->reduce_bias[c] = p->layer_scale
                                ? v[p->layer_scale->offset + c] * bias
                                : bias + kernels->dot(b->hidden, w2, v + p->grn_beta->offset);
    }
}

void fcmae_block_pack(const fcmae_block *b, const fcmae_kernels *kernels, int task)
{
    const fcmae_block_parameters *p = b->parameters;
    const float *v = b->values, *w1 = v + p->expand_weight->offset;
    const float *w2 = v + p->reduce_weight->offset, *norm = v + p->norm_weight->offset;
    const float *layer_scale = p->layer_scale ? v + p->layer_scale->offset : 0;
    int64_t stride1 = p->expand_weight->stride, stride2 = p->reduce_weight->stride;
    if (task == 0) {
        pack_biases(b, kernels);
        return;
    }
    task -= 1;
    if (task < b->expand.panels) {
        fcmae_packed_fill(kernels, &b->expand, task, w1, stride1, norm);
        return;
    }
    task -= b->expand.panels;
    if (task < b->reduce.panels) {
        fcmae_packed_fill_transposed(kernels, &b->reduce, task, w2, stride2, layer_scale);
        return;
    }
    task -= b->reduce.panels;
    if (task < b->reduce_back.panels) {
        fcmae_packed_fill(kernels, &b->reduce_back, task, w2, stride2, layer_scale);
        return;
    }
    task -= b->reduce_back.panels;
    fcmae_packed_fill_transposed(kernels, &b->expand_back, task, w1, stride1, norm);
}

/*
 * Row groups. Products over 4C re-read their weights once per group of rows and need scratch of
 * rows * 4C: small weights want groups that stay in the L2 cache, weights beyond it want long ones.
 * The grouping never changes a result.
 */
static int group_rows(int channels, int rows, int threads)
{
    int64_t hidden = 4 * (int64_t)channels, weights = hidden * channels;
    int64_t want = weights > (int64_t)1 << 20 ? 512 : 131072 / hidden;
    if (threads > 1 && want > rows / (2 * threads)) want = rows / (2 * threads);
    if (want < FCMAE_SEGMENT_ROWS) want = FCMAE_SEGMENT_ROWS;
    return (int)(want / FCMAE_SEGMENT_ROWS) * FCMAE_SEGMENT_ROWS;
}

int64_t fcmae_block_scratch(int channels, int rows, int threads)
{
    /* y of one row group over the whole hidden width; also covers a panel of every row */
    int64_t group = group_rows(channels, rows, threads);
    int64_t reduce = (group + 2 * FCMAE_SEGMENT_ROWS) * 4 * channels,
            panel = (int64_t)(rows + 2) * 120;
    int64_t row_major = (group + 2 * FCMAE_SEGMENT_ROWS) * fcmae_stride(channels);
    int64_t most = reduce > panel ? reduce : panel;
    return most > row_major ? most : row_major;
}

fcmae_block_groups fcmae_block_group(const fcmae_site_map *map, int blocks, int channels,
                                     int threads)
{
    int rows = group_rows(channels, map->rows, threads);
    fcmae_block_groups groups = {.blocks = blocks, .per_group = rows / FCMAE_SEGMENT_ROWS};
    groups.count = (blocks + groups.per_group - 1) / groups.per_group;
    return groups;
}

fcmae_row_range fcmae_block_range(const fcmae_site_map *map, const fcmae_block_groups *groups,
                                  int64_t group)
{
    int first = (int)group * groups->per_group, last = first + groups->per_group;
    if (last > groups->blocks) last = groups->blocks;
    fcmae_row_range range = {.first_segment = map->block_segment[first],
                             .last_segment = map->block_segment[last]};
    range.first = map->segment_begin[range.first_segment];
    range.last = map->segment_begin[range.last_segment];
    return range;
}

/* Forward, in four passes over the chunk. */

/** LayerNorm of rows [first, last), in place. */
static void normalise_rows(const fcmae_block_pass *pass, int first, int last)
{
    const fcmae_block *b = pass->block;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    float *rows = pass->state->normalised + (int64_t)first * b->stride;
    kernels->layernorm(last - first, b->channels, b->stride, rows, rows, pass->state->rstd + first,
                       NULL);
    if (b->pairs)
        kernels->narrow_rows(last - first, b->stride, rows, b->stride,
                             pass->state->narrow + (int64_t)first * b->stride, b->stride);
}

/** Pass 1, per unit of sites: depthwise convolution, then LayerNorm while its rows are in L1. */
static void mix_task(void *argument, int64_t unit, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    const fcmae_block_parameters *p = b->parameters;
    (void)worker;
    int first, last;
    fcmae_depthwise_forward(pass->workspace->kernels, pass->map, (int)unit, pass->x, b->stride,
                            b->values + p->depthwise_weight->offset,
                            b->values + p->depthwise_bias->offset, pass->state->normalised);
    if (fcmae_depthwise_unit_rows(pass->map, (int)unit, &first, &last))
        normalise_rows(pass, first, last);
}

/** The LayerNorm of pass 1 where a unit's rows do not stand together, per block of rows. */
static void normalise_task(void *argument, int64_t block, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_site_map *map = pass->map;
    (void)worker;
    normalise_rows(pass, map->segment_begin[map->block_segment[block]],
                   map->segment_begin[map->block_segment[block + 1]]);
}

/** Pass 2, per panel and block of rows: first linear, GELU, sums of squares for GRN. */
static void expand_task(void *argument, int64_t index, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    const fcmae_block_state *state = pass->state;
    const fcmae_kernels *kernels = pass->workspace->kernels;
    (void)worker;
    int panel = (int)(index / map->blocks), block = (int)(index % map->blocks);
    int width = b->expand.width, first_segment = map->block_segment[block];
    int last_segment = map->block_segment[block + 1], first = map->segment_begin[first_segment];
    int rows = map->segment_begin[last_segment] - first;
    int64_t base = (int64_t)panel * map->rows * width;

    int64_t tile = base + (int64_t)first * width;
    const float *rows_in = fcmae_operand(b->pairs, state->normalised, state->narrow,
                                         first * (int64_t)b->stride);
    fcmae_linear_multiply(kernels,
                          &(fcmae_linear){.weights = &b->expand,
                                          .panel = panel,
                                          .rows = rows,
                                          .a = rows_in,
                                          .a_row = fcmae_operand_row(b->pairs, b->stride),
                                          .bias = b->expand_bias + panel * width,
                                          .c = state->hidden + tile,
                                          .c_row = width,
                                          .soon_written = state->slope ? state->slope + tile : NULL,
                                          .part = block,
                                          .parts = map->blocks});
    for (int segment = first_segment; segment < last_segment; segment++) {
        int begin = map->segment_begin[segment], end = map->segment_begin[segment + 1];
        int64_t at = base + (int64_t)begin * width;
        float *square = pass->grn ? pass->workspace->segment_sums + (int64_t)segment * b->hidden +
                                        panel * width
                                  : 0;
        if (b->pairs)
            kernels->gelu_pairs(end - begin, width, state->hidden + at, square);
        else
            kernels->gelu(end - begin, width, state->hidden + at,
                          state->slope ? state->slope + at : 0, square);
    }
}

/** Copies h * scale of a row range into panels [4C / w][rows][w], in the precision of the operands;
 *  returns them and their distance in 4-byte elements. */
static const float *scaled_hidden(const fcmae_block_pass *pass, const fcmae_row_range *range,
                                  float *scratch, int64_t *panel_distance)
{
    const fcmae_block *b = pass->block;
    const fcmae_site_map *map = pass->map;
    int width = b->expand.width;
    if (!pass->grn && !pass->branch && !b->pairs) { /* scale is one: read in place */
        *panel_distance = (int64_t)map->rows * width;
        return pass->state->hidden + (int64_t)range->first * width;
    }
    int64_t elements = (int64_t)(range->last - range->first) * width;
    *panel_distance = fcmae_operand_row(b->pairs, elements);
    for (int panel = 0; panel < b->expand.panels; panel++)
        for (int segment = range->first_segment; segment < range->last_segment; segment++) {
            int begin = map->segment_begin[segment], end = map->segment_begin[segment + 1];
            const float *scale = pass->state->scale +
                                 (int64_t)map->segment_image[segment] * b->hidden;
            const float *h = pass->state->hidden + ((int64_t)panel * map->rows + begin) * width;
            int64_t at = panel * elements + (int64_t)(begin - range->first) * width;
            if (b->pairs)
                pass->workspace->kernels->scale_panel_narrow(
                    end - begin, width, h, scale + panel * width, (uint16_t *)(void *)scratch + at);
            else
                pass->workspace->kernels->scale_panel(end - begin, width, h, scale + panel * width,
                                                      scratch + at);
        }
    return scratch;
}

/** Adds branch[image] * b2' to columns whose product was taken without bias (drop path only). */
static void add_scaled_bias(const fcmae_block_pass *pass, const fcmae_row_range *range, int first,
                            int last)
{
    const fcmae_block *b = pass->block;
    for (int row = range->first; row < range->last; row++) {
        float factor = pass->branch[pass->map->image[row]],
              *out = pass->out + (int64_t)row * b->stride;
        for (int c = first; c < last; c++) out[c] += factor * b->reduce_bias[c];
    }
}

/** Pass 4, per group of rows and part of the panels: GRN's scale, second linear, bias, residual. */
static void reduce_task(void *argument, int64_t index, int worker)
{
    const fcmae_block_pass *pass = argument;
    const fcmae_block *b = pass->block;
    int part = (int)(index % pass->parts), panels = b->reduce.panels;
    int first = panels * part / pass->parts, last = panels * (part + 1) / pass->parts;
    fcmae_row_range range = fcmae_block_range(pass->map, &pass->groups, index / pass->parts);
    int64_t distance;
    const float *y = scaled_hidden(pass, &range, fcmae_scratch(pass->workspace, worker), &distance);
    int64_t at = (int64_t)range.first * b->stride;
    int width = (int)fcmae_operand_row(b->pairs, b->expand.width);
    for (int panel = first; panel < last; panel++) {
        int column = panel * b->reduce.width;
        fcmae_linear_multiply(pass->workspace->kernels,
                              &(fcmae_linear){.weights = &b->reduce,
                                              .panel = panel,
                                              .rows = range.last - range.first,
                                              .a = y,
                                              .a_row = width,
                                              .a_width = width,
                                              .a_distance = distance,
                                              .bias = pass->branch ? NULL : b->reduce_bias + column,
                                              .add = pass->x + at + column,
                                              .add_row = b->stride,
                                              .c = pass->out + at + column,
                                              .c_row = b->stride});
    }
    if (pass->branch)
        add_scaled_bias(pass, &range, first * b->reduce.width, last * b->reduce.width);
}

/** A few groups that do not come out even leave threads waiting. Then the panels of a group are
 * shared out too, at the price of scaling its rows more than once: one image of base on two threads
 * went from 12.6 to 13.5 images/s. */
static int parts_of_groups(const fcmae_block *b, int groups, int threads)
{
    bool even = groups % threads == 0 || groups >= 8 * threads;
    return even || b->reduce.panels < threads ? 1 : threads;
}

void fcmae_block_forward(const fcmae_block *block, const fcmae_workspace *workspace,
                         const fcmae_site_map *map, const float *x, const float *branch,
                         const fcmae_block_state *state, float *out)
{
    fcmae_block_pass pass = {.block = block,
                             .workspace = workspace,
                             .map = map,
                             .x = x,
                             .out = out,
                             .branch = branch,
                             .state = state,
                             .grn = block->parameters->grn_gamma != 0};
    fcmae_workspace_run(workspace, fcmae_depthwise_units(map), mix_task, &pass);
    if (map->grid) fcmae_workspace_run(workspace, map->blocks, normalise_task, &pass);
    fcmae_workspace_run(workspace, (int64_t)block->expand.panels * map->blocks, expand_task, &pass);
    fcmae_grn_shape shape = {.hidden = block->hidden,
                             .images = map->images,
                             .segments = map->segments,
                             .segment_image = map->segment_image,
                             .together = block->scope == FCMAE_GRN_BATCH};
    const float *gamma = pass.grn ? block->values + block->parameters->grn_gamma->offset : 0;
    if (pass.grn) fcmae_grn_norms(&shape, workspace->segment_sums, state->norm, state->mean);
    if (pass.grn || branch || state->slope || block->pairs)
        fcmae_grn_scale(&shape, state->norm, state->mean, gamma, branch, state->scale);
    pass.groups = fcmae_block_group(map, map->live_blocks, block->channels, workspace->threads);
    pass.parts = parts_of_groups(block, pass.groups.count, workspace->threads);
    fcmae_workspace_run(workspace, (int64_t)pass.groups.count * pass.parts, reduce_task, &pass);
}

void fcmae_block_unpanel(const fcmae_block *b, const fcmae_site_map *map,
                         const fcmae_block_state *state, bool after_grn, int first, int last,
                         float *out)
{
    int width = b->expand.width;
    for (int row = first; row < last; row++) {
        const float *scale = state->scale + (int64_t)map->image[row] * b->hidden;
        const float *beta = after_grn ? b->values + b->parameters->grn_beta->offset : 0;
        for (int c = 0; c < b->hidden; c++) {
            int64_t at = ((int64_t)(c / width) * map->rows + row) * width + c % width;
            float h = b->pairs ? fcmae_low_half(state->hidden + at) : state->hidden[at];
            out[(int64_t)(row - first) * b->hidden + c] = after_grn ? h * scale[c] + beta[c] : h;
        }
    }
}
