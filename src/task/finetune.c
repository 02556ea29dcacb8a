/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/finetune.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "evaluate/dense_pass.h"
#include "fcmae/memory.h"
#include "run/run_setup.h"

/* ---- data ---- */

/** What the loader has to say goes to the caller and into the log of the run. */
static void remark(void *cookie, fcmae_log_level level, const char *message)
{
    fcmae_finetuning *f = cookie;
    fcmae_log_line(&f->callbacks.train.log, level, "%s", message);
    if (f->loop.log.file >= 0)
        fcmae_run_log_event(&f->loop.log, f->loop.state.step, "warning", message, NULL, 0, NULL);
}

static fcmae_status open_training(fcmae_finetuning *f, fcmae_error *error)
{
    const fcmae_finetune_options *o = &f->options;
    const fcmae_dataset_options labelled = {.labelled = true, .log = f->callbacks.train.log};
    FCMAE_TRY(fcmae_dataset_open(&f->dataset, o->train, &labelled, error));
    FCMAE_TRY(fcmae_class_names_of_dataset(&f->names, f->dataset, error));
    f->classes = f->names.count;
    f->images = fcmae_dataset_count(f->dataset);
    if (o->label_fraction < 1)
        FCMAE_TRY(fcmae_dataset_subset(f->dataset, o->label_fraction, o->run.seed, &f->subset,
                                       &f->images, error));
    f->names_text = fcmae_class_names_text(&f->names);
    if (!f->names_text) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the class names");
    snprintf(f->size_text, sizeof f->size_text, "%d", o->input_size);
    f->texts[0] = (fcmae_metadata){"class_names", f->names_text};
    f->texts[1] = (fcmae_metadata){"input_size", f->size_text};
    return FCMAE_OK;
}

static fcmae_status start_loader(fcmae_finetuning *f, fcmae_error *error)
{
    const fcmae_finetune_options *o = &f->options;
    int64_t needed = o->run.batch_size * o->run.accumulate;
    if (f->images < needed)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "there are %" PRId64 " training images, but one update takes %" PRId64
                          " (batch %" PRId64 " x %d): lower the batch size",
                          f->images, needed, o->run.batch_size, o->run.accumulate);
    fcmae_loader_options options = {
        .transform = fcmae_transform_train(o->input_size, o->crop_scale),
        .batch = (int)o->run.batch_size,
        .training = true,
        .seed = o->run.seed,
        .workers = o->run.workers > 0 ? o->run.workers : o->run.threads,
        .prefetch = FCMAE_RUN_PREFETCH,
        .bad_share = o->bad_share,
        .subset = f->subset,
        .subset_count = f->subset ? f->images : 0,
        .log = {remark, f}};
    options.transform.flip = o->flip;
    options.transform.fast_decode = o->fast_decode;
    options.transform.augment_operations = o->augment_operations;
    options.transform.augment_magnitude = o->augment_magnitude;
    options.transform.augment_deviation = o->augment_deviation;
    FCMAE_TRY(fcmae_loader_create(&f->loader, f->dataset, &options, error));
    f->loop.batches_per_epoch = fcmae_loader_batches(f->loader);
    f->loop.steps_per_epoch = f->loop.batches_per_epoch / o->run.accumulate;
    return FCMAE_OK;
}

/* ---- batches ---- */

static fcmae_status source_start(void *cookie, int64_t epoch, int64_t batch, fcmae_error *error)
{
    fcmae_finetuning *f = cookie;
    return fcmae_loader_start(f->loader, (uint32_t)epoch, batch, error);
}

/** Which branches are left out: one stream per sample, one draw per block. */
static void draw_branches(fcmae_finetuning *f, const fcmae_samples *samples)
{
    for (int i = 0; i < samples->count; i++) {
        uint64_t place = (uint64_t)(samples->batch * f->options.run.batch_size + i);
        fcmae_random random = fcmae_random_start(f->options.run.seed, FCMAE_RANDOM_DROP_PATH,
                                                 samples->epoch, place);
        for (int b = 0; b < f->blocks; b++) {
            double rate = f->blocks > 1 ? f->options.drop_path * b / (f->blocks - 1) : 0;
            f->branch[(int64_t)b * samples->count + i] = fcmae_random_uniform(&random) < rate
                                                             ? 0
                                                             : (float)(1 / (1 - rate));
        }
    }
}

static fcmae_status source_next(void *cookie, fcmae_batch *batch, const int64_t **indices,
                                fcmae_error *error)
{
    fcmae_finetuning *f = cookie;
    fcmae_samples samples;
    FCMAE_TRY(fcmae_loader_next(f->loader, &samples, error));
    FCMAE_TRY(fcmae_mix_samples(&f->options.mixing, &samples, f->options.input_size, f->classes,
                                fcmae_image_mean, fcmae_image_deviation, f->loop.threads, f->values,
                                f->targets, error));
    if (f->branch) draw_branches(f, &samples);
    *indices = samples.indices;
    *batch = (fcmae_batch){.images = {.count = samples.count},
                           .samples = samples.count,
                           .targets = f->targets,
                           .branch_scale = f->branch};
    if (f->values) {
        batch->images.values = f->values;
    } else {
        batch->images.bytes = samples.images;
        batch->images.mean = fcmae_image_mean;
        batch->images.deviation = fcmae_image_deviation;
    }
    return FCMAE_OK;
}

static double source_waited(void *cookie)
{
    const fcmae_finetuning *f = cookie;
    return fcmae_loader_get_statistics(f->loader).wait_seconds;
}

static void source_name(void *cookie, int64_t index, char *name, size_t size)
{
    const fcmae_finetuning *f = cookie;
    fcmae_dataset_name(f->dataset, index, name, size);
}

/* ---- the network ---- */

/** Weights of standard deviation head_init, biases 0. */
static void draw_head(fcmae_finetuning *f)
{
    const fcmae_parameter *weight = fcmae_model_find(f->model, "head.weight");
    const fcmae_parameter *bias = fcmae_model_find(f->model, "head.bias");
    float *values = fcmae_model_values(f->model);
    fcmae_random random = fcmae_random_start(f->options.run.seed, FCMAE_RANDOM_INITIALISATION, 1,
                                             0);
    for (int64_t r = 0; r < weight->rows; r++)
        for (int64_t c = 0; c < weight->columns; c++)
            values[weight->offset + r * weight->stride + c] = (float)(f->options.head_init *
                                                                      fcmae_random_normal(&random));
    for (int64_t c = 0; c < bias->columns; c++) values[bias->offset + c] = 0;
}

/** A run that goes on needs the size of its network alone, which its
 *  own checkpoints tell as well. */
static fcmae_status load_start(fcmae_finetuning *f, fcmae_error *error)
{
    const fcmae_finetune_options *o = &f->options;
    fcmae_status status = fcmae_dense_load(&f->model, o->checkpoint, o->key,
                                           o->keep_head ? 0 : f->classes, !o->keep_head,
                                           o->run.seed, error);
    const fcmae_run_folder *folder = &f->loop.folder;
    if (status != FCMAE_ERR_NOT_FOUND || folder->count == 0) return status;
    char path[FCMAE_PATH];
    fcmae_run_folder_weights(folder, folder->steps[folder->count - 1], path);
    return fcmae_dense_load(&f->model, path, NULL, f->classes, false, 0, error);
}

static fcmae_status build_model(fcmae_finetuning *f, fcmae_error *error)
{
    fcmae_finetune_options *o = &f->options;
    if (o->checkpoint) {
        FCMAE_TRY(load_start(f, error));
        int classes = fcmae_model_configuration(f->model)->classes;
        if (classes != f->classes)
            return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                              "the head of %.500s has %d classes, the training folder %d: its head "
                              "cannot be kept",
                              o->checkpoint, classes, f->classes);
    } else {
        fcmae_model_config config = o->model;
        config.objective = "classify";
        config.classes = f->classes;
        config.grn_scope = FCMAE_GRN_IMAGE;
        FCMAE_TRY(fcmae_model_create(&f->model, &config, error));
        fcmae_model_initialise(f->model, o->run.seed);
    }
    if (!o->keep_head) draw_head(f);
    const fcmae_model_config *config = fcmae_model_configuration(f->model);
    int patch = fcmae_config_patch(config);
    if (config->channels != 3 || o->input_size < patch || o->input_size > 4096 ||
        o->input_size % patch != 0)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "the input is %d pixels of %d channels, but must be a multiple of the patch "
            "of %d, at most 4096, of 3 channels",
            o->input_size, config->channels, patch);
    for (int s = 0; s < FCMAE_STAGES; s++) f->blocks += config->depths[s];
    if (o->tune_last >= f->blocks) o->tune_last = -1;
    return FCMAE_OK;
}

static float *new_block(const fcmae_finetuning *f)
{
    return fcmae_allocate_aligned((size_t)fcmae_model_block_size(f->model), sizeof(float));
}

static fcmae_status allocate(fcmae_finetuning *f, fcmae_error *error)
{
    fcmae_finetune_options *o = &f->options;
    const fcmae_mixing *mixing = &o->mixing;
    size_t batch = (size_t)o->run.batch_size, side = (size_t)o->input_size;
    bool mixes = mixing->mix_probability > 0 &&
                 (mixing->mixup_alpha > 0 || mixing->cutmix_alpha > 0);
    bool good = true;
    f->targets = fcmae_allocate_aligned(batch * (size_t)f->classes, sizeof *f->targets);
    if (mixes || mixing->erase_probability > 0)
        good = (f->values = fcmae_allocate_aligned(batch * 3 * side * side, sizeof *f->values)) !=
               NULL;
    if (o->drop_path > 0)
        f->branch = fcmae_allocate_aligned(batch * (size_t)f->blocks, sizeof *f->branch);
    good = good && f->targets && (f->branch || o->drop_path == 0);
    if (o->optimisation.ema_decay > 0) {
        f->average = new_block(f);
        good = good && f->average;
    }
    if (!good)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for batches of %zu images", batch);
    if (f->average)
        memcpy(f->average, fcmae_model_values(f->model),
               (size_t)fcmae_model_block_size(f->model) * sizeof *f->average);
    o->optimisation.adamw.frozen_blocks = o->tune_last < 0 ? 0 : f->blocks - o->tune_last;
    return fcmae_adamw_create(&f->adamw, f->model, &o->optimisation.adamw, error);
}

static fcmae_status plan_memory(fcmae_finetuning *f, fcmae_train_plan *plan, fcmae_error *error)
{
    const fcmae_finetune_options *o = &f->options;
    const fcmae_run_options *run = &o->run;
    fcmae_memory_use use = {.average = f->average != NULL,
                            .mixing = f->values != NULL,
                            .validation = f->validation != NULL};
    use.engine = (fcmae_engine_options){
        .train = true,
        .height = o->input_size,
        .width = o->input_size,
        .batch = (int)run->batch_size,
        .lanes = run->lanes > 0 ? run->lanes : (int)fcmae_loop_recorded(&f->loop, "lanes", 0),
        .micro_batch = run->micro_batch > 0 ? run->micro_batch
                                            : (int)fcmae_loop_recorded(&f->loop, "micro_batch", 0),
        .threads = run->threads,
        .precision = run->precision,
        .frozen_blocks = o->optimisation.adamw.frozen_blocks};
    fcmae_memory_plan memory;
    FCMAE_TRY(fcmae_plan_memory(fcmae_model_configuration(f->model), &use, &memory, error));
    plan->engine = f->plan = memory.engine;
    plan->total_bytes = memory.total_bytes;
    return fcmae_run_memory(plan->total_bytes, error);
}

/* ---- the run ---- */

/* What the caller wants to hear, passed on with the caller's cookie. */

static void pass_progress(void *cookie, const fcmae_train_progress *progress)
{
    const fcmae_train_callbacks *calls = &((fcmae_finetuning *)cookie)->callbacks.train;
    if (calls->progress) calls->progress(calls->cookie, progress);
}

static void pass_saved(void *cookie, int64_t step, const char *path)
{
    const fcmae_train_callbacks *calls = &((fcmae_finetuning *)cookie)->callbacks.train;
    if (calls->saved) calls->saved(calls->cookie, step, path);
}

static bool pass_should_stop(void *cookie)
{
    const fcmae_train_callbacks *calls = &((fcmae_finetuning *)cookie)->callbacks.train;
    return calls->should_stop && calls->should_stop(calls->cookie);
}

static void prepare_loop(fcmae_finetuning *f)
{
    fcmae_loop *loop = &f->loop;
    f->own = (fcmae_train_callbacks){.cookie = f,
                                     .log = f->callbacks.train.log,
                                     .progress = pass_progress,
                                     .saved = pass_saved,
                                     .should_stop = pass_should_stop,
                                     .inspect = fcmae_finetune_inspect,
                                     .inspect_every = 1};
    loop->options = &f->options.run;
    loop->callbacks = &f->own;
    loop->source = (fcmae_loop_source){f, source_start, source_next, source_waited, source_name};
    loop->threads = f->options.run.threads > 0 ? f->options.run.threads : fcmae_processor_count();
    loop->images_per_batch = f->options.run.batch_size;
}

static fcmae_status run(fcmae_finetuning *f, fcmae_error *error)
{
    fcmae_train_plan plan = {0};
    fcmae_loop *loop = &f->loop;
    FCMAE_TRY(fcmae_loop_open(loop, error));
    FCMAE_TRY(open_training(f, error));
    FCMAE_TRY(fcmae_finetune_open_validation(f, error));
    FCMAE_TRY(start_loader(f, error));
    FCMAE_TRY(build_model(f, error));
    plan.images = f->images;
    FCMAE_TRY(fcmae_run_schedule(loop, &f->options.run, &f->options.optimisation, &plan, error));
    FCMAE_TRY(allocate(f, error));
    FCMAE_TRY(plan_memory(f, &plan, error));
    loop->state = (fcmae_run_state){.model = f->model,
                                    .adamw = f->adamw,
                                    .average = f->average,
                                    .settings = &f->settings,
                                    .seed = f->options.run.seed,
                                    .texts = f->texts,
                                    .text_count = 2};
    fcmae_finetune_settings(&f->settings, f);
    FCMAE_TRY(fcmae_settings_check(&f->settings, error));
    FCMAE_TRY(fcmae_loop_resume(loop, error));
    fcmae_finetune_recall_best(f);
    FCMAE_TRY(fcmae_engine_create(&f->engine, f->model, &f->plan.options, error));
    loop->engine = f->engine;
    plan.first_step = loop->state.step;
    snprintf(plan.resumed_from, sizeof plan.resumed_from, "%.511s", loop->resumed_from);
    if (f->callbacks.train.begin) f->callbacks.train.begin(f->callbacks.train.cookie, &plan);
    fcmae_status status = fcmae_loop_run(loop, error);
    int64_t bad = fcmae_loader_get_statistics(f->loader).bad_files;
    if (bad > 0)
        fcmae_log_line(&f->callbacks.train.log, FCMAE_LOG_WARNING,
                       "%" PRId64 " of %" PRId64
                       " files could not be read and were replaced by others",
                       bad, f->images);
    return status;
}

static void release(fcmae_finetuning *f)
{
    fcmae_engine_destroy(&f->engine);
    fcmae_loader_destroy(&f->loader);
    fcmae_dataset_close(&f->dataset);
    fcmae_dataset_close(&f->validation);
    fcmae_adamw_destroy(&f->adamw);
    fcmae_model_destroy(&f->model);
    fcmae_settings_release(&f->settings);
    fcmae_class_names_release(&f->names);
    free(f->names_text);
    free(f->output_of);
    free(f->subset);
    free(f->average);
    free(f->values);
    free(f->targets);
    free(f->branch);
    free(f);
}

fcmae_status fcmae_finetune(const fcmae_finetune_options *options,
                            const fcmae_finetune_callbacks *callbacks, fcmae_finetune_result *last,
                            fcmae_error *error)
{
    fcmae_finetuning *f = calloc(1, sizeof *f);
    if (!f) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a run");
    f->options = *options;
    f->options.mixing.seed = options->run.seed;
    if (callbacks) f->callbacks = *callbacks;
    fcmae_status status = fcmae_finetune_check(&f->options, error);
    if (status == FCMAE_OK) {
        prepare_loop(f);
        status = run(f, error);
        fcmae_loop_close(&f->loop);
    }
    if (last) *last = f->last;
    release(f);
    return status;
}
