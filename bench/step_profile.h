/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Where the time of a step goes: kernel calls timed on their way through a kernel table. */
#ifndef BENCH_STEP_PROFILE_H
#define BENCH_STEP_PROFILE_H

#include "core/kernels.h"

/** A kernel and what tells its calls apart; names are literals, compared by address. */
typedef struct profile_key {
    const char *name;
    int depth;  /**< products: k; gradients: rows of the result; else 0 */
    int width;  /**< panel width of products, columns of depthwise; else 0 */
    int stride; /**< of a product's result; else 0 */
} profile_key;

/** A table that times every kernel of `table` that the lanes of a step call. One at a time. */
fcmae_kernels profile_kernels(const fcmae_kernels *table);

/** Adds one call to the calling thread's profile. */
void profile_add(const profile_key *key, double flops, double seconds);
/** Forgets everything. No kernel may be running. */
void profile_reset(void);

/** What was done while the profile was taken. */
typedef struct profile_run {
    const char *name;
    double images, seconds; /**< in all */
    double peak;            /**< FLOP/s of all threads, measured meanwhile */
    int threads;            /**< that worked */
} profile_run;

/** Prints the threads' profiles, added up: most expensive first, in ms of a thread per image. */
void profile_print(const profile_run *run);

#endif
