/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Fine-tuning: supervised training of the dense network, from any checkpoint or from scratch.
 *
 * The run folder is that of pretraining (fcmae/train.h), and so is everything about resuming.
 * Beside its files stands
 *
 *   best.safetensors   the weights, or their average, with the highest validation accuracy so far
 *
 * and the line of the log of an update that was followed by an evaluation has val_top1, val_top5
 * (in percent) and val_loss, with an average of the weights also ema_top1, ema_top5, ema_loss.
 * Class names and input size travel in every checkpoint.
 */
#ifndef FCMAE_FINETUNE_H
#define FCMAE_FINETUNE_H

#include "fcmae/augment.h"
#include "fcmae/evaluate.h"
#include "fcmae/preset.h"
#include "fcmae/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fcmae_finetune_options {
    const char *train; /**< labelled folder                                                   */
    const char
        *validation; /**< labelled folder, classes among those of `train`; NULL: no evaluation */
    const char *checkpoint; /**< what to start from; NULL: from scratch. A decoder is left out, the
                                 final LayerNorm is fresh unless the file has one */
    const char *key; /**< see fcmae_checkpoint_open()                                        */
    bool keep_head;  /**< the checkpoint's head instead of a fresh one: same number of classes */
    fcmae_model_config model; /**< from scratch only; objective and classes are set here */
    int input_size;    /**< pixels, a multiple of fcmae_config_patch()                         */
    double crop_ratio; /**< of the evaluation, see fcmae_transform_evaluate()                   */
    double crop_scale; /**< smallest share of the area in a random resized crop                */
    double flip;       /**< probability of mirroring                                           */
    int augment_operations; /**< RandAugment, see fcmae/augment.h; 0: none */
    double augment_magnitude, augment_deviation;
    fcmae_mixing mixing; /**< erasing, mixup, cutmix, smoothing; its seed is taken from the run */
    double drop_path; /**< rate of the last block; block b of n has rate drop_path b / (n - 1): its
                           branch is left out with that probability, else divided by the rest  */
    double head_init; /**< standard deviation of a fresh head's weights                       */
    int tune_last;    /**< how many of the last blocks to train, with the downsampling between
                           them and the head; 0: the head alone; negative: everything          */
    double label_fraction; /**< share of the training images used, the same of every class, drawn by
                                the seed; in (0, 1] */
    double evaluate_every; /**< epochs between evaluations, > 0; there is always one at the end */
    bool fast_decode;
    double bad_share;
    fcmae_optimisation optimisation; /**< with layer decay in its adamw.layer_decay */
    fcmae_run_options run;
} fcmae_finetune_options;

/** Options of a recipe: 224 px, crops from 0.08, flips, two operations of RandAugment, one
 * evaluation an epoch, batch 64 without accumulation. Set train, validation, checkpoint or model,
 * and run.output. */
FCMAE_API fcmae_finetune_options fcmae_finetune_from_recipe(const fcmae_finetune_recipe *recipe);

/**
 * A recipe for short runs on small sets (up to some ten thousand images), where the published ones,
 * made for 1024 images per update and hundreds of epochs, hardly move: base_lr 4e-3 (1e-3 at batch
 * 64), weight decay 0.05, 20 epochs, 2 of them warm-up, layer decay 0.9, RandAugment of magnitude
 * 6, erasing 0.1, smoothing 0.1, no mixup, no drop path, average with decay 0.998 from a warm-up.
 */
FCMAE_API void fcmae_finetune_recipe_short(fcmae_finetune_recipe *recipe);

/** One evaluation during a run. Accuracies in percent. */
typedef struct fcmae_finetune_result {
    int64_t step;
    double epoch;
    int64_t images; /**< validated                                                        */
    double top1, top5, loss; /**< of the weights */
    bool has_average;
    double average_top1, average_top5, average_loss;
    double best_top1; /**< highest so far, of either                                         */
    int64_t best_step;
} fcmae_finetune_result;

/** Zero-initialised it is silent. */
typedef struct fcmae_finetune_callbacks {
    fcmae_train_callbacks train;
    /** After every evaluation, with the cookie of `train`. */
    void (*evaluated)(void *cookie, const fcmae_finetune_result *result);
} fcmae_finetune_callbacks;

/**
 * Trains a classifier: AdamW on soft cross-entropy, warm-up and cosine, layer-wise learning rates.
 * Every draw is a function of (seed, epoch, place in the epoch), so a resumed run ends in the same
 * bytes.
 * @param callbacks  may be NULL.
 * @param last       [out] the last evaluation of this call (step 0: there was none); may be NULL.
 * @return as fcmae_pretrain(); FCMAE_ERR_MISMATCH also if the validation folder has a class that
 * the training folder lacks, or the checkpoint is no ConvNeXt.
 */
FCMAE_API fcmae_status fcmae_finetune(const fcmae_finetune_options *options,
                                      const fcmae_finetune_callbacks *callbacks,
                                      fcmae_finetune_result *last, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
