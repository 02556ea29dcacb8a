/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/inspection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fcmae/measure.h"

enum { WATCHED_SAMPLES = 8, PICTURES_PER_RUN = 8 };

static fcmae_status watch(fcmae_inspection *inspection, fcmae_run *run,
                          fcmae_train_figures *figures, fcmae_error *error)
{
    double started = fcmae_measure_seconds();
    if (figures->count > FCMAE_TRAIN_FIGURES - 3) return FCMAE_OK;
    if (!inspection->watch)
        FCMAE_TRY(fcmae_watch_create(&inspection->watch, &run->values->model, WATCHED_SAMPLES,
                                     run->values->lanes, error));
    fcmae_batch few = run->last; /* the first samples of the batch, with their masks */
    if (few.samples > WATCHED_SAMPLES) few.samples = WATCHED_SAMPLES;
    const fcmae_outputs outputs = {.observe = fcmae_watch_observe, .cookie = inspection->watch};
    FCMAE_TRY(fcmae_engine_forward(run->engine, &few, &outputs, error));
    double distance[FCMAE_STAGES], dead[FCMAE_STAGES];
    fcmae_watch_read(inspection->watch, distance, dead);
    int first = figures->count;
    fcmae_run_figure(figures, "collapse", 0);
    fcmae_run_figure(figures, "collapse_dead", 0);
    fcmae_run_figure(figures, "collapse_seconds", fcmae_measure_seconds() - started);
    figures->figures[first].size = figures->figures[first + 1].size = FCMAE_STAGES;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        figures->figures[first].values[s] = distance[s];
        figures->figures[first + 1].values[s] = dead[s];
    }
    return FCMAE_OK;
}

static fcmae_status prepare_pictures(fcmae_inspection *inspection, const fcmae_run *run,
                                     fcmae_error *error)
{
    int most = (int)run->values->batch_size;
    const fcmae_reconstruction_request request = {
        .config = run->values->model,
        .data = inspection->data,
        .side = run->values->input_size,
        .count = inspection->pictures < most ? inspection->pictures : most,
        .mask_unit = inspection->mask_unit,
        .threads = 1,
        .mask_ratio = inspection->mask_ratio,
        .seed = (uint64_t)run->values->seed}; /* no log: the run itself tells of unreadable files */
    return fcmae_reconstruction_create(&inspection->reconstruction, &request, error);
}

static fcmae_status draw_pictures(fcmae_inspection *inspection, fcmae_run *run, int64_t step,
                                  fcmae_error *error)
{
    char path[FCMAE_PATH];
    if (!inspection->reconstruction) FCMAE_TRY(prepare_pictures(inspection, run, error));
    int length = snprintf(path, sizeof path, "%s/reconstructions", run->folder.path);
    if (length < 0 || length > (int)sizeof path - 40)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path of the run is too long");
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "cannot create the folder %s", path);
    snprintf(path + length, sizeof path - (size_t)length, "/step-%06" PRId64 ".png", step);
    FCMAE_TRY(fcmae_reconstruction_predict(inspection->reconstruction, run->engine, error));
    FCMAE_TRY(fcmae_reconstruction_draw(inspection->reconstruction, path, error));
    fcmae_run_tensorboard_picture(run, step, path);
    return FCMAE_OK;
}

static bool picture_is_due(const fcmae_inspection *inspection, const fcmae_run *run, int64_t step)
{
    int64_t every = run->plan.steps / PICTURES_PER_RUN;
    if (inspection->pictures == 0) return false;
    return step == 1 || step == run->plan.steps || every < 2 || step % every == 0;
}

fcmae_status fcmae_inspect(fcmae_inspection *inspection, fcmae_run *run, int64_t step,
                           fcmae_train_figures *figures, fcmae_error *error)
{
    fcmae_error failure = {0};
    if (picture_is_due(inspection, run, step) &&
        draw_pictures(inspection, run, step, &failure) != FCMAE_OK) {
        fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING,
                       "no more pictures of reconstructions: %s", failure.message);
        inspection->pictures = 0;
    }
    if (inspection->watch_every == 0 || step % inspection->watch_every != 0) return FCMAE_OK;
    return watch(inspection, run, figures, error);
}

void fcmae_inspection_release(fcmae_inspection *inspection)
{
    fcmae_watch_destroy(&inspection->watch);
    fcmae_reconstruction_destroy(&inspection->reconstruction);
}
