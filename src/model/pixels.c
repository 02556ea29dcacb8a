/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/pixels.h"

fcmae_pixels fcmae_pixels_of(const fcmae_images *images, const fcmae_kernels *kernels, int channels,
                             int height, int width)
{
    fcmae_pixels pixels = {.images = images,
                           .kernels = kernels,
                           .channels = channels,
                           .height = height,
                           .width = width};
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

/** Planar floats, already normalised. */
static void read_values(const fcmae_pixels *pixels, int64_t image, int y, int x, int side,
                        float *out)
{
    int channels = pixels->channels;
    int64_t plane = (int64_t)pixels->height * pixels->width;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < side; i++) {
            const float *line = pixels->images->values + (image * channels + c) * plane +
                                (int64_t)(y + i) * pixels->width + x;
            for (int j = 0; j < side; j++) out[(i * side + j) * channels + c] = line[j];
        }
}

void fcmae_pixels_read(const fcmae_pixels *pixels, int64_t image, int y, int x, int side,
                       float *out)
{
    int channels = pixels->channels, line = side * channels;
    if (pixels->images->values) {
        read_values(pixels, image, y, x, side, out);
        return;
    }
    int64_t row = (int64_t)pixels->width * channels;
    const uint8_t *bytes = pixels->images->bytes + (image * pixels->height + y) * row +
                           x * channels;
    if (FCMAE_BYTE_PERIOD % channels == 0)
        pixels->kernels->scale_bytes(side, line, bytes, row, pixels->scale, pixels->shift, out);
    else
        for (int i = 0; i < side; i++) read_channels(pixels, bytes + i * row, line, out + i * line);
}
