/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The training loop that pretraining and fine-tuning share: run folder, resume, updates, schedule,
 * log, checkpoints, interruption and failure. What is trained on comes from a source.
 *
 * Order of calls: zero-initialise and fill the upper part; fcmae_loop_open() (folder and checkpoint
 * to continue from); then, with lanes and micro-batch decided, set the state's settings;
 * fcmae_loop_resume(); create the engine; fcmae_loop_run(); fcmae_loop_close().
 */
#ifndef FCMAE_RUN_LOOP_H
#define FCMAE_RUN_LOOP_H

#include "fcmae/engine.h"
#include "fcmae/train.h"
#include "run/run_folder.h"
#include "run/run_log.h"
#include "run/run_state.h"

/** Where batches come from. All are called from the thread of the loop. */
typedef struct fcmae_loop_source {
    void *cookie;
    /** The next call of `next` gives this batch of this epoch. */
    fcmae_status (*start)(void *cookie, int64_t epoch, int64_t batch, fcmae_error *error);
    /** The next batch, epoch following epoch. `indices` receives the data set's number of each
     * image. */
    fcmae_status (*next)(void *cookie, fcmae_batch *batch, const int64_t **indices,
                         fcmae_error *error);
    /** Seconds `next` has waited so far. */
    double (*waited)(void *cookie);
    /** Name of an image. */
    void (*name)(void *cookie, int64_t index, char *name, size_t size);
} fcmae_loop_source;

typedef struct fcmae_loop {
    const fcmae_run_options *options;
    const fcmae_train_callbacks *callbacks;
    fcmae_loop_source source;
    fcmae_engine *engine;  /**< borrowed                                        */
    fcmae_run_state state; /**< model, adamw, average, settings: borrowed       */
    fcmae_schedule schedule;
    double ema_decay;
    bool ema_warmup;
    int threads;
    int64_t batches_per_epoch; /**< of the source                                   */
    int64_t steps_per_epoch;   /**< updates: batches_per_epoch / accumulate          */
    int64_t steps;             /**< length of the run                               */
    int64_t images_per_batch;

    /* the loop's own */
    fcmae_run_folder folder;
    fcmae_run_log log;
    char resumed_from[FCMAE_PATH]; /**< weights file, or ""                          */
    int64_t saved_step;            /**< of the newest checkpoint on disk; -1: none      */
    char saved_path[FCMAE_PATH];
    int64_t *used; /**< [accumulate * images_per_batch] images of the update */
    int64_t used_count;
    fcmae_batch batch; /**< the last one; samples 0: no longer to be used   */
    bool in_place;     /**< the source stands where the next update begins  */
    bool spoilt;       /**< the weights in memory are not to be saved       */
    bool save_failed;  /**< once is enough                                  */
} fcmae_loop;

/** Opens the run folder and chooses the checkpoint to continue from,
 *  without reading its tensors. */
fcmae_status fcmae_loop_open(fcmae_loop *loop, fcmae_error *error);
/** An option recorded in that checkpoint; `fallback` if there is none. */
int64_t fcmae_loop_recorded(const fcmae_loop *loop, const char *option, int64_t fallback);
/** Reads the newest complete checkpoint if there is one to continue from, opens the log where it
 *  stood and writes config.json. */
fcmae_status fcmae_loop_resume(fcmae_loop *loop, fcmae_error *error);
/** Trains to the end, to should_stop, or to a failure. */
fcmae_status fcmae_loop_run(fcmae_loop *loop, fcmae_error *error);
void fcmae_loop_close(fcmae_loop *loop);

/** loop_resume.c: saves the state unless it is on disk already. */
fcmae_status fcmae_loop_save(fcmae_loop *loop, fcmae_error *error);
/** loop_failure.c: completes the sentence of a numeric failure in update `step` and logs all
 * images.
 *  @param batch  the batch that failed, to find the samples at fault; NULL if
 *  it was the gradient. */
fcmae_status fcmae_loop_not_finite(fcmae_loop *loop, int64_t step, const fcmae_batch *batch,
                                   fcmae_error *error);

#endif
