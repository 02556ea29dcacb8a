/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * bench_step [--bf16] [--isa NAME] [--batch-size N] [--steps N] [MODEL...]: where the time of a
 * pretraining step goes (224 pixels, mask ratio 0.6), kernel by kernel. What the kernels do not add
 * up to is everything else: site maps, loops around kernels, the clock itself. Products are given
 * as a fraction of the peak that is measured between the steps. A look at the clock costs about 25
 * ns, so small kernels seem a little slower than they are. AdamW and packing are not part of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/image.h"
#include "fcmae/mask.h"
#include "fcmae/measure.h"
#include "fcmae/preset.h"
#include "model/engine.h"
#include "step_profile.h"

enum { SIDE = 224, CELLS = 49, GRID = 7 };

typedef struct step_options {
    fcmae_precision precision;
    int instruction_set, batch, steps;
} step_options;

/* What one model is measured with. */
typedef struct subject {
    fcmae_model_config config;
    fcmae_model *model;
    fcmae_engine *engine;
    uint8_t *images, *removed; /* noise, and masks as in training */
} subject;

static fcmae_status open_subject(subject *s, const char *name, const step_options *o,
                                 fcmae_error *error)
{
    fcmae_status status = fcmae_preset_load(name, &s->config, error);
    if (status == FCMAE_OK) status = fcmae_model_create(&s->model, &s->config, error);
    if (status != FCMAE_OK) return status;
    fcmae_model_initialise(s->model, 1);
    int visible = fcmae_mask_visible(CELLS, 0.6);
    fcmae_engine_options options = {.train = true,
                                    .height = SIDE,
                                    .width = SIDE,
                                    .visible_cells = visible,
                                    .batch = o->batch,
                                    .precision = o->precision,
                                    .instruction_set = o->instruction_set};
    status = fcmae_engine_create(&s->engine, s->model, &options, error);
    if (status != FCMAE_OK) return status;
    size_t bytes = (size_t)o->batch * SIDE * SIDE * 3;
    s->images = malloc(bytes);
    s->removed = malloc((size_t)o->batch * CELLS);
    if (!s->images || !s->removed) {
        fprintf(stderr, "bench_step: out of memory\n");
        exit(1);
    }
    uint32_t state = 1;
    for (size_t i = 0; i < bytes; i++)
        s->images[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    const fcmae_mask_shape shape = {
        .seed = 1, .height = GRID, .width = GRID, .unit = 1, .visible = visible, .views = 1};
    for (int i = 0; i < o->batch && status == FCMAE_OK; i++)
        status = fcmae_mask_generate(&shape, 0, (uint64_t)i, s->removed + i * CELLS, error);
    return status;
}

static void close_subject(subject *s)
{
    fcmae_engine_destroy(&s->engine);
    fcmae_model_destroy(&s->model);
    free(s->images);
    free(s->removed);
}

/* One step to warm up, then the timed ones. */
static fcmae_status measure(subject *s, const step_options *o, profile_run *run, fcmae_error *error)
{
    fcmae_batch batch = {.images = {.count = o->batch,
                                    .bytes = s->images,
                                    .mean = fcmae_imagenet_mean,
                                    .deviation = fcmae_imagenet_deviation},
                         .samples = o->batch,
                         .removed = s->removed};
    fcmae_kernels kernels = profile_kernels(s->engine->kernels);
    const fcmae_engine_options *options = &fcmae_engine_info(s->engine)->options;
    int lanes = options->lanes; /* several share the threads; one has them all */
    run->threads = lanes > 1 && lanes < options->threads ? lanes : options->threads;
    run->images = (double)o->batch * o->steps;
    for (int step = -1; step < o->steps; step++) {
        double loss, start = fcmae_measure_seconds();
        fcmae_engine_zero_gradients(s->engine);
        fcmae_status status = fcmae_engine_step(s->engine, &batch, 1, &loss, error);
        if (status != FCMAE_OK) return status;
        if (step < 0) {
            profile_reset();
            for (int l = 0; l < lanes; l++) s->engine->lane[l].workspace.kernels = &kernels;
            continue;
        }
        run->seconds += fcmae_measure_seconds() - start;
        run->peak += fcmae_measure_peak(o->instruction_set, o->precision == FCMAE_BFLOAT16,
                                        run->threads, 0.02) /
                     o->steps;
    }
    return FCMAE_OK;
}

static int profile_model(const char *name, const step_options *o)
{
    subject s = {0};
    fcmae_error error = {0};
    profile_run run = {.name = name};
    fcmae_status status = open_subject(&s, name, o, &error);
    if (status == FCMAE_OK) status = measure(&s, o, &run, &error);
    if (status == FCMAE_OK)
        profile_print(&run);
    else
        fprintf(stderr, "bench_step: %s\n", error.message);
    close_subject(&s);
    return status != FCMAE_OK;
}

/* Options into `o`; index of the first argument that is none, or -1. */
static int read_options(int count, char **arguments, step_options *o)
{
    static const char *const sets[] = {"best", "portable", "avx2", "avx512"};
    int i = 1;
    for (; i < count && arguments[i][0] == '-'; i++) {
        const char *option = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        int number = atoi(value), set = 0;
        if (!strcmp(option, "--bf16")) {
            o->precision = FCMAE_BFLOAT16;
            continue;
        }
        if (!strcmp(option, "--isa")) {
            while (set < 4 && strcmp(value, sets[set])) set++;
            if (set == 4) return -1;
            o->instruction_set = set;
        } else if (!strcmp(option, "--batch-size") && number > 0) {
            o->batch = number;
        } else if (!strcmp(option, "--steps") && number > 0) {
            o->steps = number;
        } else {
            return -1;
        }
        i++;
    }
    return i;
}

int main(int count, char **arguments)
{
    step_options o = {.batch = 64, .steps = 4};
    int first = read_options(count, arguments, &o), result = 0;
    if (first < 0) {
        fprintf(stderr, "usage: bench_step [--bf16] [--isa best|portable|avx2|avx512] "
                        "[--batch-size N] [--steps N] [MODEL...]\n");
        return 2;
    }
    if (first == count) return profile_model("atto", &o);
    for (int i = first; i < count && result == 0; i++) result = profile_model(arguments[i], &o);
    return result;
}
