/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/signals.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "fcmae/analysis.h"
#include "fcmae/measure.h"

enum { RANKED = 128, MOST_TIMES = 50 };
enum { NEVER, AT_PLATEAU };
#define BUDGET 0.015 /* of the work of the run */

/* ---- which images ---- */

static bool never(const fcmae_run *run, const char *option, int64_t value)
{
    return value == 0 && fcmae_options_given(run->options, option);
}

/** Sets val-share; a run that goes on keeps its own, one of an earlier version held out none. */
static fcmae_status settle_share(const fcmae_signals *signals, fcmae_run *run, fcmae_error *error)
{
    int64_t images = fcmae_dataset_count(run->dataset);
    char text[64];
    bool recalled = false;
    FCMAE_TRY(fcmae_run_recall(run, "val-share", "0", &recalled, error));
    if (recalled || fcmae_options_given(run->options, "val-share")) return FCMAE_OK;
    bool none = signals->values->val_data || run->dataset->places ||
                never(run, "watch-every", signals->values->watch_every);
    double share = none ? 0 : (double)fcmae_held_out_usual(images) / (double)images;
    snprintf(text, sizeof text, "%.17g", share);
    return fcmae_options_set_at(run->options, FCMAE_LEVEL_DEFAULT, "val-share", text, error);
}

static fcmae_status hold_out(fcmae_signals *signals, fcmae_run *run, fcmae_error *error)
{
    int64_t images = fcmae_dataset_count(run->dataset);
    FCMAE_TRY(settle_share(signals, run, error));
    double share = signals->values->val_share;
    int64_t wanted = (int64_t)rint(share * (double)images);
    if (share == 0) return FCMAE_OK;
    bool possible = wanted >= 1 && wanted < images;
    if (!possible && !fcmae_options_given(run->options, "val-share"))
        return FCMAE_OK; /* of other images: the comparison with the checkpoint will say so */
    if (!possible)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "a share of %g of %" PRId64 " images is none to hold out", share, images);
    return fcmae_held_out_draw(&signals->held, run, wanted, error);
}

fcmae_status fcmae_signals_open(fcmae_signals *signals, const fcmae_signal_values *values,
                                fcmae_run *run, fcmae_error *error)
{
    const fcmae_dataset_options listing = {.log = run->callbacks.log};
    signals->values = values;
    FCMAE_TRY(hold_out(signals, run, error));
    if (values->val_data)
        FCMAE_TRY(fcmae_dataset_open(&signals->others, values->val_data, &listing, error));
    if (values->stop_when == AT_PLATEAU && (never(run, "watch-every", values->watch_every) ||
                                            (!signals->others && signals->held.count == 0)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "stop-when plateau needs images that are held out: give val-data or "
                          "val-share, and let watch-every be more than 0");
    if (never(run, "watch-knn", values->watch_knn)) return FCMAE_OK;
    return fcmae_watch_knn_open(&signals->knn, run, fcmae_options_given(run->options, "watch-knn"),
                                error);
}

/** @param indices  [out] [count] as many of a list (NULL: of all images), spread over it */
static void spread(const int64_t *list, int64_t images, int64_t *indices, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t at = count == images ? i : (int64_t)((double)i * (double)images / (double)count);
        indices[i] = list ? list[at] : at;
    }
}

static fcmae_status decode(fcmae_signals *signals, const fcmae_run *run, fcmae_error *error)
{
    int64_t indices[FCMAE_RUN_WATCHED], count = 0;
    if (signals->others || signals->held.count > 0) {
        const fcmae_dataset *from = signals->others ? signals->others : run->dataset;
        int64_t images = signals->others ? fcmae_dataset_count(from) : signals->held.count;
        count = images < FCMAE_RUN_WATCHED ? images : FCMAE_RUN_WATCHED;
        spread(signals->others ? NULL : signals->held.indices, images, indices, count);
        FCMAE_TRY(fcmae_watched_add(&signals->images, run, from, indices, count, error));
    }
    signals->with_loss = signals->images.count;
    if (signals->with_loss >= RANKED) return FCMAE_OK;
    count = RANKED - signals->with_loss;
    if (count > run->images) count = run->images;
    spread(run->subset, run->images, indices, count);
    return fcmae_watched_add(&signals->images, run, run->dataset, indices, count, error);
}

/* ---- plan ---- */

bool fcmae_signals_plan(fcmae_signals *signals, const fcmae_run *run, const fcmae_mask_shape *masks)
{
    const fcmae_signal_values *v = signals->values;
    double of_run = (double)run->plan.steps / MOST_TIMES;
    /* forward takes a third of an update */
    double of_cost = RANKED / 3.0 / (BUDGET * (double)run->plan.effective_batch);
    bool given = fcmae_options_given(run->options, "watch-every");
    signals->every = given ? v->watch_every : (int64_t)ceil(fmax(of_run, of_cost));
    double visible = (double)masks->visible / (masks->height * masks->width);
    fcmae_watch_knn_plan(&signals->knn, run, visible,
                         fcmae_options_given(run->options, "watch-knn") ? v->watch_knn : -1);
    return signals->every > 0 || signals->knn.every > 0;
}

static fcmae_status draw_masks(fcmae_signals *signals, const fcmae_run *run,
                               const fcmae_mask_shape *masks, fcmae_error *error)
{
    int64_t count = signals->images.count, cells = (int64_t)masks->height * masks->width;
    size_t images = (size_t)count, dimension = (size_t)run->values->model.dims[3];
    fcmae_mask_shape shape = *masks;
    shape.views = 1;
    signals->removed = malloc(images * (size_t)cells);
    signals->loss = calloc(images, sizeof *signals->loss);
    signals->pooled = malloc(images * dimension * sizeof *signals->pooled);
    if (!signals->removed || !signals->loss || !signals->pooled)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %zu watched images", images);
    for (int64_t i = 0; i < count; i++) /* no epoch of training has that number */
        FCMAE_TRY(fcmae_mask_generate(&shape, UINT32_MAX, (uint64_t)i, signals->removed + i * cells,
                                      error));
    return FCMAE_OK;
}

static void announce(const fcmae_signals *signals, const fcmae_run *run)
{
    char held[160] = "no image is held out: the rank of features is measured", knn[120] = "";
    const fcmae_watch_knn *n = &signals->knn;
    if (signals->with_loss > 0)
        snprintf(held, sizeof held,
                 "%" PRId64 " images of %.60s are held out: their loss and the rank of features "
                 "are measured",
                 signals->with_loss, signals->others ? signals->values->val_data : "the folder");
    if (n->every > 0)
        snprintf(knn, sizeof knn,
                 ", nearest neighbours of %" PRId64 " images of %d classes every %" PRId64,
                 n->sample.count, n->classes, n->every);
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_INFO, "%s every %" PRId64 " updates%s", held,
                   signals->every, knn);
}

/** Records what was decided. */
static fcmae_status settle(const fcmae_run *run, const char *option, int64_t every,
                           fcmae_error *error)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, every);
    return fcmae_options_set_at(run->options, FCMAE_LEVEL_DEFAULT, option, text, error);
}

fcmae_status fcmae_signals_prepare(fcmae_signals *signals, const fcmae_run *run,
                                   const fcmae_mask_shape *masks, fcmae_error *error)
{
    FCMAE_TRY(settle(run, "watch-every", signals->every, error));
    FCMAE_TRY(settle(run, "watch-knn", signals->knn.every, error));
    FCMAE_TRY(fcmae_watch_knn_load(&signals->knn, run, error));
    if (signals->every > 0) {
        FCMAE_TRY(decode(signals, run, error));
        if (signals->images.count < 2) signals->every = 0; /* none can be read */
    }
    if (signals->every > 0) {
        FCMAE_TRY(draw_masks(signals, run, masks, error));
        announce(signals, run);
    }
    fcmae_dataset_close(&signals->others);
    return FCMAE_OK;
}

/* ---- the end of a run at a plateau ---- */

static bool is_plateau(const fcmae_signals *signals, const fcmae_run *run)
{
    return signals->values->stop_when == AT_PLATEAU &&
           fcmae_plateau_reached(&signals->losses, run->plan.steps / signals->every);
}

fcmae_status fcmae_signals_begin(fcmae_signals *signals, fcmae_run *run, fcmae_error *error)
{
    int64_t last = -1;
    if (signals->every == 0 || run->state.step == 0) return FCMAE_OK;
    FCMAE_TRY(fcmae_plateau_recall(&signals->losses, run->folder.path, "val_loss", &last, error));
    if (last == run->state.step && is_plateau(signals, run)) run->plan.steps = last;
    return FCMAE_OK;
}

static void end_at_plateau(const fcmae_signals *signals, fcmae_run *run, int64_t step)
{
    if (step >= run->plan.steps || !is_plateau(signals, run)) return;
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_INFO,
                   "the held-out loss has stopped falling: the run ends after update %" PRId64
                   " of %" PRId64,
                   step, run->plan.steps);
    run->plan.steps = step;
}

/* ---- measurements ---- */

static fcmae_status look(const fcmae_signals *signals, const fcmae_run *run, fcmae_error *error)
{
    const fcmae_run_values *v = run->values;
    size_t pixels = 3 * (size_t)v->input_size * (size_t)v->input_size;
    int64_t side = v->input_size / fcmae_config_patch(&v->model), cells = side * side;
    int64_t count = signals->images.count, most = v->batch_size;
    for (int64_t i = 0; i < count; i++) signals->loss[i] = NAN; /* not every objective tells them */
    for (int64_t first = 0; first < count; first += most) {
        int64_t images = count - first < most ? count - first : most;
        const fcmae_batch batch = {
            .images = {.count = images,
                       .bytes = signals->images.bytes + (size_t)first * pixels,
                       .mean = fcmae_imagenet_mean,
                       .deviation = fcmae_imagenet_deviation},
            .samples = images,
            .removed = signals->removed + first * cells};
        const fcmae_outputs outputs = {.sample_loss = signals->loss + first,
                                       .pooled = signals->pooled + first * v->model.dims[3]};
        FCMAE_TRY(fcmae_engine_forward(run->engine, &batch, &outputs, error));
    }
    return FCMAE_OK;
}

static fcmae_status measure(fcmae_signals *signals, fcmae_run *run, fcmae_train_figures *figures,
                            fcmae_error *error)
{
    double loss = 0, rank = 0;
    bool told = false;
    FCMAE_TRY(look(signals, run, error));
    for (int64_t i = 0; i < signals->with_loss; i++) {
        told = told || !isnan(signals->loss[i]);
        loss += signals->loss[i];
    }
    if (told) {
        loss /= (double)signals->with_loss;
        fcmae_run_figure(figures, "val_loss", loss);
        FCMAE_TRY(fcmae_plateau_add(&signals->losses, loss, error));
    }
    FCMAE_TRY(fcmae_effective_rank(signals->pooled, signals->images.count,
                                   run->values->model.dims[3], &rank, error));
    fcmae_run_figure(figures, "rankme", rank);
    return FCMAE_OK;
}

static bool is_due(int64_t every, const fcmae_run *run, int64_t step)
{
    return every > 0 && (step == 1 || step % every == 0 || step == run->plan.steps);
}

static fcmae_status measure_due(fcmae_signals *signals, fcmae_run *run, int64_t step,
                                fcmae_train_figures *figures, fcmae_error *error)
{
    double began = fcmae_measure_seconds();
    bool due = is_due(signals->every, run, step);
    if (due) {
        FCMAE_TRY(measure(signals, run, figures, error));
        end_at_plateau(signals, run, step);
    }
    bool knn_due = is_due(signals->knn.every, run, step);
    if (knn_due) {
        double top1 = 0;
        FCMAE_TRY(fcmae_watch_knn_measure(&signals->knn, run, &top1, error));
        fcmae_run_figure(figures, "knn_top1", top1);
    }
    if (due || knn_due) fcmae_run_figure(figures, "watch_seconds", fcmae_measure_seconds() - began);
    return FCMAE_OK;
}

fcmae_status fcmae_signals_measure(fcmae_signals *signals, fcmae_run *run, int64_t step,
                                   fcmae_train_figures *figures, fcmae_error *error)
{
    fcmae_error failure = {0};
    fcmae_status status = measure_due(signals, run, step, figures, &failure);
    if (status == FCMAE_OK) return FCMAE_OK;
    if (signals->values->stop_when == AT_PLATEAU)
        return fcmae_fail(error, status, "%s", failure.message);
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING, "the run is no longer watched: %s",
                   failure.message);
    signals->every = signals->knn.every = 0;
    return FCMAE_OK;
}

void fcmae_signals_release(fcmae_signals *signals)
{
    fcmae_dataset_close(&signals->others);
    fcmae_watch_knn_release(&signals->knn);
    free(signals->held.indices);
    free(signals->images.bytes);
    free(signals->images.labels);
    free(signals->removed);
    free(signals->loss);
    free(signals->pooled);
    free(signals->losses.values);
}
