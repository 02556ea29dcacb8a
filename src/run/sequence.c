/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The order of things in every run. */
#include "run/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"

/* ---- what tasks share ---- */

static void remark(void *cookie, fcmae_log_level level, const char *message)
{
    fcmae_run *run = cookie;
    fcmae_log_line(&run->callbacks.log, level, "%s", message);
    if (run->log.file >= 0 && level == FCMAE_LOG_WARNING)
        fcmae_run_log_event(&run->log, run->state.step, "warning", message, NULL, 0, NULL);
}

void fcmae_run_figure(fcmae_train_figures *figures, const char *name, double value)
{
    if (figures->count >= FCMAE_TRAIN_FIGURES) return;
    int i = figures->count++;
    figures->figures[i].name = name;
    figures->figures[i].size = 1;
    figures->figures[i].values[0] = value;
}

double fcmae_run_bad_share(const fcmae_run *run)
{
    double share = run->values->bad_share;
    return share > 0 ? share : share == 0 ? -1 : 0;
}

/* ---- the parts ---- */

/** Whether the last batch of an epoch is used where it is smaller. */
static bool keeps_last(const fcmae_run *run, int64_t batch)
{
    enum { AUTO, ON, OFF, FEW = 10 };
    if (run->values->drop_last != AUTO) return run->values->drop_last == OFF;
    return run->values->data_images < FEW * batch;
}

static fcmae_status start_loader(fcmae_run *run, fcmae_error *error)
{
    const fcmae_run_values *v = run->values;
    int64_t batch = fcmae_run_images_per_batch(run), needed = batch * v->accumulate;
    FCMAE_TRY(fcmae_run_recall(run, "drop-last", "on", NULL, error)); /* earlier ones left it out */
    bool keep_last = keeps_last(run, batch);
    run->images = v->data_images;
    if (run->images < needed)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%s holds %" PRId64 " images to train on, but one update takes %" PRId64
                          " (batch %" PRId64 " x %d, %d samples of each image): lower the batch "
                          "size",
                          run->data_root, run->images, needed, v->batch_size, v->accumulate,
                          run->views);
    fcmae_loader_options options = {.transform = run->task->transform(run),
                                    .batch = (int)batch,
                                    .training = true,
                                    .keep_last = keep_last,
                                    .seed = (uint64_t)v->seed,
                                    .workers = v->workers,
                                    .prefetch = FCMAE_RUN_PREFETCH,
                                    .bad_share = fcmae_run_bad_share(run),
                                    .subset = run->subset,
                                    .subset_count = run->subset ? run->images : 0,
                                    .log = {remark, run}};
    options.transform.scale_max = v->crop_scale_max;
    options.transform.flip = v->flip;
    options.transform.fast_decode = v->fast_decode;
    FCMAE_TRY(fcmae_loader_create(&run->loader, run->dataset, &options, error));
    run->batches_per_epoch = fcmae_loader_batches(run->loader);
    run->plan.steps_per_epoch = run->batches_per_epoch / v->accumulate;
    run->plan.images = run->images;
    return FCMAE_OK;
}

static fcmae_status check_input(const fcmae_run *run, fcmae_error *error)
{
    const fcmae_run_values *v = run->values;
    FCMAE_TRY(fcmae_config_check(&v->model, error));
    int patch = fcmae_config_patch(&v->model);
    if (v->model.channels != 3)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the model takes %d channels, but image files give 3", v->model.channels);
    if (v->input_size < patch || v->input_size % patch != 0)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "the input is %d pixels, but must be a multiple of the patch of %d, "
                          "at most 4096",
                          v->input_size, patch);
    return FCMAE_OK;
}

static fcmae_adamw_options adamw_options(const fcmae_run *run)
{
    const fcmae_run_values *v = run->values;
    return (fcmae_adamw_options){.beta1 = v->beta1,
                                 .beta2 = v->beta2,
                                 .epsilon = v->epsilon,
                                 .weight_decay = v->weight_decay,
                                 .grn_decay = v->grn_decay,
                                 .clip = v->clip,
                                 .frozen_blocks = run->frozen_blocks,
                                 .instruction_set = v->isa};
}

static fcmae_status start_average(fcmae_run *run, fcmae_error *error)
{
    if (run->values->ema == 0) return FCMAE_OK;
    size_t size = (size_t)fcmae_model_block_size(run->model);
    run->average = fcmae_allocate_aligned(size, sizeof *run->average);
    if (!run->average)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an average of the weights");
    memcpy(run->average, fcmae_model_values(run->model), size * sizeof *run->average);
    return FCMAE_OK;
}

static fcmae_status start_optimiser(fcmae_run *run, fcmae_error *error)
{
    fcmae_adamw_options options = adamw_options(run);
    if (run->task->optimiser) run->task->optimiser(run, &options);
    FCMAE_TRY(start_average(run, error));
    FCMAE_TRY(fcmae_adamw_create(&run->state.adamw, run->model, &options, error));
    run->state.model = run->model;
    run->state.average = run->average;
    run->state.record = &run->record;
    run->state.seed = (uint64_t)run->values->seed;
    run->state.texts = run->texts;
    run->state.text_count = run->text_count;
    return FCMAE_OK;
}

static void resolve_threads(fcmae_run_values *values)
{
    if (values->threads == 0) values->threads = fcmae_processor_count();
    if (values->workers == 0) values->workers = values->threads;
}

/* ---- the order ---- */

static fcmae_status prepare(fcmae_run *run, fcmae_error *error)
{
    const fcmae_run_task *task = run->task;
    FCMAE_TRY(task->resolve(run, error));
    FCMAE_TRY(fcmae_run_open_folder(run, error));
    FCMAE_TRY(task->open(run, error));
    fcmae_run_fingerprint(run);
    FCMAE_TRY(fcmae_run_check_images(run, error));
    FCMAE_TRY(fcmae_run_choose(run, error));
    FCMAE_TRY(task->configure(run, error));
    FCMAE_TRY(check_input(run, error));
    FCMAE_TRY(start_loader(run, error));
    FCMAE_TRY(fcmae_run_schedule(run, error));
    FCMAE_TRY(fcmae_run_plan_memory(run, error));
    FCMAE_TRY(task->build(run, error));
    FCMAE_TRY(task->prepare(run, error));
    FCMAE_TRY(start_optimiser(run, error));
    FCMAE_TRY(fcmae_record_take(&run->record, &task->options, run->values, error));
    FCMAE_TRY(fcmae_run_resume(run, error));
    FCMAE_TRY(fcmae_run_tensorboard_open(run, error));
    FCMAE_TRY(fcmae_engine_create(&run->engine, run->model, &run->plan.engine.options, error));
    if (task->begin) FCMAE_TRY(task->begin(run, error));
    run->plan.first_step = run->progress.step = run->state.step;
    snprintf(run->plan.resumed_from, sizeof run->plan.resumed_from, "%.511s", run->resumed_from);
    FCMAE_TRY(fcmae_run_foresee(run, error));
    if (run->callbacks.begin) run->callbacks.begin(run->callbacks.cookie, &run->plan);
    return FCMAE_OK;
}

static fcmae_status carry_out(fcmae_run *run, fcmae_error *error)
{
    FCMAE_TRY(prepare(run, error));
    fcmae_status status = fcmae_run_updates(run, error);
    int64_t bad = fcmae_loader_get_statistics(run->loader).bad_files;
    if (bad > 0)
        fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING,
                       "%" PRId64 " of %" PRId64
                       " files could not be read and were replaced by others",
                       bad, run->images);
    return status;
}

static fcmae_status take_result(fcmae_run *run, fcmae_train_result *result, fcmae_error *error)
{
    fcmae_train_result_release(result);
    result->step = run->progress.step;
    result->updates = run->updates;
    result->samples = run->samples;
    result->loss = run->progress.loss;
    result->mean_loss = run->updates > 0 ? run->mean_loss / (double)run->updates : 0;
    result->elapsed = run->progress.elapsed;
    snprintf(result->checkpoint, sizeof result->checkpoint, "%.511s", run->saved_path);
    if (!run->task->report || !run->own) return FCMAE_OK;
    return run->task->report(run, result, error);
}

void fcmae_train_result_release(fcmae_train_result *result)
{
    free(result->details);
    free(result->summary);
    memset(result, 0, sizeof *result);
}

static void release(fcmae_run *run)
{
    fcmae_engine_destroy(&run->engine);
    fcmae_loader_destroy(&run->loader);
    if (run->own) run->task->release(run);
    fcmae_dataset_close(&run->dataset);
    fcmae_adamw_destroy(&run->state.adamw);
    fcmae_model_destroy(&run->model);
    fcmae_record_release(&run->record);
    fcmae_run_log_close(&run->log);
    fcmae_event_file_close(&run->events);
    fcmae_run_folder_close(&run->folder);
    free(run->used);
    free(run->subset);
    free(run->average);
    free(run->own);
    free(run);
}

fcmae_status fcmae_run_carry_out(const fcmae_run_task *task, fcmae_options *options,
                                 const fcmae_train_callbacks *callbacks, fcmae_train_result *result,
                                 fcmae_error *error)
{
    FCMAE_TRY(fcmae_options_check(options, error));
    fcmae_run *run = calloc(1, sizeof *run);
    if (!run) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a run");
    run->task = task;
    run->options = options;
    run->values = fcmae_options_values(options);
    run->own = calloc(1, task->own_size);
    run->views = 1;
    run->log.file = run->folder.descriptor = -1;
    run->saved_step = -1;
    if (callbacks) {
        run->callbacks = *callbacks;
        run->values->command = callbacks->command;
    }
    resolve_threads(run->values);
    if (!fcmae_options_given(options, "bad-share")) run->values->bad_share = -1; /* left open */
    fcmae_status status = run->own ? carry_out(run, error)
                                   : fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a run");
    if (result) {
        fcmae_status taken = take_result(run, result, status == FCMAE_OK ? error : NULL);
        if (status == FCMAE_OK) status = taken;
    }
    run->values->data_names = run->values->command = NULL; /* were the run's and the caller's */
    release(run);
    return status;
}
