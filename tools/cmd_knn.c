/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae knn: how much the neighbours of frozen features tell. */
#include <inttypes.h>
#include <stdlib.h>

#include "commands.h"
#include "dense.h"
#include "frozen.h"
#include "json.h"
#include "shared.h"

struct knn_values {
    struct cli_dense_values dense;
    const char *model;
    fcmae_texts k;
    int64_t seed;
    double label_fraction, temperature;
    bool centre, json;
    int features;
};
#define AT(member) offsetof(struct knn_values, member)
#define DENSE_AT(member) CLI_DENSE_AT(knn_values, member)

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXT, DENSE_AT(checkpoint), .required = true,
     .unit = "FILE|RUN|NAME|none",
     .help = CLI_HELP_CHECKPOINT
     " none, or a preset (NAME, FILE.ini): a fresh network, for comparison."},
    {"data", FCMAE_OPTION_TEXT, DENSE_AT(data), .required = true, .unit = "DIR",
     .help = "Folder with train and val, each with one subfolder per class."},
    {"k", FCMAE_OPTION_TEXTS, AT(k), .unit = "N ...", .otherwise = "1 5 20",
     .help = "Numbers of neighbours."},
    {"temperature", FCMAE_OPTION_NUMBER, AT(temperature), .fallback = "0.07", .range = "[0, inf)",
     .help = "A neighbour's vote weighs exp(cosine / temperature); 0: one each."},
    {"centre", FCMAE_OPTION_SWITCH, AT(centre), .fallback = "on",
     .help = "Subtract the mean of the training features before taking cosines."},
    {"features", FCMAE_OPTION_CHOICE, AT(features), .fallback = "normalised",
     .choices = "pooled|normalised",
     .help =
         "Mean over the sites of the encoder's output; normalised: through the final LayerNorm."},
    {"label-fraction", FCMAE_OPTION_NUMBER, AT(label_fraction), .fallback = "1", .range = "(0, 1]",
     .help = "Share of the training images to use, the same of every class."},
    {"model", FCMAE_OPTION_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE",
     .help = "Preset for the checkpoint none; a file must hold that network."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of the weights for the checkpoint none and of the choice of images."},
    {"key", FCMAE_OPTION_TEXT, DENSE_AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    CLI_DENSE_OPTIONS(knn_values),
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

enum { MOST = 64 };

/** Numbers of neighbours, or a usage error. */
static int read_k(const cli_arguments *arguments, int *k, int *count)
{
    const struct knn_values *o = arguments->values;
    static const int usual[] = {1, 5, 20};
    *count = o->k.count > 0 ? o->k.count : 3;
    if (*count > MOST)
        return cli_usage_error(arguments->command, "--k takes up to %d numbers", MOST);
    for (int i = 0; i < *count; i++) {
        char *end = NULL;
        long number = o->k.count > 0 ? strtol(o->k.items[i], &end, 10) : usual[i];
        if ((end && (*end || end == o->k.items[i])) || number < 1 || number > 10000)
            return cli_usage_error(arguments->command, "--k %s: must be a number from 1 to 10000",
                                   o->k.items[i]);
        k[i] = (int)number;
    }
    return CLI_SUCCESS;
}

static int print_result(const cli_frozen *f, const int *k, const int64_t *correct, int count)
{
    const cli_arguments *arguments = f->dense.arguments;
    const struct knn_values *o = arguments->values;
    double images = (double)f->validation.count;
    json_t *list = json_array();
    if (!o->json)
        printf("%" PRId64 " training and %" PRId64 " validation images, %d features\n",
               f->training.count, f->validation.count, f->training.dimension);
    for (int i = 0; i < count; i++) {
        double top1 = 100 * (double)correct[i] / images;
        double margin = cli_binomial_error((double)correct[i], images);
        if (o->json)
            cli_json_append(
                &list, json_pack("{s:i, s:f, s:f}", "k", k[i], "top1", top1, "top1_error", margin));
        else
            printf("k = %-5d top-1 %.2f %% (+- %.2f)\n", k[i], top1, margin);
    }
    if (o->json)
        return cli_print_json(arguments,
                              json_pack("{s:s, s:I, s:I, s:i, s:o}", "checkpoint", f->dense.path,
                                        "training_images", (json_int_t)f->training.count,
                                        "validation_images", (json_int_t)f->validation.count,
                                        "features", f->training.dimension, "results", list));
    json_decref(list);
    return cli_finish(arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct knn_values *o = arguments->values;
    int k[MOST], count = 0, result = read_k(arguments, k, &count);
    if (result != CLI_SUCCESS) return result;
    cli_frozen f = {0};
    fcmae_error error = {0};
    int64_t correct[MOST] = {0};
    const cli_frozen_wish wish = {.model = o->model,
                                  .seed = (uint64_t)o->seed,
                                  .label_fraction = o->label_fraction,
                                  .output = o->features == 1 ? FCMAE_PASS_NORMALISED
                                                             : FCMAE_PASS_POOLED};
    const fcmae_knn_options options_ = {.k = k,
                                        .count = count,
                                        .temperature = o->temperature,
                                        .centre = o->centre,
                                        .threads = (int)o->dense.threads};
    cli_stop_on_signals();
    fcmae_status status = cli_frozen_collect(&f, arguments, &wish, &error);
    if (status == FCMAE_OK)
        status = fcmae_knn_classify(&f.training, &f.validation, f.classes, &options_, correct,
                                    &error);
    result = status == FCMAE_OK ? print_result(&f, k, correct, count) : cli_fail(arguments, &error);
    cli_frozen_release(&f);
    return result;
}

const cli_command cli_command_knn = {
    .set =
        &(const fcmae_option_set){
            .name = "knn",
            .purpose = "classify by the nearest neighbours of frozen features",
            .description =
                "Computes the features of every image once and classifies each validation image by "
                "the training images with the largest cosine. Nothing is trained.",
            .example = "fcmae knn --checkpoint run --data photos\n"
                       "fcmae knn --checkpoint none --model atto --data photos --k 1 10",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct knn_values),
        },
    .run = run,
};
