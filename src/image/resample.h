/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Resampling: Pillow's antialiased bicubic, bit for bit (src/libImaging/Resample.c, 8 bits).
 *
 * An axis holds, for each wanted output position, the first input position and the integer
 * weights. The two passes are separate sums; any window of the output can be computed alone, and
 * a mirrored axis gives the mirrored picture at no cost.
 */
#ifndef FCMAE_IMAGE_RESAMPLE_H
#define FCMAE_IMAGE_RESAMPLE_H

#include <stdbool.h>

#include "image/codec.h"

typedef struct fcmae_axis {
    int count;        /**< output positions */
    int taps;         /**< room for weights per position, even */
    int low, high;    /**< input positions used are in [low, high) */
    int32_t *first;   /**< [count] */
    int32_t *length;  /**< [count] 1 .. taps */
    int32_t *weights; /**< [count, taps], 22 fractional bits, zeros behind `length` */
    fcmae_buffer memory;
} fcmae_axis;

/**
 * Positions [window, window + count) of `input` positions resized to `output`.
 * The memory of an earlier axis is used again.
 */
fcmae_status fcmae_axis_build(fcmae_axis *axis, int input, int output, int window, int count,
                              bool mirrored, fcmae_error *error);
void fcmae_axis_release(fcmae_axis *axis);

/**
 * @param source   pixel (columns->low, rows->low), rows `stride` bytes apart
 * @param scratch  memory, used again.
 * @param out      [rows->count, columns->count, 3]
 */
fcmae_status fcmae_resample(const fcmae_axis *columns, const fcmae_axis *rows,
                            const uint8_t *source, size_t stride, fcmae_buffer *scratch,
                            uint8_t *out, fcmae_error *error);

#endif
