/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** An objective that the library does not know: exact gradients into all four stages, training, and
 *  its parameters in a checkpoint. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "fcmae/checkpoint.h"
#include "fcmae/engine.h"
#include "fcmae/optimiser.h"
#include "support/arrays.h"
#include "support/suite.h"

enum { SAMPLES = 5, SIDE = 32, CELLS = 4, PIXELS = 3 * SIDE * SIDE };

typedef struct toy {
    fcmae_model_config config;
    fcmae_model *model;
    fcmae_engine *engine;
    float images[SAMPLES * PIXELS];
    uint8_t removed[SAMPLES * CELLS];
    fcmae_batch batch;
} toy;

static toy *make_toy(int lanes, int micro_batch, bool masked)
{
    toy *t = calloc(1, sizeof *t);
    fcmae_random random = test_random(1);
    fcmae_error error = {0};
    ck_assert_ptr_nonnull(t);
    t->config = (fcmae_model_config){.name = "custom",
                                     .objective = "colour",
                                     .version = 2,
                                     .depths = {1, 2, 1, 1},
                                     .dims = {8, 16, 24, 40},
                                     .channels = 3,
                                     .stem_stride = 2,
                                     .norm_pix = true};
    ck_assert_msg(fcmae_model_create(&t->model, &t->config, &error) == FCMAE_OK, "%s",
                  error.message);
    const fcmae_engine_options options = {.train = true,
                                          .height = SIDE,
                                          .width = SIDE,
                                          .batch = SAMPLES,
                                          .lanes = lanes,
                                          .micro_batch = micro_batch,
                                          .threads = 2};
    fcmae_model_initialise(t->model, 3);
    ck_assert_msg(fcmae_engine_create(&t->engine, t->model, &options, &error) == FCMAE_OK, "%s",
                  error.message);
    for (int i = 0; i < SAMPLES * PIXELS; i++) /* pictures of one colour each, and noise */
        t->images[i] = (float)(0.3 * fcmae_random_normal(&random) +
                               sin(1.0 + i / (SIDE * SIDE) % 7));
    for (int i = 0; i < SAMPLES; i++) t->removed[i * CELLS + i % CELLS] = 1;
    t->batch = (fcmae_batch){.images = {.count = SAMPLES, .values = t->images},
                             .samples = SAMPLES,
                             .removed = masked ? t->removed : NULL};
    return t;
}

static void release_toy(toy *t)
{
    fcmae_engine_destroy(&t->engine);
    fcmae_model_destroy(&t->model);
    free(t);
}

/* Values that let something through: the initial ones leave the branches almost shut. */
static void randomise(toy *t)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(t->model, &count);
    fcmae_random random = test_random(2);
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < table[i].rows * table[i].columns; k++)
            fcmae_model_values(
                t->model)[table[i].offset + k / table[i].columns * table[i].stride +
                          k % table[i].columns] += (float)(0.3 * fcmae_random_normal(&random));
    fcmae_engine_pack(t->engine);
}

static double step(toy *t, float **gradients)
{
    double loss;
    fcmae_error error = {0};
    fcmae_engine_zero_gradients(t->engine);
    ck_assert_msg(fcmae_engine_step(t->engine, &t->batch, 1, &loss, &error) == FCMAE_OK, "%s",
                  error.message);
    ck_assert_int_eq(fcmae_engine_gradients(t->engine, gradients, NULL), FCMAE_OK);
    return loss;
}

/* The loss as the mean of the samples' own losses, which a forward pass writes. */
static double mean_loss(toy *t)
{
    double losses[SAMPLES], sum = 0;
    fcmae_outputs outputs = {.sample_loss = losses};
    ck_assert_int_eq(fcmae_engine_forward(t->engine, &t->batch, &outputs, NULL), FCMAE_OK);
    for (int i = 0; i < SAMPLES; i++) sum += losses[i];
    return sum / SAMPLES;
}

/* One direction per tensor: (L(v + h d) - L(v - h d)) / 2 h against <gradient, d>. */
static double check_tensor(toy *t, const fcmae_parameter *p, const float *gradients)
{
    int64_t size = p->rows * p->stride;
    float *values = fcmae_model_values(t->model) + p->offset;
    float *kept = malloc((size_t)size * sizeof *kept);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, values, (size_t)size * sizeof *kept);
    double norm = 0, loss[2];
    for (int64_t i = 0; i < size; i++)
        norm += (double)gradients[p->offset + i] * gradients[p->offset + i];
    norm = sqrt(norm);
    ck_assert_msg(norm > 1e-9, "%s has no gradient", p->name);
    const double h = 2e-3;
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < size; i++) /* along the gradient: <gradient, d> is its norm */
            values[i] = kept[i] + (float)((side ? h : -h) * gradients[p->offset + i] / norm);
        fcmae_engine_pack(t->engine);
        loss[side] = mean_loss(t);
    }
    memcpy(values, kept, (size_t)size * sizeof *kept);
    free(kept);
    return fabs((loss[1] - loss[0]) / (2 * h) - norm) / norm;
}

START_TEST(gradients_are_exact)
{
    static const int lanes[] = {1, 2, 3}, micro_batches[] = {5, 1, 2};
    toy *t = make_toy(lanes[_i], micro_batches[_i], _i != 1);
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(t->model, &count);
    float *gradients;
    randomise(t);
    double loss = step(t, &gradients);
    ck_assert_double_eq_tol(loss, mean_loss(t), 1e-9);
    for (int i = 0; i < count; i++) {
        double error = check_tensor(t, &table[i], gradients);
        ck_assert_msg(error < 0.01, "%s: the gradient is off by %.3g", table[i].name, error);
    }
    release_toy(t);
}
END_TEST

START_TEST(the_loss_falls)
{
    toy *t = make_toy(2, 2, true);
    fcmae_adamw *adamw = NULL;
    const fcmae_adamw_options options = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    ck_assert_int_eq(fcmae_adamw_create(&adamw, t->model, &options, NULL), FCMAE_OK);
    float *gradients;
    double first = step(t, &gradients), last = first;
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(
            fcmae_adamw_step(adamw, fcmae_model_values(t->model), gradients, 5e-3, 2, NULL, NULL),
            FCMAE_OK);
        fcmae_engine_pack(t->engine);
        last = step(t, &gradients);
    }
    ck_assert_msg(last < 0.1 * first, "the loss went from %g to %g", first, last);
    fcmae_adamw_destroy(&adamw);
    release_toy(t);
}
END_TEST

START_TEST(a_checkpoint_holds_its_parameters)
{
    char path[] = "/tmp/fcmae-toys-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    toy *t = make_toy(1, 5, true);
    fcmae_model *back = NULL;
    fcmae_error error = {0};
    fcmae_load_report report = {0};
    randomise(t);
    ck_assert_msg(fcmae_checkpoint_save(path, t->model, NULL, &error) == FCMAE_OK, "%s",
                  error.message);
    fcmae_checkpoint *checkpoint = NULL;
    ck_assert_int_eq(fcmae_checkpoint_open(&checkpoint, path, NULL, NULL), FCMAE_OK);
    ck_assert_str_eq(fcmae_checkpoint_describe(checkpoint)->config.objective, "colour");
    ck_assert_str_eq(fcmae_tensor_file_text(fcmae_checkpoint_file(checkpoint), "kind"), "colour");
    fcmae_checkpoint_close(&checkpoint);
    ck_assert_msg(fcmae_checkpoint_load_model(
                      &back, &(fcmae_model_source){.path = path, .objective = "colour"}, NULL,
                      &report, &error) == FCMAE_OK,
                  "%s", error.message);
    ck_assert_int_eq(report.errors, 0);
    size_t bytes = (size_t)fcmae_model_block_size(t->model) * sizeof(float);
    ck_assert_int_eq(fcmae_model_block_size(back), fcmae_model_block_size(t->model));
    ck_assert_int_eq(memcmp(fcmae_model_values(back), fcmae_model_values(t->model), bytes), 0);
    fcmae_model_destroy(&back);
    /* its encoder alone, without a word about what is left out */
    ck_assert_msg(fcmae_checkpoint_load_model(&back, &(fcmae_model_source){.path = path}, NULL,
                                              &report, &error) == FCMAE_OK,
                  "%s", error.message);
    fcmae_model_destroy(&back);
    fcmae_load_report_release(&report);
    release_toy(t);
    unlink(path);
}
END_TEST

START_TEST(it_stands_in_the_table)
{
    ck_assert_str_eq(fcmae_objective_name(0), "masked");
    ck_assert_str_eq(fcmae_objective_name(1), "classify");
    ck_assert_str_eq(fcmae_objective_name(2), "colour");
    ck_assert_ptr_null(fcmae_objective_name(3));
    toy *t = make_toy(1, 5, true);
    fcmae_error error = {0};
    ck_assert(fcmae_config_has_part(&t->config, FCMAE_PART_OTHER));
    ck_assert(!fcmae_config_has_part(&t->config, FCMAE_PART_HEAD));
    t->config.objective = "color";
    ck_assert_int_eq(fcmae_config_check(&t->config, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_str_eq(error.message,
                     "there is no objective color; there are masked, classify, colour");
    release_toy(t);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, gradients_are_exact, 0, 3);
    tcase_add_test(cases, the_loss_falls);
    tcase_add_test(cases, a_checkpoint_holds_its_parameters);
    tcase_add_test(cases, it_stands_in_the_table);
}

int main(void)
{
    return run_suite("toys", add_tests);
}
