/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Values and state of a fine-tuning run, shared by finetune.c (options, data), finetune_network.c
 *  (where the weights come from) and finetune_evaluate.c. */
#ifndef FCMAE_TASK_FINETUNING_H
#define FCMAE_TASK_FINETUNING_H

#include "fcmae/augment.h"
#include "fcmae/evaluate.h"
#include "run/run.h"

typedef struct fcmae_finetune_values {
    fcmae_run_values run; /* first */
    const char *checkpoint, *key, *data, *train, *validation;
    int layer_grouping, tune_last, augment_operations;
    bool keep_head;
    double label_fraction, evaluate_every, layer_decay, drop_path, head_init, crop_ratio;
    double augment_magnitude, augment_deviation, random_erasing, mixup, cutmix, mix_probability;
    double mix_switch, label_smoothing;
} fcmae_finetune_values;

/** One evaluation. Accuracies in percent. */
typedef struct fcmae_finetune_result {
    int64_t step; /* 0: there was none */
    double epoch;
    int64_t images;          /* validated */
    double top1, top5, loss; /* of the weights */
    bool has_average;
    double average_top1, average_top5, average_loss;
    double best_top1; /* highest so far, of either */
    int64_t best_step;
} fcmae_finetune_result;

typedef struct fcmae_finetuning {
    char train_folder[FCMAE_PATH], validation_folder[FCMAE_PATH], start[FCMAE_PATH];
    double recipe_epochs, recipe_warmup;
    fcmae_dataset *validation;
    fcmae_class_names names;
    char *names_text, size_text[16];
    int classes, blocks;
    float *values, *targets, *branch; /* of one batch; values NULL: bytes as they come; branch NULL:
                                         no drop path */
    int32_t *output_of;               /* class of each class of the validation folder */
    fcmae_finetune_result last;
} fcmae_finetuning;

static inline fcmae_finetune_values *fcmae_finetune_values_of(const fcmae_run *run)
{
    return (fcmae_finetune_values *)(void *)run->values;
}

/* finetune_network.c: parts of the task */
fcmae_status fcmae_finetune_recipe(fcmae_run *run, fcmae_error *error);
/** Sets run->natural_input to the input size that the start records. */
void fcmae_finetune_natural_input(fcmae_run *run);
fcmae_status fcmae_finetune_configure(fcmae_run *run, fcmae_error *error);
fcmae_status fcmae_finetune_build(fcmae_run *run, fcmae_error *error);

/* finetune_evaluate.c: likewise */
/** Opens the validation set and finds its classes among the training set's. */
fcmae_status fcmae_finetune_open_validation(fcmae_run *run, fcmae_error *error);
/** Takes the best accuracy so far from the run folder; none if there is no such file. */
fcmae_status fcmae_finetune_recall_best(fcmae_run *run, fcmae_error *error);
fcmae_status fcmae_finetune_inspect(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                                    fcmae_error *error);
fcmae_status fcmae_finetune_report(fcmae_run *run, fcmae_train_result *result, fcmae_error *error);

#endif
