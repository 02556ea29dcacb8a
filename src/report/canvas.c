/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "report/canvas.h"

uint32_t fcmae_ink_colour(int ink)
{
    static const uint32_t colours[FCMAE_INK_SERIES + FCMAE_SERIES_INKS] = {
        0xFFFFFF, 0x1B1F24, 0x59636E, 0xD1D9E0, 0x0072B2,
        0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9};
    return ink >= 0 && ink < FCMAE_INK_SERIES + FCMAE_SERIES_INKS ? colours[ink] : 0;
}

double fcmae_text_width(const char *string, double size)
{
    int characters = 0;
    for (; *string; string++) characters += ((unsigned char)*string & 0xC0) != 0x80;
    return 0.55 * size * characters;
}

int fcmae_marker_corners(fcmae_marker shape, double x, double y, double size, fcmae_point out[4])
{
    double r = size / 2;
    switch (shape) {
    case FCMAE_MARKER_SQUARE:
        r *= 0.9;
        out[0] = (fcmae_point){x - r, y - r};
        out[1] = (fcmae_point){x + r, y - r};
        out[2] = (fcmae_point){x + r, y + r};
        out[3] = (fcmae_point){x - r, y + r};
        return 4;
    case FCMAE_MARKER_TRIANGLE:
        out[0] = (fcmae_point){x, y - 1.15 * r};
        out[1] = (fcmae_point){x + 1.1 * r, y + 0.8 * r};
        out[2] = (fcmae_point){x - 1.1 * r, y + 0.8 * r};
        return 3;
    case FCMAE_MARKER_DIAMOND:
        r *= 1.25;
        out[0] = (fcmae_point){x, y - r};
        out[1] = (fcmae_point){x + r, y};
        out[2] = (fcmae_point){x, y + r};
        out[3] = (fcmae_point){x - r, y};
        return 4;
    case FCMAE_MARKER_CIRCLE: break;
    }
    return 0;
}

void fcmae_dash_lengths(int dash, double out[2])
{
    static const double lengths[4][2] = {{1, 0}, {6, 4}, {2, 3}, {10, 4}};
    out[0] = lengths[dash & 3][0];
    out[1] = lengths[dash & 3][1];
}

void fcmae_canvas_rectangle(fcmae_canvas *canvas, double x, double y, double width, double height,
                            int ink)
{
    canvas->operations->rectangle(canvas, x, y, width, height, ink);
}

void fcmae_canvas_line(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink,
                       double width, int dash)
{
    if (count > 1) canvas->operations->line(canvas, points, count, ink, width, dash);
}

void fcmae_canvas_area(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink)
{
    if (count > 2) canvas->operations->area(canvas, points, count, ink);
}

void fcmae_canvas_marker(fcmae_canvas *canvas, double x, double y, double size, fcmae_marker shape,
                         int ink, const char *note)
{
    canvas->operations->marker(canvas, x, y, size, shape, ink, note);
}

void fcmae_canvas_text(fcmae_canvas *canvas, double x, double y, fcmae_lettering lettering,
                       const char *string)
{
    canvas->operations->text(canvas, x, y, lettering, string);
}

void fcmae_canvas_pixels(fcmae_canvas *canvas, double x, double y, const uint8_t *rgb, int width,
                         int height)
{
    canvas->operations->pixels(canvas, x, y, rgb, width, height);
}

fcmae_status fcmae_canvas_finish(fcmae_canvas *canvas, fcmae_buffer *out, fcmae_error *error)
{
    return canvas->operations->finish(canvas, out, error);
}

void fcmae_canvas_destroy(fcmae_canvas **canvas)
{
    if (!canvas || !*canvas) return;
    (*canvas)->operations->destroy(*canvas);
    *canvas = NULL;
}
