/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/model.h: the table grouped by layer, as the engine walks it. */
#ifndef FCMAE_MODEL_MODEL_H
#define FCMAE_MODEL_MODEL_H

#include "fcmae/model.h"

typedef struct fcmae_objective fcmae_objective; /* model/objective.h */

/** Parameters of one block; NULL where the version has none. */
typedef struct fcmae_block_parameters {
    const fcmae_parameter *depthwise_weight, *depthwise_bias, *norm_weight, *norm_bias;
    const fcmae_parameter *expand_weight, *expand_bias, *grn_gamma, *grn_beta;
    const fcmae_parameter *reduce_weight, *reduce_bias, *layer_scale;
} fcmae_block_parameters;

/** LayerNorm and patch linear of the stem (linear, then norm) or a downsampling (norm, then
 * linear). */
typedef struct fcmae_patch_parameters {
    const fcmae_parameter *weight, *bias, *norm_weight, *norm_bias;
} fcmae_patch_parameters;

struct fcmae_model {
    fcmae_model_config config;
    fcmae_parameter *table;
    int count;
    int64_t parameter_count, block_size;
    float *values;

    const fcmae_objective *objective;            /* NULL: the encoder alone */
    fcmae_patch_parameters patch[FCMAE_STAGES];  /* 0: stem */
    fcmae_block_parameters *stage[FCMAE_STAGES]; /* [depths[s]] */
    fcmae_block_parameters *own_blocks;          /* of the objective */
    fcmae_block_parameters *blocks;              /* owner of the five above */
};

/** Fills table, groups, counts; values stay NULL. Used alone to plan without memory for values. */
fcmae_status fcmae_model_build_table(struct fcmae_model *model, fcmae_error *error);

/** The parameter with the largest magnitude of all values, and that. */
const fcmae_parameter *fcmae_model_largest(const fcmae_model *model, float *value);
/** FCMAE_ERR_NUMERIC: `what`, computed with finite weights, is not finite; the sentence names the
 *  largest of them, which is the one to suspect. */
fcmae_status fcmae_model_not_finite(const fcmae_model *model, const char *what, fcmae_error *error);

/** Number of encoder blocks: sum of depths. */
int fcmae_config_blocks(const fcmae_model_config *config);

#endif
