/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "frozen.h"

#include <stdlib.h>

#include "shared.h"
#include "stop.h"

void cli_frozen_release(cli_frozen *f)
{
    fcmae_features_release(&f->training);
    fcmae_features_release(&f->validation);
    fcmae_class_names_release(&f->classes_of_folder);
    cli_dense_release(&f->dense);
}

/** Labels of the validation images become numbers of the training folder's classes. */
static fcmae_status renumber(cli_frozen *f, const fcmae_dataset *validation, fcmae_error *error)
{
    int32_t *output_of = calloc((size_t)fcmae_dataset_classes(validation) + 1, sizeof *output_of);
    if (!output_of) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    fcmae_status status = fcmae_class_names_match(&f->classes_of_folder, f->classes, validation,
                                                  NULL, output_of, &f->dense.pass.log, error);
    for (int64_t i = 0; i < f->validation.count && status == FCMAE_OK; i++)
        f->validation.labels[i] = output_of[f->validation.labels[i]];
    free(output_of);
    return status;
}

static fcmae_status collect(cli_frozen *f, const fcmae_dataset *training,
                            const fcmae_dataset *validation, const cli_frozen_wish *wish,
                            fcmae_error *error)
{
    int64_t *subset = NULL, count = fcmae_dataset_count(training);
    fcmae_pass_options pass = f->dense.pass;
    fcmae_status status = FCMAE_OK;
    if (wish->label_fraction < 1)
        status = fcmae_dataset_subset(training, wish->label_fraction, wish->seed, &subset, &count,
                                      error);
    pass.subset = subset;
    pass.subset_count = subset ? count : 0;
    const fcmae_features_options train = {.output = wish->output,
                                          .views = wish->views,
                                          .crop_scale = wish->crop_scale,
                                          .seed = wish->seed};
    const fcmae_features_options centre = {.output = wish->output};
    cli_dense_bar(&f->dense, "features of train", count);
    if (status == FCMAE_OK)
        status = fcmae_features_collect(f->dense.model, training, &pass, &train, &f->training,
                                        error);
    free(subset);
    if (status != FCMAE_OK) return status;
    cli_dense_bar(&f->dense, "features of val", fcmae_dataset_count(validation));
    status = fcmae_features_collect(f->dense.model, validation, &f->dense.pass, &centre,
                                    &f->validation, error);
    cli_progress_end(&f->dense.bar);
    return status == FCMAE_OK ? renumber(f, validation, error) : status;
}

fcmae_status cli_frozen_collect(cli_frozen *f, const cli_arguments *arguments,
                                const cli_frozen_wish *wish, fcmae_error *error)
{
    const struct cli_dense_values *o = arguments->values;
    fcmae_dataset *training = NULL, *validation = NULL;
    const fcmae_log log = cli_progress_log(&f->dense.bar);
    fcmae_status status = cli_open_part(&training, o->data, "train", true, log, error);
    if (status == FCMAE_OK) status = cli_open_part(&validation, o->data, "val", true, log, error);
    if (status == FCMAE_OK)
        status = fcmae_class_names_of_dataset(&f->classes_of_folder, training, error);
    f->classes = f->classes_of_folder.count;
    const cli_dense_wish network = {.classes = f->classes,
                                    .fresh_head = true,
                                    .model = wish->model,
                                    .seed = wish->seed,
                                    .images = status == FCMAE_OK ? fcmae_dataset_count(training)
                                                                 : 0};
    if (status == FCMAE_OK) status = cli_dense_load(&f->dense, arguments, &network, error);
    if (status == FCMAE_OK) status = collect(f, training, validation, wish, error);
    fcmae_dataset_close(&training);
    fcmae_dataset_close(&validation);
    if (status == FCMAE_OK && cli_stop_at_once())
        status = cli_error(error, FCMAE_ERR_INTERRUPTED, "stopped on request");
    return status;
}
