/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Training: one call for every kind of run, from the first update to the last checkpoint.
 *
 * A kind of run is a *task*: "pretrain" (FCMAE: Woo et al., arXiv 2301.00808) or "finetune"
 * (supervised training of the dense network). What it can be told is its set of options
 * (fcmae/options.h; listed in docs/options.md and `fcmae help TASK`). A run lives in a folder:
 *
 *   config.json                         every option as resolved
 *   log.jsonl                           one object per update: step, epoch, loss, lr, grad_norm,
 *                                       images_per_s, data_wait, elapsed, and what the task
 *                                       measures; events between them
 *   checkpoint-<step>.safetensors       the weights, official names
 *   checkpoint-<step>.state.safetensors moments, average of the weights, step, position in the
 *                                       data, seed and every option that shapes the result
 *   tensorboard/                        event files for TensorBoard, where they are asked for
 *   latest                              name of the newest checkpoint, written last
 *   best.safetensors                    finetune: the weights, or their average, with the highest
 *                                       validation accuracy so far
 *
 * A run is a pure function of its options: interrupted anywhere (also by SIGKILL or a power cut)
 * and continued, on any number of threads, it ends in the same bytes. Only `lanes`, `micro-batch`
 * and `isa` shape the order of sums; they are recorded, and a resumed run takes them over.
 */
#ifndef FCMAE_TRAIN_H
#define FCMAE_TRAIN_H

#include "fcmae/engine.h"
#include "fcmae/optimiser.h"
#include "fcmae/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of a task by name, or NULL. Constant: any thread may read. */
FCMAE_API const fcmae_option_set *fcmae_task_options(const char *task);
/** Options of task number `index`, in the order of a project's life; NULL behind the last. */
FCMAE_API const fcmae_option_set *fcmae_task_at(int index);

/** What a run is going to do: known before the first step. */
typedef struct fcmae_train_plan {
    int64_t images;                   /**< in the data set                                       */
    int64_t steps_per_epoch, steps;   /**< updates                                               */
    int64_t effective_batch;          /**< samples per update                                    */
    int64_t first_step;               /**< updates done already: > 0 when resumed                */
    char resumed_from[512];           /**< checkpoint file, or ""                                */
    double lr, warmup_epochs, epochs; /**< resolved                                            */
    fcmae_engine_plan_info engine;
    uint64_t total_bytes; /**< engine, optimiser and prepared images                           */
    char recipe[256];     /**< what an automatic recipe decided, as a sentence; "" without one */
    double seconds;       /**< expected for what is left, from a few updates that were tried on
                               the side; 0: unknown */
} fcmae_train_plan;

/** State after an update. */
typedef struct fcmae_train_progress {
    int64_t step, steps; /**< updates done, of how many                                        */
    double epoch;        /**< fractional                                                       */
    double loss;         /**< mean over the effective batch, before the update                 */
    double lr;           /**< used in the update                                               */
    double grad_norm;    /**< before clipping                                                  */
    double images_per_s; /**< samples of this update per second                                */
    double data_wait;    /**< seconds of this update spent waiting for images                  */
    double elapsed;      /**< seconds of training, earlier parts of a resumed run included     */
    int64_t samples;     /**< of this update                                                   */
    const struct fcmae_train_figures *figures; /**< of this update; valid during the call      */
} fcmae_train_progress;

#define FCMAE_TRAIN_FIGURES 12
#define FCMAE_TRAIN_FIGURE_SIZE 8

/** Numbers that go into the update's line of the log under their names: one as a number
 *  ("val_top1": 91.3), several as an array ("collapse": [0.41, 0.38, 0.35, 0.33]); a number that is
 *  not finite becomes null. */
typedef struct fcmae_train_figures {
    int count;
    struct {
        const char *name; /**< a literal */
        int size;
        double values[FCMAE_TRAIN_FIGURE_SIZE];
    } figures[FCMAE_TRAIN_FIGURES];
} fcmae_train_figures;

/** Zero-initialised it is silent. All are called from the thread that called fcmae_train(). */
typedef struct fcmae_train_callbacks {
    void *cookie;
    fcmae_log log; /**< skipped files, resumed checkpoints, changed options, evaluations */
    /** Command line that reproduces the run, for config.json; may be NULL. */
    const char *command;
    /** Once, before the first step. */
    void (*begin)(void *cookie, const fcmae_train_plan *plan);
    /** After every update. */
    void (*progress)(void *cookie, const fcmae_train_progress *progress);
    /** After every checkpoint: the file of the weights. */
    void (*saved)(void *cookie, int64_t step, const char *path);
    /** Polled between batches: true ends the run after saving the last complete update. May read a
     *  flag that a signal handler sets. */
    bool (*should_stop)(void *cookie);
    /** Every `inspect_every` updates (0: never), after the update and with the weights in place,
     *  before its line of the log is written: may run fcmae_engine_forward() on the batch or any
     *  other and add to `figures`. A failure stops the run. */
    fcmae_status (*inspect)(void *cookie, int64_t step, fcmae_engine *engine,
                            const fcmae_batch *batch, fcmae_train_figures *figures,
                            fcmae_error *error);
    int64_t inspect_every;
} fcmae_train_callbacks;

/** What a call of fcmae_train() did. Zero-initialise; fcmae_train_result_release() afterwards. */
typedef struct fcmae_train_result {
    int64_t step;             /**< updates done, earlier sittings included                     */
    int64_t updates, samples; /**< of this sitting                                             */
    double loss, mean_loss;   /**< of the last update; mean over this sitting                  */
    double elapsed;           /**< seconds of training, earlier sittings included              */
    char checkpoint[512];     /**< newest checkpoint of the run, or ""                         */
    char *details; /**< what the task measured last, a JSON object; NULL: nothing. Owned       */
    char *summary; /**< the same as a line for people. Owned                                   */
} fcmae_train_result;
FCMAE_API void fcmae_train_result_release(fcmae_train_result *result);

/**
 * Runs the task whose options these are: per update, `accumulate` batches through the engine,
 * AdamW, one line of the log; checkpoints every `save-every` updates and at the end. Every draw is
 * a function of (seed, epoch, place in the epoch). The last batches of an epoch that do not make a
 * whole update are left out.
 *
 * @param options    from fcmae_task_options(); what was left open is resolved in them.
 * @param callbacks  may be NULL.
 * @param result     [out] also after a failure; may be NULL.
 * @return FCMAE_ERR_INTERRUPTED: should_stop said so; the state is saved.
 *   FCMAE_ERR_NUMERIC: a loss or gradient is not finite: the sentence names the step, the images
 *     and the last good checkpoint; log.jsonl lists all images of the step. Nothing is saved.
 *   FCMAE_ERR_IO: also a full disk: earlier checkpoints stay as they are.
 *   FCMAE_ERR_SHAPE: fewer images than one update takes. FCMAE_ERR_MISMATCH: the checkpoint belongs
 *     to a run with other options (which), a class of the validation folder is not in training, or
 *     the start checkpoint is no ConvNeXt. FCMAE_ERR_MEMORY: the run would not fit (needed and
 *     present). Others as the calls underneath.
 */
FCMAE_API fcmae_status fcmae_train(fcmae_options *options, const fcmae_train_callbacks *callbacks,
                                   fcmae_train_result *result, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
