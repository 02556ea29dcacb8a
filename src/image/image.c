/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What kind of file it is, and decoding by the codec of that kind. */
#include <string.h>

#include "core/file.h"
#include "image/codec.h"

/** Formats that are known by their marks only, and what to say of them. */
static const struct foreign {
    size_t at, size; /* of the mark in the file */
    const char *mark, *sentence;
} foreign[] = {
    {8, 4, "WEBP", "a WebP picture; convert it to JPEG or PNG"},
    {0, 4, "GIF8", "a GIF picture; convert it to PNG"},
    {0, 4, "II*", "a TIFF picture; convert it to PNG"},
    {0, 4, "MM\0*", "a TIFF picture; convert it to PNG"},
    {4, 4, "ftyp", "an AVIF, HEIF or video file; convert it to JPEG or PNG"},
    {0, 2, "BM", "a BMP picture; convert it to PNG"},
};

/** What a file of no codec seems to be. */
static fcmae_status refuse(const uint8_t *bytes, size_t size, fcmae_error *error)
{
    if (size == 0) return fcmae_fail(error, FCMAE_ERR_FORMAT, "the file is empty");
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const struct foreign *f = &foreign[i];
        if (size >= f->at + f->size && memcmp(bytes + f->at, f->mark, f->size) == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s", f->sentence);
    }
    char names[200];
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "not a %s picture",
                      fcmae_codec_names(names, sizeof names));
}

fcmae_status fcmae_image_probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                               fcmae_error *error)
{
    *info = (fcmae_image_info){.codec = fcmae_codec_of_bytes(bytes, size), .orientation = 1};
    if (!info->codec) return refuse(bytes, size, error);
    FCMAE_TRY(info->codec->probe(info, bytes, size, error));
    int width = info->stored_width, height = info->stored_height;
    FCMAE_TRY(fcmae_image_check_size(height, width, FCMAE_ERR_FORMAT, error));
    int densest = info->codec->densest;
    if (densest > 0 && (int64_t)width * height / densest > (int64_t)size)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: a file of %zu bytes claims %d x %d pixels, which do not fit in it",
                          info->codec->name, size, width, height);
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
    bool turned = info->orientation != 1;
    fcmae_region stored = fcmae_region_stored(*region, info->orientation, width, height);
    FCMAE_TRY(
        info->codec->decode(turned ? scratch : image, bytes, size, reduction, &stored, error));
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
