/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a pretraining run looks at while it runs: feature collapse,
 *  and pictures of fixed images. */
#ifndef TOOLS_INSPECTION_H
#define TOOLS_INSPECTION_H

#include "reconstruction.h"

/** Zero-initialise, then set the first four. */
typedef struct cli_inspection {
    const fcmae_pretrain_options *pretrain; /**< borrowed */
    int64_t watch_every; /**< updates between watched distances; 0: never                    */
    int pictures; /**< fixed images that are reconstructed; 0: none                         */
    fcmae_log log;
    int64_t picture_every, steps; /**< set by begin */
    fcmae_watch *watch;
    cli_reconstruction reconstruction;
} cli_inspection;

/** From the callback of the same name. Pictures are drawn after the first and the last update and
 *  about eight times between them. */
void cli_inspection_begin(cli_inspection *inspection, const fcmae_train_plan *plan);
/**
 * From the callback inspect, which is to be called after every update. Gives the figures "collapse"
 * and "collapse_dead" (per stage, on at most 8 samples of the batch) and "collapse_seconds" (what
 * that took), and writes RUN/reconstructions/step-<step>.png. Pictures that fail are given up with
 * a warning; they do not stop the run.
 */
fcmae_status cli_inspection_update(cli_inspection *inspection, int64_t step, fcmae_engine *engine,
                                   const fcmae_batch *batch, fcmae_train_figures *figures,
                                   fcmae_error *error);
void cli_inspection_release(cli_inspection *inspection);

#endif
