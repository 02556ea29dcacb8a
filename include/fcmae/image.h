/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Images: decoding JPEG and PNG to RGB bytes, resizing, writing.
 *
 * Every picture is [height, width, 3] unsigned bytes, rows without padding, red first. What a file
 * holds is decided by its first bytes, never by its name. The pixels equal those of
 * PIL.Image.open(...).convert("RGB") after ImageOps.exif_transpose(), with the two exceptions named
 * at fcmae_image_decode().
 */
#ifndef FCMAE_IMAGE_H
#define FCMAE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Larger pictures are refused (FCMAE_ERR_FORMAT): a decompression bomb, not a photograph. */
#define FCMAE_IMAGE_MAX_PIXELS 178956970
/** Longest side; the limit of the JPEG format. */
#define FCMAE_IMAGE_MAX_SIDE 65500
/** Larger files are refused. */
#define FCMAE_IMAGE_MAX_FILE ((size_t)1 << 30)

/** A picture and its memory, which is used again by the next decode. Zero-initialise. */
typedef struct fcmae_image {
    uint8_t *pixels; /**< [height, width, 3]; owned */
    int height, width;
    size_t capacity; /**< bytes allocated at `pixels` */
} fcmae_image;

/** Of ImageNet's training images, per channel, in units of 255: what every network of this library
 *  is fed with less and divided by. */
FCMAE_API extern const float fcmae_imagenet_mean[3], fcmae_imagenet_deviation[3];

/** Gives the memory back; the struct is as if zero-initialised. */
FCMAE_API void fcmae_image_release(fcmae_image *image);

/** Sets the size and makes room. The pixels are undefined. FCMAE_ERR_SHAPE, FCMAE_ERR_MEMORY. */
FCMAE_API fcmae_status fcmae_image_reserve(fcmae_image *image, int height, int width,
                                           fcmae_error *error);

/**
 * Decodes a JPEG (baseline or progressive; grey, YCbCr, RGB, CMYK, YCCK) or a PNG (any colour type,
 * bit depth and interlacing) from memory. The EXIF orientation is applied, transparency is dropped
 * (not blended), colour profiles and gamma are ignored.
 *
 * Exceptions to Pillow's result: 16-bit greyscale keeps its high byte (Pillow clips at 255); the
 * lowest bits of a JPEG may differ where the two programs were built with different libjpegs.
 *
 * @param image  [out] its memory is used again; undefined after a failure, still to be released.
 * @return FCMAE_ERR_FORMAT: of no known format, damaged, truncated, or beyond the limits above;
 *         FCMAE_ERR_UNSUPPORTED: a JPEG of 12 bits or with arithmetic or lossless coding the
 *         installed library lacks; FCMAE_ERR_MEMORY. Harmless irregularities of a JPEG (a missing
 *         end marker after complete data, stray bytes between markers) are accepted.
 */
FCMAE_API fcmae_status fcmae_image_decode(fcmae_image *image, const uint8_t *bytes, size_t size,
                                          fcmae_error *error);

/** Reads a file and decodes it; as fcmae_image_decode(), and FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO.
 *  The message names the file. */
FCMAE_API fcmae_status fcmae_image_read(fcmae_image *image, const char *path, fcmae_error *error);

/**
 * Antialiased bicubic resizing, equal to PIL.Image.resize((width, height), BICUBIC) in every bit:
 * kernel with a = -1/2 stretched by the reduction, weights rounded to 22 fractional bits, columns
 * first, rounded to bytes between the passes.
 * @param output  [out] another image than `input`.
 */
FCMAE_API fcmae_status fcmae_image_resize(const fcmae_image *input, fcmae_image *output, int height,
                                          int width, fcmae_error *error);

/**
 * Writes an 8-bit RGB PNG. The file is complete or absent: it is written under a temporary name,
 * synchronised and renamed.
 * @param pixels  [height, width, 3]
 * @return FCMAE_ERR_SHAPE, FCMAE_ERR_IO, FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_png_write(const char *path, const uint8_t *pixels, int height,
                                       int width, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
