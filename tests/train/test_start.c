/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Pretraining from given weights: every kind of file, what is fresh, refusals, resuming. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/checkpoint.h"
#include "fcmae/convert.h"
#include "scratch.h"
#include "support/suite.h"

static char folder[SCRATCH_PATH];

static void teardown(void)
{
    scratch_forget();
    scratch_remove(folder);
}

static const char *in_folder(const char *name)
{
    static char paths[4][2 * SCRATCH_PATH];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void train(fcmae_options *options)
{
    fcmae_error error = {0};
    fcmae_status status = fcmae_train(options, NULL, NULL, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
}

/** Every test begins with a short run, `first`, whose weights are then given to others. */
static void setup(void)
{
    scratch_make(folder);
    scratch_images(folder);
    fcmae_options *options = scratch_pretraining(folder, "first");
    scratch_set(options, "steps", "3");
    train(options);
}

/** One update at learning rate 0 from given weights: the checkpoint holds what was taken. */
static fcmae_options *from(const char *start, const char *run)
{
    fcmae_options *bare = NULL; /* without a preset: the file says which network it is */
    ck_assert_int_eq(fcmae_options_create(&bare, fcmae_task_options("pretrain"), NULL), FCMAE_OK);
    scratch_set(bare, "data", in_folder("set/train"));
    scratch_set(bare, "output", in_folder(run));
    scratch_set(bare, "init", in_folder(start));
    scratch_set(bare, "input-size", "64");
    scratch_set(bare, "batch-size", "5");
    scratch_set(bare, "steps", "1");
    scratch_set(bare, "lr", "0");
    scratch_set(bare, "seed", "7");
    scratch_set(bare, "pictures", "0");
    return bare;
}

static fcmae_model *load(const char *path, const char *objective)
{
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    const fcmae_model_source source = {.path = in_folder(path), .objective = objective};
    fcmae_status status = fcmae_checkpoint_load_model(&model, &source, NULL, NULL, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return model;
}

static bool same_values(const char *a, const char *b, const char *objective)
{
    fcmae_model *one = load(a, objective), *two = load(b, objective);
    int64_t size = fcmae_model_block_size(one);
    bool same = size == fcmae_model_block_size(two) &&
                memcmp(fcmae_model_values(one), fcmae_model_values(two),
                       (size_t)size * sizeof(float)) == 0;
    fcmae_model_destroy(&one);
    fcmae_model_destroy(&two);
    return same;
}

static void run_from(const char *start, const char *run)
{
    fcmae_options *options = from(start, run);
    train(options);
    fcmae_options_destroy(&options);
}

START_TEST(the_encoder_of_every_kind_of_file_arrives)
{
    static const struct {
        const char *name;
        fcmae_format format;
        bool sparse;
    } kinds[] = {{"sparse.pt", FCMAE_FORMAT_OFFICIAL, true},
                 {"dense.pt", FCMAE_FORMAT_OFFICIAL, false},
                 {"timm", FCMAE_FORMAT_TIMM, false},
                 {"huggingface", FCMAE_FORMAT_HUGGINGFACE, false}};
    for (int i = 0; i < FCMAE_COUNT(kinds); i++) {
        char run[40];
        fcmae_error error = {0};
        const fcmae_convert_options how = {.format = kinds[i].format, .sparse = kinds[i].sparse};
        fcmae_status status = fcmae_convert(in_folder("first"), in_folder(kinds[i].name), &how,
                                            NULL, &error);
        ck_assert_msg(status == FCMAE_OK, "%s", error.message);
        snprintf(run, sizeof run, "run-%d", i);
        run_from(kinds[i].name, run);
        ck_assert(same_values("first", run, NULL));
        ck_assert_int_eq(same_values("first", run, "masked"), kinds[i].sparse);
    }
}
END_TEST

START_TEST(a_run_starts_another_one)
{
    run_from("first", "second");
    ck_assert(same_values("first", "second", "masked"));
}
END_TEST

START_TEST(a_classifier_leaves_its_head_behind)
{
    fcmae_options *tuned = scratch_task("finetune", folder, "tuned");
    scratch_set(tuned, "data", in_folder("set"));
    scratch_set(tuned, "checkpoint", in_folder("first"));
    scratch_set(tuned, "steps", "1");
    scratch_set(tuned, "input-size", "64");
    train(tuned);
    run_from("tuned/best.safetensors", "again");
    ck_assert(same_values("tuned/best.safetensors", "again", NULL));
}
END_TEST

START_TEST(the_decoder_may_stay_behind)
{
    fcmae_options *alone = from("first", "alone"), *other = from("first", "other");
    scratch_set(alone, "init-encoder-only", "on");
    train(alone);
    ck_assert(same_values("first", "alone", NULL));
    ck_assert(!same_values("first", "alone", "masked"));
    scratch_set(other, "decoder-dim", "32"); /* another decoder: all of it fresh */
    train(other);
    ck_assert(same_values("first", "other", NULL));
    fcmae_options_destroy(&alone);
    fcmae_options_destroy(&other);
}
END_TEST

START_TEST(another_network_is_refused_tensor_by_tensor)
{
    fcmae_error error = {0};
    fcmae_options *options = from("first", "run");
    scratch_set(options, "model", "atto");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_MISMATCH);
    ck_assert_msg(strstr(error.message, "downsample_layers.0.0.weight (8, 3, 4, 4) instead of "
                                        "(40, 3, 4, 4)") != NULL,
                  "%s", error.message);
    fcmae_options_destroy(&options);
}
END_TEST

START_TEST(impossible_starts_are_refused)
{
    fcmae_error error = {0};
    fcmae_options *options = from("nowhere.pt", "run");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_NOT_FOUND);
    fcmae_options_destroy(&options);
    options = scratch_pretraining(folder, "run");
    scratch_set(options, "init-encoder-only", "on");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "init"));
    scratch_write(folder, "text.pt", "no weights", 10);
    options = from("text.pt", "run");
    ck_assert_int_ne(fcmae_train(options, NULL, NULL, &error), FCMAE_OK);
    fcmae_options_destroy(&options);
}
END_TEST

static bool stop_after_two(void *cookie)
{
    return ++*(int *)cookie == 3;
}

/* A run that goes on needs its start no longer, and ends in the same bytes. */
START_TEST(a_run_goes_on_without_its_start)
{
    for (int stopped = 0; stopped < 2; stopped++) {
        int polls = 0;
        const char *name = stopped ? "stopped" : "whole";
        fcmae_options *options = from("first", name);
        const fcmae_train_callbacks callbacks = {.cookie = &polls, .should_stop = stop_after_two};
        scratch_set(options, "steps", "6");
        scratch_set(options, "lr", "1e-3");
        scratch_set(options, "lanes", "2");
        if (stopped) {
            ck_assert_int_eq(fcmae_train(options, &callbacks, NULL, NULL), FCMAE_ERR_INTERRUPTED);
            ck_assert_int_eq(rename(in_folder("first"), in_folder("gone")), 0);
        }
        train(options);
        fcmae_options_destroy(&options);
    }
    scratch_same(in_folder("whole"), in_folder("stopped"), "checkpoint-6.safetensors");
}
END_TEST

/* The size of the input travels in checkpoints and through conversions. */
START_TEST(the_input_size_is_recorded)
{
    fcmae_checkpoint *file = NULL;
    const fcmae_convert_options how = {.format = FCMAE_FORMAT_TIMM};
    ck_assert_int_eq(fcmae_convert(in_folder("first"), in_folder("timm"), &how, NULL, NULL),
                     FCMAE_OK);
    char *text = scratch_read(folder, "timm/config.json", NULL);
    const char *size = strstr(text, "\"input_size\"");
    ck_assert_ptr_nonnull(size);
    ck_assert_msg(strstr(size, "96") && strstr(size, "96") < size + 40, "%s", size);
    free(text);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fcmae_checkpoint_open(&file, in_folder(i ? "timm" : "first"), NULL, NULL),
                         FCMAE_OK);
        ck_assert_int_eq(fcmae_checkpoint_describe(file)->input_size, 96);
        fcmae_checkpoint_close(&file);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, the_encoder_of_every_kind_of_file_arrives);
    tcase_add_test(cases, a_run_starts_another_one);
    tcase_add_test(cases, a_classifier_leaves_its_head_behind);
    tcase_add_test(cases, the_decoder_may_stay_behind);
    tcase_add_test(cases, another_network_is_refused_tensor_by_tensor);
    tcase_add_test(cases, impossible_starts_are_refused);
    tcase_add_test(cases, a_run_goes_on_without_its_start);
    tcase_add_test(cases, the_input_size_is_recorded);
}

int main(void)
{
    return run_suite("start", add_tests);
}
