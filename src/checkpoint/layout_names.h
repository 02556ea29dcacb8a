/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Names of the layouts: one row each, for reading and for writing. */
#ifndef FCMAE_CHECKPOINT_LAYOUT_NAMES_H
#define FCMAE_CHECKPOINT_LAYOUT_NAMES_H

#include "fcmae/checkpoint.h"

#define FCMAE_BLOCK_LEAVES 11
/** The last layout; they are numbered from FCMAE_LAYOUT_SPARSE on. */
#define FCMAE_LAYOUT_LAST FCMAE_LAYOUT_MMPRETRAIN

/**
 * What one layout calls the parts of the network, without the `.weight` and `.bias` behind. In the
 * patterns %s stands for the stage, %b for the block, %e for twice the stage, %o for one more than
 * that.
 */
typedef struct fcmae_layout_names {
    const char *name;          /**< of the layout itself */
    const char *outer;         /**< word before encoder names where a head stands beside, or NULL */
    const char *stem[2];       /**< convolution, norm */
    const char *downsample[2]; /**< norm, convolution; of the stages from 1 on */
    const char *block;         /**< begins the names inside a block */
    const char *norm, *head;   /**< behind the stages; NULL: it knows none */
    const char *beside; /**< words, each followed by a dot, of tensors that stand beside the network
                             and are no part of it; NULL: none */
    const char *leaf[FCMAE_BLOCK_LEAVES]; /**< in the order of fcmae_block_roles; NULL: none */
} fcmae_layout_names;

extern const fcmae_parameter_role fcmae_block_roles[FCMAE_BLOCK_LEAVES];

/** The row of a layout, which is not AUTO. */
const fcmae_layout_names *fcmae_layout_names_of(fcmae_layout layout);
/** Name of a role inside a block of that layout, or NULL. */
const char *fcmae_block_leaf(fcmae_parameter_role role, fcmae_layout layout);

#endif
