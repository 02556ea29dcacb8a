/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Training: FCMAE pretraining on a folder of images, from the first step to the last checkpoint.
 *
 * A run lives in a folder:
 *
 *   config.json                         every option as resolved
 *   log.jsonl                           one object per update: step, epoch, loss, lr, grad_norm,
 *                                       images_per_s, data_wait, elapsed; events between them
 *   checkpoint-<step>.safetensors       the weights, official names
 *   checkpoint-<step>.state.safetensors moments, average of the weights, step, position in the
 * data, seed and every option that shapes the result latest                              name of
 * the newest checkpoint, written last
 *
 * A run is a pure function of its options: interrupted anywhere (also by SIGKILL or a power cut)
 * and continued, on any number of threads, it ends in the same bytes. Only `lanes` and
 * `micro_batch` shape the order of sums; they are recorded, and a resumed run takes them over.
 */
#ifndef FCMAE_TRAIN_H
#define FCMAE_TRAIN_H

#include "fcmae/engine.h"
#include "fcmae/optimiser.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What every training run has. */
typedef struct fcmae_run_options {
    const char *output; /**< run folder; made if missing                                          */
    const char *resume; /**< NULL or "auto": the newest complete checkpoint of the folder, if any;
                             "never": start anew, refused in a folder that holds checkpoints;
                             else a checkpoint file to continue from (into `output`, which must
                             not hold later ones)                                                */
    double epochs;      /**< length in passes over the data; unused if steps > 0                  */
    int64_t steps;      /**< length in updates; 0: epochs                                        */
    int64_t batch_size; /**< samples per call of the engine                                      */
    int accumulate; /**< batches summed into one update; effective batch = batch_size * this   */
    uint64_t seed;
    int threads;     /**< 0: every processor. Never changes a result.                          */
    int lanes;       /**< 0: as the checkpoint says, or chosen                                 */
    int micro_batch; /**< likewise                                                            */
    fcmae_precision precision; /**< of the operands; may change at a resume */
    int workers;        /**< threads that prepare images; 0: as threads                           */
    int64_t save_every; /**< updates between checkpoints; 0: one epoch                            */
    int keep;           /**< complete checkpoints kept in the folder; 0: all                      */
    const char
        *command; /**< command line that reproduces the run, kept in config.json; may be NULL */
} fcmae_run_options;

/** Learning rate and optimiser. */
typedef struct fcmae_optimisation {
    double lr;      /**< peak; 0: base_lr * effective batch / 256                            */
    double base_lr; /**< for an effective batch of 256                                       */
    double min_lr;  /**< at the end of the cosine                                            */
    double warmup_epochs; /**< -w: at most w, and at most 5 % of the run (the paper: 40 of 800) */
    fcmae_adamw_options adamw;
    double ema_decay; /**< moving average of the weights, saved beside them; 0: none            */
    bool ema_warmup; /**< at update t the decay is at most (1 + t) / (10 + t): for short runs, where
                          the average would stay near its beginning                            */
} fcmae_optimisation;

typedef struct fcmae_pretrain_options {
    const char *data; /**< folder tree of images; labels are not used                         */
    fcmae_model_config model; /**< objective is taken as "masked" */
    int input_size;      /**< pixels, a multiple of fcmae_config_patch()                         */
    double mask_ratio;   /**< share of cells removed; visible = floor(cells * (1 - ratio))        */
    int mask_unit;       /**< cells per side of the squares that are removed together            */
    int masks_per_image; /**< views V of each decoded image, with disjoint visible cells as long as
                              V * visible <= cells. batch_size counts views and is a multiple of V
                          */
    double crop_scale;   /**< smallest share of the image's area in a random resized crop         */
    double flip;         /**< probability of mirroring                                           */
    bool fast_decode; /**< let JPEG shrink while decoding: faster, not bit-equal to Pillow      */
    double bad_share; /**< see fcmae_loader_options                                            */
    fcmae_optimisation optimisation;
    fcmae_run_options run;
} fcmae_pretrain_options;

/** The paper's recipe: 224 px, ratio 0.6, unit 1, one mask, crops from 0.2, flips, base lr 1.5e-4
 * to 0, weight decay 0.05, betas 0.9 and 0.95, 800 epochs; batch 64, seed 0, three checkpoints
 * kept. Set data, model and run.output. */
FCMAE_API fcmae_pretrain_options fcmae_pretrain_defaults(void);

/** What a run is going to do: known before the first step. */
typedef struct fcmae_train_plan {
    int64_t images; /**< in the data set                                                   */
    int64_t steps_per_epoch, steps; /**< updates */
    int64_t effective_batch;
    int64_t first_step; /**< updates done already: > 0 when resumed                            */
    char resumed_from[512];           /**< checkpoint file, or ""           */
    double lr, warmup_epochs, epochs; /**< resolved */
    fcmae_engine_plan_info engine;
    uint64_t total_bytes; /**< engine, optimiser and prepared images                             */
} fcmae_train_plan;

/** State after an update. */
typedef struct fcmae_train_progress {
    int64_t step, steps; /**< updates done, of how many                                          */
    double epoch;        /**< fractional                                                         */
    double loss;         /**< mean over the effective batch, before the update                   */
    double lr;           /**< used in the update                                                 */
    double grad_norm;    /**< before clipping                                                    */
    double images_per_s; /**< samples of this update per second                                  */
    double data_wait;    /**< seconds of this update spent waiting for images                    */
    double elapsed;      /**< seconds of training, earlier parts of a resumed run included        */
    int64_t samples;     /**< of this update                                                     */
} fcmae_train_progress;

#define FCMAE_TRAIN_FIGURES 12
#define FCMAE_TRAIN_FIGURE_SIZE 8

/** Numbers that inspect() adds to the update's line of the log under their names: one as a number
 *  ("val_top1": 91.3), several as an array ("collapse": [0.41, 0.38, 0.35, 0.33]); a number that is
 *  not finite becomes null. */
typedef struct fcmae_train_figures {
    int count;
    struct {
        const char *name; /**< valid until inspect() returns and a while longer: a literal */
        int size;
        double values[FCMAE_TRAIN_FIGURE_SIZE];
    } figures[FCMAE_TRAIN_FIGURES];
} fcmae_train_figures;

/** Zero-initialised it is silent. All are called from the thread
 *  that called the training function. */
typedef struct fcmae_train_callbacks {
    void *cookie;
    fcmae_log log; /**< skipped files, resumed checkpoints, changed options */
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
     * before its line of the log is written: may run fcmae_engine_forward() on the batch or any
     * other and fill `figures` (empty when called). A failure stops the run. */
    fcmae_status (*inspect)(void *cookie, int64_t step, fcmae_engine *engine,
                            const fcmae_batch *batch, fcmae_train_figures *figures,
                            fcmae_error *error);
    int64_t inspect_every;
} fcmae_train_callbacks;

/**
 * Pretrains (Woo et al., arXiv 2301.00808): per update, `accumulate` batches through the engine,
 * AdamW, one line of the log; checkpoints every save_every updates and at the end. Masks are a
 * function of (seed, epoch, place of the image in the epoch). The last batches of an epoch that do
 * not make a whole update are left out.
 *
 * @param callbacks  may be NULL.
 * @return FCMAE_ERR_INTERRUPTED: should_stop said so; the state is saved.
 *   FCMAE_ERR_NUMERIC: a loss or gradient is not finite: the sentence names the step, the images
 * and the last good checkpoint; log.jsonl lists all images of the step. Nothing is saved.
 *   FCMAE_ERR_IO: also a full disk: earlier checkpoints stay as they are.
 *   FCMAE_ERR_SHAPE: fewer images than one update takes. FCMAE_ERR_MISMATCH: the checkpoint belongs
 * to a run with other options (which). FCMAE_ERR_MEMORY: the run would not fit (needed and
 * present). Others as the calls underneath.
 */
FCMAE_API fcmae_status fcmae_pretrain(const fcmae_pretrain_options *options,
                                      const fcmae_train_callbacks *callbacks, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
