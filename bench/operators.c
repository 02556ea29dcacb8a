/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * bench_operators [--check] [--milliseconds N] [--isa NAME] [MODEL...]: every hot kernel at the
 * shapes that a lane meets in the stages of a model (224 pixels, mask ratio 0.6), on one thread.
 * Speeds are printed beside the peak and the memory bandwidth measured in the same moment. With
 * --check each is compared with a naive loop instead; the exit code is 1 if one differs.
 */
#include "operators.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "dense/linear.h"
#include "fcmae/mask.h"
#include "fcmae/measure.h"
#include "fcmae/preset.h"

#define PROBE_BYTES ((size_t)64 << 20)

static struct {
    int failures;
    float *probe; /* for the bandwidth */
} bench;

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

fcmae_isa bench_isa(const stage_case *stage, bool pairs)
{
    fcmae_isa most = pairs ? FCMAE_ISA_AVX512_BF16 : FCMAE_ISA_AVX512;
    if (stage->instruction_set > 0 && stage->instruction_set - 1 < (int)most)
        most = (fcmae_isa)(stage->instruction_set - 1);
    return fcmae_isa_detect(most);
}

void bench_time(const stage_case *stage, const operator_figure *figure,
                void (*work)(void *argument), void *argument)
{
    enum { LIMIT_SAMPLES = 5 };
    const double sample = 1e-4; /* short: many escape other work on the machine altogether */
    work(argument);             /* pages and caches */
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
                          : fcmae_measure_bandwidth(bench.probe, PROBE_BYTES, 1);
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
    if (bench.failures++ < 20)
        printf("%s stage %d, %s: %.9g, expected %.9g\n", stage->model, stage->stage, name, got,
               expected);
}

/* Images that a lane carries through a stage together: few where rows are many. */
static const int images_of_stage[FCMAE_STAGES] = {1, 1, 4, 8};

static int bench_model(const char *name, const stage_case *options)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    if (fcmae_preset_load(name, &config, NULL, &error) != FCMAE_OK) {
        fprintf(stderr, "bench_operators: %s\n", error.message);
        return 1;
    }
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int cell = 8 >> s, images = images_of_stage[s];
        stage_case stage = {.model = config.name,
                            .stage = s,
                            .channels = config.dims[s],
                            .stride = fcmae_stride(config.dims[s]),
                            .hidden = 4 * config.dims[s],
                            .cell = cell,
                            .images = images,
                            .rows = images * fcmae_mask_visible(49, 0.6) * cell * cell,
                            .instruction_set = options->instruction_set,
                            .seconds = options->seconds,
                            .check = options->check};
        bench_products(&stage);
#ifdef BENCH_WITH_OPENBLAS
        bench_blas(&stage);
#endif
        bench_depthwise(&stage);
        bench_streams(&stage);
    }
    return 0;
}

/* Options into `options`; index of the first argument that is none, or -1. */
static int read_options(int count, char **arguments, stage_case *options)
{
    static const char *const sets[] = {"best", "portable", "avx2", "avx512"};
    int i = 1;
    for (; i < count && arguments[i][0] == '-'; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (!strcmp(arguments[i], "--check")) {
            options->check = true;
        } else if (!strcmp(arguments[i], "--milliseconds") && atof(value) > 0) {
            options->seconds = atof(value) * 1e-3;
            i++;
        } else if (!strcmp(arguments[i], "--isa")) {
            int set = 0;
            while (set < 4 && strcmp(value, sets[set])) set++;
            if (set == 4) return -1;
            options->instruction_set = set;
            i++;
        } else {
            return -1;
        }
    }
    return i;
}

int main(int count, char **arguments)
{
    static const char *const usual[] = {"atto", "tiny", "base"};
    stage_case options = {.seconds = 0.05};
    int first = read_options(count, arguments, &options), result = 0;
    if (first < 0) {
        fprintf(stderr, "usage: bench_operators [--check] [--milliseconds N] "
                        "[--isa best|portable|avx2|avx512] [MODEL...]\n");
        return 2;
    }
    int models = first < count ? count - first : 3;
    bench.probe = bench_floats((int64_t)(PROBE_BYTES / sizeof(float)), 1);
    for (int m = 0; m < models && result == 0; m++)
        result = bench_model(first < count ? arguments[first + m] : usual[m], &options);
    free(bench.probe);
    if (options.check && result == 0) printf("%d values differ\n", bench.failures);
    return result || bench.failures > 0;
}
