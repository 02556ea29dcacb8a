/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Everything that must survive between two updates, as a pair of files: the weights under their
 * official names, and a companion with the moments, the average of the weights and, as texts, the
 * step, the position in the data, the seed and the options.
 *
 * The companion is written second and holds checksums of both, so a pair is complete if and only if
 * both files read and the checksums agree.
 */
#ifndef FCMAE_RUN_RUN_STATE_H
#define FCMAE_RUN_RUN_STATE_H

#include "fcmae/model.h"
#include "fcmae/optimiser.h"
#include "fcmae/tensor_file.h"
#include "run/record.h"

enum { FCMAE_RUN_TEXTS = 4 };

typedef struct fcmae_run_state {
    fcmae_model *model;
    fcmae_adamw *adamw;
    float *average; /**< [block] moving average of the weights, or NULL */
    const fcmae_record *record;
    int64_t step;  /**< updates done                                   */
    int64_t epoch; /**< where the next update begins                   */
    int64_t batch; /**< likewise, batches into the epoch               */
    uint64_t seed;
    const fcmae_metadata
        *texts;     /**< written into the file of the weights, beside the step; borrowed */
    int text_count; /**< at most FCMAE_RUN_TEXTS */
} fcmae_run_state;

/** Writes the pair. A failure leaves files of these names as they were or absent. */
fcmae_status fcmae_run_state_save(const fcmae_run_state *state, const char *weights_path,
                                  const char *state_path, fcmae_error *error);

/**
 * Reads a pair into the model, the moments and the average (which starts from the weights if the
 * file has none) and sets step and updates.
 * @return FCMAE_ERR_MISMATCH: another model, or a fixed option differs; other failures: the pair is
 *         damaged or incomplete. The state is then undefined.
 */
fcmae_status fcmae_run_state_load(fcmae_run_state *state, const char *weights_path,
                                  const char *state_path, const fcmae_log *log, fcmae_error *error);

/** Reads one recorded option, as JSON, cut to `size`; false if the companion or the option is
 *  missing. */
bool fcmae_run_state_option(const char *state_path, const fcmae_option *option, char *text,
                            size_t size);

#endif
