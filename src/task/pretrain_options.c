/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/pretrain.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "run/run_setup.h"

fcmae_pretrain_options fcmae_pretrain_defaults(void)
{
    return (fcmae_pretrain_options){
        .input_size = 224,
        .mask_ratio = 0.6,
        .mask_unit = 1,
        .masks_per_image = 1,
        .crop_scale = 0.2,
        .flip = 0.5,
        .optimisation = {.base_lr = 1.5e-4, .warmup_epochs = -40, .adamw = fcmae_adamw_defaults()},
        .run = {.epochs = 800, .batch_size = 64, .accumulate = 1, .keep = 3},
    };
}

static fcmae_status refuse(fcmae_error *error, const char *sentence, double value)
{
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, sentence, value);
}

fcmae_status fcmae_pretrain_check(const fcmae_pretrain_options *o, fcmae_error *error)
{
    FCMAE_TRY(fcmae_config_check(&o->model, error));
    FCMAE_TRY(fcmae_run_options_check(&o->run, error));
    FCMAE_TRY(fcmae_optimisation_check(&o->optimisation, error));
    if (!o->data || !o->data[0])
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no folder of images is given");
    int patch = fcmae_config_patch(&o->model);
    if (o->model.channels != 3)
        return refuse(error, "the model takes %g channels, but image files give 3",
                      o->model.channels);
    if (o->input_size < patch || o->input_size > 4096 || o->input_size % patch != 0)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "the input is %d pixels, but must be a multiple of the patch of %d, "
                          "at most 4096",
                          o->input_size, patch);
    if (o->input_size < 2 * patch)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "an input of %d pixels is one single patch: nothing is left to see when it "
            "is removed; take at least %d",
            o->input_size, 2 * patch);
    if (!(o->mask_ratio > 0 && o->mask_ratio < 1))
        return refuse(error, "the mask ratio is %g, but must be between 0 and 1", o->mask_ratio);
    if (o->mask_unit < 1 || o->mask_unit > o->input_size / patch)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the mask unit is %d cells, but the image has %d a side", o->mask_unit,
                          o->input_size / patch);
    if (o->masks_per_image < 1 || o->run.batch_size % o->masks_per_image != 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%d masks per image: the batch size counts masked views and must be a "
                          "multiple of that, but is %" PRId64,
                          o->masks_per_image, o->run.batch_size);
    return FCMAE_OK;
}

/* ---- for config.json and the checkpoints ---- */

static void add_data(fcmae_settings *s, const fcmae_pretrain_options *o, int64_t images,
                     uint64_t fingerprint)
{
    const fcmae_setting_kind fixed = FCMAE_SETTING_FIXED;
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, fingerprint);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "data", o->data);
    fcmae_settings_integer(s, fixed, "data_images", images);
    fcmae_settings_text(s, fixed, "data_names", text);
    fcmae_settings_integer(s, fixed, "input_size", o->input_size);
    fcmae_settings_number(s, fixed, "crop_scale", o->crop_scale);
    fcmae_settings_number(s, fixed, "flip", o->flip);
    fcmae_settings_flag(s, fixed, "fast_decode", o->fast_decode);
    fcmae_settings_number(s, FCMAE_SETTING_MACHINE, "bad_share", o->bad_share);
    fcmae_settings_number(s, fixed, "mask_ratio", o->mask_ratio);
    fcmae_settings_integer(s, fixed, "mask_unit", o->mask_unit);
    fcmae_settings_integer(s, fixed, "masks_per_image", o->masks_per_image);
}

void fcmae_pretrain_settings(fcmae_settings *s, const fcmae_pretrain_options *o,
                             const fcmae_engine_options *engine, int64_t images,
                             uint64_t fingerprint)
{
    const fcmae_run_options *run = &o->run;
    fcmae_model_settings(s, &o->model);
    add_data(s, o, images, fingerprint);
    fcmae_optimisation_settings(s, &o->optimisation);
    fcmae_run_settings(s, run, engine);
}
