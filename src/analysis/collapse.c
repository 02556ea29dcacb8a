/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Filling the accumulator. An observation writes only what belongs to its (layer, sample): a cell
 * of a table, a row of pooled features, a row of the batch buffers. Lanes therefore need no locks,
 * and what is summed over images is summed by fcmae_collapse_fold() in the order of the samples:
 * the same bits whichever lane carried which image.
 */
#include "analysis/collapse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

static const fcmae_observation_point all_points[] = {FCMAE_OBSERVE_HIDDEN, FCMAE_OBSERVE_GRN,
                                                     FCMAE_OBSERVE_BRANCH, FCMAE_OBSERVE_OUTPUT};
static const char *const point_names[] = {"hidden", "grn", "branch", "output"};

const char *fcmae_observation_point_name(fcmae_observation_point point)
{
    return (unsigned)point < 4 ? point_names[point] : NULL;
}

/* calloc of a product that may overflow */
static void *take(size_t a, size_t b, size_t element, bool *short_of_memory)
{
    size_t count;
    void *memory = __builtin_mul_overflow(a, b, &count) ? NULL : calloc(count ? count : 1, element);
    if (!memory) *short_of_memory = true;
    return memory;
}

/** Frees what a slot owns. */
static void release_slot(fcmae_collapse_slot *slot)
{
    free(slot->cells);
    free(slot->rows);
    free(slot->activity);
    free(slot->dead);
    free(slot->dead_images);
    free(slot->class_sum);
    free(slot->maps);
    free(slot->gallery_channel);
    free(slot->gallery_dead);
}

void fcmae_collapse_destroy(fcmae_collapse **collapse)
{
    if (!collapse || !*collapse) return;
    fcmae_collapse *self = *collapse;
    for (int i = 0; self->slots && i < self->blocks * self->points; i++)
        release_slot(&self->slots[i]);
    for (int i = 0; self->scratch && i < self->options.lanes; i++) free(self->scratch[i]);
    free(self->slots);
    free(self->layers);
    free(self->class_images);
    free(self->scratch);
    free(self);
    *collapse = NULL;
}

static fcmae_status check_options(const fcmae_model_config *config,
                                  const fcmae_collapse_options *options, fcmae_error *error)
{
    FCMAE_TRY(fcmae_config_check(config, error));
    if (options->images < 1 || options->images > INT32_MAX)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: %lld images; give 1 or more",
                          (long long)options->images);
    if (options->batch < 1 || options->lanes < 1)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: batch %d and lanes %d must be at least 1",
                          options->batch, options->lanes);
    if (options->points > 15 || (config->version == 1 && options->points & 1u << FCMAE_OBSERVE_GRN))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: tensor set %#x does not exist in a ConvNeXt V%d",
                          options->points, config->version);
    if (options->classes < 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "collapse analysis: %d classes",
                          options->classes);
    if (options->gallery_channels < 0 || !(options->dead_threshold >= 0) ||
        !(options->saturated_threshold >= 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: thresholds and gallery size must not be negative");
    return FCMAE_OK;
}

static void choose_points(fcmae_collapse *self)
{
    if (self->options.points == 0)
        self->options.points = 1u << FCMAE_OBSERVE_HIDDEN |
                               (self->config.version == 2 ? 1u << FCMAE_OBSERVE_GRN : 0);
    for (int i = 0; i < 4; i++)
        self->point_rank[i] = self->options.points & 1u << i ? self->points++ : -1;
    if (self->options.dead_threshold == 0) self->options.dead_threshold = FCMAE_DEAD_THRESHOLD;
    if (self->options.saturated_threshold == 0)
        self->options.saturated_threshold = FCMAE_SATURATED_THRESHOLD;
}

static int64_t point_channels(const fcmae_model_config *config, int stage,
                              fcmae_observation_point point)
{
    bool expanded = point == FCMAE_OBSERVE_HIDDEN || point == FCMAE_OBSERVE_GRN;
    return config->dims[stage] * (expanded ? 4 : 1);
}

static void allocate_slot(fcmae_collapse *self, fcmae_collapse_slot *slot, bool *short_of_memory)
{
    const fcmae_collapse_options *options = &self->options;
    size_t channels = (size_t)slot->result.channels, images = (size_t)options->images,
           batch = (size_t)options->batch;
    size_t rows = images < FCMAE_RANK_IMAGES ? images : FCMAE_RANK_IMAGES;
    slot->cells = take(images, 1, sizeof *slot->cells, short_of_memory);
    slot->rows = take(rows, channels, sizeof *slot->rows, short_of_memory);
    slot->dead = take(batch, channels, 1, short_of_memory);
    slot->dead_images = take(1, channels, sizeof *slot->dead_images, short_of_memory);
    if (options->classes > 0) {
        slot->activity = take(batch, channels, sizeof *slot->activity, short_of_memory);
        slot->class_sum = take((size_t)options->classes, channels, sizeof *slot->class_sum,
                               short_of_memory);
    }
    if (options->gallery_channels > 0) {
        slot->gallery_count = options->gallery_channels < slot->result.channels
                                  ? options->gallery_channels
                                  : (int)slot->result.channels;
        size_t count = (size_t)slot->gallery_count;
        slot->gallery_channel = take(count, 1, sizeof(int32_t), short_of_memory);
        slot->gallery_dead = take(count, 1, 1, short_of_memory);
        for (int i = 0; slot->gallery_channel && i < slot->gallery_count; i++)
            slot->gallery_channel[i] = (int32_t)(i * slot->result.channels / slot->gallery_count);
    }
}

static void describe_layers(fcmae_collapse *self, bool *short_of_memory)
{
    for (int stage = 0, index = 0; stage < FCMAE_STAGES; stage++) {
        self->first_block[stage] = index;
        for (int block = 0; block < self->config.depths[stage]; block++, index++)
            for (int i = 0; i < 4; i++) {
                if (self->point_rank[i] < 0) continue;
                fcmae_collapse_slot *slot =
                    &self->slots[index * self->points + self->point_rank[i]];
                slot->result = (fcmae_collapse_layer){
                    .stage = stage,
                    .block = block,
                    .point = all_points[i],
                    .index = index,
                    .depth = (double)(index + 1) / self->blocks,
                    .channels = point_channels(&self->config, stage, all_points[i]),
                };
                allocate_slot(self, slot, short_of_memory);
            }
    }
}

fcmae_status fcmae_collapse_create(fcmae_collapse **collapse, const fcmae_model_config *config,
                                   const fcmae_collapse_options *options, fcmae_error *error)
{
    FCMAE_TRY(check_options(config, options, error));
    fcmae_collapse *self = calloc(1, sizeof *self);
    if (!self) return fcmae_fail(error, FCMAE_ERR_MEMORY, "collapse analysis: out of memory");
    bool short_of_memory = false;
    self->config = *config;
    self->options = *options;
    choose_points(self);
    for (int stage = 0; stage < FCMAE_STAGES; stage++) self->blocks += config->depths[stage];
    size_t layers = (size_t)self->blocks * (size_t)self->points;
    self->slots = take(layers, 1, sizeof *self->slots, &short_of_memory);
    self->layers = take(layers, 1, sizeof *self->layers, &short_of_memory);
    self->scratch = take((size_t)options->lanes, 1, sizeof *self->scratch, &short_of_memory);
    int64_t widest = 0;
    for (int stage = 0; stage < FCMAE_STAGES; stage++)
        if (4 * config->dims[stage] > widest) widest = 4 * config->dims[stage];
    for (int i = 0; self->scratch && i < options->lanes; i++)
        self->scratch[i] = take(FCMAE_CHANNEL_SCRATCH(widest), 1, sizeof(double), &short_of_memory);
    self->class_images = take((size_t)options->classes, 1, sizeof(int64_t), &short_of_memory);
    if (!short_of_memory) describe_layers(self, &short_of_memory);
    if (short_of_memory) {
        fcmae_collapse_destroy(&self);
        return fcmae_fail(error, FCMAE_ERR_MEMORY,
                          "collapse analysis of %lld images: not enough memory; use fewer images",
                          (long long)options->images);
    }
    *collapse = self;
    return FCMAE_OK;
}

/* the first sample's maps of the chosen channels, removed sites NAN */
static void keep_maps(fcmae_collapse_slot *slot, const fcmae_observation *observation,
                      const uint8_t *dead)
{
    size_t cells = (size_t)observation->height * (size_t)observation->width;
    float *maps = malloc((size_t)slot->gallery_count * cells * sizeof *maps);
    if (!maps) return; /* reported by fold: a gallery without maps */
    for (size_t i = 0; i < (size_t)slot->gallery_count * cells; i++) maps[i] = NAN;
    for (int i = 0; i < slot->gallery_count; i++) {
        int32_t channel = slot->gallery_channel[i];
        slot->gallery_dead[i] = dead[channel];
        for (int64_t site = 0; site < observation->sites; site++)
            maps[(size_t)i * cells + (size_t)observation->position[site]] =
                observation->values[site * observation->stride + channel];
    }
    free(slot->maps);
    slot->maps = maps;
    slot->height = observation->height;
    slot->width = observation->width;
}

void fcmae_collapse_observe(void *collapse, const struct fcmae_observation *observation)
{
    fcmae_collapse *self = collapse;
    int stage = observation->stage, point = (int)observation->point;
    if (stage < 0 || stage >= FCMAE_STAGES || point < 0 || point > 3) return; /* the decoder */
    if (self->point_rank[point] < 0 || observation->block < 0 ||
        observation->block >= self->config.depths[stage])
        return;
    int64_t sample = observation->sample, image = self->folded + sample;
    if (sample < 0 || sample >= self->options.batch || image >= self->options.images) return;
    int block = self->first_block[stage] + observation->block;
    fcmae_collapse_slot *slot = &self->slots[block * self->points + self->point_rank[point]];
    int64_t channels = slot->result.channels;
    if (observation->channels != channels || observation->sites < 1 || observation->lane < 0 ||
        observation->lane >= self->options.lanes)
        return; /* fold reports that nothing arrived */

    fcmae_channel_detail detail = {
        .mean = image < FCMAE_RANK_IMAGES ? slot->rows + image * channels : NULL,
        .activity = slot->activity ? slot->activity + sample * channels : NULL,
        .dead = slot->dead + sample * channels,
    };
    fcmae_channel_statistics statistics;
    fcmae_channel_measure_full(observation, self->options.dead_threshold,
                               self->options.saturated_threshold, self->scratch[observation->lane],
                               &detail, &statistics);
    slot->cells[image] = (fcmae_collapse_cell){
        .distance = statistics.distance,
        .distance_alive = statistics.distance_alive,
        .dead = (float)statistics.dead,
        .saturated = (float)statistics.saturated,
        .sites = statistics.finite ? (int32_t)observation->sites : -1,
    };
    if (image == 0 && slot->gallery_count > 0 && statistics.finite)
        keep_maps(slot, observation, detail.dead);
}

static fcmae_status fold_slot(fcmae_collapse *self, fcmae_collapse_slot *slot, int64_t samples,
                              const int32_t *labels, fcmae_error *error)
{
    const fcmae_collapse_layer *layer = &slot->result;
    int64_t channels = layer->channels;
    for (int64_t sample = 0; sample < samples; sample++) {
        int64_t image = self->folded + sample;
        int32_t sites = slot->cells[image].sites;
        if (sites == 0)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "collapse analysis: stages.%d.%d (%s) of image %lld was not observed",
                              layer->stage, layer->block,
                              fcmae_observation_point_name(layer->point), (long long)image);
        if (sites < 0)
            return fcmae_fail(
                error, FCMAE_ERR_NUMERIC,
                "collapse analysis: stages.%d.%d (%s) of image %lld holds a NaN or an "
                "infinity; the checkpoint is broken or the input is not finite",
                layer->stage, layer->block, fcmae_observation_point_name(layer->point),
                (long long)image);
        for (int64_t c = 0; c < channels; c++)
            slot->dead_images[c] += slot->dead[sample * channels + c];
        int32_t label = labels ? labels[sample] : -1;
        if (label < 0) continue;
        for (int64_t c = 0; c < channels; c++)
            slot->class_sum[label * channels + c] += slot->activity[sample * channels + c];
    }
    if (self->folded == 0 && slot->gallery_count > 0 && !slot->maps)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "collapse analysis: no memory for the gallery");
    return FCMAE_OK;
}

static fcmae_status check_labels(const fcmae_collapse *self, int64_t samples, const int32_t *labels,
                                 fcmae_error *error)
{
    if ((labels != NULL) != (self->options.classes > 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: labels %s although %d classes were announced",
                          labels ? "given" : "missing", self->options.classes);
    for (int64_t i = 0; labels && i < samples; i++)
        if (labels[i] < -1 || labels[i] >= self->options.classes)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "collapse analysis: label %d of image %lld is not below %d classes",
                              labels[i], (long long)(self->folded + i), self->options.classes);
    return FCMAE_OK;
}

fcmae_status fcmae_collapse_fold(fcmae_collapse *collapse, int64_t samples, const int32_t *labels,
                                 fcmae_error *error)
{
    if (collapse->finished || samples < 1 || samples > collapse->options.batch ||
        samples > collapse->options.images - collapse->folded)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "collapse analysis: %lld more samples after %lld of %lld; batches of at "
                          "most %d were announced",
                          (long long)samples, (long long)collapse->folded,
                          (long long)collapse->options.images, collapse->options.batch);
    FCMAE_TRY(check_labels(collapse, samples, labels, error));
    for (int i = 0; i < collapse->blocks * collapse->points; i++)
        FCMAE_TRY(fold_slot(collapse, &collapse->slots[i], samples, labels, error));
    for (int64_t i = 0; labels && i < samples; i++)
        if (labels[i] >= 0) collapse->class_images[labels[i]]++;
    collapse->folded += samples;
    return FCMAE_OK;
}
