/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "operators_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "fcmae/measure.h"

#define PROBE_BYTES ((size_t)64 << 20) /* for the bandwidth */

static int failures;

float *bench_floats(int64_t count, uint64_t seed)
{
    float *values = fcmae_allocate_aligned((size_t)count, sizeof *values);
    if (!values) {
        fprintf(stderr, "bench_operators: out of memory\n");
        exit(1);
    }
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    for (int64_t i = 0; seed && i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)((double)(state >> 40) / (1 << 23) - 1);
    }
    return values;
}

void bench_time(const stage_case *stage, const operator_figure *figure,
                void (*work)(void *argument), void *argument)
{
    enum { LIMIT_SAMPLES = 5 };
    const double sample = 1e-4; /* short: many escape other work on the machine altogether */
    work(argument);             /* pages and caches */
    static float *probe;
    if (!probe) probe = bench_floats((int64_t)(PROBE_BYTES / sizeof *probe), 1);
    double best = INFINITY, limit = 0, start = fcmae_measure_seconds();
    while (fcmae_measure_seconds() - start < stage->seconds) {
        double begin = fcmae_measure_seconds(), elapsed = 0;
        int64_t calls = 0;
        do {
            work(argument);
            calls++;
            elapsed = fcmae_measure_seconds() - begin;
        } while (elapsed < sample);
        if (elapsed / (double)calls < best) best = elapsed / (double)calls;
    }
    for (int i = 0; i < LIMIT_SAMPLES; i++) {
        double rate = figure->flops > 0
                          ? fcmae_measure_peak(stage->instruction_set, figure->pairs, 1, 0.0005)
                          : fcmae_measure_bandwidth(probe, PROBE_BYTES, 1);
        if (rate > limit) limit = rate;
    }
    printf("%-6s %d  %5d  %6d  %-26s", stage->model, stage->stage, stage->channels, stage->rows,
           figure->name);
    if (figure->flops > 0)
        printf("  %8.1f GFLOP/s  %5.2f of the peak", figure->flops / best * 1e-9,
               figure->flops / best / limit);
    else
        printf("  %8.1f GB/s     %5.2f of the bandwidth", figure->bytes / best * 1e-9,
               figure->bytes / best / limit);
    printf("\n");
    fflush(stdout);
}

void bench_compare(const stage_case *stage, const char *name, double got, double expected,
                   double tolerance)
{
    if (fabs(got - expected) <= tolerance) return;
    if (failures++ < 20)
        printf("%s stage %d, %s: %.9g, expected %.9g\n", stage->model, stage->stage, name, got,
               expected);
}

int bench_failures(void)
{
    return failures;
}
