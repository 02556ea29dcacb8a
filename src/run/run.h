/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A run and its task. The run owns the sequence (sequence.c): folder, data, network, schedule,
 * memory, resume, engine, updates, evaluations, checkpoints, failure. A task supplies the parts,
 * each called once and in the order in which they stand here, and keeps what is its own in
 * `run->own`.
 */
#ifndef FCMAE_RUN_RUN_H
#define FCMAE_RUN_RUN_H

#include "fcmae/checkpoint.h"
#include "fcmae/data.h"
#include "fcmae/memory.h"
#include "fcmae/train.h"
#include "run/event_file.h"
#include "run/record.h"
#include "run/run_folder.h"
#include "run/run_log.h"
#include "run/run_state.h"
#include "run/run_values.h"

/** Batches that are prepared ahead. */
enum { FCMAE_RUN_PREFETCH = 3 };
/** Most images that are looked at again and again while a network is trained: with their masks, and
 *  whole. */
enum { FCMAE_RUN_WATCHED = 256, FCMAE_RUN_COMPARED = 1024 };

typedef struct fcmae_run fcmae_run;

/** What `--recipe auto` decides by (recipe.c): figures for a task, chosen by measurement
 *  (docs/recipe.md). */
typedef struct fcmae_run_rule {
    double epochs;        /**< over 1,000 images; grows with 1 / sqrt(images) */
    double fewest_epochs; /**< however many images */
    double most_epochs;   /**< however few */
    double lr;            /**< for updates of 64 samples; grows with sqrt(samples) */
    int largest_input;    /**< pixels */
} fcmae_run_rule;

typedef struct fcmae_run_task {
    fcmae_option_set options; /**< its values begin with a fcmae_run_values */
    size_t own_size;          /**< of what `run->own` points to, zero-initialised */
    fcmae_run_rule rule;      /**< of `--recipe auto` */
    /** Completes the options (recipes, folders) and checks what their rows cannot. Reads, opens and
     *  allocates nothing that costs. */
    fcmae_status (*resolve)(fcmae_run *run, fcmae_error *error);
    /** Opens run->dataset and what else there is; sets run->subset. */
    fcmae_status (*open)(fcmae_run *run, fcmae_error *error);
    /** Decides values->model, the network, without building it. */
    fcmae_status (*configure)(fcmae_run *run, fcmae_error *error);
    /** How a training image becomes a sample. */
    fcmae_transform (*transform)(const fcmae_run *run);
    /** Warm-up of a run of so many epochs, where it was left open. */
    double (*warmup)(const fcmae_run *run, double epochs);
    /** What the engine and the batches will need: `use` comes with all that every task has. */
    void (*plan)(const fcmae_run *run, fcmae_memory_use *use);
    /** Changes what is special about the optimiser; NULL: nothing is. */
    void (*optimiser)(const fcmae_run *run, fcmae_adamw_options *options);
    /** Builds run->model with its first values. */
    fcmae_status (*build)(fcmae_run *run, fcmae_error *error);
    /** Allocates what a batch needs. */
    fcmae_status (*prepare)(fcmae_run *run, fcmae_error *error);
    /** After the resume, before the first update; NULL: nothing to do. */
    fcmae_status (*begin)(fcmae_run *run, fcmae_error *error);
    /** Makes a batch of what the loader gives; its arrays live until the next call. */
    fcmae_status (*batch)(fcmae_run *run, const fcmae_samples *samples, fcmae_batch *batch,
                          fcmae_error *error);
    /** After every update: evaluates where it is time, adds to the line of the log; NULL: never. */
    fcmae_status (*inspect)(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                            fcmae_error *error);
    /** Fills result->details and result->summary; NULL: there is nothing. */
    fcmae_status (*report)(fcmae_run *run, fcmae_train_result *result, fcmae_error *error);
    /** Frees what is in `run->own`. */
    void (*release)(fcmae_run *run);
} fcmae_run_task;

struct fcmae_run {
    const fcmae_run_task *task;
    fcmae_options *options;   /**< borrowed */
    fcmae_run_values *values; /**< of the options */
    fcmae_train_callbacks callbacks;
    void *own; /**< the task's */

    bool automatic;    /**< the recipe is auto; set by resolve          */
    bool rate_chosen;  /**< the learning rate is that of the recipe auto */
    int natural_input; /**< input size that first weights were trained at; set by open, 0: none */
    int views;         /**< samples of each image; set by resolve, 0: 1 */
    int64_t *subset;   /**< of the data set, owned; NULL: all of it     */
    int64_t images;    /**< used for training                           */
    const char *data_root; /**< folder that the names are compared below; set by open */
    int frozen_blocks;     /**< set by configure or plan                    */
    fcmae_metadata texts[FCMAE_RUN_TEXTS]; /**< for the files of weights; set by open   */
    int text_count;

    fcmae_dataset *dataset;
    fcmae_loader *loader;
    fcmae_model *model;
    fcmae_engine *engine;
    float *average; /**< [block] moving average of the weights; NULL: none */
    fcmae_train_plan plan;
    char fingerprint[32]; /**< of the listing, in values->data_names */

    /* the loop's own */
    fcmae_schedule schedule;
    fcmae_record record;
    fcmae_run_folder folder;
    fcmae_run_log log;
    fcmae_event_file events; /**< closed without the option tensorboard */
    fcmae_run_state state;
    char resumed_from[FCMAE_PATH]; /**< weights file, or ""                          */
    int64_t saved_step;            /**< of the newest checkpoint on disk; -1: none      */
    char saved_path[FCMAE_PATH];
    int64_t batches_per_epoch; /**< of the loader                                    */
    int64_t *used;             /**< [accumulate * images per batch] images of the update */
    int64_t used_count;
    fcmae_batch last;              /**< the last batch; samples 0: no longer to be used     */
    bool in_place;                 /**< the loader stands where the next update begins      */
    bool spoilt;                   /**< the weights in memory are not to be saved           */
    bool save_failed;              /**< once is enough                                      */
    double mean_loss;              /**< sum over the updates of this sitting                */
    fcmae_train_progress progress; /**< of the last update                      */
    int64_t updates, samples;      /**< of this sitting                         */
};

/** Images of one batch of the loader. */
static inline int64_t fcmae_run_images_per_batch(const fcmae_run *run)
{
    return run->values->batch_size / run->views;
}

/** Adds one number to the line of an update. */
void fcmae_run_figure(fcmae_train_figures *figures, const char *name, double value);
/** bad-share as the loader wants it: 0 where it was left open, negative for none at all. */
double fcmae_run_bad_share(const fcmae_run *run);

/* recipe.c */
/** Under the automatic recipe: sets, as a recipe would, what nobody gave of batch, length, learning
 *  rate and input size, from the images and what a checkpoint to continue from records. */
fcmae_status fcmae_run_choose(fcmae_run *run, fcmae_error *error);
/** Updates between checkpoints of a planned run, where that was left open. */
int64_t fcmae_run_save_interval(const fcmae_train_plan *plan);
/* foresight.c: times a few updates on the side, which leave no trace; fills plan.seconds */
fcmae_status fcmae_run_foresee(fcmae_run *run, fcmae_error *error);

/* run_plan.c */
/** Length of the run and learning rates: replaces what the options leave open. */
fcmae_status fcmae_run_schedule(fcmae_run *run, fcmae_error *error);
/** Decides lanes, micro-batch and instruction set, plans the memory; FCMAE_ERR_MEMORY if the
 * machine has less. */
fcmae_status fcmae_run_plan_memory(fcmae_run *run, fcmae_error *error);
/** Fills data_images and data_names: names below data_root and their order, wherever it lies. */
void fcmae_run_fingerprint(fcmae_run *run);
/** Other images than those that the run began with are another run: FCMAE_ERR_MISMATCH, and what
 *  has changed. */
fcmae_status fcmae_run_check_images(const fcmae_run *run, fcmae_error *error);

/* memory_plan.c */
/** An engine beside the one that trains, forward only, for whole images. */
fcmae_engine_options fcmae_run_watching_engine(const fcmae_engine_options *training);

/* tensorboard.c: what it shows; nothing without the option */
fcmae_status fcmae_run_tensorboard_open(fcmae_run *run, fcmae_error *error);
void fcmae_run_tensorboard_step(fcmae_run *run, const fcmae_train_progress *progress,
                                const fcmae_train_figures *figures);
/** @param png  file of a picture of update `step` */
void fcmae_run_tensorboard_picture(fcmae_run *run, int64_t step, const char *png);

/* loop.c: updates from where the state stands to the end, to should_stop, or to a failure */
fcmae_status fcmae_run_updates(fcmae_run *run, fcmae_error *error);

/* loop_resume.c */
/** Opens the run folder and lists its checkpoints, without reading their tensors. */
fcmae_status fcmae_run_open_folder(fcmae_run *run, fcmae_error *error);
/** An option recorded in the checkpoint to continue from, as JSON, cut to `size`; false: none. */
bool fcmae_run_recorded(const fcmae_run *run, const char *option, char *text, size_t size);
/**
 * Opens weights of the run itself: what a start that is gone can no longer tell, they can. Those of
 * the checkpoint to continue from, or of the newest one that is intact.
 * @return FCMAE_ERR_NOT_FOUND: there is none.
 */
fcmae_status fcmae_run_open_own(const fcmae_run *run, fcmae_checkpoint **file, fcmae_error *error);
/** Where nobody gave an option: takes what the checkpoint to continue from records, or `earlier` if
 *  that is of a version that did not know the option.
 *  @param recalled  [out] whether there is such a checkpoint; may be NULL */
fcmae_status fcmae_run_recall(fcmae_run *run, const char *option, const char *earlier,
                              bool *recalled, fcmae_error *error);
/** Reads the newest complete checkpoint if there is one to continue from, opens the log where it
 *  stood and writes config.json. */
fcmae_status fcmae_run_resume(fcmae_run *run, fcmae_error *error);
/** Saves the state unless it is on disk already. */
fcmae_status fcmae_run_save(fcmae_run *run, fcmae_error *error);

/* loop_failure.c */
/** Completes the sentence of a numeric failure in update `step` and logs all images.
 *  @param batch  the batch that failed, to find the samples at fault; NULL if it was the gradient.
 */
fcmae_status fcmae_run_not_finite(fcmae_run *run, int64_t step, const fcmae_batch *batch,
                                  fcmae_error *error);

/** Runs a task whose options are complete. */
fcmae_status fcmae_run_carry_out(const fcmae_run_task *task, fcmae_options *options,
                                 const fcmae_train_callbacks *callbacks, fcmae_train_result *result,
                                 fcmae_error *error);

#endif
