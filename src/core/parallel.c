/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/parallel.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
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

void fcmae_parallel_static(int threads, int64_t count, fcmae_task task, void *argument)
{
    if (threads > count) threads = (int)count;
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        {
            int thread = omp_get_thread_num(), all = omp_get_num_threads();
            int64_t end = (thread + 1) * count / all;
            for (int64_t i = thread * count / all; i < end; i++) task(argument, i, thread);
        }
        return;
    }
#endif
    for (int64_t i = 0; i < count; i++) task(argument, i, 0);
}

int fcmae_processor_limit(const char *text)
{
    char *end;
    errno = 0;
    long long quota = strtoll(text, &end, 10);
    if (end == text || *end != ' ' || quota <= 0 || errno) return 0; /* "max" is no number */
    const char *second = end + 1;
    long long period = strtoll(second, &end, 10);
    if (end == second || (*end && *end != '\n') || period <= 0 || errno) return 0;
    long long processors = quota / period + (quota % period > 0);
    return processors < 1 << 20 ? (int)processors : 0;
}

/** Processors of the affinity mask, however many the machine has. */
static int affinity_count(void)
{
    for (int most = 1024; most <= 1 << 20; most *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) return count;
        if (errno != EINVAL) break; /* EINVAL: the mask is longer */
    }
    return 1;
}

int fcmae_processor_count(void)
{
    int count = affinity_count();
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (file) {
        char text[64] = "";
        int limit = fgets(text, sizeof text, file) ? fcmae_processor_limit(text) : 0;
        if (limit > 0 && limit < count) count = limit;
        fclose(file);
    }
    return count;
}
