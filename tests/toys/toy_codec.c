/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A picture format of one file: "FCTOY1\n", width and height in decimal with a space between and
 * a line feed behind, then RGB bytes.
 */
#include <stdio.h>
#include <string.h>

#include "image/codec.h"

#define MAGIC "FCTOY1\n"
#define HEADER 64 /* no header is longer */

extern const fcmae_codec fcmae_toy_codec;

static bool sniff(const uint8_t *bytes, size_t size)
{
    return size >= strlen(MAGIC) && memcmp(bytes, MAGIC, strlen(MAGIC)) == 0;
}

static fcmae_status read_header(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                                size_t *start, fcmae_error *error)
{
    char header[HEADER + 1] = "";
    int used = 0;
    memcpy(header, bytes, size < HEADER ? size : HEADER);
    if (sscanf(header, MAGIC "%5d %5d%n", &info->stored_width, &info->stored_height, &used) != 2 ||
        header[used] != '\n')
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "toy: the header is damaged");
    *start = (size_t)used + 1;
    return FCMAE_OK;
}

static fcmae_status probe(fcmae_image_info *info, const uint8_t *bytes, size_t size,
                          fcmae_error *error)
{
    size_t start = 0;
    return read_header(info, bytes, size, &start, error);
}

static fcmae_status decode(fcmae_image *image, const uint8_t *bytes, size_t size, int reduction,
                           fcmae_region *region, fcmae_error *error)
{
    fcmae_image_info info;
    size_t start = 0;
    FCMAE_TRY(read_header(&info, bytes, size, &start, error));
    FCMAE_TRY(fcmae_image_reserve(image, info.stored_height, info.stored_width, error));
    size_t pixels = (size_t)image->height * (size_t)image->width * 3;
    if (size - start < pixels)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "toy: the file is truncated");
    memcpy(image->pixels, bytes + start, pixels);
    *region = (fcmae_region){0, 0, image->width, image->height};
    return FCMAE_OK;
}

const fcmae_codec fcmae_toy_codec = {
    .name = "toy", .endings = {"toy"}, .sniff = sniff, .probe = probe, .decode = decode};
