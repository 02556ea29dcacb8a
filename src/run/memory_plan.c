/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Adds up what a run holds; finds batch sizes by asking for plans,
 *  so that no formula can drift. */
#include "fcmae/memory.h"

#include "core/parallel.h"
#include "run/run.h"

enum { LARGEST_BATCH = 1 << 20, PROBE_BATCH = 1 << 16, TOGETHER_BATCH = 64, WATCHING_BATCH = 32 };

fcmae_engine_options fcmae_run_watching_engine(const fcmae_engine_options *training)
{
    fcmae_engine_options options = *training;
    options.train = false;
    options.visible_cells = options.frozen_blocks = 0;
    if (options.batch > WATCHING_BATCH) options.batch = WATCHING_BATCH;
    return options;
}

/** Images that are looked at again and again, and the engine that sees them whole. */
static fcmae_status plan_watching(const fcmae_model_config *config, uint64_t picture,
                                  fcmae_memory_plan *plan, fcmae_error *error)
{
    const fcmae_engine_options options = fcmae_run_watching_engine(&plan->engine.options);
    fcmae_engine_plan_info engine = {0};
    FCMAE_TRY(fcmae_engine_plan(config, &options, &engine, error));
    plan->image_bytes += (FCMAE_RUN_WATCHED + FCMAE_RUN_COMPARED) * picture + engine.packed_bytes +
                         engine.activation_bytes;
    return FCMAE_OK;
}

fcmae_status fcmae_plan_memory(const fcmae_model_config *config, const fcmae_memory_use *use,
                               fcmae_memory_plan *plan, fcmae_error *error)
{
    fcmae_memory_plan p = {0};
    FCMAE_TRY(fcmae_engine_plan(config, &use->engine, &p.engine, error));
    const fcmae_engine_options *o = &p.engine.options;
    bool classifies = o->train && fcmae_config_has_part(config, FCMAE_PART_HEAD);
    uint64_t blocks = !o->train ? 0 : use->average ? 3 : 2; /* moments, average */
    uint64_t views = use->masks_per_image > 1 ? (uint64_t)use->masks_per_image : 1;
    uint64_t images = ((uint64_t)o->batch + views - 1) / views;
    uint64_t picture = (uint64_t)config->channels * (uint64_t)o->height * (uint64_t)o->width;
    uint64_t copies = FCMAE_RUN_PREFETCH + 1; /* the batches ahead and the one in use */
    if (classifies && use->validation) copies *= 2;
    if (classifies && use->mixing) copies += sizeof(float);
    p.optimiser_bytes = blocks * p.engine.parameter_bytes;
    p.image_bytes = copies * images * picture;
    if (o->train && use->watching) FCMAE_TRY(plan_watching(config, picture, &p, error));
    p.total_bytes = p.engine.total_bytes + p.optimiser_bytes + p.image_bytes;
    *plan = p;
    return FCMAE_OK;
}

/** More than can be addressed or numbered counts as all memory there could be. */
static fcmae_status total_at(const fcmae_model_config *config, const fcmae_memory_use *use,
                             int batch, uint64_t *total, fcmae_error *error)
{
    fcmae_memory_use at = *use;
    fcmae_memory_plan plan;
    at.engine.batch = batch;
    fcmae_status status = fcmae_plan_memory(config, &at, &plan, error);
    if (status != FCMAE_OK && status != FCMAE_ERR_UNSUPPORTED) return status;
    *total = status == FCMAE_OK ? plan.total_bytes : UINT64_MAX;
    return FCMAE_OK;
}

/** A batch from which on nothing grows but what every sample costs; a multiple of the views. */
static fcmae_status settled_batch(const fcmae_model_config *config, const fcmae_memory_use *use,
                                  int *batch, fcmae_error *error)
{
    fcmae_memory_use large = *use;
    fcmae_memory_plan plan;
    bool together = config->grn_scope ==
                    FCMAE_GRN_BATCH; /* never settles: every sample is carried */
    large.engine.batch = together ? TOGETHER_BATCH : PROBE_BATCH;
    FCMAE_TRY(fcmae_plan_memory(config, &large, &plan, error));
    const fcmae_engine_options *o = &plan.engine.options;
    int views = use->masks_per_image > 1 ? use->masks_per_image : 1;
    int64_t full = together ? TOGETHER_BATCH : (int64_t)o->lanes * o->micro_batch;
    full = (full + views - 1) / views * views;
    *batch = full < LARGEST_BATCH / 2 ? (int)full : LARGEST_BATCH / 2;
    return FCMAE_OK;
}

fcmae_status fcmae_plan_memory_growth(const fcmae_model_config *config, const fcmae_memory_use *use,
                                      fcmae_memory_growth *growth, fcmae_error *error)
{
    int full = 0;
    uint64_t one = 0, two = 0;
    FCMAE_TRY(settled_batch(config, use, &full, error));
    FCMAE_TRY(total_at(config, use, full, &one, error));
    FCMAE_TRY(total_at(config, use, 2 * full, &two, error));
    uint64_t each = (two - one) / (uint64_t)full;
    *growth = (fcmae_memory_growth){one - each * (uint64_t)full, each, full};
    return FCMAE_OK;
}

fcmae_status fcmae_plan_largest_batch(const fcmae_model_config *config, const fcmae_memory_use *use,
                                      uint64_t bytes, int *batch, fcmae_error *error)
{
    uint64_t total = 0;
    if (bytes == UINT64_MAX) bytes--; /* which stands for the impossible */
    /* Below one sample per processor the number of lanes may change from batch to batch, and memory
     * with it: those few are tried one by one. Above, memory only grows. */
    int fits = fcmae_processor_count();
    FCMAE_TRY(total_at(config, use, fits, &total, error));
    if (total > bytes) {
        while (--fits > 0) {
            FCMAE_TRY(total_at(config, use, fits, &total, error));
            if (total <= bytes) break;
        }
        *batch = fits;
        return FCMAE_OK;
    }
    int beyond = fits;
    while (total <= bytes && beyond < LARGEST_BATCH) {
        fits = beyond;
        beyond = beyond < LARGEST_BATCH / 2 ? 2 * beyond : LARGEST_BATCH;
        FCMAE_TRY(total_at(config, use, beyond, &total, error));
    }
    if (total <= bytes) fits = beyond++;
    while (beyond - fits > 1) {
        int middle = fits + (beyond - fits) / 2;
        FCMAE_TRY(total_at(config, use, middle, &total, error));
        if (total <= bytes)
            fits = middle;
        else
            beyond = middle;
    }
    *batch = fits;
    return FCMAE_OK;
}
