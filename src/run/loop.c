/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/loop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool stop_wanted(const fcmae_loop *loop)
{
    return loop->callbacks->should_stop && loop->callbacks->should_stop(loop->callbacks->cookie);
}

static fcmae_status stopped(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_INTERRUPTED, "stopped on request");
}

/** Fetches the next batch into loop->batch and notes its images. */
static fcmae_status fetch(fcmae_loop *loop, fcmae_error *error)
{
    const int64_t *indices;
    loop->batch.samples = 0;
    FCMAE_TRY(loop->source.next(loop->source.cookie, &loop->batch, &indices, error));
    memcpy(loop->used + loop->used_count, indices,
           (size_t)loop->batch.images.count * sizeof *indices);
    loop->used_count += loop->batch.images.count;
    return FCMAE_OK;
}

/** Gradients of one update. */
static fcmae_status accumulate(fcmae_loop *loop, double *loss, fcmae_error *error)
{
    int batches = loop->options->accumulate;
    double weight = 1.0 / batches;
    *loss = 0;
    loop->used_count = 0;
    fcmae_engine_zero_gradients(loop->engine);
    for (int i = 0; i < batches; i++) {
        /* an update that is given up here is done again, whole, when the run is resumed */
        if (i > 0 && stop_wanted(loop)) return stopped(error);
        double one = 0;
        FCMAE_TRY(fetch(loop, error));
        fcmae_status status = fcmae_engine_step(loop->engine, &loop->batch, weight, &one, error);
        if (status == FCMAE_ERR_NUMERIC)
            return fcmae_loop_not_finite(loop, loop->state.step + 1, &loop->batch, error);
        if (status != FCMAE_OK) return status;
        *loss += weight * one;
    }
    return FCMAE_OK;
}

/** Moves the place in the data past one update. */
static void advance(fcmae_loop *loop)
{
    fcmae_run_state *state = &loop->state;
    int64_t used = loop->steps_per_epoch * loop->options->accumulate;
    state->step++;
    state->batch += loop->options->accumulate;
    if (state->batch < used) return;
    state->batch = 0;
    state->epoch++;
    if (used < loop->batches_per_epoch) loop->in_place = false; /* skips the rest of the epoch */
}

/** Brings the source to where the next update begins, if it is not there. */
static fcmae_status find_place(fcmae_loop *loop, fcmae_error *error)
{
    if (loop->in_place) return FCMAE_OK;
    loop->in_place = true;
    return loop->source.start(loop->source.cookie, loop->state.epoch, loop->state.batch, error);
}

static double ema_decay(const fcmae_loop *loop)
{
    double t = (double)loop->state.step, early = (1 + t) / (10 + t);
    return loop->ema_warmup && early < loop->ema_decay ? early : loop->ema_decay;
}

static fcmae_status update(fcmae_loop *loop, fcmae_train_progress *progress, fcmae_error *error)
{
    fcmae_run_state *state = &loop->state;
    double began = seconds(), waited = loop->source.waited(loop->source.cookie);
    double epoch = (double)state->step / (double)loop->steps_per_epoch;
    *progress = (fcmae_train_progress){.steps = loop->steps,
                                       .lr = fcmae_schedule_rate(&loop->schedule, epoch)};
    FCMAE_TRY(accumulate(loop, &progress->loss, error));
    float *values = fcmae_model_values(state->model), *gradients;
    FCMAE_TRY(fcmae_engine_gradients(loop->engine, &gradients, error));
    fcmae_status status = fcmae_adamw_step(state->adamw, values, gradients, progress->lr,
                                           loop->threads, &progress->grad_norm, error);
    if (status == FCMAE_ERR_NUMERIC)
        return fcmae_loop_not_finite(loop, state->step + 1, NULL, error);
    if (status != FCMAE_OK) return status;
    if (state->average)
        fcmae_ema_update(state->average, values, fcmae_model_block_size(state->model),
                         ema_decay(loop), loop->threads);
    fcmae_engine_pack(loop->engine);
    progress->data_wait = loop->source.waited(loop->source.cookie) - waited;
    advance(loop);

    double taken = seconds() - began;
    progress->step = state->step;
    progress->epoch = (double)state->step / (double)loop->steps_per_epoch;
    progress->samples = loop->batch.samples * loop->options->accumulate;
    progress->images_per_s = taken > 0 ? (double)progress->samples / taken : 0;
    return FCMAE_OK;
}

static fcmae_status report(fcmae_loop *loop, const fcmae_train_progress *progress,
                           fcmae_error *error)
{
    const fcmae_train_callbacks *calls = loop->callbacks;
    fcmae_train_figures figures = {0};
    if (calls->inspect && calls->inspect_every > 0 && progress->step % calls->inspect_every == 0)
        FCMAE_TRY(calls->inspect(calls->cookie, progress->step, loop->engine, &loop->batch,
                                 &figures, error));
    FCMAE_TRY(fcmae_run_log_step(&loop->log, progress, &figures, error));
    if (calls->progress) calls->progress(calls->cookie, progress);
    return FCMAE_OK;
}

static fcmae_status run_updates(fcmae_loop *loop, fcmae_error *error)
{
    fcmae_run_state *state = &loop->state;
    int64_t every = loop->options->save_every > 0 ? loop->options->save_every
                                                  : loop->steps_per_epoch;
    double began = seconds(), before = loop->log.elapsed;
    loop->in_place = state->step == 0; /* a fresh source stands at the beginning */
    while (state->step < loop->steps) {
        fcmae_train_progress progress;
        if (stop_wanted(loop)) return stopped(error);
        FCMAE_TRY(find_place(loop, error));
        FCMAE_TRY(update(loop, &progress, error));
        progress.elapsed = before + seconds() - began;
        FCMAE_TRY(report(loop, &progress, error));
        if (state->step % every == 0 && state->step < loop->steps)
            FCMAE_TRY(fcmae_loop_save(loop, error));
    }
    return FCMAE_OK;
}

fcmae_status fcmae_loop_run(fcmae_loop *loop, fcmae_error *error)
{
    size_t images = (size_t)loop->images_per_batch * (size_t)loop->options->accumulate;
    loop->used = calloc(images, sizeof *loop->used);
    if (!loop->used) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of images");
    fcmae_status status = run_updates(loop, error);
    if (status == FCMAE_OK) return fcmae_loop_save(loop, error);
    /* Whatever went wrong, the last whole update is worth keeping, unless it is spoilt. */
    fcmae_error second = {0};
    fcmae_status saving = fcmae_loop_save(loop, &second);
    if (status != FCMAE_ERR_INTERRUPTED) return status;
    if (saving != FCMAE_OK) return fcmae_fail(error, saving, "%s", second.message);
    if (loop->saved_step < 0)
        return fcmae_fail(error, status, "stopped on request before the first update");
    return fcmae_fail(error, status, "stopped on request after update %lld, which is saved in %s",
                      (long long)loop->state.step, loop->saved_path);
}

void fcmae_loop_close(fcmae_loop *loop)
{
    fcmae_run_log_close(&loop->log);
    fcmae_run_folder_close(&loop->folder);
    free(loop->used);
    loop->used = NULL;
}
