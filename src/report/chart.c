/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_SIZE 15.0
#define LABEL_SIZE 13.0
#define TICK_SIZE 12.0

typedef struct plot_frame {
    double left, top, right, bottom;     /* plot area in pixels */
    double x_low, x_high, y_low, y_high; /* its values          */
    double x_step, y_step;
} plot_frame;

double fcmae_tick_step(double low, double high, int most)
{
    double span = high - low;
    if (!(span > 0) || !isfinite(span)) return 1;
    double power = pow(10, floor(log10(span / most)));
    static const double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (span / (power * factors[i]) <= most) return power * factors[i];
    return power * 10;
}

void fcmae_tick_label(double value, double step, char *out, size_t size)
{
    double magnitude = fabs(value) < step * 1e-9 ? 0 : fabs(value);
    if (magnitude == 0) {
        snprintf(out, size, "0");
    } else if (magnitude >= 1e6 && fmod(step, 1e4) == 0) {
        snprintf(out, size, "%gM", value / 1e6);
    } else if (magnitude >= 1e5 && fmod(step, 100) == 0) {
        snprintf(out, size, "%gk", value / 1e3);
    } else if ((step < 1e-3 && magnitude < 0.1) || step < 1e-6 || magnitude >= 1e9) {
        int digits = (int)(floor(log10(magnitude)) - floor(log10(step)));
        snprintf(out, size, "%.*e", digits > 0 ? digits : 0, value);
        char *e = strchr(out, 'e'); /* 2e-04 -> 2e-4 */
        if (e) {
            int exponent = atoi(e + 1);
            snprintf(e, size - (size_t)(e - out), "e%d", exponent);
        }
    } else {
        int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
        snprintf(out, size, "%.*f", decimals, value);
    }
}

static void extend(double value, double *low, double *high)
{
    if (!isfinite(value)) return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

static void find_ranges(const fcmae_chart *chart, plot_frame *frame)
{
    frame->x_low = frame->y_low = INFINITY;
    frame->x_high = frame->y_high = -INFINITY;
    for (int i = 0; i < chart->count; i++) {
        const fcmae_series *series = &chart->series[i];
        for (int64_t k = 0; k < series->count; k++) {
            if (!isfinite(series->y[k])) continue;
            extend(series->x[k], &frame->x_low, &frame->x_high);
            extend(series->y[k], &frame->y_low, &frame->y_high);
            if (series->low) extend(series->low[k], &frame->y_low, &frame->y_high);
            if (series->high) extend(series->high[k], &frame->y_low, &frame->y_high);
        }
    }
    if (!(frame->x_low <= frame->x_high)) frame->x_low = 0, frame->x_high = 1;
    if (!(frame->y_low <= frame->y_high)) frame->y_low = 0, frame->y_high = 1;
    if (chart->from_zero) extend(0, &frame->y_low, &frame->y_high);
    if (chart->y_top > 0) extend(chart->y_top, &frame->y_low, &frame->y_high);
    if (frame->x_high - frame->x_low <= 1e-12 * fabs(frame->x_high))
        frame->x_high = frame->x_low + 1;
    if (frame->y_high - frame->y_low <= 1e-9 * fabs(frame->y_high) ||
        frame->y_high == frame->y_low) {
        double pad = frame->y_high != 0 ? fabs(frame->y_high) * 0.1 : 1;
        frame->y_low -= pad;
        frame->y_high += pad;
    }
    frame->x_step = fcmae_tick_step(frame->x_low, frame->x_high, chart->width / 80);
    frame->y_step = fcmae_tick_step(frame->y_low, frame->y_high, chart->height / 50);
    frame->y_low = floor(frame->y_low / frame->y_step + 1e-9) * frame->y_step;
    frame->y_high = ceil(frame->y_high / frame->y_step - 1e-9) * frame->y_step;
}

static double place_x(const plot_frame *frame, double x)
{
    return frame->left +
           (x - frame->x_low) / (frame->x_high - frame->x_low) * (frame->right - frame->left);
}

static double place_y(const plot_frame *frame, double y)
{
    return frame->bottom -
           (y - frame->y_low) / (frame->y_high - frame->y_low) * (frame->bottom - frame->top);
}

static double legend_entry_width(const fcmae_series *series)
{
    return 30 + fcmae_text_width(series->label, TICK_SIZE) + 16;
}

/* draws the legend from `top`, or with canvas NULL only measures; returns the y below it */
static double legend(fcmae_canvas *canvas, const fcmae_chart *chart, double left, double top)
{
    if (chart->count < 2) return top;
    double x = left, y = top + TICK_SIZE;
    for (int i = 0; i < chart->count; i++) {
        const fcmae_series *series = &chart->series[i];
        double width = legend_entry_width(series);
        if (x > left && x + width > chart->width) {
            x = left;
            y += TICK_SIZE + 6;
        }
        if (canvas) {
            int ink = FCMAE_INK_SERIES + series->colour % FCMAE_SERIES_INKS;
            fcmae_point stroke[2] = {{x, y - 4}, {x + 24, y - 4}};
            fcmae_canvas_line(canvas, stroke, 2, ink, 2.2, series->dash);
            if (series->markers)
                fcmae_canvas_marker(canvas, x + 12, y - 4, 7, (fcmae_marker)(series->colour % 4),
                                    ink, NULL);
            fcmae_canvas_text(canvas, x + 30, y,
                              (fcmae_lettering){.size = TICK_SIZE, .ink = FCMAE_INK_TEXT},
                              series->label);
        }
        x += width;
    }
    return y + 8;
}

static double widest_tick(const plot_frame *frame)
{
    double widest = 0;
    for (double y = frame->y_low; y <= frame->y_high + frame->y_step / 2; y += frame->y_step) {
        char label[32];
        fcmae_tick_label(y, frame->y_step, label, sizeof label);
        widest = fmax(widest, fcmae_text_width(label, TICK_SIZE));
    }
    return widest * 1.1;
}

static void axes(fcmae_canvas *canvas, const fcmae_chart *chart, const plot_frame *frame)
{
    char label[32];
    fcmae_lettering tick = {.size = TICK_SIZE, .anchor = 1, .ink = FCMAE_INK_MUTED};
    int64_t rows = llround((frame->y_high - frame->y_low) / frame->y_step);
    for (int64_t i = 0; i <= rows && i < 100; i++) {
        double value = frame->y_low + (double)i * frame->y_step, y = place_y(frame, value);
        fcmae_point rule[2] = {{frame->left, y}, {frame->right, y}};
        fcmae_canvas_line(canvas, rule, 2, FCMAE_INK_GRID, 1, 0);
        fcmae_tick_label(value, frame->y_step, label, sizeof label);
        fcmae_canvas_text(canvas, frame->left - 7, y + 4, tick, label);
    }
    tick.anchor = 0.5;
    double first = ceil(frame->x_low / frame->x_step - 1e-9) * frame->x_step;
    for (int i = 0; i < 100; i++) {
        double value = first + i * frame->x_step;
        if (value > frame->x_high + frame->x_step * 1e-6) break;
        double x = place_x(frame, value);
        fcmae_point mark[2] = {{x, frame->bottom}, {x, frame->bottom + 4}};
        fcmae_canvas_line(canvas, mark, 2, FCMAE_INK_GRID, 1, 0);
        fcmae_tick_label(value, frame->x_step, label, sizeof label);
        fcmae_canvas_text(canvas, x, frame->bottom + 18, tick, label);
    }
    fcmae_lettering name = {.size = LABEL_SIZE, .anchor = 0.5, .ink = FCMAE_INK_TEXT};
    if (chart->x_label)
        fcmae_canvas_text(canvas, (frame->left + frame->right) / 2, chart->height - 8, name,
                          chart->x_label);
    name.upwards = true;
    if (chart->y_label)
        fcmae_canvas_text(canvas, 15, (frame->top + frame->bottom) / 2, name, chart->y_label);
}

static void band(fcmae_canvas *canvas, const plot_frame *frame, const fcmae_series *series,
                 int64_t first, int64_t last, fcmae_point *points, int ink)
{
    int64_t count = 0;
    for (int64_t i = first; i < last; i++)
        if (isfinite(series->low[i]) && isfinite(series->high[i]))
            points[count++] = (fcmae_point){place_x(frame, series->x[i]),
                                            place_y(frame, series->low[i])};
    for (int64_t i = last; i-- > first;)
        if (isfinite(series->low[i]) && isfinite(series->high[i]))
            points[count++] = (fcmae_point){place_x(frame, series->x[i]),
                                            place_y(frame, series->high[i])};
    fcmae_canvas_area(canvas, points, count, ink);
}

/** @return false if memory is short */
static bool draw_series(fcmae_canvas *canvas, const plot_frame *frame, const fcmae_series *series)
{
    int ink = FCMAE_INK_SERIES + series->colour % FCMAE_SERIES_INKS;
    fcmae_point *points = calloc((size_t)series->count * 2 + 1, sizeof *points);
    if (!points) return false;
    for (int64_t first = 0; first < series->count;) {
        if (!isfinite(series->x[first]) || !isfinite(series->y[first])) {
            first++;
            continue;
        }
        int64_t last = first;
        while (last < series->count && isfinite(series->x[last]) && isfinite(series->y[last]))
            last++;
        if (series->low && series->high) band(canvas, frame, series, first, last, points, ink);
        for (int64_t i = first; i < last; i++)
            points[i - first] = (fcmae_point){place_x(frame, series->x[i]),
                                              place_y(frame, series->y[i])};
        fcmae_canvas_line(canvas, points, last - first, ink, 2.2, series->dash);
        for (int64_t i = first; i < last && (series->markers || last - first == 1); i++) {
            char note[200];
            snprintf(note, sizeof note, "%s: %.4g at %.4g", series->label ? series->label : "",
                     series->y[i], series->x[i]);
            fcmae_canvas_marker(canvas, points[i - first].x, points[i - first].y, 7,
                                (fcmae_marker)(series->colour % 4), ink, note);
        }
        first = last;
    }
    free(points);
    return true;
}

/** Draws onto the whole canvas; its size is chart->width x chart->height. Likewise. */
static bool draw(fcmae_canvas *canvas, const fcmae_chart *chart)
{
    plot_frame frame;
    find_ranges(chart, &frame);
    frame.left = 14 + (chart->y_label ? LABEL_SIZE + 6 : 0) + widest_tick(&frame);
    frame.right = chart->width - 18;
    frame.bottom = chart->height - (chart->x_label ? 48 : 28);
    double top = 10;
    if (chart->title) {
        fcmae_canvas_text(
            canvas, 10, top + TITLE_SIZE,
            (fcmae_lettering){.size = TITLE_SIZE, .bold = true, .ink = FCMAE_INK_TEXT},
            chart->title);
        top += TITLE_SIZE + 12;
    }
    top = legend(canvas, chart, 12, top);
    frame.top = top + 8;
    axes(canvas, chart, &frame);
    for (int i = 0; i < chart->count; i++)
        if (!draw_series(canvas, &frame, &chart->series[i])) return false;
    return true;
}

static fcmae_status render(fcmae_canvas *canvas, const fcmae_chart *chart, fcmae_buffer *out,
                           fcmae_error *error)
{
    if (!canvas) return fcmae_fail(error, FCMAE_ERR_MEMORY, "drawing a chart: out of memory");
    fcmae_status status = draw(canvas, chart) ? fcmae_canvas_finish(canvas, out, error)
                                              : fcmae_fail(error, FCMAE_ERR_MEMORY,
                                                           "drawing a chart: out of memory");
    fcmae_canvas_destroy(&canvas);
    return status;
}

fcmae_status fcmae_chart_svg(const fcmae_chart *chart, fcmae_buffer *out, fcmae_error *error)
{
    fcmae_canvas *canvas = fcmae_canvas_create_svg(chart->width, chart->height,
                                                   chart->title ? chart->title : "chart");
    if (canvas) fcmae_canvas_rectangle(canvas, 0, 0, chart->width, chart->height, FCMAE_INK_PAPER);
    return render(canvas, chart, out, error);
}

fcmae_status fcmae_chart_png(const fcmae_chart *chart, fcmae_buffer *out, fcmae_error *error)
{
    return render(fcmae_canvas_create_png(chart->width, chart->height, 2), chart, out, error);
}
