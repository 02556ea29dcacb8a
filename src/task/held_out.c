/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/held_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_SHARE 0.02
enum { FEWEST = 8, MOST = 256, WORTH_IT = 50, LOADED = 32 };

int64_t fcmae_held_out_usual(int64_t images)
{
    int64_t wanted = (int64_t)rint(USUAL_SHARE * (double)images);
    if (images < WORTH_IT) return 0;
    return wanted < FEWEST ? FEWEST : wanted > MOST ? MOST : wanted;
}

/** What is left of the data set becomes the images to train on. */
static fcmae_status train_on_others(const fcmae_held_out *held, fcmae_run *run, fcmae_error *error)
{
    int64_t images = fcmae_dataset_count(run->dataset), left = 0, next = 0;
    run->subset = malloc((size_t)(images - held->count) * sizeof *run->subset);
    if (!run->subset)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of %" PRId64 " images",
                          images);
    for (int64_t i = 0; i < images; i++) {
        if (next < held->count && held->indices[next] == i)
            next++;
        else
            run->subset[left++] = i;
    }
    run->values->data_images = left;
    return FCMAE_OK;
}

fcmae_status fcmae_held_out_draw(fcmae_held_out *held, fcmae_run *run, int64_t wanted,
                                 fcmae_error *error)
{
    int64_t images = fcmae_dataset_count(run->dataset);
    FCMAE_TRY(fcmae_dataset_subset(run->dataset, (double)wanted / (double)images,
                                   (uint64_t)run->values->seed, &held->indices, &held->count,
                                   error));
    return train_on_others(held, run, error);
}

static fcmae_status reserve(fcmae_watched *watched, int64_t images, size_t pixels,
                            fcmae_error *error)
{
    uint8_t *bytes = realloc(watched->bytes, (size_t)images * pixels);
    if (bytes) watched->bytes = bytes;
    int32_t *labels = realloc(watched->labels, (size_t)images * sizeof *labels);
    if (labels) watched->labels = labels;
    if (bytes && labels) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %" PRId64 " watched images", images);
}

fcmae_status fcmae_watched_add(fcmae_watched *watched, const fcmae_run *run,
                               const fcmae_dataset *dataset, const int64_t *indices, int64_t count,
                               fcmae_error *error)
{
    size_t side = (size_t)run->values->input_size, pixels = 3 * side * side;
    const fcmae_loader_options loading = {
        .transform = fcmae_transform_evaluate((int)side, 0),
        .batch = (int)(count < LOADED ? count : LOADED),
        .workers = run->values->workers,
        .bad_share = 1, /* the run itself tells of files that it cannot read */
        .subset = indices,
        .subset_count = count};
    fcmae_loader *loader = NULL;
    if (count == 0) return FCMAE_OK;
    FCMAE_TRY(reserve(watched, watched->count + count, pixels, error));
    FCMAE_TRY(fcmae_loader_create(&loader, dataset, &loading, error));
    fcmae_status status = FCMAE_OK;
    for (;;) {
        fcmae_samples samples;
        status = fcmae_loader_next(loader, &samples, error);
        if (status != FCMAE_OK || samples.count == 0) break;
        memcpy(watched->bytes + (size_t)watched->count * pixels, samples.images,
               (size_t)samples.count * pixels);
        memcpy(watched->labels + watched->count, samples.labels,
               (size_t)samples.count * sizeof *samples.labels);
        watched->count += samples.count;
    }
    fcmae_loader_destroy(&loader);
    return status;
}
