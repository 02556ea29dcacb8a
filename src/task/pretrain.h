/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Parts of pretraining in files of their own. */
#ifndef FCMAE_TASK_PRETRAIN_H
#define FCMAE_TASK_PRETRAIN_H

#include "fcmae/train.h"
#include "run/settings.h"

/** FCMAE_OK, or which option is impossible. */
fcmae_status fcmae_pretrain_check(const fcmae_pretrain_options *options, fcmae_error *error);

/** Lists every resolved option. `images` and `fingerprint` stand for the data set. */
void fcmae_pretrain_settings(fcmae_settings *settings, const fcmae_pretrain_options *options,
                             const fcmae_engine_options *engine, int64_t images,
                             uint64_t fingerprint);

#endif
