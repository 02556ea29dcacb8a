/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** First weights of a pretraining run, taken from a file of any kind (`--init`). */
#ifndef FCMAE_TASK_START_H
#define FCMAE_TASK_START_H

#include "fcmae/checkpoint.h"
#include "run/run.h"

typedef struct fcmae_start {
    const char *given, *key; /**< as typed: a file or a run; NULL: a run from noise */
    bool encoder_only;       /**< what stands behind the encoder stays fresh */
    char path[FCMAE_PATH];   /**< the file; "" where there is none */
} fcmae_start;

/** Tells the log what the user of an encoder should know of the file: averaged weights that nobody
 *  asked for, tensors that are none of a network's and stay behind. */
void fcmae_start_remark(const fcmae_run *run, const fcmae_checkpoint_info *info);

/** Finds the file. Where nobody chose a model, the file says it: sets the options of the network as
 *  a preset would, and those of the recipe if the name is that of a published size. A run that goes
 *  on does without the file if that is gone. */
fcmae_status fcmae_start_resolve(fcmae_start *start, fcmae_run *run, fcmae_error *error);
/**
 * Takes the weights into run->model, which is initialised: the encoder bit for bit, the decoder
 * where the file has one of the same size. The log says what is fresh. A run that goes on is left
 * as it is.
 * @return FCMAE_ERR_MISMATCH: the file's encoder is another one; the sentence names tensors.
 */
fcmae_status fcmae_start_load(const fcmae_start *start, fcmae_run *run, fcmae_error *error);

#endif
