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
#ifndef FCMAE_DATA_LOADER_H
#define FCMAE_DATA_LOADER_H

#include <pthread.h>

#include "data/cache.h"
#include "data/dataset.h"
#include "image/transform.h"

/** One batch on its way. */
typedef struct fcmae_loader_slot {
    uint8_t *images;
    int32_t *labels;
    int64_t *indices; /* planned, then replaced by what was used; -1: left out */
    int count;        /* samples planned */
    int remaining;    /* samples not yet written */
    uint32_t epoch;
    int64_t batch;
} fcmae_loader_slot;

/** An image that could not be used. */
typedef struct fcmae_bad_file {
    int64_t index;
    char reason[200];
} fcmae_bad_file;

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
    int running; /* workers to be joined */
    bool stopping;

    fcmae_loader_slot *slots;
    int slot_count;
    int64_t start;   /* serial number (epoch * batches + batch) of the first batch */
    int64_t planned; /* serial numbers: the next batch to plan ... */
    int64_t taken;   /* ... and the next to hand out; its predecessor is with the caller */
    int next_sample; /* of the batch planned last; its count when all tickets are gone */
    int64_t *order;  /* of `order_epoch`; NULL outside training */
    int64_t *ahead, *shard_order;   /* shards: fcmae_dataset_shuffle(); else NULL */
    int64_t announced, to_announce; /* places of `ahead` the kernel knows; and is to be told of */
    uint32_t order_epoch;
    bool order_known;

    fcmae_cache *cache; /* NULL: none */

    uint8_t *bad; /* one bit per image of the data set */
    int64_t bad_count, bad_logged, bad_capacity;
    int64_t tried; /* samples asked for, readable or not */
    fcmae_bad_file *bad_list;
    fcmae_status failure;
    char failure_message[sizeof((fcmae_error *)0)->message];
    fcmae_loader_statistics statistics;
};

/** The body of a worker thread; `loader` is a fcmae_loader. */
void *fcmae_loader_work(void *loader);

#endif
