/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The side of the workers: tickets, planning of batches, samples. */
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/loader.h"
#include "fcmae/measure.h"

#define MAX_REPLACEMENTS 200

/* ------------------------------------------------------------ planning (under the lock) */

static int64_t image_at(const fcmae_loader *loader, int64_t place)
{
    return loader->subset ? loader->subset[place] : place;
}

static void plan_batch(fcmae_loader *loader)
{
    int64_t serial = loader->planned++;
    fcmae_loader_slot *s = &loader->slots[serial % loader->slot_count];
    s->epoch = (uint32_t)(serial / loader->batches);
    s->batch = serial % loader->batches;
    if (loader->order && (!loader->order_known || loader->order_epoch != s->epoch)) {
        fcmae_random random = fcmae_random_start(loader->options.seed, FCMAE_RANDOM_SHUFFLE,
                                                 s->epoch, 0);
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
        const fcmae_loader_slot *last = &loader->slots[(loader->planned - 1) % loader->slot_count];
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
            snprintf(loader->bad_list[loader->bad_count].reason, sizeof loader->bad_list->reason,
                     "%.199s", reason);
        }
        loader->bad_count++;
    }
    pthread_mutex_unlock(&loader->lock);
}

/** Decodes the whole picture, offers it to the cache and uses it. */
static fcmae_status decode_and_keep(worker *w, int64_t index, fcmae_sample_place place,
                                    uint8_t *out, fcmae_error *error)
{
    const fcmae_loader *loader = w->loader;
    FCMAE_TRY(fcmae_image_decode(&w->scratch.image, w->file.bytes, w->file.size, error));
    fcmae_cache_put(loader->cache, index, &w->scratch.image);
    return fcmae_transform_run_decoded(&loader->options.transform, &w->scratch, &w->scratch.image,
                                       place, out, error);
}

/** FCMAE_OK, or why this image cannot be used; memory shortage is not the file's fault. */
static fcmae_status load_sample(worker *w, int64_t index, fcmae_sample_place place, uint8_t *out,
                                fcmae_error *error)
{
    fcmae_loader *loader = w->loader;
    if (is_bad(loader, index)) return FCMAE_ERR_FORMAT;
    fcmae_image decoded = {0};
    if (loader->cache && fcmae_cache_get(loader->cache, index, &decoded))
        return fcmae_transform_run_decoded(&loader->options.transform, &w->scratch, &decoded, place,
                                           out, error);
    fcmae_status status = fcmae_dataset_fetch(loader->dataset, index, &w->file, error);
    if (status == FCMAE_OK && loader->cache)
        status = decode_and_keep(w, index, place, out, error);
    else if (status == FCMAE_OK)
        status = fcmae_transform_run(&loader->options.transform, &w->scratch, w->file.bytes,
                                     w->file.size, place, out, error);
    if (status != FCMAE_OK && status != FCMAE_ERR_MEMORY) note_bad(loader, index, error->message);
    return status;
}

/**
 * Fills one place of a batch. In training an unreadable image is replaced by one drawn from the
 * stream (seed, SHUFFLE, epoch, 1 + position); the crop stays the one of the position.
 */
static fcmae_status fill_place(worker *w, fcmae_loader_slot *s, int number, fcmae_error *error)
{
    fcmae_loader *loader = w->loader;
    uint8_t *out = s->images + (size_t)number * loader->sample_bytes;
    uint64_t position = (uint64_t)s->batch * (uint64_t)loader->options.batch + (uint64_t)number;
    const fcmae_sample_place place = {loader->options.seed, s->epoch, position};
    int64_t index = s->indices[number];
    fcmae_random random = fcmae_random_start(loader->options.seed, FCMAE_RANDOM_SHUFFLE, s->epoch,
                                             1 + position);
    for (int attempt = 0; attempt <= MAX_REPLACEMENTS; attempt++) {
        fcmae_status status = load_sample(w, index, place, out, error);
        if (status == FCMAE_ERR_MEMORY) return status;
        if (status != FCMAE_OK && !loader->options.training) index = -1;
        if (status == FCMAE_OK || index < 0) {
            s->indices[number] = index;
            s->labels[number] = index < 0 ? -1 : fcmae_dataset_label(loader->dataset, index);
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
    if (indices)
        memcpy(indices, loader->ahead + loader->announced, (size_t)count * sizeof *indices);
    loader->announced = loader->to_announce;
    if (!indices) return; /* only slower */
    pthread_mutex_unlock(&loader->lock);
    fcmae_dataset_announce(loader->dataset, indices, count);
    free(indices);
    pthread_mutex_lock(&loader->lock);
}

void *fcmae_loader_work(void *argument)
{
    worker w = {.loader = argument};
    fcmae_loader *loader = w.loader;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stopping && !ticket_free(loader))
            pthread_cond_wait(&loader->room, &loader->lock);
        if (loader->stopping) break;
        fcmae_loader_slot *s = &loader->slots[(loader->planned - 1) % loader->slot_count];
        int place = loader->next_sample++;
        if (loader->ahead && loader->to_announce > loader->announced) announce(loader);
        pthread_mutex_unlock(&loader->lock);

        fcmae_error error = {0};
        double begin = fcmae_measure_seconds();
        fcmae_status status = fill_place(&w, s, place, &error);
        double seconds = fcmae_measure_seconds() - begin;

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
