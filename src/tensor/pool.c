/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor_file.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define DEFAULT_LIMIT ((size_t)256 << 20)

struct fcmae_pool_chunk {
    struct fcmae_pool_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

void *fcmae_pool_take(fcmae_pool *pool, size_t size)
{
    size_t limit = pool->limit ? pool->limit : DEFAULT_LIMIT;
    if (size > limit - 16) return NULL;
    size = (size + 15) / 16 * 16;
    if (size > limit - pool->total) return NULL;
    struct fcmae_pool_chunk *chunk = pool->chunks;
    if (!chunk || size > chunk->size - chunk->used) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk) return NULL;
        chunk->size = room;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
    }
    void *piece = chunk->bytes + chunk->used;
    chunk->used += size;
    pool->total += size;
    return piece;
}

char *fcmae_pool_text(fcmae_pool *pool, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? fcmae_pool_take(pool, length + 1) : NULL;
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

void fcmae_pool_release(fcmae_pool *pool)
{
    while (pool->chunks) {
        struct fcmae_pool_chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
    pool->total = 0;
}
