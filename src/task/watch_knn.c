/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/watch_knn.h"

#include <math.h>
#include <stdlib.h>

#include "evaluate/dense_pass.h"

enum { FEWEST = 100, NEIGHBOURS = 20, LEAST_TIMES = 5, MOST_TIMES = 20 };
#define BUDGET 0.01 /* of the work of the run */
#define TEMPERATURE 0.07

fcmae_status fcmae_watch_knn_open(fcmae_watch_knn *watch, const fcmae_run *run, bool needed,
                                  fcmae_error *error)
{
    const fcmae_dataset_options labelled = {.labelled = true};
    fcmae_error reason = {0};
    fcmae_status status = fcmae_dataset_open(&watch->set, run->data_root, &labelled, &reason);
    if (status == FCMAE_ERR_MEMORY) return fcmae_fail(error, status, "%s", reason.message);
    watch->classes = status == FCMAE_OK ? fcmae_dataset_classes(watch->set) : 0;
    bool told = watch->classes >= 2 && watch->classes <= fcmae_dataset_count(watch->set) / 2;
    if (told) return FCMAE_OK;
    fcmae_dataset_close(&watch->set);
    if (!needed) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                      "watch-knn needs images with labels, but %.500s has no folders of classes: "
                      "at least two, and fewer than half as many as images",
                      run->data_root);
}

void fcmae_watch_knn_plan(fcmae_watch_knn *watch, const fcmae_run *run, double visible,
                          int64_t every)
{
    if (!watch->set || every == 0) return;
    double samples = (double)run->plan.steps * (double)run->plan.effective_batch;
    /* whole images that can be afforded in all: forward takes a third of an update */
    double images = BUDGET * samples * 3 * visible;
    int64_t present = fcmae_dataset_count(watch->set);
    double sample = fmin(fmax(images / (LEAST_TIMES + 1), FEWEST), FCMAE_RUN_COMPARED);
    double times = fmin(fmax(images / sample, LEAST_TIMES), MOST_TIMES);
    if (every > 0) sample = FCMAE_RUN_COMPARED;
    watch->wanted = sample < (double)present ? (int64_t)sample : present;
    watch->every = every > 0 ? every : (int64_t)ceil((double)run->plan.steps / times);
}

fcmae_status fcmae_watch_knn_load(fcmae_watch_knn *watch, const fcmae_run *run, fcmae_error *error)
{
    int64_t *indices = NULL, count = 0;
    if (watch->every == 0) return FCMAE_OK;
    double share = (double)watch->wanted / (double)fcmae_dataset_count(watch->set);
    FCMAE_TRY(fcmae_dataset_subset(watch->set, share, (uint64_t)run->values->seed, &indices, &count,
                                   error));
    fcmae_status status = fcmae_watched_add(&watch->sample, run, watch->set, indices, count, error);
    free(indices);
    fcmae_dataset_close(&watch->set);
    if (watch->sample.count < 2) watch->every = 0;
    return status;
}

/** @param values  [sample.count, dims[3]] */
static fcmae_status embed(const fcmae_watch_knn *watch, const fcmae_run *run, float *values,
                          fcmae_error *error)
{
    const fcmae_engine_options options = fcmae_run_watching_engine(&run->plan.engine.options);
    size_t pixels = 3 * (size_t)options.height * (size_t)options.width;
    int64_t dimension = run->values->model.dims[3], count = watch->sample.count;
    fcmae_engine *engine = NULL;
    fcmae_status status = fcmae_engine_create(&engine, run->model, &options, error);
    for (int64_t first = 0; first < count && status == FCMAE_OK; first += options.batch) {
        int64_t images = count - first < options.batch ? count - first : options.batch;
        const fcmae_batch batch = {.images = {.count = images,
                                              .bytes = watch->sample.bytes + (size_t)first * pixels,
                                              .mean = fcmae_imagenet_mean,
                                              .deviation = fcmae_imagenet_deviation},
                                   .samples = images};
        const fcmae_outputs outputs = {.pooled = values + first * dimension};
        status = fcmae_engine_forward(engine, &batch, &outputs, error);
    }
    fcmae_engine_destroy(&engine);
    if (status == FCMAE_OK) fcmae_pass_normalise(run->model, values, count, values);
    return status;
}

fcmae_status fcmae_watch_knn_measure(const fcmae_watch_knn *watch, const fcmae_run *run,
                                     double *top1, fcmae_error *error)
{
    static const int k[] = {NEIGHBOURS};
    const fcmae_knn_options options = {.k = k,
                                       .count = 1,
                                       .temperature = TEMPERATURE,
                                       .centre = true,
                                       .leave_one_out = true,
                                       .threads = run->values->threads};
    int64_t images = watch->sample.count, correct = 0;
    fcmae_features features = {.count = images,
                               .dimension = run->values->model.dims[3],
                               .labels = watch->sample.labels,
                               .views = 1};
    features.values = malloc((size_t)images * (size_t)features.dimension * sizeof(float));
    if (!features.values)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the features of %lld images",
                          (long long)images);
    fcmae_status status = embed(watch, run, features.values, error);
    if (status == FCMAE_OK)
        status = fcmae_knn_classify(&features, &features, watch->classes, &options, &correct,
                                    error);
    free(features.values);
    *top1 = 100 * (double)correct / (double)images;
    return status;
}

void fcmae_watch_knn_release(fcmae_watch_knn *watch)
{
    fcmae_dataset_close(&watch->set);
    free(watch->sample.bytes);
    free(watch->sample.labels);
}
