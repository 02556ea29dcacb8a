/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Sizes and buffers of a lane: how much of everything a micro-batch needs. */
#include <stdlib.h>
#include <string.h>

#include "model/lane.h"

void fcmae_lane_chunks(const fcmae_model_config *config, fcmae_lane_shape *shape)
{
    /* Early stages one image at a time; the deep ones re-read megabytes of weights per chunk. */
    static const int images[FCMAE_STAGES + 1] = {1, 1, 4, 8, 8};
    bool together = config->grn_scope == FCMAE_GRN_BATCH; /* statistics span the micro-batch */
    for (int s = 0; s <= FCMAE_STAGES; s++) {
        int rows = shape->visible_cells << (s < 3 ? 2 * (3 - s) : 0);
        int want = images[s];
        while (want * rows < 40 && want < shape->micro_batch) want *= 2; /* small inputs */
        if (together && s < FCMAE_STAGES) want = shape->micro_batch;
        shape->chunk[s] = want < shape->micro_batch ? want : shape->micro_batch;
    }
}

static int stage_depth(const fcmae_model_config *config, int s)
{
    if (s < FCMAE_STAGES) return config->depths[s];
    return config->kind == FCMAE_KIND_PRETRAIN ? config->decoder_depth : 0;
}

static int stage_channels(const fcmae_model_config *config, int s)
{
    return s < FCMAE_STAGES ? config->dims[s] : config->decoder_dim;
}

/** Side of a cell in sites of stage s. */
static int cell_side(int s)
{
    return s < FCMAE_STAGES ? 8 >> s : 1;
}

static int rows_per_image(const fcmae_lane_shape *shape, int s)
{
    int cells = s < FCMAE_STAGES ? shape->visible_cells : shape->height * shape->width;
    return cells * cell_side(s) * cell_side(s);
}

fcmae_status fcmae_lane_create(fcmae_lane *lane, const fcmae_network *network,
                               const fcmae_lane_shape *shape, int index, fcmae_error *error)
{
    const fcmae_model_config *config = &network->model->config;
    memset(lane, 0, sizeof *lane);
    lane->network = network;
    lane->shape = *shape;
    lane->index = index;
    size_t bytes = 0;
    for (int s = 0; s <= FCMAE_STAGES; s++) {
        fcmae_lane_stage *stage = &lane->stage[s];
        size_t depth = (size_t)stage_depth(config, s);
        stage->chunks = (shape->micro_batch + shape->chunk[s] - 1) / shape->chunk[s];
        bytes += (size_t)stage->chunks * sizeof(fcmae_site_map) + (depth + 1) * sizeof(float *) +
                 depth * sizeof(fcmae_block_state);
    }
    bytes += (size_t)shape->micro_batch * (sizeof(uint8_t *) + sizeof(int32_t));
    char *next = lane->tables = calloc(1, bytes);
    if (!next) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the tables of a lane");
    for (int s = 0; s <= FCMAE_STAGES; s++) { /* pointers first: everything stays aligned to 8 */
        fcmae_lane_stage *stage = &lane->stage[s];
        size_t depth = (size_t)stage_depth(config, s);
        stage->map = (fcmae_site_map *)next;
        next += (size_t)stage->chunks * sizeof(fcmae_site_map);
        stage->x = (float **)next;
        next += (depth + 1) * sizeof(float *);
        stage->state = (fcmae_block_state *)next;
        next += depth * sizeof(fcmae_block_state);
    }
    lane->removed = (const uint8_t **)next;
    next += (size_t)shape->micro_batch * sizeof(uint8_t *);
    lane->image_index = (int32_t *)next;
    return FCMAE_OK;
}

void fcmae_lane_destroy(fcmae_lane *lane)
{
    free(lane->tables);
    memset(lane, 0, sizeof *lane);
}

static float *take(fcmae_arena *arena, int64_t rows, int64_t columns)
{
    return fcmae_arena_take(arena, (size_t)(rows * columns), sizeof(float));
}

static uint16_t *take_narrow(fcmae_arena *arena, int64_t rows, int64_t columns)
{
    return fcmae_arena_take(arena, (size_t)(rows * columns), sizeof(uint16_t));
}

static void reserve_state(fcmae_arena *arena, fcmae_block_state *state, int64_t rows, int images,
                          int channels, bool pairs, bool backward)
{
    int64_t hidden = 4 * (int64_t)channels;
    state->normalised = take(arena, rows, fcmae_stride(channels));
    state->rstd = take(arena, rows, 1);
    state->hidden = take(arena, rows, hidden);
    state->slope = backward && !pairs ? take(arena, rows, hidden) : 0;
    state->scale = take(arena, images, hidden);
    state->norm = take(arena, images, hidden);
    state->mean = take(arena, images, 1);
    state->narrow = pairs ? take_narrow(arena, rows, fcmae_stride(channels)) : 0;
}

static void reserve_stage(fcmae_lane *lane, fcmae_arena *arena, int s)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_lane_shape *shape = &lane->shape;
    fcmae_lane_stage *stage = &lane->stage[s];
    int depth = stage_depth(config, s), channels = stage_channels(config, s);
    if (s == FCMAE_STAGES && depth == 0) return;
    int per_image = rows_per_image(shape, s), chunk_rows = shape->chunk[s] * per_image;
    int64_t rows = (int64_t)shape->micro_batch * per_image, stride = fcmae_stride(channels);
    bool keep = shape->backward;
    for (int c = 0; c < stage->chunks; c++)
        fcmae_site_map_reserve(&stage->map[c], arena, shape->chunk[s], shape->height * cell_side(s),
                               shape->width * cell_side(s), chunk_rows, cell_side(s));
    for (int b = 0; b <= depth; b++)
        stage->x[b] = keep || b < 2 ? take(arena, rows, stride) : stage->x[b - 2];
    for (int b = 0; b < depth; b++)
        if (keep || b == 0)
            reserve_state(arena, &stage->state[b], keep ? rows : chunk_rows,
                          keep ? shape->micro_batch : shape->chunk[s], channels, shape->pairs,
                          keep);
        else
            stage->state[b] = stage->state[0];
    if (s < FCMAE_STAGES) {
        /* stem: its own output rows; downsampling: the four times longer
         *  rows of the stage before */
        int64_t front_rows = (s == 0 ? 1 : 4) * (keep ? rows : chunk_rows);
        stage->normalised = take(arena, front_rows,
                                 s == 0 ? stride : fcmae_stride(config->dims[s - 1]));
        stage->rstd = take(arena, front_rows, 1);
    }
    if (s == 0)
        stage->patches = take(arena, keep ? rows : chunk_rows, fcmae_stem_patch_stride(config));
    if (keep) stage->gradient = take(arena, rows, stride);
}

static void reserve_workspace(fcmae_lane *lane, fcmae_arena *arena)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_lane_shape *shape = &lane->shape;
    fcmae_workspace *w = &lane->workspace;
    int64_t hidden = 0, rows = 0, sums = 0, feedback = 0, scratch = 0;
    for (int s = 0; s <= FCMAE_STAGES; s++) {
        if (stage_depth(config, s) == 0) continue;
        int64_t c = stage_channels(config, s),
                n = (int64_t)shape->chunk[s] * rows_per_image(shape, s);
        int64_t segments = n / FCMAE_SEGMENT_ROWS + 2 * shape->chunk[s] + 2;
        int64_t worker = fcmae_block_scratch((int)c, (int)n, shape->threads);
        if (n * 4 * c > hidden) hidden = n * 4 * c;
        if (n * fcmae_stride((int)c) > rows) rows = n * fcmae_stride((int)c);
        if (s > 0 && s < FCMAE_STAGES) { /* downsampling narrows the rows of the stage before */
            int64_t before = 4 * n * fcmae_stride(stage_channels(config, s - 1));
            if (shape->pairs && before > rows) rows = before;
        }
        if (segments * 4 * c > sums) sums = segments * 4 * c;
        if (shape->chunk[s] * 4 * c > feedback) feedback = shape->chunk[s] * 4 * c;
        if (worker > scratch) scratch = worker;
    }
    w->threads = shape->threads;
    w->segment_sums = take(arena, 2 * sums, 1);
    w->worker_floats = scratch;
    w->worker_scratch = take(arena, scratch, shape->threads);
    lane->observed = take(arena, hidden, 1);
    if (shape->pairs) {
        int64_t cells = (int64_t)shape->height * shape->width * shape->chunk[FCMAE_STAGES];
        int64_t error = config->kind == FCMAE_KIND_PRETRAIN
                            ? cells * lane->network->decoder.value_stride
                            : 0;
        w->narrow_rows = take_narrow(arena, rows, 1);
        w->row_pairs = fcmae_arena_take(arena, (size_t)rows, sizeof(uint32_t));
        w->gradient_pairs = fcmae_arena_take(arena, (size_t)rows, sizeof(uint32_t));
        w->narrow_hidden = take_narrow(arena, hidden > error ? hidden : error, 1);
    }
    if (!shape->backward) return;
    w->hidden_gradient = take(arena, hidden, 1);
    w->row_gradient = take(arena, rows, 1);
    w->feedback = take(arena, feedback, 1);
}

void fcmae_lane_reserve(fcmae_lane *lane, fcmae_arena *arena)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_lane_shape *shape = &lane->shape;
    for (int s = 0; s <= FCMAE_STAGES; s++) reserve_stage(lane, arena, s);
    reserve_workspace(lane, arena);
    lane->image_loss = fcmae_arena_take(arena, (size_t)shape->micro_batch, sizeof(double));
    if (config->kind == FCMAE_KIND_PRETRAIN) {
        const fcmae_decoder *decoder = &lane->network->decoder;
        int cells = shape->height * shape->width;
        int64_t rows = (int64_t)shape->chunk[FCMAE_STAGES] * cells;
        lane->targets = take(arena, rows, decoder->value_stride);
        lane->prediction = take(arena, rows, decoder->value_stride);
        lane->panel_loss = fcmae_arena_take(arena, (size_t)decoder->pred.panels, sizeof(double));
    }
    if (config->kind == FCMAE_KIND_CLASSIFIER)
        fcmae_head_reserve_state(&lane->network->head, arena, shape->micro_batch, &lane->head);
    else
        lane->head.pooled = take(arena, shape->micro_batch, fcmae_stride(config->dims[3]));
}
