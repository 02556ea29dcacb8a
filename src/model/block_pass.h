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
} fcmae_block_pass;

/** The operand of a product: float32 rows, or the same rows in bfloat16. `at` counts values. */
static inline const float *fcmae_block_operand(const fcmae_block *block, const float *wide,
                                               const uint16_t *narrow, int64_t at)
{
    return block->pairs ? (const float *)(const void *)(narrow + at) : wide + at;
}

/** A row of `values` values in 4-byte elements of that operand. */
static inline int64_t fcmae_block_operand_row(const fcmae_block *block, int64_t values)
{
    return block->pairs ? values / 2 : values;
}

int fcmae_block_group_rows(int channels, int rows, int threads);
fcmae_block_groups fcmae_block_group(const fcmae_site_map *map, int blocks, int channels,
                                     int threads);
fcmae_row_range fcmae_block_range(const fcmae_site_map *map, const fcmae_block_groups *groups,
                                  int64_t group);

#endif
