/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Between memory and the run folder: resuming and saving. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels.h"
#include "run/run.h"

static const char *resume_option(const fcmae_run *run)
{
    return run->values->resume;
}

static bool resume_is(const fcmae_run *run, const char *value)
{
    return strcmp(resume_option(run), value) == 0;
}

/** Step of the newest pair in the folder, or -1. */
static int64_t newest_step(const fcmae_run *run)
{
    return run->folder.count > 0 ? run->folder.steps[run->folder.count - 1] : -1;
}

fcmae_status fcmae_run_open_folder(fcmae_run *run, fcmae_error *error)
{
    FCMAE_TRY(fcmae_run_folder_open(&run->folder, run->values->output, error));
    if (resume_is(run, "never") && run->folder.count > 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s already holds a run (checkpoint-%lld): choose another folder, or "
                          "resume",
                          run->folder.path, (long long)newest_step(run));
    return FCMAE_OK;
}

bool fcmae_run_recorded(const fcmae_run *run, const char *option, char *text, size_t size)
{
    char path[FCMAE_PATH];
    const fcmae_option *row = fcmae_option_find(&run->task->options, option);
    if (!row || resume_is(run, "never")) return false;
    if (!resume_is(run, "auto"))
        return fcmae_state_of_weights(resume_option(run), path, NULL) == FCMAE_OK &&
               fcmae_run_state_option(path, row, text, size);
    for (int i = run->folder.count - 1; i >= 0; i--) {
        fcmae_run_folder_state(&run->folder, run->folder.steps[i], path);
        if (fcmae_run_state_option(path, row, text, size)) return true;
    }
    return false;
}

/** Opens a file of which every tensor is what was written. */
static fcmae_status open_intact(const char *path, fcmae_checkpoint **file, fcmae_error *error)
{
    FCMAE_TRY(fcmae_checkpoint_open(file, path, NULL, error));
    fcmae_status status = fcmae_checkpoint_verify(*file, error);
    if (status != FCMAE_OK) fcmae_checkpoint_close(file);
    return status;
}

fcmae_status fcmae_run_open_own(const fcmae_run *run, fcmae_checkpoint **file, fcmae_error *error)
{
    char path[FCMAE_PATH];
    fcmae_run_folder folder;
    fcmae_status status = FCMAE_ERR_NOT_FOUND;
    if (!resume_is(run, "auto") && !resume_is(run, "never"))
        return open_intact(resume_option(run), file, error);
    if (resume_is(run, "auto") &&
        fcmae_run_folder_look(&folder, run->values->output, NULL) == FCMAE_OK) {
        for (int i = folder.count - 1; i >= 0 && status != FCMAE_OK; i--) {
            fcmae_run_folder_weights(&folder, folder.steps[i], path);
            status = open_intact(path, file, NULL);
        }
        fcmae_run_folder_close(&folder);
    }
    if (status == FCMAE_OK) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_NOT_FOUND, "%.500s holds no checkpoint that is intact",
                      run->values->output);
}

fcmae_status fcmae_run_recall(fcmae_run *run, const char *option, const char *earlier,
                              bool *recalled, fcmae_error *error)
{
    char text[128], batch[32], *value = text;
    bool known = fcmae_run_recorded(run, option, text, sizeof text);
    bool any = known || fcmae_run_recorded(run, "batch-size", batch, sizeof batch);
    if (recalled) *recalled = any;
    if (!any || fcmae_options_given(run->options, option)) return FCMAE_OK;
    if (known && value[0] == '"') { /* without the quotes of JSON */
        value++;
        value[strcspn(value, "\"")] = 0;
    }
    return fcmae_options_set_at(run->options, FCMAE_LEVEL_DEFAULT, option, known ? value : earlier,
                                error);
}

/** The newest pair of the folder that is complete; damaged ones are named in the log. */
static fcmae_status load_newest(fcmae_run *run, fcmae_error *error)
{
    char state[FCMAE_PATH];
    fcmae_error reason = {0};
    for (int i = run->folder.count - 1; i >= 0; i--) {
        fcmae_run_folder_weights(&run->folder, run->folder.steps[i], run->resumed_from);
        fcmae_run_folder_state(&run->folder, run->folder.steps[i], state);
        fcmae_status status = fcmae_run_state_load(&run->state, run->resumed_from, state,
                                                   &run->callbacks.log, &reason);
        if (status == FCMAE_OK && run->state.step != run->folder.steps[i])
            status = fcmae_fail(&reason, FCMAE_ERR_FORMAT, "%s holds update %lld", state,
                                (long long)run->state.step);
        if (status == FCMAE_OK) return FCMAE_OK;
        if (status == FCMAE_ERR_MISMATCH || status == FCMAE_ERR_MEMORY)
            return fcmae_fail(error, status, "%s", reason.message);
        fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING, "checkpoint-%lld is not used: %s",
                       (long long)run->folder.steps[i], reason.message);
    }
    return fcmae_fail(
        error, FCMAE_ERR_FORMAT,
        "none of the %d checkpoints in %s is complete (%s): remove them to start anew",
        run->folder.count, run->folder.path, reason.message);
}

/** A checkpoint named by the user. */
static fcmae_status load_given(fcmae_run *run, fcmae_error *error)
{
    char state[FCMAE_PATH];
    FCMAE_TRY(fcmae_state_of_weights(resume_option(run), state, error));
    snprintf(run->resumed_from, sizeof run->resumed_from, "%s", resume_option(run));
    FCMAE_TRY(
        fcmae_run_state_load(&run->state, run->resumed_from, state, &run->callbacks.log, error));
    if (newest_step(run) > run->state.step)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s holds checkpoint-%lld, which is later than update %lld of %s: choose "
                          "another folder, or remove the later checkpoints",
                          run->folder.path, (long long)newest_step(run), (long long)run->state.step,
                          resume_option(run));
    return FCMAE_OK;
}

static fcmae_status write_configuration(const fcmae_run *run, fcmae_error *error)
{
    char *text = fcmae_record_json(run->state.record);
    if (!text) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for config.json");
    fcmae_status status = fcmae_run_folder_write(&run->folder, "config.json", text, error);
    free(text);
    return status;
}

/** The recorded place in the data must be the one the step stands for. */
static fcmae_status check_position(const fcmae_run *run, fcmae_error *error)
{
    const fcmae_run_state *s = &run->state;
    if (s->epoch == s->step / run->plan.steps_per_epoch &&
        s->batch == s->step % run->plan.steps_per_epoch * run->values->accumulate)
        return FCMAE_OK;
    return fcmae_fail(
        error, FCMAE_ERR_MISMATCH,
        "%s stands at batch %lld of epoch %lld after %lld updates, which does not fit "
        "this data set",
        run->resumed_from, (long long)s->batch, (long long)s->epoch, (long long)s->step);
}

fcmae_status fcmae_run_resume(fcmae_run *run, fcmae_error *error)
{
    bool given = !resume_is(run, "auto") && !resume_is(run, "never");
    if (given) FCMAE_TRY(load_given(run, error));
    if (resume_is(run, "auto") && run->folder.count > 0) FCMAE_TRY(load_newest(run, error));
    if (run->resumed_from[0]) {
        FCMAE_TRY(check_position(run, error));
        run->saved_step = run->state.step;
        snprintf(run->saved_path, sizeof run->saved_path, "%s", run->resumed_from);
    }
    FCMAE_TRY(fcmae_run_log_open(&run->log, run->folder.path, run->state.step, error));
    return write_configuration(run, error);
}

static bool finite_block(const fcmae_run *run, const float *block)
{
    const fcmae_kernels *kernels = fcmae_kernels_get(fcmae_isa_choose(0, false));
    return isfinite(kernels->sum_of_squares(fcmae_model_block_size(run->state.model), block));
}

/** Whether the network as it is now still computes: the last batch once more, forward only. */
static bool finite_loss(fcmae_run *run)
{
    if (run->last.samples == 0) return true;
    double *losses = calloc((size_t)run->last.samples, sizeof *losses);
    const fcmae_outputs outputs = {.sample_loss = losses};
    bool finite = !losses ||
                  fcmae_engine_forward(run->engine, &run->last, &outputs, NULL) == FCMAE_OK;
    for (int64_t i = 0; losses && i < run->last.samples; i++)
        if (!isfinite(losses[i])) finite = false;
    free(losses);
    return finite;
}

/** A finite gradient can still carry the weights out of range: such a state is never written. */
static fcmae_status check_finite(fcmae_run *run, fcmae_error *error)
{
    const char *what = NULL;
    if (!finite_loss(run)) what = "loss of the same images afterwards is";
    if (!finite_block(run, fcmae_adamw_first_moment(run->state.adamw)) ||
        !finite_block(run, fcmae_adamw_second_moment(run->state.adamw)))
        what = "moments of the optimiser are";
    if (!finite_block(run, fcmae_model_values(run->state.model))) what = "weights are";
    if (!what) return FCMAE_OK;
    fcmae_fail(error, FCMAE_ERR_NUMERIC, "the %s not finite: lower the learning rate", what);
    return fcmae_run_not_finite(run, run->state.step, NULL, error);
}

fcmae_status fcmae_run_save(fcmae_run *run, fcmae_error *error)
{
    int64_t step = run->state.step;
    if (run->spoilt || run->save_failed || run->saved_step == step || step == 0) return FCMAE_OK;
    char weights[FCMAE_PATH], state[FCMAE_PATH];
    fcmae_run_folder_weights(&run->folder, step, weights);
    fcmae_run_folder_state(&run->folder, step, state);
    FCMAE_TRY(check_finite(run, error));
    fcmae_status status = fcmae_run_log_sync(&run->log, error);
    if (status == FCMAE_OK) status = fcmae_run_state_save(&run->state, weights, state, error);
    run->save_failed = status != FCMAE_OK;
    if (run->save_failed)
        return fcmae_error_prefix(error, status,
                                  "update %lld could not be saved (last good checkpoint: %s)",
                                  (long long)step, run->saved_step >= 0 ? run->saved_path : "none");
    FCMAE_TRY(fcmae_run_folder_saved(&run->folder, step, run->values->keep, error));
    run->saved_step = step;
    snprintf(run->saved_path, sizeof run->saved_path, "%s", weights);
    if (run->callbacks.saved) run->callbacks.saved(run->callbacks.cookie, step, weights);
    return FCMAE_OK;
}
