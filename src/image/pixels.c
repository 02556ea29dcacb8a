/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The memory of a picture, its limits, and the numbers every network of this library expects. */
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

const float fcmae_imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
const float fcmae_imagenet_deviation[3] = {0.229f, 0.224f, 0.225f};

void fcmae_image_release(fcmae_image *image)
{
    free(image->pixels);
    memset(image, 0, sizeof *image);
}

fcmae_status fcmae_image_check_size(int height, int width, fcmae_status status, fcmae_error *error)
{
    if (height < 1 || width < 1 || height > FCMAE_IMAGE_MAX_SIDE || width > FCMAE_IMAGE_MAX_SIDE ||
        (int64_t)height * width > FCMAE_IMAGE_MAX_PIXELS)
        return fcmae_fail(error, status,
                          "a picture of %d x %d pixels is outside the limits (1 to %d a side, %d "
                          "in all)",
                          width, height, FCMAE_IMAGE_MAX_SIDE, FCMAE_IMAGE_MAX_PIXELS);
    return FCMAE_OK;
}

fcmae_status fcmae_image_reserve(fcmae_image *image, int height, int width, fcmae_error *error)
{
    FCMAE_TRY(fcmae_image_check_size(height, width, FCMAE_ERR_SHAPE, error));
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
