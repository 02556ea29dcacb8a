/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Counts of arithmetic per sample, from the definitions.
 *
 * Necessary operations: linears and convolutions at the sites where their result is used, depthwise
 * taps that are expected to be present under a random mask; 2 per multiply-add; backward twice
 * forward, less the stem's input gradient. Norms, GELU, GRN and AdamW are not counted.
 */
#ifndef FCMAE_MODEL_OPERATIONS_H
#define FCMAE_MODEL_OPERATIONS_H

#include "fcmae/engine.h"

/** Necessary operations and multiply-adds per sample into info. */
void fcmae_count_operations(const fcmae_model_config *config, const fcmae_engine_options *options,
                            fcmae_engine_plan_info *info);

/** Expected number of present taps per site: same cell always, other cells with probability p. */
double fcmae_expected_taps(int cells_high, int cells_wide, int side, double p);
/** Multiply-adds of a block over `rows` rows, of which `reduced_rows` are wanted of the last
 *  linear. */
double fcmae_block_macs(double rows, double reduced_rows, double taps, double channels);

#endif
