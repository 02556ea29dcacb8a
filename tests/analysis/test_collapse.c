/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/synthetic.h"
#include "support/suite.h"

static synthetic source(int version)
{
    return (synthetic){.config = synthetic_config(version),
                       .height = 64,
                       .width = 96,
                       .sameness = 0.3,
                       .lanes = 1,
                       .threads = 1,
                       .poisoned_image = -1};
}

static fcmae_collapse *analyse_labelled(const synthetic *from, fcmae_collapse_options options,
                                        int batch, const int32_t *labels)
{
    fcmae_collapse *collapse = NULL;
    fcmae_error error = {0};
    options.batch = batch;
    options.lanes = from->lanes;
    ck_assert_msg(fcmae_collapse_create(&collapse, &from->config, &options, &error) == FCMAE_OK,
                  "%s", error.message);
    for (int64_t first = 0; first < options.images; first += batch) {
        int count = (int)(options.images - first < batch ? options.images - first : batch);
        synthetic_forward(from, first, count, fcmae_collapse_observe, collapse);
        ck_assert_msg(fcmae_collapse_fold(collapse, count, labels ? labels + first : NULL,
                                          &error) == FCMAE_OK,
                      "%s", error.message);
    }
    ck_assert_msg(fcmae_collapse_finish(collapse, from->threads, &error) == FCMAE_OK, "%s",
                  error.message);
    return collapse;
}

static fcmae_collapse *analyse(const synthetic *from, fcmae_collapse_options options, int batch)
{
    return analyse_labelled(from, options, batch, NULL);
}

START_TEST(layers_are_listed_by_block_and_tensor)
{
    synthetic from = source(2);
    fcmae_collapse *collapse = analyse(&from, (fcmae_collapse_options){.images = 3}, 3);
    int count;
    const fcmae_collapse_layer *layers = fcmae_collapse_layers(collapse, &count);
    ck_assert_int_eq(count, 14); /* 7 blocks, before and after GRN */
    ck_assert_int_eq(layers[0].point, FCMAE_OBSERVE_HIDDEN);
    ck_assert_int_eq(layers[1].point, FCMAE_OBSERVE_GRN);
    ck_assert_int_eq(layers[13].stage, 3);
    ck_assert_int_eq(layers[13].channels, 128);
    ck_assert_double_eq(layers[13].depth, 1);
    ck_assert_double_eq_tol(layers[0].depth, 1.0 / 7, 1e-12);
    ck_assert_double_eq(layers[0].sites, 16 * 24);
    ck_assert_double_eq(layers[13].sites, 6);
    for (int i = 0; i < count; i++) {
        ck_assert(layers[i].distance > 0 && layers[i].distance < 0.5);
        ck_assert(layers[i].distance_error >= 0 && layers[i].distance_error < 0.1);
        ck_assert_double_le(layers[i].distance_low, layers[i].distance);
        ck_assert_double_ge(layers[i].distance_high, layers[i].distance);
        ck_assert_double_eq(layers[i].rank_limit, 2);
        ck_assert(isnan(layers[i].selectivity));
    }
    fcmae_collapse_destroy(&collapse);
    ck_assert_ptr_null(collapse);
    from = source(1);
    collapse = analyse(&from, (fcmae_collapse_options){.images = 1}, 1);
    layers = fcmae_collapse_layers(collapse, &count);
    ck_assert_int_eq(count, 7);
    ck_assert(isnan(layers[0].distance_error)); /* one image has no spread */
    fcmae_collapse_destroy(&collapse);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads_lanes_or_batches)
{
    int32_t labels[40];
    for (int i = 0; i < 40; i++) labels[i] = i % 7 == 6 ? -1 : i % 4;
    fcmae_collapse_options options = {
        .images = 40, .points = 15, .classes = 4, .gallery_channels = 9};
    synthetic from = source(2);
    from.height = from.width = 32;
    fcmae_collapse *plain = analyse_labelled(&from, options, 40, labels);
    from.lanes = 3;
    from.threads = 4;
    fcmae_collapse *threaded = analyse_labelled(&from, options, 7, labels);
    int count, count2;
    const fcmae_collapse_layer *a = fcmae_collapse_layers(plain, &count);
    const fcmae_collapse_layer *b = fcmae_collapse_layers(threaded, &count2);
    ck_assert_int_eq(count, 28);
    ck_assert_int_eq(count2, 28);
    ck_assert_mem_eq(a, b, (size_t)count * sizeof *a);
    fcmae_collapse_destroy(&plain);
    fcmae_collapse_destroy(&threaded);
}
END_TEST

START_TEST(mean_and_standard_error_are_those_of_the_images)
{
    synthetic from = source(1);
    enum { images = 6 };
    fcmae_collapse *collapse = analyse(&from, (fcmae_collapse_options){.images = images}, 4);
    int count;
    const fcmae_collapse_layer *layers = fcmae_collapse_layers(collapse, &count);
    double single[images], mean = 0, spread = 0;
    for (int i = 0; i < images;
         i++) { /* each image alone through the watch: stage 0 has one block */
        fcmae_watch *watch = NULL;
        double distance[4], dead[4];
        ck_assert_int_eq(fcmae_watch_create(&watch, &from.config, 1, 1, NULL), FCMAE_OK);
        synthetic_forward(&from, i, 1, fcmae_watch_observe, watch);
        fcmae_watch_read(watch, distance, dead);
        single[i] = distance[0];
        mean += distance[0] / images;
        fcmae_watch_destroy(&watch);
    }
    for (int i = 0; i < images; i++) spread += (single[i] - mean) * (single[i] - mean);
    ck_assert_double_eq_tol(layers[0].distance, mean, 1e-12);
    ck_assert_double_eq_tol(layers[0].distance_error, sqrt(spread / (images - 1) / images), 1e-12);
    ck_assert_double_gt(layers[0].distance_error, 0);
    fcmae_collapse_destroy(&collapse);
}
END_TEST

START_TEST(dead_channels_lower_the_distance_and_are_counted)
{
    synthetic from = source(1);
    fcmae_collapse *healthy = analyse(&from, (fcmae_collapse_options){.images = 4}, 4);
    from.dead = 0.5;
    fcmae_collapse *dying = analyse(&from, (fcmae_collapse_options){.images = 4}, 4);
    int count;
    const fcmae_collapse_layer *a = fcmae_collapse_layers(healthy, &count);
    const fcmae_collapse_layer *b = fcmae_collapse_layers(dying, &count);
    for (int i = 0; i < count; i++) {
        ck_assert_double_eq_tol(b[i].dead, 0.5, 1e-6);
        ck_assert_double_eq_tol(b[i].dead_everywhere, 0.5, 1e-6);
        ck_assert_double_lt(b[i].distance, 0.3 * a[i].distance);
        ck_assert_double_eq_tol(b[i].distance, b[i].distance_alive / 4, 1e-6);
    }
    fcmae_collapse_destroy(&healthy);
    fcmae_collapse_destroy(&dying);
}
END_TEST

START_TEST(selectivity_and_rank_follow_the_classes)
{
    synthetic from = source(1);
    from.sameness = 1;
    from.classes = 5;
    int32_t labels[30];
    for (int i = 0; i < 30; i++) labels[i] = i % 5;
    fcmae_collapse_options options = {
        .images = 30, .points = 1u << FCMAE_OBSERVE_OUTPUT, .classes = 5};
    fcmae_collapse *collapse = analyse_labelled(&from, options, 8, labels);
    int count;
    const fcmae_collapse_layer *layers = fcmae_collapse_layers(collapse, &count);
    ck_assert_int_eq(count, 7);
    /* 8 channels of stage 0: five answer one class each (1), three answer alike (nearly 0) */
    ck_assert_double_eq_tol(layers[0].selectivity_histogram[FCMAE_SELECTIVITY_BINS - 1], 5.0 / 8,
                            1e-9);
    ck_assert_double_eq_tol(layers[0].selectivity, 5.0 / 8, 0.05);
    ck_assert_double_gt(layers[0].effective_rank, 3);
    ck_assert_double_lt(layers[0].effective_rank, 6);
    fcmae_collapse_destroy(&collapse);
}
END_TEST

START_TEST(broken_input_is_named)
{
    synthetic from = source(1);
    from.poisoned_image = 2;
    fcmae_collapse_options options = {.images = 3, .batch = 3, .lanes = 1};
    fcmae_collapse *collapse = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, &error), FCMAE_OK);
    synthetic_forward(&from, 0, 3, fcmae_collapse_observe, collapse);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 3, NULL, &error), FCMAE_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(error.message, "stages.1.0 (hidden) of image 2"));
    fcmae_collapse_destroy(&collapse);

    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, &error), FCMAE_OK);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 1, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "not observed"));
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 4, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_int_eq(fcmae_collapse_finish(collapse, 1, &error), FCMAE_ERR_ARGUMENT);
    fcmae_collapse_destroy(&collapse);

    options.points = 1u << FCMAE_OBSERVE_GRN; /* V1 has none */
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, &error),
                     FCMAE_ERR_ARGUMENT);
    options = (fcmae_collapse_options){.images = 0, .batch = 1, .lanes = 1};
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, &error),
                     FCMAE_ERR_ARGUMENT);
    from.poisoned_image = -1;
    const int32_t good[2] = {0, -1}, bad[2] = {0, 3};
    options = (fcmae_collapse_options){.images = 2, .batch = 2, .lanes = 1, .classes = 3};
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, &error), FCMAE_OK);
    synthetic_forward(&from, 0, 2, fcmae_collapse_observe, collapse);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 2, bad, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "label 3 of image 1"));
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 2, NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 2, good, &error), FCMAE_OK);
    fcmae_collapse_destroy(&collapse);
    ck_assert_ptr_null(collapse);
}
END_TEST

START_TEST(galleries_hold_the_first_image)
{
    synthetic from = source(2);
    fcmae_collapse *collapse = analyse(
        &from, (fcmae_collapse_options){.images = 2, .gallery_channels = 64}, 2);
    fcmae_collapse_gallery gallery;
    ck_assert(fcmae_collapse_get_gallery(collapse, 0, &gallery));
    ck_assert_int_eq(gallery.count, 32); /* the layer has no more */
    ck_assert_int_eq(gallery.height, 16);
    ck_assert_int_eq(gallery.width, 24);
    ck_assert(fcmae_collapse_get_gallery(collapse, 12, &gallery));
    ck_assert_int_eq(gallery.count, 64);
    ck_assert_int_eq(gallery.channel[63], 126); /* spread over 128 */
    for (int i = 0; i < 64 * 6; i++) ck_assert(isfinite(gallery.maps[i]));
    ck_assert(!fcmae_collapse_get_gallery(collapse, 14, &gallery));
    fcmae_collapse_destroy(&collapse);
}
END_TEST

START_TEST(verdict_follows_the_distance)
{
    static const double sameness[] = {0, 0.6, 1};
    static const fcmae_collapse_state expected[] = {FCMAE_DIVERSE, FCMAE_WEAKENED, FCMAE_COLLAPSED};
    for (int i = 0; i < 3; i++) {
        synthetic from = source(2);
        from.sameness = sameness[i];
        fcmae_collapse *collapse = analyse(&from, (fcmae_collapse_options){.images = 3}, 3);
        char text[600], small[10];
        fcmae_collapse_state state = fcmae_collapse_verdict(collapse, text, sizeof text);
        ck_assert_msg(state == expected[i], "%s", text);
        ck_assert_ptr_nonnull(strstr(text, "stages."));
        fcmae_collapse_verdict(collapse, small, sizeof small); /* cut, not overrun */
        ck_assert_uint_lt(strlen(small), sizeof small);
        fcmae_collapse_destroy(&collapse);
    }
}
END_TEST

START_TEST(watch_means_by_stage_and_forgets)
{
    synthetic from = source(2);
    fcmae_watch *watch = NULL;
    ck_assert_int_eq(fcmae_watch_create(&watch, &from.config, 4, 1, NULL), FCMAE_OK);
    synthetic_forward(&from, 0, 4, fcmae_watch_observe, watch);
    double distance[4], dead[4];
    fcmae_watch_read(watch, distance, dead);
    fcmae_collapse *collapse = analyse(&from, (fcmae_collapse_options){.images = 4}, 4);
    int count;
    const fcmae_collapse_layer *layers = fcmae_collapse_layers(collapse, &count);
    double stage1 = (layers[2].distance + layers[4].distance) / 2; /* two blocks, hidden tensor */
    ck_assert_double_eq_tol(distance[1], stage1, 1e-12);
    ck_assert_double_eq_tol(distance[3], layers[12].distance, 1e-12);
    ck_assert_double_eq(dead[2], 0);
    fcmae_watch_read(watch, distance, dead);
    ck_assert(isnan(distance[0]) && isnan(dead[3]));
    fcmae_collapse_destroy(&collapse);
    fcmae_watch_destroy(&watch);
    ck_assert_int_eq(fcmae_watch_create(&watch, &from.config, 0, 1, NULL), FCMAE_ERR_ARGUMENT);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, layers_are_listed_by_block_and_tensor);
    tcase_add_test(cases, bits_do_not_depend_on_threads_lanes_or_batches);
    tcase_add_test(cases, mean_and_standard_error_are_those_of_the_images);
    tcase_add_test(cases, dead_channels_lower_the_distance_and_are_counted);
    tcase_add_test(cases, selectivity_and_rank_follow_the_classes);
    tcase_add_test(cases, broken_input_is_named);
    tcase_add_test(cases, galleries_hold_the_first_image);
    tcase_add_test(cases, verdict_follows_the_distance);
    tcase_add_test(cases, watch_means_by_stage_and_forgets);
}

int main(void)
{
    return run_suite("collapse", add_tests);
}
