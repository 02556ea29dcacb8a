/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Images that a pretraining run sets aside, and images that it looks at again and again. */
#ifndef FCMAE_TASK_HELD_OUT_H
#define FCMAE_TASK_HELD_OUT_H

#include "run/run.h"

/** Images of a data set, owned. Zero-initialised: none. */
typedef struct fcmae_held_out {
    int64_t *indices; /**< ascending */
    int64_t count;
} fcmae_held_out;

/** How many images are set aside where nobody says it: 2 %, at least 8 and at most 256; none of
 *  fewer than 50. */
int64_t fcmae_held_out_usual(int64_t images);
/**
 * Draws images of run->dataset, a function of the run's seed; the others become run->subset, the
 * images that are trained on.
 * @param wanted  at least 1, fewer than there are images
 */
fcmae_status fcmae_held_out_draw(fcmae_held_out *held, fcmae_run *run, int64_t wanted,
                                 fcmae_error *error);

/** Images decoded once, as evaluations see them: scaled, the centre cut out. Zero-initialise;
 *  free() the arrays. */
typedef struct fcmae_watched {
    uint8_t *bytes;  /**< [count, side, side, 3] */
    int32_t *labels; /**< [count] */
    int64_t count;
} fcmae_watched;

/** Adds images of a data set, those that can be read. */
fcmae_status fcmae_watched_add(fcmae_watched *watched, const fcmae_run *run,
                               const fcmae_dataset *dataset, const int64_t *indices, int64_t count,
                               fcmae_error *error);

#endif
