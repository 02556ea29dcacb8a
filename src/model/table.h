/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Writing down the parameter table: what an objective calls to add its tensors. The table is walked
 * twice by the same code, once to count and once to fill; both walks must be the same.
 */
#ifndef FCMAE_MODEL_TABLE_H
#define FCMAE_MODEL_TABLE_H

#include "model/model.h"

typedef struct fcmae_table fcmae_table;

/** Names of the tensors that follow begin with the formatted prefix; they are of this part. */
void fcmae_table_prefix(fcmae_table *table, fcmae_parameter_part part, int stage, int block,
                        const char *format, ...) FCMAE_PRINTF(5, 6);
/** Adds a tensor of the official shape: [rank], at most 4. */
const fcmae_parameter *fcmae_table_add(fcmae_table *table, const char *name,
                                       fcmae_parameter_role role, fcmae_parameter_order order,
                                       fcmae_parameter_init init, int rank, const int64_t shape[]);
/** Adds a vector. Both return the entry, NULL in the counting walk. */
const fcmae_parameter *fcmae_table_vector(fcmae_table *table, const char *name,
                                          fcmae_parameter_role role, fcmae_parameter_init init,
                                          int64_t size);
/** Adds the tensors of a ConvNeXt block; the n-th of an objective has the parameters
 *  model->own_blocks[n]. */
void fcmae_table_block(fcmae_table *table, int64_t channels);

#endif
