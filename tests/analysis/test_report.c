/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Reports of made-up runs. With FCMAE_TEST_OUTPUT=DIR the runs and the page stay there, to be
 * looked at in a browser.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/synthetic.h"
#include "core/file.h"
#include "core/random.h"
#include "report/canvas.h"
#include "support/suite.h"

static char folder[200];

static void enter_folder(void)
{
    const char *keep = getenv("FCMAE_TEST_OUTPUT");
    strcpy(folder, "/tmp/fcmae-report-XXXXXX");
    if (keep)
        snprintf(folder, sizeof folder, "%s", keep);
    else
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void leave_folder(void)
{
    char command[300];
    if (getenv("FCMAE_TEST_OUTPUT")) return;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static char *in_folder(const char *name)
{
    static char paths[4][600];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void make_folder(const char *name)
{
    ck_assert(mkdir(in_folder(name), 0777) == 0 || errno == EEXIST);
}

static void write_text(const char *name, const char *text)
{
    fcmae_error error = {0};
    ck_assert_msg(fcmae_file_write(in_folder(name), text, strlen(text), &error) == FCMAE_OK, "%s",
                  error.message);
}

static char *read_page(const char *name)
{
    fcmae_buffer buffer = {0};
    ck_assert_int_eq(fcmae_file_read(&buffer, in_folder(name), (size_t)1 << 28, NULL), FCMAE_OK);
    char *text = calloc(buffer.size + 1, 1);
    memcpy(text, buffer.bytes, buffer.size);
    fcmae_buffer_release(&buffer);
    return text;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) count++;
    return count;
}

/* a log like that of a pretraining run: noisy, with watched distances and evaluations */
static void write_log(const char *run, int steps, double floor, bool collapses, double top1)
{
    fcmae_buffer text = {0};
    char name[100];
    fcmae_random random = fcmae_random_start((uint64_t)steps, FCMAE_RANDOM_TEST, 1, 0);
    fcmae_text_add(&text,
                   "{\"step\": 0, \"event\": \"start\", \"message\": \"3 unreadable files\"}\n");
    for (int step = 1; step <= steps; step++) {
        double t = (double)step / steps, noise = fcmae_random_normal(&random);
        double lr = step < steps / 20 ? 6e-4 * step / (steps / 20.0) : 3e-4 * (1 + cos(M_PI * t));
        fcmae_text_format(&text,
                          "{\"step\": %d, \"epoch\": %.4f, \"loss\": %.6f, \"lr\": %.6g, "
                          "\"grad_norm\": %.5f, \"images_per_s\": %.2f, \"data_wait\": %.6f, "
                          "\"elapsed\": %.3f",
                          step, t * 40, floor + 0.55 * exp(-6 * t) + 0.012 * noise, lr,
                          0.3 + 2 * exp(-9 * t) + 0.05 * fabs(noise), 212 + 6 * noise,
                          fabs(noise) * 2e-3, step * 0.6);
        if (step % (steps / 50) == 0) {
            double d = collapses ? 0.42 * exp(-4 * t) + 0.05 : 0.42 - 0.06 * t;
            fcmae_text_format(&text,
                              ", \"collapse\": [%.4f, %.4f, %.4f, %.4f], "
                              "\"collapse_dead\": [0, 0, %.3f, %.3f], \"collapse_seconds\": [0.12]",
                              d, d * 0.95, d * 0.85, d * 0.8, collapses ? 0.1 * t : 0,
                              collapses ? 0.2 * t : 0);
        }
        if (top1 > 0 && step % (steps / 10) == 0)
            fcmae_text_format(&text,
                              ", \"val_top1\": [%.2f], \"val_top5\": [%.2f], \"ema_top1\": [%.2f], "
                              "\"val_calibration\": 0.1",
                              top1 * (1 - exp(-4 * t)), 100 - 55 * exp(-5 * t),
                              top1 * (1 - exp(-5 * t)));
        fcmae_text_add(&text, "}\n");
    }
    snprintf(name, sizeof name, "%s/log.jsonl", run);
    write_text(name, text.text);
    fcmae_buffer_release(&text);
}

static void write_config(const char *run, const char *model, int seed)
{
    char name[100], text[1500];
    snprintf(name, sizeof name, "%s/config.json", run);
    snprintf(text, sizeof text,
             "{\"model\": \"%s\", \"data\": \"imagenette/train\", \"input_size\": 160, "
             "\"mask_ratio\": 0.6, \"mask_unit\": 1, \"masks_per_image\": 2, \"epochs\": 40, "
             "\"batch_size\": 64, \"accumulate\": 1, \"base_lr\": 0.0006, \"weight_decay\": 0.05, "
             "\"norm_pix\": true, \"grn_scope\": \"image\", \"seed\": %d, \"threads\": 2, "
             "\"lanes\": 2, \"betas\": [0.9, 0.95], \"resume\": null, "
             "\"command\": \"fcmae pretrain --model %s --data imagenette/train --output %s "
             "--input-size 160 --masks-per-image 2 --epochs 40 --batch-size 64 --base-lr 6e-4 "
             "--watch-collapse 50 --seed %d\"}\n",
             model, seed, model, run, seed);
    write_text(name, text);
}

static void write_pictures(const char *run)
{
    static const int steps[] = {0, 200, 1000, 2000};
    char name[160];
    snprintf(name, sizeof name, "%s/reconstructions", run);
    make_folder(name);
    for (int i = 0; i < 4; i++) {
        fcmae_canvas *canvas = fcmae_canvas_create_png(480, 320, 1);
        static uint8_t rgb[156 * 156 * 3];
        for (int row = 0; row < 2; row++)
            for (int column = 0; column < 3; column++) {
                for (int p = 0; p < 156 * 156; p++)
                    for (int c = 0; c < 3; c++)
                        rgb[3 * p + c] = (uint8_t)(128 +
                                                   90 * sin(p % 156 * 0.03 * (column + 1) + c) *
                                                       cos(p / 156 * 0.02 * (i + 1) + row));
                fcmae_canvas_pixels(canvas, 2 + column * 160, 2 + row * 160, rgb, 156, 156);
            }
        fcmae_buffer png = {0};
        ck_assert_int_eq(fcmae_canvas_finish(canvas, &png, NULL), FCMAE_OK);
        snprintf(name, sizeof name, "%s/reconstructions/step-%06d.png", run, steps[i]);
        ck_assert_int_eq(fcmae_file_write(in_folder(name), png.bytes, png.size, NULL), FCMAE_OK);
        fcmae_buffer_release(&png);
        fcmae_canvas_destroy(&canvas);
    }
}

static void write_analysis(const char *run, int version, double sameness)
{
    synthetic from = {.config = synthetic_config(version),
                      .height = 96,
                      .width = 96,
                      .sameness = sameness,
                      .lanes = 1,
                      .threads = 1,
                      .poisoned_image = -1};
    fcmae_collapse *collapse = NULL;
    fcmae_error error = {0};
    fcmae_collapse_options options = {.images = 4, .batch = 4, .lanes = 1, .gallery_channels = 64};
    ck_assert_int_eq(fcmae_collapse_create(&collapse, &from.config, &options, NULL), FCMAE_OK);
    synthetic_forward(&from, 0, 4, fcmae_collapse_observe, collapse);
    ck_assert_int_eq(fcmae_collapse_fold(collapse, 4, NULL, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_collapse_finish(collapse, 1, NULL), FCMAE_OK);
    fcmae_collapse_entry entry = {.label = version == 1 ? "V1 Atto" : "V2 Atto",
                                  .checkpoint = "checkpoint-2000.safetensors",
                                  .collapse = collapse,
                                  .step = 2000};
    fcmae_collapse_setup setup = {.data = "imagenette/val", .height = 96, .width = 96};
    char name[100];
    snprintf(name, sizeof name, "%s/collapse", run);
    ck_assert_msg(fcmae_collapse_write(in_folder(name), &setup, &entry, 1, &error) == FCMAE_OK,
                  "%s", error.message);
    fcmae_collapse_destroy(&collapse);
}

static int warnings;

static void count_warning(void *cookie, fcmae_log_level level, const char *message)
{
    (void)cookie, (void)message;
    warnings += level == FCMAE_LOG_WARNING;
}

static const fcmae_log counting_log = {.write = count_warning};

static void report(const char *first, const char *second, const char *page)
{
    fcmae_error error = {0};
    const char *runs[2] = {in_folder(first), second ? in_folder(second) : NULL};
    warnings = 0;
    ck_assert_msg(fcmae_report_write(runs, second ? 2 : 1, in_folder(page), &counting_log,
                                     &error) == FCMAE_OK,
                  "%s", error.message);
}

START_TEST(two_runs_side_by_side)
{
    enter_folder();
    make_folder("v1-atto");
    make_folder("v2-atto");
    write_log("v1-atto", 2000, 0.42, true, 0);
    write_log("v2-atto", 2000, 0.38, false, 91.4);
    write_config("v1-atto", "atto-v1", 0);
    write_config("v2-atto", "atto", 0);
    write_pictures("v2-atto");
    write_analysis("v1-atto", 1, 0.65);
    write_analysis("v2-atto", 2, 0.2);
    report("v1-atto", "v2-atto", "report.html");
    ck_assert_int_eq(warnings, 0);
    char *page = read_page("report.html");
    static const char *const expected[] = {"<h2>Overview</h2>",
                                           "<h2>Training curves</h2>",
                                           "<h2>Feature collapse</h2>",
                                           "<h2>Configuration</h2>",
                                           "<h2>Reproduce</h2>",
                                           "Training loss",
                                           "Learning rate",
                                           "Gradient norm",
                                           "Throughput",
                                           "Waiting for data",
                                           "Evaluation: val_calibration",
                                           "Validation top-1",
                                           "v2-atto, averaged weights",
                                           ">90.78<",
                                           "v1-atto: distance while training",
                                           "tensor hidden",
                                           "tensor grn",
                                           "fcmae pretrain --model atto-v1",
                                           "<h2>Reconstructions across training</h2>",
                                           "step 1000",
                                           "Channel maps",
                                           "v2-atto: V2 Atto",
                                           "took 0.5 % of the run",
                                           "<h2>Events</h2>"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_msg(strstr(page, expected[i]) != NULL, "the page lacks: %s", expected[i]);
    ck_assert_int_eq(count_of(page, "<img "), 4 + 3);
    ck_assert_int_eq(count_of(page, "class=\"differs\""), 1); /* the model alone differs */
    /* nothing that a browser would fetch */
    ck_assert_ptr_null(strstr(page, "src=\"http"));
    ck_assert_ptr_null(strstr(page, "<link"));
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "url("));
    ck_assert_uint_lt(strlen(page), 6u << 20);
    report("v1-atto", "v2-atto", "again.html"); /* same folders, same bytes */
    char *again = read_page("again.html");
    ck_assert_str_eq(page, again);
    free(page);
    free(again);
    leave_folder();
}
END_TEST

START_TEST(damaged_and_hostile_runs)
{
    enter_folder();
    make_folder("a<b>&'c");
    write_text("a<b>&'c/log.jsonl",
               "{\"step\": 1, \"loss\": 0.9, \"lr\": 1e-4}\n"
               "{\"step\": 2, \"loss\": 0.8, \"l\n"
               "\n[1, 2]\nnull\n"
               "{\"step\": 3, \"loss\": null, \"grad_norm\": 1e999}\n"
               "{\"step\": 4, \"loss\": 0.7, \"collapse\": [0.1, \"x\", null, {}], \"deep\": {}}\n"
               "{\"event\": \"<script>alert(1)</script>\", \"message\": 7}\n"
               "{\"step\": 5, \"loss\": 0.6, \"top1\": 12.5");
    write_text("a<b>&'c/config.json", "{\"command\": \"x </pre><script>\", \"<i>\": \"</table>\"}");
    make_folder("a<b>&'c/reconstructions");
    write_text("a<b>&'c/reconstructions/step-1.png", "no picture");
    write_text("a<b>&'c/reconstructions/step-x.png", "");
    make_folder("a<b>&'c/collapse");
    write_text("a<b>&'c/collapse/broken.json", "{\"models\": [");
    write_text("a<b>&'c/collapse/odd.json",
               "{\"models\": [7, {\"layers\": 3}, {\"layers\": []}, {\"label\": 5, \"layers\": "
               "[{\"tensor\": \"hidden\", \"distance\": \"x\"}, 8]}]}");
    report("a<b>&'c", NULL, "hostile.html");
    ck_assert_int_ge(warnings, 3);
    char *page = read_page("hostile.html");
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "<b>"));
    ck_assert_ptr_null(strstr(page, "<i>"));
    ck_assert_int_eq(count_of(page, "</pre>"), 1);
    ck_assert_ptr_nonnull(strstr(page, "of 8 log lines are damaged"));
    ck_assert_ptr_null(strstr(page, "nan"));
    free(page);
    leave_folder();
}
END_TEST

START_TEST(what_is_no_run_is_refused)
{
    enter_folder();
    fcmae_error error = {0};
    const char *run = in_folder("missing");
    ck_assert_int_eq(fcmae_report_write(&run, 1, in_folder("x.html"), NULL, &error),
                     FCMAE_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "missing"));
    make_folder("empty");
    remove(in_folder("empty/config.json"));
    run = in_folder("empty");
    ck_assert_int_eq(fcmae_report_write(&run, 1, in_folder("x.html"), NULL, &error),
                     FCMAE_ERR_NOT_FOUND);
    ck_assert_int_eq(fcmae_report_write(&run, 0, in_folder("x.html"), NULL, &error),
                     FCMAE_ERR_ARGUMENT);
    write_text("empty/config.json", "{}"); /* a run that has not logged yet */
    run = in_folder("empty");
    ck_assert_int_eq(fcmae_report_write(&run, 1, in_folder("x.html"), NULL, &error), FCMAE_OK);
    ck_assert_int_ne(fcmae_report_write(&run, 1, in_folder("no/where/x.html"), NULL, &error),
                     FCMAE_OK);
    leave_folder();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, two_runs_side_by_side);
    tcase_add_test(cases, damaged_and_hostile_runs);
    tcase_add_test(cases, what_is_no_run_is_refused);
}

int main(void)
{
    return run_suite("report", add_tests);
}
