/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "run/run_setup.h"
#include "task/finetune.h"

fcmae_finetune_options fcmae_finetune_from_recipe(const fcmae_finetune_recipe *r)
{
    fcmae_adamw_options adamw = fcmae_adamw_defaults();
    adamw.beta1 = r->beta1;
    adamw.beta2 = r->beta2;
    adamw.epsilon = r->epsilon;
    adamw.weight_decay = r->weight_decay;
    adamw.layer_decay = r->layer_decay == 1                       ? FCMAE_LAYER_DECAY_NONE
                        : r->layer_grouping == FCMAE_LAYERS_GROUP ? FCMAE_LAYER_DECAY_GROUP
                                                                  : FCMAE_LAYER_DECAY_SINGLE;
    adamw.layer_decay_rate = r->layer_decay;
    return (fcmae_finetune_options){
        .input_size = 224,
        .crop_scale = 0.08,
        .flip = 0.5,
        .augment_operations = r->rand_augment_magnitude > 0 ? 2 : 0,
        .augment_magnitude = r->rand_augment_magnitude,
        .augment_deviation = r->rand_augment_deviation,
        .mixing = {.mixup_alpha = r->mixup,
                   .cutmix_alpha = r->cutmix,
                   .mix_probability = 1,
                   .cutmix_probability = r->mix_switch,
                   .smoothing = r->label_smoothing,
                   .erase_probability = r->random_erasing},
        .drop_path = r->drop_path,
        .head_init = r->head_init,
        .tune_last = -1,
        .label_fraction = 1,
        .evaluate_every = 1,
        .optimisation = {.base_lr = r->base_lr,
                         .min_lr = r->min_lr,
                         .warmup_epochs = r->warmup_epochs,
                         .adamw = adamw,
                         .ema_decay = r->ema},
        .run = {.epochs = r->epochs, .batch_size = 64, .accumulate = 1, .keep = 3},
    };
}

void fcmae_finetune_recipe_short(fcmae_finetune_recipe *r)
{
    fcmae_recipe defaults;
    fcmae_recipe_default(&defaults);
    *r = defaults.finetune;
    r->base_lr = 4e-3;
    r->min_lr = 1e-6;
    r->weight_decay = 0.05;
    r->batch = 64;
    r->epochs = 20;
    r->warmup_epochs = 2;
    r->layer_decay = 0.9;
    r->layer_grouping = FCMAE_LAYERS_SINGLE;
    r->rand_augment_magnitude = 6;
    r->random_erasing = 0.1;
    r->label_smoothing = 0.1;
    r->mixup = 0;
    r->cutmix = 0;
    r->drop_path = 0;
    r->ema = 0.998;
}

static bool inside(double value, double low, double high)
{
    return value >= low && value <= high; /* false for NaN */
}

static fcmae_status refuse(fcmae_error *error, const char *sentence, double value)
{
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, sentence, value);
}

static fcmae_status check_augmentation(const fcmae_finetune_options *o, fcmae_error *error)
{
    if (!(o->crop_scale > 0 && o->crop_scale <= 1))
        return refuse(error, "crops from %g of the area, but it must be above 0 and at most 1",
                      o->crop_scale);
    if (!inside(o->flip, 0, 1))
        return refuse(error, "the probability of mirroring is %g, but must be 0 to 1", o->flip);
    if (o->crop_ratio != 0 && !(o->crop_ratio > 0 && o->crop_ratio <= 1))
        return refuse(error, "the crop ratio is %g, but must be above 0 and at most 1",
                      o->crop_ratio);
    if (!inside(o->drop_path, 0, 0.999))
        return refuse(error, "the drop-path rate is %g, but must be at least 0 and below 1",
                      o->drop_path);
    return FCMAE_OK;
}

fcmae_status fcmae_finetune_check(const fcmae_finetune_options *o, fcmae_error *error)
{
    FCMAE_TRY(fcmae_run_options_check(&o->run, error));
    FCMAE_TRY(fcmae_optimisation_check(&o->optimisation, error));
    if (!o->train || !o->train[0])
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no folder of training images is given");
    if (!(o->label_fraction > 0 && o->label_fraction <= 1))
        return refuse(error, "the label fraction is %g, but must be above 0 and at most 1",
                      o->label_fraction);
    if (!(o->evaluate_every > 0 && o->evaluate_every < 1e9))
        return refuse(error, "an evaluation every %g epochs, but it must be positive",
                      o->evaluate_every);
    if (!(o->head_init >= 0 && o->head_init <= 1))
        return refuse(error, "the head's standard deviation is %g, but must be 0 to 1",
                      o->head_init);
    return check_augmentation(o, error);
}

static void add_data(fcmae_settings *s, const fcmae_finetuning *f)
{
    const fcmae_setting_kind fixed = FCMAE_SETTING_FIXED, machine = FCMAE_SETTING_MACHINE;
    const fcmae_finetune_options *o = &f->options;
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, fcmae_run_fingerprint(f->dataset, o->train));
    fcmae_settings_text(s, machine, "train", o->train);
    fcmae_settings_text(s, machine, "validation", o->validation ? o->validation : "none");
    fcmae_settings_integer(s, fixed, "data_images", f->images);
    fcmae_settings_text(s, fixed, "data_names", text);
    fcmae_settings_number(s, fixed, "label_fraction", o->label_fraction);
    fcmae_settings_integer(s, fixed, "input_size", o->input_size);
    fcmae_settings_number(s, FCMAE_SETTING_FREE, "crop_ratio", o->crop_ratio);
    fcmae_settings_number(s, fixed, "crop_scale", o->crop_scale);
    fcmae_settings_number(s, fixed, "flip", o->flip);
    fcmae_settings_flag(s, fixed, "fast_decode", o->fast_decode);
    fcmae_settings_number(s, machine, "bad_share", o->bad_share);
    fcmae_settings_integer(s, fixed, "augment_operations", o->augment_operations);
    fcmae_settings_number(s, fixed, "augment_magnitude", o->augment_magnitude);
    fcmae_settings_number(s, fixed, "augment_deviation", o->augment_deviation);
    fcmae_settings_number(s, fixed, "mixup", o->mixing.mixup_alpha);
    fcmae_settings_number(s, fixed, "cutmix", o->mixing.cutmix_alpha);
    fcmae_settings_number(s, fixed, "mix_probability", o->mixing.mix_probability);
    fcmae_settings_number(s, fixed, "mix_switch", o->mixing.cutmix_probability);
    fcmae_settings_number(s, fixed, "label_smoothing", o->mixing.smoothing);
    fcmae_settings_number(s, fixed, "random_erasing", o->mixing.erase_probability);
}

void fcmae_finetune_settings(fcmae_settings *s, const fcmae_finetuning *f)
{
    static const char *const decays[] = {"none", "single", "group"};
    const fcmae_setting_kind fixed = FCMAE_SETTING_FIXED, free_kind = FCMAE_SETTING_FREE;
    const fcmae_finetune_options *o = &f->options;
    const fcmae_adamw_options *adamw = &o->optimisation.adamw;
    fcmae_model_settings(s, fcmae_model_configuration(f->model));
    fcmae_settings_integer(s, fixed, "classes", f->classes);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "checkpoint",
                        o->checkpoint ? o->checkpoint : "none");
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "key", o->key ? o->key : "");
    fcmae_settings_flag(s, FCMAE_SETTING_MACHINE, "keep_head", o->keep_head);
    fcmae_settings_number(s, FCMAE_SETTING_MACHINE, "head_init", o->head_init);
    add_data(s, f);
    fcmae_settings_number(s, free_kind, "drop_path", o->drop_path);
    fcmae_settings_integer(s, fixed, "tune_last", o->tune_last);
    fcmae_settings_number(s, free_kind, "evaluate_every", o->evaluate_every);
    fcmae_optimisation_settings(s, &o->optimisation);
    fcmae_settings_text(s, free_kind, "layer_decay_kind", decays[adamw->layer_decay]);
    fcmae_settings_number(s, free_kind, "layer_decay", adamw->layer_decay_rate);
    fcmae_run_settings(s, &o->run, &f->plan.options);
}
