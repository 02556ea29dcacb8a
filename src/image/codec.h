/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Codecs: what a picture format offers to the rest of the library (private).
 *
 * Coordinates. A file stores a picture, `stored`; its EXIF orientation turns it into the `upright`
 * one, the only one that users see. Some formats can be decoded at 1/2, 1/4 or 1/8 of their size; a
 * region is always given in pixels of the reduced picture.
 */
#ifndef FCMAE_IMAGE_CODEC_H
#define FCMAE_IMAGE_CODEC_H

#include <stdbool.h>

#include "core/buffer.h"
#include "fcmae/image.h"

/** Bytes allocated behind the pixels, so that kernels may load whole vectors. */
#define FCMAE_IMAGE_MARGIN 64
/** First bytes of a file that decide on its format. */
#define FCMAE_CODEC_MAGIC 16

typedef struct fcmae_codec fcmae_codec;

/** From the header alone. */
typedef struct fcmae_image_info {
    const fcmae_codec *codec;
    int stored_width, stored_height;
    int orientation;   /**< EXIF, 1..8; 1 is upright */
    int width, height; /**< upright */
} fcmae_image_info;

typedef struct fcmae_region {
    int x, y, width, height;
} fcmae_region;

/** A format: one file that defines such a row, and one line in list.h. */
struct fcmae_codec {
    const char *name;       /**< in messages: "PNG" */
    const char *endings[8]; /**< of file names, without the dot, lower case; NULL behind the last */
    bool reduces;           /**< decode() takes reductions above 1 */
    /** Pixels that a byte of a file can stand for at most, 0: unknown. More are a claim that costs
     *  memory and time before it proves false. */
    int densest;
    /** Whether a file that begins so is of this format; `size` may be 0 to FCMAE_CODEC_MAGIC. */
    bool (*sniff)(const uint8_t *bytes, size_t size);
    /** Sets stored_width and stored_height, and orientation (1 before) where the file has one. */
    fcmae_status (*probe)(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                          fcmae_error *error);
    /**
     * Decodes at least `region` of the stored picture. Whether a file is accepted, and the pixels
     * of the region, do not depend on the region.
     * @param image   fcmae_image_reserve() makes it the size of what is decoded
     * @param region  [io] in: what is needed; out: what `image` holds
     */
    fcmae_status (*decode)(fcmae_image *image, const uint8_t *bytes, size_t size, int reduction,
                           fcmae_region *region, fcmae_error *error);
};

/* codecs.c: the list */

/** The format of a file by its first bytes; NULL if it is none of the list. */
const fcmae_codec *fcmae_codec_of_bytes(const uint8_t *bytes, size_t size);
/** Whether files of a format are named so ("jpg", without the dot, any case). */
bool fcmae_codec_has_ending(const char *ending);
/** "JPEG or PNG": the names of all, in `text`, which is returned. */
const char *fcmae_codec_names(char *text, size_t size);

/* image.c: the dispatch */

/** Reads the header and checks the limits. */
fcmae_status fcmae_image_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                               fcmae_error *error);
/**
 * Decodes at least `region` of the upright picture reduced by `reduction` (1, or 2, 4, 8 where the
 * codec reduces). Reduced sizes are rounded up. The pixels of the region do not depend on it.
 * @param scratch  memory for turning; used again.
 * @param region   [io] in: what is needed; out: what `image` holds (at least that).
 */
fcmae_status fcmae_image_decode_region(fcmae_image *image, fcmae_image *scratch,
                                       const fcmae_image_info *info, const uint8_t *bytes,
                                       size_t size, int reduction, fcmae_region *region,
                                       fcmae_error *error);

/* jpeg.c, png.c: writing; each appends a file to `out` */

/** Baseline, 4:2:0. */
fcmae_status fcmae_jpeg_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                               int quality, fcmae_error *error);
fcmae_status fcmae_png_encode(fcmae_buffer *out, const uint8_t *pixels, int height, int width,
                              fcmae_error *error);

/* exif.c */

/** Orientation tag of a TIFF block (what follows "Exif\0\0"), 1..8; 1 if absent or damaged. */
int fcmae_exif_orientation(const uint8_t *tiff, size_t size);
/** Turns a stored picture upright. */
fcmae_status fcmae_image_turn(const fcmae_image *stored, fcmae_image *upright, int orientation,
                              fcmae_error *error);
/** The stored region under an upright one; `width` x `height` is the upright picture. */
fcmae_region fcmae_region_stored(fcmae_region upright, int orientation, int width, int height);
/** The inverse; `width` x `height` is still the upright picture. */
fcmae_region fcmae_region_upright(fcmae_region stored, int orientation, int width, int height);

/* pixels.c */

/** FCMAE_OK, or `status` and which limit of fcmae/image.h a size is beyond. */
fcmae_status fcmae_image_check_size(int height, int width, fcmae_status status, fcmae_error *error);

#endif
