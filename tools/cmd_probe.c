/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae probe: how much a linear classifier reads out of frozen features. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "dense.h"
#include "frozen.h"
#include "json.h"
#include "shared.h"
#include "shown.h"

struct probe_values {
    struct cli_dense_values dense;
    const char *model, *output;
    fcmae_texts rates;
    int64_t seed, views, probe_batch;
    double label_fraction, crop_scale, epochs, warmup_epochs, momentum, trust, weight_decay,
        held_out;
    int optimiser;
    bool json;
};
#define AT(member) offsetof(struct probe_values, member)
#define DENSE_AT(member) CLI_DENSE_AT(probe_values, member)

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXT, DENSE_AT(checkpoint), .required = true,
     .unit = "FILE|RUN|NAME|none",
     .help = CLI_HELP_CHECKPOINT
     " none, or a preset (NAME, FILE.ini): a fresh network, for comparison."},
    {"data", FCMAE_OPTION_TEXT, DENSE_AT(data), .required = true, .unit = "DIR",
     .help = "Folder with train and val, each with one subfolder per class."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .unit = "FILE", .otherwise = "nothing is written",
     .help = "Writes encoder and probe as one classifier (safetensors), for eval and predict."},
    {"label-fraction", FCMAE_OPTION_NUMBER, AT(label_fraction), .fallback = "1", .range = "(0, 1]",
     .help = "Share of the training images to use, the same of every class."},
    {"views", FCMAE_OPTION_INTEGER, AT(views), .fallback = "0", .range = "[0, 10000]",
     .help = "Random crops of each training image whose features are kept; 0: its centre crop."},
    {"crop-scale", FCMAE_OPTION_NUMBER, AT(crop_scale), .fallback = "0.08", .range = "(0, 1]",
     .help = "Smallest share of an image's area in such a crop."},

    {.type = FCMAE_OPTION_HEADING, .help = "Training of the probe"},
    {"optimiser", FCMAE_OPTION_CHOICE, AT(optimiser), .fallback = "lars", .choices = "lars|sgd",
     .help = "Both with momentum."},
    {"rates", FCMAE_OPTION_TEXTS, AT(rates), .unit = "F ...",
     .otherwise = "0.01 0.03 0.1 0.3 1 3 10 30",
     .help = "Learning rates to try, for a batch of 256; scaled with the batch. The one that does "
             "best on the held-out images is used."},
    {"held-out", FCMAE_OPTION_NUMBER, AT(held_out), .fallback = "0.1", .range = "(0, 1)",
     .help = "Share of the training images that chooses the rate."},
    {"epochs", FCMAE_OPTION_NUMBER, AT(epochs), .fallback = "90", .range = "(0, 1e6]",
     .help = "Passes over the features."},
    {"warmup-epochs", FCMAE_OPTION_NUMBER, AT(warmup_epochs), .fallback = "10", .range = "[0, 1e6]",
     .help = "Epochs over which the learning rate rises."},
    {"probe-batch", FCMAE_OPTION_INTEGER, AT(probe_batch), .fallback = "1024",
     .range = "[1, 1048576]", .help = "Features per update."},
    {"momentum", FCMAE_OPTION_NUMBER, AT(momentum), .fallback = "0.9", .range = "[0, 1)",
     .help = "Of the optimiser."},
    {"trust", FCMAE_OPTION_NUMBER, AT(trust), .fallback = "0.001", .range = "(0, inf)",
     .help = "LARS's coefficient."},
    {"weight-decay", FCMAE_OPTION_NUMBER, AT(weight_decay), .fallback = "0", .range = "[0, inf)",
     .help = "On the weights, not on the bias."},

    {.type = FCMAE_OPTION_HEADING, .help = "Network and machine"},
    {"model", FCMAE_OPTION_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE",
     .help = "Preset for the checkpoint none; a file must hold that network."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of everything that is drawn."},
    {"key", FCMAE_OPTION_TEXT, DENSE_AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    CLI_DENSE_OPTIONS(probe_values),
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

enum { MOST = 64 };

static int read_rates(const cli_arguments *arguments, double *rates, fcmae_probe_options *probe)
{
    const struct probe_values *o = arguments->values;
    if (o->rates.count > MOST)
        return cli_usage_error(arguments->command, "--rates takes up to %d numbers", MOST);
    for (int i = 0; i < o->rates.count; i++) {
        char *end = NULL;
        rates[i] = strtod(o->rates.items[i], &end);
        if (*end || end == o->rates.items[i] || !(rates[i] > 0) || rates[i] > 1e6)
            return cli_usage_error(arguments->command, "--rates %s: must be positive, up to 1e6",
                                   o->rates.items[i]);
    }
    if (o->rates.count > 0) {
        probe->rates = rates;
        probe->rate_count = o->rates.count;
    }
    return CLI_SUCCESS;
}

/** Encoder and probe in one file. */
static fcmae_status write_classifier(const cli_frozen *f, const fcmae_probe *probe,
                                     const char *path, fcmae_error *error)
{
    char size[32];
    int pixels = f->dense.pass.input_size;
    snprintf(size, sizeof size, "%d", pixels > 0 ? pixels : 224);
    fcmae_status status = fcmae_probe_install(probe, f->dense.model, error);
    if (status != FCMAE_OK) return status;
    char *names = fcmae_class_names_text(&f->classes_of_folder);
    if (!names) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    const fcmae_metadata texts[] = {{"class_names", names}, {"input_size", size}};
    const fcmae_checkpoint_contents contents = {.metadata = texts, .metadata_count = 2};
    status = fcmae_checkpoint_save(path, f->dense.model, &contents, error);
    free(names);
    return status;
}

static int print_result(const cli_frozen *f, const fcmae_probe *probe,
                        const fcmae_probe_options *used)
{
    const cli_arguments *arguments = f->dense.arguments;
    const struct probe_values *o = arguments->values;
    double images = (double)f->validation.count;
    double correct = (double)fcmae_probe_correct(probe, &f->validation),
           top1 = 100 * correct / images;
    if (o->json) {
        json_t *list = json_array();
        for (int i = 0; i < used->rate_count; i++)
            cli_json_append(&list, json_pack("{s:f, s:f}", "rate", used->rates[i], "held_out_top1",
                                             100 * probe->held_out_accuracy[i]));
        return cli_print_json(arguments,
                              json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "checkpoint",
                                        f->dense.path, "training_features",
                                        (json_int_t)f->training.count, "validation_images",
                                        (json_int_t)f->validation.count, "top1", top1, "top1_error",
                                        cli_binomial_error(correct, images), "rate", probe->rate,
                                        "training_loss", probe->training_loss, "rates", list));
    }
    printf("%" PRId64 " training features, %" PRId64 " validation images, %d features\n",
           f->training.count, f->validation.count, f->training.dimension);
    for (int i = 0; i < used->rate_count; i++)
        printf("  rate %-8g held-out top-1 %.2f %%\n", used->rates[i],
               100 * probe->held_out_accuracy[i]);
    printf("rate %g on all training images: top-1 %.2f %% (+- %.2f), training loss %.4f\n",
           probe->rate, top1, cli_binomial_error(correct, images), probe->training_loss);
    if (o->output) printf("Classifier: %s\n", CLI_SHOWN(o->output));
    return cli_finish(arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct probe_values *o = arguments->values;
    double rates[MOST];
    fcmae_probe_options options_ = fcmae_probe_defaults();
    int result = read_rates(arguments, rates, &options_);
    if (result != CLI_SUCCESS) return result;
    if (o->warmup_epochs > o->epochs)
        return cli_usage_error(arguments->command, "--warmup-epochs %g: more than the %g epochs",
                               o->warmup_epochs, o->epochs);
    options_.optimiser = (fcmae_probe_optimiser)o->optimiser;
    options_.epochs = o->epochs;
    options_.warmup_epochs = o->warmup_epochs;
    options_.batch = (int)o->probe_batch;
    options_.momentum = o->momentum;
    options_.trust = o->trust;
    options_.weight_decay = o->weight_decay;
    options_.held_out = o->held_out;
    options_.seed = (uint64_t)o->seed;
    options_.threads = (int)o->dense.threads;
    cli_frozen f = {0};
    fcmae_probe probe = {0};
    fcmae_error error = {0};
    const cli_frozen_wish wish = {.model = o->model,
                                  .seed = (uint64_t)o->seed,
                                  .label_fraction = o->label_fraction,
                                  .output = FCMAE_PASS_NORMALISED,
                                  .views = (int)o->views,
                                  .crop_scale = o->crop_scale};
    cli_stop_on_signals();
    fcmae_status status = cli_frozen_collect(&f, arguments, &wish, &error);
    if (status == FCMAE_OK)
        status = fcmae_probe_train(&f.training, f.classes, &options_, &probe, &error);
    if (status == FCMAE_OK && o->output) status = write_classifier(&f, &probe, o->output, &error);
    result = status == FCMAE_OK ? print_result(&f, &probe, &options_) : cli_fail(arguments, &error);
    fcmae_probe_release(&probe);
    cli_frozen_release(&f);
    return result;
}

const cli_command cli_command_probe = {
    .set =
        &(const fcmae_option_set){
            .name = "probe",
            .purpose = "train a linear classifier on frozen features",
            .description =
                "Computes the features of every image once, then trains BatchNorm and a linear "
                "layer on them for several learning rates at a time. The rate is chosen on a "
                "held-out share of the training images, the accuracy is that of the validation "
                "images.",
            .example = "fcmae probe --checkpoint run --data photos\n"
                       "fcmae probe --checkpoint run --data photos --label-fraction 0.1 --output "
                       "probe.safetensors",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct probe_values),
        },
    .run = run,
};
