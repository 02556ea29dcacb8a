/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Memory: aligned blocks, and arenas that are measured before they are allocated.
 *
 * An arena is filled twice by the same code. The first pass runs with base == NULL: every
 * fcmae_arena_take() returns NULL and only counts. fcmae_arena_allocate() then gets one block of
 * that size, the second pass hands out pieces of it, and fcmae_arena_finish() sees that both were
 * the same. So a run knows what it needs before it takes it, and nothing allocates inside a
 * training step.
 */
#ifndef FCMAE_CORE_MEMORY_H
#define FCMAE_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define FCMAE_ALIGNMENT 64

/** 64-byte aligned, zero-filled; NULL if size overflows or memory is short. free with free(). */
void *fcmae_allocate_aligned(size_t count, size_t element_size);

typedef struct fcmae_arena {
    char *base;  /**< NULL while measuring */
    size_t used; /**< bytes handed out, each piece rounded up to 64 */
    size_t size; /**< bytes allocated; 0 while measuring */
} fcmae_arena;

/** The next `count * element_size` bytes, 64-byte aligned; NULL while measuring, and where the
 * second pass takes more than the first measured. */
void *fcmae_arena_take(fcmae_arena *arena, size_t count, size_t element_size);
/** Ends the measuring pass: allocates what was counted (zero-filled) and rewinds. */
fcmae_status fcmae_arena_allocate(fcmae_arena *arena, const char *what, fcmae_error *error);
/** The same without touching the memory: a page lies near the thread that writes it first. The
 *  caller fills all of it. */
fcmae_status fcmae_arena_allocate_bare(fcmae_arena *arena, const char *what, fcmae_error *error);
/** Ends the second pass, before anything is used: FCMAE_ERR_MEMORY, and the arena is released, if
 * it did not take exactly what the first measured. */
fcmae_status fcmae_arena_finish(fcmae_arena *arena, const char *what, fcmae_error *error);
/** Ends either pass: fcmae_arena_allocate() after the first, fcmae_arena_finish() after the second.
 */
fcmae_status fcmae_arena_end_pass(fcmae_arena *arena, const char *what, fcmae_error *error);
/** Frees the block; the arena can be measured again. */
void fcmae_arena_release(fcmae_arena *arena);

/** Bytes of physical memory of this machine (or of the control group's limit); 0 if unknown. */
uint64_t fcmae_physical_memory(void);
/** Largest resident size of this process so far in bytes, as the kernel reports it. */
uint64_t fcmae_peak_memory(void);

#endif
