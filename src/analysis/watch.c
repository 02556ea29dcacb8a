/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The cheap form for the training loop: 4C activation only, one number per (block, sample). */
#include <math.h>
#include <stdlib.h>

#include "analysis/statistics.h"
#include "core/status.h"

typedef struct watch_cell {
    double distance, dead; /* NAN: not shown, or not finite */
} watch_cell;

struct fcmae_watch {
    int depths[FCMAE_STAGES], first_block[FCMAE_STAGES], blocks, samples, lanes;
    int64_t widest;
    watch_cell *cells; /* [blocks, samples] */
    double *scratch;   /* [lanes, FCMAE_CHANNEL_SCRATCH(widest)] */
};

static void forget(fcmae_watch *watch)
{
    for (int i = 0; i < watch->blocks * watch->samples; i++)
        watch->cells[i] = (watch_cell){NAN, NAN};
}

fcmae_status fcmae_watch_create(fcmae_watch **watch, const fcmae_model_config *config, int samples,
                                int lanes, fcmae_error *error)
{
    FCMAE_TRY(fcmae_config_check(config, error));
    if (samples < 1 || lanes < 1 || samples > 1 << 20 || lanes > 1 << 16)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "collapse watch: %d samples and %d lanes",
                          samples, lanes);
    fcmae_watch *self = calloc(1, sizeof *self);
    if (!self) return fcmae_fail(error, FCMAE_ERR_MEMORY, "collapse watch: out of memory");
    self->samples = samples;
    self->lanes = lanes;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        self->depths[stage] = config->depths[stage];
        self->first_block[stage] = self->blocks;
        self->blocks += config->depths[stage];
        if (4 * config->dims[stage] > self->widest) self->widest = 4 * config->dims[stage];
    }
    self->cells = calloc((size_t)self->blocks * (size_t)samples, sizeof *self->cells);
    self->scratch = calloc((size_t)lanes * FCMAE_CHANNEL_SCRATCH(self->widest),
                           sizeof *self->scratch);
    if (!self->cells || !self->scratch) {
        fcmae_watch_destroy(&self);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "collapse watch: out of memory");
    }
    forget(self);
    *watch = self;
    return FCMAE_OK;
}

void fcmae_watch_destroy(fcmae_watch **watch)
{
    if (!watch || !*watch) return;
    free((*watch)->cells);
    free((*watch)->scratch);
    free(*watch);
    *watch = NULL;
}

void fcmae_watch_observe(void *watch, const struct fcmae_observation *observation)
{
    fcmae_watch *self = watch;
    int stage = observation->stage;
    if (observation->point != FCMAE_OBSERVE_HIDDEN || stage < 0 || stage >= FCMAE_STAGES) return;
    if (observation->block < 0 || observation->block >= self->depths[stage] ||
        observation->sample < 0 || observation->sample >= self->samples || observation->lane < 0 ||
        observation->lane >= self->lanes || observation->sites < 1 ||
        observation->channels > self->widest)
        return;
    fcmae_channel_statistics statistics;
    fcmae_channel_measure(observation,
                          self->scratch +
                              (size_t)observation->lane * FCMAE_CHANNEL_SCRATCH(self->widest),
                          &statistics);
    int64_t block = self->first_block[stage] + observation->block;
    if (statistics.finite)
        self->cells[block * self->samples + observation->sample] = (watch_cell){statistics.distance,
                                                                                statistics.dead};
}

void fcmae_watch_read(fcmae_watch *watch, double distance[FCMAE_STAGES], double dead[FCMAE_STAGES])
{
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        const watch_cell *cells = watch->cells + watch->first_block[stage] * watch->samples;
        double distances = 0, deaths = 0;
        int count = 0;
        for (int i = 0; i < watch->depths[stage] * watch->samples; i++) {
            if (isnan(cells[i].distance)) continue;
            distances += cells[i].distance;
            deaths += cells[i].dead;
            count++;
        }
        distance[stage] = count ? distances / count : NAN;
        dead[stage] = count ? deaths / count : NAN;
    }
    forget(watch);
}
