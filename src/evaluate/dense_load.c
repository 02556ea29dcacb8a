/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/status.h"
#include "fcmae/evaluate.h"

static fcmae_status build(fcmae_model **model, const fcmae_checkpoint *file, const char *path,
                          int classes, const fcmae_load_options *options, uint64_t seed,
                          fcmae_error *error)
{
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(file);
    FCMAE_TRY(fcmae_checkpoint_expect_model(file, error));
    fcmae_model_config config = info->config;
    config.objective = "classify";
    config.grn_scope = FCMAE_GRN_IMAGE;
    if (classes > 0) config.classes = classes;
    if (config.classes == 0)
        return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                          "%.500s has no classification head: fine-tune it first", path);
    FCMAE_TRY(fcmae_model_create(model, &config, error));
    if (options->fresh_head) fcmae_model_initialise(*model, seed);
    return fcmae_checkpoint_load(file, *model, options, NULL, error);
}

fcmae_status fcmae_dense_load(fcmae_model **model, const char *path, const char *key, int classes,
                              bool fresh, bool lenient, uint64_t seed, fcmae_error *error)
{
    const fcmae_load_options options = {.fresh_head = fresh, .ignore_unexpected = lenient};
    fcmae_checkpoint *file = NULL;
    fcmae_model *built = NULL;
    FCMAE_TRY(fcmae_checkpoint_open(&file, path, key, error));
    fcmae_status status = build(&built, file, path, classes, &options, seed, error);
    fcmae_checkpoint_close(&file);
    if (status == FCMAE_OK)
        *model = built;
    else
        fcmae_model_destroy(&built);
    return status;
}
