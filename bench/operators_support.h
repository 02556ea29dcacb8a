/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Timing one operator against the limits of the machine that are measured beside it. */
#ifndef BENCH_OPERATORS_SUPPORT_H
#define BENCH_OPERATORS_SUPPORT_H

#include <stdbool.h>
#include <stdint.h>

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

/** Repeats work(argument) and prints its speed. */
void bench_time(const stage_case *stage, const operator_figure *figure,
                void (*work)(void *argument), void *argument);
/** Counts and prints a value that is further from the expected one than `tolerance`. */
void bench_compare(const stage_case *stage, const char *name, double got, double expected,
                   double tolerance);

/** Values that were too far away so far. */
int bench_failures(void);

/** count floats, aligned; values: uniform in [-1, 1) from (seed), or zeros where seed is 0. */
float *bench_floats(int64_t count, uint64_t seed);

#endif
