/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Group: the processes that share the batches of a run. It stands between the gradients of an
 * update and the optimiser; one process is a group of one.
 *
 * Lanes are numbered over the whole group: of L lanes, member r of n owns those from r * L / n up
 * to (r + 1) * L / n. Everything that is added up over lanes is added as one tree of pairs: lane 0
 * and 1, 2 and 3, ..., then pairs of pairs; n are split at the largest power of two below n. If L
 * is n times a power of two, the lanes of a member are a node of that tree: each member sums its
 * own, and the group sums over its members by the same rule. So the bits do not depend on how many
 * share.
 */
#ifndef FCMAE_CORE_GROUP_H
#define FCMAE_CORE_GROUP_H

#include <stdint.h>

#include "core/kernels.h"
#include "core/status.h"

/** Calls are collective: every member makes the same ones in the same order. On failure every
 *  member fails. */
typedef struct fcmae_group {
    int rank, size;
    void *cookie;
    /** values := sum over the members, as the tree over ranks; the same bits in every member. */
    fcmae_status (*sum)(const struct fcmae_group *group, float *values, int64_t count,
                        fcmae_error *error);
    /** The same of a few doubles: losses, and counts, which stay exact. */
    fcmae_status (*add)(const struct fcmae_group *group, double *values, int count,
                        fcmae_error *error);
    /** *value := the largest of all members' values: "somebody wants to stop", "somebody failed".
     */
    fcmae_status (*agree)(const struct fcmae_group *group, int *value, fcmae_error *error);
} fcmae_group;

/** The group of this process alone: every call leaves its values as they are. */
const fcmae_group *fcmae_group_of_one(void);

/** Where n neighbours of the tree are split: the largest power of two below n. n >= 2. */
int fcmae_tree_half(int n);

/**
 * Sums `count` blocks as the tree, on up to `threads` threads, which change nothing.
 * @param block  [count][size], one after the other; the sum overwrites the first. 64-byte aligned,
 *               size a multiple of 16.
 */
void fcmae_tree_sum(const fcmae_kernels *kernels, int threads, float *block, int64_t size,
                    int count);

#endif
