/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What pretraining and fine-tuning prepare alike before the first update. */
#ifndef FCMAE_RUN_RUN_SETUP_H
#define FCMAE_RUN_RUN_SETUP_H

#include "fcmae/data.h"
#include "run/loop.h"

/** Batches that are prepared ahead. */
enum { FCMAE_RUN_PREFETCH = 3 };

/** FCMAE_OK, or which option is impossible. */
fcmae_status fcmae_run_options_check(const fcmae_run_options *run, fcmae_error *error);
fcmae_status fcmae_optimisation_check(const fcmae_optimisation *optimisation, fcmae_error *error);

/** Depends on the names below the data folder and their order, not on where the folder is. */
uint64_t fcmae_run_fingerprint(const fcmae_dataset *dataset, const char *folder);

/** Length of the run and learning rates: fills loop (whose steps_per_epoch is known) and plan, and
 *  replaces what the options leave open. */
fcmae_status fcmae_run_schedule(fcmae_loop *loop, fcmae_run_options *run,
                                fcmae_optimisation *optimisation, fcmae_train_plan *plan,
                                fcmae_error *error);

/** FCMAE_ERR_MEMORY if the machine has less. */
fcmae_status fcmae_run_memory(uint64_t bytes, fcmae_error *error);

/** Resolved options, as config.json lists them. */
void fcmae_model_settings(fcmae_settings *settings, const fcmae_model_config *model);
void fcmae_optimisation_settings(fcmae_settings *settings, const fcmae_optimisation *optimisation);
void fcmae_run_settings(fcmae_settings *settings, const fcmae_run_options *run,
                        const fcmae_engine_options *engine);

#endif
