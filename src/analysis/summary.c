/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* From the accumulator's tables to results, and from results to sentences. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/collapse.h"
#include "core/parallel.h"
#include "core/status.h"

typedef struct finish_task {
    fcmae_collapse *collapse;
    fcmae_status *status; /* per layer */
    fcmae_error *errors;
} finish_task;

static void summarise_cells(fcmae_collapse_layer *layer, const fcmae_collapse_cell *cells,
                            int64_t images)
{
    double count = (double)images, spread = 0, spread_alive = 0;
    layer->distance_low = INFINITY;
    layer->distance_high = -INFINITY;
    for (int64_t i = 0; i < images; i++) {
        layer->sites += cells[i].sites / count;
        layer->distance += cells[i].distance / count;
        layer->distance_alive += cells[i].distance_alive / count;
        layer->dead += cells[i].dead / count;
        layer->saturated += cells[i].saturated / count;
        layer->distance_low = fmin(layer->distance_low, cells[i].distance);
        layer->distance_high = fmax(layer->distance_high, cells[i].distance);
    }
    for (int64_t i = 0; i < images; i++) {
        spread += pow(cells[i].distance - layer->distance, 2);
        spread_alive += pow(cells[i].distance_alive - layer->distance_alive, 2);
    }
    double degrees = images > 1 ? (count - 1) * count : NAN;
    layer->distance_error = sqrt(spread / degrees);
    layer->distance_alive_error = sqrt(spread_alive / degrees);
}

static void summarise_selectivity(const fcmae_collapse *self, fcmae_collapse_slot *slot)
{
    fcmae_collapse_layer *layer = &slot->result;
    layer->selectivity = NAN;
    if (!slot->class_sum) return;
    double total = 0;
    int64_t responding = 0;
    for (int64_t c = 0; c < layer->channels; c++) {
        double index = fcmae_class_selectivity(slot->class_sum + c, layer->channels,
                                               self->class_images, self->options.classes);
        if (index < 0) continue;
        int bin = (int)(index * FCMAE_SELECTIVITY_BINS);
        layer->selectivity_histogram[bin < FCMAE_SELECTIVITY_BINS ? bin
                                                                  : FCMAE_SELECTIVITY_BINS - 1]++;
        total += index;
        responding++;
    }
    if (responding == 0) return;
    layer->selectivity = total / (double)responding;
    for (int i = 0; i < FCMAE_SELECTIVITY_BINS; i++)
        layer->selectivity_histogram[i] /= (double)responding;
}

static void finish_layer(void *argument, int64_t index, int worker)
{
    (void)worker;
    finish_task *task = argument;
    fcmae_collapse *self = task->collapse;
    fcmae_collapse_slot *slot = &self->slots[index];
    fcmae_collapse_layer *layer = &slot->result;
    summarise_cells(layer, slot->cells, self->folded);
    summarise_selectivity(self, slot);
    int64_t everywhere = 0;
    for (int64_t c = 0; c < layer->channels; c++)
        everywhere += slot->dead_images[c] == self->folded;
    layer->dead_everywhere = (double)everywhere / (double)layer->channels;
    int64_t rows = self->folded < FCMAE_RANK_IMAGES ? self->folded : FCMAE_RANK_IMAGES;
    layer->rank_limit = (double)(rows - 1 < layer->channels ? rows - 1 : layer->channels);
    layer->effective_rank = NAN;
    if (rows > 1)
        task->status[index] = fcmae_effective_rank(slot->rows, rows, layer->channels,
                                                   &layer->effective_rank, &task->errors[index]);
}

fcmae_status fcmae_collapse_finish(fcmae_collapse *collapse, int threads, fcmae_error *error)
{
    if (collapse->finished || collapse->folded < 1)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          collapse->finished ? "collapse analysis: finished twice"
                                             : "collapse analysis: no image was analysed");
    int layers = collapse->blocks * collapse->points;
    fcmae_status *status = calloc((size_t)layers, sizeof *status), result = FCMAE_OK;
    fcmae_error *errors = calloc((size_t)layers, sizeof *errors);
    if (status && errors) {
        finish_task task = {collapse, status, errors};
        fcmae_parallel_for(threads > 0 ? threads : fcmae_processor_count(), layers, finish_layer,
                           &task);
        for (int i = 0; i < layers; i++) {
            collapse->layers[i] = collapse->slots[i].result;
            if (status[i] != FCMAE_OK && result == FCMAE_OK)
                result = fcmae_fail(error, status[i], "%s", errors[i].message);
        }
        collapse->finished = true;
    } else {
        result = fcmae_fail(error, FCMAE_ERR_MEMORY, "collapse analysis: out of memory");
    }
    free(status);
    free(errors);
    return result;
}

const fcmae_collapse_layer *fcmae_collapse_layers(const fcmae_collapse *collapse, int *count)
{
    *count = collapse->finished ? collapse->blocks * collapse->points : 0;
    return collapse->layers;
}

int64_t fcmae_collapse_images(const fcmae_collapse *collapse)
{
    return collapse->folded;
}

const fcmae_model_config *fcmae_collapse_config(const fcmae_collapse *collapse)
{
    return &collapse->config;
}

bool fcmae_collapse_get_gallery(const fcmae_collapse *collapse, int layer,
                                fcmae_collapse_gallery *gallery)
{
    if (layer < 0 || layer >= collapse->blocks * collapse->points) return false;
    const fcmae_collapse_slot *slot = &collapse->slots[layer];
    if (!slot->maps) return false;
    *gallery = (fcmae_collapse_gallery){slot->gallery_count,   slot->height, slot->width,
                                        slot->gallery_channel, slot->maps,   slot->gallery_dead};
    return true;
}

/* ---- the verdict ---- */

typedef struct point_means {
    int blocks, worst; /* layer with the smallest distance */
    double distance, alive, dead, saturated, rank_share;
} point_means;

static point_means average(const fcmae_collapse *self, fcmae_observation_point point)
{
    point_means means = {.worst = -1};
    for (int i = 0; i < self->blocks * self->points; i++) {
        const fcmae_collapse_layer *layer = &self->layers[i];
        if (layer->point != point) continue;
        means.blocks++;
        means.distance += layer->distance;
        means.alive += layer->distance_alive;
        means.dead += layer->dead;
        means.saturated += layer->saturated;
        means.rank_share += layer->effective_rank / layer->rank_limit;
        if (means.worst < 0 || layer->distance < self->layers[means.worst].distance)
            means.worst = i;
    }
    double count = means.blocks;
    means.distance /= count;
    means.alive /= count;
    means.dead /= count;
    means.saturated /= count;
    means.rank_share /= count;
    return means;
}

static const char *describe(fcmae_collapse_state state)
{
    switch (state) {
    case FCMAE_DIVERSE: return "Diverse: channels answer differently";
    case FCMAE_WEAKENED: return "Weakened: many channels repeat each other";
    case FCMAE_COLLAPSED: return "Collapsed: most channels repeat each other or are dead";
    }
    return "";
}

fcmae_collapse_state fcmae_collapse_verdict(const fcmae_collapse *collapse, char *text, size_t size)
{
    fcmae_observation_point point = FCMAE_OBSERVE_HIDDEN;
    while (point < FCMAE_OBSERVE_OUTPUT && collapse->point_rank[point] < 0) point++;
    if (size > 0) text[0] = 0;
    if (!collapse->finished) return FCMAE_COLLAPSED;
    point_means means = average(collapse, point);
    const fcmae_collapse_layer *worst = &collapse->layers[means.worst];
    fcmae_collapse_state state = means.distance >= 0.20   ? FCMAE_DIVERSE
                                 : means.distance >= 0.10 ? FCMAE_WEAKENED
                                                          : FCMAE_COLLAPSED;
    int used = snprintf(
        text, size,
        "%s. Mean cosine distance %.3f over %d blocks (tensor %s, %lld images; at most 0.5 is "
        "possible), lowest %.3f in stages.%d.%d. Dead channels %.1f %%, saturated %.1f %%.",
        describe(state), means.distance, means.blocks, fcmae_observation_point_name(point),
        (long long)collapse->folded, worst->distance, worst->stage, worst->block, 100 * means.dead,
        100 * means.saturated);
    if (used < 0 || (size_t)used >= size) return state;
    if (means.alive - means.distance > 0.02)
        used += snprintf(text + used, size - (size_t)used,
                         " Among the living channels alone the distance is %.3f.", means.alive);
    if ((size_t)used < size && isfinite(means.rank_share))
        snprintf(text + used, size - (size_t)used,
                 " The pooled features use %.0f %% of the rank they could have.",
                 100 * means.rank_share);
    return state;
}
