/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Pretraining as a library call: determinism, interruption, failure, refusals. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/json.h"
#include "scratch.h"
#include "support/suite.h"

#define LAST "checkpoint-12.safetensors"
#define LAST_STATE "checkpoint-12.state.safetensors"

static char folder[SCRATCH_PATH], output[2 * SCRATCH_PATH];

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

/** What the callbacks see and do. */
typedef struct witness {
    int64_t stop_after; /* polls; 0: never */
    int64_t polls, updates, inspected, saved;
    double losses[64], norms[64], first_lr;
    fcmae_train_plan plan;
    int remarks;
    char remark[1200];
    rlim_t limit_when_saved;
    int64_t inspection_fails; /* after this update; 0: never */
} witness;

static bool should_stop(void *cookie)
{
    witness *w = cookie;
    return ++w->polls == w->stop_after;
}

static void begin(void *cookie, const fcmae_train_plan *plan)
{
    ((witness *)cookie)->plan = *plan;
}

static void progress(void *cookie, const fcmae_train_progress *p)
{
    witness *w = cookie;
    if (w->updates < 64) {
        w->losses[w->updates] = p->loss;
        w->norms[w->updates] = p->grad_norm;
    }
    w->updates++;
}

static void saved(void *cookie, int64_t step, const char *path)
{
    (void)path;
    witness *w = cookie;
    w->saved = step;
    if (!w->limit_when_saved) return;
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = w->limit_when_saved;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static fcmae_status inspect(void *cookie, int64_t step, fcmae_engine *engine,
                            const fcmae_batch *batch, fcmae_train_figures *figures,
                            fcmae_error *error)
{
    double losses[64] = {0};
    const fcmae_outputs outputs = {.sample_loss = losses};
    fcmae_status status = fcmae_engine_forward(engine, batch, &outputs, error);
    if (status == FCMAE_OK && losses[batch->samples - 1] > 0) ((witness *)cookie)->inspected = step;
    figures->count = 1;
    figures->figures[0].name = "inspected";
    figures->figures[0].size = 2;
    figures->figures[0].values[0] = (double)step;
    figures->figures[0].values[1] = NAN;
    if (step == ((witness *)cookie)->inspection_fails)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "not like that");
    return status;
}

static void remark(void *cookie, fcmae_log_level level, const char *message)
{
    witness *w = cookie;
    if (level == FCMAE_LOG_INFO) return;
    w->remarks++;
    if (w->remarks == 1) snprintf(w->remark, sizeof w->remark, "%s", message);
}

static fcmae_status pretrain(fcmae_options *options, witness *w, fcmae_error *error)
{
    const fcmae_train_callbacks callbacks = {.cookie = w,
                                             .log = {remark, w},
                                             .begin = begin,
                                             .progress = progress,
                                             .saved = saved,
                                             .should_stop = should_stop,
                                             .inspect = inspect,
                                             .inspect_every = 5};
    return fcmae_train(options, &callbacks, NULL, error);
}

static fcmae_options *options_of(const char *run)
{
    snprintf(output, sizeof output, "%s/%s", folder, run);
    return scratch_pretraining(folder, run);
}

/** Runs to the end, or fails the test. */
static witness train(fcmae_options *options)
{
    witness w = {0};
    fcmae_error error = {0};
    fcmae_status status = pretrain(options, &w, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return w;
}

static void same_runs(const char *a, const char *b)
{
    char first[2 * SCRATCH_PATH], second[2 * SCRATCH_PATH];
    snprintf(first, sizeof first, "%s/%s", folder, a);
    snprintf(second, sizeof second, "%s/%s", folder, b);
    scratch_same(first, second, LAST);
    scratch_same(first, second, LAST_STATE);
}

/** Every line of the log parses, and its updates are 1, 2, ... `last`. */
static void check_log(const char *run, int64_t last)
{
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, run);
    char *text = scratch_read(path, "log.jsonl", NULL);
    ck_assert_ptr_nonnull(text);
    int64_t expected = 1;
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        json_t *object = NULL;
        ck_assert_int_eq(fcmae_json_parse(line, (size_t)(end - line), "line", &object, NULL),
                         FCMAE_OK);
        static const char *const keys[] = {"step",      "epoch",        "loss",      "lr",
                                           "grad_norm", "images_per_s", "data_wait", "elapsed"};
        for (int i = 0; i < 8; i++) ck_assert(json_is_number(json_object_get(object, keys[i])));
        ck_assert_int_eq(fcmae_json_integer(object, "step", -1), expected++);
        const json_t *figure = json_object_get(object, "inspected"); /* every fifth update */
        ck_assert(json_is_array(figure) == (expected % 5 == 1));
        if (figure) {
            ck_assert_double_eq(json_real_value(json_array_get(figure, 0)), (double)expected - 1);
            ck_assert(json_is_null(json_array_get(figure, 1)));
        }
        json_decref(object);
    }
    ck_assert_int_eq(expected, last + 1);
    free(text);
}

START_TEST(a_run_leaves_what_it_promises)
{
    fcmae_options *options = options_of("run");
    scratch_number(options, "keep", 2);
    witness w = train(options);
    ck_assert_int_eq(w.updates, 12);
    ck_assert_int_eq(w.inspected, 10);
    ck_assert_int_eq(w.plan.images, 40);
    ck_assert_int_eq(w.plan.steps_per_epoch, 5);
    ck_assert_int_eq(w.plan.steps, 12);
    ck_assert_double_eq_tol(w.plan.warmup_epochs, 0.12, 1e-12);
    ck_assert(w.plan.total_bytes > 0 && w.plan.resumed_from[0] == 0);
    for (int i = 0; i < 12; i++) ck_assert(w.losses[i] > 0.5 && w.losses[i] < 1.5);
    ck_assert(scratch_exists(output, "config.json"));
    ck_assert(!scratch_exists(output, "checkpoint-4.safetensors"));
    ck_assert(scratch_exists(output, "checkpoint-8.state.safetensors"));
    char *latest = scratch_read(output, "latest", NULL);
    ck_assert_str_eq(latest, LAST "\n");
    free(latest);
    check_log("run", 12);
    /* once more: nothing is left to do, nothing changes */
    w = train(options);
    ck_assert_int_eq(w.updates, 0);
    ck_assert_int_eq(w.plan.first_step, 12);
    check_log("run", 12);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    for (int threads = 1; threads <= 3; threads++) {
        char run[8];
        snprintf(run, sizeof run, "t%d", threads);
        fcmae_options *options = options_of(run);
        scratch_number(options, "threads", threads);
        scratch_number(options, "workers", 4 - threads);
        scratch_number(options, "ema", 0.9);
        scratch_number(options, "clip", 0.01);
        train(options);
        if (threads > 1) same_runs("t1", run);
    }
}
END_TEST

/** Everything that could depend on where a run was interrupted. */
static fcmae_options *difficult(const char *run)
{
    fcmae_options *options = options_of(run);
    scratch_number(options, "ema", 0.9);
    scratch_number(options, "batch-size", 6); /* of 40 images: one batch of an epoch stays unused */
    scratch_number(options, "masks-per-image", 2);
    scratch_number(options, "accumulate", 4);
    return options;
}

START_TEST(interruptions_do_not_matter)
{
    train(difficult("whole"));
    for (int64_t i = 0;; i++) {
        witness w = {.stop_after = 6 + i % 5 * 3}; /* also between the batches of an update */
        fcmae_error error = {0};
        scratch_forget();
        fcmae_options *pieces = difficult("pieces");
        scratch_number(pieces, "threads", 1 + (int)(i % 3));
        scratch_number(pieces, "save-every", 3 + (double)i);
        fcmae_status status = pretrain(pieces, &w, &error);
        if (status == FCMAE_OK) break;
        ck_assert_msg(status == FCMAE_ERR_INTERRUPTED, "%s", error.message);
        ck_assert(strstr(error.message, "stopped on request"));
        ck_assert_int_lt(i, 50);
    }
    same_runs("whole", "pieces");
    check_log("pieces", 12);
}
END_TEST

/** Lanes, micro-batch and instruction set are part of a run, wherever it goes on. */
START_TEST(what_shapes_the_last_bits_is_kept)
{
    fcmae_options *options = options_of("whole");
    scratch_set(options, "isa", "portable");
    train(options);
    options = options_of("pieces");
    scratch_set(options, "isa", "portable");
    scratch_number(options, "steps", 6);
    scratch_number(options, "warmup-epochs", 0.12);
    train(options);
    scratch_forget();
    options = scratch_task("pretrain", folder, "pieces");
    char data[2 * SCRATCH_PATH];
    snprintf(data, sizeof data, "%s/set/train", folder);
    scratch_set(options, "data", data);
    static const char *const rest[][2] = {{"input-size", "96"},
                                          {"lr", "2e-3"},
                                          {"steps", "12"},
                                          {"batch-size", "8"},
                                          {"pictures", "0"}};
    for (int i = 0; i < FCMAE_COUNT(rest); i++) scratch_set(options, rest[i][0], rest[i][1]);
    witness w = train(options);
    ck_assert_int_eq(w.plan.engine.options.lanes, 2);
    ck_assert_int_eq(w.plan.engine.options.micro_batch, 2);
    ck_assert_int_eq(w.plan.engine.options.instruction_set, 1);
    char *text = scratch_read(output, "config.json", NULL);
    ck_assert(strstr(text, "\"isa\": \"portable\""));
    free(text);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_passed_over)
{
    train(options_of("whole"));
    fcmae_options *options = options_of("hurt");
    train(options);
    size_t size = 0;
    char *bytes = scratch_read(output, LAST_STATE, &size);
    scratch_write(output, LAST_STATE, bytes, size - 5);
    free(bytes);
    witness w = train(options);
    ck_assert_int_eq(w.plan.first_step, 8);
    ck_assert_int_eq(w.updates, 4);
    ck_assert(strstr(w.remark, "checkpoint-12 is not used"));
    same_runs("whole", "hurt");
    check_log("hurt", 12);

    scratch_write(output, LAST_STATE, "x", 1);
    scratch_write(output, "checkpoint-8.safetensors", "x", 1);
    scratch_write(output, "checkpoint-4.safetensors", "x", 1);
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_FORMAT);
    ck_assert(strstr(error.message, "none of the 3 checkpoints"));
}
END_TEST

START_TEST(resuming_from_a_given_file)
{
    train(options_of("whole"));
    char file[3 * SCRATCH_PATH];
    snprintf(file, sizeof file, "%s/whole/checkpoint-4.safetensors", folder);
    fcmae_options *options = options_of("branch");
    scratch_set(options, "resume", file);
    witness w = train(options);
    ck_assert_int_eq(w.plan.first_step, 4);
    same_runs("whole", "branch");

    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert(strstr(error.message, "which is later"));
    scratch_set(options, "resume", "never");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert(strstr(error.message, "already holds a run"));
    scratch_set(options, "resume", "nowhere.safetensors");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_NOT_FOUND);
    scratch_set(options, "resume", "checkpoint");
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
}
END_TEST

/** The run of six updates, one option of it changed. */
static fcmae_options *changed(const char *name, const char *text)
{
    fcmae_options *options = options_of("run");
    scratch_number(options, "steps", 6);
    scratch_set(options, name, text);
    return options;
}

START_TEST(options_when_resuming)
{
    train(changed("steps", "6"));
    fcmae_error error = {0};
    fcmae_status status = fcmae_train(changed("batch-size", "4"), NULL, NULL, &error);
    ck_assert_int_eq(status, FCMAE_ERR_MISMATCH);
    ck_assert_msg(strstr(error.message, "batch_size 8, not 4") != NULL, "%s", error.message);
    static const char other[] = "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 16, 24\n"
                                "decoder_dim = 16\n";
    char wider[SCRATCH_PATH], more[SCRATCH_PATH];
    scratch_write(folder, "wider.ini", other, sizeof other - 1);
    snprintf(wider, sizeof wider, "%.200s/wider.ini", folder);
    snprintf(more, sizeof more, "%.200s/set", folder); /* train and val: another set of images */
    const char *const different[][2] = {
        {"mask-ratio", "0.5"}, {"model", wider}, {"data", more}, {"crop-scale-max", "0.9"}};
    for (int i = 0; i < FCMAE_COUNT(different); i++) {
        status = fcmae_train(changed(different[i][0], different[i][1]), NULL, NULL, &error);
        ck_assert_msg(status == FCMAE_ERR_MISMATCH, "%s: %s", different[i][0], error.message);
    }
    witness w = train(changed("steps", "9")); /* longer is fine, and is said */
    ck_assert_int_eq(w.updates, 3);
    ck_assert_int_ge(w.remarks, 1);
}
END_TEST

START_TEST(accumulation_and_lanes_keep_the_gradient)
{
    fcmae_options *options = options_of("one");
    scratch_number(options, "steps", 1);
    scratch_number(options, "warmup-epochs", 0);
    witness one = train(options);
    options = options_of("four");
    scratch_number(options, "steps", 1);
    scratch_number(options, "warmup-epochs", 0);
    scratch_number(options, "batch-size", 2);
    scratch_number(options, "accumulate", 4);
    scratch_number(options, "lanes", 1);
    scratch_number(options, "micro-batch", 1);
    witness four = train(options);
    ck_assert_double_eq_tol(one.losses[0], four.losses[0], 1e-5 * one.losses[0]);
    ck_assert_double_eq_tol(one.norms[0], four.norms[0], 1e-4 * one.norms[0]);
    ck_assert_int_eq(four.plan.effective_batch, 8);
}
END_TEST

START_TEST(a_run_that_diverges_stops_and_saves_nothing)
{
    fcmae_options *options = options_of("run");
    witness w = {0};
    fcmae_error error = {0};
    scratch_number(options, "steps", 8);
    scratch_number(options, "save-every", 1);
    train(options);
    scratch_number(options, "steps", 40);
    scratch_number(options, "lr", 1e30);
    fcmae_status status = pretrain(options, &w, &error);
    ck_assert_msg(status == FCMAE_ERR_NUMERIC, "status %d: %s", status, error.message);
    ck_assert(strstr(error.message, ".jpg"));
    ck_assert(strstr(error.message, "checkpoint-"));
    ck_assert(strstr(error.message, "not finite"));
    char name[64], *text = scratch_read(output, "log.jsonl", NULL);
    const char *event = strstr(text, "\"event\": \"not finite\"");
    ck_assert(event && strstr(event, "\"images\": [\""));
    free(text);
    /* what remains on disk is good: the run goes on from it with a sane rate */
    int64_t newest = w.saved > 8 ? w.saved : 8;
    snprintf(name, sizeof name, "checkpoint-%lld.safetensors", (long long)newest);
    ck_assert(scratch_exists(output, name));
    snprintf(name, sizeof name, "checkpoint-%lld.safetensors", (long long)newest + 1);
    ck_assert(!scratch_exists(output, name));
    scratch_number(options, "lr", 1e-6);
    scratch_number(options, "steps", newest + 1);
    fcmae_error second = {0};
    witness after = {0};
    ck_assert_msg(pretrain(options, &after, &second) == FCMAE_OK, "%s", second.message);
    ck_assert_msg(after.plan.first_step == newest, "%s", after.remark);
}
END_TEST

START_TEST(a_full_disk_stops_the_run_and_keeps_the_old)
{
    fcmae_options *options = options_of("run");
    witness w = {.limit_when_saved = 20000}; /* the log fits, the weights do not */
    fcmae_error error = {0};
    struct rlimit before;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    fcmae_status status = pretrain(options, &w, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_msg(status == FCMAE_ERR_IO, "status %d: %s", status, error.message);
    ck_assert_msg(strstr(error.message, "update 8 could not be saved") != NULL, "%s",
                  error.message);
    ck_assert(strstr(error.message, "checkpoint-4.safetensors"));
    ck_assert(!scratch_exists(output, "checkpoint-8.safetensors"));
    w = train(options);
    ck_assert_int_eq(w.plan.first_step, 4);
    train(options_of("whole"));
    same_runs("whole", "run");
}
END_TEST

START_TEST(a_failed_inspection_leaves_no_gap)
{
    fcmae_options *options = options_of("run");
    witness w = {.inspection_fails = 5};
    fcmae_error error = {0};
    ck_assert_int_eq(pretrain(options, &w, &error), FCMAE_ERR_UNSUPPORTED);
    ck_assert_str_eq(error.message, "not like that");
    ck_assert(scratch_exists(output, "checkpoint-5.safetensors"));
    w = train(options);
    ck_assert_int_eq(w.plan.first_step, 5);
    check_log("run", 12);
}
END_TEST

START_TEST(options_may_be_used_again)
{
    char images[2 * SCRATCH_PATH];
    fcmae_options *options = scratch_task("pretrain", folder, "run");
    snprintf(images, sizeof images, "%s/set/train", folder);
    scratch_set(options, "data", images);
    scratch_set(options, "recipe", "paper");
    scratch_number(options, "input-size", 64);
    scratch_number(options, "batch-size", 8);
    scratch_number(options, "steps", 1);
    scratch_number(options, "pictures", 0);
    train(options);
    ck_assert_double_eq(fcmae_options_number(options, "save-every"), 5);
    snprintf(images, sizeof images, "%s/other", folder);
    scratch_set(options, "output", images);
    scratch_number(options, "batch-size", 20);
    train(options);
    ck_assert_double_eq(fcmae_options_number(options, "save-every"), 2); /* an epoch of 40 */
}
END_TEST

START_TEST(unreadable_images_are_named_and_counted)
{
    char images[2 * SCRATCH_PATH];
    snprintf(images, sizeof images, "%s/set/train/class_000", folder);
    scratch_write(images, "000000.jpg", "not a picture", 13);
    fcmae_options *options = options_of("run");
    witness w = train(options);
    ck_assert_int_eq(w.updates, 12);
    ck_assert_int_eq(w.remarks, 2); /* once by name, once as a sum */
    ck_assert(strstr(w.remark, "000000.jpg"));
    char *text = scratch_read(output, "log.jsonl", NULL);
    const char *event = strstr(text, "\"event\": \"warning\"");
    ck_assert(event && strstr(event, "000000.jpg"));
    free(text);
    options = options_of("strict");
    scratch_number(options, "bad-share", 0);
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_train(options, NULL, NULL, &error), FCMAE_ERR_FORMAT);
}
END_TEST

/* Values that no run can have, whether their row says so or the run. */
static const struct refusal {
    const char *name, *text;
    fcmae_status status;
} refusals[] = {
    {"data", "/nonexistent/folder", FCMAE_ERR_NOT_FOUND},
    {"input-size", "100", FCMAE_ERR_SHAPE},
    {"input-size", "32", FCMAE_ERR_SHAPE},
    {"mask-ratio", "1", FCMAE_ERR_ARGUMENT},
    {"mask-ratio", "nan", FCMAE_ERR_ARGUMENT},
    {"masks-per-image", "3", FCMAE_ERR_ARGUMENT}, /* 8 is no multiple */
    {"mask-unit", "4", FCMAE_ERR_ARGUMENT},
    {"batch-size", "64", FCMAE_ERR_SHAPE}, /* of 40 images */
    {"accumulate", "6", FCMAE_ERR_SHAPE},
    {"batch-size", "0", FCMAE_ERR_ARGUMENT},
    {"steps", "0", FCMAE_ERR_ARGUMENT},
    {"epochs", "0", FCMAE_ERR_ARGUMENT},
    {"lr", "-1", FCMAE_ERR_ARGUMENT},
    {"warmup-epochs", "100", FCMAE_ERR_ARGUMENT},
    {"min-lr", "1", FCMAE_ERR_ARGUMENT},
    {"base-lr", "1e308", FCMAE_ERR_ARGUMENT},
    {"ema", "1", FCMAE_ERR_ARGUMENT},
    {"output", "", FCMAE_ERR_ARGUMENT},
    {"beta1", "1", FCMAE_ERR_ARGUMENT},
    {"crop-scale-max", "0.1", FCMAE_ERR_ARGUMENT}, /* below crop-scale */
    {"channels", "4", FCMAE_ERR_ARGUMENT},         /* belongs into a preset */
    {"data-images", "4", FCMAE_ERR_ARGUMENT},      /* a fact */
    {"mask-rato", "0.5", FCMAE_ERR_ARGUMENT},
};

START_TEST(impossible_options_are_refused)
{
    const struct refusal *r = &refusals[_i];
    fcmae_error error = {0};
    fcmae_options *options = options_of("run");
    fcmae_status status = fcmae_options_set(options, r->name, r->text, &error);
    if (status == FCMAE_OK) status = fcmae_train(options, NULL, NULL, &error);
    ck_assert_msg(status == r->status, "status %d, %s", status, error.message);
    ck_assert(error.message[0]);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_run_leaves_what_it_promises);
    tcase_add_test(cases, threads_do_not_matter);
    tcase_add_test(cases, interruptions_do_not_matter);
    tcase_add_test(cases, what_shapes_the_last_bits_is_kept);
    tcase_add_test(cases, a_damaged_checkpoint_is_passed_over);
    tcase_add_test(cases, resuming_from_a_given_file);
    tcase_add_test(cases, options_when_resuming);
    tcase_add_test(cases, accumulation_and_lanes_keep_the_gradient);
    tcase_add_test(cases, a_run_that_diverges_stops_and_saves_nothing);
    tcase_add_test(cases, a_full_disk_stops_the_run_and_keeps_the_old);
    tcase_add_test(cases, a_failed_inspection_leaves_no_gap);
    tcase_add_test(cases, options_may_be_used_again);
    tcase_add_test(cases, unreadable_images_are_named_and_counted);
    tcase_add_loop_test(cases, impossible_options_are_refused, 0, FCMAE_COUNT(refusals));
}

int main(void)
{
    return run_suite("pretrain", add_tests);
}
