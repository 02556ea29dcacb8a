/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae collapse: how different the channels of each layer are, for one or more models. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collapse_models.h"
#include "command_line.h"
#include "commands.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"

struct collapse_values {
    fcmae_texts checkpoints, names;
    const char *data, *output, *key;
    int64_t images, input_size, batch_size, seed, threads, gallery;
    double mask_ratio;
    int tensor;
    bool labels, json;
};
#define AT(member) offsetof(struct collapse_values, member)

enum tensor_choice {
    TENSOR_DEFAULT,
    TENSOR_HIDDEN,
    TENSOR_GRN,
    TENSOR_BRANCH,
    TENSOR_OUTPUT,
    TENSOR_ALL
};

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXTS, AT(checkpoints), .required = true, .unit = "FILE",
     .help =
         "Models to compare: checkpoint files of any kind 'fcmae info' reads, run folders (their "
         "best checkpoint, else their newest), or presets and .ini files (weights as at the start "
         "of a run "
         "with this --seed)."},
    {"names", FCMAE_OPTION_TEXTS, AT(names), .unit = "NAME", .otherwise = "from the files' names",
     .help = "Names of the curves, one per checkpoint."},
    {"data", FCMAE_OPTION_TEXT, AT(data), .required = true, .unit = "DIR",
     .help = "Images, in subfolders or not."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .required = true, .unit = "DIR",
     .help = "Folder for the results. RUN/collapse is where 'fcmae report' looks."},
    {"images", FCMAE_OPTION_INTEGER, AT(images), .fallback = "1000", .range = "[1, 10000000]",
     .help = "How many images, drawn at random; all of them if there are fewer."},
    {"tensor", FCMAE_OPTION_CHOICE, AT(tensor), .fallback = "default",
     .choices = "default|hidden|grn|branch|output|all",
     .help = "What is measured in each block. hidden: the 4C activation after GELU; grn: after GRN "
             "(V2); branch: what the block adds; output: after the addition. default: hidden, and "
             "grn for V2."},
    {"mask-ratio", FCMAE_OPTION_NUMBER, AT(mask_ratio), .fallback = "0", .range = "[0, 1)",
     .help = "0: whole images. Otherwise images are masked as in pretraining and only visible "
             "sites count."},
    {"input-size", FCMAE_OPTION_INTEGER, AT(input_size), .range = "[32, 4096]", .unit = "PX",
     .otherwise = "the checkpoints', else 224",
     .help = "Side of an image in pixels, a multiple of 32."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    {"labels", FCMAE_OPTION_FLAG, AT(labels),
     .help = "Subfolders of --data are classes: images are drawn evenly from them and the class "
             "selectivity index is computed."},
    {"gallery", FCMAE_OPTION_INTEGER, AT(gallery), .fallback = "64", .range = "[0, 4096]",
     .help = "Channels per layer whose maps are drawn for one image; 0: no pictures."},
    {"batch-size", FCMAE_OPTION_INTEGER, AT(batch_size), .fallback = "16", .range = "[1, 4096]",
     .help = "Images worked on at a time. Never changes a result."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Which images, which masks."},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object instead of text."},
};

typedef struct session {
    const struct collapse_values *o;
    const cli_arguments *arguments;
    fcmae_dataset *dataset;
    fcmae_loader *loader;
    int64_t *subset, subset_count;
    int side; /* of the input */
    collapse_model *models;
    int count;
    uint8_t *picture;
    int64_t done;
    cli_progress progress;
    double seconds;
} session;

static unsigned wanted_points(int choice, const fcmae_model_config *config)
{
    unsigned grn = config->version == 2 ? 1u << FCMAE_OBSERVE_GRN : 0;
    switch (choice) {
    case TENSOR_HIDDEN: return 1u << FCMAE_OBSERVE_HIDDEN;
    case TENSOR_GRN: return 1u << FCMAE_OBSERVE_GRN;
    case TENSOR_BRANCH: return 1u << FCMAE_OBSERVE_BRANCH;
    case TENSOR_OUTPUT: return 1u << FCMAE_OBSERVE_OUTPUT;
    case TENSOR_ALL:
        return 1u << FCMAE_OBSERVE_HIDDEN | grn | 1u << FCMAE_OBSERVE_BRANCH |
               1u << FCMAE_OBSERVE_OUTPUT;
    default: return 0;
    }
}

/* as asked for, else the one that the checkpoints record, else 224 */
static fcmae_status choose_side(session *s, fcmae_error *error)
{
    const char *first = NULL;
    s->side = (int)s->o->input_size;
    if (s->side > 0) return FCMAE_OK;
    for (int i = 0; i < s->o->checkpoints.count; i++) {
        const char *name = s->o->checkpoints.items[i];
        int side = cli_recorded_input(name, s->o->key);
        if (side > 0 && s->side > 0 && side != s->side)
            return cli_error(error, FCMAE_ERR_MISMATCH,
                             "%.300s was trained at %d pixels, %.300s at %d: choose the size of "
                             "both with --input-size",
                             first, s->side, name, side);
        if (side == 0 || s->side > 0) continue;
        s->side = side;
        first = name;
    }
    if (s->side == 0) s->side = CLI_INPUT;
    return FCMAE_OK;
}

/* `images` numbers drawn from the whole set, ascending */
static fcmae_status choose_images(session *s, fcmae_error *error)
{
    int64_t all = fcmae_dataset_count(s->dataset);
    if (s->o->images >= all) return FCMAE_OK; /* no subset: every image */
    return fcmae_dataset_subset(s->dataset, (double)s->o->images / (double)all,
                                (uint64_t)s->o->seed, &s->subset, &s->subset_count, error);
}

static fcmae_status open_data(session *s, fcmae_error *error)
{
    fcmae_dataset_options set = {.labelled = s->o->labels, .log = cli_progress_log(&s->progress)};
    fcmae_status status = fcmae_dataset_open(&s->dataset, s->o->data, &set, error);
    if (status == FCMAE_OK) status = choose_images(s, error);
    fcmae_loader_options loader = {.transform = fcmae_transform_evaluate(s->side, 0),
                                   .batch = (int)s->o->batch_size,
                                   .workers = (int)s->o->threads,
                                   .subset = s->subset,
                                   .subset_count = s->subset_count,
                                   .log = cli_progress_log(&s->progress)};
    if (status == FCMAE_OK) status = fcmae_loader_create(&s->loader, s->dataset, &loader, error);
    return status;
}

static fcmae_status open_models(session *s, fcmae_error *error)
{
    const struct collapse_values *o = s->o;
    int64_t images = s->subset ? s->subset_count : fcmae_dataset_count(s->dataset);
    s->models = calloc((size_t)o->checkpoints.count, sizeof *s->models);
    if (!s->models) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    for (int i = 0; i < o->checkpoints.count; i++) {
        collapse_model *model = &s->models[s->count++];
        collapse_model_options how = {.input_size = s->side,
                                      .batch = (int)o->batch_size,
                                      .threads = (int)o->threads,
                                      .mask_ratio = o->mask_ratio,
                                      .key = o->key,
                                      .seed = (uint64_t)o->seed};
        const char *given = o->checkpoints.items[i];
        char path[4200];
        fcmae_status status = cli_find_checkpoint(s->arguments, given, path, sizeof path, error);
        if (status == FCMAE_OK) cli_remark_file(s->arguments, path, o->key);
        if (status == FCMAE_OK)
            status = collapse_model_open(model, given, o->names.count ? o->names.items[i] : NULL,
                                         &how, error);
        if (status != FCMAE_OK) return status;
        fcmae_collapse_options analysis = {.points = wanted_points(o->tensor, &model->config),
                                           .images = images,
                                           .batch = (int)o->batch_size,
                                           .lanes = fcmae_engine_info(model->engine)->options.lanes,
                                           .classes = o->labels ? fcmae_dataset_classes(s->dataset)
                                                                : 0,
                                           .gallery_channels = (int)o->gallery};
        status = fcmae_collapse_create(&model->collapse, &model->config, &analysis, error);
        if (status != FCMAE_OK) return status;
    }
    collapse_models_unique_labels(s->models, s->count);
    return FCMAE_OK;
}

/* every image is decoded once and shown to every model */
static fcmae_status analyse(session *s, fcmae_error *error)
{
    size_t image_bytes = (size_t)s->side * (size_t)s->side * 3;
    int64_t total = s->subset ? s->subset_count : fcmae_dataset_count(s->dataset);
    cli_progress_start(&s->progress, s->arguments, "collapse", "image", 0, total);
    for (;;) {
        fcmae_samples samples;
        fcmae_status status = fcmae_loader_next(s->loader, &samples, error);
        if (status != FCMAE_OK) return status;
        if (samples.count == 0) break;
        if (!s->picture && (s->picture = malloc(image_bytes)))
            memcpy(s->picture, samples.images, image_bytes);
        for (int i = 0; i < s->count; i++) {
            status = collapse_model_forward(&s->models[i], &samples, s->o->labels, error);
            if (status != FCMAE_OK) return status;
        }
        s->done += samples.count;
        cli_progress_update(&s->progress, s->done, samples.count, NAN);
    }
    cli_progress_end(&s->progress);
    if (s->done == 0)
        return cli_error(error, FCMAE_ERR_FORMAT, "%s: not one image could be read", s->o->data);
    for (int i = 0; i < s->count; i++) {
        fcmae_status status = fcmae_collapse_finish(s->models[i].collapse, (int)s->o->threads,
                                                    error);
        if (status != FCMAE_OK) return status;
    }
    return FCMAE_OK;
}

static fcmae_status write_results(session *s, fcmae_error *error)
{
    fcmae_collapse_entry *entries = s->count > 0 ? calloc((size_t)s->count, sizeof *entries) : NULL;
    if (!entries) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    for (int i = 0; i < s->count; i++)
        entries[i] = (fcmae_collapse_entry){.label = s->models[i].label,
                                            .checkpoint = s->models[i].path,
                                            .collapse = s->models[i].collapse,
                                            .step = s->models[i].step};
    char *command = cli_command_line();
    fcmae_collapse_setup setup = {.data = s->o->data,
                                  .command = command,
                                  .height = s->side,
                                  .width = s->side,
                                  .mask_ratio = s->o->mask_ratio,
                                  .seed = (uint64_t)s->o->seed,
                                  .picture = s->picture};
    fcmae_status status = fcmae_collapse_write(s->o->output, &setup, entries, s->count, error);
    free(command);
    free(entries);
    return status;
}

static int print_results(const session *s)
{
    json_t *models = json_array();
    static const char *const states[] = {"diverse", "weakened", "collapsed"};
    for (int i = 0; i < s->count; i++) {
        char verdict[800];
        fcmae_collapse_state state = fcmae_collapse_verdict(s->models[i].collapse, verdict,
                                                            sizeof verdict);
        if (!s->o->json) printf("%s\n    %s\n", CLI_SHOWN(s->models[i].label), verdict);
        cli_json_append(&models,
                        json_pack("{s:o, s:s, s:s}", "label", cli_json_text(s->models[i].label),
                                  "state", states[state], "verdict", verdict));
    }
    if (s->o->json)
        return cli_print_json(s->arguments, json_pack("{s:s, s:I, s:f, s:o}", "output",
                                                      s->o->output, "images", (json_int_t)s->done,
                                                      "seconds", s->seconds, "models", models));
    json_decref(models);
    printf("%lld images in %.1f s; results in %s\n", (long long)s->done, s->seconds,
           CLI_SHOWN(s->o->output));
    return cli_finish(s->arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct collapse_values *o = arguments->values;
    if (o->names.count && o->names.count != o->checkpoints.count)
        return cli_usage_error(arguments->command, "--names: %d names for %d checkpoints",
                               o->names.count, o->checkpoints.count);
    session s = {.o = o, .arguments = arguments};
    fcmae_error error = {0};
    double started = fcmae_measure_seconds();
    fcmae_status status = choose_side(&s, &error);
    if (status == FCMAE_OK) status = open_data(&s, &error);
    if (status == FCMAE_OK) status = open_models(&s, &error);
    if (status == FCMAE_OK) status = analyse(&s, &error);
    if (status == FCMAE_OK) status = write_results(&s, &error);
    s.seconds = fcmae_measure_seconds() - started;
    cli_progress_end(&s.progress);
    int result = status == FCMAE_OK ? print_results(&s) : cli_fail(arguments, &error);
    for (int i = 0; i < s.count; i++) collapse_model_close(&s.models[i]);
    free(s.models);
    free(s.picture);
    free(s.subset);
    fcmae_loader_destroy(&s.loader);
    fcmae_dataset_close(&s.dataset);
    return result;
}

const cli_command cli_command_collapse = {
    .set =
        &(const fcmae_option_set){
            .name = "collapse",
            .purpose = "measure feature collapse: how alike the channels are",
            .description = "For every block, the mean pairwise cosine distance between channels "
                           "(0: all alike, at most 0.5), averaged over images, as in section 4 of "
                           "the ConvNeXt V2 paper; with it the shares of dead and saturated "
                           "channels, the effective rank of the features and, with --labels, the "
                           "class selectivity index.\n\n"
                           "Writes collapse.json, collapse.csv, distance.png, distance.svg "
                           "(distance against relative depth, one curve per model) and "
                           "activations-MODEL-TENSOR.png (channel maps of one image). "
                           "docs/collapse.md explains the numbers and their conventions.",
            .example =
                "fcmae collapse --checkpoint runs/v1 runs/v2 --data photos --output collapse\n"
                "fcmae collapse --checkpoint runs/v2 --data imagenette/val --labels \\\n"
                "    --output runs/v2/collapse --tensor all --mask-ratio 0.6",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct collapse_values),
        },
    .run = run,
};
