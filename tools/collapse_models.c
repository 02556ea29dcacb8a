/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "collapse_models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

/* "runs/v1/checkpoint-200.safetensors" -> "v1 step 200"; "weights/atto.pt" -> "atto" */
static void label_from_path(collapse_model *model)
{
    char copy[4200];
    snprintf(copy, sizeof copy, "%s", model->path);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
    char *file = strrchr(copy, '/'), *folder = NULL;
    if (file) {
        *file++ = 0;
        folder = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
    } else {
        file = copy;
    }
    long long step;
    int end = 0;
    if (folder && sscanf(file, "checkpoint-%lld.%n", &step, &end) == 1 && end > 0) {
        snprintf(model->label, sizeof model->label, "%.150s step %lld", folder, step);
        return;
    }
    char *dot = strrchr(file, '.');
    if (dot && dot > file) *dot = 0;
    snprintf(model->label, sizeof model->label, "%.190s", file);
}

static void find_step(collapse_model *model)
{
    const char *file = strrchr(model->path, '/');
    long long step;
    model->step = -1;
    if (sscanf(file ? file + 1 : model->path, "checkpoint-%lld.", &step) == 1) model->step = step;
}

static fcmae_status load(collapse_model *model, const char *what,
                         const collapse_model_options *options, fcmae_error *error)
{
    if (cli_names_preset(what)) {
        fcmae_status status = fcmae_preset_load(what, &model->config, error);
        if (status == FCMAE_OK) {
            model->step = 0;
            model->config.objective = "masked"; /* the start of a pretraining run */
            status = fcmae_model_create(&model->model, &model->config, error);
        }
        if (status == FCMAE_OK) fcmae_model_initialise(model->model, options->seed);
        return status;
    }
    const fcmae_model_source source = {.path = model->path, .key = options->key};
    const fcmae_load_options lenient = {.ignore_unexpected = true}; /* the encoder is looked at */
    fcmae_status status = fcmae_checkpoint_load_model(&model->model, &source, &lenient, NULL,
                                                      error);
    if (status == FCMAE_OK) model->config = *fcmae_model_configuration(model->model);
    return status;
}

static fcmae_status prepare_masks(collapse_model *model, const collapse_model_options *options,
                                  fcmae_error *error)
{
    int patch = fcmae_config_patch(&model->config);
    if (options->input_size % patch)
        return cli_error(error, FCMAE_ERR_SHAPE,
                         "%s: --input-size %d is not a multiple of the model's cell of %d pixels",
                         model->path, options->input_size, patch);
    if (model->config.channels != 3)
        return cli_error(error, FCMAE_ERR_UNSUPPORTED,
                         "%s takes images of %d channels; this command shows it RGB", model->path,
                         model->config.channels);
    model->grid = options->input_size / patch;
    if (options->mask_ratio == 0) return FCMAE_OK;
    size_t cells = (size_t)model->grid * (size_t)model->grid;
    model->visible = fcmae_mask_visible((int)cells, options->mask_ratio);
    model->removed = calloc((size_t)options->batch, cells);
    return model->removed ? FCMAE_OK : cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
}

fcmae_status collapse_model_open(collapse_model *model, const char *what, const char *label,
                                 const collapse_model_options *options, fcmae_error *error)
{
    fcmae_status status = fcmae_checkpoint_find(what, model->path, sizeof model->path, error);
    if (status != FCMAE_OK) return status;
    model->seed = options->seed;
    find_step(model);
    if (label)
        snprintf(model->label, sizeof model->label, "%.190s", label);
    else
        label_from_path(model);
    status = load(model, what, options, error);
    if (status == FCMAE_OK) status = prepare_masks(model, options, error);
    fcmae_engine_options engine = {.height = options->input_size,
                                   .width = options->input_size,
                                   .visible_cells = model->visible,
                                   .batch = options->batch,
                                   .threads = options->threads};
    if (status == FCMAE_OK)
        status = fcmae_engine_create(&model->engine, model->model, &engine, error);
    return status;
}

fcmae_status collapse_model_forward(collapse_model *model, const fcmae_samples *samples,
                                    bool labels, fcmae_error *error)
{
    int64_t cells = (int64_t)model->grid * model->grid;
    const fcmae_mask_shape shape = {.seed = model->seed,
                                    .height = model->grid,
                                    .width = model->grid,
                                    .unit = 1,
                                    .visible = model->visible,
                                    .views = 1};
    for (int i = 0; model->removed && i < samples->count; i++) {
        fcmae_status status = fcmae_mask_generate(&shape, 0, (uint64_t)samples->indices[i],
                                                  model->removed + i * cells, error);
        if (status != FCMAE_OK) return status;
    }
    fcmae_batch batch = {.images = {.count = samples->count,
                                    .bytes = samples->images,
                                    .mean = fcmae_imagenet_mean,
                                    .deviation = fcmae_imagenet_deviation},
                         .samples = samples->count,
                         .removed = model->removed};
    fcmae_outputs outputs = {.observe = fcmae_collapse_observe, .cookie = model->collapse};
    fcmae_status status = fcmae_engine_forward(model->engine, &batch, &outputs, error);
    if (status != FCMAE_OK) return status;
    return fcmae_collapse_fold(model->collapse, samples->count, labels ? samples->labels : NULL,
                               error);
}

void collapse_model_close(collapse_model *model)
{
    fcmae_collapse_destroy(&model->collapse);
    fcmae_engine_destroy(&model->engine);
    fcmae_model_destroy(&model->model);
    free(model->removed);
    model->removed = NULL;
}

void collapse_models_unique_labels(collapse_model *models, int count)
{
    for (int i = 1; i < count; i++) {
        int same = 1;
        for (int k = 0; k < i; k++) same += strcmp(models[k].label, models[i].label) == 0;
        if (same == 1) continue;
        size_t length = strlen(models[i].label);
        if (length > sizeof models[i].label - 12) length = sizeof models[i].label - 12;
        snprintf(models[i].label + length, sizeof models[i].label - length, " (%d)", same);
    }
}
