/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The optimiser against equations written out in double, one scalar at a time. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels.h"
#include "core/random.h"
#include "fcmae/optimiser.h"
#include "support/suite.h"

static fcmae_model *small_model(int version)
{
    fcmae_model_config config = {.name = "small",
                                 .version = version,
                                 .depths = {1, 1, 2, 1},
                                 .dims = {8, 16, 24, 40},
                                 .channels = 3,
                                 .stem_stride = 4,
                                 .decoder_depth = 1,
                                 .decoder_dim = 32,
                                 .layer_scale_init = 1e-6};
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_model_create(&model, &config, &error) == FCMAE_OK, "%s", error.message);
    fcmae_model_initialise(model, 5);
    return model;
}

/** Random numbers in every element of every tensor, zeros in the padding. */
static void fill(const fcmae_model *model, float *block, uint64_t index, double size)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    fcmae_random random = fcmae_random_start(3, FCMAE_RANDOM_TEST, 0, index);
    for (int i = 0; i < count; i++)
        for (int64_t r = 0; r < table[i].rows; r++)
            for (int64_t c = 0; c < table[i].columns; c++)
                block[table[i].offset + r * table[i].stride + c] =
                    (float)(size * fcmae_random_normal(&random));
}

typedef struct reference {
    double p, m, v;
} reference;

/** PyTorch's AdamW, one element. */
static void reference_update(reference *x, double g, int t, double lr, double wd,
                             const fcmae_adamw_options *o)
{
    x->p *= 1 - lr * wd;
    x->m = o->beta1 * x->m + (1 - o->beta1) * g;
    x->v = o->beta2 * x->v + (1 - o->beta2) * g * g;
    double m = x->m / (1 - pow(o->beta1, t)), v = x->v / (1 - pow(o->beta2, t));
    x->p -= lr * m / (sqrt(v) + o->epsilon);
}

/** Whether PyTorch's pretraining rule (timm 0.3.2) decays an official tensor. */
static bool official_decay(const fcmae_parameter *p)
{
    size_t length = strlen(p->name);
    return p->rank > 1 && strcmp(p->name + length - 5, ".bias") != 0;
}

static void compare_with_reference(fcmae_adamw_options options, int threads)
{
    enum { UPDATES = 6 };
    fcmae_model *model = small_model(2);
    fcmae_adamw *adamw = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_adamw_create(&adamw, model, &options, &error), FCMAE_OK);
    size_t size = (size_t)fcmae_model_block_size(model);
    float *values = fcmae_model_values(model);
    float *gradients = calloc(size * UPDATES, sizeof *gradients);
    reference *wanted = calloc(size, sizeof *wanted);
    for (size_t i = 0; i < size; i++) wanted[i].p = values[i];
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);

    for (int t = 1; t <= UPDATES; t++) {
        float *g = gradients + size * (size_t)(t - 1);
        fill(model, g, (uint64_t)t, 0.01 * t);
        double squares = 0, norm = 0, lr = 1e-3 * t;
        for (size_t i = 0; i < size; i++) squares += (double)g[i] * g[i];
        ck_assert_int_eq(fcmae_adamw_step(adamw, values, g, lr, threads, &norm, &error), FCMAE_OK);
        ck_assert_double_eq_tol(norm, sqrt(squares), 1e-12 * norm);
        double scale = options.clip > 0 ? fmin(1, options.clip / (sqrt(squares) + 1e-6)) : 1;
        for (int i = 0; i < count; i++) {
            const fcmae_parameter *p = &table[i];
            int top = fcmae_layer_count(fcmae_model_configuration(model), options.layer_decay) - 1;
            int id = fcmae_layer_id(fcmae_model_configuration(model), p, options.layer_decay);
            double s = pow(options.layer_decay_rate, top - id);
            bool matrix = official_decay(p) && !strstr(p->name, "grn.") &&
                          strcmp(p->name, "mask_token") != 0;
            bool decays = options.grn_decay ? official_decay(p) : matrix;
            for (int64_t e = p->offset; e < p->offset + p->rows * p->stride; e++)
                reference_update(&wanted[e], g[e] * scale, t, lr * s,
                                 decays ? options.weight_decay : 0, &options);
        }
    }
    ck_assert_int_eq(fcmae_adamw_updates(adamw), UPDATES);
    for (size_t i = 0; i < size; i++) {
        ck_assert_double_eq_tol(values[i], wanted[i].p, 1e-6 * fabs(wanted[i].p) + 5e-8);
        ck_assert_double_eq_tol(fcmae_adamw_first_moment(adamw)[i], wanted[i].m, 1e-8);
        ck_assert_double_eq_tol(fcmae_adamw_second_moment(adamw)[i], wanted[i].v,
                                1e-6 * wanted[i].v + 1e-30);
    }
    free(gradients);
    free(wanted);
    fcmae_adamw_destroy(&adamw);
    fcmae_model_destroy(&model);
}

START_TEST(adamw_follows_the_equations)
{
    compare_with_reference(fcmae_adamw_defaults(), 2);
}
END_TEST

START_TEST(adamw_with_the_official_groups)
{
    fcmae_adamw_options options = fcmae_adamw_defaults();
    options.grn_decay = true;
    options.weight_decay = 0.3;
    compare_with_reference(options, 1);
}
END_TEST

START_TEST(adamw_clips_and_scales_layers)
{
    fcmae_adamw_options options = fcmae_adamw_defaults();
    options.beta2 = 0.999;
    options.clip = 0.5;
    options.layer_decay = FCMAE_LAYER_DECAY_SINGLE;
    options.layer_decay_rate = 0.9;
    compare_with_reference(options, 3);
}
END_TEST

START_TEST(adamw_keeps_padding_zero_and_ignores_threads)
{
    float *first = NULL;
    size_t size = 0;
    for (int threads = 1; threads <= 7; threads += 2) {
        fcmae_model *model = small_model(1);
        fcmae_adamw_options options = fcmae_adamw_defaults();
        fcmae_adamw *adamw = NULL;
        ck_assert_int_eq(fcmae_adamw_create(&adamw, model, &options, NULL), FCMAE_OK);
        size = (size_t)fcmae_model_block_size(model);
        float *gradients = calloc(size, sizeof *gradients);
        double norm[3];
        for (int t = 0; t < 3; t++) {
            fill(model, gradients, (uint64_t)t, 1);
            ck_assert_int_eq(fcmae_adamw_step(adamw, fcmae_model_values(model), gradients, 0.01,
                                              threads, &norm[t], NULL),
                             FCMAE_OK);
        }
        if (!first) {
            first = malloc(size * sizeof *first);
            memcpy(first, fcmae_model_values(model), size * sizeof *first);
        }
        ck_assert_mem_eq(first, fcmae_model_values(model), size * sizeof *first);
        int count;
        const fcmae_parameter *table = fcmae_model_parameters(model, &count);
        for (int i = 0; i < count; i++)
            for (int64_t r = 0; r < table[i].rows; r++)
                for (int64_t c = table[i].columns; c < table[i].stride; c++)
                    ck_assert(
                        fcmae_model_values(model)[table[i].offset + r * table[i].stride + c] == 0);
        free(gradients);
        fcmae_adamw_destroy(&adamw);
        fcmae_model_destroy(&model);
    }
    free(first);
}
END_TEST

START_TEST(adamw_refuses_a_poisoned_gradient)
{
    for (int clipped = 0; clipped < 2; clipped++)
        for (int poison = 0; poison < 3; poison++) {
            fcmae_model *model = small_model(2);
            fcmae_adamw_options options = fcmae_adamw_defaults();
            options.clip = clipped;
            fcmae_adamw *adamw = NULL;
            ck_assert_int_eq(fcmae_adamw_create(&adamw, model, &options, NULL), FCMAE_OK);
            size_t size = (size_t)fcmae_model_block_size(model);
            float *gradients = calloc(size, sizeof *gradients);
            const float bad[3] = {NAN, INFINITY, -INFINITY};
            gradients[size - 17] = bad[poison];
            fcmae_error error = {0};
            ck_assert_int_eq(fcmae_adamw_step(adamw, fcmae_model_values(model), gradients, 1e-3, 2,
                                              NULL, &error),
                             FCMAE_ERR_NUMERIC);
            gradients[size - 17] = 3e38f; /* finite: its square must not pass for infinity */
            double norm = 0;
            ck_assert_int_eq(fcmae_adamw_step(adamw, fcmae_model_values(model), gradients, 1e-3, 2,
                                              &norm, &error),
                             FCMAE_OK);
            ck_assert_double_eq_tol(norm, 3e38, 1e32);
            free(gradients);
            fcmae_adamw_destroy(&adamw);
            fcmae_model_destroy(&model);
        }
}
END_TEST

START_TEST(adamw_refuses_impossible_options)
{
    fcmae_model *model = small_model(2);
    fcmae_adamw_options bad[8];
    for (int i = 0; i < 8; i++) bad[i] = fcmae_adamw_defaults();
    bad[0].beta1 = 1;
    bad[1].beta2 = -0.1;
    bad[2].epsilon = 0;
    bad[3].weight_decay = NAN;
    bad[4].clip = -1;
    bad[5].layer_decay = FCMAE_LAYER_DECAY_GROUP;
    bad[5].layer_decay_rate = 0;
    bad[6].instruction_set = 5;
    bad[7].instruction_set = -1;
    for (int i = 0; i < 8; i++) {
        fcmae_adamw *adamw = NULL;
        fcmae_error error = {0};
        ck_assert_int_eq(fcmae_adamw_create(&adamw, model, &bad[i], &error), FCMAE_ERR_ARGUMENT);
        ck_assert(error.message[0] && !adamw);
    }
    fcmae_model_destroy(&model);
}
END_TEST

/** One update of the first parameter, and one of the average, by the kernels themselves: their bits
 *  differ from set to set. */
START_TEST(the_chosen_instruction_set_is_used)
{
    const fcmae_kernels *kernels = fcmae_kernels_get(fcmae_isa_choose(_i, false));
    fcmae_model *model = small_model(2);
    fcmae_adamw_options options = fcmae_adamw_defaults();
    options.instruction_set = _i;
    fcmae_adamw *adamw = NULL;
    ck_assert_int_eq(fcmae_adamw_create(&adamw, model, &options, NULL), FCMAE_OK);
    size_t size = (size_t)fcmae_model_block_size(model);
    float *values = fcmae_model_values(model), *gradients = calloc(size, sizeof *gradients);
    float *wanted = malloc(size * sizeof *wanted), *moments = calloc(2 * size, sizeof *moments);
    fill(model, gradients, 1, 1);
    memcpy(wanted, values, size * sizeof *wanted);
    const fcmae_parameter *first = fcmae_model_parameters(model, &(int){0});
    const fcmae_adamw_factors factors = {
        .gradient_scale = 1,
        .keep = (float)(1 - 0.01 * (fcmae_adamw_decays(&options, first) ? 0.05 : 0)),
        .step_size = (float)(0.01 / (1 - options.beta1)),
        .correction2_root = (float)sqrt(1 - options.beta2),
        .beta1 = options.beta1,
        .beta2 = options.beta2,
        .epsilon = options.epsilon};
    int64_t count = first->rows * first->stride;
    kernels->adamw(count, wanted + first->offset, gradients + first->offset, moments,
                   moments + size, &factors);
    ck_assert_int_eq(fcmae_adamw_step(adamw, values, gradients, 0.01, 2, NULL, NULL), FCMAE_OK);
    ck_assert_mem_eq(wanted + first->offset, values + first->offset,
                     (size_t)count * sizeof *wanted);
    memcpy(wanted, values, size * sizeof *wanted);
    kernels->blend((int64_t)size, 0.99f, (float)(1 - 0.99), gradients, wanted);
    fcmae_ema_update(values, gradients, (int64_t)size, 0.99, _i, 2);
    ck_assert_mem_eq(wanted, values, size * sizeof *wanted);
    free(gradients);
    free(wanted);
    free(moments);
    fcmae_adamw_destroy(&adamw);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(schedule_values)
{
    fcmae_schedule s = {.lr = 2, .min_lr = 0.5, .warmup_epochs = 4, .epochs = 20};
    ck_assert_double_eq(fcmae_schedule_rate(&s, 0), 0);
    ck_assert_double_eq_tol(fcmae_schedule_rate(&s, 1.5), 0.75, 1e-15);
    ck_assert_double_eq_tol(fcmae_schedule_rate(&s, 4), 2, 1e-15);
    ck_assert_double_eq_tol(fcmae_schedule_rate(&s, 12), 1.25, 1e-15);
    ck_assert_double_eq_tol(fcmae_schedule_rate(&s, 8), 0.5 + 1.5 * (2 + sqrt(2)) / 4, 1e-14);
    ck_assert_double_eq(fcmae_schedule_rate(&s, 20), 0.5);
    ck_assert_double_eq(fcmae_schedule_rate(&s, 21), 0.5);
    s.warmup_epochs = 0;
    ck_assert_double_eq(fcmae_schedule_rate(&s, 0), 2);
    s.epochs = 0;
    ck_assert_double_eq(fcmae_schedule_rate(&s, 0), 0.5);
}
END_TEST

START_TEST(layer_ids_of_the_published_sizes)
{
    const struct {
        int depths[4], downsampling[4], head;
    } sizes[] = {{{2, 2, 6, 2}, {1, 3, 5, 11}, 13},
                 {{2, 2, 8, 2}, {1, 3, 5, 13}, 15},
                 {{3, 3, 9, 3}, {1, 4, 7, 16}, 19},
                 {{3, 3, 27, 3}, {1, 4, 7, 34}, 37}};
    for (int i = 0; i < 4; i++) {
        fcmae_model_config config = {0};
        memcpy(config.depths, sizes[i].depths, sizeof config.depths);
        fcmae_parameter p = {.part = FCMAE_PART_DOWNSAMPLE};
        for (p.stage = 0; p.stage < 4; p.stage++)
            ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_SINGLE),
                             sizes[i].downsampling[p.stage]);
        p.part = FCMAE_PART_HEAD;
        ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_SINGLE), sizes[i].head);
        ck_assert_int_eq(fcmae_layer_count(&config, FCMAE_LAYER_DECAY_SINGLE), sizes[i].head + 1);
        ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_GROUP), 13);
        p.part = FCMAE_PART_BLOCK;
        p.stage = 2;
        p.block = sizes[i].depths[2] - 1;
        ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_GROUP),
                         3 + (sizes[i].depths[2] - 1) / 3);
        p.stage = 3;
        p.block = 0;
        ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_GROUP), 12);
        ck_assert_int_eq(fcmae_layer_id(&config, &p, FCMAE_LAYER_DECAY_SINGLE),
                         sizes[i].downsampling[3]);
    }
}
END_TEST

START_TEST(average_of_weights)
{
    enum { COUNT = 40000 };
    float *average = malloc(COUNT * sizeof *average), *values = malloc(COUNT * sizeof *values);
    float *again = malloc(COUNT * sizeof *again);
    fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, 0);
    for (int i = 0; i < COUNT; i++) average[i] = again[i] = (float)fcmae_random_normal(&random);
    for (int i = 0; i < COUNT; i++) values[i] = (float)fcmae_random_normal(&random);
    fcmae_ema_update(average, values, COUNT - 3, 0.99, 0, 3);
    for (int i = 0; i < COUNT; i++) {
        double wanted = i < COUNT - 3 ? 0.99 * again[i] + 0.01 * values[i] : again[i];
        ck_assert_double_eq_tol(average[i], wanted, 3e-7);
    }
    fcmae_ema_update(again, values, COUNT - 3, 0.99, 0, 1);
    ck_assert_mem_eq(average, again, COUNT * sizeof *average);
    free(average);
    free(values);
    free(again);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, adamw_follows_the_equations);
    tcase_add_test(cases, adamw_with_the_official_groups);
    tcase_add_test(cases, adamw_clips_and_scales_layers);
    tcase_add_test(cases, adamw_keeps_padding_zero_and_ignores_threads);
    tcase_add_test(cases, adamw_refuses_a_poisoned_gradient);
    tcase_add_test(cases, adamw_refuses_impossible_options);
    tcase_add_loop_test(cases, the_chosen_instruction_set_is_used, 0, 4);
    tcase_add_test(cases, schedule_values);
    tcase_add_test(cases, layer_ids_of_the_published_sizes);
    tcase_add_test(cases, average_of_weights);
}

int main(void)
{
    return run_suite("optimiser", add_tests);
}
