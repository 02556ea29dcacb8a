/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a masked run looks at while it goes on: feature collapse, and pictures of fixed images. */
#ifndef FCMAE_TASK_INSPECTION_H
#define FCMAE_TASK_INSPECTION_H

#include "fcmae/analysis.h"
#include "fcmae/reconstruct.h"
#include "run/run.h"

/** Zero-initialise, then set the first five. */
typedef struct fcmae_inspection {
    int64_t watch_every; /**< updates between watched distances; 0: never       */
    int pictures;        /**< fixed images that are reconstructed; 0: none      */
    const char *data;    /**< folder they are drawn from                        */
    int mask_unit;
    double mask_ratio;
    fcmae_watch *watch;
    fcmae_reconstruction *reconstruction;
} fcmae_inspection;

/**
 * To be called after every update. Adds the figures "collapse" and "collapse_dead" (per stage, on
 * at most 8 samples of the batch) and "collapse_seconds" (what that took). Writes
 * RUN/reconstructions/step-<step>.png after the first and the last update and about eight times
 * between them; pictures that fail are given up with a warning, they do not stop the run.
 */
fcmae_status fcmae_inspect(fcmae_inspection *inspection, fcmae_run *run, int64_t step,
                           fcmae_train_figures *figures, fcmae_error *error);
void fcmae_inspection_release(fcmae_inspection *inspection);

#endif
