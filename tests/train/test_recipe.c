/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The automatic recipe: what it chooses, what stands above it, and that it survives a resume. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "fcmae/preset.h"
#include "scratch.h"
#include "support/suite.h"

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

/** A published model and data, nothing else; 3 updates, since the network is a real one. */
static fcmae_options *bare(const char *run)
{
    char path[2 * SCRATCH_PATH];
    fcmae_options *options = scratch_task("pretrain", folder, run);
    snprintf(path, sizeof path, "%s/set/train", folder);
    scratch_set(options, "data", path);
    scratch_set(options, "model", "atto");
    scratch_set(options, "pictures", "0");
    return options;
}

typedef struct witness {
    fcmae_train_plan plan;
    int64_t stop_after, polls;
} witness;

static void begin(void *cookie, const fcmae_train_plan *plan)
{
    ((witness *)cookie)->plan = *plan;
}

static bool should_stop(void *cookie)
{
    witness *w = cookie;
    return ++w->polls == w->stop_after;
}

/** Runs until the end, or `updates` of them. */
static fcmae_train_plan run(fcmae_options *options, int64_t updates)
{
    witness w = {.stop_after = updates > 0 ? updates + 1 : 0};
    const fcmae_train_callbacks callbacks = {
        .cookie = &w, .begin = begin, .should_stop = should_stop};
    fcmae_error error = {0};
    fcmae_status status = fcmae_train(options, &callbacks, NULL, &error);
    ck_assert_msg(status == (updates > 0 ? FCMAE_ERR_INTERRUPTED : FCMAE_OK), "%s", error.message);
    return w.plan;
}

/* 40 images of 48 pixels: the smallest input, batches of 16, the most epochs. */
START_TEST(what_it_chooses)
{
    fcmae_options *options = bare("run");
    fcmae_train_plan plan = run(options, 1);
    ck_assert_double_eq(fcmae_options_number(options, "input-size"), 64);
    ck_assert_double_eq(fcmae_options_number(options, "batch-size"), 16);
    ck_assert_double_eq(fcmae_options_number(options, "lr"), 5e-4);
    ck_assert_int_eq(plan.steps_per_epoch, 3); /* 16, 16 and 8 images */
    ck_assert_double_gt(plan.epochs, 100);
    ck_assert_double_eq_tol(plan.warmup_epochs, 0.05 * plan.epochs, 1e-9);
    ck_assert_double_eq(fcmae_options_number(options, "save-every"),
                        plan.steps < 1000 ? 50 : (double)(plan.steps / 20));
    ck_assert_double_gt(plan.seconds, 0);
    ck_assert_ptr_nonnull(strstr(plan.recipe, "40 images"));
}
END_TEST

START_TEST(what_is_given_stands)
{
    fcmae_options *options = bare("run");
    scratch_set(options, "input-size", "96");
    scratch_set(options, "batch-size", "10");
    scratch_set(options, "base-lr", "2.56e-3");
    scratch_set(options, "save-every", "2");
    scratch_set(options, "steps", "2");
    scratch_set(options, "drop-last", "on");
    fcmae_train_plan plan = run(options, 0);
    ck_assert_double_eq(fcmae_options_number(options, "input-size"), 96);
    ck_assert_double_eq(fcmae_options_number(options, "batch-size"), 10);
    ck_assert_double_eq_tol(plan.lr, 1e-4, 1e-12);
    ck_assert_int_eq(plan.steps, 2);
    ck_assert_int_eq(plan.steps_per_epoch, 4);
    ck_assert_double_eq(plan.seconds, 0); /* over before it is worth the trial */
    ck_assert_double_eq(fcmae_options_number(options, "save-every"), 2);
}
END_TEST

/* A preset of one's own says its recipe for a reason. */
START_TEST(a_preset_file_stands)
{
    static const char text[] = "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 16, 16\n"
                               "decoder_dim = 16\n[pretrain]\nepochs = 2\nbase_lr = 1.6e-2\n";
    char path[2 * SCRATCH_PATH];
    scratch_write(folder, "own.ini", text, sizeof text - 1);
    snprintf(path, sizeof path, "%s/own.ini", folder);
    fcmae_options *options = bare("run");
    scratch_set(options, "model", path);
    fcmae_train_plan plan = run(options, 0);
    ck_assert_double_eq(plan.epochs, 2);
    ck_assert_double_eq(plan.lr, 1e-3);
    ck_assert_double_eq(fcmae_options_number(options, "batch-size"), 16);
}
END_TEST

START_TEST(the_published_recipe_is_a_word_away)
{
    fcmae_options *options = bare("run");
    scratch_set(options, "recipe", "paper");
    scratch_set(options, "input-size", "64");
    scratch_set(options, "batch-size", "8");
    fcmae_train_plan plan = run(options, 1);
    ck_assert_double_eq(plan.epochs, 800);
    ck_assert_double_eq_tol(plan.lr, 1.5e-4 * 8 / 256, 1e-15);
    ck_assert_str_eq(plan.recipe, "");
}
END_TEST

/* The trial before the start leaves no trace, and an interruption none either: the batches are the
 * same, smaller last ones included. */
START_TEST(neither_trial_nor_interruption_matter)
{
    enum { EPOCHS = 60 }; /* 180 updates: the trial happens */
    for (int stopped = 0; stopped < 2; stopped++) {
        const char *name = stopped ? "stopped" : "whole";
        char path[2 * SCRATCH_PATH];
        snprintf(path, sizeof path, "%s/smallest.ini", folder);
        for (int sitting = stopped ? 0 : 1; sitting < 2; sitting++) {
            fcmae_options *options = bare(name);
            scratch_set(options, "model", path);
            scratch_set(options, "lanes", "2");
            scratch_number(options, "epochs", EPOCHS);
            if (!stopped)
                ck_assert_int_eq(fcmae_train(options, NULL, NULL, NULL), FCMAE_OK);
            else
                ck_assert_double_gt(run(options, sitting == 0 ? 38 : 0).seconds, 0);
        }
    }
    char whole[2 * SCRATCH_PATH], other[2 * SCRATCH_PATH];
    snprintf(whole, sizeof whole, "%s/whole", folder);
    snprintf(other, sizeof other, "%s/stopped", folder);
    scratch_same(whole, other, "checkpoint-180.safetensors");
    scratch_same(whole, other, "checkpoint-180.state.safetensors");
}
END_TEST

/* What was chosen is kept: a run that goes on does not ask the images again. */
START_TEST(a_resumed_run_keeps_what_was_chosen)
{
    fcmae_options *first = bare("run"), *second = bare("run");
    scratch_set(first, "batch-size", "12");
    scratch_set(first, "lr", "3e-4");
    run(first, 2);
    fcmae_train_plan plan = run(second, 1);
    ck_assert_double_eq(fcmae_options_number(second, "batch-size"), 12);
    ck_assert_double_eq(plan.lr, 3e-4);
    ck_assert_int_eq(plan.first_step, 2);
}
END_TEST

START_TEST(fine_tuning_takes_the_input_of_its_start)
{
    char path[3 * SCRATCH_PATH];
    for (int from = 0; from < 2; from++) {
        fcmae_options *tuned = scratch_task("finetune", folder, from ? "second" : "first");
        snprintf(path, sizeof path, "%s/set", folder);
        scratch_set(tuned, "data", path);
        scratch_set(tuned, "steps", "1");
        snprintf(path, sizeof path, "%s/first", folder);
        scratch_set(tuned, "checkpoint", from ? path : "none");
        if (!from) scratch_set(tuned, "input-size", "96");
        run(tuned, 0);
        ck_assert_double_eq(fcmae_options_number(tuned, "input-size"), 96);
        ck_assert_double_eq(fcmae_options_number(tuned, "batch-size"), 16);
        ck_assert_double_eq(fcmae_options_number(tuned, "weight-decay"), 0.05);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, what_it_chooses);
    tcase_add_test(cases, what_is_given_stands);
    tcase_add_test(cases, a_preset_file_stands);
    tcase_add_test(cases, the_published_recipe_is_a_word_away);
    tcase_add_test(cases, neither_trial_nor_interruption_matter);
    tcase_add_test(cases, a_resumed_run_keeps_what_was_chosen);
    tcase_add_test(cases, fine_tuning_takes_the_input_of_its_start);
}

int main(void)
{
    return run_suite("recipe", add_tests);
}
