/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_make(char *path)
{
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, SCRATCH_PATH, "%s/fcmae-train-XXXXXX", place);
    ck_assert_msg(mkdtemp(path) != NULL, "no folder like %s", path);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void join(char *path, const char *folder, const char *name)
{
    snprintf(path, 2 * SCRATCH_PATH, "%s/%s", folder, name);
}

char *scratch_read(const char *folder, const char *name, size_t *size)
{
    char path[2 * SCRATCH_PATH];
    join(path, folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    size_t length = (size_t)ftell(file);
    rewind(file);
    char *bytes = calloc(length + 1, 1);
    ck_assert(bytes && fread(bytes, 1, length, file) == length);
    fclose(file);
    if (size) *size = length;
    return bytes;
}

void scratch_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[2 * SCRATCH_PATH];
    join(path, folder, name);
    FILE *file = fopen(path, "wb");
    ck_assert(file && fwrite(bytes, 1, size, file) == size);
    ck_assert(fclose(file) == 0);
}

bool scratch_exists(const char *folder, const char *name)
{
    char path[2 * SCRATCH_PATH];
    join(path, folder, name);
    return access(path, F_OK) == 0;
}

void scratch_same(const char *folder_a, const char *folder_b, const char *name)
{
    size_t size_a = 0, size_b = 0;
    char *a = scratch_read(folder_a, name, &size_a), *b = scratch_read(folder_b, name, &size_b);
    ck_assert_msg(a && b, "%s is missing in %s", name, a ? folder_b : folder_a);
    ck_assert_msg(size_a == size_b, "%s: %zu and %zu bytes", name, size_a, size_b);
    for (size_t i = 0; i < size_a; i++)
        ck_assert_msg(a[i] == b[i], "%s of %s and %s differ at byte %zu", name, folder_a, folder_b,
                      i);
    free(a);
    free(b);
}

void scratch_images(const char *folder)
{
    char path[2 * SCRATCH_PATH];
    fcmae_error error = {0};
    const fcmae_synthetic_options options = {.classes = 2, .images = 40, .size = 48, .seed = 1};
    join(path, folder, "set");
    ck_assert_msg(fcmae_synthetic_write(path, &options, &error) == FCMAE_OK, "%s", error.message);
}

fcmae_model_config scratch_model(void)
{
    return (fcmae_model_config){.name = "smallest",
                                .version = 2,
                                .depths = {1, 1, 1, 1},
                                .dims = {8, 8, 16, 16},
                                .channels = 3,
                                .stem_stride = 4,
                                .decoder_depth = 1,
                                .decoder_dim = 16,
                                .norm_pix = true,
                                .layer_scale_init = 1e-6};
}

static const char preset[] =
    "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 16, 16\ndecoder_dim = 16\n";

enum { MOST = 64 };
static fcmae_options *made[MOST];
static int made_count;

void scratch_set(fcmae_options *options, const char *name, const char *text)
{
    fcmae_error error = {0};
    ck_assert_msg(fcmae_options_set(options, name, text, &error) == FCMAE_OK, "%s", error.message);
}

void scratch_number(fcmae_options *options, const char *name, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    scratch_set(options, name, text);
}

fcmae_options *scratch_task(const char *task, const char *folder, const char *run)
{
    char path[2 * SCRATCH_PATH];
    fcmae_error error = {0};
    ck_assert_int_lt(made_count, MOST);
    fcmae_options **options = &made[made_count++];
    ck_assert_msg(fcmae_options_create(options, fcmae_task_options(task), &error) == FCMAE_OK, "%s",
                  error.message);
    if (!scratch_exists(folder, "smallest.ini"))
        scratch_write(folder, "smallest.ini", preset, sizeof preset - 1);
    join(path, folder, "smallest.ini");
    scratch_set(*options, "model", path);
    join(path, folder, run);
    scratch_set(*options, "output", path);
    return *options;
}

fcmae_options *scratch_pretraining(const char *folder, const char *run)
{
    static const char *const values[][2] = {
        {"input-size", "96"}, {"lr", "2e-3"},    {"steps", "12"},    {"batch-size", "8"},
        {"save-every", "4"},  {"threads", "1"},  {"workers", "1"},   {"lanes", "2"},
        {"micro-batch", "2"}, {"pictures", "0"}, {"recipe", "paper"}};
    char path[2 * SCRATCH_PATH];
    fcmae_options *options = scratch_task("pretrain", folder, run);
    join(path, folder, "set/train");
    scratch_set(options, "data", path);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        scratch_set(options, values[i][0], values[i][1]);
    return options;
}

void scratch_forget(void)
{
    while (made_count > 0) fcmae_options_destroy(&made[--made_count]);
}
