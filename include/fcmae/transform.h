/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Transforms: the way from a picture to a sample, [size, size, 3] bytes. */
#ifndef FCMAE_TRANSFORM_H
#define FCMAE_TRANSFORM_H

#include <stdbool.h>

#include "fcmae/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fcmae_transform_kind {
    /** Training. Random resized crop, then a flip with probability `flip` (Inception; torchvision
     *  and timm): up to ten times, area = U(scale_min, scale_max) * H * W, ratio = exp(U(ln 3/4,
     *  ln 4/3)), w = round(sqrt(area * ratio)), h = round(sqrt(area / ratio)), half to even, taken
     *  if it fits; the place is uniform. Otherwise the largest centred box of an allowed ratio. */
    FCMAE_TRANSFORM_TRAIN,
    /** Evaluation. The shorter side becomes floor(size / crop_ratio), the longer one in proportion,
     *  rounded down; then the centre, offset round((side - size) / 2), half to even. */
    FCMAE_TRANSFORM_CENTRE,
    /** Evaluation at 384 pixels and above: the whole picture is warped to size x size. */
    FCMAE_TRANSFORM_SQUASH
} fcmae_transform_kind;

/** Resizing is antialiased bicubic, bit for bit Pillow's. Start from one of the two functions
 * below. */
typedef struct fcmae_transform {
    fcmae_transform_kind kind;
    int size;                    /**< side of a sample in pixels, 1 .. 4096 */
    double scale_min, scale_max; /**< TRAIN: share of the area, 0 < min <= max <= 1 */
    double flip;                 /**< TRAIN: probability of mirroring, 0 .. 1 */
    double crop_ratio;           /**< CENTRE: in (0, 1] */
    /** TRAIN: RandAugment after crop and flip, see fcmae/augment.h; the recipe's
     *  rand-m9-mstd0.5-inc1 is 2, 9, 0.5. 0 operations: none. */
    int augment_operations;   /**< 0 .. 16 */
    double augment_magnitude; /**< 0 .. 10 */
    double augment_deviation; /**< of the magnitude, >= 0 */
    /** Decode a JPEG at 1/2, 1/4 or 1/8 if the crop is still at least `size` there. Faster on
     *  pictures much larger than the sample, no longer equal to Pillow. */
    bool fast_decode;
} fcmae_transform;

/** Training: scale (scale_min, 1), flip 1/2. The recipes: 0.2 for pretraining, 0.08 for
 * fine-tuning. */
FCMAE_API fcmae_transform fcmae_transform_train(int size, double scale_min);
/** Evaluation. crop_ratio 0 chooses as the paper's code: 0.875 below 384 pixels, else SQUASH.
 *  A positive one is CENTRE with this ratio. */
FCMAE_API fcmae_transform fcmae_transform_evaluate(int size, double crop_ratio);

#ifdef __cplusplus
}
#endif
#endif
