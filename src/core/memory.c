/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t round_up(size_t bytes)
{
    return (bytes + FCMAE_ALIGNMENT - 1) / FCMAE_ALIGNMENT * FCMAE_ALIGNMENT;
}

/** Aligned and not touched. `bytes` is rounded up. */
static void *allocate_bare(size_t bytes)
{
    /* Large blocks start on a huge page: 0-5 % of a training step (fewer TLB misses). */
    size_t alignment = bytes >= ((size_t)4 << 20) ? (size_t)2 << 20 : FCMAE_ALIGNMENT;
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment > FCMAE_ALIGNMENT) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
}

void *fcmae_allocate_aligned(size_t count, size_t element_size)
{
    if (element_size && count > (SIZE_MAX - 4096) / element_size) return NULL;
    size_t bytes = round_up(count * element_size);
    if (bytes == 0) bytes = FCMAE_ALIGNMENT;
    void *block = allocate_bare(bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void *fcmae_arena_take(fcmae_arena *arena, size_t count, size_t element_size)
{
    size_t offset = arena->used;
    if (element_size && count > (SIZE_MAX / 2 - offset) / element_size) {
        arena->used = SIZE_MAX / 2; /* an impossible size: fcmae_arena_allocate() refuses it */
        return NULL;
    }
    arena->used += round_up(count * element_size);
    if (!arena->base || arena->used > arena->size) return NULL;
    return arena->base + offset;
}

fcmae_status fcmae_arena_allocate_bare(fcmae_arena *arena, const char *what, fcmae_error *error)
{
    if (arena->used < SIZE_MAX / 2)
        arena->base = allocate_bare(arena->used ? arena->used : FCMAE_ALIGNMENT);
    if (!arena->base)
        return fcmae_fail(error, FCMAE_ERR_MEMORY,
                          "%s needs %.2f GiB, which could not be allocated", what,
                          (double)arena->used / 1073741824.0);
    arena->size = arena->used;
    arena->used = 0;
    return FCMAE_OK;
}

fcmae_status fcmae_arena_allocate(fcmae_arena *arena, const char *what, fcmae_error *error)
{
    FCMAE_TRY(fcmae_arena_allocate_bare(arena, what, error));
    memset(arena->base, 0, arena->size);
    return FCMAE_OK;
}

fcmae_status fcmae_arena_finish(fcmae_arena *arena, const char *what, fcmae_error *error)
{
    size_t size = arena->size, used = arena->used;
    if (used == size) return FCMAE_OK;
    fcmae_arena_release(arena);
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: %zu bytes were measured, but %zu taken", what,
                      size, used);
}

fcmae_status fcmae_arena_end_pass(fcmae_arena *arena, const char *what, fcmae_error *error)
{
    return arena->base ? fcmae_arena_finish(arena, what, error)
                       : fcmae_arena_allocate(arena, what, error);
}

void fcmae_arena_release(fcmae_arena *arena)
{
    free(arena->base);
    memset(arena, 0, sizeof *arena);
}

uint64_t fcmae_physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
    if (file) {
        unsigned long long limit = 0;
        if (fscanf(file, "%llu", &limit) == 1 && limit > 0 && (bytes == 0 || limit < bytes))
            bytes = limit;
        fclose(file);
    }
    return bytes;
}

uint64_t fcmae_peak_memory(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (uint64_t)usage.ru_maxrss * 1024u;
}
