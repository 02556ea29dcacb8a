/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Decoding against Pillow's pixels (golden/generate.py), and hostile files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "core/file.h"
#include "core/random.h"
#include "data/scene.h"
#include "fcmae/measure.h"
#include "image/codec.h"
#include "image/resample.h"
#include "support/suite.h"

static fcmae_buffer read_golden(const char *name)
{
    char path[600];
    fcmae_buffer file = {0};
    fcmae_error error = {0};
    snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
    ck_assert_msg(fcmae_file_read(&file, path, 1 << 24, &error) == FCMAE_OK, "%s", error.message);
    return file;
}

/** Decodes NAME.extension and compares it with NAME.rgb. */
static void check_golden(const char *name, const char *extension)
{
    char file_name[100], raw_name[100];
    snprintf(file_name, sizeof file_name, "%s.%s", name, extension);
    snprintf(raw_name, sizeof raw_name, "%s.rgb", name);
    fcmae_buffer file = read_golden(file_name), raw = read_golden(raw_name);
    fcmae_image image = {0};
    fcmae_error error = {0};
    ck_assert_msg(fcmae_image_decode(&image, file.bytes, file.size, &error) == FCMAE_OK, "%s: %s",
                  name, error.message);
    ck_assert_uint_eq((size_t)image.height * (size_t)image.width * 3, raw.size);
    for (size_t i = 0; i < raw.size; i++)
        ck_assert_msg(image.pixels[i] == raw.bytes[i],
                      "%s: byte %zu of a %dx%d picture is %d, not %d", name, i, image.width,
                      image.height, image.pixels[i], raw.bytes[i]);
    fcmae_image_release(&image);
    fcmae_buffer_release(&file);
    fcmae_buffer_release(&raw);
}

START_TEST(jpeg_decodes_as_pillow)
{
    static const char *const names[] = {"colour444", "colour420", "progressive", "grey",  "cmyk",
                                        "ycck",      "exif1",     "exif2",       "exif3", "exif4",
                                        "exif5",     "exif6",     "exif7",       "exif8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_golden(names[i], "jpg");
}
END_TEST

START_TEST(png_decodes_as_pillow)
{
    static const char *const names[] = {"palette1",
                                        "palette2",
                                        "palette4",
                                        "palette8",
                                        "palette_transparent",
                                        "grey1",
                                        "grey2",
                                        "grey4",
                                        "grey8",
                                        "grey16",
                                        "grey_alpha",
                                        "colour8",
                                        "colour16",
                                        "colour_transparent",
                                        "colour_alpha8",
                                        "colour_alpha16",
                                        "interlaced",
                                        "interlaced_palette2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_golden(names[i], "png");
}
END_TEST

START_TEST(turned_regions_are_inverse)
{
    for (int orientation = 1; orientation <= 8; orientation++) {
        fcmae_region upright = {3, 1, 4, 2};
        fcmae_region stored = fcmae_region_stored(upright, orientation, 9, 5);
        fcmae_region back = fcmae_region_upright(stored, orientation, 9, 5);
        ck_assert_int_eq(back.x, 3);
        ck_assert_int_eq(back.y, 1);
        ck_assert_int_eq(back.width, 4);
        ck_assert_int_eq(back.height, 2);
    }
}
END_TEST

/** A JPEG of a scene, large enough for partial decoding to matter. */
static fcmae_buffer scene_jpeg(int size)
{
    fcmae_image image = {0};
    fcmae_buffer file = {0};
    ck_assert_int_eq(fcmae_image_reserve(&image, size, size, NULL), FCMAE_OK);
    fcmae_scene_render(image.pixels, size, 3, 1, 0, 0);
    ck_assert_int_eq(fcmae_jpeg_encode(&file, image.pixels, size, size, 90, NULL), FCMAE_OK);
    fcmae_image_release(&image);
    return file;
}

START_TEST(truncated_files_are_errors)
{
    fcmae_buffer jpeg = scene_jpeg(48);
    const char *const names[] = {"progressive.jpg", "interlaced.png", "exif6.jpg", "cmyk.jpg"};
    for (size_t n = 0; n < 5; n++) {
        fcmae_buffer file = n == 0 ? jpeg : read_golden(names[n - 1]);
        /* without its end marker a single scan is still complete; a few more bytes less and not */
        size_t missing = n == 0 || n >= 3 ? 8 : 1;
        for (size_t size = 0; size + missing <= file.size; size++) {
            fcmae_image image = {0};
            fcmae_error error = {0};
            uint8_t *copy = malloc(size + 1); /* exact size: the sanitizer sees every overrun */
            memcpy(copy, file.bytes, size);
            fcmae_status status = fcmae_image_decode(&image, copy, size, &error);
            ck_assert_msg(status == FCMAE_ERR_FORMAT, "file %zu cut at %zu of %zu: %s", n, size,
                          file.size, fcmae_status_name(status));
            ck_assert(error.message[0] != 0);
            free(copy);
            fcmae_image_release(&image);
        }
        fcmae_buffer_release(&file);
    }
}
END_TEST

START_TEST(damaged_files_never_crash)
{
    const char *const names[] = {"progressive.jpg",   "colour420.jpg",  "exif6.jpg",
                                 "ycck.jpg",          "interlaced.png", "palette4.png",
                                 "colour_alpha16.png"};
    fcmae_random random = fcmae_random_start(5, FCMAE_RANDOM_TEST, 0, 0);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        fcmae_buffer file = read_golden(names[n]);
        for (int round = 0; round < 400; round++) {
            uint8_t *copy = malloc(file.size);
            memcpy(copy, file.bytes, file.size);
            for (int i = 0; i <= round % 4; i++)
                copy[fcmae_random_below(&random, file.size)] = (uint8_t)fcmae_random_u32(&random);
            fcmae_image image = {0};
            fcmae_error error = {0};
            fcmae_status status = fcmae_image_decode(&image, copy, file.size, &error);
            ck_assert(status == FCMAE_OK || error.message[0] != 0);
            fcmae_image_release(&image);
            free(copy);
        }
        fcmae_buffer_release(&file);
    }
}
END_TEST

START_TEST(foreign_and_huge_files_are_refused)
{
    const uint8_t webp[16] = "RIFF\1\2\3\4WEBPVP8";
    fcmae_image image = {0};
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_image_decode(&image, webp, 16, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "WebP"));
    ck_assert_int_eq(fcmae_image_decode(&image, webp, 0, &error), FCMAE_ERR_FORMAT);
    fcmae_buffer bomb = read_golden("colour444.jpg");
    for (size_t i = 0; i + 9 < bomb.size; i++)
        if (bomb.bytes[i] == 0xFF && bomb.bytes[i + 1] == 0xC0) /* frame header: 65500 x 65500 */
            for (int k = 0; k < 2; k++) {
                bomb.bytes[i + 5 + 2 * (size_t)k] = 0xFF;
                bomb.bytes[i + 6 + 2 * (size_t)k] = 0xDC;
            }
    ck_assert_int_eq(fcmae_image_decode(&image, bomb.bytes, bomb.size, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "65500"));
    ck_assert_int_eq(fcmae_image_read(&image, "/dev/null", &error), FCMAE_ERR_FORMAT);
    ck_assert_int_eq(fcmae_image_read(&image, "no/such.png", &error), FCMAE_ERR_NOT_FOUND);
    fcmae_buffer_release(&bomb);
    fcmae_image_release(&image);
}
END_TEST

/** Replaces the two sides in a JPEG's frame header. */
static void claim_sides(fcmae_buffer *file, int side)
{
    for (size_t i = 0; i + 9 < file->size; i++)
        if (file->bytes[i] == 0xFF && (file->bytes[i + 1] == 0xC0 || file->bytes[i + 1] == 0xC2))
            for (size_t k = i + 5; k < i + 9; k += 2) {
                file->bytes[k] = (uint8_t)(side >> 8);
                file->bytes[k + 1] = (uint8_t)side;
            }
}

/* A picture within the limits of size, but more than its bytes can stand for, costs nothing. */
START_TEST(what_does_not_fit_in_its_bytes)
{
    fcmae_image image = {0};
    fcmae_error error = {0};
    static uint8_t flat[64 * 64 * 3];
    fcmae_buffer file = {0};
    ck_assert_int_eq(fcmae_jpeg_encode(&file, flat, 64, 64, 90, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_image_decode(&image, file.bytes, file.size, &error), FCMAE_OK);
    claim_sides(&file, 12000);
    ck_assert_int_eq(fcmae_image_decode(&image, file.bytes, file.size, &error), FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "12000 x 12000"), "%s", error.message);
    ck_assert_uint_le(image.capacity, 64 * 64 * 3 + 4096);
    fcmae_buffer_release(&file);
    fcmae_image_release(&image);
}
END_TEST

/* The most that an honest file says with a byte: one colour, grey where the format has it. */
START_TEST(empty_pictures_are_honest)
{
    enum { SIDE = 3000 };
    uint8_t *flat = calloc((size_t)SIDE * SIDE, 3);
    fcmae_image image = {0};
    fcmae_error error = {0};
    for (int png = 0; png < 2; png++) {
        fcmae_buffer file = {0};
        fcmae_status status = png ? fcmae_png_encode(&file, flat, SIDE, SIDE, NULL)
                                  : fcmae_jpeg_encode(&file, flat, SIDE, SIDE, 1, NULL);
        ck_assert_int_eq(status, FCMAE_OK);
        ck_assert_msg(fcmae_image_decode(&image, file.bytes, file.size, &error) == FCMAE_OK, "%s",
                      error.message);
        fcmae_buffer_release(&file);
    }
    fcmae_image_release(&image);
    free(flat);
}
END_TEST

static void add_chunk(fcmae_buffer *file, const char *kind, const void *bytes, size_t size)
{
    uint8_t head[8], tail[4];
    fcmae_buffer body = {0};
    for (int i = 0; i < 4; i++) head[i] = (uint8_t)(size >> (24 - 8 * i));
    fcmae_buffer_add(&body, kind, 4);
    fcmae_buffer_add(&body, bytes, size);
    unsigned long crc = crc32(0, body.bytes, (unsigned)body.size);
    for (int i = 0; i < 4; i++) tail[i] = (uint8_t)(crc >> (24 - 8 * i));
    fcmae_buffer_add(file, head, 4);
    fcmae_buffer_add(file, body.bytes, body.size);
    fcmae_buffer_add(file, tail, 4);
    fcmae_buffer_release(&body);
}

/* A text of 61 KB that unfolds to 60 MB is passed over unread. */
START_TEST(texts_are_not_unfolded)
{
    enum { TEXT = 60 << 20, SIDE = 48, HEAD = 33 };
    static uint8_t flat[SIDE * SIDE * 3];
    fcmae_image image = {0};
    fcmae_buffer plain = {0}, file = {0}, text = {0};
    uLongf size = compressBound(TEXT);
    uint8_t *zeros = calloc(TEXT, 1), *packed = malloc(size);
    ck_assert(zeros && packed);
    ck_assert_int_eq(compress(packed, &size, zeros, TEXT), Z_OK);
    fcmae_buffer_add(&text, "k\0\0", 3);
    fcmae_buffer_add(&text, packed, size);
    free(zeros);
    free(packed);
    ck_assert_int_eq(fcmae_png_encode(&plain, flat, SIDE, SIDE, NULL), FCMAE_OK);
    fcmae_buffer_add(&file, plain.bytes, HEAD);
    for (int i = 0; i < 3; i++) add_chunk(&file, "zTXt", text.bytes, text.size);
    fcmae_buffer_add(&file, plain.bytes + HEAD, plain.size - HEAD);
    ck_assert_int_eq(fcmae_image_decode(&image, plain.bytes, plain.size, NULL), FCMAE_OK);
    uint64_t before = fcmae_measure_peak_memory();
    ck_assert_int_eq(fcmae_image_decode(&image, file.bytes, file.size, NULL), FCMAE_OK);
    ck_assert_uint_le(fcmae_measure_peak_memory() - before, 8 << 20);
    fcmae_buffer_release(&plain);
    fcmae_buffer_release(&file);
    fcmae_buffer_release(&text);
    fcmae_image_release(&image);
}
END_TEST

START_TEST(orientation_tag_is_read_safely)
{
    uint8_t tiff[26] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6};
    ck_assert_int_eq(fcmae_exif_orientation(tiff, sizeof tiff), 6);
    for (size_t size = 0; size < 22; size++)
        ck_assert_int_eq(fcmae_exif_orientation(tiff, size), 1);
    tiff[19] = 9;
    ck_assert_int_eq(fcmae_exif_orientation(tiff, sizeof tiff), 1);
    tiff[4] = 0xFF; /* a directory outside the block */
    ck_assert_int_eq(fcmae_exif_orientation(tiff, sizeof tiff), 1);
    const uint8_t intel[26] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 8, 0};
    ck_assert_int_eq(fcmae_exif_orientation(intel, sizeof intel), 8);
}
END_TEST

START_TEST(png_round_trip)
{
    char path[] = "/tmp/fcmae-test-XXXXXX";
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    uint8_t pixels[11 * 7 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    fcmae_error error = {0};
    fcmae_image image = {0};
    ck_assert_int_eq(fcmae_png_write(path, pixels, 11, 7, &error), FCMAE_OK);
    ck_assert_int_eq(fcmae_image_read(&image, path, &error), FCMAE_OK);
    ck_assert_int_eq(image.height, 11);
    ck_assert_int_eq(image.width, 7);
    ck_assert_int_eq(memcmp(image.pixels, pixels, sizeof pixels), 0);
    unlink(path);
    ck_assert_int_eq(fcmae_png_write("/no/such/folder/a.png", pixels, 11, 7, &error), FCMAE_ERR_IO);
    ck_assert_int_eq(fcmae_png_write(path, pixels, 0, 7, &error), FCMAE_ERR_SHAPE);
    fcmae_image_release(&image);
}
END_TEST

/* ------------------------------------------------------------ resizing */

START_TEST(resize_equals_pillow)
{
    static const int sizes[][2] = {{7, 5}, {40, 50}, {23, 9}, {64, 31}, {1, 1}, {22, 30}, {3, 60}};
    fcmae_buffer input = read_golden("resize_input.rgb");
    fcmae_image image = {0}, resized = {0};
    ck_assert_int_eq(fcmae_image_reserve(&image, 23, 31, NULL), FCMAE_OK);
    memcpy(image.pixels, input.bytes, input.size);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[60];
        snprintf(name, sizeof name, "resize_%dx%d.rgb", sizes[i][0], sizes[i][1]);
        fcmae_buffer expected = read_golden(name);
        ck_assert_int_eq(fcmae_image_resize(&image, &resized, sizes[i][0], sizes[i][1], NULL),
                         FCMAE_OK);
        ck_assert_int_eq(memcmp(resized.pixels, expected.bytes, expected.size), 0);
        fcmae_buffer_release(&expected);
    }
    fcmae_image_release(&image);
    fcmae_image_release(&resized);
    fcmae_buffer_release(&input);
}
END_TEST

/** Weight of one input for one output, in double, from the definition. */
static double exact_weight(int input, int output, int at, int from)
{
    double scale = (double)input / output, wide = fmax(scale, 1), sum = 0, wanted = 0;
    for (int j = 0; j < input; j++) {
        double x = fabs((j + 0.5 - (at + 0.5) * scale) / wide), w = 0;
        if (x < 1)
            w = 1.5 * x * x * x - 2.5 * x * x + 1;
        else if (x < 2)
            w = -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2;
        sum += w;
        if (j == from) wanted = w;
    }
    return wanted / sum;
}

START_TEST(weights_follow_the_definition)
{
    static const int cases[][2] = {{31, 7}, {7, 31}, {100, 1}, {1, 100}, {13, 13}, {500, 224}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int input = cases[c][0], output = cases[c][1];
        fcmae_axis axis = {0}, part = {0};
        ck_assert_int_eq(fcmae_axis_build(&axis, input, output, 0, output, false, NULL), FCMAE_OK);
        int half = output / 2;
        ck_assert_int_eq(fcmae_axis_build(&part, input, output, half, output - half, true, NULL),
                         FCMAE_OK);
        for (int x = 0; x < output; x += 1 + output / 20) {
            int at = output - 1 - x; /* in the mirrored second half */
            for (int j = 0; j < input; j++) {
                int k = j - axis.first[x];
                double weight = k >= 0 && k < axis.length[x]
                                    ? axis.weights[x * axis.taps + k] * 0x1p-22
                                    : 0;
                ck_assert_double_eq_tol(weight, exact_weight(input, output, x, j), 1e-6);
            }
            if (x >= half)
                ck_assert_int_eq(memcmp(axis.weights + x * axis.taps, part.weights + at * part.taps,
                                        (size_t)axis.taps * 4),
                                 0);
        }
        fcmae_axis_release(&axis);
        fcmae_axis_release(&part);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, jpeg_decodes_as_pillow);
    tcase_add_test(cases, png_decodes_as_pillow);
    tcase_add_test(cases, turned_regions_are_inverse);
    tcase_add_test(cases, truncated_files_are_errors);
    tcase_add_test(cases, damaged_files_never_crash);
    tcase_add_test(cases, foreign_and_huge_files_are_refused);
    tcase_add_test(cases, what_does_not_fit_in_its_bytes);
    tcase_add_test(cases, empty_pictures_are_honest);
    tcase_add_test(cases, texts_are_not_unfolded);
    tcase_add_test(cases, orientation_tag_is_read_safely);
    tcase_add_test(cases, png_round_trip);
    tcase_add_test(cases, resize_equals_pillow);
    tcase_add_test(cases, weights_follow_the_definition);
}

int main(void)
{
    return run_suite("data image", add_tests);
}
