/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Parallel loops: the one doorway to OpenMP.
 *
 * The contract of the project is "same bits for any number of threads". A task therefore writes
 * only what belongs to its index; `worker` (0 .. threads-1) selects scratch memory and nothing
 * that reaches a result.
 */
#ifndef FCMAE_CORE_PARALLEL_H
#define FCMAE_CORE_PARALLEL_H

#include <stdint.h>

typedef void (*fcmae_task)(void *argument, int64_t index, int worker);

/** Calls task(argument, i, worker) for every i in [0, count), in any order, on up to `threads`
 *  threads; returns when all are done. threads <= 1 is a plain loop in order. */
void fcmae_parallel_for(int threads, int64_t count, fcmae_task task, void *argument);

/** Number of processors this process may run on; at least 1. */
int fcmae_processor_count(void);

#endif
