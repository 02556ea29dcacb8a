/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Supervised training of the dense network: the options, and batches of labelled images. */
#include "task/finetuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "core/random.h"
#include "task/tasks.h"

#define AT(member) offsetof(fcmae_finetune_values, member)
#define RECIPE FCMAE_FROM_RECIPE, .section = "finetune"
#define FIXED .record = FCMAE_RECORD_FIXED
#define FREE .record = FCMAE_RECORD_FREE
#define MACHINE .record = FCMAE_RECORD_MACHINE

static const fcmae_option rows[] = {
    {.type = FCMAE_OPTION_HEADING, .help = "Run"},
    {"checkpoint", FCMAE_OPTION_TEXT, AT(checkpoint), .required = true, .unit = "FILE|RUN|none",
     MACHINE,
     .help =
         "Checkpoint: safetensors, PyTorch or NumPy file, or a run folder, which stands for its "
         "best checkpoint if it has one, else its latest. none: train from scratch."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .otherwise = "the weights themselves", MACHINE,
     .help = "Which weights of the file, where it holds several: model, model_ema, ... or ema for "
             "any average."},
    {"data", FCMAE_OPTION_TEXT, AT(data), .required = true, .unit = "DIR", MACHINE,
     .help = "Folder with train and val, each with one subfolder per class."},
    FCMAE_MODEL_NAME_ROW(.otherwise = "atto from scratch, else as the checkpoint says",
                         .help =
                             "Preset: the network, when training from scratch, and the recipe."),
    {"recipe", FCMAE_OPTION_CHOICE, AT(run.recipe), .fallback = "auto",
     .choices = "auto|paper|short|preset", FREE,
     .help =
         "auto: that of short, with input size, batch, length and learning rate from the images "
         "and the checkpoint, said before the start. paper: the published one of the model, made "
         "for 1024 images per update and hundreds of epochs. short: for a few epochs on up to some "
         "ten thousand images: base-lr 4e-3 (1e-3 at batch 64), weight decay 0.05, 20 epochs, 2 of "
         "warm-up, layer decay 0.9, RandAugment 6, erasing 0.1, smoothing 0.1, no mixup, no drop "
         "path, average with decay 0.998 and a warm-up. preset: an older name of paper."},
    FCMAE_RUN_ROWS("finetune", "300", "1024"),
    {"label-fraction", FCMAE_OPTION_NUMBER, AT(label_fraction), .fallback = "1", .range = "(0, 1]",
     FIXED,
     .help = "Share of the training images to use, the same of every class, drawn by the seed."},
    {"tune-last", FCMAE_OPTION_INT, AT(tune_last), .range = "[0, 10000]", .otherwise = "everything",
     FIXED, .help = "Train only that many of the last blocks and the head; 0: the head alone."},
    {"evaluate-every", FCMAE_OPTION_NUMBER, AT(evaluate_every), .fallback = "1",
     .range = "(0, 1e6]", FREE,
     .help = "Epochs between evaluations on val; there is always one at the end."},

    {.type = FCMAE_OPTION_HEADING, .help = "Optimisation"},
    FCMAE_OPTIMISATION_ROWS("finetune", "8e-4", "1e-6", "40", "0.999", "0.9999"),
    {"layer-decay", FCMAE_OPTION_NUMBER, AT(layer_decay), .fallback = "0.9", .range = "(0, 1]",
     RECIPE, FREE,
     .help = "Factor of the learning rate from layer to layer, towards the input; 1: none."},
    {"layer-grouping", FCMAE_OPTION_CHOICE, AT(layer_grouping), .fallback = "single",
     .also = "layer-decay-kind", .choices = "single|group", RECIPE, FREE,
     .help = "single: every block is a layer. group: twelve layers, for depths 3, 3, 27, 3."},
    {"drop-path", FCMAE_OPTION_NUMBER, AT(drop_path), .fallback = "0.2", .range = "[0, 1)", RECIPE,
     FREE, .help = "Probability that the last block's branch is left out; rises linearly from 0."},
    {"keep-head", FCMAE_OPTION_FLAG, AT(keep_head), .excludes = "head-init", MACHINE,
     .help = "Start from the checkpoint's head, which must have as many classes."},
    {"head-init", FCMAE_OPTION_NUMBER, AT(head_init), .fallback = "2e-5", .range = "[0, 1]", RECIPE,
     MACHINE, .help = "Standard deviation of a fresh head's weights."},

    {.type = FCMAE_OPTION_HEADING, .help = "Images"},
    FCMAE_INPUT_SIZE_ROW,
    FCMAE_IMAGE_ROWS("finetune", "0.08"),
    {"crop-ratio", FCMAE_OPTION_NUMBER, AT(crop_ratio), .range = "(0, 1]",
     .otherwise = "0.875; from 384 pixels on the whole picture is squeezed", FREE,
     .help = "Evaluation: the shorter side is resized to input-size / crop-ratio."},
    {"augment-operations", FCMAE_OPTION_INT, AT(augment_operations), .range = "[0, 16]",
     .otherwise = "2 where the recipe has a magnitude", FIXED,
     .help = "RandAugment: operations per image."},
    {"augment-magnitude", FCMAE_OPTION_NUMBER, AT(augment_magnitude),
     .also = "rand-augment-magnitude", .fallback = "9", .range = "[0, 10]", RECIPE, FIXED,
     .help = "RandAugment: strength of the operations."},
    {"augment-deviation", FCMAE_OPTION_NUMBER, AT(augment_deviation),
     .also = "rand-augment-deviation", .fallback = "0.5", .range = "[0, 10]", RECIPE, FIXED,
     .help = "RandAugment: standard deviation of the strength."},
    {"random-erasing", FCMAE_OPTION_NUMBER, AT(random_erasing), .fallback = "0.25",
     .range = "[0, 1]", RECIPE, FIXED, .help = "Probability that a box of an image becomes noise."},
    {"mixup", FCMAE_OPTION_NUMBER, AT(mixup), .fallback = "0.8", .range = "[0, 1000]", RECIPE,
     FIXED, .help = "Alpha of mixup; 0: none."},
    {"cutmix", FCMAE_OPTION_NUMBER, AT(cutmix), .fallback = "1", .range = "[0, 1000]", RECIPE,
     FIXED, .help = "Alpha of cutmix; 0: none."},
    {"mix-probability", FCMAE_OPTION_NUMBER, AT(mix_probability), .fallback = "1",
     .range = "[0, 1]", FIXED, .help = "Probability that a batch is mixed at all."},
    {"mix-switch", FCMAE_OPTION_NUMBER, AT(mix_switch), .fallback = "0.5", .range = "[0, 1]",
     RECIPE, FIXED, .help = "With both mixup and cutmix: probability of cutmix."},
    {"label-smoothing", FCMAE_OPTION_NUMBER, AT(label_smoothing), .fallback = "0.1",
     .range = "[0, 1)", RECIPE, FIXED,
     .help = "Share of the target that is spread over all classes."},

    {.type = FCMAE_OPTION_HEADING, .help = "Machine"},
    FCMAE_MACHINE_ROWS,
    FCMAE_MODEL_OPTIONS(FCMAE_RUN_MODEL_AT, FCMAE_SOURCE_PRESET),
    {"train", FCMAE_OPTION_TEXT, AT(train), FCMAE_FACT(MACHINE),
     .help = "Folder of training images."},
    {"validation", FCMAE_OPTION_TEXT, AT(validation), FCMAE_FACT(MACHINE),
     .help = "Folder of validation images."},
};

/* ---- options and data ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static fcmae_status find_folders(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    int one = snprintf(own->train_folder, FCMAE_PATH, "%s/train", v->data);
    int two = snprintf(own->validation_folder, FCMAE_PATH, "%s/val", v->data);
    bool train = one < FCMAE_PATH && is_folder(own->train_folder);
    bool validation = two < FCMAE_PATH && is_folder(own->validation_folder);
    if (!train || !validation)
        return fcmae_fail(
            error, FCMAE_ERR_NOT_FOUND,
            "%.800s must hold the folders train and val, with a folder for each class "
            "in both, but has no %s",
            v->data,
            train        ? "val"
            : validation ? "train"
                         : "train and no val");
    v->train = run->data_root = own->train_folder;
    v->validation = own->validation_folder;
    return FCMAE_OK;
}

static fcmae_status resolve(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    FCMAE_TRY(fcmae_finetune_recipe(run, error));
    if (!fcmae_options_given(run->options, "augment-operations"))
        v->augment_operations = v->augment_magnitude > 0 ? 2 : 0;
    if (!fcmae_options_given(run->options, "tune-last")) v->tune_last = -1;
    return find_folders(run, error);
}

static fcmae_status open_data(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    const fcmae_dataset_options labelled = {.labelled = true, .log = run->callbacks.log};
    FCMAE_TRY(fcmae_dataset_open(&run->dataset, v->train, &labelled, error));
    FCMAE_TRY(fcmae_class_names_of_dataset(&own->names, run->dataset, error));
    own->classes = own->names.count;
    if (v->label_fraction < 1)
        FCMAE_TRY(fcmae_dataset_subset(run->dataset, v->label_fraction, (uint64_t)v->run.seed,
                                       &run->subset, &run->values->data_images, error));
    own->names_text = fcmae_class_names_text(&own->names);
    if (!own->names_text)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the class names");
    run->texts[0] = (fcmae_metadata){"class_names", own->names_text};
    run->texts[1] = (fcmae_metadata){"input_size", own->size_text};
    run->text_count = 2;
    fcmae_finetune_natural_input(run);
    return fcmae_finetune_open_validation(run, error);
}

static fcmae_transform transform(const fcmae_run *run)
{
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    fcmae_transform t = fcmae_transform_train(v->run.input_size, v->run.crop_scale);
    t.augment_operations = v->augment_operations;
    t.augment_magnitude = v->augment_magnitude;
    t.augment_deviation = v->augment_deviation;
    return t;
}

/** The recipe's, in proportion to the epochs; of a run counted in updates at most 5 %. */
static double warmup(const fcmae_run *run, double epochs)
{
    const fcmae_finetuning *own = run->own;
    double wanted = own->recipe_warmup * run->values->epochs / own->recipe_epochs;
    if (!fcmae_options_given(run->options, "steps")) return wanted;
    return own->recipe_warmup < 0.05 * epochs ? own->recipe_warmup : 0.05 * epochs;
}

/* ---- what a batch needs ---- */

static bool mixes(const fcmae_finetune_values *v)
{
    return v->mix_probability > 0 && (v->mixup > 0 || v->cutmix > 0);
}

static bool makes_values(const fcmae_finetune_values *v)
{
    return mixes(v) || v->random_erasing > 0;
}

static void plan(const fcmae_run *run, fcmae_memory_use *use)
{
    use->engine.train = true;
    use->mixing = makes_values(fcmae_finetune_values_of(run));
    use->validation = true;
}

static void optimiser(const fcmae_run *run, fcmae_adamw_options *options)
{
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    options->layer_decay = v->layer_decay == 1      ? FCMAE_LAYER_DECAY_NONE
                           : v->layer_grouping == 1 ? FCMAE_LAYER_DECAY_GROUP
                                                    : FCMAE_LAYER_DECAY_SINGLE;
    options->layer_decay_rate = v->layer_decay;
}

static fcmae_status prepare(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    size_t batch = (size_t)v->run.batch_size, side = (size_t)v->run.input_size;
    bool good = true;
    own->targets = fcmae_allocate_aligned(batch * (size_t)own->classes, sizeof *own->targets);
    if (makes_values(v)) {
        own->values = fcmae_allocate_aligned(batch * 3 * side * side, sizeof *own->values);
        good = own->values != NULL;
    }
    if (v->drop_path > 0) {
        own->branch = fcmae_allocate_aligned(batch * (size_t)own->blocks, sizeof *own->branch);
        good = good && own->branch;
    }
    if (good && own->targets) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for batches of %zu images", batch);
}

/** Which branches are left out: one stream per sample, one draw per block. */
static void draw_branches(const fcmae_run *run, const fcmae_samples *samples)
{
    const fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    for (int i = 0; i < samples->count; i++) {
        uint64_t place = (uint64_t)(samples->batch * v->run.batch_size + i);
        fcmae_random random = fcmae_random_start((uint64_t)v->run.seed, FCMAE_RANDOM_DROP_PATH,
                                                 samples->epoch, place);
        for (int b = 0; b < own->blocks; b++) {
            double rate = own->blocks > 1 ? v->drop_path * b / (own->blocks - 1) : 0;
            own->branch[(int64_t)b * samples->count + i] = fcmae_random_uniform(&random) < rate
                                                               ? 0
                                                               : (float)(1 / (1 - rate));
        }
    }
}

static fcmae_status batch(fcmae_run *run, const fcmae_samples *samples, fcmae_batch *batch,
                          fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    const fcmae_mixing mixing = {.mixup_alpha = v->mixup,
                                 .cutmix_alpha = v->cutmix,
                                 .mix_probability = v->mix_probability,
                                 .cutmix_probability = v->mix_switch,
                                 .smoothing = v->label_smoothing,
                                 .erase_probability = v->random_erasing,
                                 .seed = (uint64_t)v->run.seed,
                                 .classes = own->classes,
                                 .mean = fcmae_imagenet_mean,
                                 .deviation = fcmae_imagenet_deviation,
                                 .threads = v->run.threads};
    FCMAE_TRY(
        fcmae_mix_samples(&mixing, samples, v->run.input_size, own->values, own->targets, error));
    if (own->branch) draw_branches(run, samples);
    *batch = (fcmae_batch){.images = {.count = samples->count},
                           .samples = samples->count,
                           .targets = own->targets,
                           .branch_scale = own->branch};
    if (own->values) {
        batch->images.values = own->values;
    } else {
        batch->images.bytes = samples->images;
        batch->images.mean = fcmae_imagenet_mean;
        batch->images.deviation = fcmae_imagenet_deviation;
    }
    return FCMAE_OK;
}

static void release(fcmae_run *run)
{
    fcmae_finetuning *own = run->own;
    fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    v->train = v->validation = NULL; /* were the run's */
    fcmae_dataset_close(&own->validation);
    fcmae_class_names_release(&own->names);
    free(own->names_text);
    free(own->output_of);
    free(own->values);
    free(own->targets);
    free(own->branch);
}

const fcmae_run_task fcmae_task_finetune = {
    .options =
        {.name = "finetune",
         .purpose = "train a classifier, from a checkpoint or from scratch",
         .description =
             "Loads any checkpoint into the dense network (of a pretrained one the decoder is left "
             "out) with a fresh head, and trains it with a recipe that suits the images, every "
             "value "
             "of which can be changed.\n\n"
             "Like pretraining, a run can be stopped at any moment; the same command line "
             "continues it, and it ends in the same bytes. best.safetensors in the run folder "
             "holds the weights, or their moving average, with the highest accuracy on val.",
         .example =
             "fcmae finetune --checkpoint pretrained --data photos --output tuned\n"
             "fcmae finetune --checkpoint none --model atto --data photos --output scratch --lr "
             "1e-3 --epochs 50",
         .options = rows,
         .count = FCMAE_COUNT(rows),
         .values_size = sizeof(fcmae_finetune_values)},
    .own_size = sizeof(fcmae_finetuning),
    .rule =
        {.epochs = 50, .fewest_epochs = 20, .most_epochs = 100, .lr = 1e-3, .largest_input = 128},
    .resolve = resolve,
    .open = open_data,
    .configure = fcmae_finetune_configure,
    .transform = transform,
    .warmup = warmup,
    .plan = plan,
    .optimiser = optimiser,
    .build = fcmae_finetune_build,
    .prepare = prepare,
    .begin = fcmae_finetune_recall_best,
    .batch = batch,
    .inspect = fcmae_finetune_inspect,
    .report = fcmae_finetune_report,
    .release = release,
};
