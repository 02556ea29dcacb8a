/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A loss or gradient that is not finite: which images, and what remains. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "run/run.h"

enum { NAMED = 3 };   /* images in the sentence; the log has all of them */
enum { SANE = 1000 }; /* no weight of a network that learns is larger */

/** Keeps in run->used only the images of samples whose own loss is not finite, if that can be
 * told. */
static void find_culprits(fcmae_run *run, const fcmae_batch *batch)
{
    const double *losses = fcmae_engine_failed_losses(run->engine);
    int64_t first = run->used_count - batch->images.count, kept = 0;
    for (int64_t i = 0; losses && first >= 0 && i < batch->samples; i++) {
        if (isfinite(losses[i])) continue;
        int64_t image = run->used[first + (batch->image_of ? batch->image_of[i] : i)];
        if (kept == 0 || run->used[kept - 1] != image) run->used[kept++] = image;
    }
    if (kept > 0) run->used_count = kept;
}

static void log_images(fcmae_run *run, int64_t step, const char *message)
{
    char(*names)[FCMAE_PATH] = calloc((size_t)run->used_count + 1, sizeof *names);
    const char **list = calloc((size_t)run->used_count + 1, sizeof *list);
    if (names && list) {
        for (int64_t i = 0; i < run->used_count; i++) {
            fcmae_dataset_name(run->dataset, run->used[i], names[i], sizeof names[i]);
            list[i] = names[i];
        }
        fcmae_error ignored; /* the failure itself matters more than one that its record meets */
        if (fcmae_run_log_event(&run->log, step, "not finite", message, list, run->used_count,
                                &ignored) == FCMAE_OK)
            fcmae_run_log_sync(&run->log, &ignored);
    }
    free(names);
    free(list);
}

fcmae_status fcmae_run_not_finite(fcmae_run *run, int64_t step, const fcmae_batch *batch,
                                  fcmae_error *error)
{
    run->spoilt = true;
    if (batch) find_culprits(run, batch);
    char reason[300] = "", images[600] = "";
    float largest;
    const fcmae_parameter *suspect = fcmae_model_largest(run->model, &largest);
    if (error) snprintf(reason, sizeof reason, "%.150s", error->message);
    if (largest > SANE)
        snprintf(reason + strlen(reason), sizeof reason - strlen(reason),
                 "; the images are hardly to blame, since a weight in tensor %s is %g",
                 suspect->name, (double)largest);
    for (int64_t i = 0; i < run->used_count && i < NAMED; i++) {
        char name[FCMAE_PATH];
        size_t length = strlen(images);
        fcmae_dataset_name(run->dataset, run->used[i], name, sizeof name);
        snprintf(images + length, sizeof images - length, "%s%.180s", i > 0 ? ", " : "", name);
    }
    fcmae_status status = fcmae_fail(
        error, FCMAE_ERR_NUMERIC,
        "update %lld: %s; images: %s%s; nothing was saved, last good checkpoint: %.200s",
        (long long)step, reason, images,
        run->used_count > NAMED ? " and others (all of them in log.jsonl)" : "",
        run->saved_step >= 0 ? run->saved_path : "none");
    log_images(run, step, reason);
    return status;
}
