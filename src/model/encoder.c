/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/encoder.h"

/** Drop path factors of the blocks of a stage, whose first is block number first_block. */
static fcmae_branch branch_of(const fcmae_call *call, int first_block, int64_t sample)
{
    const fcmae_batch *batch = call->batch;
    if (!batch->branch_scale) return (fcmae_branch){0};
    return (fcmae_branch){batch->branch_scale + first_block * batch->samples + sample,
                          batch->samples};
}

/** The layer in front of stage s: pixels or the rows of the stage before into x[0]. */
static void forward_front(fcmae_lane *lane, const fcmae_call *call, int s, const fcmae_chunk *chunk)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_patch_layer *layer = &lane->network->patch[s];
    const fcmae_front *front = &lane->front[s];
    int64_t kept = lane->shape.backward ? chunk->row : 0;
    float *out = lane->stage[s].x[0] + chunk->row * layer->out_stride;
    if (s == 0)
        fcmae_stem_forward(
            layer, &lane->workspace, config, chunk->map, &call->batch->images,
            lane->image_index + chunk->first,
            &(fcmae_stem_state){front->patches + kept * fcmae_stem_patch_stride(config),
                                front->normalised + kept * layer->out_stride, front->rstd + kept},
            out);
    else
        fcmae_downsample_forward(
            layer, &lane->workspace, chunk->map->rows,
            fcmae_stage_output(&lane->stage[s - 1]) + 4 * chunk->row * layer->in_stride,
            front->normalised + 4 * kept * layer->in_stride, front->rstd + 4 * kept, out);
}

void fcmae_encoder_forward(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    fcmae_observer observer = {.outputs = call->outputs,
                               .lane = lane->index,
                               .first_sample = first,
                               .rows = lane->observed};
    bool observed = call->outputs && call->outputs->observe;
    int first_block = 0;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        fcmae_stage_lane *stage = &lane->stage[s];
        fcmae_chunk chunk = {0};
        observer.stage = s;
        for (int c = 0; fcmae_stage_chunk(stage, c, count, &chunk); c++) {
            fcmae_site_map_from_cells(&stage->map[c], chunk.images,
                                      lane->removed[0] ? lane->removed + chunk.first : 0);
            forward_front(lane, call, s, &chunk);
            fcmae_stage_forward(stage, &lane->workspace, &chunk,
                                branch_of(call, first_block, first + chunk.first),
                                observed ? &observer : 0);
        }
        first_block += stage->stage->depth;
    }
}

/** Gradient of x[0] to the stem's parameters, or to those of the downsampling and the output of the
 *  stage before, where what the objective sent is added. */
static void backward_front(fcmae_lane *lane, int s, const fcmae_chunk *chunk)
{
    const fcmae_model_config *config = &lane->network->model->config;
    const fcmae_patch_layer *layer = &lane->network->patch[s];
    const fcmae_front *front = &lane->front[s];
    float *gradient = lane->stage[s].gradient + chunk->row * layer->out_stride;
    if (s == 0) {
        int patch_stride = fcmae_stem_patch_stride(config);
        fcmae_stem_backward(layer, &lane->workspace, chunk->map->rows, patch_stride,
                            &(fcmae_stem_state){front->patches + chunk->row * patch_stride,
                                                front->normalised + chunk->row * layer->out_stride,
                                                front->rstd + chunk->row},
                            gradient, lane->gradients);
        return;
    }
    int64_t at = 4 * chunk->row * layer->in_stride;
    float *before = lane->stage[s - 1].gradient + at;
    fcmae_downsample_backward(layer, &lane->workspace, chunk->map->rows, front->normalised + at,
                              front->rstd + 4 * chunk->row, gradient, before, lane->gradients);
    if (!lane->sent[s - 1]) return;
    const float *both[] = {before, lane->sent[s - 1] + at};
    lane->workspace.kernels->sum_blocks(4 * (int64_t)chunk->map->rows * layer->in_stride, 2, both,
                                        before);
}

/* Stage by stage in reverse; chunks in the same order as forward. */
void fcmae_encoder_backward(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count)
{
    int first_block = 0, frozen = lane->shape.frozen_blocks;
    for (int s = 0; s <= lane->deepest; s++) first_block += lane->stage[s].stage->depth;
    for (int s = lane->deepest; s >= 0 && first_block > frozen; s--) {
        fcmae_stage_lane *stage = &lane->stage[s];
        fcmae_chunk chunk = {0};
        first_block -= stage->stage->depth;
        for (int c = 0; fcmae_stage_chunk(stage, c, count, &chunk); c++) {
            fcmae_stage_backward(stage, &lane->workspace, &chunk,
                                 branch_of(call, first_block, first + chunk.first),
                                 frozen > first_block ? frozen - first_block : 0, lane->gradients);
            if (first_block >= frozen) /* what is before a frozen block is frozen too */
                backward_front(lane, s, &chunk);
        }
    }
}
