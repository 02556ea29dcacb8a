/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/observe.h"

/** Calls for the rows of each image; rows of an encoder map stand image by image. */
static void observe_rows(const fcmae_observer *observer, fcmae_observation *observation,
                         const fcmae_chunk *chunk, const float *rows)
{
    const fcmae_site_map *map = chunk->map;
    for (int begin = 0; begin < map->rows;) {
        int end = begin;
        while (end < map->rows && map->image[end] == map->image[begin]) end++;
        observation->sample = observer->first_sample + chunk->first + map->image[begin];
        observation->sites = end - begin;
        observation->values = rows + begin * observation->stride;
        observation->position = map->position + begin;
        observer->outputs->observe(observer->outputs->cookie, observation);
        begin = end;
    }
}

void fcmae_observe_block(const fcmae_observer *observer, int index, const fcmae_block *block,
                         const fcmae_block_state *state, const fcmae_chunk *chunk, const float *x,
                         const float *out)
{
    const fcmae_site_map *map = chunk->map;
    fcmae_observation o = {.stage = observer->stage,
                           .block = index,
                           .height = map->height,
                           .width = map->width,
                           .lane = observer->lane,
                           .channels = block->hidden,
                           .stride = block->hidden};
    for (int grn = 0; grn < (block->parameters->grn_gamma ? 2 : 1); grn++) {
        o.point = grn ? FCMAE_OBSERVE_GRN : FCMAE_OBSERVE_HIDDEN;
        fcmae_block_unpanel(block, map, state, grn, 0, map->rows, observer->rows);
        observe_rows(observer, &o, chunk, observer->rows);
    }
    o.channels = block->channels;
    o.stride = block->stride;
    o.point = FCMAE_OBSERVE_BRANCH;
    int64_t count = (int64_t)map->rows * block->stride;
    for (int64_t i = 0; i < count; i++) observer->rows[i] = out[i] - x[i];
    observe_rows(observer, &o, chunk, observer->rows);
    o.point = FCMAE_OBSERVE_OUTPUT;
    observe_rows(observer, &o, chunk, out);
}
