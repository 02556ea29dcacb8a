/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The reference network against finite differences of its loss along random directions of every
 * parameter, and against the oracles that follow from the definitions.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference/network.h"
#include "support/arrays.h"
#include "support/gradient_check.h"
#include "support/suite.h"

/* 32 x 48 pixels, patches of 16: 2 x 3 cells */
enum { HEIGHT = 32, WIDTH = 48, CELLS = 6, SAMPLES = 3 };

static const fcmae_model_config tiny = {
    .objective = "masked",
    .version = 2,
    .depths = {1, 2, 1, 1},
    .dims = {8, 8, 16, 8},
    .channels = 2,
    .stem_stride = 2,
    .decoder_depth = 1,
    .decoder_dim = 16,
    .norm_pix = true,
    .classes = 5,
    .layer_scale_init = 1e-6,
};

/* 1 = removed */
static const uint8_t removed[SAMPLES * CELLS] = {1, 0, 1, 0, 1, 0, 1, 1, 1,
                                                 1, 0, 1, 0, 0, 1, 0, 0, 0};

typedef struct problem {
    reference_network *network;
    reference_batch batch;
    double *images, *targets, *branch_scale;
} problem;

/* Every parameter random and of moderate size, so that no gradient vanishes. */
static problem make_problem(const fcmae_model_config *config, uint64_t stream)
{
    problem p = {0};
    fcmae_model *model;
    fcmae_random random = test_random(stream);
    ck_assert_int_eq(fcmae_model_create(&model, config, NULL), FCMAE_OK);
    p.network = reference_network_create(model);
    fcmae_model_destroy(&model);
    for (int i = 0; i < p.network->count; i++)
        for (int64_t k = 0; k < p.network->tensors[i].count; k++)
            p.network->tensors[i].value[k] = 0.3 * fcmae_random_normal(&random);
    p.images = random_doubles(&random, 2 * config->channels * HEIGHT * WIDTH);
    p.targets = zero_doubles(SAMPLES * config->classes);
    for (int i = 0; i < SAMPLES * config->classes; i++)
        p.targets[i] = 0.5 * (i % config->classes < 2);
    int blocks = 0;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) blocks += config->depths[stage];
    p.branch_scale = zero_doubles(blocks * SAMPLES);
    for (int i = 0; i < blocks * SAMPLES; i++) p.branch_scale[i] = i % 4 ? 1.25 : 0;
    static const int32_t image_of[SAMPLES] = {0, 1, 1};
    p.batch = (reference_batch){.samples = SAMPLES,
                                .height = HEIGHT,
                                .width = WIDTH,
                                .images = p.images,
                                .image_of = image_of,
                                .branch_scale = p.branch_scale};
    if (fcmae_config_has_part(config, FCMAE_PART_DECODER))
        p.batch.removed = removed;
    else
        p.batch.targets = p.targets;
    return p;
}

static void release_problem(problem *p)
{
    reference_network_destroy(p->network);
    free(p->images);
    free(p->targets);
    free(p->branch_scale);
}

static double network_loss(void *cookie)
{
    problem *p = cookie;
    reference_result result = reference_network_run(p->network, &p->batch, 0, 1);
    double loss = result.loss;
    reference_result_release(&result);
    return loss;
}

static void check_network(const fcmae_model_config *config)
{
    problem p = make_problem(config, 1);
    fcmae_random random = test_random(2);
    for (int half = 0; half < 2; half++) { /* two halves add up to one */
        reference_result result = reference_network_run(p.network, &p.batch, 1, 0.5);
        reference_result_release(&result);
    }
    for (int i = 0; i < p.network->count; i++) {
        reference_tensor *t = &p.network->tensors[i];
        gradient_variable variable = {t->name, t->value, t->gradient, t->count};
        check_directions(network_loss, &p, variable, 1, &random);
    }
    release_problem(&p);
}

START_TEST(pretraining)
{
    check_network(&tiny);
}
END_TEST

START_TEST(pretraining_batch_scope)
{
    fcmae_model_config config = tiny;
    config.grn_scope = FCMAE_GRN_BATCH;
    config.norm_pix = false;
    config.decoder_depth = 2;
    check_network(&config);
}
END_TEST

START_TEST(pretraining_version_1)
{
    fcmae_model_config config = tiny;
    config.version = 1;
    check_network(&config);
}
END_TEST

START_TEST(classification)
{
    fcmae_model_config config = tiny;
    config.objective = "classify";
    check_network(&config);
    config.version = 1;
    check_network(&config);
}
END_TEST

/* Removed pixels reach the target and nothing else. */
START_TEST(removed_pixels_are_never_seen)
{
    problem p = make_problem(&tiny, 1);
    p.batch.image_of = NULL; /* two samples, an image each */
    p.batch.samples = 2;
    p.batch.branch_scale = NULL;
    reference_result clean = reference_network_run(p.network, &p.batch, 0, 1);
    for (int i = 0; i < 2 * 2 * HEIGHT * WIDTH; i++) {
        int sample = i / (2 * HEIGHT * WIDTH), y = i / WIDTH % HEIGHT, x = i % WIDTH;
        if (removed[sample * CELLS + y / 16 * 3 + x / 16]) p.images[i] = NAN;
    }
    reference_result poisoned = reference_network_run(p.network, &p.batch, 0, 1);
    ck_assert_mem_eq(clean.encoder, poisoned.encoder, 2 * 8 * CELLS * sizeof(double));
    ck_assert_mem_eq(clean.prediction, poisoned.prediction, 2 * CELLS * 512 * sizeof(double));
    ck_assert(isnan(poisoned.loss) && isfinite(clean.loss));
    for (int i = 0; i < 2 * 8 * CELLS; i++)
        ck_assert((clean.encoder[i] == 0) == removed[i / (8 * CELLS) * CELLS + i % CELLS]);
    reference_result_release(&clean);
    reference_result_release(&poisoned);
    release_problem(&p);
}
END_TEST

/* With image scope a batch is its samples run alone; with batch scope it is not. */
START_TEST(samples_are_independent)
{
    for (int scope = FCMAE_GRN_IMAGE; scope <= FCMAE_GRN_BATCH; scope++) {
        fcmae_model_config config = tiny;
        config.grn_scope = scope;
        problem p = make_problem(&config, 1);
        p.batch.branch_scale = NULL;
        reference_result together = reference_network_run(p.network, &p.batch, 0, 1);
        p.batch.samples = 1;
        reference_result alone = reference_network_run(p.network, &p.batch, 0, 1);
        bool equal = memcmp(alone.prediction, together.prediction, CELLS * 512 * 8) == 0;
        ck_assert(equal == (scope == FCMAE_GRN_IMAGE));
        reference_result_release(&together);
        reference_result_release(&alone);
        release_problem(&p);
    }
}
END_TEST

/* A zero prediction of normalised patches of n values: every loss is (n - 1) / n. */
START_TEST(zero_prediction_has_a_known_loss)
{
    problem p = make_problem(&tiny, 1);
    reference_tensor *weight = reference_network_find(p.network, "pred.weight");
    reference_tensor *bias = reference_network_find(p.network, "pred.bias");
    memset(weight->value, 0, (size_t)weight->count * sizeof(double));
    memset(bias->value, 0, (size_t)bias->count * sizeof(double));
    ck_assert_double_eq_tol(network_loss(&p), 511. / 512, 1e-5);
    release_problem(&p);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, pretraining);
    tcase_add_test(cases, pretraining_batch_scope);
    tcase_add_test(cases, pretraining_version_1);
    tcase_add_test(cases, classification);
    tcase_add_test(cases, removed_pixels_are_never_seen);
    tcase_add_test(cases, samples_are_independent);
    tcase_add_test(cases, zero_prediction_has_a_known_loss);
}

int main(void)
{
    return run_suite("reference_network", add_tests);
}
