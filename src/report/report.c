/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * The page: plain HTML written front to back into one text, nothing fetched, no script. The same
 * folders always give the same bytes. Everything that comes from a file is escaped.
 */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "fcmae/analysis.h"
#include "report/markup.h"

#define RECONSTRUCTIONS_SHOWN 8
#define SERIES_COLOURS 6

/* ---- head ---- */

static void head(fcmae_report_page *page)
{
    fcmae_buffer *html = &page->html;
    fcmae_text_add(html,
                   "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    for (int i = 0; i < page->count; i++) {
        if (i) fcmae_text_add(html, ", ");
        fcmae_markup_escape(html, page->runs[i].name);
    }
    fcmae_text_add(html, " - fcmae report</title>\n<style>\n");
    fcmae_text_add(html, fcmae_report_style());
    fcmae_text_add(html, "</style></head>\n<body><main>\n<header><h1>");
    for (int i = 0; i < page->count; i++) {
        if (i) fcmae_text_add(html, ", ");
        fcmae_markup_escape(html, page->runs[i].name);
    }
    fcmae_text_add(html, "</h1>\n<p class=\"muted\">Report of fcmae training runs</p>\n");
}

/* ---- overview ---- */

static double last_finite(const fcmae_column *column)
{
    for (int64_t i = column ? column->count : 0; i-- > 0;)
        if (isfinite(column->value[i])) return column->value[i];
    return NAN;
}

/* mean of the last twentieth: single steps are noisy */
static double closing_mean(const fcmae_column *column)
{
    if (!column || column->count == 0) return NAN;
    int64_t window = column->count / 20 > 0 ? column->count / 20 : 1, n = 0;
    double sum = 0;
    for (int64_t i = column->count - window; i < column->count; i++)
        if (isfinite(column->value[i])) sum += column->value[i], n++;
    return n ? sum / (double)n : NAN;
}

static double best(const fcmae_column *column)
{
    double highest = NAN;
    for (int64_t i = 0; column && i < column->count; i++)
        if (isfinite(column->value[i]) && !(highest >= column->value[i]))
            highest = column->value[i];
    return highest;
}

static int compare_numbers(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

static double median(const fcmae_column *column, fcmae_buffer *html)
{
    if (!column || column->count == 0) return NAN;
    double *sorted = calloc((size_t)column->count, sizeof *sorted);
    int64_t n = 0;
    html->failed |= !sorted;
    for (int64_t i = 0; sorted && i < column->count; i++)
        if (isfinite(column->value[i])) sorted[n++] = column->value[i];
    double middle = NAN;
    if (n > 0) {
        qsort(sorted, (size_t)n, sizeof *sorted, compare_numbers);
        middle = sorted[n / 2];
    }
    free(sorted);
    return middle;
}

static void duration_text(double seconds, char *out, size_t size)
{
    if (!isfinite(seconds))
        out[0] = 0;
    else if (seconds < 120)
        snprintf(out, size, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(out, size, "%.0f min", seconds / 60);
    else
        snprintf(out, size, "%.1f h", seconds / 3600);
}

static void cell(fcmae_buffer *html, const char *format, double value)
{
    char text[40] = "";
    if (isfinite(value)) snprintf(text, sizeof text, format, value);
    fcmae_text_format(html, "<td class=\"n\">%s</td>", text);
}

static double best_accuracy(const fcmae_run_data *run)
{
    return fmax(best(fcmae_run_data_column(run, "val_top1")),
                fmax(best(fcmae_run_data_column(run, "ema_top1")),
                     best(fcmae_run_data_column(run, "top1")))); /* fmax ignores a NAN */
}

static void model_name(const json_t *config, fcmae_buffer *html)
{
    const json_t *model = json_object_get(config, "model");
    const char *name = json_is_string(model) ? json_string_value(model)
                                             : fcmae_json_text(model, "name", "");
    fcmae_markup_escape(html, name);
}

static void overview(fcmae_report_page *page)
{
    fcmae_buffer *html = &page->html;
    fcmae_report_section(page, "overview", "Overview");
    fcmae_text_add(html,
                   "<div class=\"scroll\"><table><thead><tr><th>run</th><th>model</th>"
                   "<th class=\"n\">steps</th><th class=\"n\">epochs</th>"
                   "<th class=\"n\">final loss</th><th class=\"n\">best top-1</th>"
                   "<th class=\"n\">images/s</th><th class=\"n\">time</th></tr></thead><tbody>\n");
    for (int i = 0; i < page->count; i++) {
        const fcmae_run_data *run = &page->runs[i];
        const fcmae_column *loss = fcmae_run_data_column(run, "loss");
        char time[40];
        duration_text(last_finite(fcmae_run_data_column(run, "elapsed")), time, sizeof time);
        fcmae_text_format(html, "<tr><th class=\"name\"><span class=\"key k%d\"></span>",
                          i % SERIES_COLOURS);
        fcmae_markup_escape(html, run->name);
        fcmae_text_add(html, "</th><td>");
        model_name(run->config, html);
        fcmae_text_add(html, "</td>");
        cell(html, "%.0f", loss && loss->count ? loss->step[loss->count - 1] : NAN);
        cell(html, "%.3g", last_finite(fcmae_run_data_column(run, "epoch")));
        cell(html, "%.4f", closing_mean(loss));
        cell(html, "%.2f", best_accuracy(run));
        cell(html, "%.1f", median(fcmae_run_data_column(run, "images_per_s"), html));
        fcmae_text_format(html, "<td class=\"n\">%s</td></tr>\n", time);
    }
    fcmae_text_add(html, "</tbody></table></div>\n<p class=\"muted\">Final loss: mean of the last "
                         "twentieth of the steps. Images/s: median over the steps.</p>\n");
    for (int i = 0; i < page->count; i++)
        if (page->runs[i].bad_lines) {
            fcmae_text_add(html, "<p class=\"warn\">");
            fcmae_markup_escape(html, page->runs[i].name);
            fcmae_text_format(html, ": %lld of %lld log lines are damaged and were skipped.</p>\n",
                              (long long)page->runs[i].bad_lines, (long long)page->runs[i].lines);
        }
    fcmae_report_section_end(page);
}

/* ---- reconstructions ---- */

static void reconstructions(fcmae_report_page *page)
{
    bool any = false;
    for (int i = 0; i < page->count; i++) {
        const fcmae_run_data *run = &page->runs[i];
        int count = run->reconstruction_count;
        int shown = count < RECONSTRUCTIONS_SHOWN ? count : RECONSTRUCTIONS_SHOWN;
        if (count == 0) continue;
        if (!any) {
            fcmae_report_section(page, "reconstructions", "Reconstructions across training");
            any = true;
        }
        if (page->count > 1) {
            fcmae_text_add(&page->html, "<h3>");
            fcmae_markup_escape(&page->html, run->name);
            fcmae_text_add(&page->html, "</h3>\n");
        }
        fcmae_text_add(&page->html, "<div class=\"tiles\">\n");
        for (int k = 0; k < shown; k++) /* evenly spread, the first and the last among them */
            fcmae_report_picture(
                page, &run->reconstructions[shown > 1 ? k * (count - 1) / (shown - 1) : 0]);
        fcmae_text_add(&page->html, "</div>\n");
    }
    if (any) fcmae_report_section_end(page);
}

/* ---- events ---- */

static void events(fcmae_report_page *page)
{
    bool any = false;
    for (int i = 0; i < page->count; i++) {
        size_t k;
        json_t *event;
        json_array_foreach(page->runs[i].events, k, event)
        {
            if (!any) {
                fcmae_report_section(page, "events", "Events");
                fcmae_text_add(&page->html,
                               "<div class=\"scroll\"><table><thead><tr><th>run</th>"
                               "<th class=\"n\">step</th><th>event</th><th>message</th>"
                               "</tr></thead><tbody>\n");
                any = true;
            }
            fcmae_text_add(&page->html, "<tr><td>");
            fcmae_markup_escape(&page->html, page->runs[i].name);
            fcmae_text_add(&page->html, "</td>");
            cell(&page->html, "%.0f", fcmae_json_number(event, "step", NAN));
            fcmae_text_add(&page->html, "<td>");
            fcmae_markup_escape(&page->html, fcmae_json_text(event, "event", ""));
            fcmae_text_add(&page->html, "</td><td>");
            fcmae_markup_escape(&page->html, fcmae_json_text(event, "message", ""));
            fcmae_text_add(&page->html, "</td></tr>\n");
        }
    }
    if (!any) return;
    fcmae_text_add(&page->html, "</tbody></table></div>\n");
    fcmae_report_section_end(page);
}

/* ---- configuration ---- */

/* caller frees; NULL: no memory */
static char *config_text(const fcmae_run_data *run, const char *key)
{
    const json_t *value = json_object_get(run->config, key);
    if (!value) return strdup("");
    if (json_is_string(value)) return strdup(json_string_value(value));
    return fcmae_json_words(value, 15); /* 0.6 stays 0.6 */
}

static void config_row(fcmae_report_page *page, const char *key)
{
    fcmae_buffer *html = &page->html;
    char **texts = calloc((size_t)page->count, sizeof *texts);
    bool differs = false;
    html->failed |= !texts;
    for (int i = 0; texts && i < page->count; i++) {
        texts[i] = config_text(&page->runs[i], key);
        html->failed |= !texts[i];
        differs |= texts[i] && texts[0] && strcmp(texts[i], texts[0]) != 0;
    }
    fcmae_text_format(html, "<tr%s><th>", differs ? " class=\"differs\"" : "");
    fcmae_markup_escape(html, key);
    fcmae_text_add(html, "</th>");
    for (int i = 0; texts && i < page->count; i++) {
        fcmae_text_add(html, "<td>");
        if (texts[i]) fcmae_markup_escape(html, texts[i]);
        fcmae_text_add(html, "</td>");
        free(texts[i]);
    }
    fcmae_text_add(html, "</tr>\n");
    free(texts);
}

static bool has_config(const fcmae_report_page *page)
{
    for (int i = 0; i < page->count; i++)
        if (page->runs[i].config) return true;
    return false;
}

static bool in_earlier_run(const fcmae_report_page *page, int run, const char *key)
{
    for (int i = 0; i < run; i++)
        if (json_object_get(page->runs[i].config, key)) return true;
    return false;
}

static void configuration(fcmae_report_page *page)
{
    if (!has_config(page)) return;
    fcmae_report_section(page, "configuration", "Configuration");
    fcmae_text_add(&page->html, "<div class=\"scroll\"><table class=\"config\"><thead><tr>"
                                "<th>option</th>");
    for (int i = 0; i < page->count; i++) {
        fcmae_text_add(&page->html, "<th>");
        fcmae_markup_escape(&page->html, page->runs[i].name);
        fcmae_text_add(&page->html, "</th>");
    }
    fcmae_text_add(&page->html, "</tr></thead><tbody>\n");
    for (int i = 0; i < page->count; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(page->runs[i].config, key,
                            value) if (strcmp(key, "command") != 0 && !in_earlier_run(page, i, key))
            config_row(page, key);
    }
    fcmae_text_add(&page->html, "</tbody></table></div>\n");
    fcmae_report_section_end(page);
}

static void reproduce(fcmae_report_page *page)
{
    bool any = false;
    for (int i = 0; i < page->count; i++) {
        const json_t *command = json_object_get(page->runs[i].config, "command");
        if (!command) continue;
        if (!any) {
            fcmae_report_section(page, "reproduce", "Reproduce");
            any = true;
        }
        char *text = config_text(&page->runs[i], "command");
        fcmae_text_add(&page->html, "<h3>");
        fcmae_markup_escape(&page->html, page->runs[i].name);
        fcmae_text_add(&page->html, "</h3>\n<pre>");
        if (text)
            fcmae_markup_escape(&page->html, text);
        else
            page->html.failed = true;
        fcmae_text_add(&page->html, "</pre>\n");
        free(text);
    }
    if (any) fcmae_report_section_end(page);
}

/* ---- the page ---- */

/* links to the sections that were written */
static void navigation(const fcmae_buffer *body, fcmae_buffer *html)
{
    static const char *const sections[][2] = {
        {"overview", "Overview"},  {"curves", "Curves"},
        {"collapse", "Collapse"},  {"reconstructions", "Reconstructions"},
        {"events", "Events"},      {"configuration", "Configuration"},
        {"reproduce", "Reproduce"}};
    fcmae_text_add(html, "<nav>");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        char mark[60];
        snprintf(mark, sizeof mark, "<section id=\"%s\">", sections[i][0]);
        if (body->text && strstr(body->text, mark))
            fcmae_text_format(html, "<a href=\"#%s\">%s</a>\n", sections[i][0], sections[i][1]);
    }
    fcmae_text_add(html, "</nav></header>\n");
}

static fcmae_status write_page(const fcmae_run_data *runs, int count, const char *output,
                               const fcmae_log *log, fcmae_error *error)
{
    fcmae_report_page body = {.runs = runs, .count = count, .log = log};
    fcmae_report_page page = body;
    overview(&body);
    fcmae_report_curves(&body);
    fcmae_report_collapse(&body);
    reconstructions(&body);
    events(&body);
    configuration(&body);
    reproduce(&body);
    head(&page);
    navigation(&body.html, &page.html);
    if (body.html.bytes) fcmae_buffer_add(&page.html, body.html.bytes, body.html.size);
    fcmae_text_add(&page.html, "</main></body></html>\n");
    fcmae_status status = body.error.status;
    if (status != FCMAE_OK)
        fcmae_fail(error, status, "%s", body.error.message);
    else if (page.html.failed || body.html.failed)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "report: out of memory");
    else
        status = fcmae_file_write(output, page.html.bytes, page.html.size, error);
    fcmae_buffer_release(&body.html);
    fcmae_buffer_release(&page.html);
    return status;
}

fcmae_status fcmae_report_write(const char *const *runs, int count, const char *output,
                                const fcmae_log *log, fcmae_error *error)
{
    if (count < 1 || count > 64)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "report: %d runs were given; 1 to 64 are possible", count);
    fcmae_run_data *data = calloc((size_t)count, sizeof *data);
    if (!data) return fcmae_fail(error, FCMAE_ERR_MEMORY, "report: out of memory");
    fcmae_status status = FCMAE_OK;
    for (int i = 0; status == FCMAE_OK && i < count; i++)
        status = fcmae_run_data_read(&data[i], runs[i], log, error);
    if (status == FCMAE_OK) status = write_page(data, count, output, log, error);
    for (int i = 0; i < count; i++) fcmae_run_data_release(&data[i]);
    free(data);
    return status;
}
