/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** RandAugment against Pillow's pixels (golden/generate.py); erasing, mixing, targets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "fcmae/augment.h"
#include "image/augment.h"
#include "support/suite.h"

#define HEIGHT 33
#define WIDTH 38
#define BYTES ((size_t)HEIGHT * WIDTH * 3)

static fcmae_buffer read_golden(const char *name)
{
    char path[600];
    fcmae_buffer file = {0};
    fcmae_error error = {0};
    snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
    ck_assert_msg(fcmae_file_read(&file, path, 1 << 24, &error) == FCMAE_OK, "%s", error.message);
    ck_assert_uint_eq(file.size, BYTES);
    return file;
}

START_TEST(operations_equal_pillow)
{
    static const struct {
        int operation;
        const char *value;
    } cases[] = {
        {0, "0"},      {1, "0"},     {2, "0"},      {3, "27"},     {3, "-13.5"}, {3, "0"},
        {3, "90.5"},   {4, "0"},     {4, "1"},      {4, "3"},      {4, "8"},     {5, "26"},
        {5, "128"},    {5, "256"},   {6, "99"},     {7, "0.19"},   {7, "1.81"},  {7, "0.1"},
        {7, "1.0"},    {8, "0.19"},  {8, "1.81"},   {8, "0.1"},    {8, "1.0"},   {9, "0.19"},
        {9, "1.81"},   {9, "0.1"},   {9, "1.0"},    {10, "0.19"},  {10, "1.81"}, {10, "0.1"},
        {10, "1.0"},   {11, "0.27"}, {11, "-0.3"},  {12, "0.27"},  {12, "-0.3"}, {13, "15.39"},
        {13, "-7.25"}, {13, "4"},    {14, "15.39"}, {14, "-7.25"}, {14, "4"}};
    fcmae_buffer input = read_golden("augment_input.rgb");
    uint8_t pixels[BYTES], scratch[BYTES];
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        char name[60];
        snprintf(name, sizeof name, "augment_%d_%s.rgb", cases[n].operation, cases[n].value);
        fcmae_buffer expected = read_golden(name);
        memcpy(pixels, input.bytes, BYTES);
        fcmae_augment((fcmae_augmentation)cases[n].operation, strtod(cases[n].value, NULL), pixels,
                      scratch, HEIGHT, WIDTH);
        for (size_t i = 0; i < BYTES; i++)
            ck_assert_msg(pixels[i] == expected.bytes[i], "%s: byte %zu is %d, not %d", name, i,
                          pixels[i], expected.bytes[i]);
        fcmae_buffer_release(&expected);
    }
    fcmae_buffer_release(&input);
}
END_TEST

START_TEST(degenerate_pictures_survive_every_operation)
{
    for (int size = 1; size <= 3; size++)
        for (int operation = 0; operation < FCMAE_AUGMENTATIONS; operation++)
            for (int magnitude = 0; magnitude <= 10; magnitude += 5) {
                uint8_t pixels[27], scratch[27];
                memset(pixels, 77, sizeof pixels);
                fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, 0);
                double value = fcmae_augment_value((fcmae_augmentation)operation, magnitude, size,
                                                   size, &random);
                fcmae_augment((fcmae_augmentation)operation, value, pixels, scratch, size, size);
            }
}
END_TEST

START_TEST(values_at_magnitude_nine)
{
    static const double expected[FCMAE_AUGMENTATIONS] = {
        0, 0, 0, 27, 1, 26, 99, 0.81, 0.81, 0.81, 0.81, 0.27, 0.27, 90.72, 40.5};
    fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, 0);
    for (int operation = 0; operation < FCMAE_AUGMENTATIONS; operation++) {
        int negative = 0;
        for (int i = 0; i < 200; i++) {
            double value = fcmae_augment_value((fcmae_augmentation)operation, 9, 100, 224, &random);
            if (operation >= FCMAE_AUGMENT_COLOR && operation <= FCMAE_AUGMENT_SHARPNESS)
                value -= 1;
            ck_assert_double_eq_tol(fabs(value), expected[operation], 1e-12);
            negative += value < 0;
        }
        if (operation == FCMAE_AUGMENT_ROTATE || operation >= FCMAE_AUGMENT_COLOR)
            ck_assert(negative > 70 && negative < 130);
        else
            ck_assert_int_eq(negative, 0);
    }
}
END_TEST

START_TEST(policy_changes_three_quarters)
{
    fcmae_buffer input = read_golden("augment_input.rgb");
    uint8_t pixels[BYTES], again[BYTES], scratch[BYTES];
    int changed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        fcmae_random a = fcmae_random_start(1, FCMAE_RANDOM_AUGMENT, 0, i), b = a;
        memcpy(pixels, input.bytes, BYTES);
        memcpy(again, input.bytes, BYTES);
        fcmae_randaugment(pixels, scratch, HEIGHT, WIDTH, 2, 9, 0.5, &a);
        fcmae_randaugment(again, scratch, HEIGHT, WIDTH, 2, 9, 0.5, &b);
        ck_assert_int_eq(memcmp(pixels, again, BYTES), 0);
        changed += memcmp(pixels, input.bytes, BYTES) != 0;
    }
    ck_assert(changed > 690 && changed < 800);
    fcmae_buffer_release(&input);
}
END_TEST

/* ------------------------------------------------------------ batches */

#define COUNT 6
#define SIZE 16
#define PLANE (SIZE * SIZE)
#define SAMPLE (3 * PLANE)
#define CLASSES 5

static uint8_t bytes[COUNT * SAMPLE];
static const int32_t labels[COUNT] = {0, 1, 2, 3, 4, 0};
static const int64_t indices[COUNT] = {0, 1, 2, 3, 4, 5};

static fcmae_samples make_samples(int64_t batch)
{
    for (int i = 0; i < COUNT * SAMPLE; i++) bytes[i] = (uint8_t)(i * 7 + i / SAMPLE * 31);
    return (fcmae_samples){COUNT, bytes, labels, indices, 2, batch};
}

static float plain_value(int sample, int c, int at)
{
    return ((float)bytes[sample * SAMPLE + 3 * at + c] / 255.0f - fcmae_imagenet_mean[c]) /
           fcmae_imagenet_deviation[c];
}

static void mix(const fcmae_mixing *mixing, int64_t batch, int threads, float *values,
                float *targets)
{
    fcmae_samples samples = make_samples(batch);
    fcmae_error error = {0};
    fcmae_mixing complete = *mixing;
    complete.classes = CLASSES;
    complete.mean = fcmae_imagenet_mean;
    complete.deviation = fcmae_imagenet_deviation;
    complete.threads = threads;
    fcmae_status status = fcmae_mix_samples(&complete, &samples, SIZE, values, targets, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
}

START_TEST(nothing_on_means_normalised_and_smoothed)
{
    static float values[COUNT * SAMPLE], targets[COUNT * CLASSES];
    fcmae_mixing mixing = {.smoothing = 0.1};
    mix(&mixing, 0, 1, values, targets);
    for (int i = 0; i < COUNT; i++) {
        for (int c = 0; c < 3; c++)
            for (int at = 0; at < PLANE; at++)
                ck_assert_float_eq(values[i * SAMPLE + c * PLANE + at], plain_value(i, c, at));
        for (int k = 0; k < CLASSES; k++)
            ck_assert_float_eq_tol(targets[i * CLASSES + k], k == labels[i] ? 0.92f : 0.02f, 1e-6f);
    }
    mix(&mixing, 0, 1, NULL, targets);
}
END_TEST

START_TEST(mixup_and_cutmix_follow_their_targets)
{
    static float values[COUNT * SAMPLE], again[COUNT * SAMPLE], targets[COUNT * CLASSES];
    fcmae_mixing mixing = {.mixup_alpha = 0.8,
                           .cutmix_alpha = 1,
                           .mix_probability = 1,
                           .cutmix_probability = 0.5,
                           .seed = 4};
    int cuts = 0, blends = 0;
    double sum = 0, square = 0;
    for (int64_t batch = 0; batch < 400; batch++) {
        mix(&mixing, batch, 1, values, targets);
        double lambda = targets[1 * CLASSES + 1]; /* label 1; its partner is sample 4 of label 4 */
        ck_assert_double_eq_tol(targets[1 * CLASSES + 4], 1 - lambda, 1e-6);
        ck_assert_float_eq_tol(targets[0], 1, 1e-6f); /* samples 0 and 5 have the same label */
        int own = 0, other = 0, blended = 0;
        for (int at = 0; at < PLANE; at++) {
            float value = values[SAMPLE + at], a = plain_value(1, 0, at), b = plain_value(4, 0, at);
            own += value == a;
            other += value == b && a != b;
            blended += fabs(value - (lambda * a + (1 - lambda) * b)) < 1e-5;
        }
        int cut = own + other == PLANE && lambda < 1;
        ck_assert(cut || blended == PLANE);
        if (cut) ck_assert_double_eq_tol(lambda, (double)own / PLANE, 1e-6);
        cuts += cut;
        blends += !cut;
        if (!cut) sum += lambda, square += lambda * lambda;
    }
    ck_assert(cuts > 150 && blends > 150);
    /* Beta(0.8, 0.8): mean 1/2, variance 1 / (4 (2 alpha + 1)) = 0.0962 */
    double average = sum / blends;
    ck_assert_double_eq_tol(average, 0.5, 0.08);
    ck_assert_double_eq_tol(square / blends - average * average, 0.0962, 0.02);
    mixing.erase_probability = 0.5;
    mix(&mixing, 3, 1, values, targets);
    mix(&mixing, 3, 4, again, targets);
    ck_assert_int_eq(memcmp(values, again, sizeof values), 0);
}
END_TEST

START_TEST(erasing_makes_noise_of_unit_variance)
{
    static float values[COUNT * SAMPLE], targets[COUNT * CLASSES];
    fcmae_mixing mixing = {.erase_probability = 0.25, .seed = 9};
    double sum = 0, square = 0, area = 0;
    int64_t erased = 0, pixels = 0;
    for (int64_t batch = 0; batch < 300; batch++) {
        mix(&mixing, batch, 1, values, targets);
        for (int i = 0; i < COUNT; i++) {
            int64_t changed = 0;
            for (int at = 0; at < PLANE; at++) {
                float value = values[i * SAMPLE + PLANE + at];
                if (value == plain_value(i, 1, at)) continue;
                changed++;
                sum += value;
                square += value * value;
            }
            erased += changed > 0;
            pixels += changed;
            area += (double)changed / PLANE;
            ck_assert_int_le(changed, PLANE * 2 / 5);
        }
    }
    ck_assert_double_eq_tol((double)erased / (300 * COUNT), 0.25, 0.035);
    ck_assert(area / (double)erased > 0.1 && area / (double)erased < 0.2);
    ck_assert_double_eq_tol(sum / (double)pixels, 0, 0.05);
    ck_assert_double_eq_tol(square / (double)pixels, 1, 0.07);
}
END_TEST

START_TEST(impossible_mixing_is_refused)
{
    float targets[COUNT * CLASSES];
    static float values[COUNT * SAMPLE];
    fcmae_samples samples = make_samples(0);
    fcmae_mixing mixing = fcmae_mixing_recipe(1, CLASSES);
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_mix_samples(&mixing, &samples, SIZE, NULL, targets, &error),
                     FCMAE_ERR_ARGUMENT);
    mixing.classes = 4;
    ck_assert_int_eq(fcmae_mix_samples(&mixing, &samples, SIZE, values, targets, &error),
                     FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "label 4"));
    mixing = fcmae_mixing_recipe(1, CLASSES);
    ck_assert_int_eq(fcmae_mix_samples(&mixing, &samples, SIZE, values, targets, &error), FCMAE_OK);
    mixing.smoothing = 2;
    ck_assert_int_eq(fcmae_mix_samples(&mixing, &samples, SIZE, values, targets, &error),
                     FCMAE_ERR_ARGUMENT);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, operations_equal_pillow);
    tcase_add_test(cases, degenerate_pictures_survive_every_operation);
    tcase_add_test(cases, values_at_magnitude_nine);
    tcase_add_test(cases, policy_changes_three_quarters);
    tcase_add_test(cases, nothing_on_means_normalised_and_smoothed);
    tcase_add_test(cases, mixup_and_cutmix_follow_their_targets);
    tcase_add_test(cases, erasing_makes_noise_of_unit_variance);
    tcase_add_test(cases, impossible_mixing_is_refused);
}

int main(void)
{
    return run_suite("data augment", add_tests);
}
