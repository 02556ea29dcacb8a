/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* What the collapse analyses found (collapse.json), as curves, sentences and tables. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/markup.h"
#include "report/report.h"

#define MODEL_LIMIT 24
#define LAYER_LIMIT 400 /* tensors of one model that are shown */

typedef struct analysed_model {
    const json_t *model; /* borrowed from the run */
    char label[260];
} analysed_model;

static double layer_number(const json_t *layer, const char *key)
{
    return fcmae_json_number(layer, key, NAN);
}

/* every model of every analysis of every run */
static int collect_models(const fcmae_report_page *page, analysed_model *models)
{
    int count = 0;
    for (int i = 0; i < page->count; i++) {
        size_t a, m;
        json_t *analysis, *model;
        json_array_foreach(page->runs[i].analyses, a, analysis)
        {
            json_array_foreach(json_object_get(analysis, "models"), m, model)
            {
                if (count == MODEL_LIMIT) return count;
                if (!json_is_array(json_object_get(model, "layers"))) continue;
                analysed_model *entry = &models[count++];
                entry->model = model;
                const char *label = fcmae_json_text(model, "label", "model");
                if (page->count > 1)
                    snprintf(entry->label, sizeof entry->label, "%.120s: %.120s",
                             page->runs[i].name, label);
                else
                    snprintf(entry->label, sizeof entry->label, "%.200s", label);
            }
        }
    }
    return count;
}

/* x, y, low, high of one tensor; returns the number of layers */
static int64_t take_curve(const json_t *model, const char *tensor, double *out)
{
    size_t i;
    json_t *layer;
    int64_t count = 0;
    double *x = out, *y = x + LAYER_LIMIT, *low = y + LAYER_LIMIT, *high = low + LAYER_LIMIT;
    json_array_foreach(json_object_get(model, "layers"), i, layer)
    {
        if (strcmp(fcmae_json_text(layer, "tensor", ""), tensor) != 0) continue;
        if (count == LAYER_LIMIT) break;
        double error = layer_number(layer, "distance_error");
        if (!isfinite(error)) error = 0;
        x[count] = layer_number(layer, "depth");
        y[count] = layer_number(layer, "distance");
        low[count] = fmax(0, y[count] - 2 * error);
        high[count] = fmin(0.5, y[count] + 2 * error);
        count++;
    }
    return count;
}

static void depth_tile(fcmae_report_page *page, const analysed_model *models, int count,
                       const char *tensor)
{
    double *values = calloc((size_t)count * 4 * LAYER_LIMIT, sizeof *values);
    fcmae_series *series = calloc((size_t)count, sizeof *series);
    int used = 0;
    page->html.failed |= !values || !series;
    for (int i = 0; values && series && i < count; i++) {
        double *out = values + (size_t)i * 4 * LAYER_LIMIT;
        int64_t layers = take_curve(models[i].model, tensor, out);
        if (layers == 0) continue;
        series[used++] = (fcmae_series){.label = models[i].label,
                                        .x = out,
                                        .y = out + LAYER_LIMIT,
                                        .low = out + 2 * LAYER_LIMIT,
                                        .high = out + 3 * LAYER_LIMIT,
                                        .count = layers,
                                        .colour = i,
                                        .dash = i / FCMAE_SERIES_INKS,
                                        .markers = true};
    }
    char title[120];
    snprintf(title, sizeof title, "Distance against depth, tensor %s", tensor);
    fcmae_chart chart = {.title = title,
                         .x_label = "relative depth",
                         .series = series,
                         .count = used,
                         .from_zero = true,
                         .y_top = 0.5,
                         .width = 400,
                         .height = 270 + (used > 4 ? 10 * used : 0)};
    if (used > 0) {
        fcmae_text_add(&page->html, "<div class=\"tile\">");
        fcmae_chart_svg(&chart, &page->html, &page->error);
        fcmae_text_add(&page->html, "</div>\n");
    }
    free(values);
    free(series);
}

static void number_cell(fcmae_buffer *html, const char *format, double value)
{
    fcmae_text_add(html, "<td class=\"n\">");
    if (isfinite(value)) {
        char text[60];
        snprintf(text, sizeof text, format, value);
        fcmae_text_add(html, text);
    }
    fcmae_text_add(html, "</td>");
}

/* mean over the layers of the model's first tensor */
static double mean_of(const json_t *model, const char *key, const char *divisor)
{
    size_t i;
    json_t *layer, *layers = json_object_get(model, "layers");
    const char *tensor = fcmae_json_text(json_array_get(layers, 0), "tensor", "");
    double sum = 0;
    int count = 0;
    json_array_foreach(layers, i, layer)
    {
        if (strcmp(fcmae_json_text(layer, "tensor", ""), tensor) != 0) continue;
        double value = layer_number(layer, key);
        sum += divisor ? value / layer_number(layer, divisor) : value;
        count++;
    }
    return count ? sum / count : NAN;
}

static void verdicts(fcmae_report_page *page, const analysed_model *models, int count)
{
    fcmae_buffer *html = &page->html;
    for (int i = 0; i < count; i++) {
        fcmae_text_format(html, "<p><span class=\"key k%d\"></span><strong>",
                          i % FCMAE_SERIES_INKS);
        fcmae_markup_escape(html, models[i].label);
        fcmae_text_add(html, ".</strong> ");
        fcmae_markup_escape(html, fcmae_json_text(models[i].model, "verdict", ""));
        fcmae_text_add(html, "</p>\n");
    }
}

static void summary_table(fcmae_report_page *page, const analysed_model *models, int count)
{
    fcmae_buffer *html = &page->html;
    fcmae_text_add(html,
                   "<div class=\"scroll\" style=\"margin-top:16px\"><table><thead><tr><th>model"
                   "</th><th class=\"n\">step</th><th class=\"n\">images</th>"
                   "<th class=\"n\">distance</th><th class=\"n\">dead</th>"
                   "<th class=\"n\">saturated</th><th class=\"n\">rank used</th>"
                   "</tr></thead><tbody>\n");
    for (int i = 0; i < count; i++) {
        const json_t *model = models[i].model;
        fcmae_text_format(html, "<tr><th class=\"name\"><span class=\"key k%d\"></span>",
                          i % FCMAE_SERIES_INKS);
        fcmae_markup_escape(html, models[i].label);
        fcmae_text_add(html, "</th>");
        number_cell(html, "%.0f", layer_number(model, "step"));
        number_cell(html, "%.0f", layer_number(model, "images"));
        number_cell(html, "%.3f", mean_of(model, "distance", NULL));
        number_cell(html, "%.1f %%", 100 * mean_of(model, "dead", NULL));
        number_cell(html, "%.1f %%", 100 * mean_of(model, "saturated", NULL));
        number_cell(html, "%.0f %%", 100 * mean_of(model, "effective_rank", "rank_limit"));
        fcmae_text_add(html, "</tr>\n");
    }
    fcmae_text_add(html, "</tbody></table></div>\n");
}

static void layer_table(fcmae_report_page *page, const analysed_model *entry)
{
    fcmae_buffer *html = &page->html;
    size_t i;
    json_t *layer;
    fcmae_text_add(html, "<details><summary>Every layer of ");
    fcmae_markup_escape(html, entry->label);
    fcmae_text_add(html, "</summary><div class=\"scroll\"><table><thead><tr><th>layer</th>"
                         "<th>tensor</th><th class=\"n\">channels</th><th class=\"n\">distance</th>"
                         "<th class=\"n\">&plusmn;</th><th class=\"n\">living only</th>"
                         "<th class=\"n\">dead</th><th class=\"n\">always dead</th>"
                         "<th class=\"n\">saturated</th><th class=\"n\">effective rank</th>"
                         "<th class=\"n\">of</th><th class=\"n\">selectivity</th></tr></thead>"
                         "<tbody>\n");
    json_array_foreach(json_object_get(entry->model, "layers"), i, layer)
    {
        if (i == LAYER_LIMIT) break;
        fcmae_text_add(html, "<tr><th>");
        fcmae_markup_escape(html, fcmae_json_text(layer, "layer", ""));
        fcmae_text_add(html, "</th><td>");
        fcmae_markup_escape(html, fcmae_json_text(layer, "tensor", ""));
        fcmae_text_add(html, "</td>");
        number_cell(html, "%.0f", layer_number(layer, "channels"));
        number_cell(html, "%.4f", layer_number(layer, "distance"));
        number_cell(html, "%.4f", layer_number(layer, "distance_error"));
        number_cell(html, "%.4f", layer_number(layer, "distance_alive"));
        number_cell(html, "%.1f %%", 100 * layer_number(layer, "dead"));
        number_cell(html, "%.1f %%", 100 * layer_number(layer, "dead_everywhere"));
        number_cell(html, "%.1f %%", 100 * layer_number(layer, "saturated"));
        number_cell(html, "%.1f", layer_number(layer, "effective_rank"));
        number_cell(html, "%.0f", layer_number(layer, "rank_limit"));
        number_cell(html, "%.3f", layer_number(layer, "selectivity"));
        fcmae_text_add(html, "</tr>\n");
    }
    fcmae_text_add(html, "</tbody></table></div></details>\n");
}

static void channel_maps(fcmae_report_page *page)
{
    int shown = 0;
    for (int i = 0; i < page->count; i++)
        for (int k = 0; k < page->runs[i].gallery_count && shown < 8; k++) {
            if (shown == 0)
                fcmae_text_add(&page->html,
                               "<details><summary>Channel maps</summary><div class=\"tiles\">\n");
            fcmae_report_picture(page, &page->runs[i].galleries[k]);
            shown++;
        }
    if (shown) fcmae_text_add(&page->html, "</div></details>\n");
}

static bool watched(const fcmae_report_page *page)
{
    for (int i = 0; i < page->count; i++)
        if (fcmae_run_data_column(&page->runs[i], "collapse.0")) return true;
    return false;
}

/* what watching cost, from the run's own clock */
static void watch_cost(fcmae_report_page *page)
{
    for (int i = 0; i < page->count; i++) {
        const fcmae_run_data *run = &page->runs[i];
        const fcmae_column *spent = fcmae_run_data_column(run, "collapse_seconds");
        const fcmae_column *elapsed = fcmae_run_data_column(run, "elapsed");
        if (!spent || spent->count == 0 || !elapsed || elapsed->count == 0) continue;
        double sum = 0, total = elapsed->value[elapsed->count - 1];
        for (int64_t k = 0; k < spent->count; k++)
            if (isfinite(spent->value[k])) sum += spent->value[k];
        if (!(total > 0)) continue;
        fcmae_text_add(&page->html, "<p class=\"muted\">");
        fcmae_markup_escape(&page->html, run->name);
        fcmae_text_format(&page->html,
                          ": watching took %.2g %% of the run's time (%lld measurements of %.3g s)"
                          ".</p>\n",
                          100 * sum / total, (long long)spent->count, sum / (double)spent->count);
    }
}

void fcmae_report_collapse(fcmae_report_page *page)
{
    static const char *const tensors[] = {"hidden", "grn", "branch", "output"};
    analysed_model *models = calloc(MODEL_LIMIT, sizeof *models);
    int count = models ? collect_models(page, models) : 0;
    page->html.failed |= !models;
    if (count > 0 || watched(page)) {
        fcmae_report_section(page, "collapse", "Feature collapse");
        fcmae_text_add(&page->html,
                       "<p class=\"muted\">Mean pairwise cosine distance between the channels of a "
                       "layer: 0 when all are alike, 0.5 when they are independent. Dead channels "
                       "count as copies. Bands: two standard errors over the images.</p>\n"
                       "<div class=\"tiles\">\n");
        fcmae_report_watch(page);
        for (int i = 0; i < 4 && count > 0; i++) depth_tile(page, models, count, tensors[i]);
        fcmae_text_add(&page->html, "</div>\n");
        watch_cost(page);
        verdicts(page, models, count);
        if (count > 0) summary_table(page, models, count);
        for (int i = 0; i < count; i++) layer_table(page, &models[i]);
        channel_maps(page);
        fcmae_report_section_end(page);
    }
    free(models);
}
