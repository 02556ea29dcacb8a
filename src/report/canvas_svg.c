/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "report/canvas.h"
#include "report/markup.h"

typedef struct svg_canvas {
    fcmae_canvas base;
    fcmae_buffer text;
} svg_canvas;

static fcmae_buffer *text_of(fcmae_canvas *canvas)
{
    return &((svg_canvas *)canvas)->text;
}

static void rectangle(fcmae_canvas *canvas, double x, double y, double width, double height,
                      int ink)
{
    fcmae_text_format(
        text_of(canvas),
        "<rect class=\"fill-%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
        "fill=\"#%06x\"/>\n",
        ink, x, y, width, height, fcmae_ink_colour(ink));
}

static void points_attribute(fcmae_buffer *text, const fcmae_point *points, int64_t count)
{
    fcmae_text_add(text, " points=\"");
    for (int64_t i = 0; i < count; i++)
        fcmae_text_format(text, "%s%.1f,%.1f", i ? " " : "", points[i].x, points[i].y);
    fcmae_text_add(text, "\"");
}

static void line(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink,
                 double width, int dash)
{
    fcmae_buffer *text = text_of(canvas);
    fcmae_text_format(text,
                      "<polyline class=\"line-%d\" fill=\"none\" stroke=\"#%06x\" "
                      "stroke-width=\"%g\" stroke-linejoin=\"round\" stroke-linecap=\"round\"",
                      ink, fcmae_ink_colour(ink), width);
    if (dash) {
        double lengths[2];
        fcmae_dash_lengths(dash, lengths);
        fcmae_text_format(text, " stroke-dasharray=\"%g %g\"", lengths[0], lengths[1]);
    }
    points_attribute(text, points, count);
    fcmae_text_add(text, "/>\n");
}

static void area(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink)
{
    fcmae_buffer *text = text_of(canvas);
    fcmae_text_format(text, "<polygon class=\"fill-%d\" fill=\"#%06x\" fill-opacity=\"0.18\"", ink,
                      fcmae_ink_colour(ink));
    points_attribute(text, points, count);
    fcmae_text_add(text, "/>\n");
}

static void marker(fcmae_canvas *canvas, double x, double y, double size, fcmae_marker shape,
                   int ink, const char *note)
{
    fcmae_buffer *text = text_of(canvas);
    fcmae_point corners[4];
    int count = fcmae_marker_corners(shape, x, y, size, corners);
    const char *element = count ? "polygon" : "circle";
    fcmae_text_format(text, "<%s class=\"fill-%d\" fill=\"#%06x\"", element, ink,
                      fcmae_ink_colour(ink));
    if (count)
        points_attribute(text, corners, count);
    else
        fcmae_text_format(text, " cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", x, y, size / 2);
    if (note) {
        fcmae_text_add(text, "><title>");
        fcmae_markup_escape(text, note);
        fcmae_text_format(text, "</title></%s>\n", element);
    } else {
        fcmae_text_add(text, "/>\n");
    }
}

static void write_text(fcmae_canvas *canvas, double x, double y, fcmae_lettering lettering,
                       const char *string)
{
    fcmae_buffer *text = text_of(canvas);
    const char *anchor = lettering.anchor < 0.25   ? "start"
                         : lettering.anchor < 0.75 ? "middle"
                                                   : "end";
    fcmae_text_format(text,
                      "<text class=\"fill-%d\" x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" "
                      "text-anchor=\"%s\" fill=\"#%06x\"",
                      lettering.ink, x, y, lettering.size, anchor, fcmae_ink_colour(lettering.ink));
    if (lettering.bold) fcmae_text_add(text, " font-weight=\"600\"");
    if (lettering.upwards) fcmae_text_format(text, " transform=\"rotate(-90 %.1f %.1f)\"", x, y);
    fcmae_text_add(text, ">");
    fcmae_markup_escape(text, string);
    fcmae_text_add(text, "</text>\n");
}

static void pixels(fcmae_canvas *canvas, double x, double y, const uint8_t *rgb, int width,
                   int height)
{
    (void)canvas, (void)x, (void)y, (void)rgb, (void)width, (void)height; /* PNG only */
}

static fcmae_status finish(fcmae_canvas *canvas, fcmae_buffer *out, fcmae_error *error)
{
    fcmae_buffer *text = text_of(canvas);
    fcmae_text_add(text, "</svg>\n");
    if (!text->failed) fcmae_buffer_add(out, text->bytes, text->size);
    if (text->failed || out->failed)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "drawing a chart: out of memory");
    return FCMAE_OK;
}

static void destroy(fcmae_canvas *canvas)
{
    fcmae_buffer_release(text_of(canvas));
    free(canvas);
}

static const fcmae_canvas_operations operations = {rectangle,  line,   area,   marker,
                                                   write_text, pixels, finish, destroy};

fcmae_canvas *fcmae_canvas_create_svg(int width, int height, const char *label)
{
    svg_canvas *canvas = calloc(1, sizeof *canvas);
    if (!canvas) return NULL;
    canvas->base = (fcmae_canvas){&operations, width, height};
    fcmae_text_format(
        &canvas->text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
        "width=\"%d\" height=\"%d\" role=\"img\" font-family=\"system-ui, "
        "-apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" aria-label=\"",
        width, height, width, height);
    fcmae_markup_escape(&canvas->text, label);
    fcmae_text_add(&canvas->text, "\">\n");
    return &canvas->base;
}
