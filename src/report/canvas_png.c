/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The doorway to cairo: no other file includes it. */
#include <cairo.h>
#include <stdlib.h>
#include <string.h>

#include "report/canvas.h"

typedef struct png_canvas {
    fcmae_canvas base;
    cairo_surface_t *surface;
    cairo_t *cairo;
    double scale;
} png_canvas;

static cairo_t *cairo_of(fcmae_canvas *canvas)
{
    return ((png_canvas *)canvas)->cairo;
}

static void set_ink(cairo_t *cairo, int ink, double opacity)
{
    uint32_t colour = fcmae_ink_colour(ink);
    cairo_set_source_rgba(cairo, (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0,
                          (colour & 255) / 255.0, opacity);
}

static void trace(cairo_t *cairo, const fcmae_point *points, int64_t count)
{
    cairo_new_path(cairo);
    for (int64_t i = 0; i < count; i++) cairo_line_to(cairo, points[i].x, points[i].y);
}

static void rectangle(fcmae_canvas *canvas, double x, double y, double width, double height,
                      int ink)
{
    cairo_t *cairo = cairo_of(canvas);
    set_ink(cairo, ink, 1);
    cairo_rectangle(cairo, x, y, width, height);
    cairo_fill(cairo);
}

static void line(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink,
                 double width, int dash)
{
    cairo_t *cairo = cairo_of(canvas);
    double lengths[2];
    fcmae_dash_lengths(dash, lengths);
    set_ink(cairo, ink, 1);
    cairo_set_line_width(cairo, width);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
    cairo_set_dash(cairo, lengths, dash ? 2 : 0, 0);
    trace(cairo, points, count);
    cairo_stroke(cairo);
    cairo_set_dash(cairo, NULL, 0, 0);
}

static void area(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink)
{
    set_ink(cairo_of(canvas), ink, 0.18);
    trace(cairo_of(canvas), points, count);
    cairo_fill(cairo_of(canvas));
}

static void marker(fcmae_canvas *canvas, double x, double y, double size, fcmae_marker shape,
                   int ink, const char *note)
{
    (void)note;
    fcmae_point corners[4];
    int count = fcmae_marker_corners(shape, x, y, size, corners);
    set_ink(cairo_of(canvas), ink, 1);
    if (count) {
        trace(cairo_of(canvas), corners, count);
    } else {
        cairo_new_path(cairo_of(canvas));
        cairo_arc(cairo_of(canvas), x, y, size / 2, 0, 6.283185307179586);
    }
    cairo_fill(cairo_of(canvas));
}

static void write_text(fcmae_canvas *canvas, double x, double y, fcmae_lettering lettering,
                       const char *string)
{
    cairo_t *cairo = cairo_of(canvas);
    fcmae_buffer clean = {0}; /* cairo goes into an error state on broken UTF-8 */
    fcmae_text_clean(&clean, string);
    const char *shown = clean.failed ? "" : clean.text;
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           lettering.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, lettering.size);
    set_ink(cairo, lettering.ink, 1);
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, shown, &extents);
    cairo_save(cairo);
    cairo_translate(cairo, x, y);
    if (lettering.upwards) cairo_rotate(cairo, -1.5707963267948966);
    cairo_move_to(cairo, -lettering.anchor * extents.x_advance, 0);
    cairo_show_text(cairo, shown);
    cairo_restore(cairo);
    fcmae_buffer_release(&clean);
}

static void pixels(fcmae_canvas *canvas, double x, double y, const uint8_t *rgb, int width,
                   int height)
{
    png_canvas *self = (png_canvas *)canvas;
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
        unsigned char *data = cairo_image_surface_get_data(image);
        int stride = cairo_image_surface_get_stride(image);
        for (int row = 0; row < height; row++)
            for (int column = 0; column < width; column++) {
                const uint8_t *p = rgb + 3 * ((size_t)row * (size_t)width + (size_t)column);
                uint32_t value = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
                memcpy(data + (size_t)row * (size_t)stride + 4 * (size_t)column, &value, 4);
            }
        cairo_surface_mark_dirty(image);
        cairo_save(self->cairo);
        cairo_translate(self->cairo, x, y);
        cairo_scale(self->cairo, 1 / self->scale, 1 / self->scale);
        cairo_set_source_surface(self->cairo, image, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(self->cairo), CAIRO_FILTER_NEAREST);
        cairo_paint(self->cairo);
        cairo_restore(self->cairo);
    }
    cairo_surface_destroy(image);
}

static cairo_status_t collect(void *closure, const unsigned char *data, unsigned int length)
{
    fcmae_buffer *out = closure;
    fcmae_buffer_add(out, data, length);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

static fcmae_status finish(fcmae_canvas *canvas, fcmae_buffer *out, fcmae_error *error)
{
    png_canvas *self = (png_canvas *)canvas;
    cairo_status_t status = cairo_status(self->cairo);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(self->surface, collect, out);
    if (status != CAIRO_STATUS_SUCCESS)
        return fcmae_fail(error, status == CAIRO_STATUS_NO_MEMORY ? FCMAE_ERR_MEMORY : FCMAE_ERR_IO,
                          "drawing a picture of %d x %d pixels: %s", canvas->width, canvas->height,
                          cairo_status_to_string(status));
    return FCMAE_OK;
}

static void destroy(fcmae_canvas *canvas)
{
    png_canvas *self = (png_canvas *)canvas;
    cairo_destroy(self->cairo);
    cairo_surface_destroy(self->surface);
    free(self);
}

static const fcmae_canvas_operations operations = {rectangle,  line,   area,   marker,
                                                   write_text, pixels, finish, destroy};

fcmae_canvas *fcmae_canvas_create_png(int width, int height, double scale)
{
    png_canvas *canvas = calloc(1, sizeof *canvas);
    if (!canvas) return NULL;
    canvas->base = (fcmae_canvas){&operations, width, height};
    canvas->scale = scale;
    canvas->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(width * scale),
                                                 (int)(height * scale));
    canvas->cairo = cairo_create(canvas->surface); /* a failure shows in its status: see finish */
    cairo_scale(canvas->cairo, scale, scale);
    rectangle(&canvas->base, 0, 0, width, height, FCMAE_INK_PAPER);
    return &canvas->base;
}
