/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "evaluate/dense_pass.h"
#include "fcmae/data.h"
#include "fcmae/mask.h"
#include "fcmae/memory.h"
#include "run/loop.h"
#include "run/run_setup.h"
#include "task/pretrain.h"

typedef struct pretraining {
    fcmae_pretrain_options options; /* resolved */
    fcmae_train_callbacks callbacks;
    fcmae_dataset *dataset;
    fcmae_loader *loader;
    fcmae_model *model;
    fcmae_engine *engine;
    fcmae_adamw *adamw;
    float *average;
    fcmae_settings settings;
    fcmae_loop loop;
    fcmae_engine_options engine_options;
    fcmae_engine_plan_info plan;
    int grid, visible; /* cells along a side; visible cells of a mask */
    int64_t images;    /* images of a batch: batch_size / masks_per_image */
    uint8_t *removed;  /* [batch_size, grid * grid] */
    int32_t *image_of; /* [batch_size] */
} pretraining;

/* ---- data ---- */

/** What the loader has to say goes to the caller and into the log of the run. */
static void remark(void *cookie, fcmae_log_level level, const char *message)
{
    pretraining *p = cookie;
    fcmae_log_line(&p->callbacks.log, level, "%s", message);
    if (p->loop.log.file >= 0)
        fcmae_run_log_event(&p->loop.log, p->loop.state.step, "warning", message, NULL, 0, NULL);
}

static fcmae_status open_data(pretraining *p, fcmae_error *error)
{
    const fcmae_pretrain_options *o = &p->options;
    const fcmae_dataset_options listing = {.log = p->callbacks.log};
    FCMAE_TRY(fcmae_dataset_open(&p->dataset, o->data, &listing, error));
    fcmae_loader_options options = {
        .transform = fcmae_transform_train(o->input_size, o->crop_scale),
        .batch = (int)p->images,
        .training = true,
        .seed = o->run.seed,
        .workers = o->run.workers,
        .prefetch = FCMAE_RUN_PREFETCH,
        .bad_share = o->bad_share,
        .log = {remark, p}};
    options.transform.flip = o->flip;
    options.transform.fast_decode = o->fast_decode;
    int64_t count = fcmae_dataset_count(p->dataset), needed = p->images * o->run.accumulate;
    if (count < needed)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%s holds %" PRId64 " images, but one update takes %" PRId64
                          " (batch %" PRId64 " x %d, %d masks per image): lower the batch size",
                          o->data, count, needed, o->run.batch_size, o->run.accumulate,
                          o->masks_per_image);
    FCMAE_TRY(fcmae_loader_create(&p->loader, p->dataset, &options, error));
    p->loop.batches_per_epoch = fcmae_loader_batches(p->loader);
    p->loop.steps_per_epoch = p->loop.batches_per_epoch / o->run.accumulate;
    return FCMAE_OK;
}

static fcmae_status source_start(void *cookie, int64_t epoch, int64_t batch, fcmae_error *error)
{
    pretraining *p = cookie;
    return fcmae_loader_start(p->loader, (uint32_t)epoch, batch, error);
}

static fcmae_status source_next(void *cookie, fcmae_batch *batch, const int64_t **indices,
                                fcmae_error *error)
{
    pretraining *p = cookie;
    fcmae_samples samples;
    FCMAE_TRY(fcmae_loader_next(p->loader, &samples, error));
    int views = p->options.masks_per_image, cells = p->grid * p->grid;
    for (int i = 0; i < samples.count; i++)
        FCMAE_TRY(fcmae_mask_generate(
            p->options.run.seed, samples.epoch, (uint64_t)(samples.batch * p->images + i), p->grid,
            p->grid, p->options.mask_unit, p->visible, views,
            p->removed + (size_t)i * (size_t)views * (size_t)cells, error));
    *indices = samples.indices;
    *batch = (fcmae_batch){.images = {.count = samples.count,
                                      .bytes = samples.images,
                                      .mean = fcmae_image_mean,
                                      .deviation = fcmae_image_deviation},
                           .samples = (int64_t)samples.count * views,
                           .image_of = views > 1 ? p->image_of : NULL,
                           .removed = p->removed};
    return FCMAE_OK;
}

static double source_waited(void *cookie)
{
    const pretraining *p = cookie;
    return fcmae_loader_get_statistics(p->loader).wait_seconds;
}

static void source_name(void *cookie, int64_t index, char *name, size_t size)
{
    const pretraining *p = cookie;
    fcmae_dataset_name(p->dataset, index, name, size);
}

/* ---- the run ---- */

static fcmae_status allocate(pretraining *p, fcmae_error *error)
{
    const fcmae_pretrain_options *o = &p->options;
    size_t samples = (size_t)o->run.batch_size, cells = (size_t)p->grid * (size_t)p->grid;
    p->removed = fcmae_allocate_aligned(samples, cells);
    p->image_of = calloc(samples, sizeof *p->image_of);
    if (!p->removed || !p->image_of)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %zu masks", samples);
    for (size_t i = 0; i < samples; i++) p->image_of[i] = (int32_t)(i / (size_t)o->masks_per_image);

    FCMAE_TRY(fcmae_model_create(&p->model, &o->model, error));
    FCMAE_TRY(fcmae_adamw_create(&p->adamw, p->model, &o->optimisation.adamw, error));
    fcmae_model_initialise(p->model, o->run.seed);
    if (o->optimisation.ema_decay == 0) return FCMAE_OK;
    size_t size = (size_t)fcmae_model_block_size(p->model);
    p->average = fcmae_allocate_aligned(size, sizeof *p->average);
    if (!p->average)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an average of the weights");
    memcpy(p->average, fcmae_model_values(p->model), size * sizeof *p->average);
    return FCMAE_OK;
}

/** Decides what the engine will look like and whether everything fits. */
static fcmae_status plan_memory(pretraining *p, fcmae_train_plan *plan, fcmae_error *error)
{
    const fcmae_pretrain_options *o = &p->options;
    p->engine_options = (fcmae_engine_options){
        .train = true,
        .height = o->input_size,
        .width = o->input_size,
        .visible_cells = p->visible,
        .batch = (int)o->run.batch_size,
        .lanes = o->run.lanes > 0 ? o->run.lanes : (int)fcmae_loop_recorded(&p->loop, "lanes", 0),
        .micro_batch = o->run.micro_batch > 0
                           ? o->run.micro_batch
                           : (int)fcmae_loop_recorded(&p->loop, "micro_batch", 0),
        .threads = o->run.threads,
        .precision = o->run.precision};
    const fcmae_memory_use use = {.engine = p->engine_options,
                                  .masks_per_image = o->masks_per_image,
                                  .average = p->average != NULL};
    fcmae_memory_plan memory;
    FCMAE_TRY(fcmae_plan_memory(&o->model, &use, &memory, error));
    plan->engine = p->plan = memory.engine;
    plan->total_bytes = memory.total_bytes;
    return fcmae_run_memory(plan->total_bytes, error);
}

static void prepare_loop(pretraining *p)
{
    fcmae_loop *loop = &p->loop;
    loop->options = &p->options.run;
    loop->callbacks = &p->callbacks;
    loop->source = (fcmae_loop_source){p, source_start, source_next, source_waited, source_name};
    fcmae_run_options *o = &p->options.run;
    if (o->threads == 0) o->threads = fcmae_processor_count();
    if (o->workers == 0) o->workers = o->threads;
    loop->threads = o->threads;
    loop->images_per_batch = p->images;
}

static fcmae_status run(pretraining *p, fcmae_error *error)
{
    fcmae_train_plan plan = {0};
    FCMAE_TRY(fcmae_loop_open(&p->loop, error));
    FCMAE_TRY(open_data(p, error));
    plan.images = fcmae_dataset_count(p->dataset);
    FCMAE_TRY(
        fcmae_run_schedule(&p->loop, &p->options.run, &p->options.optimisation, &plan, error));
    FCMAE_TRY(allocate(p, error));
    FCMAE_TRY(plan_memory(p, &plan, error));
    p->loop.state = (fcmae_run_state){.model = p->model,
                                      .adamw = p->adamw,
                                      .average = p->average,
                                      .settings = &p->settings,
                                      .seed = p->options.run.seed};
    fcmae_pretrain_settings(&p->settings, &p->options, &p->plan.options,
                            fcmae_dataset_count(p->dataset),
                            fcmae_run_fingerprint(p->dataset, p->options.data));
    FCMAE_TRY(fcmae_settings_check(&p->settings, error));
    FCMAE_TRY(fcmae_loop_resume(&p->loop, error));
    FCMAE_TRY(fcmae_engine_create(&p->engine, p->model, &p->plan.options, error));
    p->loop.engine = p->engine;
    plan.first_step = p->loop.state.step;
    snprintf(plan.resumed_from, sizeof plan.resumed_from, "%.511s", p->loop.resumed_from);
    if (p->callbacks.begin) p->callbacks.begin(p->callbacks.cookie, &plan);
    fcmae_status status = fcmae_loop_run(&p->loop, error);
    int64_t bad = fcmae_loader_get_statistics(p->loader).bad_files;
    if (bad > 0)
        fcmae_log_line(&p->callbacks.log, FCMAE_LOG_WARNING,
                       "%" PRId64 " of %" PRId64
                       " files could not be read and were replaced by others",
                       bad, fcmae_dataset_count(p->dataset));
    return status;
}

fcmae_status fcmae_pretrain(const fcmae_pretrain_options *options,
                            const fcmae_train_callbacks *callbacks, fcmae_error *error)
{
    pretraining *p = calloc(1, sizeof *p);
    if (!p) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a run");
    p->options = *options;
    p->options.model.objective = "masked";
    if (callbacks) p->callbacks = *callbacks;
    fcmae_status status = fcmae_pretrain_check(&p->options, error);
    if (status == FCMAE_OK) {
        p->grid = options->input_size / fcmae_config_patch(&options->model);
        p->visible = fcmae_mask_visible(p->grid * p->grid, options->mask_ratio);
        p->images = options->run.batch_size / options->masks_per_image;
        prepare_loop(p);
        status = run(p, error);
        fcmae_loop_close(&p->loop);
    }
    fcmae_engine_destroy(&p->engine);
    fcmae_loader_destroy(&p->loader);
    fcmae_dataset_close(&p->dataset);
    fcmae_adamw_destroy(&p->adamw);
    fcmae_model_destroy(&p->model);
    fcmae_settings_release(&p->settings);
    free(p->average);
    free(p->removed);
    free(p->image_of);
    free(p);
    return status;
}
