/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Between memory and the run folder: resuming and saving. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels.h"
#include "run/loop.h"

static const char *resume_option(const fcmae_loop *loop)
{
    return loop->options->resume ? loop->options->resume : "auto";
}

static bool resume_is(const fcmae_loop *loop, const char *value)
{
    return strcmp(resume_option(loop), value) == 0;
}

/** Step of the newest pair in the folder, or -1. */
static int64_t newest_step(const fcmae_loop *loop)
{
    return loop->folder.count > 0 ? loop->folder.steps[loop->folder.count - 1] : -1;
}

fcmae_status fcmae_loop_open(fcmae_loop *loop, fcmae_error *error)
{
    loop->log.file = -1;
    loop->saved_step = -1;
    loop->folder.descriptor = -1;
    FCMAE_TRY(fcmae_run_folder_open(&loop->folder, loop->options->output, error));
    if (resume_is(loop, "never") && loop->folder.count > 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s already holds a run (checkpoint-%lld): choose another folder, or "
                          "resume",
                          loop->folder.path, (long long)newest_step(loop));
    return FCMAE_OK;
}

int64_t fcmae_loop_recorded(const fcmae_loop *loop, const char *option, int64_t fallback)
{
    char path[FCMAE_PATH];
    int64_t value = -1;
    if (resume_is(loop, "never")) return fallback;
    if (!resume_is(loop, "auto") &&
        fcmae_state_of_weights(resume_option(loop), path, NULL) == FCMAE_OK)
        value = fcmae_run_state_integer(path, option, -1);
    for (int i = loop->folder.count - 1; i >= 0 && value < 0 && resume_is(loop, "auto"); i--) {
        fcmae_run_folder_state(&loop->folder, loop->folder.steps[i], path);
        value = fcmae_run_state_integer(path, option, -1);
    }
    return value >= 0 && value <= INT32_MAX ? value : fallback;
}

/** The newest pair of the folder that is complete; damaged ones are named in the log. */
static fcmae_status load_newest(fcmae_loop *loop, fcmae_error *error)
{
    char state[FCMAE_PATH];
    fcmae_error reason = {0};
    for (int i = loop->folder.count - 1; i >= 0; i--) {
        fcmae_run_folder_weights(&loop->folder, loop->folder.steps[i], loop->resumed_from);
        fcmae_run_folder_state(&loop->folder, loop->folder.steps[i], state);
        fcmae_status status = fcmae_run_state_load(&loop->state, loop->resumed_from, state,
                                                   &loop->callbacks->log, &reason);
        if (status == FCMAE_OK && loop->state.step != loop->folder.steps[i])
            status = fcmae_fail(&reason, FCMAE_ERR_FORMAT, "%s holds update %lld", state,
                                (long long)loop->state.step);
        if (status == FCMAE_OK) return FCMAE_OK;
        if (status == FCMAE_ERR_MISMATCH || status == FCMAE_ERR_MEMORY)
            return fcmae_fail(error, status, "%s", reason.message);
        fcmae_log_line(&loop->callbacks->log, FCMAE_LOG_WARNING, "checkpoint-%lld is not used: %s",
                       (long long)loop->folder.steps[i], reason.message);
    }
    return fcmae_fail(
        error, FCMAE_ERR_FORMAT,
        "none of the %d checkpoints in %s is complete (%s): remove them to start anew",
        loop->folder.count, loop->folder.path, reason.message);
}

/** A checkpoint named by the user. */
static fcmae_status load_given(fcmae_loop *loop, fcmae_error *error)
{
    char state[FCMAE_PATH];
    FCMAE_TRY(fcmae_state_of_weights(resume_option(loop), state, error));
    snprintf(loop->resumed_from, sizeof loop->resumed_from, "%s", resume_option(loop));
    FCMAE_TRY(fcmae_run_state_load(&loop->state, loop->resumed_from, state, &loop->callbacks->log,
                                   error));
    if (newest_step(loop) > loop->state.step)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s holds checkpoint-%lld, which is later than update %lld of %s: choose "
                          "another folder, or remove the later checkpoints",
                          loop->folder.path, (long long)newest_step(loop),
                          (long long)loop->state.step, resume_option(loop));
    return FCMAE_OK;
}

static fcmae_status write_configuration(const fcmae_loop *loop, fcmae_error *error)
{
    char *text = fcmae_settings_json(loop->state.settings);
    if (!text) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for config.json");
    fcmae_status status = fcmae_run_folder_write(&loop->folder, "config.json", text, error);
    free(text);
    return status;
}

/** The recorded place in the data must be the one the step stands for. */
static fcmae_status check_position(const fcmae_loop *loop, fcmae_error *error)
{
    const fcmae_run_state *s = &loop->state;
    if (s->epoch == s->step / loop->steps_per_epoch &&
        s->batch == s->step % loop->steps_per_epoch * loop->options->accumulate)
        return FCMAE_OK;
    return fcmae_fail(
        error, FCMAE_ERR_MISMATCH,
        "%s stands at batch %lld of epoch %lld after %lld updates, which does not fit "
        "this data set",
        loop->resumed_from, (long long)s->batch, (long long)s->epoch, (long long)s->step);
}

fcmae_status fcmae_loop_resume(fcmae_loop *loop, fcmae_error *error)
{
    bool given = !resume_is(loop, "auto") && !resume_is(loop, "never");
    if (given) FCMAE_TRY(load_given(loop, error));
    if (resume_is(loop, "auto") && loop->folder.count > 0) FCMAE_TRY(load_newest(loop, error));
    if (loop->resumed_from[0]) {
        FCMAE_TRY(check_position(loop, error));
        loop->saved_step = loop->state.step;
        snprintf(loop->saved_path, sizeof loop->saved_path, "%s", loop->resumed_from);
    }
    FCMAE_TRY(fcmae_run_log_open(&loop->log, loop->folder.path, loop->state.step, error));
    return write_configuration(loop, error);
}

static bool finite_block(const fcmae_loop *loop, const float *block)
{
    const fcmae_kernels *kernels = fcmae_kernels_get(fcmae_isa_choose(0, false));
    return isfinite(kernels->sum_of_squares(fcmae_model_block_size(loop->state.model), block));
}

/** Whether the network as it is now still computes: the last batch once more, forward only. */
static bool finite_loss(fcmae_loop *loop)
{
    if (loop->batch.samples == 0) return true;
    double *losses = calloc((size_t)loop->batch.samples, sizeof *losses);
    const fcmae_outputs outputs = {.sample_loss = losses};
    bool finite = !losses ||
                  fcmae_engine_forward(loop->engine, &loop->batch, &outputs, NULL) == FCMAE_OK;
    for (int64_t i = 0; losses && i < loop->batch.samples; i++)
        if (!isfinite(losses[i])) finite = false;
    free(losses);
    return finite;
}

/** A finite gradient can still carry the weights out of range: such a state is never written. */
static fcmae_status check_finite(fcmae_loop *loop, fcmae_error *error)
{
    const char *what = NULL;
    if (!finite_loss(loop)) what = "loss of the same images afterwards is";
    if (!finite_block(loop, fcmae_adamw_first_moment(loop->state.adamw)) ||
        !finite_block(loop, fcmae_adamw_second_moment(loop->state.adamw)))
        what = "moments of the optimiser are";
    if (!finite_block(loop, fcmae_model_values(loop->state.model))) what = "weights are";
    if (!what) return FCMAE_OK;
    fcmae_fail(error, FCMAE_ERR_NUMERIC, "the %s not finite: lower the learning rate", what);
    return fcmae_loop_not_finite(loop, loop->state.step, NULL, error);
}

fcmae_status fcmae_loop_save(fcmae_loop *loop, fcmae_error *error)
{
    int64_t step = loop->state.step;
    if (loop->spoilt || loop->save_failed || loop->saved_step == step || step == 0) return FCMAE_OK;
    char weights[FCMAE_PATH], state[FCMAE_PATH];
    fcmae_run_folder_weights(&loop->folder, step, weights);
    fcmae_run_folder_state(&loop->folder, step, state);
    FCMAE_TRY(check_finite(loop, error));
    fcmae_status status = fcmae_run_log_sync(&loop->log, error);
    if (status == FCMAE_OK) status = fcmae_run_state_save(&loop->state, weights, state, error);
    loop->save_failed = status != FCMAE_OK;
    if (loop->save_failed)
        return fcmae_error_prefix(
            error, status, "update %lld could not be saved (last good checkpoint: %s)",
            (long long)step, loop->saved_step >= 0 ? loop->saved_path : "none");
    FCMAE_TRY(fcmae_run_folder_saved(&loop->folder, step, loop->options->keep, error));
    loop->saved_step = step;
    snprintf(loop->saved_path, sizeof loop->saved_path, "%s", weights);
    if (loop->callbacks->saved) loop->callbacks->saved(loop->callbacks->cookie, step, weights);
    return FCMAE_OK;
}
