/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "fcmae/data.h"
#include "folder_support.h"
#include "support/suite.h"

static char log_text[4000];

static void keep_log(void *cookie, fcmae_log_level level, const char *message)
{
    (void)cookie, (void)level;
    strncat(log_text, message, sizeof log_text - strlen(log_text) - 2);
    strcat(log_text, "\n");
}

static fcmae_dataset *synthetic(int images)
{
    make_root();
    fcmae_synthetic_options options = {.classes = 4, .images = images, .size = 24, .seed = 3};
    fcmae_error error = {0};
    ck_assert_msg(fcmae_synthetic_write(root, &options, &error) == FCMAE_OK, "%s", error.message);
    fcmae_dataset *dataset = NULL;
    fcmae_dataset_options labelled = {.labelled = true};
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("train"), &labelled, &error), FCMAE_OK);
    ck_assert_int_eq(fcmae_dataset_count(dataset), images);
    return dataset;
}

static fcmae_loader_options training_options(int workers)
{
    return (fcmae_loader_options){.transform = fcmae_transform_train(16, 0.2),
                                  .batch = 6,
                                  .training = true,
                                  .seed = 11,
                                  .workers = workers,
                                  .log = {keep_log, NULL}};
}

static fcmae_loader *create(const fcmae_dataset *dataset, const fcmae_loader_options *options)
{
    fcmae_loader *loader = NULL;
    fcmae_error error = {0};
    log_text[0] = 0;
    fcmae_status status = fcmae_loader_create(&loader, dataset, options, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return loader;
}

#define SAMPLE (16 * 16 * 3)
#define BATCHES 15

typedef struct record {
    uint8_t images[6 * SAMPLE];
    int64_t indices[6];
    int32_t labels[6];
    uint32_t epoch;
    int64_t batch;
} record;

static void take(fcmae_loader *loader, record *out, int count)
{
    for (int b = 0; b < count; b++) {
        fcmae_samples samples;
        fcmae_error error = {0};
        fcmae_status status = fcmae_loader_next(loader, &samples, &error);
        ck_assert_msg(status == FCMAE_OK, "%s", error.message);
        ck_assert_int_eq(samples.count, 6);
        memset(&out[b], 0, sizeof out[b]);
        memcpy(out[b].images, samples.images, sizeof out[b].images);
        memcpy(out[b].indices, samples.indices, sizeof out[b].indices);
        memcpy(out[b].labels, samples.labels, sizeof out[b].labels);
        out[b].epoch = samples.epoch;
        out[b].batch = samples.batch;
    }
}

/* Every image once an epoch, the last batch smaller; also where a batch is larger than the set. */
START_TEST(the_last_batch_may_be_kept)
{
    fcmae_dataset *dataset = synthetic(20);
    fcmae_loader_options options = training_options(2);
    options.keep_last = true;
    for (int batch = 6; batch <= 24; batch += 18) {
        options.batch = batch;
        fcmae_loader *loader = create(dataset, &options);
        int64_t batches = fcmae_loader_batches(loader);
        ck_assert_int_eq(batches, batch == 6 ? 4 : 1);
        for (int start = 0; start < 2; start++) { /* from the beginning, and from a resume */
            bool seen[20] = {false};
            int count = 0;
            if (start) ck_assert_int_eq(fcmae_loader_start(loader, 1, 0, NULL), FCMAE_OK);
            for (int64_t b = 0; b < batches; b++) {
                fcmae_samples samples;
                ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
                ck_assert_int_eq(samples.count, b < batches - 1 ? 6 : batch == 6 ? 2 : 20);
                ck_assert_uint_eq(samples.epoch, (unsigned)start);
                for (int i = 0; i < samples.count; i++, count++) {
                    ck_assert(!seen[samples.indices[i]]);
                    seen[samples.indices[i]] = true;
                }
            }
            ck_assert_int_eq(count, 20);
        }
        fcmae_loader_destroy(&loader);
    }
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(batches_do_not_depend_on_workers_or_resumes)
{
    fcmae_dataset *dataset = synthetic(20);
    static record first[BATCHES], other[BATCHES];
    fcmae_loader_options options = training_options(1);
    fcmae_loader *loader = create(dataset, &options);
    ck_assert_int_eq(fcmae_loader_batches(loader), 3);
    take(loader, first, BATCHES);
    fcmae_loader_destroy(&loader);
    ck_assert_ptr_null(loader);
    for (int workers = 2; workers <= 5; workers += 3)
        for (int prefetch = 1; prefetch <= 9; prefetch += 4) {
            options.workers = workers;
            options.prefetch = prefetch; /* also more than an epoch ahead */
            loader = create(dataset, &options);
            take(loader, other, BATCHES);
            ck_assert_int_eq(memcmp(first, other, sizeof first), 0);
            ck_assert_int_eq(fcmae_loader_start(loader, 1, 2, NULL), FCMAE_OK);
            take(loader, other, 7);
            ck_assert_int_eq(memcmp(first + 5, other, 7 * sizeof *first), 0);
            ck_assert_int_eq(fcmae_loader_start(loader, 0, 4, NULL), FCMAE_ERR_ARGUMENT);
            fcmae_loader_destroy(&loader);
        }
    for (int b = 0; b < BATCHES; b++) {
        ck_assert_uint_eq(first[b].epoch, (unsigned)b / 3);
        ck_assert_int_eq(first[b].batch, b % 3);
        for (int i = 0; i < 6; i++)
            ck_assert_int_eq(first[b].labels[i], fcmae_dataset_label(dataset, first[b].indices[i]));
    }
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(the_cache_changes_no_batch)
{
    fcmae_dataset *dataset = synthetic(20);
    static record first[BATCHES], other[BATCHES];
    fcmae_loader_options options = training_options(2);
    fcmae_loader *loader = create(dataset, &options);
    take(loader, first, BATCHES);
    fcmae_loader_destroy(&loader);
    for (int workers = 1; workers <= 4; workers += 3)
        for (int full = 0; full < 2; full++) { /* room for 7 of the 20, or for all */
            options.workers = workers;
            options.cache_bytes = full ? 1 << 20 : 7 * 24 * 24 * 3 + 5;
            loader = create(dataset, &options);
            take(loader, other, BATCHES);
            ck_assert_int_eq(memcmp(first, other, sizeof first), 0);
            fcmae_loader_destroy(&loader);
        }
    /* what is in the cache is not read again */
    options.cache_bytes = 1 << 20;
    options.prefetch = 1;
    loader = create(dataset, &options);
    take(loader, other, 6); /* two epochs of 18: every picture was seen or is now counted bad */
    for (int i = 0; i < 20; i++) {
        char name[300];
        fcmae_dataset_name(dataset, i, name, sizeof name);
        make_text(name, "gone");
    }
    take(loader, other + 6, 9);
    ck_assert_int_le(fcmae_loader_get_statistics(loader).bad_files, 2);
    fcmae_loader_destroy(&loader);
    options.transform.fast_decode = true;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, NULL), FCMAE_ERR_ARGUMENT);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(an_epoch_visits_every_image_at_most_once)
{
    fcmae_dataset *dataset = synthetic(20);
    static record batches[6];
    fcmae_loader_options options = training_options(2);
    fcmae_loader *loader = create(dataset, &options);
    take(loader, batches, 6);
    int seen[2][20] = {{0}}, moved = 0;
    for (int b = 0; b < 6; b++)
        for (int i = 0; i < 6; i++) seen[b / 3][batches[b].indices[i]]++;
    for (int i = 0; i < 20; i++) ck_assert(seen[0][i] <= 1 && seen[1][i] <= 1);
    for (int i = 0; i < 18; i++)
        moved += batches[i / 6].indices[i % 6] != batches[3 + i / 6].indices[i % 6];
    ck_assert_int_gt(moved, 9);
    fcmae_loader_statistics statistics = fcmae_loader_get_statistics(loader);
    ck_assert_int_eq(statistics.samples, 36);
    ck_assert(statistics.work_seconds > 0 && statistics.wait_seconds >= 0);
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(evaluation_is_in_order_and_complete)
{
    fcmae_dataset *dataset = synthetic(20);
    fcmae_loader_options options = {
        .transform = fcmae_transform_evaluate(16, 0), .batch = 6, .workers = 3};
    fcmae_loader *loader = create(dataset, &options);
    ck_assert_int_eq(fcmae_loader_batches(loader), 4);
    for (int round = 0; round < 2; round++) {
        int64_t next = 0;
        fcmae_samples samples;
        for (;;) {
            ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
            if (samples.count == 0) break;
            ck_assert_int_eq(samples.count, next < 18 ? 6 : 2);
            for (int i = 0; i < samples.count; i++) ck_assert_int_eq(samples.indices[i], next++);
        }
        ck_assert_int_eq(next, 20);
        ck_assert_int_eq(fcmae_loader_start(loader, 0, 0, NULL), FCMAE_OK);
    }
    fcmae_loader_destroy(&loader);
    const int64_t subset[3] = {17, 2, 5};
    options.subset = subset;
    options.subset_count = 3;
    loader = create(dataset, &options);
    fcmae_samples samples;
    ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
    ck_assert_int_eq(samples.count, 3);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(samples.indices[i], subset[i]);
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

/** `good` readable pictures and `bad` unreadable ones, mixed. */
static fcmae_dataset *mixed(int good, int bad)
{
    make_root();
    for (int i = 0; i < good; i++) make_picture(in_root("%02d_good.png", i), 20, 10 + i);
    for (int i = 0; i < bad; i++) make_text(in_root("%02d_bad.jpg", i), i % 2 ? "" : "not a JPEG");
    fcmae_dataset *dataset = NULL;
    ck_assert_int_eq(fcmae_dataset_open(&dataset, root, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dataset_count(dataset), good + bad);
    return dataset;
}

static void ask_for_statistics(void *cookie, fcmae_log_level level, const char *message)
{
    keep_log(NULL, level, message);
    fcmae_loader **loader = cookie;
    ck_assert_int_ge(fcmae_loader_get_statistics(*loader).bad_files, 1);
}

START_TEST(the_log_may_ask_the_loader)
{
    fcmae_dataset *dataset = mixed(6, 1);
    fcmae_loader *loader = NULL;
    fcmae_loader_options options = training_options(2);
    options.log = (fcmae_log){ask_for_statistics, &loader};
    log_text[0] = 0;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, NULL), FCMAE_OK);
    fcmae_samples samples;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
    ck_assert_ptr_nonnull(strstr(log_text, "00_bad.jpg"));
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(unreadable_files_are_replaced_and_named_once)
{
    fcmae_dataset *dataset = mixed(30, 4);
    static record first[BATCHES], other[BATCHES];
    fcmae_loader_options options = training_options(1);
    fcmae_loader *loader = create(dataset, &options);
    take(loader, first, BATCHES);
    ck_assert_int_eq(fcmae_loader_get_statistics(loader).bad_files, 4);
    int lines = 0;
    for (const char *p = log_text; (p = strstr(p, "unreadable image skipped")); p++) lines++;
    ck_assert_int_eq(lines, 4);
    ck_assert_ptr_nonnull(strstr(log_text, "00_bad.jpg: not a JPEG or PNG picture"));
    ck_assert_ptr_nonnull(strstr(log_text, "01_bad.jpg: the file is empty"));
    for (int b = 0; b < BATCHES; b++)
        for (int i = 0; i < 6; i++) {
            char name[300];
            fcmae_dataset_name(dataset, first[b].indices[i], name, sizeof name);
            ck_assert_ptr_nonnull(strstr(name, "good"));
            ck_assert_int_eq(first[b].images[i * SAMPLE], 10 + atoi(strrchr(name, '/') + 1));
        }
    fcmae_loader_destroy(&loader);
    options.workers = 4;
    loader = create(dataset, &options);
    take(loader, other, BATCHES);
    ck_assert_int_eq(memcmp(first, other, sizeof first), 0);
    fcmae_loader_destroy(&loader);

    fcmae_loader_options evaluation = {.transform = fcmae_transform_evaluate(16, 0), .batch = 6};
    loader = create(dataset, &evaluation);
    int total = 0;
    fcmae_samples samples;
    do {
        ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
        for (int i = 0; i < samples.count; i++) {
            char name[300];
            fcmae_dataset_name(dataset, samples.indices[i], name, sizeof name);
            ck_assert_int_eq(samples.images[i * SAMPLE], 10 + atoi(strrchr(name, '/') + 1));
        }
        total += samples.count;
    } while (samples.count > 0);
    ck_assert_int_eq(total, 30);
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

/** Status of the run over at most 30 batches. */
static fcmae_status run_to_failure(const fcmae_dataset *dataset, double share, bool training,
                                   fcmae_error *error)
{
    fcmae_loader_options options = training_options(2);
    options.training = training;
    options.bad_share = share;
    fcmae_loader *loader = create(dataset, &options);
    fcmae_status status = FCMAE_OK;
    fcmae_samples samples = {.count = 1};
    for (int i = 0; i < 30 && status == FCMAE_OK; i++)
        status = fcmae_loader_next(loader, &samples, error);
    fcmae_loader_destroy(&loader);
    return status;
}

START_TEST(too_many_unreadable_files_stop_the_run)
{
    fcmae_error error = {0};
    fcmae_dataset *dataset = mixed(12, 8);
    for (int training = 0; training < 2; training++) {
        ck_assert_int_eq(run_to_failure(dataset, 0, training, &error), FCMAE_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(error.message, "_bad.jpg, "));
        ck_assert_int_eq(run_to_failure(dataset, 0.5, training, &error), FCMAE_OK);
    }
    fcmae_dataset_close(&dataset);
    remove_root();
    dataset = mixed(40, 1);
    ck_assert_int_eq(run_to_failure(dataset, 0, true, &error), FCMAE_OK);
    ck_assert_int_eq(run_to_failure(dataset, 0.01, true, &error), FCMAE_ERR_FORMAT);
    ck_assert_int_eq(run_to_failure(dataset, -1, true, &error), FCMAE_ERR_FORMAT);
    fcmae_dataset_close(&dataset);
    remove_root();
    dataset = mixed(0, 20);
    ck_assert_int_eq(run_to_failure(dataset, 1, true, &error), FCMAE_ERR_FORMAT);
    ck_assert_int_eq(run_to_failure(dataset, 0, true, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "_bad.jpg, "));
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(impossible_options_are_refused)
{
    fcmae_dataset *dataset = mixed(5, 0);
    fcmae_loader *loader = NULL;
    fcmae_error error = {0};
    fcmae_loader_options options = training_options(1);
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, &error), FCMAE_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(error.message, "5 images are fewer than one batch of 6"));
    options.batch = 0;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, &error), FCMAE_ERR_ARGUMENT);
    options = training_options(1);
    options.batch = 2;
    options.transform.size = -3;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, &error), FCMAE_ERR_ARGUMENT);
    const int64_t outside = 5;
    options = training_options(1);
    options.batch = 1;
    options.subset = &outside;
    options.subset_count = 1;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_null(loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(synthetic_set_is_a_function_of_its_options)
{
    make_root();
    fcmae_synthetic_options options = {
        .classes = 3, .images = 7, .size = 32, .seed = 5, .png = true, .threads = 1};
    ck_assert_int_eq(fcmae_synthetic_write(in_root("a/b"), &options, NULL), FCMAE_OK);
    options.threads = 3;
    ck_assert_int_eq(fcmae_synthetic_write(in_root("c"), &options, NULL), FCMAE_OK);
    fcmae_image a = {0}, b = {0};
    ck_assert_int_eq(fcmae_image_read(&a, in_root("a/b/train/class_001/000004.png"), NULL), 0);
    ck_assert_int_eq(fcmae_image_read(&b, in_root("c/train/class_001/000004.png"), NULL), 0);
    ck_assert_int_eq(a.width, 32);
    ck_assert_int_eq(memcmp(a.pixels, b.pixels, 32 * 32 * 3), 0);
    ck_assert_int_eq(fcmae_image_read(&b, in_root("c/val/class_001/000001.png"), NULL), 0);
    fcmae_dataset *dataset = NULL;
    fcmae_dataset_options labelled = {.labelled = true};
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("c/val"), &labelled, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 3); /* a fifth, but one per class */
    fcmae_dataset_close(&dataset);
    options.seed = 6;
    ck_assert_int_eq(fcmae_synthetic_write(in_root("c"), &options, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_image_read(&b, in_root("c/train/class_001/000004.png"), NULL), 0);
    ck_assert_int_ne(memcmp(a.pixels, b.pixels, 32 * 32 * 3), 0);
    options.classes = 8;
    ck_assert_int_eq(fcmae_synthetic_write(in_root("c"), &options, NULL), FCMAE_ERR_ARGUMENT);
    options.classes = 2;
    ck_assert_int_eq(fcmae_synthetic_write("/proc/no", &options, NULL), FCMAE_ERR_IO);
    fcmae_image_release(&a);
    fcmae_image_release(&b);
    remove_root();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, batches_do_not_depend_on_workers_or_resumes);
    tcase_add_test(cases, the_last_batch_may_be_kept);
    tcase_add_test(cases, the_cache_changes_no_batch);
    tcase_add_test(cases, an_epoch_visits_every_image_at_most_once);
    tcase_add_test(cases, evaluation_is_in_order_and_complete);
    tcase_add_test(cases, the_log_may_ask_the_loader);
    tcase_add_test(cases, unreadable_files_are_replaced_and_named_once);
    tcase_add_test(cases, too_many_unreadable_files_stop_the_run);
    tcase_add_test(cases, impossible_options_are_refused);
    tcase_add_test(cases, synthetic_set_is_a_function_of_its_options);
}

int main(void)
{
    return run_suite("data loader", add_tests);
}
