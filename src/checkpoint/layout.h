/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Layouts: how official FCMAE, official dense, timm, Hugging Face and others call, shape and order
 * the parameters of one network. Names are the table in layout_names.c. Everything goes through the
 * official dense form of fcmae_parameter.
 *
 * MinkowskiEngine numbers kernel positions with the row as the fastest digit, k = kw * side + kh:
 *     depthwise   dense[c][kh][kw]    = kernel[kw * 7 + kh][c]
 *     downsample  dense[o][i][kh][kw] = kernel[kw * 2 + kh][i][o]
 */
#ifndef FCMAE_CHECKPOINT_LAYOUT_H
#define FCMAE_CHECKPOINT_LAYOUT_H

#include "fcmae/checkpoint.h"

#define FCMAE_NAME_SIZE 128

/** A tensor name understood. */
typedef struct fcmae_parsed_name {
    char official[64];   /**< name in the parameter table */
    fcmae_layout layout; /**< DENSE if that one spells it so, else the first that does */
    bool kernel;         /**< Minkowski kernel order */
    fcmae_parameter_part part;
    int stage, block;
} fcmae_parsed_name;

/** Understands a name of any layout, with or without `module.`, `_orig_mod.`, `encoder.` and the
 *  model prefixes of Hugging Face. */
bool fcmae_layout_parse(const char *name, fcmae_parsed_name *parsed);

/** True of a tensor that a layout keeps beside the network, such as norms of dense maps. */
bool fcmae_layout_beside(const char *name);

/** True if a file tensor of this shape holds the parameter: equal but for sizes 1, or a kernel. */
bool fcmae_layout_fits(const fcmae_parameter *parameter, bool kernel, const fcmae_tensor *tensor);

/** Name (into `name`, which tensor->name then points to) and shape of a parameter in a layout. */
void fcmae_layout_describe(const fcmae_parameter *parameter, const fcmae_model_config *config,
                           fcmae_layout layout, char name[FCMAE_NAME_SIZE], fcmae_tensor *tensor);
/** True if the layout has a place for the parameter: those of others know a head at most behind
 *  the encoder, some of them no GRN. */
bool fcmae_layout_has(const fcmae_parameter *parameter, fcmae_layout layout);
/** True if the layout stores this parameter in Minkowski kernel order. */
bool fcmae_layout_is_kernel(const fcmae_parameter *parameter, fcmae_layout layout);

/** Kernel order from and to C order of the official shape; `element` bytes each. No aliasing. */
void fcmae_kernel_import(const fcmae_parameter *parameter, size_t element, const void *kernel,
                         void *official);
void fcmae_kernel_export(const fcmae_parameter *parameter, size_t element, const void *official,
                         void *kernel);

#endif
