/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Like figure 3 of the ConvNeXt V2 paper, with the scale stated. A map is shown as |value| over the
 * largest |value| of its channel in this image: 0 is dark, so a channel that answers nowhere is
 * dark (and crossed out, since a dead channel's remaining noise would otherwise be blown up to full
 * brightness) and one that answers everywhere alike is bright all over. Stretching each channel
 * between its own minimum and maximum instead would make a saturated channel look lively.
 */
#include "report/gallery.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/canvas.h"

#define SCALE 2 /* device pixels per pixel */
#define CELL 22 /* pixels per map          */
#define GAP 2   /* between maps            */
#define PANEL_GAP 22
#define CAPTION 22
#define MARGIN 16

static const uint8_t removed_colour[3] = {0xB4, 0xB4, 0xB4};

void fcmae_colour_map(double share, uint8_t rgb[3])
{
    static const uint32_t anchors[10] = {0x440154, 0x482878, 0x3E4989, 0x31688E, 0x26828E,
                                         0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B, 0xFDE725};
    double place = 9 * (share > 0 ? share < 1 ? share : 1 : 0); /* a NaN becomes 0 */
    int index = place < 8 ? (int)place : 8;
    double part = place - index;
    for (int i = 0; i < 3; i++) {
        int shift = 16 - 8 * i;
        double low = anchors[index] >> shift & 255, high = anchors[index + 1] >> shift & 255;
        rgb[i] = (uint8_t)lround(low + part * (high - low));
    }
}

/* mean of the map's sites under one pixel of the picture; NAN if all of them are removed */
static double sample_map(const float *map, int height, int width, int side_y, int side_x, int y,
                         int x)
{
    int top = y * height / side_y, bottom = ((y + 1) * height + side_y - 1) / side_y;
    int left = x * width / side_x, right = ((x + 1) * width + side_x - 1) / side_x;
    double sum = 0;
    int count = 0;
    for (int j = top; j < bottom; j++)
        for (int i = left; i < right; i++) {
            float value = map[(size_t)j * (size_t)width + (size_t)i];
            if (isnan(value)) continue;
            sum += fabs((double)value);
            count++;
        }
    return count ? sum / count : NAN;
}

static void cross_out(uint8_t *rgb, int height, int width)
{
    for (int i = 0; i < width; i++) {
        int y = i * height / width;
        for (int k = 0; k < 2; k++) {
            uint8_t *p = rgb + 3 * ((size_t)(k ? height - 1 - y : y) * (size_t)width + (size_t)i);
            p[0] = 0xD5, p[1] = 0x5E, p[2] = 0x00;
        }
    }
}

static void paint_map(const float *map, bool dead, int height, int width, uint8_t *rgb,
                      int picture_height, int picture_width)
{
    double largest = 0;
    for (int64_t i = 0; i < (int64_t)height * width; i++)
        if (fabs((double)map[i]) > largest) largest = fabs((double)map[i]);
    for (int y = 0; y < picture_height; y++)
        for (int x = 0; x < picture_width; x++) {
            double value = sample_map(map, height, width, picture_height, picture_width, y, x);
            uint8_t *p = rgb + 3 * ((size_t)y * (size_t)picture_width + (size_t)x);
            if (isnan(value))
                memcpy(p, removed_colour, 3);
            else
                fcmae_colour_map(dead || largest == 0 ? 0 : value / largest, p);
        }
    if (dead) cross_out(rgb, picture_height, picture_width);
}

typedef struct gallery_sheet {
    int panels, columns, rows, side; /* side: maps per row of a panel */
    int cell_width, cell_height;     /* pixels of a map */
    int panel_width, panel_height;
    int width, height;
} gallery_sheet;

/* the side of a panel is that of the layer with the most maps */
static gallery_sheet lay_out(const fcmae_collapse *collapse, fcmae_observation_point point,
                             bool picture)
{
    gallery_sheet sheet = {.panels = picture ? 1 : 0, .cell_width = CELL, .cell_height = CELL};
    int layers, most = 0;
    const fcmae_collapse_layer *layer = fcmae_collapse_layers(collapse, &layers);
    for (int i = 0; i < layers; i++) {
        fcmae_collapse_gallery gallery;
        if (layer[i].point != point || !fcmae_collapse_get_gallery(collapse, i, &gallery)) continue;
        sheet.panels++;
        if (gallery.count > most) most = gallery.count;
        double shape = (double)gallery.height / gallery.width;
        sheet.cell_height = (int)fmin(4 * CELL, fmax(CELL / 4.0, round(CELL * shape)));
    }
    if (most == 0) return (gallery_sheet){0};
    while (sheet.side * sheet.side < most) sheet.side++;
    sheet.columns = (int)ceil(sqrt(sheet.panels * 1.3));
    if (sheet.columns > sheet.panels) sheet.columns = sheet.panels;
    sheet.rows = (sheet.panels + sheet.columns - 1) / sheet.columns;
    sheet.panel_width = sheet.side * (sheet.cell_width + GAP) - GAP;
    sheet.panel_height = sheet.side * (sheet.cell_height + GAP) - GAP;
    sheet.width = 2 * MARGIN + sheet.columns * (sheet.panel_width + PANEL_GAP) - PANEL_GAP;
    sheet.height = 2 * MARGIN + 28 + sheet.rows * (sheet.panel_height + CAPTION + PANEL_GAP);
    if (sheet.width < 560) sheet.width = 560;
    return sheet;
}

static fcmae_point panel_corner(const gallery_sheet *sheet, int number)
{
    return (fcmae_point){MARGIN + number % sheet->columns * (sheet->panel_width + PANEL_GAP),
                         2 * MARGIN + 44 +
                             number / sheet->columns * (sheet->panel_height + CAPTION + PANEL_GAP)};
}

static void caption(fcmae_canvas *canvas, fcmae_point corner, const char *text)
{
    fcmae_canvas_text(canvas, corner.x, corner.y - 6,
                      (fcmae_lettering){.size = 12, .ink = FCMAE_INK_TEXT}, text);
}

static void draw_panel(fcmae_canvas *canvas, const gallery_sheet *sheet, int number,
                       const fcmae_collapse_layer *layer, const fcmae_collapse_gallery *gallery,
                       uint8_t *rgb)
{
    fcmae_point corner = panel_corner(sheet, number);
    char text[120];
    snprintf(text, sizeof text, "stages.%d.%d   d = %.3f", layer->stage, layer->block,
             layer->distance);
    caption(canvas, corner, text);
    int width = sheet->cell_width * SCALE, height = sheet->cell_height * SCALE;
    for (int i = 0; i < gallery->count; i++) {
        const float *map = gallery->maps +
                           (size_t)i * (size_t)gallery->height * (size_t)gallery->width;
        paint_map(map, gallery->dead[i], gallery->height, gallery->width, rgb, height, width);
        fcmae_canvas_pixels(canvas, corner.x + i % sheet->side * (sheet->cell_width + GAP),
                            corner.y + i / sheet->side * (sheet->cell_height + GAP), rgb, width,
                            height);
    }
}

/* the input image, fitted into a panel */
static void draw_picture(fcmae_canvas *canvas, const gallery_sheet *sheet,
                         const fcmae_collapse_setup *setup, uint8_t *rgb)
{
    fcmae_point corner = panel_corner(sheet, 0);
    caption(canvas, corner, "input image");
    double fit = fmin((double)sheet->panel_width / setup->width,
                      (double)sheet->panel_height / setup->height);
    int width = (int)(setup->width * fit * SCALE), height = (int)(setup->height * fit * SCALE);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            size_t from = (size_t)((int64_t)y * setup->height / height) * (size_t)setup->width +
                          (size_t)((int64_t)x * setup->width / width);
            memcpy(rgb + 3 * ((size_t)y * (size_t)width + (size_t)x), setup->picture + 3 * from, 3);
        }
    fcmae_canvas_pixels(canvas, corner.x, corner.y, rgb, width, height);
}

static void draw_heading(fcmae_canvas *canvas, const fcmae_collapse_entry *entry,
                         fcmae_observation_point point)
{
    char text[300];
    snprintf(text, sizeof text, "%.200s: channel maps, tensor %s", entry->label,
             fcmae_observation_point_name(point));
    fcmae_canvas_text(canvas, MARGIN, MARGIN + 14,
                      (fcmae_lettering){.size = 16, .bold = true, .ink = FCMAE_INK_TEXT}, text);
    fcmae_canvas_text(canvas, MARGIN, MARGIN + 32,
                      (fcmae_lettering){.size = 11, .ink = FCMAE_INK_MUTED},
                      "|value| / largest |value| of the channel: dark 0, yellow 1. "
                      "Crossed out: dead. Grey: removed.");
}

fcmae_status fcmae_gallery_png(const fcmae_collapse_entry *entry, fcmae_observation_point point,
                               const fcmae_collapse_setup *setup, fcmae_buffer *out, bool *any,
                               fcmae_error *error)
{
    bool picture = setup->picture && setup->width > 0 && setup->height > 0;
    gallery_sheet sheet = lay_out(entry->collapse, point, picture);
    *any = sheet.panels > 0;
    if (!*any) return FCMAE_OK;
    size_t pixels = (size_t)sheet.panel_width * (size_t)sheet.panel_height * SCALE * SCALE;
    uint8_t *rgb = malloc(pixels * 3);
    fcmae_canvas *canvas = rgb ? fcmae_canvas_create_png(sheet.width, sheet.height, SCALE) : NULL;
    if (!canvas) {
        free(rgb);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "drawing a gallery: out of memory");
    }
    draw_heading(canvas, entry, point);
    int layers, number = 0;
    const fcmae_collapse_layer *layer = fcmae_collapse_layers(entry->collapse, &layers);
    if (picture) draw_picture(canvas, &sheet, setup, rgb), number++;
    for (int i = 0; i < layers; i++) {
        fcmae_collapse_gallery gallery;
        if (layer[i].point != point || !fcmae_collapse_get_gallery(entry->collapse, i, &gallery))
            continue;
        draw_panel(canvas, &sheet, number++, &layer[i], &gallery, rgb);
    }
    fcmae_status status = fcmae_canvas_finish(canvas, out, error);
    fcmae_canvas_destroy(&canvas);
    free(rgb);
    return status;
}
