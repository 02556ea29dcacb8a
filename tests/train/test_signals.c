/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Signals of a pretraining run: what they measure, that they change nothing, that they survive. */
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/analysis.h"
#include "fcmae/checkpoint.h"
#include "fcmae/evaluate.h"
#include "fcmae/mask.h"
#include "run/run_log.h"
#include "scratch.h"
#include "support/suite.h"
#include "task/held_out.h"
#include "task/plateau.h"

static char folder[SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
    scratch_images(folder);
}

static void teardown(void)
{
    scratch_forget();
    scratch_remove(folder);
}

static const char *in_folder(const char *name)
{
    static char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void carry_out(fcmae_options *options, const fcmae_train_callbacks *callbacks,
                      fcmae_status expected)
{
    fcmae_error error = {0};
    fcmae_status status = fcmae_train(options, callbacks, NULL, &error);
    ck_assert_msg(status == expected, "%d: %s", (int)status, error.message);
}

/** Numbers of the log under one name. */
typedef struct series {
    double values[64];
    int64_t steps[64];
    int count;
} series;

static fcmae_status note(void *cookie, int64_t step, double value, fcmae_error *error)
{
    series *s = cookie;
    (void)error;
    ck_assert_int_lt(s->count, 64);
    s->steps[s->count] = step;
    s->values[s->count++] = value;
    return FCMAE_OK;
}

static series logged(const char *run, const char *figure)
{
    series s = {.count = 0};
    fcmae_error error = {0};
    ck_assert_msg(fcmae_run_log_read(in_folder(run), figure, note, &s, &error) == FCMAE_OK, "%s",
                  error.message);
    return s;
}

static void same_series(const series *a, const series *b)
{
    ck_assert_int_eq(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        ck_assert_int_eq(a->steps[i], b->steps[i]);
        ck_assert_double_eq(a->values[i], b->values[i]);
    }
}

/* ---- which images ---- */

START_TEST(how_many_are_held_out)
{
    ck_assert_int_eq(fcmae_held_out_usual(49), 0);
    ck_assert_int_eq(fcmae_held_out_usual(50), 8);
    ck_assert_int_eq(fcmae_held_out_usual(1000), 20);
    ck_assert_int_eq(fcmae_held_out_usual(1000000), 256);
}
END_TEST

START_TEST(no_image_is_in_both_parts)
{
    const fcmae_dataset_options listing = {0};
    fcmae_run_values values = {.seed = 3};
    fcmae_run run = {.values = &values};
    fcmae_held_out held = {0}, again = {0}, other = {0};
    ck_assert_int_eq(fcmae_dataset_open(&run.dataset, in_folder("set/train"), &listing, NULL),
                     FCMAE_OK);
    for (int64_t wanted = 1; wanted < 40; wanted++) {
        int seen[40] = {0};
        ck_assert_int_eq(fcmae_held_out_draw(&held, &run, wanted, NULL), FCMAE_OK);
        ck_assert_int_eq(held.count, wanted);
        ck_assert_int_eq(values.data_images, 40 - wanted);
        for (int64_t i = 0; i < held.count; i++) seen[held.indices[i]]++;
        for (int64_t i = 0; i < values.data_images; i++) seen[run.subset[i]]++;
        for (int i = 0; i < 40; i++) ck_assert_int_eq(seen[i], 1);
        free(held.indices);
        free(run.subset);
    }
    ck_assert_int_eq(fcmae_held_out_draw(&held, &run, 8, NULL), FCMAE_OK);
    free(run.subset);
    ck_assert_int_eq(fcmae_held_out_draw(&again, &run, 8, NULL), FCMAE_OK);
    free(run.subset);
    values.seed = 4;
    ck_assert_int_eq(fcmae_held_out_draw(&other, &run, 8, NULL), FCMAE_OK);
    free(run.subset);
    ck_assert_int_eq(memcmp(held.indices, again.indices, 8 * sizeof(int64_t)), 0);
    ck_assert_int_ne(memcmp(held.indices, other.indices, 8 * sizeof(int64_t)), 0);
    free(held.indices);
    free(again.indices);
    free(other.indices);
    fcmae_dataset_close(&run.dataset);
}
END_TEST

/* ---- the figures ---- */

/** A run of which a fifth is held out and that measures every third update. */
static fcmae_options *watched(const char *run)
{
    fcmae_options *options = scratch_pretraining(folder, run);
    scratch_set(options, "val-share", "0.2");
    scratch_set(options, "watch-every", "3");
    scratch_set(options, "watch-knn", "6");
    return options;
}

/** Loss of every image of set/val under the masks of the signals, by an engine of its own. */
static double loss_of_folder(const char *checkpoint)
{
    enum { SIDE = 96, CELLS = 9, IMAGES = 8 };
    static const double ratio = 0.6;
    fcmae_dataset *set = NULL;
    fcmae_loader *loader = NULL;
    fcmae_model *model = NULL;
    fcmae_engine *engine = NULL;
    fcmae_checkpoint *file = NULL;
    fcmae_error error = {0};
    fcmae_model_config config = scratch_model();
    const fcmae_dataset_options listing = {0};
    const fcmae_loader_options loading = {.transform = fcmae_transform_evaluate(SIDE, 0),
                                          .batch = IMAGES};
    const fcmae_engine_options options = {.height = SIDE, .width = SIDE, .batch = IMAGES};
    const fcmae_mask_shape shape = {.height = 3,
                                    .width = 3,
                                    .unit = 1,
                                    .visible = fcmae_mask_visible(CELLS, ratio),
                                    .views = 1};
    uint8_t removed[IMAGES * CELLS];
    double losses[IMAGES], sum = 0;
    fcmae_samples samples;
    config.objective = "masked";
    ck_assert_int_eq(fcmae_model_create(&model, &config, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_open(&file, checkpoint, NULL, NULL), FCMAE_OK);
    ck_assert_msg(fcmae_checkpoint_load(file, model, NULL, NULL, &error) == FCMAE_OK, "%s",
                  error.message);
    fcmae_checkpoint_close(&file);
    ck_assert_int_eq(fcmae_engine_create(&engine, model, &options, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dataset_open(&set, in_folder("set/val"), &listing, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dataset_count(set), IMAGES);
    ck_assert_int_eq(fcmae_loader_create(&loader, set, &loading, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
    for (uint64_t i = 0; i < IMAGES; i++)
        ck_assert_int_eq(fcmae_mask_generate(&shape, UINT32_MAX, i, removed + i * CELLS, NULL),
                         FCMAE_OK);
    const fcmae_batch batch = {.images = {.count = samples.count,
                                          .bytes = samples.images,
                                          .mean = fcmae_imagenet_mean,
                                          .deviation = fcmae_imagenet_deviation},
                               .samples = samples.count,
                               .removed = removed};
    const fcmae_outputs outputs = {.sample_loss = losses};
    ck_assert_int_eq(fcmae_engine_forward(engine, &batch, &outputs, NULL), FCMAE_OK);
    for (int i = 0; i < samples.count; i++) sum += losses[i];
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&set);
    fcmae_engine_destroy(&engine);
    fcmae_model_destroy(&model);
    return sum / IMAGES;
}

START_TEST(the_loss_is_that_of_the_folder)
{
    fcmae_options *options = scratch_pretraining(folder, "run");
    scratch_set(options, "val-data", in_folder("set/val"));
    scratch_set(options, "watch-every", "4");
    scratch_set(options, "keep", "0");
    carry_out(options, NULL, FCMAE_OK);
    series s = logged("run", "val_loss");
    ck_assert_int_eq(s.count, 4); /* updates 1, 4, 8, 12 */
    ck_assert_int_eq(fcmae_options_number(options, "val-share"), 0);
    for (int i = 1; i < s.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "run/checkpoint-%" PRId64 ".safetensors", s.steps[i]);
        ck_assert_double_eq_tol(s.values[i], loss_of_folder(in_folder(name)), 1e-6);
    }
    ck_assert_int_eq(logged("run", "rankme").count, 4);
}
END_TEST

static bool enough(void *cookie)
{
    return --*(int *)cookie < 0;
}

/* The weights are those of a run without signals, and an interruption changes no figure. */
START_TEST(signals_change_nothing_and_survive)
{
    static const char *const figures[] = {"val_loss", "rankme", "knn_top1"};
    fcmae_options *blind = watched("blind"), *whole = watched("whole"), *more = watched("threads");
    scratch_set(blind, "watch-every", "0");
    scratch_set(blind, "watch-knn", "0");
    scratch_set(more, "threads", "2");
    carry_out(blind, NULL, FCMAE_OK);
    carry_out(whole, NULL, FCMAE_OK);
    carry_out(more, NULL, FCMAE_OK);
    for (int stop = 5; stop >= 0; stop -= 5) {
        int left = stop;
        const fcmae_train_callbacks callbacks = {.cookie = &left, .should_stop = enough};
        carry_out(watched("parts"), stop ? &callbacks : NULL,
                  stop ? FCMAE_ERR_INTERRUPTED : FCMAE_OK);
    }
    char path[4][2 * SCRATCH_PATH];
    static const char *const names[] = {"whole", "blind", "threads", "parts"};
    for (int i = 0; i < 4; i++) snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    for (int i = 1; i < 4; i++) scratch_same(path[0], path[i], "checkpoint-12.safetensors");
    ck_assert_int_eq(logged("blind", "val_loss").count, 0);
    for (int f = 0; f < 3; f++) {
        series a = logged("whole", figures[f]);
        ck_assert_int_eq(a.count, f < 2 ? 5 : 3); /* 1, 3, 6, 9, 12; 1, 6, 12 */
        for (int i = 2; i < 4; i++) {
            series b = logged(names[i], figures[f]);
            same_series(&a, &b);
        }
    }
}
END_TEST

/* ---- older and other runs ---- */

START_TEST(the_share_is_part_of_the_run)
{
    int left = 3;
    const fcmae_train_callbacks callbacks = {.cookie = &left, .should_stop = enough};
    fcmae_options *options = scratch_pretraining(folder, "run");
    carry_out(watched("run"), &callbacks, FCMAE_ERR_INTERRUPTED);
    carry_out(options, NULL, FCMAE_OK); /* takes it over */
    ck_assert_double_eq(fcmae_options_number(options, "val-share"), 0.2);
    fcmae_options *other = scratch_pretraining(folder, "run");
    scratch_set(other, "val-share", "0.1");
    carry_out(other, NULL, FCMAE_ERR_MISMATCH);
}
END_TEST

/** Takes an option out of what a companion records, as if an earlier version had written it. */
static void forget(const char *run, const char *name, const char *option)
{
    char key[64], path[2 * SCRATCH_PATH];
    size_t size = 0, length = (size_t)snprintf(key, sizeof key, "\"%s\"", option);
    snprintf(path, sizeof path, "%s/%s", folder, run);
    char *bytes = scratch_read(path, name, &size);
    ck_assert_ptr_nonnull(bytes);
    bool found = false;
    for (size_t i = 0; i + length < size && !found; i++) {
        found = memcmp(bytes + i, key, length) == 0;
        if (found) bytes[i + 1] = 'x';
    }
    ck_assert_msg(found, "%s records no %s", name, option);
    scratch_write(path, name, bytes, size);
    free(bytes);
}

/* It goes on as it was: without held-out images, the last batch left out, by the same recipe; also
 * when it is interrupted a second time. */
START_TEST(runs_of_earlier_versions)
{
    static const char *const unknown[] = {"config.val_share", "config.drop_last", "config.recipe",
                                          "checksums"};
    for (int sitting = 0; sitting < 4; sitting++) {
        int left = 4;
        const fcmae_train_callbacks callbacks = {.cookie = &left, .should_stop = enough};
        bool whole = sitting == 0;
        fcmae_options *options = scratch_task("pretrain", folder, whole ? "whole" : "run");
        static const char *const same[][2] = {{"input-size", "96"}, {"batch-size", "7"},
                                              {"lr", "2e-3"},       {"steps", "12"},
                                              {"lanes", "2"},       {"pictures", "0"}};
        scratch_set(options, "data", in_folder("set/train"));
        for (int i = 0; i < 6; i++) scratch_set(options, same[i][0], same[i][1]);
        if (sitting < 2) {
            scratch_set(options, "recipe", "paper");
            scratch_set(options, "drop-last", "on");
            scratch_set(options, "val-share", "0");
        }
        bool to_the_end = whole || sitting == 3;
        carry_out(options, to_the_end ? NULL : &callbacks,
                  to_the_end ? FCMAE_OK : FCMAE_ERR_INTERRUPTED);
        ck_assert_double_eq(fcmae_options_number(options, "val-share"), 0);
        for (int i = 0; i < 4 && sitting == 1; i++)
            forget("run", "checkpoint-4.state.safetensors", unknown[i]);
    }
    char a[2 * SCRATCH_PATH], b[2 * SCRATCH_PATH];
    snprintf(a, sizeof a, "%s/whole", folder);
    snprintf(b, sizeof b, "%s/run", folder);
    scratch_same(a, b, "checkpoint-12.safetensors");
    scratch_same(a, b, "checkpoint-12.state.safetensors");
}
END_TEST

START_TEST(labels_are_found_or_asked_for)
{
    fcmae_options *options = scratch_pretraining(folder, "run");
    carry_out(options, NULL, FCMAE_OK); /* two folders of classes: measured without being asked */
    series s = logged("run", "knn_top1");
    ck_assert_int_ge(s.count, 5);
    for (int i = 0; i < s.count; i++) ck_assert(s.values[i] >= 0 && s.values[i] <= 100);
    ck_assert_double_gt(fcmae_options_number(options, "watch-knn"), 0);

    options = scratch_pretraining(folder, "other");
    scratch_set(options, "data", in_folder("set/train/class_000"));
    carry_out(options, NULL, FCMAE_OK);
    ck_assert_int_eq(logged("other", "knn_top1").count, 0);
    ck_assert_double_eq(fcmae_options_number(options, "watch-knn"), 0);

    options = scratch_pretraining(folder, "third");
    scratch_set(options, "data", in_folder("set/train/class_000"));
    scratch_set(options, "watch-knn", "5");
    carry_out(options, NULL, FCMAE_ERR_ARGUMENT);
}
END_TEST

START_TEST(impossible_wishes)
{
    static const char *const wishes[][2] = {{"val-share", "0.001"}, {"stop-when", "plateau"}};
    for (int i = 0; i < 2; i++) {
        fcmae_options *options = scratch_pretraining(folder, "run");
        scratch_set(options, wishes[i][0], wishes[i][1]);
        carry_out(options, NULL, FCMAE_ERR_ARGUMENT);
    }
    fcmae_options *options = scratch_pretraining(folder, "run");
    scratch_set(options, "val-data", in_folder("nowhere"));
    carry_out(options, NULL, FCMAE_ERR_NOT_FOUND);
}
END_TEST

/* ---- neighbours ---- */

/* Against the definition: the nearest of all others, one vote each, k = 1. */
START_TEST(an_image_is_not_its_own_neighbour)
{
    enum { COUNT = 90, DIMENSION = 5, CLASSES = 3 };
    static const int k[] = {1};
    static float values[COUNT * DIMENSION];
    static int32_t labels[COUNT];
    int64_t expected = 0, correct = 0;
    for (int i = 0; i < COUNT * DIMENSION; i++) values[i] = (float)sin(i * 12.9898 + i % 7);
    for (int i = 0; i < COUNT; i++) labels[i] = i * i % CLASSES;
    for (int i = 0; i < COUNT; i++) {
        double best = -2;
        int nearest = -1;
        for (int j = 0; j < COUNT; j++) {
            double product = 0, a = 0, b = 0;
            for (int c = 0; c < DIMENSION; c++) {
                double x = values[i * DIMENSION + c], y = values[j * DIMENSION + c];
                product += x * y;
                a += x * x;
                b += y * y;
            }
            double cosine = product / sqrt(a * b);
            if (j == i || cosine <= best) continue;
            best = cosine;
            nearest = j;
        }
        expected += labels[nearest] == labels[i];
    }
    const fcmae_features features = {
        .count = COUNT, .dimension = DIMENSION, .values = values, .labels = labels, .views = 1};
    const fcmae_knn_options options = {.k = k, .count = 1, .leave_one_out = true, .threads = 2};
    ck_assert_int_eq(fcmae_knn_classify(&features, &features, CLASSES, &options, &correct, NULL),
                     FCMAE_OK);
    ck_assert_int_eq(correct, expected);
    const fcmae_features one = {
        .count = 1, .dimension = DIMENSION, .values = values, .labels = labels, .views = 1};
    ck_assert_int_eq(fcmae_knn_classify(&one, &one, CLASSES, &options, &correct, NULL),
                     FCMAE_ERR_SHAPE);
}
END_TEST

/* ---- plateau ---- */

START_TEST(what_a_plateau_is)
{
    fcmae_plateau falling = {0}, flat = {0};
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(fcmae_plateau_add(&falling, 1 - 0.01 * i, NULL), FCMAE_OK);
        ck_assert(!fcmae_plateau_reached(&falling, 50));
        /* falls for twenty measurements, then by less than what counts */
        double value = i < 20 ? 1 - 0.01 * i : 0.81 - 1e-5 * i;
        ck_assert_int_eq(fcmae_plateau_add(&flat, value, NULL), FCMAE_OK);
        ck_assert(fcmae_plateau_reached(&flat, 50) == (i >= 29));
    }
    ck_assert_int_eq(fcmae_plateau_add(&flat, NAN, NULL), FCMAE_OK);
    ck_assert(fcmae_plateau_reached(&flat, 50));
    free(falling.values);
    free(flat.values);
}
END_TEST

/** At a learning rate of 0 nothing falls: 1 and 5 measurements. */
static fcmae_options *standing(const char *when)
{
    fcmae_options *options = watched("run");
    scratch_set(options, "lr", "0");
    scratch_set(options, "watch-every", "1");
    scratch_set(options, "stop-when", when);
    return options;
}

START_TEST(a_run_ends_at_a_plateau)
{
    fcmae_train_result result = {0};
    ck_assert_int_eq(fcmae_train(standing("plateau"), NULL, &result, NULL), FCMAE_OK);
    ck_assert_int_eq(result.step, 6);
    ck_assert(scratch_exists(folder, "run/checkpoint-6.safetensors"));
    ck_assert_int_eq(fcmae_train(standing("plateau"), NULL, &result, NULL), FCMAE_OK);
    ck_assert_int_eq(result.updates, 0); /* nothing left to do */
    ck_assert_int_eq(fcmae_train(standing("never"), NULL, &result, NULL), FCMAE_OK);
    ck_assert_int_eq(result.step, 12);
    fcmae_train_result_release(&result);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, how_many_are_held_out);
    tcase_add_test(cases, no_image_is_in_both_parts);
    tcase_add_test(cases, the_loss_is_that_of_the_folder);
    tcase_add_test(cases, signals_change_nothing_and_survive);
    tcase_add_test(cases, the_share_is_part_of_the_run);
    tcase_add_test(cases, runs_of_earlier_versions);
    tcase_add_test(cases, labels_are_found_or_asked_for);
    tcase_add_test(cases, impossible_wishes);
    tcase_add_test(cases, an_image_is_not_its_own_neighbour);
    tcase_add_test(cases, what_a_plateau_is);
    tcase_add_test(cases, a_run_ends_at_a_plateau);
}

int main(void)
{
    return run_suite("signals", add_tests);
}
