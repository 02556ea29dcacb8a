/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Augmentation for supervised training, as the recipe of ConvNeXt V2 uses it (timm 0.3.2).
 *
 * Order: random resized crop, flip, RandAugment (all in the loader, fcmae/data.h), then, here:
 * normalisation, random erasing, mixup or cutmix, label smoothing.
 *
 * RandAugment "rand-mM-mstdD-inc1": N operations are drawn uniformly with repetition from
 * AutoContrast, Equalize, Invert, Rotate, Posterize, Solarize, SolarizeAdd, Color, Contrast,
 * Brightness, Sharpness, ShearX, ShearY, TranslateX, TranslateY; each is skipped with probability
 * 1/2; its magnitude is N(M, D) cut to 0 .. 10; what has a direction takes either one. Pixels equal
 * Pillow's; what comes from outside the picture is (124, 116, 104).
 */
#ifndef FCMAE_AUGMENT_H
#define FCMAE_AUGMENT_H

#include "fcmae/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How batches are mixed, the same over a run. Where all numbers but `classes`, `mean` and
 *  `deviation` are 0, nothing is mixed and targets are one-hot. */
typedef struct fcmae_mixing {
    double mixup_alpha;        /**< lambda ~ Beta(alpha, alpha); 0: no mixup; recipe: 0.8 */
    double cutmix_alpha;       /**< likewise; recipe: 1.0 */
    double mix_probability;    /**< that a batch is mixed; recipe: 1 */
    double cutmix_probability; /**< of cutmix where both are possible; recipe: 0.5 */
    double smoothing;          /**< of the labels, 0 .. 1; recipe: 0.1 */
    double erase_probability;  /**< that a sample has a box replaced by noise; recipe: 0.25 */
    uint64_t seed;             /**< of the draws; any value */
    int classes;               /**< columns of the targets, at least 1 */
    const float *mean;         /**< [3] RGB, of values 0 .. 1; borrowed */
    const float *deviation;    /**< [3] likewise, not 0 */
    int threads;               /**< 0: every processor. Never changes a result. */
} fcmae_mixing;

/** The fine-tuning recipe of the paper, with mean and deviation of ImageNet (fcmae/image.h). */
FCMAE_API fcmae_mixing fcmae_mixing_recipe(uint64_t seed, int classes);

/**
 * Makes a batch of the loader the input of a supervised step.
 *
 *   value  = (byte / 255 - mean) / deviation
 *   erase: a box of area U(0.02, 1/3) and log-uniform ratio 0.3 .. 1/0.3 becomes N(0, 1)
 *   mixup: x_i = lambda x_i + (1 - lambda) x_j, j = count - 1 - i  (zhang et al. 2018)
 *   cutmix: a box of x_j; lambda becomes the share that is kept     (yun et al. 2019)
 *   target_i = lambda y_i + (1 - lambda) y_j,  y = s / K + (1 - s) onehot
 *
 * A function of the bytes and of (seed, epoch, batch).
 *
 * @param samples  from fcmae_loader_next(); every label in 0 .. classes-1.
 * @param size     side of a sample.
 * @param values   [out] [count, 3, size, size]; NULL only if nothing is erased or mixed.
 * @param targets  [out] [count, classes], rows sum to 1.
 * @return FCMAE_ERR_ARGUMENT: an option outside its range, a label outside the classes.
 */
FCMAE_API fcmae_status fcmae_mix_samples(const fcmae_mixing *mixing, const fcmae_samples *samples,
                                         int size, float *values, float *targets,
                                         fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
