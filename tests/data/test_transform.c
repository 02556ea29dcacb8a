/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/scene.h"
#include "image/augment.h"
#include "image/transform.h"
#include "support/suite.h"

START_TEST(evaluation_geometry)
{
    /* size, crop ratio, width, height -> resized width and height, offsets */
    static const struct {
        int size;
        double ratio;
        int width, height, rw, rh, x, y;
    } cases[] = {{224, 0, 500, 375, 341, 256, 58, 16}, /* 341 - 224 = 117: 58.5 rounds to even */
                 {224, 0, 375, 500, 256, 341, 16, 58},    {160, 0, 300, 300, 182, 182, 11, 11},
                 {192, 0, 219, 1000, 219, 1000, 14, 404}, /* 27 / 2 = 13.5 rounds to 14 */
                 {288, 0.95, 606, 303, 606, 303, 159, 8}, {288, 1.0, 100, 100, 288, 288, 0, 0},
                 {384, 0, 500, 375, 384, 384, 0, 0}, /* warped */
                 {384, 0.875, 438, 500, 438, 500, 27, 58}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fcmae_transform t = fcmae_transform_evaluate(cases[i].size, cases[i].ratio);
        fcmae_geometry g = fcmae_transform_geometry(&t, cases[i].width, cases[i].height,
                                                    (fcmae_sample_place){0, 0, 0});
        ck_assert_int_eq(g.resized_width, cases[i].rw);
        ck_assert_int_eq(g.resized_height, cases[i].rh);
        ck_assert_int_eq(g.window_x, cases[i].x);
        ck_assert_int_eq(g.window_y, cases[i].y);
        ck_assert_int_eq(g.box.width, cases[i].width);
        ck_assert(!g.mirrored);
    }
}
END_TEST

START_TEST(random_crops_have_the_stated_distribution)
{
    fcmae_transform t = fcmae_transform_train(224, 0.2);
    const int width = 500, height = 375, draws = 20000;
    double area = 0, ratio = 0, mirrored = 0;
    int touches = 0;
    for (int i = 0; i < draws; i++) {
        fcmae_geometry g = fcmae_transform_geometry(&t, width, height,
                                                    (fcmae_sample_place){7, 3, (uint64_t)i});
        ck_assert(g.box.x >= 0 && g.box.x + g.box.width <= width);
        ck_assert(g.box.y >= 0 && g.box.y + g.box.height <= height);
        double share = (double)g.box.width * g.box.height / (width * height);
        double aspect = (double)g.box.width / g.box.height;
        ck_assert(share > 0.195 && share <= 1.0);
        ck_assert(aspect > 0.74 && aspect < 1.35);
        area += share;
        ratio += log(aspect);
        mirrored += g.mirrored;
        touches += g.box.x == 0;
    }
    /* Without rejection the mean area is 0.6; boxes that do not fit bring it down. The figures are
     * those of 300000 draws of torchvision's formula in Python. */
    ck_assert_double_eq_tol(area / draws, 0.4954, 0.006);
    ck_assert_double_eq_tol(mirrored / draws, 0.5, 0.015);
    ck_assert_double_eq_tol(ratio / draws, 0.0368, 0.006);
    ck_assert_int_gt(touches, 0);
    fcmae_geometry a = fcmae_transform_geometry(&t, width, height, (fcmae_sample_place){7, 3, 5});
    fcmae_geometry b = fcmae_transform_geometry(&t, width, height, (fcmae_sample_place){7, 3, 5});
    ck_assert(a.box.x == b.box.x && a.box.y == b.box.y && a.box.width == b.box.width &&
              a.box.height == b.box.height && a.mirrored == b.mirrored);
}
END_TEST

START_TEST(extreme_shapes_fall_back_to_the_centre)
{
    fcmae_transform t = fcmae_transform_train(32, 1.0);
    fcmae_geometry g = fcmae_transform_geometry(&t, 1000, 10, (fcmae_sample_place){0, 0, 0});
    ck_assert_int_eq(g.box.width, 13); /* round(10 * 4/3) */
    ck_assert_int_eq(g.box.x, (1000 - 13) / 2);
    g = fcmae_transform_geometry(&t, 10, 1000, (fcmae_sample_place){0, 0, 0});
    ck_assert_int_eq(g.box.height, 13); /* round(10 / (3/4)) */
    ck_assert_int_eq(g.box.y, (1000 - 13) / 2);
    g = fcmae_transform_geometry(&t, 1, 1, (fcmae_sample_place){0, 0, 0});
    ck_assert_int_eq(g.box.width * g.box.height, 1);
}
END_TEST

/** Whole decode, cut, resize, mirror: what fcmae_transform_run() must equal without doing it. */
static void run_plainly(const fcmae_transform *t, const fcmae_buffer *file, uint64_t position,
                        uint8_t *out)
{
    fcmae_image whole = {0}, box = {0}, resized = {0};
    ck_assert_int_eq(fcmae_image_decode(&whole, file->bytes, file->size, NULL), FCMAE_OK);
    fcmae_geometry g = fcmae_transform_geometry(t, whole.width, whole.height,
                                                (fcmae_sample_place){9, 1, position});
    ck_assert_int_eq(fcmae_image_reserve(&box, g.box.height, g.box.width, NULL), FCMAE_OK);
    for (int y = 0; y < g.box.height; y++)
        memcpy(box.pixels + (size_t)y * (size_t)g.box.width * 3,
               whole.pixels + 3 * ((size_t)(g.box.y + y) * (size_t)whole.width + (size_t)g.box.x),
               (size_t)g.box.width * 3);
    ck_assert_int_eq(fcmae_image_resize(&box, &resized, g.resized_height, g.resized_width, NULL),
                     FCMAE_OK);
    for (int y = 0; y < t->size; y++)
        for (int x = 0; x < t->size; x++)
            memcpy(out + 3 * (y * t->size + (g.mirrored ? t->size - 1 - x : x)),
                   resized.pixels + 3 * ((size_t)(g.window_y + y) * (size_t)g.resized_width +
                                         (size_t)(g.window_x + x)),
                   3);
    fcmae_image_release(&whole);
    fcmae_image_release(&box);
    fcmae_image_release(&resized);
}

static fcmae_buffer scene_file(int width, int height, bool png)
{
    fcmae_image square = {0}, image = {0};
    fcmae_buffer file = {0};
    ck_assert_int_eq(fcmae_image_reserve(&square, 200, 200, NULL), FCMAE_OK);
    fcmae_scene_render(square.pixels, 200, 3, 1, 0, 0);
    ck_assert_int_eq(fcmae_image_resize(&square, &image, height, width, NULL), FCMAE_OK);
    ck_assert_int_eq(png ? fcmae_png_encode(&file, image.pixels, height, width, NULL)
                         : fcmae_jpeg_encode(&file, image.pixels, height, width, 90, NULL),
                     FCMAE_OK);
    fcmae_image_release(&square);
    fcmae_image_release(&image);
    return file;
}

/** Makes an upright JPEG file a turned one: an EXIF block after the start marker. */
static void set_orientation(fcmae_buffer *file, int orientation)
{
    uint8_t block[36] = {0xFF, 0xE1, 0, 34,  'E', 'x', 'i', 'f', 0, 0,
                         'M',  'M',  0, '*', 0,   0,   0,   8,   0, 1,
                         1,    0x12, 0, 3,   0,   0,   0,   1,   0, (uint8_t)orientation};
    ck_assert_int_eq(fcmae_buffer_reserve(file, file->size + sizeof block, NULL), FCMAE_OK);
    memmove(file->bytes + 2 + sizeof block, file->bytes + 2, file->size - 2);
    memcpy(file->bytes + 2, block, sizeof block);
    file->size += sizeof block;
}

START_TEST(partial_decoding_changes_no_bit)
{
    static const int sizes[][2] = {{201, 333}, {333, 201}, {640, 97}, {40, 40}};
    fcmae_transform_scratch scratch = {0};
    uint8_t found[64 * 64 * 3], expected[64 * 64 * 3];
    for (int n = 0; n < 4; n++)
        for (int orientation = 1; orientation <= 8; orientation++) {
            fcmae_buffer file = scene_file(sizes[n][0], sizes[n][1], n == 3);
            if (n < 3) set_orientation(&file, orientation);
            for (uint64_t position = 0; position < 25; position++) {
                fcmae_transform t = fcmae_transform_train(64, 0.02);
                if (position == 20) t = fcmae_transform_evaluate(64, 0);
                if (position == 21) t = fcmae_transform_evaluate(17, 0.3);
                if (position == 22) t = (fcmae_transform){FCMAE_TRANSFORM_SQUASH, .size = 33};
                fcmae_error error = {0};
                size_t bytes = (size_t)t.size * (size_t)t.size * 3;
                fcmae_status status = fcmae_transform_run(&t, &scratch, file.bytes, file.size,
                                                          (fcmae_sample_place){9, 1, position},
                                                          found, &error);
                ck_assert_msg(status == FCMAE_OK, "%s", error.message);
                run_plainly(&t, &file, position, expected);
                ck_assert_msg(memcmp(found, expected, bytes) == 0,
                              "picture %d, orientation %d, position %d", n, orientation,
                              (int)position);
            }
            fcmae_buffer_release(&file);
        }
    fcmae_transform_scratch_release(&scratch);
}
END_TEST

START_TEST(fast_decoding_stays_close)
{
    fcmae_buffer file = scene_file(500, 400, false);
    set_orientation(&file, 6);
    fcmae_transform_scratch scratch = {0};
    uint8_t exact[48 * 48 * 3], fast[48 * 48 * 3];
    int differs = 0;
    for (uint64_t position = 0; position < 30; position++) {
        fcmae_transform t = fcmae_transform_train(48, 0.3);
        if (position == 0) t = fcmae_transform_evaluate(48, 0);
        ck_assert_int_eq(fcmae_transform_run(&t, &scratch, file.bytes, file.size,
                                             (fcmae_sample_place){1, 0, position}, exact, NULL),
                         FCMAE_OK);
        t.fast_decode = true;
        ck_assert_int_eq(fcmae_transform_run(&t, &scratch, file.bytes, file.size,
                                             (fcmae_sample_place){1, 0, position}, fast, NULL),
                         FCMAE_OK);
        double sum = 0;
        for (size_t i = 0; i < sizeof exact; i++) sum += abs(exact[i] - fast[i]);
        ck_assert_double_lt(sum / sizeof exact, 5.0);
        differs += sum > 0;
    }
    ck_assert_int_gt(differs, 20); /* the option does something */
    fcmae_buffer_release(&file);
    fcmae_transform_scratch_release(&scratch);
}
END_TEST

START_TEST(augmentation_follows_the_crop)
{
    fcmae_buffer file = scene_file(90, 80, true);
    fcmae_transform_scratch scratch = {0};
    uint8_t plain[48 * 48 * 3], augmented[48 * 48 * 3], temporary[48 * 48 * 3];
    int changed = 0;
    for (uint64_t position = 0; position < 40; position++) {
        fcmae_transform t = fcmae_transform_train(48, 0.3);
        ck_assert_int_eq(fcmae_transform_run(&t, &scratch, file.bytes, file.size,
                                             (fcmae_sample_place){1, 5, position}, plain, NULL),
                         FCMAE_OK);
        t.augment_operations = 2;
        t.augment_magnitude = 9;
        t.augment_deviation = 0.5;
        ck_assert_int_eq(fcmae_transform_run(&t, &scratch, file.bytes, file.size,
                                             (fcmae_sample_place){1, 5, position}, augmented, NULL),
                         FCMAE_OK);
        changed += memcmp(plain, augmented, sizeof plain) != 0;
        fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_AUGMENT, 5, position);
        fcmae_randaugment(plain, temporary, 48, 48, 2, 9, 0.5, &random);
        ck_assert_int_eq(memcmp(plain, augmented, sizeof plain), 0);
    }
    ck_assert_int_gt(changed, 20);
    fcmae_buffer_release(&file);
    fcmae_transform_scratch_release(&scratch);
}
END_TEST

START_TEST(bad_options_are_named)
{
    fcmae_error error = {0};
    fcmae_transform t = fcmae_transform_train(224, 0);
    ck_assert_int_eq(fcmae_transform_check(&t, &error), FCMAE_ERR_ARGUMENT);
    t = fcmae_transform_train(0, 0.2);
    ck_assert_int_eq(fcmae_transform_check(&t, &error), FCMAE_ERR_ARGUMENT);
    t = fcmae_transform_evaluate(224, 1.5);
    ck_assert_int_eq(fcmae_transform_check(&t, &error), FCMAE_ERR_ARGUMENT);
    t = fcmae_transform_train(224, 0.2);
    t.augment_operations = -1;
    ck_assert_int_eq(fcmae_transform_check(&t, &error), FCMAE_ERR_ARGUMENT);
    t = fcmae_transform_evaluate(224, 0.9);
    ck_assert_int_eq(fcmae_transform_check(&t, &error), FCMAE_OK);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, evaluation_geometry);
    tcase_add_test(cases, random_crops_have_the_stated_distribution);
    tcase_add_test(cases, extreme_shapes_fall_back_to_the_centre);
    tcase_add_test(cases, partial_decoding_changes_no_bit);
    tcase_add_test(cases, fast_decoding_stays_close);
    tcase_add_test(cases, augmentation_follows_the_crop);
    tcase_add_test(cases, bad_options_are_named);
}

int main(void)
{
    return run_suite("data transform", add_tests);
}
