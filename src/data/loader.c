/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The loader: workers fill a ring of batches, next() hands them out in order.
 *
 * Work is handed out sample by sample ("tickets"), so all workers help with the batch that is
 * needed next. A batch is *planned* (which images, in which order) when its first ticket is taken,
 * under the lock; all else happens outside. A worker may take tickets of a batch as soon as the
 * slot of the ring it belongs to has been given back.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/dataset.h"
#include "data/transform.h"

#define DEFAULT_BAD_SHARE 0.05
#define DEFAULT_BAD_FILES 10 /* a small set may have this many, up to a quarter of it */
#define DEFAULT_SHUFFLE_BUFFER 4096
#define MAX_REPLACEMENTS 200

/** One batch on its way. */
typedef struct slot {
    uint8_t *images;
    int32_t *labels;
    int64_t *indices; /* planned, then replaced by what was used; -1: left out */
    int count;        /* samples planned */
    int remaining;    /* samples not yet written */
    uint32_t epoch;
    int64_t batch;
} slot;

struct fcmae_loader {
    const fcmae_dataset *dataset;
    fcmae_loader_options options; /* resolved */
    int64_t *subset;
    int64_t images; /* of an epoch */
    int64_t batches;
    size_t sample_bytes;

    pthread_mutex_t lock;
    pthread_cond_t room, ready; /* for workers: a ticket may be free; for next(): a batch is full */
    pthread_t *threads;
    int running;      /* workers to be joined */
    bool stopping;
    int busy;         /* workers outside the lock */

    slot *slots;
    int slot_count;
    int64_t start;    /* serial number (epoch * batches + batch) of the first batch */
    int64_t planned;  /* serial numbers: the next batch to plan ... */
    int64_t taken;    /* ... and the next to hand out; its predecessor is with the caller */
    int next_sample;  /* of the batch planned last; its count when all tickets are gone */
    int64_t *order;   /* of `order_epoch`; NULL outside training */
    int64_t *ahead, *shard_order; /* shards: fcmae_dataset_shuffle(); else NULL */
    int64_t announced, to_announce; /* places of `ahead` the kernel knows; and is to be told of */
    uint32_t order_epoch;
    bool order_known;

    uint8_t *bad;     /* one bit per image of the data set */
    int64_t bad_count, bad_logged, bad_capacity;
    int64_t tried;    /* samples asked for, readable or not */
    struct { int64_t index; char reason[200]; } *bad_list;
    fcmae_status failure;
    char failure_message[sizeof((fcmae_error *)0)->message];
    fcmae_loader_statistics statistics;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ------------------------------------------------------------ planning (under the lock) */

static int64_t image_at(const fcmae_loader *loader, int64_t place)
{
    return loader->subset ? loader->subset[place] : place;
}

static void plan_batch(fcmae_loader *loader)
{
    int64_t serial = loader->planned++;
    slot *s = &loader->slots[serial % loader->slot_count];
    s->epoch = (uint32_t)(serial / loader->batches);
    s->batch = serial % loader->batches;
    if (loader->order && (!loader->order_known || loader->order_epoch != s->epoch)) {
        fcmae_random random =
            fcmae_random_start(loader->options.seed, FCMAE_RANDOM_SHUFFLE, s->epoch, 0);
        if (loader->subset)
            fcmae_random_permutation(&random, loader->images, loader->order);
        else
            fcmae_dataset_shuffle(loader->dataset, &random, loader->options.shuffle_buffer,
                                  loader->shard_order, loader->ahead, loader->order);
        loader->announced = s->batch * loader->options.batch;
        loader->order_epoch = s->epoch;
        loader->order_known = true;
    }
    int64_t first = s->batch * loader->options.batch, left = loader->images - first;
    s->count = left < loader->options.batch ? (int)left : loader->options.batch;
    s->remaining = s->count;
    for (int i = 0; i < s->count; i++)
        s->indices[i] = image_at(loader, loader->order ? loader->order[first + i] : first + i);
    loader->next_sample = 0;
    if (loader->ahead) {
        int64_t end = first + s->count + loader->options.shuffle_buffer;
        loader->to_announce = end < loader->images ? end : loader->images;
    }
}

/** Whether a ticket can be taken now; plans the batch it belongs to. */
static bool ticket_free(fcmae_loader *loader)
{
    if (loader->planned > loader->start) {
        const slot *last = &loader->slots[(loader->planned - 1) % loader->slot_count];
        if (loader->next_sample < last->count) return true;
    }
    /* the caller holds batch taken - 1; its slot is free once it asks for the next */
    if (loader->planned - loader->taken >= loader->slot_count - 1) return false;
    if (!loader->options.training && loader->planned >= loader->batches) return false;
    plan_batch(loader);
    return true;
}

/* ------------------------------------------------------------ samples (outside the lock) */

typedef struct worker {
    fcmae_loader *loader;
    fcmae_buffer file;
    fcmae_transform_scratch scratch;
} worker;

static bool is_bad(fcmae_loader *loader, int64_t index)
{
    pthread_mutex_lock(&loader->lock);
    bool bad = loader->bad[index / 8] >> (index % 8) & 1;
    pthread_mutex_unlock(&loader->lock);
    return bad;
}

static void note_bad(fcmae_loader *loader, int64_t index, const char *reason)
{
    pthread_mutex_lock(&loader->lock);
    if (!(loader->bad[index / 8] >> (index % 8) & 1)) {
        loader->bad[index / 8] |= (uint8_t)(1 << (index % 8));
        if (loader->bad_count == loader->bad_capacity) {
            int64_t capacity = loader->bad_capacity ? 2 * loader->bad_capacity : 32;
            void *list = realloc(loader->bad_list, (size_t)capacity * sizeof *loader->bad_list);
            if (list) {
                loader->bad_list = list;
                loader->bad_capacity = capacity;
            }
        }
        if (loader->bad_count < loader->bad_capacity) {
            loader->bad_list[loader->bad_count].index = index;
            snprintf(loader->bad_list[loader->bad_count].reason,
                     sizeof loader->bad_list->reason, "%.199s", reason);
        }
        loader->bad_count++;
    }
    pthread_mutex_unlock(&loader->lock);
}

/** FCMAE_OK, or why this image cannot be used; memory shortage is not the file's fault. */
static fcmae_status load_sample(worker *w, int64_t index, uint32_t epoch, uint64_t position,
                                uint8_t *out, fcmae_error *error)
{
    fcmae_loader *loader = w->loader;
    if (is_bad(loader, index)) return FCMAE_ERR_FORMAT;
    fcmae_status status = fcmae_dataset_fetch(loader->dataset, index, &w->file, error);
    if (status == FCMAE_OK)
        status = fcmae_transform_run(&loader->options.transform, &w->scratch, w->file.bytes,
                                     w->file.size, loader->options.seed, epoch, position, out,
                                     error);
    if (status != FCMAE_OK && status != FCMAE_ERR_MEMORY) note_bad(loader, index, error->message);
    return status;
}

/**
 * Fills one place of a batch. In training an unreadable image is replaced by one drawn from the
 * stream (seed, SHUFFLE, epoch, 1 + position); the crop stays the one of the position.
 */
static fcmae_status fill_place(worker *w, slot *s, int place, fcmae_error *error)
{
    fcmae_loader *loader = w->loader;
    uint8_t *out = s->images + (size_t)place * loader->sample_bytes;
    uint64_t position = (uint64_t)s->batch * (uint64_t)loader->options.batch + (uint64_t)place;
    int64_t index = s->indices[place];
    fcmae_random random =
        fcmae_random_start(loader->options.seed, FCMAE_RANDOM_SHUFFLE, s->epoch, 1 + position);
    for (int attempt = 0; attempt <= MAX_REPLACEMENTS; attempt++) {
        fcmae_status status = load_sample(w, index, s->epoch, position, out, error);
        if (status == FCMAE_ERR_MEMORY) return status;
        if (status != FCMAE_OK && !loader->options.training) index = -1;
        if (status == FCMAE_OK || index < 0) {
            s->indices[place] = index;
            s->labels[place] = index < 0 ? -1 : fcmae_dataset_label(loader->dataset, index);
            return FCMAE_OK;
        }
        index = image_at(loader, (int64_t)fcmae_random_below(&random, (uint64_t)loader->images));
    }
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%d images in a row are unreadable",
                      MAX_REPLACEMENTS);
}

/** Called with the lock, which is given back meanwhile: reading ahead can take a while. */
static void announce(fcmae_loader *loader)
{
    int64_t count = loader->to_announce - loader->announced;
    int64_t *indices = malloc((size_t)count * sizeof *indices);
    if (indices) memcpy(indices, loader->ahead + loader->announced, (size_t)count * sizeof *indices);
    loader->announced = loader->to_announce;
    if (!indices) return; /* only slower */
    pthread_mutex_unlock(&loader->lock);
    fcmae_dataset_announce(loader->dataset, indices, count);
    free(indices);
    pthread_mutex_lock(&loader->lock);
}

static void *work(void *argument)
{
    worker w = {.loader = argument};
    fcmae_loader *loader = w.loader;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stopping && !ticket_free(loader))
            pthread_cond_wait(&loader->room, &loader->lock);
        if (loader->stopping) break;
        slot *s = &loader->slots[(loader->planned - 1) % loader->slot_count];
        int place = loader->next_sample++;
        if (loader->ahead && loader->to_announce > loader->announced) announce(loader);
        pthread_mutex_unlock(&loader->lock);

        fcmae_error error = {0};
        double begin = now();
        fcmae_status status = fill_place(&w, s, place, &error);
        double seconds = now() - begin;

        pthread_mutex_lock(&loader->lock);
        loader->statistics.work_seconds += seconds;
        if (status != FCMAE_OK && loader->failure == FCMAE_OK) {
            loader->failure = status;
            memcpy(loader->failure_message, error.message, sizeof error.message);
        }
        if (--s->remaining == 0 || loader->failure != FCMAE_OK) pthread_cond_signal(&loader->ready);
    }
    pthread_mutex_unlock(&loader->lock);
    fcmae_buffer_release(&w.file);
    fcmae_transform_scratch_release(&w.scratch);
    return NULL;
}

/* ------------------------------------------------------------ creation */

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
        int reason = pthread_create(&loader->threads[i], NULL, work, loader);
        if (reason != 0 && i == 0)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "cannot start a loader thread: %s",
                              strerror(reason));
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
    loader->images = o->subset ? o->subset_count : fcmae_dataset_count(loader->dataset);
    if (loader->images < 1 || (o->training && loader->images < o->batch))
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "%lld images are fewer than one batch of %d: use a smaller batch or more "
                          "images",
                          (long long)loader->images, o->batch);
    for (int64_t i = 0; o->subset && i < o->subset_count; i++)
        if (o->subset[i] < 0 || o->subset[i] >= fcmae_dataset_count(loader->dataset))
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "loader: there is no image %lld",
                              (long long)o->subset[i]);
    loader->batches = o->training ? loader->images / o->batch
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
        slot *s = &loader->slots[i];
        s->images = fcmae_allocate_aligned(batch, loader->sample_bytes);
        s->labels = calloc(batch, sizeof *s->labels);
        s->indices = calloc(batch, sizeof *s->indices);
        good = s->images && s->labels && s->indices;
    }
    if (!good)
        return fcmae_fail(error, FCMAE_ERR_MEMORY,
                          "no memory for %d batches of %d samples (%.2f GiB): use a smaller batch or "
                          "prefetch fewer",
                          loader->slot_count, o->batch,
                          (double)loader->slot_count * (double)batch *
                              (double)loader->sample_bytes / 1073741824.0);
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

static void log_bad_files(fcmae_loader *loader)
{
    for (; loader->bad_logged < loader->bad_count; loader->bad_logged++) {
        if (loader->bad_logged >= loader->bad_capacity) continue; /* memory was short: no text */
        char name[1000];
        fcmae_dataset_name(loader->dataset, loader->bad_list[loader->bad_logged].index, name,
                           sizeof name);
        fcmae_log_line(&loader->options.log, FCMAE_LOG_WARNING, "unreadable image skipped: %s: %s",
                       name, loader->bad_list[loader->bad_logged].reason);
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
static void close_gaps(fcmae_loader *loader, slot *s)
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
static slot *wait_for_batch(fcmae_loader *loader)
{
    slot *s = &loader->slots[loader->taken % loader->slot_count];
    double begin = now();
    while (loader->failure == FCMAE_OK && (loader->planned <= loader->taken || s->remaining > 0))
        pthread_cond_wait(&loader->ready, &loader->lock);
    loader->statistics.wait_seconds += now() - begin;
    return loader->failure == FCMAE_OK ? s : NULL;
}

fcmae_status fcmae_loader_next(fcmae_loader *loader, fcmae_samples *samples, fcmae_error *error)
{
    *samples = (fcmae_samples){0};
    fcmae_status status = FCMAE_OK;
    pthread_mutex_lock(&loader->lock);
    while (status == FCMAE_OK && samples->count == 0) {
        if (!loader->options.training && loader->taken >= loader->batches) break;
        slot *s = wait_for_batch(loader);
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
        loader->statistics.bad_files = loader->bad_count;
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
