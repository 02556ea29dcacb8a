/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A model configuration as the texts that make a file describe itself. */
#ifndef FCMAE_CHECKPOINT_SAVE_H
#define FCMAE_CHECKPOINT_SAVE_H

#include <stdarg.h>

#include "fcmae/checkpoint.h"

#define FCMAE_CONFIG_TEXTS 16

typedef struct fcmae_config_texts {
    int count;
    fcmae_metadata metadata[FCMAE_CONFIG_TEXTS];
    char value[FCMAE_CONFIG_TEXTS][96];
} fcmae_config_texts;

/** Fills `texts`, which must not be copied afterwards. */
void fcmae_config_describe(const fcmae_model_config *config, fcmae_config_texts *texts);

#endif
