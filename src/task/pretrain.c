/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Masked pretraining (FCMAE): the options, and batches of images with their masks. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "fcmae/mask.h"
#include "fcmae/preset.h"
#include "model/objective.h"
#include "task/inspection.h"
#include "task/signals.h"
#include "task/start.h"
#include "task/tasks.h"

typedef struct pretrain_values {
    fcmae_run_values run; /* first */
    const char *data, *objective, *init, *key;
    bool init_encoder_only;
    double mask_ratio;
    int mask_unit, masks_per_image, pictures;
    int64_t watch_collapse;
    fcmae_signal_values signals;
} pretrain_values;
#define AT(member) offsetof(pretrain_values, member)
#define SIGNAL_AT(member) AT(signals.member)

static const fcmae_option rows[] = {
    {.type = FCMAE_OPTION_HEADING, .help = "Run"},
    {"data", FCMAE_OPTION_TEXT, AT(data), .required = true, .unit = "DIR",
     .record = FCMAE_RECORD_MACHINE,
     .help = "Folder of JPEG and PNG images, with any subfolders. Labels are not used."},
    FCMAE_MODEL_NAME_ROW(
            .fallback = "atto",
            .help =
                "Preset or preset file; it also gives the recipe that the options below change."),
    {"recipe", FCMAE_OPTION_CHOICE, AT(run.recipe), .fallback = "auto", .choices = "auto|paper",
     .record = FCMAE_RECORD_FREE,
     .help = "auto: input size, batch, length, learning rate and interval of checkpoints from the "
             "number and the size of the images, said before the start. paper: the published "
             "recipe of the model, made for a million images and 4096 of them in an update."},
    {"init", FCMAE_OPTION_TEXT, AT(init), .unit = "FILE|RUN", .otherwise = "from noise",
     .record = FCMAE_RECORD_MACHINE,
     .help = "First weights of a new run: any readable checkpoint (one's own, the official code's, "
             "of timm or Hugging Face, a classifier), whatever data, input size and length it was "
             "made with. A run folder stands for its best checkpoint if it has one, else its "
             "latest. Without --model the network is the file's."},
    {"init-encoder-only", FCMAE_OPTION_FLAG, AT(init_encoder_only), .record = FCMAE_RECORD_MACHINE,
     .help = "Leave the decoder of --init out: it starts from noise, as where the file has none."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .otherwise = "the weights themselves",
     .record = FCMAE_RECORD_MACHINE,
     .help = "Which weights of --init, where the file holds several: model, model_ema, ... or ema "
             "for any average."},
    FCMAE_RUN_ROWS("pretrain", "800", "4096"),

    {.type = FCMAE_OPTION_HEADING, .help = "How it goes"},
    FCMAE_SIGNAL_ROWS(SIGNAL_AT),
    {"watch-collapse", FCMAE_OPTION_INTEGER, AT(watch_collapse), .fallback = "0",
     .range = "[0, 1000000000]", .record = FCMAE_RECORD_MACHINE,
     .help = "Updates between measurements of feature collapse: the mean cosine distance between "
             "channels, per stage, on 8 views of the batch, goes into log.jsonl. 0: never."},
    {"pictures", FCMAE_OPTION_INT, AT(pictures), .fallback = "4", .range = "[0, 64]",
     .record = FCMAE_RECORD_MACHINE,
     .help = "Fixed images whose reconstruction is drawn some ten times in the run, into "
             "RUN/reconstructions; 0: none."},

    {.type = FCMAE_OPTION_HEADING, .help = "Masked autoencoder"},
    FCMAE_INPUT_SIZE_ROW,
    {"objective", FCMAE_OPTION_TEXT, AT(objective), .fallback = "masked", .unit = "NAME",
     .record = FCMAE_RECORD_FIXED,
     .help =
         "What is learned. masked: a decoder predicts the pixels of the removed cells (FCMAE)."},
    {"mask-ratio", FCMAE_OPTION_NUMBER, AT(mask_ratio), .fallback = FCMAE_MASK_RATIO,
     FCMAE_FROM_RECIPE, .range = "(0, 1)", .section = "pretrain", .record = FCMAE_RECORD_FIXED,
     .help = "Share of the cells removed."},
    {"mask-unit", FCMAE_OPTION_INT, AT(mask_unit), .fallback = "1", .range = "[1, 128]",
     .record = FCMAE_RECORD_FIXED,
     .help = "Cells along the side of the squares that are removed together."},
    {"masks-per-image", FCMAE_OPTION_INT, AT(masks_per_image), .fallback = "1", .range = "[1, 256]",
     .record = FCMAE_RECORD_FIXED,
     .help =
         "Views of each decoded image, each with other visible cells. batch-size counts views."},
    FCMAE_MODEL_OPTIONS(FCMAE_RUN_MODEL_AT, FCMAE_SOURCE_ANY),
    FCMAE_DECODER_OPTIONS(FCMAE_RUN_MODEL_AT, FCMAE_SOURCE_ANY),

    {.type = FCMAE_OPTION_HEADING, .help = "Optimisation"},
    FCMAE_OPTIMISATION_ROWS("pretrain", "1.5e-4", "0", "40", "0.95", "0"),

    {.type = FCMAE_OPTION_HEADING, .help = "Images"},
    FCMAE_IMAGE_ROWS("pretrain", "0.2"),

    {.type = FCMAE_OPTION_HEADING, .help = "Machine"},
    FCMAE_MACHINE_ROWS,
};

/** What a run keeps. */
typedef struct pretraining {
    fcmae_mask_shape mask;
    double recipe_warmup;
    fcmae_start start;
    char size_text[16];
    uint8_t *removed;  /* [batch_size, grid * grid] */
    int32_t *image_of; /* [batch_size] */
    fcmae_inspection inspection;
    fcmae_signals signals;
} pretraining;

static const pretrain_values *values_of(const fcmae_run *run)
{
    return (const pretrain_values *)(const void *)run->values;
}

static fcmae_status check_objective(const fcmae_run *run, fcmae_error *error)
{
    static const char *const of_decoder[] = {"norm-pix", "decoder-depth", "decoder-dim",
                                             "pictures"};
    const fcmae_model_config *model = &run->values->model;
    FCMAE_TRY(fcmae_objective_check(model, error));
    if (fcmae_objective_find(model->objective)->targets)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the objective %s needs labels, which pretraining has none of; see fcmae "
                          "help finetune",
                          model->objective);
    bool predicts_pixels = fcmae_config_has_part(model, FCMAE_PART_DECODER);
    for (int i = 0; !predicts_pixels && i < FCMAE_COUNT(of_decoder); i++)
        if (fcmae_options_level(run->options, of_decoder[i]) == FCMAE_LEVEL_GIVEN)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "%s: the objective %s predicts no pixels and has no decoder",
                              of_decoder[i], model->objective);
    return FCMAE_OK;
}

/** Network and recipe of --model. */
static fcmae_status apply_preset(fcmae_run *run, fcmae_error *error)
{
    fcmae_preset *preset = NULL;
    FCMAE_TRY(fcmae_preset_open(&preset, run->values->model_name, error));
    fcmae_status status = fcmae_preset_apply(preset, run->options, error);
    memcpy(run->values->model.name, fcmae_preset_config(preset)->name,
           sizeof run->values->model.name);
    fcmae_preset_close(&preset);
    return status;
}

static fcmae_status resolve(fcmae_run *run, fcmae_error *error)
{
    pretraining *own = run->own;
    const pretrain_values *v = values_of(run);
    own->start = (fcmae_start){
        .given = v->init, .key = v->key, .encoder_only = v->init_encoder_only};
    if (!v->init || fcmae_options_given(run->options, "model")) FCMAE_TRY(apply_preset(run, error));
    FCMAE_TRY(fcmae_start_resolve(&own->start, run, error));
    run->values->model.objective = v->objective;
    FCMAE_TRY(check_objective(run, error));
    own->recipe_warmup = v->run.warmup_epochs;
    run->views = v->masks_per_image;
    run->automatic = v->run.recipe == 0;
    return FCMAE_OK;
}

static fcmae_status open_data(fcmae_run *run, fcmae_error *error)
{
    const fcmae_dataset_options listing = {.log = run->callbacks.log};
    run->data_root = values_of(run)->data;
    FCMAE_TRY(fcmae_dataset_open(&run->dataset, run->data_root, &listing, error));
    return fcmae_signals_open(&((pretraining *)run->own)->signals, &values_of(run)->signals, run,
                              error);
}

/** The network is the preset's; what is left is its grid of cells. */
static fcmae_status configure(fcmae_run *run, fcmae_error *error)
{
    pretraining *own = run->own;
    const pretrain_values *v = values_of(run);
    int patch = fcmae_config_patch(&v->run.model);
    if (v->run.input_size < 2 * patch)
        return fcmae_fail(error, FCMAE_ERR_SHAPE,
                          "an input of %d pixels is one single patch: nothing is left to see when "
                          "it is removed; take at least %d",
                          v->run.input_size, 2 * patch);
    snprintf(own->size_text, sizeof own->size_text, "%d", v->run.input_size);
    run->texts[0] = (fcmae_metadata){"input_size", own->size_text};
    run->text_count = 1;
    int grid = v->run.input_size / patch;
    own->mask = (fcmae_mask_shape){.seed = (uint64_t)v->run.seed,
                                   .height = grid,
                                   .width = grid,
                                   .unit = v->mask_unit,
                                   .visible = fcmae_mask_visible(grid * grid, v->mask_ratio),
                                   .views = run->views};
    if (v->mask_unit > grid)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the mask unit is %d cells, but the image has %d a side", v->mask_unit,
                          grid);
    if (v->run.batch_size % v->masks_per_image != 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%d masks per image: the batch size counts masked views and must be a "
                          "multiple of that, but is %" PRId64,
                          v->masks_per_image, v->run.batch_size);
    return FCMAE_OK;
}

static fcmae_transform transform(const fcmae_run *run)
{
    return fcmae_transform_train(run->values->input_size, run->values->crop_scale);
}

/** As in the recipe, but at most the share of the run that it is there (40 of 800 epochs). */
static double warmup(const fcmae_run *run, double epochs)
{
    const pretraining *own = run->own;
    return fmin(own->recipe_warmup, 0.05 * epochs);
}

static void plan(const fcmae_run *run, fcmae_memory_use *use)
{
    pretraining *own = run->own;
    use->engine.train = true;
    use->engine.visible_cells = own->mask.visible;
    use->watching = fcmae_signals_plan(&own->signals, run, &own->mask);
}

static fcmae_status build(fcmae_run *run, fcmae_error *error)
{
    const pretraining *own = run->own;
    FCMAE_TRY(fcmae_model_create(&run->model, &run->values->model, error));
    fcmae_model_initialise(run->model, (uint64_t)run->values->seed);
    return fcmae_start_load(&own->start, run, error);
}

static fcmae_status prepare(fcmae_run *run, fcmae_error *error)
{
    pretraining *own = run->own;
    size_t samples = (size_t)run->values->batch_size;
    size_t cells = (size_t)own->mask.height * (size_t)own->mask.width;
    own->removed = fcmae_allocate_aligned(samples, cells);
    own->image_of = calloc(samples, sizeof *own->image_of);
    if (!own->removed || !own->image_of)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %zu masks", samples);
    for (size_t i = 0; i < samples; i++) own->image_of[i] = (int32_t)(i / (size_t)run->views);
    return fcmae_signals_prepare(&own->signals, run, &own->mask, error);
}

static fcmae_status begin(fcmae_run *run, fcmae_error *error)
{
    const pretrain_values *v = values_of(run);
    pretraining *own = run->own;
    bool predicts_pixels = fcmae_config_has_part(&v->run.model, FCMAE_PART_DECODER);
    own->inspection = (fcmae_inspection){.watch_every = v->watch_collapse,
                                         .pictures = predicts_pixels ? v->pictures : 0,
                                         .data = v->data,
                                         .mask_unit = v->mask_unit,
                                         .mask_ratio = v->mask_ratio};
    return fcmae_signals_begin(&own->signals, run, error);
}

static fcmae_status batch(fcmae_run *run, const fcmae_samples *samples, fcmae_batch *batch,
                          fcmae_error *error)
{
    pretraining *own = run->own;
    int64_t images = fcmae_run_images_per_batch(run);
    int64_t cells = (int64_t)own->mask.height * own->mask.width;
    for (int i = 0; i < samples->count; i++)
        FCMAE_TRY(fcmae_mask_generate(&own->mask, samples->epoch,
                                      (uint64_t)(samples->batch * images + i),
                                      own->removed + i * run->views * cells, error));
    *batch = (fcmae_batch){.images = {.count = samples->count,
                                      .bytes = samples->images,
                                      .mean = fcmae_imagenet_mean,
                                      .deviation = fcmae_imagenet_deviation},
                           .samples = (int64_t)samples->count * run->views,
                           .image_of = run->views > 1 ? own->image_of : NULL,
                           .removed = own->removed};
    return FCMAE_OK;
}

static fcmae_status inspect(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                            fcmae_error *error)
{
    pretraining *own = run->own;
    FCMAE_TRY(fcmae_signals_measure(&own->signals, run, step, figures, error));
    return fcmae_inspect(&own->inspection, run, step, figures, error);
}

static void release(fcmae_run *run)
{
    pretraining *own = run->own;
    fcmae_inspection_release(&own->inspection);
    fcmae_signals_release(&own->signals);
    free(own->removed);
    free(own->image_of);
}

const fcmae_run_task fcmae_task_pretrain = {
    .options =
        {.name = "pretrain",
         .purpose = "train a masked autoencoder on a folder of images",
         .description =
             "Removes most cells of each image, shows the rest to a sparse ConvNeXt encoder and "
             "learns to predict the removed pixels (ConvNeXt V2's FCMAE).\n\n"
             "The run can be stopped at any moment, by Ctrl-C, a signal or a power cut: the same "
             "command line continues it, and it ends in the same bytes as if it had never stopped. "
             "Ctrl-C saves first; a second Ctrl-C does not wait.",
         .example =
             "fcmae pretrain --data photos --output run\n"
             "fcmae pretrain --data photos --model tiny --input-size 160 --epochs 20 --output run\n"
             "fcmae pretrain --data slides --init run --output run-2",
         .options = rows,
         .count = FCMAE_COUNT(rows),
         .values_size = sizeof(pretrain_values)},
    .own_size = sizeof(pretraining),
    .rule =
        {.epochs = 100, .fewest_epochs = 20, .most_epochs = 400, .lr = 1e-3, .largest_input = 128},
    .resolve = resolve,
    .open = open_data,
    .configure = configure,
    .transform = transform,
    .warmup = warmup,
    .plan = plan,
    .build = build,
    .prepare = prepare,
    .begin = begin,
    .batch = batch,
    .inspect = inspect,
    .release = release,
};
