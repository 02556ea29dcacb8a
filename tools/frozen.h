/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Features of a training and a validation folder from a frozen network: knn and probe. */
#ifndef TOOLS_FROZEN_H
#define TOOLS_FROZEN_H

#include "dense.h"

typedef struct cli_frozen_wish {
    const char *model; /**< preset for the checkpoint "none" */
    uint64_t seed;
    double label_fraction; /**< share of the training images, of every class */
    fcmae_pass_output output;
    int views; /**< of the training images; as in fcmae_features_options */
    double crop_scale;
} cli_frozen_wish;

/** Zero-initialise; cli_frozen_release() afterwards. */
typedef struct cli_frozen {
    cli_dense dense;
    fcmae_features training, validation; /**< labels: numbers of the training folder's classes */
    fcmae_class_names classes_of_folder;
    int classes;
} cli_frozen;

fcmae_status cli_frozen_collect(cli_frozen *frozen, const cli_arguments *arguments,
                                const cli_frozen_wish *wish, fcmae_error *error);
void cli_frozen_release(cli_frozen *frozen);

#endif
