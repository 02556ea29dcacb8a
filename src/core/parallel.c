/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/parallel.h"

#include <sched.h>
#ifdef _OPENMP
#include <omp.h>
#endif

void fcmae_parallel_for(int threads, int64_t count, fcmae_task task, void *argument)
{
    if (threads > count) threads = (int)count;
    if (threads <= 1) {
        for (int64_t i = 0; i < count; i++) task(argument, i, 0);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < count; i++) task(argument, i, omp_get_thread_num());
#else
    for (int64_t i = 0; i < count; i++) task(argument, i, 0);
#endif
}

int fcmae_processor_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0) return count;
    }
    return 1;
}
