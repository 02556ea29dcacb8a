/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Canvas: the few strokes charts and galleries are made of, onto a PNG or an SVG.
 *
 * PNGs are drawn by cairo (canvas_png.c, the one file that includes it). SVGs are written by hand
 * (canvas_svg.c): cairo turns every letter into an outline, so its files are large, cannot be
 * searched or restyled, and the names of its glyphs clash when several stand in one page. Every
 * shape carries a class (ink-<n>, see fcmae_ink) beside its colour, by which a page with a style
 * sheet of its own (the report, dark theme) recolours it.
 *
 * Coordinates are in pixels, y downwards. Colours are roles, not numbers.
 */
#ifndef FCMAE_REPORT_CANVAS_H
#define FCMAE_REPORT_CANVAS_H

#include "core/text.h"

typedef enum fcmae_ink {
    FCMAE_INK_PAPER, /**< background            */
    FCMAE_INK_TEXT,  /**< titles, labels        */
    FCMAE_INK_MUTED, /**< tick labels, captions */
    FCMAE_INK_GRID,  /**< grid lines, axes      */
    FCMAE_INK_SERIES /**< + 0 .. FCMAE_SERIES_INKS - 1 */
} fcmae_ink;

/** Okabe and Ito's palette without yellow and black: distinct for every kind of colour vision. */
#define FCMAE_SERIES_INKS 6

typedef enum fcmae_marker {
    FCMAE_MARKER_CIRCLE,
    FCMAE_MARKER_SQUARE,
    FCMAE_MARKER_TRIANGLE,
    FCMAE_MARKER_DIAMOND
} fcmae_marker;

typedef struct fcmae_point {
    double x, y;
} fcmae_point;

/** How a line of text stands. */
typedef struct fcmae_lettering {
    double size;        /**< pixels                                             */
    double anchor;      /**< 0: starts at x; 0.5: centred; 1: ends at x         */
    bool bold, upwards; /**< upwards: turned a quarter to the left         */
    int ink;
} fcmae_lettering;

typedef struct fcmae_canvas fcmae_canvas;

/** @param scale  device pixels per pixel. NULL if memory is short. */
fcmae_canvas *fcmae_canvas_create_png(int width, int height, double scale);
/** @param label  described picture for screen readers. */
fcmae_canvas *fcmae_canvas_create_svg(int width, int height, const char *label);

void fcmae_canvas_rectangle(fcmae_canvas *canvas, double x, double y, double width, double height,
                            int ink);
/** A polyline; `dash` 0: solid, 1 .. 3: dash patterns. */
void fcmae_canvas_line(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink,
                       double width, int dash);
/** A filled polygon, translucent. */
void fcmae_canvas_area(fcmae_canvas *canvas, const fcmae_point *points, int64_t count, int ink);
/** @param note  shown by browsers when pointed at; may be NULL. */
void fcmae_canvas_marker(fcmae_canvas *canvas, double x, double y, double size, fcmae_marker shape,
                         int ink, const char *note);
/** y is the base line. */
void fcmae_canvas_text(fcmae_canvas *canvas, double x, double y, fcmae_lettering lettering,
                       const char *string);
/** RGB pixels [height, width, 3], each drawn as one device pixel / scale. PNG only. */
void fcmae_canvas_pixels(fcmae_canvas *canvas, double x, double y, const uint8_t *rgb, int width,
                         int height);

/** Appends the finished file. */
fcmae_status fcmae_canvas_finish(fcmae_canvas *canvas, fcmae_buffer *out, fcmae_error *error);
void fcmae_canvas_destroy(fcmae_canvas **canvas);

/** Width of a line of text, estimated: 0.55 of its size per character. */
double fcmae_text_width(const char *string, double size);
/** 0xRRGGBB of an ink on light paper. */
uint32_t fcmae_ink_colour(int ink);

/* ---- for the two kinds of canvas ---- */

typedef struct fcmae_canvas_operations {
    void (*rectangle)(fcmae_canvas *, double, double, double, double, int);
    void (*line)(fcmae_canvas *, const fcmae_point *, int64_t, int, double, int);
    void (*area)(fcmae_canvas *, const fcmae_point *, int64_t, int);
    void (*marker)(fcmae_canvas *, double, double, double, fcmae_marker, int, const char *);
    void (*text)(fcmae_canvas *, double, double, fcmae_lettering, const char *);
    void (*pixels)(fcmae_canvas *, double, double, const uint8_t *, int, int);
    fcmae_status (*finish)(fcmae_canvas *, fcmae_buffer *, fcmae_error *);
    void (*destroy)(fcmae_canvas *);
} fcmae_canvas_operations;

struct fcmae_canvas {
    const fcmae_canvas_operations *operations;
    int width, height;
};

/** Corners of a marker that is not a circle; returns their number. */
int fcmae_marker_corners(fcmae_marker shape, double x, double y, double size, fcmae_point out[4]);
/** On and off lengths of a dash pattern. */
void fcmae_dash_lengths(int dash, double out[2]);

#endif
