/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * bench_operators [--check] [--milliseconds N] [--isa NAME] [MODEL...]: every hot kernel at the
 * shapes that a lane meets in the stages of a model (224 pixels, mask ratio 0.6), on one thread.
 * Speeds are printed beside the peak and the memory bandwidth measured in the same moment. With
 * --check each is compared with a naive loop instead; the exit code is 1 if one differs.
 */
#include "operators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense/linear.h"
#include "fcmae/mask.h"
#include "fcmae/preset.h"

/* Images that a lane carries through a stage together: few where rows are many. */
static const int images_of_stage[FCMAE_STAGES] = {1, 1, 4, 8};

static int bench_model(const char *name, const stage_case *options)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    if (fcmae_preset_load(name, &config, &error) != FCMAE_OK) {
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
        bench_blas(&stage);
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
    for (int m = 0; m < models && result == 0; m++)
        result = bench_model(first < count ? arguments[first + m] : usual[m], &options);
    if (options.check && result == 0) printf("%d values differ\n", bench_failures());
    return result || bench_failures() > 0;
}
