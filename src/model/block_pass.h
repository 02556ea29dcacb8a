/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What the tasks of one block's forward or backward share. Private to block*.c. */
#ifndef FCMAE_MODEL_BLOCK_PASS_H
#define FCMAE_MODEL_BLOCK_PASS_H

#include "model/block.h"

/** Consecutive row blocks of a map, taken together. */
typedef struct fcmae_block_groups {
    int blocks, per_group, count;
} fcmae_block_groups;

typedef struct fcmae_row_range {
    int first, last;                 /* rows */
    int first_segment, last_segment; /* segments */
} fcmae_row_range;

typedef struct fcmae_block_pass {
    const fcmae_block *block;
    const fcmae_workspace *workspace;
    const fcmae_site_map *map;
    const fcmae_block_state *state;
    const float *x, *branch;
    float *out;
    float *gradient, *gradients; /* backward only */
    bool grn;
    fcmae_block_groups groups;
    int parts; /**< of the panels of a group's second linear, forward only */
} fcmae_block_pass;

fcmae_block_groups fcmae_block_group(const fcmae_site_map *map, int blocks, int channels,
                                     int threads);
fcmae_row_range fcmae_block_range(const fcmae_site_map *map, const fcmae_block_groups *groups,
                                  int64_t group);

#endif
