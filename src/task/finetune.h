/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** State of one fine-tuning run, shared by finetune.c and finetune_evaluate.c. */
#ifndef FCMAE_TASK_FINETUNE_H
#define FCMAE_TASK_FINETUNE_H

#include "fcmae/finetune.h"
#include "run/loop.h"

typedef struct fcmae_finetuning {
    fcmae_finetune_options options;     /**< resolved                                       */
    fcmae_finetune_callbacks callbacks; /**< the caller's                                   */
    fcmae_train_callbacks own;          /**< the loop's: the caller's, but for inspect()     */
    fcmae_dataset *dataset, *validation;
    fcmae_loader *loader;
    fcmae_model *model;
    fcmae_engine *engine;
    fcmae_adamw *adamw;
    float *average; /**< of the weights: a block */
    fcmae_settings settings;
    fcmae_loop loop;
    fcmae_engine_plan_info plan;
    int64_t *subset; /**< of the training images; NULL: all               */
    int64_t images;  /**< used for training                              */
    int classes, blocks;
    float *values, *targets, *branch; /**< of one batch; values NULL: bytes as they come;
                                           branch NULL: no drop path                        */
    fcmae_class_names names;
    char *names_text, size_text[16];
    fcmae_metadata texts[2];
    int32_t *output_of; /**< class of each class of the validation folder     */
    fcmae_finetune_result last;
} fcmae_finetuning;

/** FCMAE_OK, or which option is impossible. */
fcmae_status fcmae_finetune_check(const fcmae_finetune_options *options, fcmae_error *error);
/** Lists every resolved option of the run. */
void fcmae_finetune_settings(fcmae_settings *settings, const fcmae_finetuning *run);

/** finetune_evaluate.c: opens the validation set and finds its classes among the training set's. */
fcmae_status fcmae_finetune_open_validation(fcmae_finetuning *run, fcmae_error *error);
/** Takes the best accuracy so far from the run folder; none if there is no such file. */
void fcmae_finetune_recall_best(fcmae_finetuning *run);
/** The inspect() of the loop: evaluates when it is time, then asks
 *  the caller's. Cookie: the run. */
fcmae_status fcmae_finetune_inspect(void *cookie, int64_t step, fcmae_engine *engine,
                                    const fcmae_batch *batch, fcmae_train_figures *figures,
                                    fcmae_error *error);

#endif
