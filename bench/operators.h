/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Timing one operator against the limits of the machine that are measured beside it. */
#ifndef BENCH_OPERATORS_H
#define BENCH_OPERATORS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kernels.h"

/** What is timed: one stage of a network as a lane meets it, on one thread. */
typedef struct stage_case {
    const char *model;
    int stage, channels, stride, hidden; /**< hidden = 4 channels */
    int cell, images, rows;              /**< sites of a cell's side; rows of all images */
    int instruction_set;                 /**< the most to use, as in fcmae_engine_options */
    double seconds;                      /**< how long an operator is repeated */
    bool check;                          /**< compare with a naive loop instead of timing */
} stage_case;

typedef struct operator_figure {
    const char *name;
    double flops; /**< of one call; 0: moves bytes only */
    double bytes; /**< of one call; 0: computes only    */
    bool pairs;   /**< against the bfloat16 peak        */
} operator_figure;

/** The most capable set that the case and the processor allow; pairs: with bfloat16 products. */
fcmae_isa bench_isa(const stage_case *stage, bool pairs);
/** Repeats work(argument) and prints its speed. */
void bench_time(const stage_case *stage, const operator_figure *figure,
                void (*work)(void *argument), void *argument);
/** Counts and prints a value that is further from the expected one than `tolerance`. */
void bench_compare(const stage_case *stage, const char *name, double got, double expected,
                   double tolerance);

/** count floats, aligned; values: uniform in [-1, 1) from (seed), or zeros where seed is 0. */
float *bench_floats(int64_t count, uint64_t seed);

/** Matrix products; rows beyond `channels` columns are zero. */
void bench_products(const stage_case *stage);
/** Depthwise convolution. */
void bench_depthwise(const stage_case *stage);
/** What streams through memory: GELU, GRN, LayerNorm, packing, AdamW. */
void bench_streams(const stage_case *stage);
#ifdef BENCH_WITH_OPENBLAS
/** The same products by OpenBLAS. */
void bench_blas(const stage_case *stage);
#endif

#endif
