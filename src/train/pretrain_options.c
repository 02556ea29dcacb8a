/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "train/pretrain.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

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

static fcmae_status check_run(const fcmae_run_options *run, fcmae_error *error)
{
    if (!run->output || !run->output[0])
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no run folder is given");
    if (run->batch_size < 1 || run->batch_size > 1 << 20)
        return refuse(error, "the batch size is %g, but must be 1 to 1048576",
                      (double)run->batch_size);
    if (run->accumulate < 1 || run->accumulate > 1 << 20)
        return refuse(error, "%g batches per update, but there must be 1 to 1048576",
                      run->accumulate);
    if (run->steps < 0 || (run->steps == 0 && !(run->epochs > 0 && run->epochs < 1e9)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the run is %" PRId64 " updates or %g epochs long: one of them must be "
                          "positive",
                          run->steps, run->epochs);
    if (run->save_every < 0 || run->keep < 0 || run->threads < 0 || run->workers < 0 ||
        run->lanes < 0 || run->micro_batch < 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "save_every %" PRId64 ", keep %d, threads %d, workers %d, lanes %d, "
                          "micro_batch %d: none may be negative",
                          run->save_every, run->keep, run->threads, run->workers, run->lanes,
                          run->micro_batch);
    return FCMAE_OK;
}

static fcmae_status check_optimisation(const fcmae_optimisation *o, fcmae_error *error)
{
    if (!(o->lr >= 0 && isfinite(o->lr)) || !(o->base_lr >= 0 && isfinite(o->base_lr)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the learning rate is %g and its base %g, but neither may be negative",
                          o->lr, o->base_lr);
    if (!(o->min_lr >= 0 && isfinite(o->min_lr)))
        return refuse(error, "the final learning rate is %g, but must be 0 or more", o->min_lr);
    if (!(o->ema_decay >= 0 && o->ema_decay < 1))
        return refuse(error, "the decay of the average is %g, but must be in [0, 1)", o->ema_decay);
    if (isnan(o->warmup_epochs)) return refuse(error, "%g warm-up epochs", o->warmup_epochs);
    return FCMAE_OK;
}

fcmae_status fcmae_pretrain_check(const fcmae_pretrain_options *o, fcmae_error *error)
{
    FCMAE_TRY(fcmae_config_check(&o->model, error));
    FCMAE_TRY(check_run(&o->run, error));
    FCMAE_TRY(check_optimisation(&o->optimisation, error));
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
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
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

static void add_model(fcmae_settings *s, const fcmae_model_config *m)
{
    const fcmae_setting_kind fixed = FCMAE_SETTING_FIXED;
    fcmae_settings_text(s, FCMAE_SETTING_FREE, "model", m->name);
    fcmae_settings_integer(s, fixed, "version", m->version);
    fcmae_settings_integers(s, fixed, "depths", m->depths, FCMAE_STAGES);
    fcmae_settings_integers(s, fixed, "dims", m->dims, FCMAE_STAGES);
    fcmae_settings_integer(s, fixed, "channels", m->channels);
    fcmae_settings_integer(s, fixed, "stem_stride", m->stem_stride);
    fcmae_settings_integer(s, fixed, "decoder_depth", m->decoder_depth);
    fcmae_settings_integer(s, fixed, "decoder_dim", m->decoder_dim);
    fcmae_settings_flag(s, fixed, "norm_pix", m->norm_pix);
    fcmae_settings_text(s, fixed, "grn_scope", m->grn_scope == FCMAE_GRN_BATCH ? "batch" : "image");
    if (m->version == 1)
        fcmae_settings_number(s, fixed, "layer_scale_init", m->layer_scale_init);
}

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

static void add_optimisation(fcmae_settings *s, const fcmae_optimisation *r)
{
    const fcmae_setting_kind free_kind = FCMAE_SETTING_FREE;
    fcmae_settings_number(s, free_kind, "lr", r->lr);
    fcmae_settings_number(s, free_kind, "min_lr", r->min_lr);
    fcmae_settings_number(s, free_kind, "warmup_epochs", r->warmup_epochs);
    fcmae_settings_number(s, free_kind, "beta1", r->adamw.beta1);
    fcmae_settings_number(s, free_kind, "beta2", r->adamw.beta2);
    fcmae_settings_number(s, free_kind, "epsilon", r->adamw.epsilon);
    fcmae_settings_number(s, free_kind, "weight_decay", r->adamw.weight_decay);
    fcmae_settings_flag(s, free_kind, "grn_decay", r->adamw.grn_decay);
    fcmae_settings_number(s, free_kind, "clip", r->adamw.clip);
    fcmae_settings_number(s, free_kind, "ema_decay", r->ema_decay);
}

void fcmae_pretrain_settings(fcmae_settings *s, const fcmae_pretrain_options *o,
                             const fcmae_engine_options *engine, int64_t images,
                             uint64_t fingerprint)
{
    const fcmae_run_options *run = &o->run;
    add_model(s, &o->model);
    add_data(s, o, images, fingerprint);
    add_optimisation(s, &o->optimisation);
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "steps", run->steps);
    fcmae_settings_number(s, FCMAE_SETTING_FREE, "epochs", run->epochs);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "batch_size", run->batch_size);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "accumulate", run->accumulate);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "seed", (int64_t)run->seed);
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "lanes", engine->lanes);
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "micro_batch", engine->micro_batch);
    fcmae_settings_text(s, FCMAE_SETTING_FREE, "precision",
                        run->precision == FCMAE_BFLOAT16 ? "bf16" : "f32");
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "threads", run->threads);
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "workers", run->workers);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "output", run->output);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "resume", run->resume ? run->resume : "auto");
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "save_every", run->save_every);
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "keep", run->keep);
    if (run->command) fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "command", run->command);
}
