/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

void fcmae_image_release(fcmae_image *image)
{
    free(image->pixels);
    memset(image, 0, sizeof *image);
}

fcmae_status fcmae_image_reserve(fcmae_image *image, int height, int width, fcmae_error *error)
{
    if (height < 1 || width < 1 || height > FCMAE_IMAGE_MAX_SIDE || width > FCMAE_IMAGE_MAX_SIDE ||
        (int64_t)height * width > FCMAE_IMAGE_MAX_PIXELS)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "a picture of %d x %d pixels is outside the limits (1 to %d a side, %d in "
            "all)",
            width, height, FCMAE_IMAGE_MAX_SIDE, FCMAE_IMAGE_MAX_PIXELS);
    size_t bytes = (size_t)height * (size_t)width * 3 + FCMAE_IMAGE_MARGIN;
    if (bytes > image->capacity || !image->pixels) {
        free(image->pixels);
        image->capacity = 0;
        image->pixels = calloc(1, bytes);
        if (!image->pixels)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a picture of %d x %d pixels",
                              width, height);
        image->capacity = bytes;
    }
    image->height = height;
    image->width = width;
    return FCMAE_OK;
}

fcmae_image_format fcmae_image_sniff(const uint8_t *bytes, size_t size)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF)
        return FCMAE_FORMAT_JPEG;
    if (size >= 8 && memcmp(bytes, png, 8) == 0) return FCMAE_FORMAT_PNG;
    return FCMAE_FORMAT_UNKNOWN;
}

/** What a file that is neither JPEG nor PNG seems to be, for the error message. */
static const char *foreign_format(const uint8_t *bytes, size_t size)
{
    if (size == 0) return "the file is empty";
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return "a WebP picture; convert it to JPEG or PNG";
    if (size >= 4 && memcmp(bytes, "GIF8", 4) == 0) return "a GIF picture; convert it to PNG";
    if (size >= 4 && (memcmp(bytes, "II*", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0))
        return "a TIFF picture; convert it to PNG";
    if (size >= 12 && memcmp(bytes + 4, "ftyp", 4) == 0)
        return "an AVIF, HEIF or video file; convert it to JPEG or PNG";
    if (size >= 2 && memcmp(bytes, "BM", 2) == 0) return "a BMP picture; convert it to PNG";
    return "neither JPEG nor PNG";
}

fcmae_status fcmae_image_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                               fcmae_error *error)
{
    *info = (fcmae_image_info){.format = fcmae_image_sniff(bytes, size), .orientation = 1};
    if (info->format == FCMAE_FORMAT_UNKNOWN)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s", foreign_format(bytes, size));
    FCMAE_TRY(info->format == FCMAE_FORMAT_JPEG ? fcmae_jpeg_probe(info, bytes, size, error)
                                                : fcmae_png_probe(info, bytes, size, error));
    int width = info->stored_width, height = info->stored_height;
    if (width < 1 || height < 1 || width > FCMAE_IMAGE_MAX_SIDE || height > FCMAE_IMAGE_MAX_SIDE ||
        (int64_t)width * height > FCMAE_IMAGE_MAX_PIXELS)
        return fcmae_fail(
            error, FCMAE_ERR_FORMAT,
            "a picture of %d x %d pixels is outside the limits (1 to %d a side, %d in "
            "all)",
            width, height, FCMAE_IMAGE_MAX_SIDE, FCMAE_IMAGE_MAX_PIXELS);
    info->width = info->orientation >= 5 ? height : width;
    info->height = info->orientation >= 5 ? width : height;
    return FCMAE_OK;
}

fcmae_status fcmae_image_decode_region(fcmae_image *image, fcmae_image *scratch,
                                       const fcmae_image_info *info, const uint8_t *bytes,
                                       size_t size, int reduction, fcmae_region *region,
                                       fcmae_error *error)
{
    int width = (info->width + reduction - 1) / reduction;
    int height = (info->height + reduction - 1) / reduction;
    int turned = info->orientation != 1;
    fcmae_image *target = turned ? scratch : image;
    fcmae_region stored = fcmae_region_stored(*region, info->orientation, width, height);
    if (info->format == FCMAE_FORMAT_JPEG) {
        FCMAE_TRY(fcmae_jpeg_decode(target, bytes, size, reduction, &stored, error));
    } else {
        FCMAE_TRY(fcmae_png_decode(target, bytes, size, error));
        stored = (fcmae_region){0, 0, info->stored_width, info->stored_height};
    }
    if (turned) FCMAE_TRY(fcmae_image_turn(scratch, image, info->orientation, error));
    *region = fcmae_region_upright(stored, info->orientation, width, height);
    return FCMAE_OK;
}

fcmae_status fcmae_image_decode(fcmae_image *image, const uint8_t *bytes, size_t size,
                                fcmae_error *error)
{
    fcmae_image_info info;
    FCMAE_TRY(fcmae_image_probe(&info, bytes, size, error));
    fcmae_region whole = {0, 0, info.width, info.height};
    fcmae_image scratch = {0};
    fcmae_status status = fcmae_image_decode_region(image, &scratch, &info, bytes, size, 1, &whole,
                                                    error);
    fcmae_image_release(&scratch);
    return status;
}

fcmae_status fcmae_image_read(fcmae_image *image, const char *path, fcmae_error *error)
{
    fcmae_buffer file = {0};
    fcmae_status status = fcmae_file_read(&file, path, FCMAE_IMAGE_MAX_FILE, error);
    if (status == FCMAE_OK) {
        status = fcmae_image_decode(image, file.bytes, file.size, error);
        if (status != FCMAE_OK) fcmae_error_prefix(error, status, "%s", path);
    }
    fcmae_buffer_release(&file);
    return status;
}

fcmae_status fcmae_png_write(const char *path, const uint8_t *pixels, int height, int width,
                             fcmae_error *error)
{
    if (height < 1 || width < 1 || (int64_t)height * width > FCMAE_IMAGE_MAX_PIXELS)
        return fcmae_fail(error, FCMAE_ERR_SHAPE, "%s: a PNG of %d x %d pixels cannot be written",
                          path, width, height);
    fcmae_buffer file = {0};
    fcmae_status status = fcmae_png_encode(&file, pixels, height, width, error);
    if (status == FCMAE_OK) status = fcmae_file_write(path, file.bytes, file.size, error);
    fcmae_buffer_release(&file);
    return status;
}
