/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What fcmae/engine.h promises besides the right numbers. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network/network_case.h"
#include "support/arrays.h"
#include "support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static fcmae_engine *engine_of(const network_setup *s, fcmae_engine_options options)
{
    fcmae_engine *engine = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_engine_create(&engine, s->model, &options, &error) == FCMAE_OK, "%s",
                  error.message);
    return engine;
}

static float *gradients_of(const network_setup *s)
{
    float *gradients;
    ck_assert_int_eq(fcmae_engine_gradients(s->engine, &gradients, NULL), FCMAE_OK);
    return gradients;
}

static size_t block_bytes(const network_setup *s)
{
    return (size_t)fcmae_model_block_size(s->model) * sizeof(float);
}

/* Everything a forward pass can write, in one block of floats. */
typedef struct observed_outputs {
    fcmae_outputs outputs;
    float *values;
    size_t bytes;
} observed_outputs;

static observed_outputs run_forward(fcmae_engine *engine, const network_setup *s)
{
    int64_t samples = s->batch.samples, c3 = s->config.dims[3];
    int64_t sizes[] = {samples * c3 * s->cells, samples * c3, samples * s->config.classes,
                       samples * s->cells * fcmae_config_patch_values(&s->config), 2 * samples};
    observed_outputs o = {.bytes = 0};
    for (size_t i = 0; i < COUNT(sizes); i++) o.bytes += (size_t)sizes[i] * sizeof(float);
    o.values = calloc(1, o.bytes + sizeof(double));
    ck_assert_ptr_nonnull(o.values);
    float *next = o.values + sizes[4];
    o.outputs.sample_loss = (double *)o.values;
    o.outputs.encoder = next;
    o.outputs.pooled = next + sizes[0];
    if (has_head(s)) o.outputs.logits = next + sizes[0] + sizes[1];
    if (has_decoder(s)) o.outputs.prediction = next + sizes[0] + sizes[1] + sizes[2];
    fcmae_error error = {0};
    ck_assert_msg(fcmae_engine_forward(engine, &s->batch, &o.outputs, &error) == FCMAE_OK, "%s",
                  error.message);
    return o;
}

/* Same bits for any number of threads, with lanes and inside one lane. */
START_TEST(threads_change_nothing)
{
    const network_case cases[] = {
        {.name = "lanes", .samples = 7, .lanes = 3, .micro_batch = 2, .drop_path = true},
        {.name = "one lane", .samples = 3, .lanes = 1, .micro_batch = 3, .dims = {16, 32, 48, 64}},
        {.name = "batch scope", .samples = 3, .scope = FCMAE_GRN_BATCH},
        {.name = "classifier", .samples = 4, .lanes = 2, .objective = "classify"},
        {.name = "classifier, one lane", .samples = 4, .objective = "classify"},
        {.name = "bfloat16", .samples = 3, .precision = FCMAE_BFLOAT16, .dims = {16, 32, 48, 64}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        network_setup s = make_setup(&cases[i], 1);
        fcmae_engine_options options = case_options(&s, true);
        double loss, again;
        float *gradients = step_gradients(s.engine, s.model, &s.batch, &loss);
        observed_outputs o = run_forward(s.engine, &s);
        static const int threads[] = {2, 3, 7};
        for (size_t t = 0; t < COUNT(threads); t++) {
            options.threads = threads[t];
            fcmae_engine *engine = engine_of(&s, options);
            float *other = step_gradients(engine, s.model, &s.batch, &again);
            observed_outputs p = run_forward(engine, &s);
            ck_assert_msg(loss == again && memcmp(gradients, other, block_bytes(&s)) == 0 &&
                              memcmp(o.values, p.values, o.bytes) == 0,
                          "%s: %d threads give other bits than one", s.c.name, threads[t]);
            free(other);
            free(p.values);
            fcmae_engine_destroy(&engine);
        }
        free(gradients);
        free(o.values);
        release_setup(&s);
    }
}
END_TEST

/* NaN in every removed pixel: the same bits come out of the encoder and the decoder. */
START_TEST(removed_pixels_never_matter)
{
    const network_case c = {.name = "poison", .samples = 4, .micro_batch = 2, .rows = 3};
    network_setup s = make_setup(&c, 1);
    observed_outputs clean = run_forward(s.engine, &s);
    int patch = fcmae_config_patch(&s.config), columns = s.width / patch;
    int64_t pixels = (int64_t)s.config.channels * s.height * s.width;
    for (int64_t i = 0; i < 4 * pixels; i++) {
        int64_t y = i / s.width % s.height, x = i % s.width;
        if (s.removed[i / pixels * s.cells + y / patch * columns + x / patch]) s.values[i] = NAN;
    }
    observed_outputs poisoned = run_forward(s.engine, &s);
    size_t losses = 4 * sizeof(double);
    ck_assert_int_eq(memcmp((char *)clean.values + losses, (char *)poisoned.values + losses,
                            clean.bytes - losses),
                     0);
    double loss;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_engine_step(s.engine, &s.batch, 1, &loss, &error), FCMAE_ERR_NUMERIC);
    free(clean.values);
    free(poisoned.values);
    release_setup(&s);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_names_its_sample)
{
    for (int o = 0; o < 2; o++) {
        const network_case c = {
            .name = "not finite", .objective = network_objectives[o], .samples = 5, .lanes = 2};
        network_setup s = make_setup(&c, 1);
        int64_t pixels = (int64_t)s.config.channels * s.height * s.width;
        for (int64_t i = 0; i < pixels; i++) s.values[3 * pixels + i] = INFINITY;
        double loss;
        fcmae_error error = {0};
        ck_assert_ptr_null(fcmae_engine_failed_losses(s.engine));
        ck_assert_int_eq(fcmae_engine_step(s.engine, &s.batch, 1, &loss, &error),
                         FCMAE_ERR_NUMERIC);
        ck_assert_msg(strstr(error.message, "is 3") != NULL, "%s", error.message);
        const double *losses = fcmae_engine_failed_losses(s.engine);
        ck_assert_ptr_nonnull(losses);
        for (int i = 0; i < 5; i++) ck_assert_int_eq(isfinite(losses[i]) != 0, i != 3);
        for (int64_t i = 0; i < pixels; i++) s.values[3 * pixels + i] = 1;
        fcmae_engine_zero_gradients(s.engine);
        ck_assert_int_eq(fcmae_engine_step(s.engine, &s.batch, 1, &loss, &error), FCMAE_OK);
        ck_assert_ptr_null(fcmae_engine_failed_losses(s.engine));
        release_setup(&s);
    }
}
END_TEST

/* The batch is wrong in one way; the call fails, says what is wrong, and the engine goes on. */
static void expect_refusal(network_setup *s, const fcmae_batch *batch, fcmae_status status,
                           const char *word)
{
    double loss;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_engine_step(s->engine, batch, 1, &loss, &error), status);
    ck_assert_msg(strstr(error.message, word) != NULL, "\"%s\" does not say \"%s\"", error.message,
                  word);
}

START_TEST(wrong_batches_are_refused)
{
    const network_case c = {.name = "wrong", .samples = 3};
    network_setup s = make_setup(&c, 1);
    fcmae_batch batch = s.batch;
    uint8_t removed[18];

    memcpy(removed, s.removed, 18);
    batch.removed = removed;
    memset(removed + 6, 1, 6);
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "sample 1");
    memset(removed + 6, 0, 6);
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "sample 1");
    batch.removed = NULL;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "sample 0");

    batch = s.batch;
    batch.samples = 4;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "4");
    batch.samples = 0;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "0");
    batch = s.batch;
    int32_t image_of[] = {0, 1, 3};
    batch.image_of = image_of;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "sample 2");
    image_of[2] = -1;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "sample 2");
    batch = s.batch;
    batch.images.values = NULL;
    expect_refusal(&s, &batch, FCMAE_ERR_ARGUMENT, "images");
    check_setup(&s, 2e-5); /* none of it left a trace */
    release_setup(&s);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    const network_case c = {.name = "options"};
    network_setup s = make_setup_without_engine(&c, 1);
    const fcmae_engine_options good = case_options(&s, true);
    fcmae_engine_options bad[8];
    for (size_t i = 0; i < COUNT(bad); i++) bad[i] = good;
    bad[0].height = 33;
    bad[1].width = 0;
    bad[2].frozen_blocks = 1;
    bad[3].batch = -1;
    bad[4].lanes = -1;
    bad[5].threads = -2;
    bad[6].height = 1 << 30;
    bad[7].precision = (fcmae_precision)7;
    for (size_t i = 0; i < COUNT(bad); i++) {
        fcmae_engine *engine = NULL;
        fcmae_error error = {0};
        fcmae_engine_plan_info info;
        ck_assert_msg(fcmae_engine_create(&engine, s.model, &bad[i], &error) != FCMAE_OK,
                      "options %zu", i);
        ck_assert_ptr_null(engine);
        ck_assert_int_gt(strlen(error.message), 10);
        ck_assert_int_ne(fcmae_engine_plan(&s.config, &bad[i], &info, NULL), FCMAE_OK);
    }
    release_setup(&s);
}
END_TEST

/* More visible cells than the engine was made for; exactly as many are fine. */
START_TEST(visible_cells_are_a_limit)
{
    const network_case c = {.name = "visible", .visible = 2};
    network_setup s = make_setup_without_engine(&c, 1);
    fcmae_engine_options options = case_options(&s, true);
    options.visible_cells = 2;
    s.engine = engine_of(&s, options);
    check_setup(&s, 2e-5);
    s.removed[0] = s.removed[1] = s.removed[2] = 0;
    expect_refusal(&s, &s.batch, FCMAE_ERR_ARGUMENT, "sample 0");
    release_setup(&s);
}
END_TEST

static void check_blocks_close(const network_setup *s, const float *a, const float *b, double scale)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(s->model, &count);
    for (int i = 0; i < count; i++) {
        int64_t size = table[i].rows * table[i].stride;
        double *expected = zero_doubles(size);
        for (int64_t k = 0; k < size; k++) expected[k] = scale * b[table[i].offset + k];
        double error = relative_error(a + table[i].offset, expected, size);
        ck_assert_msg(error < 5e-6, "%s: %s differs by %g", s->c.name, table[i].name, error);
        free(expected);
    }
}

/* Two halves of a batch with weight 1/2 each are the batch. */
START_TEST(accumulation)
{
    for (int o = 0; o < 2; o++) {
        const network_case c = {.name = "accumulate",
                                .objective = network_objectives[o],
                                .samples = 4,
                                .visible = 2,
                                .lanes = 2};
        network_setup s = make_setup(&c, 1);
        double whole, half[2];
        float *gradients = step_gradients(s.engine, s.model, &s.batch, &whole);
        fcmae_engine_zero_gradients(s.engine);
        for (int i = 0; i < 2; i++) {
            int64_t pixels = (int64_t)s.config.channels * s.height * s.width;
            fcmae_batch part = s.batch;
            part.samples = part.images.count = 2;
            part.images.values += 2 * i * pixels;
            if (part.removed) part.removed += 2 * i * s.cells;
            if (part.targets) part.targets += 2 * i * s.config.classes;
            ck_assert_int_eq(fcmae_engine_step(s.engine, &part, 0.5, &half[i], NULL), FCMAE_OK);
        }
        check_blocks_close(&s, gradients_of(&s), gradients, 1);
        ck_assert_double_eq_tol((half[0] + half[1]) / 2, whole, 1e-6 * whole);

        fcmae_engine_zero_gradients(s.engine); /* twice without clearing: doubled */
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(fcmae_engine_step(s.engine, &s.batch, 1, &whole, NULL), FCMAE_OK);
        check_blocks_close(&s, gradients_of(&s), gradients, 2);
        free(gradients);
        release_setup(&s);
    }
}
END_TEST

/* Other masks, other pictures, a forward pass in between: the same step gives the same bits. */
START_TEST(steps_leave_no_trace)
{
    const network_case c = {.name = "first",
                            .samples = 5,
                            .micro_batch = 2,
                            .lanes = 2,
                            .dims = {40, 8, 24, 16},
                            .depths = {2, 2, 2, 2}};
    network_setup s = make_setup(&c, 1), other = make_setup_without_engine(&c, 2);
    double first, again, unused;
    float *fresh = step_gradients(s.engine, s.model, &s.batch, &first);
    free(step_gradients(s.engine, s.model, &other.batch, &unused));
    free(run_forward(s.engine, &s).values);
    uint8_t *masks = s.removed;
    s.batch.removed = NULL; /* everything visible */
    free(run_forward(s.engine, &s).values);
    s.batch.removed = masks;
    float *later = step_gradients(s.engine, s.model, &s.batch, &again);
    ck_assert(first == again);
    ck_assert_int_eq(memcmp(fresh, later, block_bytes(&s)), 0);
    free(fresh);
    free(later);
    release_setup(&s);
    release_setup(&other);
}
END_TEST

/* Dead hidden channels: the gradient of a zero norm is 0, not NaN. */
START_TEST(dead_channels)
{
    for (int everything = 0; everything < 2; everything++)
        for (int o = 0; o < 2; o++) {
            const network_case c = {.name = "dead", .objective = network_objectives[o]};
            network_setup s = make_setup(&c, 1);
            const fcmae_parameter *weight = fcmae_model_find(s.model, "stages.2.1.pwconv1.weight");
            const fcmae_parameter *bias = fcmae_model_find(s.model, "stages.2.1.pwconv1.bias");
            float *values = fcmae_model_values(s.model);
            for (int64_t j = 0; j < bias->count; j++) {
                if (j % 3 && !everything) continue;
                values[bias->offset + j] = 0;
                for (int64_t i = 0; i < weight->rows; i++)
                    values[weight->offset + i * weight->stride + j] = 0;
            }
            refresh_parameters(&s);
            check_setup(&s, 2e-5);
            release_setup(&s);
        }
}
END_TEST

/* All parameters zero, as far as the definition allows: nothing is NaN. */
START_TEST(zero_parameters)
{
    for (int version = 1; version <= 2; version++) {
        const network_case c = {.name = "zero", .version = version};
        network_setup s = make_setup(&c, 1);
        memset(fcmae_model_values(s.model), 0, block_bytes(&s));
        refresh_parameters(&s);
        double loss;
        float *gradients = step_gradients(s.engine, s.model, &s.batch, &loss);
        int64_t n = fcmae_config_patch_values(&s.config);
        ck_assert_double_eq_tol(loss, (double)(n - 1) / (double)n, 1e-5);
        for (int64_t i = 0; i < fcmae_model_block_size(s.model); i++)
            if (!isfinite(gradients[i])) ck_abort_msg("gradient %lld", (long long)i);
        free(gradients);
        release_setup(&s);
    }
}
END_TEST

/* Bytes are values: (byte / 255 - mean) / deviation. */
START_TEST(bytes_are_values)
{
    for (int o = 0; o < 2; o++) {
        const network_case c = {.name = "bytes",
                                .objective = network_objectives[o],
                                .samples = 3,
                                .images = 2,
                                .channels = 2};
        network_setup s = make_setup(&c, 1);
        const float mean[] = {0.485f, 0.25f}, deviation[] = {0.229f, 0.5f};
        fcmae_random random = test_random(3);
        int64_t plane = (int64_t)s.height * s.width;
        uint8_t *bytes = malloc((size_t)(2 * 2 * plane));
        ck_assert_ptr_nonnull(bytes);
        for (int64_t i = 0; i < 4 * plane; i++) { /* image, pixel, channel */
            int64_t image = i / 2 / plane, channel = i % 2, pixel = i / 2 % plane;
            bytes[i] = (uint8_t)fcmae_random_below(&random, 256);
            s.images[(image * 2 + channel) * plane + pixel] = ((double)bytes[i] / 255 -
                                                               (double)mean[channel]) /
                                                              (double)deviation[channel];
        }
        s.batch.images = (fcmae_images){
            .count = 2, .bytes = bytes, .mean = mean, .deviation = deviation};
        check_setup(&s, 2e-5);
        free(bytes);
        release_setup(&s);
    }
}
END_TEST

/* An engine for inference gives what the training engine gives, for every objective. */
START_TEST(inference)
{
    for (int o = 0; o < 3; o++) {
        const network_case c = {.name = "inference",
                                .objective = network_objectives[o],
                                .samples = 5,
                                .lanes = 2,
                                .micro_batch = 2,
                                .depths = {2, 1, 3, 2}};
        network_setup s = make_setup(&c, 1);
        observed_outputs expected = run_forward(s.engine, &s);
        fcmae_engine *engine = engine_of(&s, case_options(&s, false));
        observed_outputs got = run_forward(engine, &s);
        ck_assert_int_eq(memcmp(expected.values, got.values, got.bytes), 0);
        double loss;
        ck_assert_int_eq(fcmae_engine_step(engine, &s.batch, 1, &loss, NULL), FCMAE_ERR_ARGUMENT);
        if (s.config.objective)
            ck_assert(fcmae_engine_info(engine)->activation_bytes <
                      fcmae_engine_info(s.engine)->activation_bytes);
        free(expected.values);
        free(got.values);
        fcmae_engine_destroy(&engine);
        release_setup(&s);
    }
}
END_TEST

/* New values are seen after fcmae_engine_pack(), not before. */
START_TEST(packing)
{
    const network_case c = {.name = "pack"};
    network_setup s = make_setup(&c, 1);
    float *values = fcmae_model_values(s.model);
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(s.model, &count);
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < table[i].rows * table[i].stride; k++)
            values[table[i].offset + k] *= 0.75f;
    refresh_parameters(&s);
    check_setup(&s, 2e-5);
    release_setup(&s);
}
END_TEST

/* What observers are shown, against the reference's blocks. */
typedef struct witness {
    const network_setup *setup;
    const reference_result *expected;
    int seen[4]; /* per point */
} witness;

static int ascending(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

static void witness_block(void *cookie, const fcmae_observation *o)
{
    witness *w = cookie;
    const reference_trace *t = w->expected->traces;
    while (t->stage != o->stage || t->block != o->block) t++;
    const double *arrays[] = {t->hidden, t->response, t->branch, t->output};
    int64_t channels = o->point <= FCMAE_OBSERVE_GRN ? 4 * t->channels : t->channels;
    ck_assert_int_eq(o->channels, channels);
    ck_assert_int_eq(o->sites, t->first[o->sample + 1] - t->first[o->sample]);
    ck_assert_int_eq(o->height * o->width, w->setup->cells * (64 >> 2 * o->stage));

    int32_t *order = malloc((size_t)o->sites * sizeof *order);
    float *rows = malloc((size_t)(o->sites * channels) * sizeof *rows);
    ck_assert(order && rows);
    memcpy(order, o->position, (size_t)o->sites * sizeof *order);
    qsort(order, (size_t)o->sites, sizeof *order, ascending);
    for (int64_t site = 0; site < o->sites; site++) {
        int32_t *place = bsearch(&o->position[site], order, (size_t)o->sites, sizeof *order,
                                 ascending);
        memcpy(rows + (place - order) * channels, o->values + site * o->stride,
               (size_t)channels * sizeof *rows);
    }
    double error = relative_error(rows, arrays[o->point] + t->first[o->sample] * channels,
                                  o->sites * channels);
    ck_assert_msg(error < 2e-5, "stage %d block %d sample %d point %d: off by %g", o->stage,
                  o->block, (int)o->sample, (int)o->point, error);
    w->seen[o->point]++;
    free(order);
    free(rows);
}

START_TEST(observers)
{
    for (int version = 1; version <= 2; version++)
        for (int o = 0; o < 3; o++) {
            const network_case c = {.name = "observers",
                                    .objective = network_objectives[o],
                                    .version = version,
                                    .samples = 4,
                                    .micro_batch = 3};
            network_setup s = make_setup(&c, 1);
            reference_result expected = reference_network_run(s.reference, &s.reference_batch, 0,
                                                              1);
            witness w = {.setup = &s, .expected = &expected};
            fcmae_outputs outputs = {.observe = witness_block, .cookie = &w};
            fcmae_engine *engine = engine_of(&s, case_options(&s, false));
            ck_assert_int_eq(fcmae_engine_forward(engine, &s.batch, &outputs, NULL), FCMAE_OK);
            ck_assert_int_eq(fcmae_engine_forward(s.engine, &s.batch, &outputs, NULL), FCMAE_OK);
            for (int point = 0; point < 4; point++) /* two passes, five blocks, four samples */
                ck_assert_int_eq(w.seen[point],
                                 point == FCMAE_OBSERVE_GRN && version == 1 ? 0 : 2 * 5 * 4);
            fcmae_engine_destroy(&engine);
            reference_result_release(&expected);
            release_setup(&s);
        }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, threads_change_nothing);
    tcase_add_test(cases, removed_pixels_never_matter);
    tcase_add_test(cases, a_loss_that_is_not_finite_names_its_sample);
    tcase_add_test(cases, wrong_batches_are_refused);
    tcase_add_test(cases, wrong_options_are_refused);
    tcase_add_test(cases, visible_cells_are_a_limit);
    tcase_add_test(cases, accumulation);
    tcase_add_test(cases, steps_leave_no_trace);
    tcase_add_test(cases, dead_channels);
    tcase_add_test(cases, zero_parameters);
    tcase_add_test(cases, bytes_are_values);
    tcase_add_test(cases, inference);
    tcase_add_test(cases, packing);
    tcase_add_test(cases, observers);
}

int main(void)
{
    return run_suite("engine", add_tests);
}
