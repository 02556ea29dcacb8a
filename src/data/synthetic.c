/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The synthetic set: which files there are. What is on them: scene.c. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/parallel.h"
#include "data/scene.h"
#include "fcmae/data.h"
#include "image/codec.h"

#define JPEG_QUALITY 90

typedef struct job {
    const char *folder; /* with the name of the part: .../train */
    fcmae_synthetic_options options;
    uint32_t part; /* 0: train, 1: val */
    pthread_mutex_t lock;
    int64_t failed; /* lowest number that failed, or -1 */
    fcmae_error error;
} job;

static fcmae_status make_folder(const char *path, fcmae_error *error)
{
    char partial[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof partial)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path is too long: %.200s...", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(partial, path, i);
        partial[i] = 0;
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "cannot create the folder %s",
                                     partial);
    }
    return FCMAE_OK;
}

static fcmae_status write_image(const job *j, int64_t number, fcmae_error *error)
{
    int size = j->options.size, label = (int)(number % j->options.classes);
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/class_%03d/%06lld.%s", j->folder, label,
                          (long long)number, j->options.png ? "png" : "jpg");
    if (length < 0 || (size_t)length >= sizeof path)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path is too long: %.200s...", j->folder);
    fcmae_image image = {0};
    fcmae_buffer file = {0};
    fcmae_status status = fcmae_image_reserve(&image, size, size, error);
    if (status == FCMAE_OK) {
        fcmae_scene_render(image.pixels, size, label, j->options.seed, j->part, (uint64_t)number);
        status = j->options.png
                     ? fcmae_png_encode(&file, image.pixels, size, size, error)
                     : fcmae_jpeg_encode(&file, image.pixels, size, size, JPEG_QUALITY, error);
    }
    if (status == FCMAE_OK) status = fcmae_file_write(path, file.bytes, file.size, error);
    fcmae_image_release(&image);
    fcmae_buffer_release(&file);
    return status;
}

static void write_task(void *argument, int64_t number, int worker)
{
    job *j = argument;
    fcmae_error error = {0};
    (void)worker;
    pthread_mutex_lock(&j->lock);
    bool hopeless = j->failed >= 0 && j->failed < number;
    pthread_mutex_unlock(&j->lock);
    if (hopeless || write_image(j, number, &error) == FCMAE_OK) return;
    pthread_mutex_lock(&j->lock);
    if (j->failed < 0 || number < j->failed) {
        j->failed = number;
        j->error = error;
    }
    pthread_mutex_unlock(&j->lock);
}

static fcmae_status write_part(const char *folder, const char *name, int64_t images, uint32_t part,
                               const fcmae_synthetic_options *options, fcmae_error *error)
{
    char path[PATH_MAX], class_path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path is too long: %.200s...", folder);
    for (int label = 0; label < options->classes; label++) {
        if (snprintf(class_path, sizeof class_path, "%s/class_%03d", path, label) >=
            (int)sizeof class_path)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path is too long: %.200s...", path);
        FCMAE_TRY(make_folder(class_path, error));
    }
    job j = {.folder = path, .options = *options, .part = part, .failed = -1};
    pthread_mutex_init(&j.lock, NULL);
    int threads = options->threads > 0 ? options->threads : fcmae_processor_count();
    fcmae_parallel_for(threads, images, write_task, &j);
    pthread_mutex_destroy(&j.lock);
    if (j.failed >= 0) return fcmae_fail(error, j.error.status, "%s", j.error.message);
    return FCMAE_OK;
}

fcmae_status fcmae_synthetic_write(const char *folder, const fcmae_synthetic_options *options,
                                   fcmae_error *error)
{
    fcmae_synthetic_options o = *options;
    if (!folder || !folder[0])
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no output folder was named");
    if (o.classes == 0) o.classes = 10;
    if (o.images == 0) o.images = 1000;
    if (o.size == 0) o.size = 64;
    if (o.validation_images == 0) o.validation_images = (o.images + 4) / 5;
    if (o.classes > 0 && o.validation_images < o.classes) o.validation_images = o.classes;
    if (o.classes < 1 || o.classes > 1000 || o.images < o.classes || o.images > 100000000 ||
        o.validation_images > 100000000 || o.size < 16 || o.size > 2048)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "a synthetic set of %d classes (1 to 1000), %lld images (at least one per "
            "class) and %d pixels (16 to 2048) cannot be made",
            o.classes, (long long)o.images, o.size);
    FCMAE_TRY(write_part(folder, "train", o.images, 0, &o, error));
    return write_part(folder, "val", o.validation_images, 1, &o, error);
}
