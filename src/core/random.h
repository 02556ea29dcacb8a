/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Counter-based random numbers (Philox 4x32-10; Salmon et al., SC 2011).
 *
 * Every draw of the project is a pure function of (seed, purpose, epoch, index): threads, resumes
 * and the order of work cannot shift it. A stream is started where it is needed and thrown away.
 */
#ifndef FCMAE_CORE_RANDOM_H
#define FCMAE_CORE_RANDOM_H

#include <stdint.h>

/** What a stream is for: streams of different purposes never overlap. Append only. */
typedef enum fcmae_random_purpose {
    FCMAE_RANDOM_INITIALISATION = 1, /**< epoch = row, index = parameter number   */
    FCMAE_RANDOM_SHUFFLE = 2,        /**< epoch = epoch                             */
    FCMAE_RANDOM_MASK = 3,           /**< epoch, index = sample position in epoch   */
    FCMAE_RANDOM_CROP = 4,           /**< epoch, index = sample position in epoch   */
    FCMAE_RANDOM_AUGMENT = 5,        /**< RandAugment: likewise                     */
    FCMAE_RANDOM_MIX = 6,            /**< mixup, cutmix: index = batch number       */
    FCMAE_RANDOM_DROP_PATH = 7,      /**< epoch, index = sample, block              */
    FCMAE_RANDOM_SYNTHETIC = 8,      /**< synthetic images: index = image           */
    FCMAE_RANDOM_SUBSET = 9,         /**< label fraction, images for an analysis    */
    FCMAE_RANDOM_TEST = 10,
    FCMAE_RANDOM_ERASE = 11 /**< erasing: index = sample position in epoch */
} fcmae_random_purpose;

typedef struct fcmae_random {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of `block` already handed out */
} fcmae_random;

/** Starts the stream of (seed, purpose, epoch, index). */
fcmae_random fcmae_random_start(uint64_t seed, fcmae_random_purpose purpose, uint32_t epoch,
                                uint64_t index);
/** 32 uniform bits. */
uint32_t fcmae_random_u32(fcmae_random *random);
/** Uniform in [0, 1), 53 bits. */
double fcmae_random_uniform(fcmae_random *random);
/** Uniform integer in [0, bound), without bias; bound >= 1. */
uint64_t fcmae_random_below(fcmae_random *random, uint64_t bound);
/** Standard normal (Box-Muller; one value per call, the second is discarded). */
double fcmae_random_normal(fcmae_random *random);
/** Fisher-Yates permutation of 0..count-1 into `out`. */
void fcmae_random_permutation(fcmae_random *random, int64_t count, int64_t *out);

#endif
