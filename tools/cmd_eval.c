/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae eval: how well a classifier does on a labelled folder. */
#include <inttypes.h>
#include <stdlib.h>

#include "commands.h"
#include "dense.h"
#include "json.h"
#include "shared.h"
#include "shown.h"

struct eval_values {
    struct cli_dense_values dense;
    const char *class_names, *label_map;
    int64_t confusions;
    bool per_class, json;
};
#define AT(member) offsetof(struct eval_values, member)
#define DENSE_AT(member) CLI_DENSE_AT(eval_values, member)

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXT, DENSE_AT(checkpoint), .required = true, .unit = "FILE|RUN",
     .help = CLI_HELP_CHECKPOINT},
    {"data", FCMAE_OPTION_TEXT, DENSE_AT(data), .required = true, .unit = "DIR",
     .help = "Folder with one subfolder per class. If it holds train and val, val is taken."},
    {"class-names", FCMAE_OPTION_TEXT, AT(class_names), .unit = "FILE",
     .otherwise = "from the checkpoint, if it carries them",
     .help = "Names of the checkpoint's outputs, one per line in their order. Class folders are "
             "found by name."},
    {"label-map", FCMAE_OPTION_TEXT, AT(label_map), .unit = "FILE",
     .otherwise = "by name, else by place",
     .help =
         "Lines \"FOLDER OUTPUT\": which output, by number or name, stands for a class folder."},
    {"per-class", FCMAE_OPTION_FLAG, AT(per_class), .help = "Print the accuracy of every class."},
    {"confusions", FCMAE_OPTION_INTEGER, AT(confusions), .fallback = "5", .range = "[0, 100000]",
     .help = "How many of the most frequent confusions to print."},
    {"key", FCMAE_OPTION_TEXT, DENSE_AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    {"ignore-unexpected", FCMAE_OPTION_FLAG, DENSE_AT(ignore_unexpected),
     .help = CLI_HELP_UNEXPECTED},
    CLI_DENSE_OPTIONS(eval_values),
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

static double percent(int64_t part, int64_t of)
{
    return of > 0 ? 100.0 * (double)part / (double)of : 0;
}

static int print_json(const cli_dense *d, const struct eval_values *o, const fcmae_evaluation *e)
{
    json_t *classes = json_array(), *confusions = json_array();
    char a[64], b[64];
    for (int k = 0; k < e->classes; k++)
        if (e->class_images[k] > 0)
            cli_json_append(&classes,
                            json_pack("{s:o, s:i, s:I, s:I, s:f}", "class",
                                      cli_json_text(cli_class_name(d, k, a, 64)), "output", k,
                                      "images", (json_int_t)e->class_images[k], "correct",
                                      (json_int_t)e->class_top1[k], "top1",
                                      percent(e->class_top1[k], e->class_images[k])));
    for (int64_t i = 0; i < e->confusion_count && i < o->confusions; i++)
        cli_json_append(
            &confusions,
            json_pack("{s:o, s:o, s:I}", "class",
                      cli_json_text(CLI_SHOWN(cli_class_name(d, e->confusions[i].label, a, 64))),
                      "predicted",
                      cli_json_text(cli_class_name(d, e->confusions[i].predicted, b, 64)), "images",
                      (json_int_t)e->confusions[i].images));
    double images = (double)e->pass.images;
    return cli_print_json(
        d->arguments,
        json_pack("{s:s, s:I, s:f, s:f, s:f, s:o, s:I, s:f, s:f, s:o, s:o}", "checkpoint", d->path,
                  "images", (json_int_t)e->pass.images, "top1", percent(e->top1, e->pass.images),
                  "top1_error", cli_binomial_error((double)e->top1, images), "top5",
                  percent(e->top5, e->pass.images), "loss", cli_json_figure(e->loss), "bad_files",
                  (json_int_t)e->pass.bad_files, "images_per_s", e->pass.images_per_s, "seconds",
                  e->pass.seconds, "classes", classes, "confusions", confusions));
}

static int print_text(const cli_dense *d, const struct eval_values *o, const fcmae_evaluation *e)
{
    char a[64], b[64];
    printf("%" PRId64
           " images, %d classes, %d px: top-1 %.2f %% (+- %.2f), top-5 %.2f %%, loss %.4f, "
           "%.1f images/s\n",
           e->pass.images, e->classes, d->pass.input_size > 0 ? d->pass.input_size : 224,
           percent(e->top1, e->pass.images),
           cli_binomial_error((double)e->top1, (double)e->pass.images),
           percent(e->top5, e->pass.images), e->loss, e->pass.images_per_s);
    if (e->classes == 1) printf("There is a single class: any network is right about all of it\n");
    if (e->pass.bad_files > 0)
        printf("%" PRId64 " unreadable files were left out\n", e->pass.bad_files);
    for (int k = 0; o->per_class && k < e->classes; k++)
        if (e->class_images[k] > 0)
            printf("  %-40s %7.2f %%  %" PRId64 " of %" PRId64 "\n",
                   CLI_SHOWN(cli_class_name(d, k, a, 64)),
                   percent(e->class_top1[k], e->class_images[k]), e->class_top1[k],
                   e->class_images[k]);
    if (o->confusions > 0 && e->confusion_count > 0) printf("Most frequent confusions:\n");
    for (int64_t i = 0; i < e->confusion_count && i < o->confusions; i++)
        printf("  %" PRId64 " of class %s taken for %s\n", e->confusions[i].images,
               CLI_SHOWN(cli_class_name(d, e->confusions[i].label, a, 64)),
               CLI_SHOWN(cli_class_name(d, e->confusions[i].predicted, b, 64)));
    return cli_finish(d->arguments);
}

static fcmae_status evaluate(cli_dense *d, const struct eval_values *o, fcmae_dataset *dataset,
                             fcmae_evaluation *evaluation, fcmae_error *error)
{
    int32_t *output_of = calloc((size_t)fcmae_dataset_classes(dataset), sizeof *output_of);
    if (!output_of) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    fcmae_status status = fcmae_class_names_match(
        &d->names, fcmae_model_configuration(d->model)->classes, dataset, o->label_map, output_of,
        &d->pass.log, error);
    cli_dense_bar(d, "eval", fcmae_dataset_count(dataset));
    if (status == FCMAE_OK)
        status = fcmae_evaluate(d->model, dataset, output_of, &d->pass, evaluation, error);
    free(output_of);
    return status;
}

static int run(const cli_arguments *arguments)
{
    const struct eval_values *o = arguments->values;
    cli_dense d = {0};
    fcmae_dataset *dataset = NULL;
    fcmae_evaluation evaluation = {0};
    fcmae_error error = {0};
    const cli_dense_wish wish = {.names_file = o->class_names};
    cli_stop_on_signals();
    fcmae_status status = cli_dense_load(&d, arguments, &wish, &error);
    if (status == FCMAE_OK)
        status = cli_open_part(&dataset, o->dense.data, "val", false, d.pass.log, &error);
    if (status == FCMAE_OK) status = evaluate(&d, o, dataset, &evaluation, &error);
    cli_progress_end(&d.bar);
    int result = status != FCMAE_OK ? cli_fail(arguments, &error)
                 : o->json          ? print_json(&d, o, &evaluation)
                                    : print_text(&d, o, &evaluation);
    fcmae_evaluation_release(&evaluation);
    fcmae_dataset_close(&dataset);
    cli_dense_release(&d);
    return result;
}

const cli_command cli_command_eval = {
    .set =
        &(const fcmae_option_set){
            .name = "eval",
            .purpose = "measure the accuracy of a classifier on a labelled folder",
            .description =
                "Images are resized and cropped as for the published networks. Class folders are "
                "matched with the class names in the checkpoint; one that stands for no class is "
                "an error that names it.",
            .example = "fcmae eval --checkpoint run --data photos\n"
                       "fcmae eval --checkpoint convnextv2_atto.pt --data imagenet/val --per-class",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct eval_values),
        },
    .run = run,
};
