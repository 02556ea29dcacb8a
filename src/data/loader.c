/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The side of the caller: creation, handing out batches, judging unreadable files. */
#include "data/loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "fcmae/measure.h"

#define DEFAULT_BAD_SHARE 0.05
#define DEFAULT_BAD_FILES 10 /* a small set may have this many, up to a quarter of it */
#define DEFAULT_SHUFFLE_BUFFER 4096

static void stop_workers(fcmae_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->stopping = true;
    pthread_cond_broadcast(&loader->room);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->running; i++) pthread_join(loader->threads[i], NULL);
    loader->running = 0;
}

static fcmae_status start_workers(fcmae_loader *loader, int64_t serial, fcmae_error *error)
{
    loader->stopping = false;
    loader->start = loader->planned = loader->taken = serial;
    loader->next_sample = 0;
    loader->order_known = false;
    loader->announced = loader->to_announce = 0;
    for (int i = 0; i < loader->options.workers; i++) {
        int reason = pthread_create(&loader->threads[i], NULL, fcmae_loader_work, loader);
        if (reason != 0 && i == 0)
            return fcmae_fail_system(error, FCMAE_ERR_MEMORY, reason,
                                     "cannot start a loader thread");
        if (reason != 0) break; /* fewer workers give the same batches */
        loader->running++;
    }
    return FCMAE_OK;
}

static fcmae_status resolve_options(fcmae_loader *loader, fcmae_error *error)
{
    fcmae_loader_options *o = &loader->options;
    FCMAE_TRY(fcmae_transform_check(&o->transform, error));
    if (o->workers == 0) o->workers = fcmae_processor_count();
    if (o->prefetch == 0) o->prefetch = 3;
    if (o->shuffle_buffer == 0) o->shuffle_buffer = DEFAULT_SHUFFLE_BUFFER;
    if (o->batch < 1 || o->batch > 1 << 20 || o->workers < 1 || o->workers > 1024 ||
        o->prefetch < 1 || o->prefetch > 1000 || o->shuffle_buffer < 1 || !(o->bad_share <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "loader: batch %d, workers %d, prefetch %d or share of unreadable files "
                          "%g is outside its range",
                          o->batch, o->workers, o->prefetch, o->bad_share);
    if (o->cache_bytes > 0 && o->transform.fast_decode)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "fast decoding and the cache of decoded pictures exclude each other: a "
                          "sample would depend on whether its picture is in the cache");
    loader->images = o->subset ? o->subset_count : fcmae_dataset_count(loader->dataset);
    bool whole = o->training && !o->keep_last; /* batches only */
    if (loader->images < 1 || (whole && loader->images < o->batch))
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%lld images are fewer than one batch of %d: use a smaller batch or more "
                          "images",
                          (long long)loader->images, o->batch);
    for (int64_t i = 0; o->subset && i < o->subset_count; i++)
        if (o->subset[i] < 0 || o->subset[i] >= fcmae_dataset_count(loader->dataset))
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "loader: there is no image %lld",
                              (long long)o->subset[i]);
    loader->batches = whole ? loader->images / o->batch
                            : (loader->images + o->batch - 1) / o->batch;
    loader->slot_count = o->prefetch + 1; /* one is with the caller */
    loader->sample_bytes = (size_t)o->transform.size * (size_t)o->transform.size * 3;
    return FCMAE_OK;
}

static fcmae_status allocate(fcmae_loader *loader, fcmae_error *error)
{
    const fcmae_loader_options *o = &loader->options;
    size_t batch = (size_t)o->batch, images = (size_t)loader->images;
    bool good = true;
    loader->threads = calloc((size_t)o->workers, sizeof *loader->threads);
    loader->slots = calloc((size_t)loader->slot_count, sizeof *loader->slots);
    loader->bad = calloc((size_t)fcmae_dataset_count(loader->dataset) / 8 + 1, 1);
    if (o->training) good = (loader->order = malloc(images * sizeof *loader->order)) != NULL;
    if (o->training && !o->subset && loader->dataset->places) {
        loader->ahead = malloc(images * sizeof *loader->ahead);
        loader->shard_order = malloc(loader->dataset->folder_count * sizeof *loader->shard_order);
        good = good && loader->ahead && loader->shard_order;
    }
    if (o->subset) {
        loader->subset = malloc(images * sizeof *loader->subset);
        good = good && loader->subset;
        if (loader->subset) memcpy(loader->subset, o->subset, images * sizeof *loader->subset);
    }
    good = good && loader->threads && loader->slots && loader->bad;
    for (int i = 0; good && i < loader->slot_count; i++) {
        fcmae_loader_slot *s = &loader->slots[i];
        s->images = fcmae_allocate_aligned(batch, loader->sample_bytes);
        s->labels = calloc(batch, sizeof *s->labels);
        s->indices = calloc(batch, sizeof *s->indices);
        good = s->images && s->labels && s->indices;
    }
    if (o->cache_bytes > 0)
        FCMAE_TRY(fcmae_cache_create(&loader->cache, fcmae_dataset_count(loader->dataset),
                                     o->cache_bytes, error));
    if (!good)
        return fcmae_fail(
            error, FCMAE_ERR_MEMORY,
            "no memory for %d batches of %d samples (%.2f GiB): use a smaller batch or "
            "prefetch fewer",
            loader->slot_count, o->batch,
            (double)loader->slot_count * (double)batch * (double)loader->sample_bytes /
                1073741824.0);
    return FCMAE_OK;
}

fcmae_status fcmae_loader_create(fcmae_loader **out, const fcmae_dataset *dataset,
                                 const fcmae_loader_options *options, fcmae_error *error)
{
    fcmae_loader *loader = calloc(1, sizeof *loader);
    if (!loader) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a loader");
    loader->dataset = dataset;
    loader->options = *options;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->room, NULL);
    pthread_cond_init(&loader->ready, NULL);
    fcmae_status status = resolve_options(loader, error);
    if (status == FCMAE_OK) status = allocate(loader, error);
    loader->options.subset = NULL; /* copied */
    if (status == FCMAE_OK) status = start_workers(loader, 0, error);
    if (status != FCMAE_OK)
        fcmae_loader_destroy(&loader);
    else
        *out = loader;
    return status;
}

void fcmae_loader_destroy(fcmae_loader **pointer)
{
    fcmae_loader *loader = *pointer;
    if (!loader) return;
    stop_workers(loader);
    for (int i = 0; loader->slots && i < loader->slot_count; i++) {
        free(loader->slots[i].images);
        free(loader->slots[i].labels);
        free(loader->slots[i].indices);
    }
    free(loader->slots);
    free(loader->threads);
    free(loader->order);
    free(loader->ahead);
    free(loader->shard_order);
    free(loader->subset);
    free(loader->bad);
    free(loader->bad_list);
    fcmae_cache_destroy(&loader->cache);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->room);
    pthread_mutex_destroy(&loader->lock);
    free(loader);
    *pointer = NULL;
}

int64_t fcmae_loader_batches(const fcmae_loader *loader)
{
    return loader->batches;
}

fcmae_status fcmae_loader_start(fcmae_loader *loader, uint32_t epoch, int64_t batch,
                                fcmae_error *error)
{
    if (batch < 0 || batch > loader->batches || (!loader->options.training && epoch != 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "loader: there is no batch %lld of epoch %u",
                          (long long)batch, epoch);
    stop_workers(loader);
    return start_workers(loader, (int64_t)epoch * loader->batches + batch, error);
}

/* ------------------------------------------------------------ handing out */

/** Called with the lock, which is given back while a line is logged: writing can take a while, and
 *  the log may ask for statistics. */
static void log_bad_files(fcmae_loader *loader)
{
    while (loader->bad_logged < loader->bad_count) {
        int64_t next = loader->bad_logged++;
        if (next >= loader->bad_capacity) continue;  /* memory was short: no text */
        fcmae_bad_file bad = loader->bad_list[next]; /* workers may move the list */
        pthread_mutex_unlock(&loader->lock);
        char name[1000];
        fcmae_dataset_name(loader->dataset, bad.index, name, sizeof name);
        fcmae_log_line(&loader->options.log, FCMAE_LOG_WARNING, "unreadable image skipped: %s: %s",
                       name, bad.reason);
        pthread_mutex_lock(&loader->lock);
    }
}

/**
 * Too many means: more than the share of all images; or so many of those tried so far that chance
 * (five standard deviations) does not explain it, so that a hopeless run ends early.
 */
static fcmae_status judge_bad_files(fcmae_loader *loader, fcmae_error *error)
{
    double given = loader->options.bad_share, images = (double)loader->images;
    double share = given == 0 ? DEFAULT_BAD_SHARE : given < 0 ? 0 : given;
    double small = fmin(DEFAULT_BAD_FILES, floor(images / 4));
    double limit = given == 0 ? fmax(share * images, small) : share * images;
    double expected = share * fmin(images, (double)loader->tried);
    double early = DEFAULT_BAD_FILES + expected + 5 * sqrt(expected);
    double count = (double)loader->bad_count;
    if (loader->bad_count == 0 || (count <= limit && count <= early)) return FCMAE_OK;
    char text[700] = "";
    size_t used = 0;
    for (int64_t i = 0; i < loader->bad_count && i < 5 && i < loader->bad_capacity; i++) {
        char name[200];
        fcmae_dataset_name(loader->dataset, loader->bad_list[i].index, name, sizeof name);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.100s", i ? ", " : "", name);
    }
    return fcmae_fail(error, FCMAE_ERR_FORMAT,
                      "%lld of %lld images are unreadable, more than %.3g %% are tolerated; the "
                      "first: %s",
                      (long long)loader->bad_count, (long long)loader->images, 100 * share, text);
}

/** Evaluation: closes the gaps that unreadable files left. */
static void close_gaps(fcmae_loader *loader, fcmae_loader_slot *s)
{
    int kept = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->indices[i] < 0) continue;
        if (kept != i) {
            memcpy(s->images + (size_t)kept * loader->sample_bytes,
                   s->images + (size_t)i * loader->sample_bytes, loader->sample_bytes);
            s->indices[kept] = s->indices[i];
            s->labels[kept] = s->labels[i];
        }
        kept++;
    }
    s->count = kept;
}

/** Waits until the next batch is complete; NULL after a failure. */
static fcmae_loader_slot *wait_for_batch(fcmae_loader *loader)
{
    fcmae_loader_slot *s = &loader->slots[loader->taken % loader->slot_count];
    double begin = fcmae_measure_seconds();
    while (loader->failure == FCMAE_OK && (loader->planned <= loader->taken || s->remaining > 0))
        pthread_cond_wait(&loader->ready, &loader->lock);
    loader->statistics.wait_seconds += fcmae_measure_seconds() - begin;
    return loader->failure == FCMAE_OK ? s : NULL;
}

fcmae_status fcmae_loader_next(fcmae_loader *loader, fcmae_samples *samples, fcmae_error *error)
{
    *samples = (fcmae_samples){0};
    fcmae_status status = FCMAE_OK;
    pthread_mutex_lock(&loader->lock);
    while (status == FCMAE_OK && samples->count == 0) {
        if (!loader->options.training && loader->taken >= loader->batches) break;
        fcmae_loader_slot *s = wait_for_batch(loader);
        loader->statistics.bad_files = loader->bad_count;
        log_bad_files(loader);
        if (!s) {
            if (loader->failure == FCMAE_ERR_FORMAT) status = judge_bad_files(loader, error);
            if (status == FCMAE_OK)
                status = fcmae_fail(error, loader->failure, "%s", loader->failure_message);
            break;
        }
        loader->taken++;
        pthread_cond_broadcast(&loader->room);
        loader->tried += s->count;
        status = judge_bad_files(loader, error);
        close_gaps(loader, s);
        loader->statistics.samples += s->count;
        *samples = (fcmae_samples){s->count, s->images, s->labels, s->indices, s->epoch, s->batch};
    }
    pthread_mutex_unlock(&loader->lock);
    return status;
}

fcmae_loader_statistics fcmae_loader_get_statistics(const fcmae_loader *loader)
{
    fcmae_loader *l = (fcmae_loader *)(uintptr_t)loader;
    pthread_mutex_lock(&l->lock);
    fcmae_loader_statistics statistics = loader->statistics;
    pthread_mutex_unlock(&l->lock);
    return statistics;
}
