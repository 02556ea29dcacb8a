/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "picture.h"

#include <cairo.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/image.h"
#include "shared.h"

enum { GAP = 4, LABEL = 22, LARGEST = 32000 };

struct cli_picture {
    int side, width, height;
    uint8_t *pixels; /* [height, width, 3] */
};

/* Draws the labels in a strip of its own and copies it to the top of the picture. */
static fcmae_status draw_labels(cli_picture *picture, int columns, const char *const *labels,
                                fcmae_error *error)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture->width,
                                                          LABEL);
    cairo_t *cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    for (int column = 0; column < columns; column++) {
        cairo_text_extents_t extents;
        double size = 13;
        do { /* narrow columns get smaller letters */
            cairo_set_font_size(cairo, size);
            cairo_text_extents(cairo, labels[column], &extents);
        } while (extents.width > picture->side && --size > 5);
        double middle = GAP + column * (picture->side + GAP) + 0.5 * picture->side;
        cairo_move_to(cairo, middle - 0.5 * extents.width - extents.x_bearing, LABEL - 7);
        cairo_show_text(cairo, labels[column]);
    }
    cairo_surface_flush(surface);
    cairo_status_t status = cairo_status(cairo);
    if (status == CAIRO_STATUS_SUCCESS) {
        const unsigned char *rows = cairo_image_surface_get_data(surface);
        int stride = cairo_image_surface_get_stride(surface);
        for (int y = 0; y < LABEL; y++)
            for (int x = 0; x < picture->width; x++) {
                uint32_t value;
                memcpy(&value, rows + y * stride + 4 * x, sizeof value);
                uint8_t *to = picture->pixels +
                              ((size_t)y * (size_t)picture->width + (size_t)x) * 3;
                to[0] = (uint8_t)(value >> 16);
                to[1] = (uint8_t)(value >> 8);
                to[2] = (uint8_t)value;
            }
    } else {
        cli_error(error, FCMAE_ERR_MEMORY, "drawing failed: %s", cairo_status_to_string(status));
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return status == CAIRO_STATUS_SUCCESS ? FCMAE_OK : FCMAE_ERR_MEMORY;
}

fcmae_status cli_picture_create(cli_picture **out, int rows, int columns, int side,
                                const char *const *labels, fcmae_error *error)
{
    int64_t width = (int64_t)columns * (side + GAP) + GAP;
    int64_t height = (int64_t)rows * (side + GAP) + LABEL;
    if (width > LARGEST || height > LARGEST) {
        return cli_error(
            error, FCMAE_ERR_SHAPE,
            "the picture would have %lld x %lld pixels; choose fewer or smaller images",
            (long long)width, (long long)height);
    }
    cli_picture *picture = calloc(1, sizeof *picture);
    if (picture) {
        *picture = (cli_picture){.side = side, .width = (int)width, .height = (int)height};
        picture->pixels = malloc((size_t)width * (size_t)height * 3);
    }
    if (!picture || !picture->pixels) {
        cli_picture_destroy(&picture);
        return cli_error(error, FCMAE_ERR_MEMORY, "no memory for the picture");
    }
    memset(picture->pixels, 255, (size_t)width * (size_t)height * 3);
    fcmae_status status = draw_labels(picture, columns, labels, error);
    if (status != FCMAE_OK) cli_picture_destroy(&picture);
    *out = picture;
    return status;
}

void cli_picture_set(cli_picture *picture, int row, int column, const uint8_t *pixels)
{
    int top = LABEL + row * (picture->side + GAP), left = GAP + column * (picture->side + GAP);
    for (int y = 0; y < picture->side; y++)
        memcpy(picture->pixels + ((size_t)(top + y) * (size_t)picture->width + (size_t)left) * 3,
               pixels + (size_t)y * (size_t)picture->side * 3, (size_t)picture->side * 3);
}

fcmae_status cli_picture_write(const cli_picture *picture, const char *path, fcmae_error *error)
{
    return fcmae_png_write(path, picture->pixels, picture->height, picture->width, error);
}

void cli_picture_destroy(cli_picture **picture)
{
    if (!*picture) return;
    free((*picture)->pixels);
    free(*picture);
    *picture = NULL;
}
