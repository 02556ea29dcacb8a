/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * EXIF orientation: reading the tag and turning pictures.
 *
 * Orientations 5..8 exchange the axes. In all eight, upright pixel (x, y) is stored at (u, v):
 *   1: x, y            2: W-1-x, y        3: W-1-x, H-1-y    4: x, H-1-y
 *   5: y, x            6: y, W-1-x        7: H-1-y, W-1-x    8: H-1-y, x
 * with W x H the upright size.
 */
#include <string.h>

#include "image/codec.h"

static uint32_t number(const uint8_t *p, int bytes, int little)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | p[little ? bytes - 1 - i : i];
    return value;
}

int fcmae_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8 || (memcmp(tiff, "II*", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0)) return 1;
    int little = tiff[0] == 'I';
    size_t directory = number(tiff + 4, 4, little);
    if (directory > size || size - directory < 2) return 1;
    size_t entries = number(tiff + directory, 2, little);
    for (size_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + 12 * i;
        if (at > size || size - at < 12) return 1;
        if (number(tiff + at, 2, little) != 0x0112) continue;
        uint32_t type = number(tiff + at + 2, 2, little);
        uint32_t value = number(tiff + at + 8, type == 4 ? 4 : 2, little);
        return (type == 3 || type == 4) && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/** Stored place of an upright pixel of a W x H picture. */
static void stored_place(int orientation, int width, int height, int x, int y, int *u, int *v)
{
    int mirrored_x = width - 1 - x, mirrored_y = height - 1 - y;
    switch (orientation) {
    case 2: *u = mirrored_x, *v = y; break;
    case 3: *u = mirrored_x, *v = mirrored_y; break;
    case 4: *u = x, *v = mirrored_y; break;
    case 5: *u = y, *v = x; break;
    case 6: *u = y, *v = mirrored_x; break;
    case 7: *u = mirrored_y, *v = mirrored_x; break;
    case 8: *u = mirrored_y, *v = x; break;
    default: *u = x, *v = y; break;
    }
}

static fcmae_region between(int x0, int y0, int x1, int y1)
{
    int left = x0 < x1 ? x0 : x1, top = y0 < y1 ? y0 : y1;
    return (fcmae_region){left, top, (x0 > x1 ? x0 : x1) - left + 1, (y0 > y1 ? y0 : y1) - top + 1};
}

fcmae_region fcmae_region_stored(fcmae_region upright, int orientation, int width, int height)
{
    int u0, v0, u1, v1;
    stored_place(orientation, width, height, upright.x, upright.y, &u0, &v0);
    stored_place(orientation, width, height, upright.x + upright.width - 1,
                 upright.y + upright.height - 1, &u1, &v1);
    return between(u0, v0, u1, v1);
}

fcmae_region fcmae_region_upright(fcmae_region stored, int orientation, int width, int height)
{
    /* the inverse of a turn by a quarter is the other quarter; the rest are their own inverses */
    int inverse = orientation == 6 ? 8 : orientation == 8 ? 6 : orientation;
    int exchanged = orientation >= 5;
    return fcmae_region_stored(stored, inverse, exchanged ? height : width,
                               exchanged ? width : height);
}

fcmae_status fcmae_image_turn(const fcmae_image *stored, fcmae_image *upright, int orientation,
                              fcmae_error *error)
{
    int exchanged = orientation >= 5;
    int width = exchanged ? stored->height : stored->width;
    int height = exchanged ? stored->width : stored->height;
    FCMAE_TRY(fcmae_image_reserve(upright, height, width, error));
    for (int y = 0; y < height; y++) {
        int u0, v0, u1, v1; /* the row starts at the first and ends at the second place */
        stored_place(orientation, width, height, 0, y, &u0, &v0);
        stored_place(orientation, width, height, width - 1, y, &u1, &v1);
        ptrdiff_t step_u = (u1 > u0) - (u1 < u0), step_v = (v1 > v0) - (v1 < v0);
        const uint8_t *from = stored->pixels +
                              ((size_t)v0 * (size_t)stored->width + (size_t)u0) * 3;
        ptrdiff_t step = 3 * (step_v * stored->width + step_u);
        uint8_t *to = upright->pixels + (size_t)y * (size_t)width * 3;
        for (int x = 0; x < width; x++, to += 3) {
            memcpy(to, from + step * x, 3);
        }
    }
    return FCMAE_OK;
}
