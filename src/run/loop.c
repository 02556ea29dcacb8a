/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Updates: batches through the engine, optimiser, average, one line of the log. */
#include <stdlib.h>
#include <string.h>

#include "fcmae/measure.h"
#include "run/run.h"

static bool stop_wanted(const fcmae_run *run)
{
    return run->callbacks.should_stop && run->callbacks.should_stop(run->callbacks.cookie);
}

static fcmae_status stopped(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_INTERRUPTED, "stopped on request");
}

static double waited(const fcmae_run *run)
{
    return fcmae_loader_get_statistics(run->loader).wait_seconds;
}

/** Fetches the next batch into run->last and notes its images. */
static fcmae_status fetch(fcmae_run *run, fcmae_error *error)
{
    fcmae_samples samples;
    run->last.samples = 0;
    FCMAE_TRY(fcmae_loader_next(run->loader, &samples, error));
    FCMAE_TRY(run->task->batch(run, &samples, &run->last, error));
    memcpy(run->used + run->used_count, samples.indices,
           (size_t)samples.count * sizeof *samples.indices);
    run->used_count += samples.count;
    return FCMAE_OK;
}

/** Gradients of one update; loss and samples of it. */
static fcmae_status accumulate(fcmae_run *run, fcmae_train_progress *progress, fcmae_error *error)
{
    int batches = run->values->accumulate;
    double weight = 1.0 / batches;
    run->used_count = 0;
    fcmae_engine_zero_gradients(run->engine);
    for (int i = 0; i < batches; i++) {
        /* an update that is given up here is done again, whole, when the run is resumed */
        if (i > 0 && stop_wanted(run)) return stopped(error);
        double one = 0;
        FCMAE_TRY(fetch(run, error));
        fcmae_status status = fcmae_engine_step(run->engine, &run->last, weight, &one, error);
        if (status == FCMAE_ERR_NUMERIC)
            return fcmae_run_not_finite(run, run->state.step + 1, &run->last, error);
        if (status != FCMAE_OK) return status;
        progress->loss += weight * one;
        progress->samples += run->last.samples;
    }
    return FCMAE_OK;
}

/** Moves the place in the data past one update. */
static void advance(fcmae_run *run)
{
    fcmae_run_state *state = &run->state;
    int64_t used = run->plan.steps_per_epoch * run->values->accumulate;
    state->step++;
    state->batch += run->values->accumulate;
    if (state->batch < used) return;
    state->batch = 0;
    state->epoch++;
    if (used < run->batches_per_epoch) run->in_place = false; /* skips the rest of the epoch */
}

/** Brings the loader to where the next update begins, if it is not there. */
static fcmae_status find_place(fcmae_run *run, fcmae_error *error)
{
    if (run->in_place) return FCMAE_OK;
    run->in_place = true;
    return fcmae_loader_start(run->loader, (uint32_t)run->state.epoch, run->state.batch, error);
}

static double average_decay(const fcmae_run *run)
{
    double t = (double)run->state.step, early = (1 + t) / (10 + t);
    return run->values->ema_warmup && early < run->values->ema ? early : run->values->ema;
}

static fcmae_status optimise(fcmae_run *run, fcmae_train_progress *progress, fcmae_error *error)
{
    fcmae_run_state *state = &run->state;
    float *values = fcmae_model_values(state->model), *gradients;
    int threads = run->values->threads;
    FCMAE_TRY(fcmae_engine_gradients(run->engine, &gradients, error));
    fcmae_status status = fcmae_adamw_step(state->adamw, values, gradients, progress->lr, threads,
                                           &progress->grad_norm, error);
    if (status == FCMAE_ERR_NUMERIC) return fcmae_run_not_finite(run, state->step + 1, NULL, error);
    if (status != FCMAE_OK) return status;
    if (run->average)
        fcmae_ema_update(run->average, values, fcmae_model_block_size(state->model),
                         average_decay(run), run->values->isa, threads);
    fcmae_engine_pack(run->engine);
    return FCMAE_OK;
}

static fcmae_status update(fcmae_run *run, fcmae_train_progress *progress, fcmae_error *error)
{
    fcmae_run_state *state = &run->state;
    double began = fcmae_measure_seconds(), waiting = waited(run);
    double per_epoch = (double)run->plan.steps_per_epoch;
    *progress = (fcmae_train_progress){
        .steps = run->plan.steps,
        .lr = fcmae_schedule_rate(&run->schedule, (double)state->step / per_epoch)};
    FCMAE_TRY(accumulate(run, progress, error));
    FCMAE_TRY(optimise(run, progress, error));
    progress->data_wait = waited(run) - waiting;
    advance(run);

    double taken = fcmae_measure_seconds() - began;
    progress->step = state->step;
    progress->epoch = (double)state->step / per_epoch;
    progress->images_per_s = taken > 0 ? (double)progress->samples / taken : 0;
    return FCMAE_OK;
}

static fcmae_status inspect(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                            fcmae_error *error)
{
    const fcmae_train_callbacks *calls = &run->callbacks;
    if (run->task->inspect) FCMAE_TRY(run->task->inspect(run, step, figures, error));
    if (!calls->inspect || calls->inspect_every <= 0 || step % calls->inspect_every != 0)
        return FCMAE_OK;
    return calls->inspect(calls->cookie, step, run->engine, &run->last, figures, error);
}

/** A failed inspection ends the run, but the update is done and is going to be saved: its line
 *  belongs into the log, with the figures that there are. */
static fcmae_status report(fcmae_run *run, fcmae_train_progress *progress, fcmae_error *error)
{
    const fcmae_train_callbacks *calls = &run->callbacks;
    fcmae_train_figures figures = {0};
    fcmae_status inspected = inspect(run, progress->step, &figures, error);
    fcmae_error *reason = inspected == FCMAE_OK ? error : NULL;
    fcmae_status logged = fcmae_run_log_step(&run->log, progress, &figures, reason);
    fcmae_run_tensorboard_step(run, progress, &figures);
    run->progress = *progress;
    run->mean_loss += progress->loss;
    run->updates++;
    run->samples += progress->samples;
    if (inspected != FCMAE_OK) return inspected;
    progress->figures = &figures;
    if (logged == FCMAE_OK && calls->progress) calls->progress(calls->cookie, progress);
    return logged;
}

static fcmae_status update_all(fcmae_run *run, fcmae_error *error)
{
    fcmae_run_state *state = &run->state;
    int64_t every = run->values->save_every;
    double began = fcmae_measure_seconds(), before = run->log.elapsed;
    run->in_place = state->step == 0; /* a fresh loader stands at the beginning */
    while (state->step < run->plan.steps) {
        fcmae_train_progress progress;
        if (stop_wanted(run)) return stopped(error);
        FCMAE_TRY(find_place(run, error));
        FCMAE_TRY(update(run, &progress, error));
        progress.elapsed = before + fcmae_measure_seconds() - began;
        FCMAE_TRY(report(run, &progress, error));
        if (state->step % every == 0 && state->step < run->plan.steps)
            FCMAE_TRY(fcmae_run_save(run, error));
    }
    return FCMAE_OK;
}

fcmae_status fcmae_run_updates(fcmae_run *run, fcmae_error *error)
{
    size_t images = (size_t)fcmae_run_images_per_batch(run) * (size_t)run->values->accumulate;
    run->used = calloc(images, sizeof *run->used);
    if (!run->used) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of images");
    fcmae_status status = update_all(run, error);
    if (status == FCMAE_OK) return fcmae_run_save(run, error);
    /* Whatever went wrong, the last whole update is worth keeping, unless it is spoilt. */
    fcmae_error second = {0};
    fcmae_status saving = fcmae_run_save(run, &second);
    if (status != FCMAE_ERR_INTERRUPTED) return status;
    if (saving != FCMAE_OK) return fcmae_fail(error, saving, "%s", second.message);
    if (run->saved_step < 0)
        return fcmae_fail(error, status, "stopped on request before the first update");
    return fcmae_fail(error, status, "stopped on request after update %lld, which is saved in %s",
                      (long long)run->state.step, run->saved_path);
}
