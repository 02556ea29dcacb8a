/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A bit of the newest checkpoint has flipped: a run goes on as if it had not, from this checkpoint
 *  or the one before, and ends in the same bytes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcmae/checkpoint.h"
#include "run/run_state.h"
#include "run/run_values.h"
#include "scratch.h"
#include "support/suite.h"

enum { PLACES = 4 }; /* of each file that whole runs try, half of them in the header */
enum { IN_HEADER = 67, IN_DATA = 509 }; /* bytes between the places that only loading tries */

/** What is trained. */
typedef enum situation { PRETRAINING, GONE_INIT, GONE_CHECKPOINT } situation;

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

/** Options of a run that learns its network from folder/start.safetensors, if that is there. */
static fcmae_options *from_start(const char *task, const char *run)
{
    static const char *const values[][2] = {
        {"input-size", "64"}, {"lr", "2e-3"},       {"batch-size", "8"},
        {"save-every", "4"},  {"threads", "1"},     {"workers", "1"},
        {"lanes", "2"},       {"micro-batch", "2"}, {"recipe", "paper"}};
    bool finetune = strcmp(task, "finetune") == 0;
    char path[2 * SCRATCH_PATH];
    fcmae_options *options = NULL;
    ck_assert_int_eq(fcmae_options_create(&options, fcmae_task_options(task), NULL), FCMAE_OK);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        scratch_set(options, values[i][0], values[i][1]);
    snprintf(path, sizeof path, "%s/start.safetensors", folder);
    scratch_set(options, finetune ? "checkpoint" : "init", path);
    snprintf(path, sizeof path, "%s/set%s", folder, finetune ? "" : "/train");
    scratch_set(options, "data", path);
    snprintf(path, sizeof path, "%s/%s", folder, run);
    scratch_set(options, "output", path);
    if (!finetune) scratch_set(options, "pictures", "0");
    return options;
}

/** Carries out a run; the options are the caller's to destroy, or scratch_forget()'s. */
static fcmae_options *train_as(situation what, const char *run, const char *steps)
{
    fcmae_error error = {0};
    fcmae_options *options = what == PRETRAINING ? scratch_pretraining(folder, run)
                             : what == GONE_INIT ? from_start("pretrain", run)
                                                 : from_start("finetune", run);
    scratch_set(options, "steps", steps);
    if (what != GONE_CHECKPOINT) {
        scratch_set(options, "watch-every", "0");
        scratch_set(options, "watch-knn", "0");
        scratch_set(options, "val-share", "0");
    }
    scratch_set(options, "keep", "0");
    scratch_set(options, "ema", "0.9");
    scratch_set(options, "min-lr", "2e-3"); /* the same rate however long the run is to be */
    scratch_set(options, "warmup-epochs", "0");
    fcmae_status status = fcmae_train(options, NULL, NULL, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return options;
}

static void train(situation what, const char *run, const char *steps)
{
    fcmae_options *options = train_as(what, run, steps);
    if (what != PRETRAINING) fcmae_options_destroy(&options);
    scratch_forget();
}

static void copy(const char *name)
{
    char from[2 * SCRATCH_PATH], to[2 * SCRATCH_PATH];
    size_t size = 0;
    snprintf(from, sizeof from, "%s/run", folder);
    snprintf(to, sizeof to, "%s/hit", folder);
    char *bytes = scratch_read(from, name, &size);
    ck_assert_ptr_nonnull(bytes);
    scratch_write(to, name, bytes, size);
    free(bytes);
}

/** Makes RUN/hit what RUN/run was after eight updates, with one bit of `name` flipped. */
static void hit(const char *name, size_t place, int bit)
{
    static const char *const names[] = {"latest",
                                        "log.jsonl",
                                        "checkpoint-4.safetensors",
                                        "checkpoint-4.state.safetensors",
                                        "checkpoint-8.safetensors",
                                        "checkpoint-8.state.safetensors"};
    static const char *const later[] = {"hit/checkpoint-12.safetensors",
                                        "hit/checkpoint-12.state.safetensors"};
    char path[2 * SCRATCH_PATH];
    size_t size = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, later[i]);
        unlink(path);
    }
    for (int i = 0; i < 6; i++) copy(names[i]);
    snprintf(path, sizeof path, "%s/hit", folder);
    char *bytes = scratch_read(path, name, &size);
    ck_assert_ptr_nonnull(bytes);
    bytes[place] ^= (char)(1 << bit);
    scratch_write(path, name, bytes, size);
    free(bytes);
}

/** Every so many bytes of the header, which holds names, shapes and texts, and of the data. */
static void sweep(situation what, const char *name)
{
    char whole[2 * SCRATCH_PATH], damaged[2 * SCRATCH_PATH];
    size_t size = 0;
    uint64_t head = 0;
    snprintf(whole, sizeof whole, "%s/run", folder);
    snprintf(damaged, sizeof damaged, "%s/hit", folder);
    char *bytes = scratch_read(whole, name, &size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(&head, bytes, sizeof head);
    free(bytes);
    head += sizeof head;
    for (size_t i = 0; i < PLACES; i++) {
        size_t half = PLACES / 2;
        size_t place = i < half ? i * head / half : head + (i - half) * (size - head) / half;
        hit(name, place, (int)(i % 7));
        train(what, "hit", "12");
        scratch_same(whole, damaged, "checkpoint-12.safetensors");
        scratch_same(whole, damaged, "checkpoint-12.state.safetensors");
    }
}

static void prepare(situation what)
{
    char path[2 * SCRATCH_PATH], start[2 * SCRATCH_PATH];
    if (what != PRETRAINING) {
        train(PRETRAINING, "first", "1");
        snprintf(path, sizeof path, "%s/first/checkpoint-1.safetensors", folder);
        snprintf(start, sizeof start, "%s/start.safetensors", folder);
        ck_assert_int_eq(rename(path, start), 0);
    }
    train(what, "run", "8");
    if (what != PRETRAINING) ck_assert_int_eq(unlink(start), 0);
    snprintf(path, sizeof path, "%s/hit", folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    train(what, "run", "12");
    scratch_write(folder, "run/latest", "checkpoint-8.safetensors\n", 25);
}

START_TEST(of_the_newest_pair)
{
    prepare(PRETRAINING);
    sweep(PRETRAINING, "checkpoint-8.safetensors");
    sweep(PRETRAINING, "checkpoint-8.state.safetensors");
}
END_TEST

/* The first weights are gone: which network it is, the run's own files say. */
START_TEST(where_only_they_tell_the_network)
{
    prepare(GONE_INIT);
    sweep(GONE_INIT, "checkpoint-8.safetensors");
}
END_TEST

START_TEST(where_only_they_tell_the_network_of_a_classifier)
{
    prepare(GONE_CHECKPOINT);
    sweep(GONE_CHECKPOINT, "checkpoint-8.safetensors");
}
END_TEST

/** A state to load into, and what its run recorded. */
typedef struct target {
    fcmae_run_state state;
    fcmae_record record;
    fcmae_model *model;
    float *values, *average; /* as they were saved */
    char names[64];
} target;

static char *path_of(const char *name)
{
    static char paths[2][2 * SCRATCH_PATH];
    static int next;
    char *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s/run/%s", folder, name);
    return path;
}

static void make_target(target *t, fcmae_options *options)
{
    fcmae_error error = {0};
    const fcmae_option_set *set = fcmae_task_options("pretrain");
    fcmae_run_values *values = fcmae_options_values(options);
    const char *state = path_of("checkpoint-8.state.safetensors");
    ck_assert(fcmae_run_state_option(state, fcmae_option_find(set, "data-names"), t->names,
                                     sizeof t->names));
    t->names[strlen(t->names) - 1] = 0; /* without the quotes of JSON */
    values->data_names = t->names + 1;
    ck_assert_int_eq(fcmae_record_take(&t->record, set, values, &error), FCMAE_OK);
    values->data_names = NULL;
    ck_assert_int_eq(fcmae_model_create(&t->model, &values->model, &error), FCMAE_OK);
    const fcmae_adamw_options adamw = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    ck_assert_int_eq(fcmae_adamw_create(&t->state.adamw, t->model, &adamw, &error), FCMAE_OK);
    size_t size = (size_t)fcmae_model_block_size(t->model) * sizeof(float);
    t->state.model = t->model;
    t->state.average = malloc(size);
    t->values = malloc(size);
    t->average = malloc(size);
    t->state.record = &t->record;
    ck_assert(t->state.average && t->values && t->average);
}

static fcmae_status load(target *t, fcmae_error *error)
{
    static const fcmae_log quiet = {0};
    return fcmae_run_state_load(&t->state, path_of("checkpoint-8.safetensors"),
                                path_of("checkpoint-8.state.safetensors"), &quiet, error);
}

static void release_target(target *t)
{
    fcmae_adamw_destroy(&t->state.adamw);
    fcmae_model_destroy(&t->model);
    fcmae_record_release(&t->record);
    free(t->state.average);
    free(t->values);
    free(t->average);
}

/** Loading gives what was saved or says that the file is damaged, and nothing else, which would
 *  stop the run. */
static int sweep_loading(target *t, const char *name)
{
    char run[2 * SCRATCH_PATH];
    size_t size = 0, block = (size_t)fcmae_model_block_size(t->model) * sizeof(float);
    int same = 0;
    uint64_t head = 0;
    snprintf(run, sizeof run, "%s/run", folder);
    char *bytes = scratch_read(run, name, &size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(&head, bytes, sizeof head);
    head += sizeof head;
    for (size_t place = 0; place < size; place += place < head ? IN_HEADER : IN_DATA) {
        fcmae_error error = {0};
        char mask = (char)(1 << (place % 8));
        bytes[place] ^= mask;
        scratch_write(run, name, bytes, size);
        bytes[place] ^= mask;
        fcmae_status status = load(t, &error);
        ck_assert_msg(status == FCMAE_OK || status == FCMAE_ERR_FORMAT, "byte %zu of %s: %s", place,
                      name, error.message);
        if (status != FCMAE_OK) continue;
        same++;
        ck_assert_int_eq(t->state.step, 8);
        ck_assert_mem_eq(fcmae_model_values(t->model), t->values, block);
        ck_assert_mem_eq(t->state.average, t->average, block);
    }
    scratch_write(run, name, bytes, size);
    free(bytes);
    return same;
}

START_TEST(of_any_byte)
{
    target t = {0};
    fcmae_error error = {0};
    fcmae_options *options = train_as(PRETRAINING, "run", "8");
    make_target(&t, options);
    fcmae_status status = load(&t, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    size_t block = (size_t)fcmae_model_block_size(t.model) * sizeof(float);
    memcpy(t.values, fcmae_model_values(t.model), block);
    memcpy(t.average, t.state.average, block);
    int same = sweep_loading(&t, "checkpoint-8.safetensors");
    same += sweep_loading(&t, "checkpoint-8.state.safetensors");
    ck_assert_int_lt(same, 20); /* of hundreds: the case of a digit, the name of the checksums */
    release_target(&t);
}
END_TEST

/* Whoever only reads the weights is told of a damaged tensor too. */
START_TEST(for_every_reader)
{
    char path[2 * SCRATCH_PATH];
    size_t size = 0;
    train(PRETRAINING, "run", "4");
    snprintf(path, sizeof path, "%s/run", folder);
    char *bytes = scratch_read(path, "checkpoint-4.safetensors", &size);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 1; i <= 16; i++) {
        size_t place = size - (size_t)i * 101;
        bytes[place] ^= 1; /* of the last bits of a value: it stays a number */
        scratch_write(path, "checkpoint-4.safetensors", bytes, size);
        bytes[place] ^= 1;
        fcmae_error error = {0};
        fcmae_model *model = NULL;
        const fcmae_model_source source = {.path = path, .objective = "masked"};
        fcmae_status status = fcmae_checkpoint_load_model(&model, &source, NULL, NULL, &error);
        ck_assert_int_eq(status, FCMAE_ERR_FORMAT);
        ck_assert_msg(strstr(error.message, "is not what was written"), "%s", error.message);
    }
    free(bytes);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, of_the_newest_pair);
    tcase_add_test(cases, where_only_they_tell_the_network);
    tcase_add_test(cases, where_only_they_tell_the_network_of_a_classifier);
    tcase_add_test(cases, of_any_byte);
    tcase_add_test(cases, for_every_reader);
}

int main(void)
{
    return run_suite("damage", add_tests);
}
