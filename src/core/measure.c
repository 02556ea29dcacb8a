/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "fcmae/measure.h"

#include <stdlib.h>
#include <time.h>

#include "core/blas.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "core/parallel.h"

double fcmae_measure_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int thread_count(int threads)
{
    return threads > 0 ? threads : fcmae_processor_count();
}

static const fcmae_kernels *kernels_of(int instruction_set, bool bfloat16)
{
    return fcmae_kernels_get(fcmae_isa_choose(instruction_set, bfloat16));
}

/** What one thread does. */
typedef struct peak_work {
    double (*peak)(int64_t iterations, float *sink);
    double seconds, rate;
    float sink;
} peak_work;

static void measure_one_peak(void *argument, int64_t index, int worker)
{
    (void)worker;
    peak_work *work = (peak_work *)argument + index;
    double start = fcmae_measure_seconds(), elapsed = 0, operations = 0;
    do {
        operations += work->peak(20000, &work->sink);
        elapsed = fcmae_measure_seconds() - start;
    } while (elapsed < work->seconds);
    work->rate = operations / elapsed;
}

double fcmae_measure_peak(int instruction_set, bool bfloat16, int threads, double seconds)
{
    threads = thread_count(threads);
    const fcmae_kernels *kernels = kernels_of(instruction_set, bfloat16);
    peak_work *work = calloc((size_t)threads, sizeof *work);
    if (!work) return 0;
    for (int i = 0; i < threads; i++) {
        work[i].peak = bfloat16 ? kernels->peak_pairs : kernels->peak;
        work[i].seconds = seconds;
    }
    fcmae_parallel_for(threads, threads, measure_one_peak, work);
    double sum = 0;
    for (int i = 0; i < threads; i++) sum += work[i].rate;
    free(work);
    return sum;
}

typedef struct update_work {
    float *values;
    int64_t count, chunk;
} update_work;

/* Blocks large enough to hide the cost of a task, small enough to share evenly. */
enum { UPDATE_CHUNK = 1 << 18 };

static void update_chunk(void *argument, int64_t index, int worker)
{
    (void)worker;
    update_work *work = argument;
    int64_t first = index * work->chunk, last = first + work->chunk;
    if (last > work->count) last = work->count;
    for (int64_t i = first; i < last; i++) work->values[i] = work->values[i] * 0.5f + 1.0f;
}

double fcmae_measure_bandwidth(void *buffer, size_t bytes, int threads)
{
    update_work work = {buffer, (int64_t)(bytes / 64 * 16), UPDATE_CHUNK};
    if (work.count == 0) return 0;
    int64_t chunks = (work.count + work.chunk - 1) / work.chunk;
    double start = fcmae_measure_seconds();
    fcmae_parallel_for(thread_count(threads), chunks, update_chunk, &work);
    double elapsed = fcmae_measure_seconds() - start;
    return elapsed > 0 ? 2.0 * 4.0 * (double)work.count / elapsed : 0;
}

const char *fcmae_measure_instruction_set(int instruction_set, bool bfloat16)
{
    return kernels_of(instruction_set, bfloat16)->name;
}

bool fcmae_measure_has_bfloat16(int instruction_set)
{
    return fcmae_isa_choose(instruction_set, true) == FCMAE_ISA_AVX512_BF16;
}

const char *fcmae_measure_blas(void)
{
    return fcmae_blas_core();
}

int fcmae_measure_processors(void)
{
    return fcmae_processor_count();
}

uint64_t fcmae_measure_physical_memory(void)
{
    return fcmae_physical_memory();
}

uint64_t fcmae_measure_peak_memory(void)
{
    return fcmae_peak_memory();
}
