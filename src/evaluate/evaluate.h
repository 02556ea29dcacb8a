/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Counting right answers batch by batch (see fcmae/evaluate.h). */
#ifndef FCMAE_EVALUATE_EVALUATE_H
#define FCMAE_EVALUATE_EVALUATE_H

#include "core/status.h"
#include "fcmae/evaluate.h"

/** State of an evaluation under way. */
typedef struct fcmae_tally {
    int classes;
    const int32_t *output_of;     /**< borrowed */
    fcmae_evaluation *evaluation; /**< counts so far */
    int32_t *pairs;               /**< [capacity][label, predicted] of the wrong ones */
    int64_t pair_count, capacity;
    double loss_sum;
} fcmae_tally;

fcmae_status fcmae_tally_begin(fcmae_tally *tally, int classes, const int32_t *output_of,
                               fcmae_evaluation *evaluation, fcmae_error *error);
/** A fcmae_pass_visitor; the cookie is the tally. */
fcmae_status fcmae_tally_visit(void *tally, const fcmae_pass_batch *batch, fcmae_error *error);
/** Sums up; `images` were seen. Releases what the tally holds, also after a failure. */
void fcmae_tally_end(fcmae_tally *tally, int64_t images);

#endif
