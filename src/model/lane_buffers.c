/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Sizes and buffers of a lane: how much of everything a micro-batch needs. */
#include <stdlib.h>
#include <string.h>

#include "model/lane.h"
#include "model/objective.h"

/** Images of a chunk: `want`, more where an image has few rows, never more than the micro-batch. */
static int chunk_images(const fcmae_lane_shape *shape, int want, int64_t rows)
{
    while (want * rows < 40 && want < shape->micro_batch) want *= 2; /* small inputs */
    return want < shape->micro_batch ? want : shape->micro_batch;
}

void fcmae_lane_chunks(const fcmae_model_config *config, fcmae_lane_shape *shape)
{
    /* Early stages one image at a time; the deep ones re-read megabytes of weights per chunk. */
    static const int images[FCMAE_STAGES] = {1, 1, 4, 8};
    bool together = config->grn_scope == FCMAE_GRN_BATCH; /* statistics span the micro-batch */
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int64_t rows = (int64_t)shape->visible_cells << 2 * (FCMAE_STAGES - 1 - s);
        shape->chunk[s] = together ? shape->micro_batch : chunk_images(shape, images[s], rows);
    }
    shape->own_chunk = chunk_images(shape, 8, shape->visible_cells);
}

fcmae_status fcmae_lane_check(const fcmae_network *network, const fcmae_lane_shape *shape,
                              fcmae_error *error)
{
    /* Rows and places are numbered in 32 bits; the lists of neighbours are shorter than stage 0,
     * whose rows and grid are the longest. */
    int64_t sites = fcmae_stage_rows(&(fcmae_stage){.cell = 8, .complete = true}, shape);
    int64_t own = network->own.depth ? fcmae_stage_rows(&network->own, shape) : 0;
    int64_t most = sites * shape->chunk[0];
    for (int s = 1; s < FCMAE_STAGES; s++)
        if ((sites >> 2 * s) * shape->chunk[s] > most) most = (sites >> 2 * s) * shape->chunk[s];
    if (own * shape->own_chunk > most) most = own * shape->own_chunk;
    if (most <= INT32_MAX) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                      "%d images of %lld sites are walked together, and %lld sites are more than "
                      "the %d that can be numbered: take a smaller %s",
                      shape->chunk[0], (long long)sites, (long long)most, INT32_MAX,
                      shape->chunk[0] > 1 ? "batch or input (GRN over the batch needs all of it at "
                                            "once)"
                                          : "input");
}

fcmae_status fcmae_lane_create(fcmae_lane *lane, const fcmae_network *network,
                               const fcmae_lane_shape *shape, int index, fcmae_error *error)
{
    const fcmae_objective *objective = network->model->objective;
    memset(lane, 0, sizeof *lane);
    lane->network = network;
    lane->shape = *shape;
    lane->index = index;
    for (int s = 0; s < FCMAE_STAGES; s++)
        FCMAE_TRY(
            fcmae_stage_create(&lane->stage[s], &network->stage[s], shape, shape->chunk[s], error));
    FCMAE_TRY(fcmae_stage_create(&lane->own, &network->own, shape, shape->own_chunk, error));
    size_t images = (size_t)shape->micro_batch;
    lane->tables = calloc(images, sizeof *lane->removed + sizeof *lane->image_index);
    lane->state = calloc(1, objective ? objective->state_size + 1 : 1);
    if (!lane->tables || !lane->state)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the tables of a lane");
    lane->removed = lane->tables;
    lane->image_index = (int32_t *)(void *)(lane->removed + images);
    return FCMAE_OK;
}

void fcmae_lane_destroy(fcmae_lane *lane)
{
    for (int s = 0; s < FCMAE_STAGES; s++) fcmae_stage_destroy(&lane->stage[s]);
    fcmae_stage_destroy(&lane->own);
    free(lane->tables);
    free(lane->state);
    memset(lane, 0, sizeof *lane);
}

/** What the layer in front of a stage keeps: the stem its own output rows, a downsampling the four
 *  times longer rows of the stage before, which it also narrows to bfloat16. */
static void reserve_front(fcmae_lane *lane, fcmae_arena *arena, int s, fcmae_workspace_size *size)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_lane_shape *shape = &lane->shape;
    int64_t each = fcmae_stage_rows(&lane->network->stage[s], shape);
    int64_t rows = each * (shape->backward ? shape->micro_batch : shape->chunk[s]);
    fcmae_front *front = &lane->front[s];
    if (s == 0) {
        front->normalised = fcmae_take_floats(arena, rows, fcmae_stride(config->dims[0]));
        front->rstd = fcmae_take_floats(arena, rows, 1);
        front->patches = fcmae_take_floats(arena, rows, fcmae_stem_patch_stride(config));
        return;
    }
    int64_t stride = fcmae_stride(config->dims[s - 1]);
    int64_t narrowed = 4 * each * shape->chunk[s] * stride;
    front->normalised = fcmae_take_floats(arena, 4 * rows, stride);
    front->rstd = fcmae_take_floats(arena, 4 * rows, 1);
    if (shape->pairs && narrowed > size->rows) size->rows = narrowed;
}

/** Where the objective's gradients arrive: the deepest stage's are where backward starts. */
static void reserve_sent(fcmae_lane *lane, fcmae_arena *arena, unsigned sends)
{
    while (lane->deepest + 1 < FCMAE_STAGES && sends >> (lane->deepest + 1)) lane->deepest++;
    for (int s = 0; s < lane->deepest; s++)
        if (sends & FCMAE_BIT(s))
            lane->sent[s] = fcmae_take_floats(
                arena,
                lane->shape.micro_batch * fcmae_stage_rows(&lane->network->stage[s], &lane->shape),
                fcmae_stride(lane->network->stage[s].channels));
    lane->sent[lane->deepest] = lane->stage[lane->deepest].gradient;
}

void fcmae_lane_reserve(fcmae_lane *lane, fcmae_arena *arena)
{
    const fcmae_lane_shape *shape = &lane->shape;
    const fcmae_objective *objective = lane->network->model->objective;
    fcmae_workspace_size size = {0};
    for (int s = 0; s < FCMAE_STAGES; s++) {
        fcmae_stage_reserve(&lane->stage[s], shape, arena, &size);
        reserve_front(lane, arena, s, &size);
    }
    fcmae_stage_reserve(&lane->own, shape, arena, &size);
    if (objective && objective->reserve_lane) objective->reserve_lane(lane, arena, &size);
    if (objective && shape->backward) reserve_sent(lane, arena, objective->sends);
    fcmae_workspace_reserve(&lane->workspace, &size, shape->threads, shape->pairs, shape->backward,
                            arena);
    lane->observed = fcmae_take_floats(arena, size.hidden, 1);
    lane->pooled = fcmae_take_floats(arena, shape->micro_batch,
                                     fcmae_stride(lane->network->stage[FCMAE_STAGES - 1].channels));
}
