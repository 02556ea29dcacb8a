/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Fine-tuning as a library call: determinism, resuming, evaluation, partial training, refusals. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/finetune.h"
#include "support/suite.h"
#include "train/scratch.h"

static char folder[SCRATCH_PATH], training[2 * SCRATCH_PATH], validation[2 * SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
    scratch_images(folder);
    snprintf(training, sizeof training, "%s/set/train", folder);
    snprintf(validation, sizeof validation, "%s/set/val", folder);
}

static void teardown(void)
{
    scratch_remove(folder);
}

static void path_of(char *path, const char *run, const char *name)
{
    snprintf(path, 3 * SCRATCH_PATH, "%s/%s%s%s", folder, run, name[0] ? "/" : "", name);
}

/** Everything random is on; 40 images, 5 updates an epoch, 12 updates. */
static fcmae_finetune_options options_of(char *output, const char *run)
{
    fcmae_finetune_recipe recipe;
    fcmae_finetune_recipe_short(&recipe);
    recipe.mixup = 0.8;
    recipe.cutmix = 1;
    recipe.drop_path = 0.3;
    recipe.random_erasing = 0.5;
    fcmae_finetune_options o = fcmae_finetune_from_recipe(&recipe);
    path_of(output, run, "");
    o.train = training;
    o.validation = validation;
    o.model = scratch_model();
    o.input_size = 64;
    o.optimisation.ema_warmup = true;
    o.optimisation.lr = 2e-3;
    o.run.output = output;
    o.run.steps = 12;
    o.run.batch_size = 8;
    o.run.save_every = 4;
    o.run.threads = 1;
    o.run.workers = 1;
    o.run.lanes = 2;
    o.run.micro_batch = 2;
    return o;
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

static void evaluated(void *cookie, const fcmae_finetune_result *result)
{
    witness *w = cookie;
    w->evaluations++;
    ck_assert(result->images > 0 && result->top1 >= 0 && result->top1 <= result->top5);
    ck_assert(result->best_top1 >= result->top1 && result->best_top1 >= result->average_top1);
}

static fcmae_status finetune(const fcmae_finetune_options *o, witness *w,
                             fcmae_finetune_result *last, fcmae_error *error)
{
    const fcmae_finetune_callbacks callbacks = {
        .train = {.cookie = w, .progress = progress, .should_stop = should_stop},
        .evaluated = evaluated};
    return fcmae_finetune(o, &callbacks, last, error);
}

static fcmae_finetune_result train(const fcmae_finetune_options *o, witness *w)
{
    fcmae_finetune_result last = {0};
    fcmae_error error = {0};
    fcmae_status status = finetune(o, w, &last, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return last;
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
    char output[3 * SCRATCH_PATH];
    witness w = {0};
    fcmae_finetune_options o = options_of(output, "straight");
    train(&o, &w);
    ck_assert_int_eq(w.evaluations, 3); /* after 5, 10 and 12 updates */

    o = options_of(output, "threads");
    o.run.threads = 3;
    o.run.workers = 2;
    train(&o, &(witness){0});
    same_ends("straight", "threads");

    o = options_of(output, "broken");
    for (int64_t stop = 3; stop <= 5; stop++) { /* after updates 2, 5 and 9 */
        witness stopped = {.stop_after = stop};
        fcmae_error error = {0};
        ck_assert_int_eq(finetune(&o, &stopped, NULL, &error), FCMAE_ERR_INTERRUPTED);
    }
    witness rest = {0};
    train(&o, &rest);
    for (int i = 0; i < 12; i++)
        if (rest.losses[i] != 0) ck_assert(rest.losses[i] == w.losses[i]);
    same_ends("straight", "broken");
}
END_TEST

START_TEST(the_best_weights_give_the_accuracy_they_were_kept_for)
{
    char output[3 * SCRATCH_PATH], path[3 * SCRATCH_PATH];
    fcmae_finetune_options o = options_of(output, "run");
    fcmae_finetune_result last = train(&o, &(witness){0});
    ck_assert(last.has_average && last.images == 8);

    path_of(path, "run", "best.safetensors");
    fcmae_model *model = NULL;
    fcmae_dataset *dataset = NULL;
    fcmae_checkpoint *file = NULL;
    fcmae_class_names names = {0};
    fcmae_evaluation evaluation = {0};
    int32_t output_of[2];
    const fcmae_dataset_options labelled = {.labelled = true};
    const fcmae_pass_options pass = {.input_size = 64, .batch = 3, .threads = 1};
    ck_assert_int_eq(fcmae_dense_load(&model, path, NULL, 0, false, 0, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_open(&file, path, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_class_names_of_checkpoint(&names, file, NULL), FCMAE_OK);
    ck_assert_int_eq(names.count, 2);
    ck_assert_str_eq(names.names[0], "class_000");
    ck_assert_int_eq(fcmae_dataset_open(&dataset, validation, &labelled, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_class_names_match(&names, 2, dataset, NULL, output_of, NULL, NULL),
                     FCMAE_OK);
    ck_assert_int_eq(fcmae_evaluate(model, dataset, output_of, &pass, &evaluation, NULL), FCMAE_OK);
    ck_assert_double_eq_tol(100.0 * (double)evaluation.top1 / 8, last.best_top1, 1e-9);
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
    char data[2 * SCRATCH_PATH], output[3 * SCRATCH_PATH], path[3 * SCRATCH_PATH];
    fcmae_error error = {0};
    fcmae_pretrain_options pretraining = scratch_options(folder, "pretrained", data, path);
    pretraining.run.steps = 4;
    ck_assert_int_eq(fcmae_pretrain(&pretraining, NULL, &error), FCMAE_OK);

    char start[3 * SCRATCH_PATH], end[3 * SCRATCH_PATH];
    path_of(start, "pretrained", "checkpoint-4.safetensors");
    fcmae_finetune_options o = options_of(output, "tuned");
    o.checkpoint = start;
    o.tune_last = 1;
    train(&o, &(witness){0});

    path_of(end, "tuned", "checkpoint-12.safetensors");
    fcmae_model *before = NULL, *after = NULL;
    ck_assert_int_eq(fcmae_dense_load(&before, start, NULL, 2, true, 0, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dense_load(&after, end, NULL, 0, false, 0, NULL), FCMAE_OK);
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
    o.run.steps = 13;
    train(&o, &(witness){0});
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
    char output[3 * SCRATCH_PATH], path[3 * SCRATCH_PATH];
    fcmae_finetune_options o = options_of(output, "part");
    o.label_fraction = 0.4;
    train(&o, &(witness){0});
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

START_TEST(what_cannot_be_is_refused)
{
    char output[3 * SCRATCH_PATH], path[3 * SCRATCH_PATH];
    fcmae_error error = {0};
    fcmae_finetune_options o = options_of(output, "none");
    o.drop_path = 1;
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
    o = options_of(output, "none");
    o.label_fraction = 0;
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_ARGUMENT);
    o = options_of(output, "none");
    o.input_size = 65;
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_SHAPE);
    o = options_of(output, "none");
    o.run.batch_size = 41;
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "40 training images"));
    o = options_of(output, "none");
    o.checkpoint = "/nowhere.safetensors";
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_NOT_FOUND);
    o = options_of(output, "none");
    path_of(path, "set", "");
    o.validation = path; /* its folders are train and val, which are no classes */
    ck_assert_int_eq(fcmae_finetune(&o, NULL, NULL, &error), FCMAE_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.message, "train, val"));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_run_ends_in_the_same_bytes_however_it_got_there);
    tcase_add_test(cases, the_best_weights_give_the_accuracy_they_were_kept_for);
    tcase_add_test(cases, pretrained_weights_arrive_and_a_part_of_them_stays);
    tcase_add_test(cases, frozen_blocks_change_no_other_gradient);
    tcase_add_test(cases, a_part_of_the_labels);
    tcase_add_test(cases, what_cannot_be_is_refused);
}

int main(void)
{
    return run_suite("finetune", add_tests);
}
