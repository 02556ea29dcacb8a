/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Workspace: what an operator of the network borrows besides its own arguments.
 *
 * One per lane. Operators split their work into tasks that write disjoint results; the tasks run on
 * `threads` threads (one in an ordinary lane). Scratch that tasks overwrite freely is per worker.
 */
#ifndef FCMAE_MODEL_WORKSPACE_H
#define FCMAE_MODEL_WORKSPACE_H

#include <stdbool.h>

#include "core/kernels.h"
#include "core/memory.h"
#include "core/parallel.h"

typedef struct fcmae_workspace {
    const fcmae_kernels *kernels;
    int threads;
    float *segment_sums;    /**< [segments][hidden], largest chunk                               */
    float *hidden_gradient; /**< panels [hidden / w][rows][w], largest chunk; training only       */
    float *row_gradient;    /**< [rows][stride], largest chunk; training only                    */
    float *feedback;        /**< [images][hidden], largest chunk; training only                  */
    /* bfloat16 operands; NULL in float32 */
    uint16_t *narrow_hidden; /**< panels like hidden_gradient, or of the prediction error */
    uint16_t *narrow_rows;   /**< [rows][stride]                                                  */
    uint32_t *row_pairs;     /**< [rows / 2][stride]                                              */
    uint32_t *gradient_pairs; /**< likewise, of the gradient where row_pairs holds the input */
    float *worker_scratch; /**< [threads][worker_floats]                                        */
    int64_t worker_floats;
} fcmae_workspace;

/** How much of everything the largest chunk needs, raised by all who use the workspace. */
typedef struct fcmae_workspace_size {
    int64_t hidden, rows, sums, feedback; /**< values */
    int64_t narrow_hidden; /**< bfloat16 only: more than `hidden`, if anyone needs it */
    int64_t scratch;       /**< floats per worker */
} fcmae_workspace_size;

/** Takes the buffers from the arena (twice: measure, take). */
void fcmae_workspace_reserve(fcmae_workspace *workspace, const fcmae_workspace_size *size,
                             int threads, bool pairs, bool backward, fcmae_arena *arena);

/** The next rows x columns floats of an arena. */
static inline float *fcmae_take_floats(fcmae_arena *arena, int64_t rows, int64_t columns)
{
    return fcmae_arena_take(arena, (size_t)(rows * columns), sizeof(float));
}

/** Runs tasks of an operator on the lane's threads. */
static inline void fcmae_workspace_run(const fcmae_workspace *workspace, int64_t count,
                                       fcmae_task task, void *argument)
{
    fcmae_parallel_for(workspace->threads, count, task, argument);
}

/** Scratch of one worker. */
static inline float *fcmae_scratch(const fcmae_workspace *workspace, int worker)
{
    return workspace->worker_scratch + worker * workspace->worker_floats;
}

#endif
