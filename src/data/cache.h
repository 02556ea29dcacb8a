/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Cache: decoded pictures in memory. What fits is kept from its first use on and never replaced, as
 * every picture of an epoch is used equally often. Pixels are the decoded ones, so results do not
 * depend on what is in the cache.
 */
#ifndef FCMAE_DATA_CACHE_H
#define FCMAE_DATA_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcmae/image.h"

typedef struct fcmae_cache fcmae_cache;

/** @param count  pictures that may come; @param limit  bytes of pixels to keep at most. */
fcmae_status fcmae_cache_create(fcmae_cache **cache, int64_t count, uint64_t limit,
                                fcmae_error *error);
void fcmae_cache_destroy(fcmae_cache **cache);
/** A view of a picture that was kept: not to be released or changed. Any thread. */
bool fcmae_cache_get(fcmae_cache *cache, int64_t index, fcmae_image *view);
/** Copies a picture if there is room. Any thread. */
void fcmae_cache_put(fcmae_cache *cache, int64_t index, const fcmae_image *image);

#endif
