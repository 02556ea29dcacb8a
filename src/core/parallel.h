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

/**
 * The same with indices bound to threads: of n threads, thread t runs those from t * count / n up
 * to (t + 1) * count / n, in order, in every loop of equal threads and count. For work that owns
 * memory (lanes): what a thread touched first lies near it, and it finds it in its cache again.
 */
void fcmae_parallel_static(int threads, int64_t count, fcmae_task task, void *argument);

/** Number of processors this process may run on, at least 1: those of its affinity mask, or fewer
 * if its control group gives it less time than they have. */
int fcmae_processor_count(void);

/** Processors that the text of a control group's cpu.max amounts to ("150000 100000": 1.5, rounded
 *  up to 2); 0: no limit ("max 100000"), or the text is something else. */
int fcmae_processor_limit(const char *text);

#endif
