/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The pixels of a batch as the normalised numbers that the network computes with. */
#ifndef FCMAE_MODEL_PIXELS_H
#define FCMAE_MODEL_PIXELS_H

#include "core/kernels.h"
#include "fcmae/engine.h"

typedef struct fcmae_pixels {
    const fcmae_images *images;
    const fcmae_kernels *kernels;
    int channels, height, width;
    /** value = byte * scale + shift; value i of a line uses entry i modulo the period */
    float scale[FCMAE_BYTE_PERIOD], shift[FCMAE_BYTE_PERIOD];
} fcmae_pixels;

/** Prepares reading images of height x width pixels; `images` and `kernels` are borrowed. */
fcmae_pixels fcmae_pixels_of(const fcmae_images *images, const fcmae_kernels *kernels, int channels,
                             int height, int width);
/** The side x side pixels below and right of (y, x) as floats [side][side][channels]. */
void fcmae_pixels_read(const fcmae_pixels *pixels, int64_t image, int y, int x, int side,
                       float *out);

#endif
