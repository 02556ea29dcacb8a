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
#include "scratch.h"
#include "support/suite.h"

enum { PLACES = 10 }; /* of each file, half of them in the header */

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

static void train(const char *run, const char *steps)
{
    fcmae_error error = {0};
    fcmae_options *options = scratch_pretraining(folder, run);
    scratch_set(options, "steps", steps);
    scratch_set(options, "watch-every", "0");
    scratch_set(options, "watch-knn", "0");
    scratch_set(options, "keep", "0");
    scratch_set(options, "ema", "0.9");
    scratch_set(options, "min-lr", "2e-3"); /* the same rate however long the run is to be */
    scratch_set(options, "warmup-epochs", "0");
    fcmae_status status = fcmae_train(options, NULL, NULL, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
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
static void sweep(const char *name)
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
        train("hit", "12");
        scratch_same(whole, damaged, "checkpoint-12.safetensors");
        scratch_same(whole, damaged, "checkpoint-12.state.safetensors");
    }
}

static void prepare(void)
{
    char path[2 * SCRATCH_PATH];
    train("run", "8");
    snprintf(path, sizeof path, "%s/hit", folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    train("run", "12");
    scratch_write(folder, "run/latest", "checkpoint-8.safetensors\n", 25);
}

START_TEST(of_the_weights)
{
    prepare();
    sweep("checkpoint-8.safetensors");
}
END_TEST

START_TEST(of_the_companion)
{
    prepare();
    sweep("checkpoint-8.state.safetensors");
}
END_TEST

/* Whoever only reads the weights is told of a damaged tensor too. */
START_TEST(for_every_reader)
{
    char path[2 * SCRATCH_PATH];
    size_t size = 0;
    train("run", "4");
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
    tcase_add_test(cases, of_the_weights);
    tcase_add_test(cases, of_the_companion);
    tcase_add_test(cases, for_every_reader);
}

int main(void)
{
    return run_suite("damage", add_tests);
}
