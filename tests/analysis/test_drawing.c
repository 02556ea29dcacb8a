/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/synthetic.h"
#include "core/file.h"
#include "core/json.h"
#include "report/chart.h"
#include "report/gallery.h"
#include "report/markup.h"
#include "support/suite.h"

START_TEST(text_escapes_what_could_become_markup)
{
    fcmae_buffer text = {0};
    fcmae_markup_escape(&text, "a<b>&\"'\x01\xff\xc3\xa9\xed\xa0\x80z");
    ck_assert_str_eq(text.text, "a&lt;b&gt;&amp;&quot;&#39;\xEF\xBF\xBD\xEF\xBF\xBD\xc3\xa9"
                                "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
    text.size = 0;
    fcmae_text_json(&text, "a\"\\\n\xff");
    ck_assert_str_eq(text.text, "\"a\\\"\\\\\\u000a\\ufffd\"");
    text.size = 0;
    fcmae_text_number(&text, NAN);
    fcmae_text_number(&text, 0.25);
    ck_assert_str_eq(text.text, "null0.25");
    fcmae_buffer_release(&text);
}
END_TEST

START_TEST(base64_known_answers)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}}; /* RFC 4648 */
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fcmae_buffer text = {0};
        fcmae_text_add(&text, ">");
        fcmae_markup_base64(&text, pairs[i][0], strlen(pairs[i][0]));
        ck_assert_str_eq(text.text + 1, pairs[i][1]);
        fcmae_buffer_release(&text);
    }
}
END_TEST

static void expect_label(double value, double step, const char *expected)
{
    char label[32];
    fcmae_tick_label(value, step, label, sizeof label);
    ck_assert_str_eq(label, expected);
}

START_TEST(ticks_are_round)
{
    ck_assert_double_eq_tol(fcmae_tick_step(0, 0.5, 6), 0.1, 1e-12);
    ck_assert_double_eq_tol(fcmae_tick_step(0, 1234, 6), 500, 1e-9);
    ck_assert_double_eq_tol(fcmae_tick_step(0, 3e-4, 6), 5e-5, 1e-12);
    ck_assert_double_eq(fcmae_tick_step(1, 1, 6), 1);
    expect_label(0.3, 0.1, "0.3");
    expect_label(0.25, 0.05, "0.25");
    expect_label(-1e-18, 0.1, "0");
    expect_label(2e-4, 5e-5, "2.0e-4");
    expect_label(1.0105, 5e-4, "1.0105");
    expect_label(1500, 500, "1500");
    expect_label(250000, 50000, "250k");
    expect_label(2.5e6, 5e5, "2.5M");
}
END_TEST

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) count++;
    return count;
}

START_TEST(charts_survive_any_numbers)
{
    static const double x[6] = {0, 1, 2, 3, 4, 5};
    static const double sets[][6] = {{1, 2, NAN, 4, 5, 6},
                                     {0, 0, 0, 0, 0, 0},
                                     {1e300, -1e300, 1e-300, 0, 1, 2},
                                     {NAN, NAN, NAN, NAN, NAN, NAN},
                                     {INFINITY, 1, -INFINITY, 1 + 1e-15, 1, 1},
                                     {5e-324, 0, 0, 0, 0, 1e-320}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        fcmae_series series = {.label = "a<b", .x = x, .y = sets[i], .count = 6, .markers = i % 2};
        fcmae_chart chart = {
            .title = "T & t", .series = &series, .count = 1, .width = 460, .height = 300};
        fcmae_buffer svg = {0}, png = {0};
        ck_assert_int_eq(fcmae_chart_svg(&chart, &svg, NULL), FCMAE_OK);
        ck_assert_int_eq(fcmae_chart_png(&chart, &png, NULL), FCMAE_OK);
        ck_assert_ptr_null(strstr(svg.text, "nan"));
        ck_assert_ptr_null(strstr(svg.text, "inf"));
        ck_assert_ptr_nonnull(strstr(svg.text, "T &amp; t"));
        ck_assert_ptr_null(strstr(svg.text, "a<b"));
        ck_assert_mem_eq(png.bytes, "\x89PNG", 4);
        fcmae_buffer_release(&svg);
        fcmae_buffer_release(&png);
    }
}
END_TEST

START_TEST(a_gap_breaks_the_line)
{
    static const double x[6] = {0, 1, 2, 3, 4, 5}, y[6] = {1, 2, NAN, 4, 5, 6};
    fcmae_series series = {.label = "s", .x = x, .y = y, .count = 6};
    fcmae_chart chart = {.series = &series, .count = 1, .width = 400, .height = 300};
    fcmae_buffer svg = {0};
    ck_assert_int_eq(fcmae_chart_svg(&chart, &svg, NULL), FCMAE_OK);
    ck_assert_int_eq(count_of(svg.text, "class=\"line-4\""), 2);
    fcmae_buffer_release(&svg);
}
END_TEST

START_TEST(colour_map_ends_where_it_should)
{
    uint8_t rgb[3];
    fcmae_colour_map(0, rgb);
    ck_assert_uint_eq(rgb[0], 0x44);
    fcmae_colour_map(1, rgb);
    ck_assert_uint_eq(rgb[0], 0xFD);
    fcmae_colour_map(7, rgb);
    ck_assert_uint_eq(rgb[2], 0x25);
    fcmae_colour_map(NAN, rgb);
    ck_assert_uint_eq(rgb[1], 0x01);
    double before = -1; /* brighter all the way */
    for (int i = 0; i <= 100; i++) {
        fcmae_colour_map(i / 100.0, rgb);
        double light = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        ck_assert_double_ge(light, before);
        before = light;
    }
}
END_TEST

static char *read_text(const char *folder, const char *name)
{
    char path[400];
    fcmae_buffer buffer = {0};
    fcmae_error error = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_msg(fcmae_file_read(&buffer, path, 1 << 24, &error) == FCMAE_OK, "%s", error.message);
    char *text = calloc(buffer.size + 1, 1);
    memcpy(text, buffer.bytes, buffer.size);
    fcmae_buffer_release(&buffer);
    return text;
}

static fcmae_collapse *analyse(int version, double sameness, double dead)
{
    synthetic from = {.config = synthetic_config(version),
                      .height = 224,
                      .width = 224,
                      .sameness = sameness,
                      .dead = dead,
                      .lanes = 1,
                      .threads = 1,
                      .poisoned_image = -1};
    fcmae_collapse *collapse = NULL;
    fcmae_collapse_options options = {.images = 3, .batch = 3, .lanes = 1, .gallery_channels = 64};
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, NULL), FCMAE_OK);
    synthetic_forward(&from, 0, 3, fcmae_collapse_observe, collapse);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 3, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_collapse_finish(collapse, 1, NULL), FCMAE_OK);
    return collapse;
}

START_TEST(the_files_of_an_analysis)
{
    /* FCMAE_TEST_OUTPUT: a folder to look at; by default a temporary one that is removed */
    char folder[200] = "/tmp/fcmae-drawing-XXXXXX";
    const char *keep = getenv("FCMAE_TEST_OUTPUT");
    if (keep)
        snprintf(folder, sizeof folder, "%s/collapse", keep);
    else
        ck_assert_ptr_nonnull(mkdtemp(folder));
    fcmae_collapse *first = analyse(1, 0.7, 0.3), *second = analyse(2, 0.1, 0);
    fcmae_collapse_entry entries[2] = {
        {.label = "V1, \"quoted\"/x",
         .checkpoint = "a.safetensors",
         .collapse = first,
         .step = 100},
        {.label = "V2", .checkpoint = "b.safetensors", .collapse = second, .step = -1}};
    uint8_t *picture = malloc(224 * 224 * 3);
    for (int i = 0; i < 224 * 224 * 3; i++) picture[i] = (uint8_t)(i / 700);
    fcmae_collapse_setup setup = {.data = "images",
                                  .command = "fcmae collapse",
                                  .height = 224,
                                  .width = 224,
                                  .picture = picture};
    fcmae_error error = {0};
    ck_assert_msg(fcmae_collapse_write(folder, &setup, entries, 2, &error) == FCMAE_OK, "%s",
                  error.message);

    char *text = read_text(folder, "collapse.json");
    json_t *root = NULL;
    ck_assert_msg(fcmae_json_parse(text, strlen(text), "collapse.json", &root, &error) == FCMAE_OK,
                  "%s", error.message);
    const json_t *models = json_object_get(root, "models");
    ck_assert_uint_eq(json_array_size(models), 2);
    const json_t *layers = json_object_get(json_array_get(models, 1), "layers");
    ck_assert_uint_eq(json_array_size(layers), 14);
    int count;
    const fcmae_collapse_layer *results = fcmae_collapse_layers(second, &count);
    ck_assert_double_eq_tol(
        json_number_value(json_object_get(json_array_get(layers, 3), "distance")),
        results[3].distance, 1e-9);
    ck_assert(json_is_null(json_object_get(json_array_get(models, 1), "step")));
    json_decref(root);
    free(text);

    text = read_text(folder, "collapse.csv");
    ck_assert_int_eq(count_of(text, "\n"), 1 + 7 + 14);
    ck_assert_ptr_nonnull(strstr(text, "\n\"V1, \"\"quoted\"\"/x\",100,stages.0.0,hidden,0,"));
    free(text);
    text = read_text(folder, "distance.svg");
    ck_assert_int_eq(count_of(text, "<polyline class=\"line-4\""), 2); /* curve and legend */
    ck_assert_int_eq(count_of(text, "<polyline class=\"line-5\""), 4); /* V2: hidden and grn */
    free(text);
    static const char *const pictures[] = {"distance.png", "activations-V1___quoted__x-hidden.png",
                                           "activations-V2-hidden.png", "activations-V2-grn.png"};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        text = read_text(folder, pictures[i]);
        ck_assert_mem_eq(text, "\x89PNG", 4);
        free(text);
    }
    fcmae_collapse_destroy(&first);
    fcmae_collapse_destroy(&second);
    free(picture);
    if (keep) return;
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(an_unwritable_folder_is_reported)
{
    fcmae_collapse *collapse = analyse(1, 0, 0);
    fcmae_collapse_entry entry = {.label = "x", .collapse = collapse};
    fcmae_collapse_setup setup = {0};
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_collapse_write("/proc/nowhere/at/all", &setup, &entry, 1, &error),
                     FCMAE_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "/proc/nowhere"));
    fcmae_collapse_destroy(&collapse);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, text_escapes_what_could_become_markup);
    tcase_add_test(cases, base64_known_answers);
    tcase_add_test(cases, ticks_are_round);
    tcase_add_test(cases, charts_survive_any_numbers);
    tcase_add_test(cases, a_gap_breaks_the_line);
    tcase_add_test(cases, colour_map_ends_where_it_should);
    tcase_add_test(cases, the_files_of_an_analysis);
    tcase_add_test(cases, an_unwritable_folder_is_reported);
}

int main(void)
{
    return run_suite("drawing", add_tests);
}
