/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/pixels.h"

#define ROWS_AHEAD 8

fcmae_pixels fcmae_pixels_of(const fcmae_images *images, const fcmae_kernels *kernels, int channels,
                             int height, int width)
{
    fcmae_pixels pixels = {.images = images, .kernels = kernels, .channels = channels,
                           .height = height, .width = width};
    for (int i = 0; images->bytes && i < FCMAE_BYTE_PERIOD; i++) {
        int c = i % channels;
        pixels.scale[i] = 1.0f / (255.0f * images->deviation[c]);
        pixels.shift[i] = -images->mean[c] / images->deviation[c];
    }
    return pixels;
}

/** Numbers of channels that do not divide the period: one channel at a time. */
static void read_channels(const fcmae_pixels *pixels, const uint8_t *bytes, int values, float *out)
{
    const fcmae_images *images = pixels->images;
    for (int c = 0; c < pixels->channels; c++) {
        float scale = 1.0f / (255.0f * images->deviation[c]);
        float shift = -images->mean[c] / images->deviation[c];
        for (int i = c; i < values; i += pixels->channels) out[i] = (float)bytes[i] * scale + shift;
    }
}

void fcmae_pixels_read(const fcmae_pixels *pixels, int64_t image, int y, int x, int count, float *out)
{
    const fcmae_images *images = pixels->images;
    int channels = pixels->channels, height = pixels->height, width = pixels->width;
    if (images->values) { /* planar */
        const float *plane = images->values + image * channels * height * width;
        for (int c = 0; c < channels; c++, plane += (int64_t)height * width)
            for (int i = 0; i < count; i++) out[i * channels + c] = plane[(int64_t)y * width + x + i];
        return;
    }
    const uint8_t *bytes = images->bytes + ((image * height + y) * width + x) * channels;
    /* the lines of the rows below lie apart, where no hardware prefetch finds them */
    __builtin_prefetch(bytes + ROWS_AHEAD * (int64_t)width * channels);
    if (FCMAE_BYTE_PERIOD % channels == 0)
        pixels->kernels->scale_bytes(count * channels, bytes, pixels->scale, pixels->shift, out);
    else
        read_channels(pixels, bytes, count * channels, out);
}
