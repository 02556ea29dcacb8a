/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Names inside a block, one row per role, one column per layout. */
#ifndef FCMAE_CHECKPOINT_LAYOUT_NAMES_H
#define FCMAE_CHECKPOINT_LAYOUT_NAMES_H

#include "fcmae/checkpoint.h"

#define FCMAE_BLOCK_LEAVES 11

typedef struct fcmae_leaf_names {
    fcmae_parameter_role role;
    const char *name[4]; /**< [layout - FCMAE_LAYOUT_SPARSE] */
} fcmae_leaf_names;

extern const fcmae_leaf_names fcmae_block_leaves[FCMAE_BLOCK_LEAVES];

/** Name of a role inside a block of that layout. */
const char *fcmae_block_leaf(fcmae_parameter_role role, fcmae_layout layout);

#endif
