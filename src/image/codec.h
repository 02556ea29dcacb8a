/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Codecs: what the two image libraries offer to the rest of this room (private).
 *
 * Coordinates. A file stores a picture, `stored`; its EXIF orientation turns it into the `upright`
 * one, the only one that users see. A JPEG can be decoded at 1/1, 1/2, 1/4 or 1/8 of its size; a
 * region is always given in pixels of the reduced picture.
 */
#ifndef FCMAE_IMAGE_CODEC_H
#define FCMAE_IMAGE_CODEC_H

#include "core/file.h"
#include "fcmae/image.h"

/** Bytes allocated behind the pixels, so that kernels may load whole vectors. */
#define FCMAE_IMAGE_MARGIN 64

typedef enum fcmae_image_format {
    FCMAE_FORMAT_UNKNOWN,
    FCMAE_FORMAT_JPEG,
    FCMAE_FORMAT_PNG
} fcmae_image_format;

/** From the header alone. */
typedef struct fcmae_image_info {
    fcmae_image_format format;
    int stored_width, stored_height;
    int orientation;   /**< EXIF, 1..8; 1 is upright */
    int width, height; /**< upright */
} fcmae_image_info;

typedef struct fcmae_region {
    int x, y, width, height;
} fcmae_region;

/** By the first bytes; needs 8. */
fcmae_image_format fcmae_image_sniff(const uint8_t *bytes, size_t size);
/** Reads the header and checks the limits. */
fcmae_status fcmae_image_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                               fcmae_error *error);
/**
 * Decodes at least `region` of the upright picture reduced by `reduction` (1, 2, 4, 8; PNG: 1).
 * Reduced sizes are rounded up. The pixels of the region do not depend on the region.
 * @param scratch  memory for turning; used again.
 * @param region   [io] in: what is needed; out: what `image` holds (at least that).
 */
fcmae_status fcmae_image_decode_region(fcmae_image *image, fcmae_image *scratch,
                                       const fcmae_image_info *info, const uint8_t *bytes,
                                       size_t size, int reduction, fcmae_region *region,
                                       fcmae_error *error);

/* jpeg.c, png.c: width, height and orientation of the stored picture; decoding of a region of it */
fcmae_status fcmae_jpeg_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                              fcmae_error *error);
fcmae_status fcmae_jpeg_decode(fcmae_image *image, const uint8_t *bytes, size_t size, int reduction,
                               fcmae_region *region, fcmae_error *error);
/** Appends a baseline 4:2:0 JPEG file to `out`. */
fcmae_status fcmae_jpeg_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                               int quality, fcmae_error *error);
fcmae_status fcmae_png_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                             fcmae_error *error);
fcmae_status fcmae_png_decode(fcmae_image *image, const uint8_t *bytes, size_t size,
                              fcmae_error *error);
/** Appends a PNG file to `out`. */
fcmae_status fcmae_png_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                              fcmae_error *error);

/** Orientation tag of a TIFF block (what follows "Exif\0\0"), 1..8; 1 if absent or damaged. */
int fcmae_exif_orientation(const uint8_t *tiff, size_t size);
/** Turns a stored picture upright. */
fcmae_status fcmae_image_turn(const fcmae_image *stored, fcmae_image *upright, int orientation,
                              fcmae_error *error);
/** The stored region under an upright one; `width` x `height` is the upright picture. */
fcmae_region fcmae_region_stored(fcmae_region upright, int orientation, int width, int height);
/** The inverse; `width` x `height` is still the upright picture. */
fcmae_region fcmae_region_upright(fcmae_region stored, int orientation, int width, int height);

#endif
