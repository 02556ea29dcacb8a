/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/stage.h"

#include <stdlib.h>
#include <string.h>

int64_t fcmae_stage_rows(const fcmae_stage *stage, const fcmae_lane_shape *shape)
{
    int64_t cells = stage->complete ? (int64_t)shape->height * shape->width : shape->visible_cells;
    return cells * stage->cell * stage->cell;
}

fcmae_status fcmae_stage_create(fcmae_stage_lane *lane, const fcmae_stage *stage,
                                const fcmae_lane_shape *shape, int chunk, fcmae_error *error)
{
    *lane = (fcmae_stage_lane){.stage = stage, .chunk = chunk, .backward = shape->backward};
    if (stage->depth == 0) return FCMAE_OK;
    size_t depth = (size_t)stage->depth;
    lane->chunks = (shape->micro_batch + chunk - 1) / chunk;
    size_t maps = (size_t)lane->chunks * sizeof *lane->map;
    size_t inputs = (depth + 1) * sizeof *lane->x;
    char *next = lane->tables = calloc(1, maps + inputs + depth * sizeof *lane->state);
    if (!next) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the tables of a lane");
    lane->map = (fcmae_site_map *)(void *)next;
    lane->x = (float **)(void *)(next + maps);
    lane->state = (fcmae_block_state *)(void *)(next + maps + inputs);
    return FCMAE_OK;
}

void fcmae_stage_destroy(fcmae_stage_lane *lane)
{
    free(lane->tables);
    memset(lane, 0, sizeof *lane);
}

static void reserve_state(fcmae_arena *arena, fcmae_block_state *state, int64_t rows,
                          int64_t images, int channels, const fcmae_lane_shape *shape)
{
    int64_t hidden = 4 * (int64_t)channels, stride = fcmae_stride(channels);
    state->normalised = fcmae_take_floats(arena, rows, stride);
    state->rstd = fcmae_take_floats(arena, rows, 1);
    state->hidden = fcmae_take_floats(arena, rows, hidden);
    state->slope = shape->backward && !shape->pairs ? fcmae_take_floats(arena, rows, hidden) : 0;
    state->scale = fcmae_take_floats(arena, images, hidden);
    state->norm = fcmae_take_floats(arena, images, hidden);
    state->mean = fcmae_take_floats(arena, images, 1);
    state->narrow = 0;
    if (shape->pairs)
        state->narrow = fcmae_arena_take(arena, (size_t)(rows * stride), sizeof(uint16_t));
}

static void raise_to(int64_t *size, int64_t needed)
{
    if (*size < needed) *size = needed;
}

static void raise_size(const fcmae_stage_lane *lane, const fcmae_lane_shape *shape,
                       fcmae_workspace_size *size)
{
    int64_t c = lane->stage->channels, n = lane->chunk * fcmae_stage_rows(lane->stage, shape);
    int64_t segments = n / FCMAE_SEGMENT_ROWS + 2 * (int64_t)lane->chunk + 2;
    raise_to(&size->hidden, n * 4 * c);
    raise_to(&size->rows, n * fcmae_stride((int)c));
    raise_to(&size->sums, segments * 4 * c);
    raise_to(&size->feedback, lane->chunk * 4 * c);
    raise_to(&size->scratch, fcmae_block_scratch((int)c, (int)n, shape->threads));
}

void fcmae_stage_reserve(fcmae_stage_lane *lane, const fcmae_lane_shape *shape, fcmae_arena *arena,
                         fcmae_workspace_size *size)
{
    const fcmae_stage *stage = lane->stage;
    if (stage->depth == 0) return;
    int64_t each = fcmae_stage_rows(stage, shape), stride = fcmae_stride(stage->channels);
    int64_t rows = shape->micro_batch * each, chunk_rows = lane->chunk * each;
    bool keep = lane->backward;
    for (int c = 0; c < lane->chunks; c++)
        fcmae_site_map_reserve(&lane->map[c], arena, lane->chunk, shape->height * stage->cell,
                               shape->width * stage->cell, (int)chunk_rows, stage->cell);
    for (int b = 0; b <= stage->depth; b++)
        lane->x[b] = keep || b < 2 ? fcmae_take_floats(arena, rows, stride) : lane->x[b - 2];
    for (int b = 0; b < stage->depth; b++)
        if (keep || b == 0)
            reserve_state(arena, &lane->state[b], keep ? rows : chunk_rows,
                          keep ? shape->micro_batch : lane->chunk, stage->channels, shape);
        else
            lane->state[b] = lane->state[0];
    if (keep) lane->gradient = fcmae_take_floats(arena, rows, stride);
    raise_size(lane, shape, size);
}

bool fcmae_stage_chunk(const fcmae_stage_lane *lane, int index, int count, fcmae_chunk *chunk)
{
    if (index >= lane->chunks) return false;
    chunk->row = index == 0 ? 0 : chunk->row + chunk->map->rows;
    chunk->first = index * lane->chunk;
    int left = count - chunk->first;
    chunk->images = left < lane->chunk ? left : lane->chunk;
    chunk->map = &lane->map[index];
    return chunk->images > 0;
}

float *fcmae_stage_output(const fcmae_stage_lane *lane)
{
    return lane->x[lane->stage->depth];
}

/** State of a block for the rows of a chunk. Inference: the same small buffers every time. */
static fcmae_block_state chunk_state(const fcmae_stage_lane *lane, int block,
                                     const fcmae_chunk *chunk)
{
    fcmae_block_state state = lane->state[block];
    if (!lane->backward) return state;
    int64_t hidden = 4 * (int64_t)lane->stage->channels;
    int64_t stride = fcmae_stride(lane->stage->channels);
    state.normalised += chunk->row * stride;
    state.rstd += chunk->row;
    if (state.narrow) state.narrow += chunk->row * stride;
    state.hidden += chunk->row * hidden;
    if (state.slope) state.slope += chunk->row * hidden;
    state.scale += chunk->first * hidden;
    state.norm += chunk->first * hidden;
    state.mean += chunk->first;
    return state;
}

/** The map with every row live: only the last block may leave rows out. */
static fcmae_site_map whole_map(const fcmae_site_map *map)
{
    fcmae_site_map whole = *map;
    whole.live = whole.rows;
    whole.live_segments = whole.segments;
    whole.live_blocks = whole.blocks;
    return whole;
}

static const float *branch_of(fcmae_branch branch, int block)
{
    return branch.factor ? branch.factor + block * branch.step : 0;
}

void fcmae_stage_forward(const fcmae_stage_lane *lane, const fcmae_workspace *workspace,
                         const fcmae_chunk *chunk, fcmae_branch branch,
                         const fcmae_observer *observer)
{
    const fcmae_stage *stage = lane->stage;
    fcmae_site_map whole = whole_map(chunk->map);
    for (int b = 0; b < stage->depth; b++) {
        const fcmae_block *block = &stage->block[b];
        fcmae_block_state state = chunk_state(lane, b, chunk);
        const float *x = lane->x[b] + chunk->row * block->stride;
        float *out = lane->x[b + 1] + chunk->row * block->stride;
        fcmae_block_forward(block, workspace, b == stage->depth - 1 ? chunk->map : &whole, x,
                            branch_of(branch, b), &state, out);
        if (observer) fcmae_observe_block(observer, b, block, &state, chunk, x, out);
    }
}

void fcmae_stage_backward(const fcmae_stage_lane *lane, const fcmae_workspace *workspace,
                          const fcmae_chunk *chunk, fcmae_branch branch, int first,
                          float *gradients)
{
    const fcmae_stage *stage = lane->stage;
    fcmae_site_map whole = whole_map(chunk->map);
    for (int b = stage->depth - 1; b >= first; b--) {
        const fcmae_block *block = &stage->block[b];
        fcmae_block_state state = chunk_state(lane, b, chunk);
        int64_t at = chunk->row * block->stride;
        fcmae_block_backward(block, workspace, b == stage->depth - 1 ? chunk->map : &whole,
                             lane->x[b] + at, branch_of(branch, b), &state, lane->gradient + at,
                             gradients);
    }
}
