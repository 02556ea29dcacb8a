/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "inspection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"
#include "shared.h"

enum { WATCHED_SAMPLES = 8, PICTURES_PER_RUN = 8 };

void cli_inspection_begin(cli_inspection *inspection, const fcmae_train_plan *plan)
{
    inspection->steps = plan->steps;
    inspection->picture_every = plan->steps / PICTURES_PER_RUN;
    if (inspection->picture_every < 1) inspection->picture_every = 1;
}

static fcmae_status watch(cli_inspection *inspection, fcmae_engine *engine,
                          const fcmae_batch *batch, fcmae_train_figures *figures,
                          fcmae_error *error)
{
    const fcmae_engine_plan_info *info = fcmae_engine_info(engine);
    double started = fcmae_measure_seconds();
    fcmae_status status = FCMAE_OK;
    if (!inspection->watch)
        status = fcmae_watch_create(&inspection->watch, &inspection->pretrain->model,
                                    WATCHED_SAMPLES, info->options.lanes, error);
    fcmae_batch few = *batch; /* the first samples of the batch, with their masks */
    if (few.samples > WATCHED_SAMPLES) few.samples = WATCHED_SAMPLES;
    few.targets = few.branch_scale = NULL;
    fcmae_outputs outputs = {.observe = fcmae_watch_observe, .cookie = inspection->watch};
    if (status == FCMAE_OK) status = fcmae_engine_forward(engine, &few, &outputs, error);
    if (status != FCMAE_OK) return status;
    figures->count = 3;
    figures->figures[0].name = "collapse";
    figures->figures[1].name = "collapse_dead";
    figures->figures[2].name = "collapse_seconds";
    figures->figures[0].size = figures->figures[1].size = FCMAE_STAGES;
    figures->figures[2].size = 1;
    fcmae_watch_read(inspection->watch, figures->figures[0].values, figures->figures[1].values);
    figures->figures[2].values[0] = fcmae_measure_seconds() - started;
    return FCMAE_OK;
}

static fcmae_status prepare_pictures(cli_inspection *inspection, fcmae_engine *engine,
                                     fcmae_error *error)
{
    const fcmae_pretrain_options *p = inspection->pretrain;
    int most = fcmae_engine_info(engine)->options.batch;
    cli_reconstruction_options what = {
        .config = p->model,
        .data = p->data,
        .side = p->input_size,
        .count = inspection->pictures < most ? inspection->pictures : most,
        .mask_unit = p->mask_unit,
        .threads = 1,
        .mask_ratio = p->mask_ratio,
        .seed = p->run.seed,
        .log = {0}}; /* the run itself has told of unreadable files */
    return cli_reconstruction_prepare(&inspection->reconstruction, &what, error);
}

static fcmae_status draw_pictures(cli_inspection *inspection, int64_t step, fcmae_engine *engine,
                                  fcmae_error *error)
{
    char path[4200];
    fcmae_status status = FCMAE_OK;
    if (inspection->reconstruction.count == 0) status = prepare_pictures(inspection, engine, error);
    int length = snprintf(path, sizeof path, "%s/reconstructions",
                          inspection->pretrain->run.output);
    if (length < 0 || length > (int)sizeof path - 40)
        return cli_error(error, FCMAE_ERR_ARGUMENT, "the path of the run is too long");
    if (status == FCMAE_OK && mkdir(path, 0777) != 0 && errno != EEXIST)
        status = cli_error(error, FCMAE_ERR_IO, "cannot create the folder %s: %s", path,
                           strerror(errno));
    snprintf(path + length, sizeof path - (size_t)length, "/step-%06" PRId64 ".png", step);
    if (status == FCMAE_OK)
        status = cli_reconstruction_predict(&inspection->reconstruction, engine, error);
    if (status == FCMAE_OK)
        status = cli_reconstruction_draw(&inspection->reconstruction, path, error);
    return status;
}

static bool picture_is_due(const cli_inspection *inspection, int64_t step)
{
    if (inspection->pictures == 0) return false;
    return step == 1 || step == inspection->steps || step % inspection->picture_every == 0;
}

fcmae_status cli_inspection_update(cli_inspection *inspection, int64_t step, fcmae_engine *engine,
                                   const fcmae_batch *batch, fcmae_train_figures *figures,
                                   fcmae_error *error)
{
    fcmae_error failure = {0};
    if (picture_is_due(inspection, step) &&
        draw_pictures(inspection, step, engine, &failure) != FCMAE_OK) {
        char line[1100];
        snprintf(line, sizeof line, "no more pictures of reconstructions: %s", failure.message);
        if (inspection->log.write)
            inspection->log.write(inspection->log.cookie, FCMAE_LOG_WARNING, line);
        inspection->pictures = 0;
    }
    if (inspection->watch_every == 0 || step % inspection->watch_every != 0) return FCMAE_OK;
    return watch(inspection, engine, batch, figures, error);
}

void cli_inspection_release(cli_inspection *inspection)
{
    fcmae_watch_destroy(&inspection->watch);
    cli_reconstruction_release(&inspection->reconstruction);
}
