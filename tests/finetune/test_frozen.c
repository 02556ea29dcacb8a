/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Class names, best classes, neighbours and linear probes, on made-up numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "fcmae/evaluate.h"
#include "support/suite.h"
#include "train/scratch.h"

/* ---- features around a centre for each class ---- */

enum { CLASSES = 5, DIMENSION = 21 };

static fcmae_features make_features(int64_t count, uint64_t stream, double spread)
{
    fcmae_features f = {.count = count, .dimension = DIMENSION, .views = 1};
    f.values = calloc((size_t)count * DIMENSION, sizeof *f.values);
    f.labels = calloc((size_t)count, sizeof *f.labels);
    f.indices = calloc((size_t)count, sizeof *f.indices);
    fcmae_random centres = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, 0);
    double centre[CLASSES][DIMENSION];
    for (int k = 0; k < CLASSES; k++)
        for (int c = 0; c < DIMENSION; c++) centre[k][c] = fcmae_random_normal(&centres);
    fcmae_random random = fcmae_random_start(2, FCMAE_RANDOM_TEST, 0, stream);
    for (int64_t i = 0; i < count; i++) {
        f.labels[i] = (int32_t)fcmae_random_below(&random, CLASSES);
        f.indices[i] = i;
        for (int c = 0; c < DIMENSION; c++) /* scales and offsets that differ widely */
            f.values[i * DIMENSION + c] = (float)((centre[f.labels[i]][c] +
                                                   spread * fcmae_random_normal(&random)) *
                                                      pow(10, c % 5 - 2) +
                                                  3 * c);
    }
    return f;
}

static double cosine_of(const fcmae_features *a, int64_t i, const fcmae_features *b, int64_t j,
                        const double *mean)
{
    double ab = 0, aa = 0, bb = 0;
    for (int c = 0; c < DIMENSION; c++) {
        double x = a->values[i * DIMENSION + c] - mean[c],
               y = b->values[j * DIMENSION + c] - mean[c];
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return ab / sqrt(aa * bb);
}

/** Votes of the k nearest by plain search. */
static int32_t vote(const fcmae_features *training, const double *cosine, int k, double temperature)
{
    bool *taken = calloc((size_t)training->count, sizeof *taken);
    double votes[CLASSES] = {0};
    int32_t first[CLASSES] = {0}, order = 0;
    for (int n = 0; n < k; n++) {
        int64_t best = -1;
        for (int64_t j = 0; j < training->count; j++)
            if (!taken[j] && (best < 0 || cosine[j] > cosine[best])) best = j;
        taken[best] = true;
        int32_t label = training->labels[best];
        if (votes[label] == 0) first[label] = ++order;
        votes[label] += temperature > 0 ? exp(cosine[best] / temperature) : 1;
    }
    int32_t winner = -1;
    for (int32_t l = 0; l < CLASSES; l++)
        if (votes[l] > 0 && (winner < 0 || votes[l] > votes[winner] ||
                             (votes[l] == votes[winner] && first[l] < first[winner])))
            winner = l;
    free(taken);
    return winner;
}

START_TEST(neighbours_are_those_of_a_plain_search)
{
    enum { COUNT = 1211 }; /* more than one block of cosines */
    fcmae_features training = make_features(COUNT, 1, 2), asked = make_features(67, 2, 2);
    static const int k[] = {1, 5, 20, 300};
    double mean[DIMENSION] = {0}, *cosine = calloc(COUNT, sizeof *cosine);
    for (int variant = 0; variant < 4; variant++) {
        bool centre = variant & 1;
        double temperature = variant & 2 ? 0.1 : 0;
        for (int c = 0; c < DIMENSION; c++) {
            mean[c] = 0;
            for (int64_t i = 0; i < COUNT && centre; i++)
                mean[c] += training.values[i * DIMENSION + c] / COUNT;
        }
        int64_t expected[4] = {0}, found[4], threaded[4];
        for (int64_t i = 0; i < asked.count; i++) {
            for (int64_t j = 0; j < COUNT; j++)
                cosine[j] = cosine_of(&asked, i, &training, j, mean);
            for (int n = 0; n < 4; n++)
                expected[n] += vote(&training, cosine, k[n] < COUNT ? k[n] : COUNT, temperature) ==
                               asked.labels[i];
        }
        fcmae_knn_options options = {
            .k = k, .count = 4, .temperature = temperature, .centre = centre, .threads = 1};
        ck_assert_int_eq(fcmae_knn_classify(&training, &asked, CLASSES, &options, found, NULL),
                         FCMAE_OK);
        options.threads = 3;
        ck_assert_int_eq(fcmae_knn_classify(&training, &asked, CLASSES, &options, threaded, NULL),
                         FCMAE_OK);
        for (int n = 0; n < 4; n++) {
            ck_assert_msg(llabs(found[n] - expected[n]) <= 1, "k %d: %d right instead of %d", k[n],
                          (int)found[n], (int)expected[n]); /* equal up to rounding of cosines */
            ck_assert_int_eq(found[n], threaded[n]);
        }
    }
    free(cosine);
    fcmae_features_release(&training);
    fcmae_features_release(&asked);
}
END_TEST

START_TEST(a_probe_reads_what_is_linear)
{
    fcmae_features training = make_features(900, 3, 1), asked = make_features(400, 4, 1);
    static const double rates[] = {0.01, 1, 30};
    for (int optimiser = 0; optimiser < 2; optimiser++) {
        fcmae_probe_options o = fcmae_probe_defaults();
        fcmae_probe probe = {0}, again = {0};
        o.optimiser = (fcmae_probe_optimiser)optimiser;
        o.rates = rates;
        o.rate_count = 3;
        o.batch = 128;
        o.epochs = 30;
        o.warmup_epochs = 3;
        o.threads = 1;
        ck_assert_int_eq(fcmae_probe_train(&training, CLASSES, &o, &probe, NULL), FCMAE_OK);
        double accuracy = (double)fcmae_probe_correct(&probe, &asked) / 400;
        ck_assert_msg(accuracy > 0.95, "%s: %g", optimiser ? "sgd" : "lars", accuracy);
        double most = 0;
        for (int i = 0; i < 3; i++) most = fmax(most, probe.held_out_accuracy[i]);
        ck_assert(most > 0.9 && probe.training_loss < log(CLASSES));
        for (int i = 0; i < 3; i++)
            ck_assert(rates[i] != probe.rate || probe.held_out_accuracy[i] == most);
        o.threads = 3;
        ck_assert_int_eq(fcmae_probe_train(&training, CLASSES, &o, &again, NULL), FCMAE_OK);
        ck_assert_mem_eq(probe.weight, again.weight, CLASSES * DIMENSION * sizeof(float));
        ck_assert_mem_eq(probe.bias, again.bias, CLASSES * sizeof(float));
        fcmae_probe_release(&probe);
        fcmae_probe_release(&again);
    }
    fcmae_features_release(&training);
    fcmae_features_release(&asked);
}
END_TEST

/* classes and images beyond one block of logits */
START_TEST(right_answers_are_counted)
{
    enum { MANY = 150, COUNT = 201 };
    fcmae_features f = make_features(COUNT, 6, 1);
    float *weight = calloc(MANY * DIMENSION, sizeof *weight), bias[MANY];
    fcmae_random random = fcmae_random_start(9, FCMAE_RANDOM_TEST, 0, 0);
    for (int i = 0; i < MANY * DIMENSION; i++) weight[i] = (float)fcmae_random_normal(&random);
    for (int k = 0; k < MANY; k++) bias[k] = (float)fcmae_random_normal(&random);
    fcmae_probe probe = {.classes = MANY, .dimension = DIMENSION, .weight = weight, .bias = bias};
    for (int i = 0; i < COUNT; i++) {
        double most = -INFINITY;
        int best = 0;
        for (int k = 0; k < MANY; k++) {
            double z = bias[k];
            for (int c = 0; c < DIMENSION; c++)
                z += (double)weight[k * DIMENSION + c] * f.values[i * DIMENSION + c];
            if (z > most) most = z, best = k;
        }
        f.labels[i] = i % 3 ? best : (best + 1) % MANY;
    }
    ck_assert_int_eq(fcmae_probe_correct(&probe, &f), COUNT - COUNT / 3);
    free(weight);
    fcmae_features_release(&f);
}
END_TEST

/* Before anything is read: there is neither a network nor a data set. */
START_TEST(feature_refusals)
{
    static const fcmae_features_options wrong[] = {
        {.output = FCMAE_PASS_LOGITS},
        {.output = FCMAE_PASS_POOLED | FCMAE_PASS_NORMALISED},
        {.output = FCMAE_PASS_POOLED, .views = -1},
        {.output = FCMAE_PASS_POOLED, .views = 10001, .crop_scale = 0.1},
        {.output = FCMAE_PASS_POOLED, .views = 1},
        {.output = FCMAE_PASS_POOLED, .views = 1, .crop_scale = 1.01},
        {.output = FCMAE_PASS_POOLED, .views = 1, .crop_scale = NAN}};
    const fcmae_pass_options pass = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fcmae_features features = {0};
        fcmae_error error = {0};
        ck_assert_int_eq(fcmae_features_collect(NULL, NULL, &pass, &wrong[i], &features, &error),
                         FCMAE_ERR_ARGUMENT);
        ck_assert_str_ne(error.message, "");
    }
}
END_TEST

START_TEST(probe_refusals)
{
    fcmae_features f = make_features(50, 5, 1);
    fcmae_probe_options o = fcmae_probe_defaults();
    fcmae_probe probe = {0};
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_probe_train(&f, CLASSES - 1, &o, &probe, &error), FCMAE_ERR_ARGUMENT);
    o.held_out = 0;
    ck_assert_int_eq(fcmae_probe_train(&f, CLASSES, &o, &probe, &error), FCMAE_ERR_ARGUMENT);
    o = fcmae_probe_defaults();
    f.count = 1;
    ck_assert_int_eq(fcmae_probe_train(&f, CLASSES, &o, &probe, &error), FCMAE_ERR_SHAPE);
    fcmae_features_release(&f);
}
END_TEST

START_TEST(the_best_classes)
{
    const float logits[6] = {1, 3, -2, 3, 0.5f, 2};
    int32_t best[6];
    double probability[6], total = 0;
    ck_assert_int_eq(fcmae_top_classes(logits, 6, 4, best, probability), 4);
    const int32_t expected[4] = {1, 3, 5, 0};
    for (int i = 0; i < 4; i++) ck_assert_int_eq(best[i], expected[i]);
    ck_assert_int_eq(fcmae_top_classes(logits, 6, 99, best, probability), 6);
    ck_assert_int_eq(best[5], 2);
    for (int i = 0; i < 6; i++) total += probability[i];
    ck_assert_double_eq_tol(total, 1, 1e-12);
    ck_assert_double_eq_tol(log(probability[0] / probability[5]), 5, 1e-9);
}
END_TEST

/* ---- class names ---- */

static char folder[SCRATCH_PATH];
static fcmae_dataset *dataset;

static void setup(void)
{
    char path[2 * SCRATCH_PATH];
    const fcmae_dataset_options labelled = {.labelled = true};
    scratch_make(folder);
    scratch_images(folder);
    snprintf(path, sizeof path, "%s/set/val", folder);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, path, &labelled, NULL), FCMAE_OK);
}

static void teardown(void)
{
    fcmae_dataset_close(&dataset);
    scratch_remove(folder);
}

static fcmae_class_names names_from(const char *text, fcmae_status expected)
{
    char path[2 * SCRATCH_PATH];
    fcmae_class_names names = {0};
    scratch_write(folder, "names.txt", text, strlen(text));
    snprintf(path, sizeof path, "%s/names.txt", folder);
    ck_assert_int_eq(fcmae_class_names_read(&names, path, NULL), expected);
    return names;
}

static fcmae_status match(const fcmae_class_names *names, int outputs, const char *map,
                          int32_t *output_of, fcmae_error *error)
{
    char path[2 * SCRATCH_PATH];
    if (map) scratch_write(folder, "map.txt", map, strlen(map));
    snprintf(path, sizeof path, "%s/map.txt", folder);
    return fcmae_class_names_match(names, outputs, dataset, map ? path : NULL, output_of, NULL,
                                   error);
}

START_TEST(folders_find_their_outputs)
{
    fcmae_error error = {0};
    int32_t out[2];
    fcmae_class_names names = names_from("cat\r\n class_001 \n\nclass_000\n", FCMAE_OK), none = {0};
    ck_assert_int_eq(names.count, 3);
    ck_assert_int_eq(match(&names, 3, NULL, out, &error), FCMAE_OK);
    ck_assert(out[0] == 2 && out[1] == 1);
    ck_assert_int_eq(match(&names, 4, NULL, out, &error), FCMAE_ERR_MISMATCH);
    ck_assert_int_eq(match(&none, 2, NULL, out, &error), FCMAE_OK);
    ck_assert(out[0] == 0 && out[1] == 1);
    ck_assert_int_eq(match(&none, 3, NULL, out, &error), FCMAE_ERR_MISMATCH);
    ck_assert_int_eq(
        match(&names, 3, "# remark\nclass_000 cat\nclass_001\t2\nother 1\n", out, &error),
        FCMAE_OK);
    ck_assert(out[0] == 0 && out[1] == 2);
    ck_assert_int_eq(match(&names, 3, "class_000 0\n", out, &error), FCMAE_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.message, "class_001"));
    ck_assert_int_eq(match(&names, 3, "class_000 3\nclass_001 0\n", out, &error),
                     FCMAE_ERR_MISMATCH);
    ck_assert_int_eq(match(&names, 3, "class_000\n", out, &error), FCMAE_ERR_FORMAT);
    fcmae_class_names_release(&names);
    names = names_from("class_000\ndog\n", FCMAE_OK);
    ck_assert_int_eq(match(&names, 2, NULL, out, &error), FCMAE_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.message, "class_001"));
    fcmae_class_names_release(&names);
    ck_assert_int_eq(match(&none, 2, "class_000 0\nclass_001 1\nclass_000 1\n", out, &error),
                     FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "class_000 stands in two lines, 1 and 3"), "%s",
                  error.message);
    ck_assert_int_eq(match(&none, 2,
                           "\xef\xbb\xbf"
                           "class_001 1\nclass_000 0",
                           out, &error),
                     FCMAE_OK);
    ck_assert(out[0] == 0 && out[1] == 1);
    char utf16[2 * SCRATCH_PATH];
    scratch_write(folder, "utf16.txt",
                  "\xff\xfe"
                  "a\0\n\0",
                  6);
    snprintf(utf16, sizeof utf16, "%s/utf16.txt", folder);
    ck_assert_int_eq(fcmae_class_names_read(&names, utf16, &error), FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "save it as UTF-8"), "%s", error.message);
    names_from("a\nb\na\n", FCMAE_ERR_FORMAT);
    names_from("\n \n", FCMAE_ERR_FORMAT);
}
END_TEST

/* What Windows' editors, ImageNet and other alphabets do to names. */
START_TEST(names_as_people_have_them)
{
    fcmae_class_names names = names_from("\xef\xbb\xbfn01440764 tench, Tinca tinca\r\n"
                                         "n01443537 goldfish\r\ngr\xef\xbf\xbdn\r\n",
                                         FCMAE_OK);
    ck_assert_int_eq(names.count, 3);
    ck_assert_str_eq(names.names[0], "n01440764 tench, Tinca tinca");
    ck_assert_int_eq(fcmae_class_names_find(&names, "n01440764"), 0);
    ck_assert_int_eq(fcmae_class_names_find(&names, "n01443537"), 1);
    ck_assert_int_eq(fcmae_class_names_find(&names, "n0144353"), -1);
    ck_assert_int_eq(fcmae_class_names_find(&names, "gr\xfcn"), 2); /* Latin-1 */
    ck_assert_int_eq(fcmae_class_names_find(&names, ""), -1);
    fcmae_class_names_release(&names);
}
END_TEST

START_TEST(names_travel_in_checkpoints)
{
    char path[2 * SCRATCH_PATH];
    fcmae_class_names names = names_from("n\"1\nzwei \xc3\xa4\n", FCMAE_OK), read = {0};
    fcmae_model_config config = scratch_model();
    fcmae_model *model = NULL;
    fcmae_checkpoint *file = NULL;
    char *text = fcmae_class_names_text(&names);
    const fcmae_metadata metadata = {"class_names", text};
    const fcmae_checkpoint_contents contents = {.metadata = &metadata, .metadata_count = 1};
    config.objective = "classify";
    config.classes = 2;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ck_assert_int_eq(fcmae_model_create(&model, &config, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_save(path, model, &contents, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_open(&file, path, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_class_names_of_checkpoint(&read, file, NULL), FCMAE_OK);
    ck_assert_int_eq(read.count, 2);
    ck_assert_str_eq(read.names[0], "n\"1");
    ck_assert_str_eq(read.names[1], "zwei \xc3\xa4");
    free(text);
    fcmae_checkpoint_close(&file);
    fcmae_class_names_release(&names);
    fcmae_class_names_release(&read);
    fcmae_model_destroy(&model);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, neighbours_are_those_of_a_plain_search);
    tcase_add_test(cases, a_probe_reads_what_is_linear);
    tcase_add_test(cases, right_answers_are_counted);
    tcase_add_test(cases, feature_refusals);
    tcase_add_test(cases, probe_refusals);
    tcase_add_test(cases, the_best_classes);
    tcase_add_test(cases, folders_find_their_outputs);
    tcase_add_test(cases, names_as_people_have_them);
    tcase_add_test(cases, names_travel_in_checkpoints);
}

int main(void)
{
    return run_suite("frozen", add_tests);
}
