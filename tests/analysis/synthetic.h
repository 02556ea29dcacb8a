/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A stand-in for the engine: shows observers made-up tensors that
 *  depend on (image, layer) only. */
#ifndef TESTS_ANALYSIS_SYNTHETIC_H
#define TESTS_ANALYSIS_SYNTHETIC_H

#include "fcmae/analysis.h"

typedef struct synthetic {
    fcmae_model_config config;
    int height, width; /**< of the input in pixels                                    */
    double sameness;   /**< 0: channels independent .. 1: all alike                   */
    double dead;       /**< share of channels that answer nothing                     */
    int lanes, threads;
    int64_t poisoned_image; /**< puts a NaN into stages.1.0 of this image; -1: none         */
    int64_t classes;        /**< > 0: channel k of the output answers image % classes == k    */
} synthetic;

fcmae_model_config synthetic_config(int version);

/** Shows images first .. first + count - 1 as samples 0 .. count - 1, in lanes and threads. */
void synthetic_forward(const synthetic *source, int64_t first, int count,
                       void (*observe)(void *, const fcmae_observation *), void *cookie);

#endif
