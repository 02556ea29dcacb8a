/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** One model of `fcmae collapse`: its weights, engine, masks and accumulator. */
#ifndef TOOLS_COLLAPSE_MODELS_H
#define TOOLS_COLLAPSE_MODELS_H

#include "fcmae/fcmae.h"

typedef struct collapse_model_options {
    int input_size, batch, threads;
    double mask_ratio; /**< 0: dense */
    uint64_t seed;
    const char *key; /**< of the files: as for fcmae_checkpoint_open() */
} collapse_model_options;

/** Zero-initialise. */
typedef struct collapse_model {
    char label[200], path[4200];
    int64_t step; /**< -1: unknown */
    fcmae_model_config config;
    fcmae_model *model;
    fcmae_engine *engine;
    fcmae_collapse *collapse; /**< owned; made by the caller */
    uint8_t *removed;         /**< [batch, cells], or NULL */
    int grid, visible;
    uint64_t seed;
} collapse_model;

/**
 * @param what   as for fcmae_checkpoint_find(), or a preset (name or .ini).
 * @param label  NULL: from the path.
 */
fcmae_status collapse_model_open(collapse_model *model, const char *what, const char *label,
                                 const collapse_model_options *options, fcmae_error *error);
/** Shows one batch to the accumulator. The mask of an image depends on the seed and its number. */
fcmae_status collapse_model_forward(collapse_model *model, const fcmae_samples *samples,
                                    bool labels, fcmae_error *error);
void collapse_model_close(collapse_model *model);
/** Appends numbers where two labels are the same. */
void collapse_models_unique_labels(collapse_model *models, int count);

#endif
