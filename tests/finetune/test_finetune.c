/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Fine-tuning as a library call: determinism, resuming, evaluation, partial training, refusals. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "fcmae/evaluate.h"
#include "fcmae/preset.h"
#include "support/suite.h"
#include "train/scratch.h"

static char folder[SCRATCH_PATH], validation[2 * SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
    scratch_images(folder);
    snprintf(validation, sizeof validation, "%s/set/val", folder);
}

static void teardown(void)
{
    scratch_forget();
    scratch_remove(folder);
}

static void path_of(char *path, const char *run, const char *name)
{
    snprintf(path, 3 * SCRATCH_PATH, "%s/%s%s%s", folder, run, name[0] ? "/" : "", name);
}

/** Everything random is on; 40 images, 5 updates an epoch, 12 updates. */
static fcmae_options *options_of(const char *run)
{
    static const char *const values[][2] = {
        {"checkpoint", "none"}, {"recipe", "short"},  {"mixup", "0.8"},
        {"cutmix", "1"},        {"drop-path", "0.3"}, {"random-erasing", "0.5"},
        {"input-size", "64"},   {"lr", "2e-3"},       {"steps", "12"},
        {"batch-size", "8"},    {"save-every", "4"},  {"threads", "1"},
        {"workers", "1"},       {"lanes", "2"},       {"micro-batch", "2"}};
    char data[2 * SCRATCH_PATH];
    fcmae_options *options = scratch_task("finetune", folder, run);
    snprintf(data, sizeof data, "%s/set", folder);
    scratch_set(options, "data", data);
    for (int i = 0; i < FCMAE_COUNT(values); i++) scratch_set(options, values[i][0], values[i][1]);
    return options;
}

typedef struct witness {
    int64_t stop_after, polls, evaluations;
    double losses[16];
} witness;

static bool should_stop(void *cookie)
{
    witness *w = cookie;
    return ++w->polls == w->stop_after;
}

static void progress(void *cookie, const fcmae_train_progress *p)
{
    witness *w = cookie;
    if (p->step <= 16) w->losses[p->step - 1] = p->loss;
}

static void remark(void *cookie, fcmae_log_level level, const char *message)
{
    witness *w = cookie;
    if (level == FCMAE_LOG_INFO && strstr(message, "top-1")) w->evaluations++;
}

static fcmae_status finetune(fcmae_options *options, witness *w, fcmae_train_result *result,
                             fcmae_error *error)
{
    const fcmae_train_callbacks callbacks = {
        .cookie = w, .log = {remark, w}, .progress = progress, .should_stop = should_stop};
    return fcmae_train(options, &callbacks, result, error);
}

/** Runs to the end; returns a number of the result's details, an evaluation's where it has that. */
static double train_for(fcmae_options *options, witness *w, const char *figure)
{
    fcmae_train_result result = {0};
    fcmae_error error = {0};
    json_t *details = NULL;
    fcmae_status status = finetune(options, w, &result, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    ck_assert(result.details && result.summary && strstr(result.summary, "best.safetensors"));
    ck_assert_int_eq(
        fcmae_json_parse(result.details, strlen(result.details), "details", &details, NULL),
        FCMAE_OK);
    const json_t *evaluation = json_object_get(details, "evaluation");
    double top1 = fcmae_json_number(evaluation, "top1", NAN);
    ck_assert(top1 >= 0 && top1 <= fcmae_json_number(evaluation, "top5", NAN));
    ck_assert(fcmae_json_number(details, "best_top1", NAN) >= top1);
    double value = fcmae_json_number(evaluation, figure, NAN);
    if (isnan(value)) value = fcmae_json_number(details, figure, NAN);
    json_decref(details);
    fcmae_train_result_release(&result);
    return value;
}

static void train(fcmae_options *options, witness *w)
{
    train_for(options, w, "top1");
}

static void same_ends(const char *a, const char *b)
{
    char first[3 * SCRATCH_PATH], second[3 * SCRATCH_PATH];
    path_of(first, a, "");
    path_of(second, b, "");
    scratch_same(first, second, "checkpoint-12.safetensors");
    scratch_same(first, second, "checkpoint-12.state.safetensors");
    scratch_same(first, second, "best.safetensors");
}

START_TEST(a_run_ends_in_the_same_bytes_however_it_got_there)
{
    witness w = {0};
    train(options_of("straight"), &w);
    ck_assert_int_eq(w.evaluations, 3); /* after 5, 10 and 12 updates */

    fcmae_options *o = options_of("threads");
    scratch_number(o, "threads", 3);
    scratch_number(o, "workers", 2);
    train(o, &(witness){0});
    same_ends("straight", "threads");

    for (int64_t stop = 3; stop <= 5; stop++) { /* after updates 2, 5 and 9 */
        witness stopped = {.stop_after = stop};
        fcmae_error error = {0};
        ck_assert_int_eq(finetune(options_of("broken"), &stopped, NULL, &error),
                         FCMAE_ERR_INTERRUPTED);
    }
    witness rest = {0};
    train(options_of("broken"), &rest);
    for (int i = 0; i < 12; i++)
        if (rest.losses[i] != 0) ck_assert(rest.losses[i] == w.losses[i]);
    same_ends("straight", "broken");
}
END_TEST

START_TEST(the_best_weights_give_the_accuracy_they_were_kept_for)
{
    char path[3 * SCRATCH_PATH];
    double best_top1 = train_for(options_of("run"), &(witness){0}, "best_top1");
    ck_assert_double_eq(train_for(options_of("other"), &(witness){0}, "images"), 8);
    ck_assert(!isnan(train_for(options_of("third"), &(witness){0}, "ema_top1")));

    path_of(path, "run", "best.safetensors");
    fcmae_model *model = NULL;
    fcmae_dataset *dataset = NULL;
    fcmae_checkpoint *file = NULL;
    fcmae_class_names names = {0};
    fcmae_evaluation evaluation = {0};
    int32_t output_of[2];
    const fcmae_dataset_options labelled = {.labelled = true};
    const fcmae_pass_options pass = {.input_size = 64, .batch = 3, .threads = 1};
    ck_assert_int_eq(fcmae_dense_load(&model, path, NULL, 0, false, false, 0, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_open(&file, path, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_class_names_of_checkpoint(&names, file, NULL), FCMAE_OK);
    ck_assert_int_eq(names.count, 2);
    ck_assert_str_eq(names.names[0], "class_000");
    ck_assert_int_eq(fcmae_dataset_open(&dataset, validation, &labelled, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_class_names_match(&names, 2, dataset, NULL, output_of, NULL, NULL),
                     FCMAE_OK);
    ck_assert_int_eq(fcmae_evaluate(model, dataset, output_of, &pass, &evaluation, NULL), FCMAE_OK);
    ck_assert_double_eq_tol(100.0 * (double)evaluation.top1 / 8, best_top1, 1e-9);
    ck_assert_int_eq(evaluation.top5, 8); /* of two classes, both are among the best five */
    int64_t wrong = 0;
    for (int64_t i = 0; i < evaluation.confusion_count; i++)
        wrong += evaluation.confusions[i].images;
    ck_assert_int_eq(wrong, 8 - evaluation.top1);
    fcmae_evaluation_release(&evaluation);
    fcmae_class_names_release(&names);
    fcmae_dataset_close(&dataset);
    fcmae_checkpoint_close(&file);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(pretrained_weights_arrive_and_a_part_of_them_stays)
{
    fcmae_error error = {0};
    fcmae_options *pretraining = scratch_pretraining(folder, "pretrained");
    scratch_number(pretraining, "steps", 4);
    ck_assert_int_eq(fcmae_train(pretraining, NULL, NULL, &error), FCMAE_OK);

    char start[3 * SCRATCH_PATH], end[3 * SCRATCH_PATH];
    path_of(start, "pretrained", "checkpoint-4.safetensors");
    fcmae_options *o = options_of("tuned");
    scratch_set(o, "checkpoint", start);
    scratch_number(o, "tune-last", 1);
    train(o, &(witness){0});

    path_of(end, "tuned", "checkpoint-12.safetensors");
    fcmae_model *before = NULL, *after = NULL;
    ck_assert_int_eq(fcmae_dense_load(&before, start, NULL, 2, true, false, 0, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dense_load(&after, end, NULL, 0, false, false, 0, NULL), FCMAE_OK);
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(before, &count);
    for (int i = 0; i < count; i++) {
        bool tuned = table[i].part == FCMAE_PART_HEAD || table[i].stage == 3;
        bool same = memcmp(fcmae_model_values(before) + table[i].offset,
                           fcmae_model_values(after) + table[i].offset,
                           (size_t)(table[i].rows * table[i].stride) * sizeof(float)) == 0;
        ck_assert_msg(same == !tuned, "%s", table[i].name);
    }
    fcmae_model_destroy(&before);
    fcmae_model_destroy(&after);

    /* a run that is resumed needs its starting point no more */
    remove(start);
    o = options_of("tuned");
    scratch_set(o, "checkpoint", start);
    scratch_number(o, "tune-last", 1);
    scratch_number(o, "steps", 13);
    train(o, &(witness){0});
}
END_TEST

/* The start tells the recipe; when it is gone, the run's own checkpoints do. */
START_TEST(a_run_keeps_its_recipe_without_its_start)
{
    char start[3 * SCRATCH_PATH];
    fcmae_model_config config;
    fcmae_model *model = NULL;
    ck_assert_int_eq(fcmae_preset_load("atto", &config, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_model_create(&model, &config, NULL), FCMAE_OK);
    fcmae_model_initialise(model, 0);
    path_of(start, "start.safetensors", "");
    ck_assert_int_eq(fcmae_checkpoint_save(start, model, NULL, NULL), FCMAE_OK);
    fcmae_model_destroy(&model);
    for (int steps = 1; steps <= 2; steps++) {
        fcmae_error error = {0};
        fcmae_options *o = NULL; /* without a model, which would tell the recipe */
        char data[2 * SCRATCH_PATH], output[3 * SCRATCH_PATH];
        ck_assert_int_eq(fcmae_options_create(&o, fcmae_task_options("finetune"), NULL), FCMAE_OK);
        snprintf(data, sizeof data, "%s/set", folder);
        path_of(output, "kept", "");
        scratch_set(o, "data", data);
        scratch_set(o, "output", output);
        scratch_set(o, "checkpoint", start);
        scratch_set(o, "recipe", "paper");
        scratch_number(o, "input-size", 64);
        scratch_number(o, "batch-size", 4);
        scratch_number(o, "steps", steps);
        ck_assert_msg(fcmae_train(o, NULL, NULL, &error) == FCMAE_OK, "%s", error.message);
        ck_assert_double_eq(fcmae_options_number(o, "weight-decay"), 0.3); /* of atto alone */
        fcmae_options_destroy(&o);
        remove(start);
    }
}
END_TEST

START_TEST(frozen_blocks_change_no_other_gradient)
{
    fcmae_model_config config = scratch_model();
    config.objective = "classify";
    config.classes = 3;
    config.depths[2] = 3;
    fcmae_model *model = NULL;
    ck_assert_int_eq(fcmae_model_create(&model, &config, NULL), FCMAE_OK);
    fcmae_model_initialise(model, 1);
    float *values = calloc(2 * 3 * 64 * 64, sizeof *values);
    for (int i = 0; i < 2 * 3 * 64 * 64; i++) values[i] = sinf(0.37f * (float)i);
    const float targets[6] = {0.1f, 0.8f, 0.1f, 0.5f, 0, 0.5f};
    const fcmae_batch batch = {
        .images = {.count = 2, .values = values}, .samples = 2, .targets = targets};
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    size_t size = (size_t)fcmae_model_block_size(model);
    float *all = calloc(size, sizeof *all);
    for (int frozen = 0; frozen <= 6; frozen++) {
        const fcmae_engine_options options = {.train = true,
                                              .height = 64,
                                              .width = 64,
                                              .batch = 2,
                                              .lanes = 1,
                                              .threads = 1,
                                              .frozen_blocks = frozen};
        fcmae_engine *engine = NULL;
        double loss;
        ck_assert_int_eq(fcmae_engine_create(&engine, model, &options, NULL), FCMAE_OK);
        fcmae_engine_zero_gradients(engine);
        ck_assert_int_eq(fcmae_engine_step(engine, &batch, 1, &loss, NULL), FCMAE_OK);
        float *gradients;
        ck_assert_int_eq(fcmae_engine_gradients(engine, &gradients, NULL), FCMAE_OK);
        if (frozen == 0) memcpy(all, gradients, size * sizeof *all);
        for (int i = 0; i < count; i++) {
            static const int before[] = {0, 1, 2, 5, 6}; /* the head stands behind stage 3 */
            const fcmae_parameter *p = &table[i];
            int place = before[p->stage] + (p->part == FCMAE_PART_BLOCK ? p->block : 0);
            bool still = p->part != FCMAE_PART_HEAD && place < frozen;
            for (int64_t k = 0; k < p->rows * p->stride; k++)
                ck_assert_msg(gradients[p->offset + k] == (still ? 0 : all[p->offset + k]),
                              "%s with %d frozen blocks", p->name, frozen);
        }
        fcmae_engine_destroy(&engine);
    }
    free(all);
    free(values);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(a_part_of_the_labels)
{
    char path[3 * SCRATCH_PATH];
    fcmae_options *o = options_of("part");
    scratch_number(o, "label-fraction", 0.4);
    train(o, &(witness){0});
    path_of(path, "part", "");
    char *text = scratch_read(path, "config.json", NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"data_images\": 16"));
    ck_assert_ptr_nonnull(strstr(text, "\"drop_path\": 0.3"));
    free(text);
    text = scratch_read(path, "log.jsonl", NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"val_top1\": "));
    ck_assert_ptr_nonnull(strstr(text, "\"ema_loss\": "));
    free(text);
}
END_TEST

/* A learning rate of 0 is 0: the weights stay. */
START_TEST(a_rate_of_zero_is_zero)
{
    char path[3 * SCRATCH_PATH];
    fcmae_options *o = options_of("still");
    scratch_number(o, "lr", 0);
    scratch_number(o, "min-lr", 0);
    scratch_number(o, "steps", 2);
    train(o, &(witness){0});
    path_of(path, "still", "");
    char *text = scratch_read(path, "config.json", NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"lr\": 0.0"));
    free(text);
    text = scratch_read(path, "log.jsonl", NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"lr\": 0.0"));
    ck_assert_ptr_null(strstr(text, "\"lr\": 0.00"));
    free(text);
}
END_TEST

static const struct refusal {
    const char *name, *text;
    fcmae_status status;
    const char *words;
} refusals[] = {
    {"drop-path", "1", FCMAE_ERR_ARGUMENT, "drop-path 1: must be in [0, 1)"},
    {"label-fraction", "0", FCMAE_ERR_ARGUMENT, "must be in (0, 1]"},
    {"input-size", "65", FCMAE_ERR_SHAPE, "multiple of the patch"},
    {"batch-size", "41", FCMAE_ERR_SHAPE, "40 images to train on"},
    {"checkpoint", "/nowhere.safetensors", FCMAE_ERR_NOT_FOUND, "nowhere"},
    {"data", "/nowhere", FCMAE_ERR_NOT_FOUND, "train and val"},
};

START_TEST(what_cannot_be_is_refused)
{
    const struct refusal *r = &refusals[_i];
    fcmae_error error = {0};
    fcmae_options *o = options_of("none");
    fcmae_status status = fcmae_options_set(o, r->name, r->text, &error);
    if (status == FCMAE_OK) status = fcmae_train(o, NULL, NULL, &error);
    ck_assert_msg(status == r->status && strstr(error.message, r->words), "status %d: %s", status,
                  error.message);
}
END_TEST

START_TEST(classes_that_were_not_trained_are_refused)
{
    char path[3 * SCRATCH_PATH], other[3 * SCRATCH_PATH];
    fcmae_error error = {0};
    path_of(path, "set/val", "class_000");
    path_of(other, "set/val", "class_007");
    ck_assert_int_eq(rename(path, other), 0);
    ck_assert_int_eq(fcmae_train(options_of("none"), NULL, NULL, &error), FCMAE_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.message, "class_007"));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_run_ends_in_the_same_bytes_however_it_got_there);
    tcase_add_test(cases, the_best_weights_give_the_accuracy_they_were_kept_for);
    tcase_add_test(cases, pretrained_weights_arrive_and_a_part_of_them_stays);
    tcase_add_test(cases, a_run_keeps_its_recipe_without_its_start);
    tcase_add_test(cases, frozen_blocks_change_no_other_gradient);
    tcase_add_test(cases, a_part_of_the_labels);
    tcase_add_test(cases, a_rate_of_zero_is_zero);
    tcase_add_loop_test(cases, what_cannot_be_is_refused, 0, FCMAE_COUNT(refusals));
    tcase_add_test(cases, classes_that_were_not_trained_are_refused);
}

int main(void)
{
    return run_suite("finetune", add_tests);
}
