/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Where the network of a fine-tuning run comes from: recipe, size, first weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "fcmae/preset.h"
#include "task/finetuning.h"
#include "task/start.h"

/** A recipe for short runs on small sets (up to some ten thousand images), where the published
 * ones, made for 1024 images per update and hundreds of epochs, hardly move. */
static const char short_recipe[] = "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 8, 8\n"
                                   "[finetune]\n"
                                   "base_lr = 4e-3\nmin_lr = 1e-6\nweight_decay = 0.05\n"
                                   "batch = 64\nepochs = 20\nwarmup_epochs = 2\n"
                                   "layer_decay = 0.9\nlayer_grouping = single\n"
                                   "augment_magnitude = 6\naugment_deviation = 0.5\n"
                                   "random_erasing = 0.1\nlabel_smoothing = 0.1\n"
                                   "mixup = 0\ncutmix = 0\nmix_switch = 0.5\ndrop_path = 0\n"
                                   "ema = 0.998\nema_warmup = on\nhead_init = 2e-5\n"
                                   "beta1 = 0.9\nbeta2 = 0.999\nepsilon = 1e-8\n";

/** Choices of --recipe, in their order. */
enum { RECIPE_AUTO, RECIPE_PAPER, RECIPE_SHORT, RECIPE_PRESET };

/** Name of the preset that the start names, or where that is gone the run's own weights; "": none.
 *  A file that cannot be read is reported later, unless the run goes on without it. */
static void preset_of_start(const fcmae_run *run, char *name, size_t size)
{
    const fcmae_finetuning *own = run->own;
    fcmae_checkpoint *file = NULL;
    name[0] = 0;
    if (fcmae_checkpoint_open(&file, own->start, fcmae_finetune_values_of(run)->key, NULL) !=
            FCMAE_OK &&
        fcmae_run_open_own(run, &file, NULL) != FCMAE_OK)
        return;
    const char *found = fcmae_checkpoint_describe(file)->config.name;
    if (fcmae_preset_text(found)) snprintf(name, size, "%s", found);
    fcmae_checkpoint_close(&file);
}

static fcmae_status apply(const fcmae_preset *preset, fcmae_run *run, fcmae_error *error)
{
    FCMAE_TRY(fcmae_preset_apply(preset, run->options, error));
    /* the recipe's own numbers, whatever hides them */
    fcmae_options *alone = NULL;
    fcmae_finetuning *own = run->own;
    FCMAE_TRY(fcmae_options_create(&alone, &run->task->options, error));
    fcmae_status status = fcmae_preset_apply(preset, alone, error);
    own->recipe_epochs = fcmae_options_number(alone, "epochs");
    own->recipe_warmup = fcmae_options_number(alone, "warmup-epochs");
    fcmae_options_destroy(&alone);
    return status;
}

/** The numbers of the short recipe, over those of the preset; the network stays. */
static fcmae_status apply_short(fcmae_run *run, fcmae_error *error)
{
    fcmae_preset *preset = NULL;
    fcmae_model_config kept = run->values->model;
    FCMAE_TRY(fcmae_preset_parse(&preset, short_recipe, "short", error));
    fcmae_status status = apply(preset, run, error);
    run->values->model = kept;
    fcmae_preset_close(&preset);
    return status;
}

/** The recipe: that of --model, else of the checkpoint's name, else the defaults. */
fcmae_status fcmae_finetune_recipe(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    bool scratch = strcmp(v->checkpoint, "none") == 0;
    char name[64] = "atto";
    const char *preset_name = v->run.model_name;
    if (!scratch) {
        fcmae_status found = fcmae_checkpoint_find(v->checkpoint, own->start, sizeof own->start,
                                                   error);
        if (found == FCMAE_ERR_NOT_FOUND) /* a run that goes on can do without it */
            snprintf(own->start, sizeof own->start, "%s", v->checkpoint);
        else if (found != FCMAE_OK)
            return found;
        if (strcmp(v->checkpoint, own->start) != 0)
            fcmae_log_line(&run->callbacks.log, FCMAE_LOG_INFO, "%s stands for %s", v->checkpoint,
                           own->start);
        preset_of_start(run, name, sizeof name);
    }
    if (!preset_name) preset_name = name;
    own->recipe_epochs = fcmae_options_number(run->options, "epochs");
    own->recipe_warmup = fcmae_options_number(run->options, "warmup-epochs");
    run->automatic = v->run.recipe == RECIPE_AUTO;
    bool of_short = run->automatic || v->run.recipe == RECIPE_SHORT;
    /* a preset of one's own knows better than the automatic recipe */
    bool first = run->automatic && preset_name[0] && !fcmae_preset_text(preset_name);
    if (of_short && first) FCMAE_TRY(apply_short(run, error));
    fcmae_preset *preset = NULL;
    fcmae_status status = FCMAE_OK;
    if (preset_name[0]) status = fcmae_preset_open(&preset, preset_name, error);
    if (status == FCMAE_OK && preset) status = apply(preset, run, error);
    if (status == FCMAE_OK && preset && scratch) v->run.model = *fcmae_preset_config(preset);
    fcmae_preset_close(&preset);
    if (status != FCMAE_OK || !of_short || first) return status;
    return apply_short(run, error);
}

void fcmae_finetune_natural_input(fcmae_run *run)
{
    const fcmae_finetuning *own = run->own;
    fcmae_checkpoint *file = NULL;
    if (!own->start[0] ||
        fcmae_checkpoint_open(&file, own->start, fcmae_finetune_values_of(run)->key, NULL) !=
            FCMAE_OK)
        return; /* reported later */
    run->natural_input = fcmae_checkpoint_describe(file)->input_size;
    fcmae_checkpoint_close(&file);
}

/** A run that goes on needs the size of its network alone, which its own checkpoints tell as well.
 */
static fcmae_status open_start(fcmae_run *run, fcmae_checkpoint **file, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    fcmae_status status = fcmae_checkpoint_open(file, own->start, v->key, error);
    if (status != FCMAE_ERR_NOT_FOUND || fcmae_run_open_own(run, file, NULL) != FCMAE_OK)
        return status;
    snprintf(own->start, sizeof own->start, "%s", fcmae_checkpoint_describe(*file)->path);
    v->key = NULL;
    return FCMAE_OK;
}

static fcmae_status read_config(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    fcmae_checkpoint *file = NULL;
    FCMAE_TRY(open_start(run, &file, error));
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(file);
    v->run.model = info->config;
    fcmae_start_remark(run, info);
    fcmae_status status = fcmae_checkpoint_expect_model(file, error);
    if (status == FCMAE_OK && fcmae_options_given(run->options, "model"))
        status = fcmae_checkpoint_expect_preset(file, v->run.model_name, error);
    if (status == FCMAE_OK && v->keep_head && info->config.classes != own->classes)
        status = fcmae_fail(error, FCMAE_ERR_MISMATCH,
                            "the head of %.500s has %d classes, the training folder %d: its head "
                            "cannot be kept",
                            own->start, info->config.classes, own->classes);
    fcmae_checkpoint_close(&file);
    return status;
}

fcmae_status fcmae_finetune_configure(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    fcmae_model_config *model = &run->values->model;
    if (own->start[0]) FCMAE_TRY(read_config(run, error));
    snprintf(own->size_text, sizeof own->size_text, "%d", v->run.input_size);
    model->objective = "classify";
    model->classes = own->classes;
    if (own->classes == 1)
        fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING,
                       "%s has a single class: there is nothing to tell apart, and any network is "
                       "right about all of it",
                       own->train_folder);
    model->grn_scope = FCMAE_GRN_IMAGE;
    own->blocks = 0;
    for (int s = 0; s < FCMAE_STAGES; s++) own->blocks += model->depths[s];
    if (v->tune_last >= own->blocks) v->tune_last = -1;
    run->frozen_blocks = v->tune_last < 0 ? 0 : own->blocks - v->tune_last;
    return FCMAE_OK;
}

/** Weights of standard deviation head-init, biases 0. */
static void draw_head(const fcmae_run *run)
{
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    const fcmae_parameter *weight = fcmae_model_find(run->model, "head.weight");
    const fcmae_parameter *bias = fcmae_model_find(run->model, "head.bias");
    float *values = fcmae_model_values(run->model);
    fcmae_random random = fcmae_random_start((uint64_t)v->run.seed, FCMAE_RANDOM_INITIALISATION, 1,
                                             0);
    for (int64_t r = 0; r < weight->rows; r++)
        for (int64_t c = 0; c < weight->columns; c++)
            values[weight->offset + r * weight->stride + c] = (float)(v->head_init *
                                                                      fcmae_random_normal(&random));
    for (int64_t c = 0; c < bias->columns; c++) values[bias->offset + c] = 0;
}

fcmae_status fcmae_finetune_build(fcmae_run *run, fcmae_error *error)
{
    const fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    uint64_t seed = (uint64_t)v->run.seed;
    if (own->start[0]) {
        FCMAE_TRY(fcmae_dense_load(&run->model, own->start, v->key, own->classes, !v->keep_head,
                                   true, seed, error));
    } else {
        FCMAE_TRY(fcmae_model_create(&run->model, &v->run.model, error));
        fcmae_model_initialise(run->model, seed);
    }
    if (!v->keep_head) draw_head(run);
    return FCMAE_OK;
}
