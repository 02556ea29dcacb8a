/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Models: what a ConvNeXt V1/V2 with or without the FCMAE decoder consists of, and its parameters.
 *
 * One table of parameters over one contiguous block drives allocation, initialisation, the
 * optimiser, checkpoints, conversion and gradient checks. Gradients and optimiser moments are
 * blocks of the same layout, so everything that holds for a parameter holds for them.
 *
 * References: ConvNeXt V2 (Woo et al., arXiv 2301.00808), ConvNeXt (Liu et al., arXiv 2201.03545).
 */
#ifndef FCMAE_MODEL_H
#define FCMAE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FCMAE_STAGES 4

/** Set of sites over which GRN takes its L2 norm. Image is what the paper's results used. Batch
 * holds for the encoder, over the samples of one call; the decoder's blocks
 * are always per image. */
typedef enum fcmae_grn_scope { FCMAE_GRN_IMAGE = 0, FCMAE_GRN_BATCH = 1 } fcmae_grn_scope;

/** Everything that determines the parameters and the function of a network. */
typedef struct fcmae_model_config {
    char name[64]; /**< preset name, for people                                      */
    /** What stands between the encoder's features and the loss, by its name: "masked" (projection,
     *  mask token, decoder blocks, prediction), "classify" (pool, LayerNorm, linear head); NULL:
     * the encoder alone. Borrowed; the configuration of a model points to a name that is never
     * freed. */
    const char *objective;
    int version;              /**< 2: GRN; 1: LayerScale instead of GRN                         */
    int depths[FCMAE_STAGES]; /**< blocks per stage, each >= 1                                  */
    int dims[FCMAE_STAGES];   /**< channels per stage, each a multiple of 8                     */
    int channels;             /**< image channels, >= 1; presets: 3                             */
    int stem_stride;          /**< stem kernel and stride: 2, 4 or 8; presets: 4                */
    int decoder_depth;        /**< >= 1; used by "masked"                                     */
    int decoder_dim;          /**< a multiple of 16; presets: 512                               */
    bool norm_pix;            /**< targets normalised per patch                                 */
    fcmae_grn_scope grn_scope;
    int classes;             /**< >= 1; used by "classify"                                       */
    double layer_scale_init; /**< V1 only; 1e-6                                                */
} fcmae_model_config;

/** Side of one mask cell and prediction patch in pixels: 8 * stem_stride (presets: 32). */
FCMAE_API int fcmae_config_patch(const fcmae_model_config *config);
/** Values of one prediction patch: patch * patch * channels (presets: 3072). */
FCMAE_API int fcmae_config_patch_values(const fcmae_model_config *config);
/** Name of objective number `index`, NULL beyond the last: everything `objective` can name. */
FCMAE_API const char *fcmae_objective_name(int index);
/** FCMAE_OK, or which field is outside its range. */
FCMAE_API fcmae_status fcmae_config_check(const fcmae_model_config *config, fcmae_error *error);

/** How an official (PyTorch, dense) tensor is stored as rows x columns. */
typedef enum fcmae_parameter_order {
    FCMAE_ORDER_SAME = 0,       /**< (rows, columns) as in the file                              */
    FCMAE_ORDER_TRANSPOSED = 1, /**< file (columns, rows): linear weights and depthwise kernels */
    FCMAE_ORDER_PATCH = 2 /**< file (columns, in, k): row k * in + i: stem, 2x2 downsampling   */
} fcmae_parameter_order;

typedef enum fcmae_parameter_init {
    FCMAE_INIT_ZERO,
    FCMAE_INIT_ONE,
    FCMAE_INIT_NORMAL,     /**< truncated normal, std 0.02 */
    FCMAE_INIT_LAYER_SCALE /**< config.layer_scale_init    */
} fcmae_parameter_init;

/** Part of the network a parameter belongs to. */
typedef enum fcmae_parameter_part {
    FCMAE_PART_DOWNSAMPLE, /**< downsample_layers.<stage>; stage 0 is the stem */
    FCMAE_PART_BLOCK,      /**< stages.<stage>.<block>                         */
    FCMAE_PART_DECODER,    /**< mask_token, proj, decoder.<block>, pred        */
    FCMAE_PART_HEAD,       /**< norm, head                                     */
    FCMAE_PART_OTHER       /**< of another objective: <objective>.<...>        */
} fcmae_parameter_part;

/** Whether a network of this configuration has parameters of that part. */
FCMAE_API bool fcmae_config_has_part(const fcmae_model_config *config, fcmae_parameter_part part);

/** What a parameter is inside its part. */
typedef enum fcmae_parameter_role {
    FCMAE_ROLE_WEIGHT, /**< stem, downsampling, proj, pred, head     */
    FCMAE_ROLE_BIAS,
    FCMAE_ROLE_NORM_WEIGHT, /**< LayerNorm                                */
    FCMAE_ROLE_NORM_BIAS,
    FCMAE_ROLE_DEPTHWISE_WEIGHT,
    FCMAE_ROLE_DEPTHWISE_BIAS,
    FCMAE_ROLE_EXPAND_WEIGHT, /**< pwconv1 */
    FCMAE_ROLE_EXPAND_BIAS,
    FCMAE_ROLE_GRN_GAMMA,
    FCMAE_ROLE_GRN_BETA,
    FCMAE_ROLE_REDUCE_WEIGHT, /**< pwconv2 */
    FCMAE_ROLE_REDUCE_BIAS,
    FCMAE_ROLE_LAYER_SCALE,
    FCMAE_ROLE_MASK_TOKEN
} fcmae_parameter_role;

/**
 * One tensor. The official name and shape are those of the dense PyTorch model
 * (`stages.0.0.dwconv.weight` (C,1,7,7)) and, for decoder parts, of the FCMAE checkpoint; file
 * formats rename from here. Stored at block[offset + r * stride + c], r < rows, c < columns; the
 * columns up to `stride` (a multiple of 16) are padding and always zero.
 */
typedef struct fcmae_parameter {
    char name[64];
    int rank;
    int64_t shape[4];
    int64_t count; /**< product of shape */
    int64_t rows, columns, stride, offset;
    fcmae_parameter_order order;
    fcmae_parameter_init init;
    fcmae_parameter_part part;
    fcmae_parameter_role role;
    int stage, block; /**< 0 where meaningless */
} fcmae_parameter;

/**
 * The parameter table of a configuration alone, without memory for values.
 * @param table  [out] may be NULL; else allocated, the caller frees it with free().
 * @param count  [out] may be NULL; number of tensors.
 * @param parameters  [out] may be NULL; number of parameters, as fcmae_model_parameter_count().
 */
FCMAE_API fcmae_status fcmae_config_parameters(const fcmae_model_config *config,
                                               fcmae_parameter **table, int *count,
                                               int64_t *parameters, fcmae_error *error);

/** A configuration, its parameter table and the values. Opaque; one owner. Any thread may read;
 *  values are changed by one while no other reads. */
typedef struct fcmae_model fcmae_model;

/** Builds table and block (zero values). @return FCMAE_ERR_ARGUMENT, FCMAE_ERR_MEMORY. */
FCMAE_API fcmae_status fcmae_model_create(fcmae_model **model, const fcmae_model_config *config,
                                          fcmae_error *error);
/** Frees and sets *model to NULL; NULL and *model == NULL are fine. */
FCMAE_API void fcmae_model_destroy(fcmae_model **model);

FCMAE_API const fcmae_model_config *fcmae_model_configuration(const fcmae_model *model);
/** The table, in the order of a PyTorch state dict of the same
 *  model. Lives as long as the model. */
FCMAE_API const fcmae_parameter *fcmae_model_parameters(const fcmae_model *model, int *count);
/** Entry of that official name, or NULL. */
FCMAE_API const fcmae_parameter *fcmae_model_find(const fcmae_model *model, const char *name);
/** Number of parameters without padding: the figure papers print. */
FCMAE_API int64_t fcmae_model_parameter_count(const fcmae_model *model);
/** Floats in the value block, padding included; blocks of gradients and moments have this size. */
FCMAE_API int64_t fcmae_model_block_size(const fcmae_model *model);
/** The value block: borrowed, 64-byte aligned, writable. */
FCMAE_API float *fcmae_model_values(fcmae_model *model);

/**
 * Fresh values: conv and linear weights and the mask token from a normal with std 0.02 cut at two
 * absolute (the sane form of the official initialisation), biases, GRN gamma and beta 0, LayerNorm
 * 1 and 0, LayerScale config.layer_scale_init. A pure function of (config, seed).
 */
FCMAE_API void fcmae_model_initialise(fcmae_model *model, uint64_t seed);

/** Copies one tensor out of a block into C order of its official
 *  shape, `parameter->count` floats. */
FCMAE_API void fcmae_parameter_export(const fcmae_parameter *parameter, const float *block,
                                      float *official);
/** The inverse of fcmae_parameter_export(); leaves padding zero. */
FCMAE_API void fcmae_parameter_import(const fcmae_parameter *parameter, const float *official,
                                      float *block);

#ifdef __cplusplus
}
#endif
#endif
