/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Curves of the run logs, one tile per quantity, one line per run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/report.h"

/* A run logs every step; a chart has a few hundred pixels. Longer columns become this many means
   with the range of what they stand for as a band. */
#define BUCKETS 360

typedef struct thinned {
    double *x, *y, *low, *high; /* one allocation, owned by x */
    int64_t count;
    bool band;
} thinned;

static thinned thin_out(const fcmae_column *column)
{
    thinned out = {0};
    int64_t buckets = column->count < BUCKETS ? column->count : BUCKETS;
    out.x = calloc((size_t)buckets * 4 + 1, sizeof *out.x);
    if (!out.x) return out;
    out.y = out.x + buckets;
    out.low = out.y + buckets;
    out.high = out.low + buckets;
    out.count = buckets;
    out.band = column->count > buckets;
    for (int64_t b = 0; b < buckets; b++) {
        int64_t first = b * column->count / buckets, last = (b + 1) * column->count / buckets,
                n = 0;
        double x = 0, y = 0;
        out.low[b] = INFINITY;
        out.high[b] = -INFINITY;
        for (int64_t i = first; i < last; i++) {
            if (!isfinite(column->value[i])) continue;
            x += column->step[i];
            y += column->value[i];
            out.low[b] = fmin(out.low[b], column->value[i]);
            out.high[b] = fmax(out.high[b], column->value[i]);
            n++;
        }
        out.x[b] = n ? x / (double)n : NAN;
        out.y[b] = n ? y / (double)n : NAN;
    }
    return out;
}

typedef struct wanted_curve {
    const fcmae_column *column;
    const char *label;
    int colour, dash;
} wanted_curve;

static void add_tile(fcmae_report_page *page, const char *title, const wanted_curve *wanted,
                     int count, bool from_zero, double y_top)
{
    thinned *data = calloc((size_t)count, sizeof *data);
    fcmae_series *series = calloc((size_t)count, sizeof *series);
    bool complete = data && series, any = false;
    for (int i = 0; complete && i < count; i++) {
        data[i] = thin_out(wanted[i].column);
        complete = data[i].x != NULL;
        any |= data[i].count > 0;
        series[i] = (fcmae_series){.label = wanted[i].label,
                                   .x = data[i].x,
                                   .y = data[i].y,
                                   .low = data[i].band ? data[i].low : NULL,
                                   .high = data[i].band ? data[i].high : NULL,
                                   .count = data[i].count,
                                   .colour = wanted[i].colour,
                                   .dash = wanted[i].dash,
                                   .markers = data[i].count <= 40};
    }
    fcmae_chart chart = {.title = title,
                         .x_label = "step",
                         .series = series,
                         .count = count,
                         .from_zero = from_zero,
                         .y_top = y_top,
                         .width = 400,
                         .height = 270};
    if (!complete) {
        fcmae_fail(&page->error, FCMAE_ERR_MEMORY, "report: out of memory");
    } else if (any) {
        fcmae_text_add(&page->html, "<div class=\"tile\">");
        fcmae_chart_svg(&chart, &page->html, &page->error);
        fcmae_text_add(&page->html, "</div>\n");
    }
    for (int i = 0; data && i < count; i++) free(data[i].x);
    free(data);
    free(series);
}

typedef struct quantity {
    const char *column, *title;
    bool from_zero;
} quantity;

static const quantity training[] = {{"loss", "Training loss", false},
                                    {"lr", "Learning rate", true},
                                    {"grad_norm", "Gradient norm", true},
                                    {"images_per_s", "Throughput, images/s", true},
                                    {"data_wait", "Waiting for data, s per step", true},
                                    {"rankme", "Effective rank of features", true}};

static void quantity_tile(fcmae_report_page *page, const char *column, const char *title,
                          bool from_zero)
{
    wanted_curve *wanted = calloc((size_t)page->count, sizeof *wanted);
    int count = 0;
    page->html.failed |= !wanted;
    for (int i = 0; wanted && i < page->count; i++) {
        const fcmae_column *found = fcmae_run_data_column(&page->runs[i], column);
        if (found)
            wanted[count++] = (wanted_curve){found, page->runs[i].name, i, i / FCMAE_SERIES_INKS};
    }
    if (count > 0) add_tile(page, title, wanted, count, from_zero, 0);
    free(wanted);
}

/* Evaluations: the weights themselves and their moving average in one tile. */
typedef struct evaluation {
    const char *title, *columns[3];
} evaluation;

static const evaluation evaluations[] = {
    {"Validation top-1, %", {"val_top1", "ema_top1", "top1"}},
    {"Validation top-5, %", {"val_top5", "ema_top5", "top5"}},
    {"Loss on held-out images", {"val_loss", "ema_loss", NULL}},
    {"Nearest neighbours, top-1, %", {"knn_top1", NULL, NULL}}};

static void evaluation_tile(fcmae_report_page *page, const evaluation *what)
{
    wanted_curve *wanted = calloc((size_t)page->count * 3, sizeof *wanted);
    char(*labels)[260] = calloc((size_t)page->count * 3, sizeof *labels);
    int count = 0;
    page->html.failed |= !wanted || !labels;
    for (int i = 0; wanted && labels && i < page->count; i++)
        for (int k = 0; k < 3 && what->columns[k]; k++) {
            const fcmae_column *found = fcmae_run_data_column(&page->runs[i], what->columns[k]);
            if (!found) continue;
            snprintf(labels[count], sizeof *labels, "%.200s%s", page->runs[i].name,
                     k == 1 ? ", averaged weights" : "");
            wanted[count] = (wanted_curve){found, labels[count], i, k == 1};
            count++;
        }
    if (count > 0) add_tile(page, what->title, wanted, count, false, 0);
    free(wanted);
    free(labels);
}

/* other columns that look like evaluations */
static bool is_evaluation(const char *name)
{
    for (size_t i = 0; i < sizeof evaluations / sizeof *evaluations; i++)
        for (int k = 0; k < 3 && evaluations[i].columns[k]; k++)
            if (strcmp(name, evaluations[i].columns[k]) == 0) return false;
    return strstr(name, "top1") || strstr(name, "top5") || strstr(name, "accuracy") ||
           strncmp(name, "val_", 4) == 0 || strncmp(name, "eval_", 5) == 0;
}

static bool already_shown(const fcmae_report_page *page, int run, int column)
{
    const char *name = page->runs[run].columns[column].name;
    for (int i = 0; i < run; i++)
        if (fcmae_run_data_column(&page->runs[i], name)) return true;
    return false;
}

void fcmae_report_curves(fcmae_report_page *page)
{
    size_t before = page->html.size;
    fcmae_report_section(page, "curves", "Training curves");
    fcmae_text_add(&page->html, "<div class=\"tiles\">\n");
    size_t empty = page->html.size;
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        quantity_tile(page, training[i].column, training[i].title, training[i].from_zero);
    for (size_t i = 0; i < sizeof evaluations / sizeof *evaluations; i++)
        evaluation_tile(page, &evaluations[i]);
    for (int i = 0; i < page->count; i++)
        for (int k = 0; k < page->runs[i].column_count; k++) {
            const char *name = page->runs[i].columns[k].name;
            char title[120];
            if (!is_evaluation(name) || already_shown(page, i, k)) continue;
            snprintf(title, sizeof title, "Evaluation: %s", name);
            quantity_tile(page, name, title, false);
        }
    if (page->html.size == empty && page->html.bytes) {
        page->html.size = before; /* nothing was logged: no section */
        page->html.bytes[before] = 0;
        return;
    }
    fcmae_text_add(&page->html,
                   "</div>\n<p class=\"muted\">Lines are means over neighbouring steps "
                   "where a run has more steps than the chart has room for; the "
                   "shaded band is the range of the single steps.</p>\n");
    fcmae_report_section_end(page);
}

/* ---- watched collapse ---- */

void fcmae_report_watch(fcmae_report_page *page)
{
    static const char *const stages[] = {"stage 1", "stage 2", "stage 3", "stage 4"};
    for (int i = 0; i < page->count; i++) {
        wanted_curve wanted[4];
        int count = 0;
        for (int stage = 0; stage < 4; stage++) {
            char name[32];
            snprintf(name, sizeof name, "collapse.%d", stage);
            const fcmae_column *found = fcmae_run_data_column(&page->runs[i], name);
            if (found) wanted[count++] = (wanted_curve){found, stages[stage], stage, stage % 4};
        }
        char title[260];
        snprintf(title, sizeof title, "%.24s: distance while training", page->runs[i].name);
        if (count > 0) add_tile(page, title, wanted, count, true, 0.5);
    }
}
