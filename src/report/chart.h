/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Line charts: axes, ticks, grid, legend, bands. */
#ifndef FCMAE_REPORT_CHART_H
#define FCMAE_REPORT_CHART_H

#include "report/canvas.h"

/** One curve. Points that are not finite break the line. */
typedef struct fcmae_series {
    const char *label;
    const double *x, *y;      /**< [count]                                       */
    const double *low, *high; /**< [count] band around the line, or both NULL     */
    int64_t count;
    int colour, dash; /**< colour modulo FCMAE_SERIES_INKS               */
    bool markers;
} fcmae_series;

typedef struct fcmae_chart {
    const char *title, *x_label, *y_label; /**< NULL: none */
    const fcmae_series *series;
    int count;
    bool from_zero; /**< the y axis includes 0                       */
    double y_top;   /**< the y axis reaches at least this; 0: free   */
    int width, height;
} fcmae_chart;

/** Appends the chart as SVG. */
fcmae_status fcmae_chart_svg(const fcmae_chart *chart, fcmae_buffer *out, fcmae_error *error);
/** Appends the chart as PNG, two device pixels per pixel. */
fcmae_status fcmae_chart_png(const fcmae_chart *chart, fcmae_buffer *out, fcmae_error *error);

/** Distance between ticks: 1, 2 or 5 times a power of ten, giving at most about `most` of them. */
double fcmae_tick_step(double low, double high, int most);
/** Short text of a tick value: "0.05", "1500", "2e-4", "1.5M". */
void fcmae_tick_label(double value, double step, char *out, size_t size);

#endif
