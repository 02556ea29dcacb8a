/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** RandAugment on bytes (private side of fcmae/augment.h). Pictures are [height, width, 3]. */
#ifndef FCMAE_IMAGE_AUGMENT_H
#define FCMAE_IMAGE_AUGMENT_H

#include <stdint.h>

#include "core/random.h"

/** In timm's order, which is the order of the draw. */
typedef enum fcmae_augmentation {
    FCMAE_AUGMENT_AUTO_CONTRAST,
    FCMAE_AUGMENT_EQUALIZE,
    FCMAE_AUGMENT_INVERT,
    FCMAE_AUGMENT_ROTATE,       /**< value: degrees, counter-clockwise */
    FCMAE_AUGMENT_POSTERIZE,    /**< bits kept, 0 .. 8 */
    FCMAE_AUGMENT_SOLARIZE,     /**< values from here on are inverted, 0 .. 256 */
    FCMAE_AUGMENT_SOLARIZE_ADD, /**< added to values below 128 */
    FCMAE_AUGMENT_COLOR,        /**< factor; 1 changes nothing */
    FCMAE_AUGMENT_CONTRAST,
    FCMAE_AUGMENT_BRIGHTNESS,
    FCMAE_AUGMENT_SHARPNESS,
    FCMAE_AUGMENT_SHEAR_X, /**< factor */
    FCMAE_AUGMENT_SHEAR_Y,
    FCMAE_AUGMENT_TRANSLATE_X, /**< pixels */
    FCMAE_AUGMENT_TRANSLATE_Y,
    FCMAE_AUGMENTATIONS
} fcmae_augmentation;

/** One operation as Pillow does it, in place. @param scratch  [height, width, 3] */
void fcmae_augment(fcmae_augmentation operation, double value, uint8_t *pixels, uint8_t *scratch,
                   int height, int width);
/** The value of an operation at a magnitude; a direction is drawn where there is one. */
double fcmae_augment_value(fcmae_augmentation operation, double magnitude, int height, int width,
                           fcmae_random *random);
/** The policy. Draws from `random`. */
void fcmae_randaugment(uint8_t *pixels, uint8_t *scratch, int height, int width, int operations,
                       double magnitude, double deviation, fcmae_random *random);

/* augment_affine.c: bicubic (a = -1) inverse mapping by x' = m0 x + m1 y + m2, y' = m3 x + m4 y +
 * m5 of pixel centres; outside the picture (124, 116, 104) */
void fcmae_augment_affine(const uint8_t *source, uint8_t *out, int height, int width,
                          const double matrix[6]);
/** The matrix of a rotation about the centre. */
void fcmae_augment_rotation(double degrees, int height, int width, double matrix[6]);

#endif
