/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "data/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

struct fcmae_cache {
    pthread_mutex_t lock;
    uint64_t limit, used;
    int64_t count;
    struct {
        uint8_t *pixels;
        int height, width;
    } * pictures;
};

fcmae_status fcmae_cache_create(fcmae_cache **out, int64_t count, uint64_t limit,
                                fcmae_error *error)
{
    fcmae_cache *cache = calloc(1, sizeof *cache);
    if (cache) cache->pictures = calloc((size_t)count, sizeof *cache->pictures);
    if (!cache || !cache->pictures) {
        free(cache);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a cache of %lld pictures",
                          (long long)count);
    }
    pthread_mutex_init(&cache->lock, NULL);
    cache->limit = limit;
    cache->count = count;
    *out = cache;
    return FCMAE_OK;
}

void fcmae_cache_destroy(fcmae_cache **pointer)
{
    fcmae_cache *cache = *pointer;
    if (!cache) return;
    for (int64_t i = 0; i < cache->count; i++) free(cache->pictures[i].pixels);
    free(cache->pictures);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
    *pointer = NULL;
}

bool fcmae_cache_get(fcmae_cache *cache, int64_t index, fcmae_image *view)
{
    pthread_mutex_lock(&cache->lock);
    *view = (fcmae_image){.pixels = cache->pictures[index].pixels,
                          .height = cache->pictures[index].height,
                          .width = cache->pictures[index].width};
    pthread_mutex_unlock(&cache->lock);
    return view->pixels != NULL;
}

void fcmae_cache_put(fcmae_cache *cache, int64_t index, const fcmae_image *image)
{
    size_t bytes = (size_t)image->height * (size_t)image->width * 3;
    pthread_mutex_lock(&cache->lock);
    bool wanted = !cache->pictures[index].pixels && bytes <= cache->limit - cache->used;
    if (wanted) cache->used += bytes;
    pthread_mutex_unlock(&cache->lock);
    uint8_t *pixels = wanted ? malloc(bytes) : NULL;
    if (!pixels)
        return; /* short of memory: the room stays reserved, the picture is decoded again */
    memcpy(pixels, image->pixels, bytes);
    pthread_mutex_lock(&cache->lock);
    if (cache->pictures[index].pixels) { /* another worker was faster */
        cache->used -= bytes;
        free(pixels);
    } else {
        cache->pictures[index].pixels = pixels;
        cache->pictures[index].height = image->height;
        cache->pictures[index].width = image->width;
    }
    pthread_mutex_unlock(&cache->lock);
}
