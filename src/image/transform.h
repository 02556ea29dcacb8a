/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** From the bytes of a file to the pixels of a sample (private side of fcmae/transform.h). */
#ifndef FCMAE_IMAGE_TRANSFORM_H
#define FCMAE_IMAGE_TRANSFORM_H

#include "core/random.h"
#include "fcmae/transform.h"
#include "image/resample.h"

/** Where the pixels of a sample come from: a box is cut out of the upright picture, resized, and a
 *  window of size x size of the result is kept, possibly mirrored. */
typedef struct fcmae_geometry {
    fcmae_region box;
    int resized_width, resized_height;
    int window_x, window_y;
    bool mirrored;
} fcmae_geometry;

/** Which sample it is: what is drawn for it is a function of this alone. */
typedef struct fcmae_sample_place {
    uint64_t seed;
    uint32_t epoch;
    uint64_t position; /**< in the epoch */
} fcmae_sample_place;

/** What the transform does to a picture of this size. */
fcmae_geometry fcmae_transform_geometry(const fcmae_transform *transform, int width, int height,
                                        fcmae_sample_place place);

/** FCMAE_OK, or which field is outside its range. */
fcmae_status fcmae_transform_check(const fcmae_transform *transform, fcmae_error *error);

/** Memory of one worker, used again for every sample. Zero-initialise. */
typedef struct fcmae_transform_scratch {
    fcmae_image image, turned;
    fcmae_axis columns, rows;
    fcmae_buffer narrow, augmented;
} fcmae_transform_scratch;

void fcmae_transform_scratch_release(fcmae_transform_scratch *scratch);

/** Decodes a file in memory and writes the sample, [size, size, 3]. */
fcmae_status fcmae_transform_run(const fcmae_transform *transform, fcmae_transform_scratch *scratch,
                                 const uint8_t *bytes, size_t size, fcmae_sample_place place,
                                 uint8_t *out, fcmae_error *error);
/** The same from a decoded picture; never reduced. */
fcmae_status fcmae_transform_run_decoded(const fcmae_transform *transform,
                                         fcmae_transform_scratch *scratch, const fcmae_image *image,
                                         fcmae_sample_place place, uint8_t *out,
                                         fcmae_error *error);

#endif
