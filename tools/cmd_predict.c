/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae predict: what a classifier sees in pictures. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "dense.h"
#include "json.h"
#include "shared.h"
#include "shown.h"

struct predict_values {
    struct cli_dense_values dense;
    fcmae_texts images;
    const char *class_names;
    int64_t top;
    bool json;
};
#define AT(member) offsetof(struct predict_values, member)
#define DENSE_AT(member) CLI_DENSE_AT(predict_values, member)

static const fcmae_option options[] = {
    {"IMAGE", FCMAE_OPTION_TEXTS, AT(images), .positional = true, .required = true,
     .unit = "FILE|DIR", .help = "Pictures, and folders of them with any subfolders."},
    {"checkpoint", FCMAE_OPTION_TEXT, DENSE_AT(checkpoint), .required = true, .unit = "FILE|RUN",
     .help = CLI_HELP_CHECKPOINT},
    {"top", FCMAE_OPTION_INTEGER, AT(top), .fallback = "5", .range = "[1, 1000]",
     .help = "How many classes to name for each picture."},
    {"class-names", FCMAE_OPTION_TEXT, AT(class_names), .unit = "FILE",
     .otherwise = "from the checkpoint, if it carries them",
     .help = "Names of the checkpoint's outputs, one per line in their order."},
    {"key", FCMAE_OPTION_TEXT, DENSE_AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    {"ignore-unexpected", FCMAE_OPTION_FLAG, DENSE_AT(ignore_unexpected),
     .help = CLI_HELP_UNEXPECTED},
    CLI_DENSE_OPTIONS(predict_values),
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

enum { MOST = 1000 };

typedef struct prediction {
    cli_dense dense;
    const struct predict_values *o;
    const fcmae_dataset *dataset;
    json_t *list;
    int64_t unreadable;
} prediction;

static fcmae_status show(void *cookie, const fcmae_pass_batch *batch, fcmae_error *error)
{
    prediction *p = cookie;
    int classes = fcmae_model_configuration(p->dense.model)->classes;
    (void)error;
    for (int i = 0; i < batch->samples.count; i++) {
        int32_t best[MOST];
        double probability[MOST];
        char name[CLI_PATH], text[64];
        int found = fcmae_top_classes(batch->logits + (size_t)i * (size_t)classes, classes,
                                      (int)p->o->top, best, probability);
        fcmae_dataset_name(p->dataset, batch->samples.indices[i], name, sizeof name);
        json_t *top = json_array();
        if (!p->o->json) printf("%s\n", CLI_SHOWN(name));
        for (int k = 0; k < found; k++) {
            const char *class_name = cli_class_name(&p->dense, best[k], text, sizeof text);
            if (p->o->json)
                cli_json_append(&top, json_pack("{s:o, s:i, s:o}", "class",
                                                cli_json_text(class_name), "output", best[k],
                                                "probability", cli_json_figure(probability[k])));
            else
                printf("  %6.2f %%  %s\n", 100 * probability[k], CLI_SHOWN(class_name));
        }
        cli_json_append(&p->list,
                        json_pack("{s:o, s:o}", "image", cli_json_text(name), "classes", top));
    }
    return FCMAE_OK;
}

static fcmae_status predict_set(prediction *p, fcmae_dataset *dataset, fcmae_error *error)
{
    fcmae_pass_result result = {0};
    p->dataset = dataset;
    cli_dense_bar(&p->dense, "predict", fcmae_dataset_count(dataset));
    fcmae_status status = fcmae_pass_run(p->dense.model, dataset, &p->dense.pass, FCMAE_PASS_LOGITS,
                                         show, p, &result, error);
    p->unreadable += result.bad_files;
    return status;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/** In the order of the command line: runs of single files go together. */
static fcmae_status predict_all(prediction *p, fcmae_error *error)
{
    const fcmae_texts *given = &p->o->images;
    fcmae_status status = FCMAE_OK;
    for (int i = 0; i < given->count && status == FCMAE_OK;) {
        fcmae_dataset *dataset = NULL;
        int end = i + 1;
        if (is_folder(given->items[i])) {
            const fcmae_dataset_options plain = {.log = p->dense.pass.log};
            status = fcmae_dataset_open(&dataset, given->items[i], &plain, error);
        } else {
            while (end < given->count && !is_folder(given->items[end])) end++;
            status = fcmae_dataset_from_files(&dataset, given->items + i, end - i, error);
        }
        if (status == FCMAE_OK) status = predict_set(p, dataset, error);
        fcmae_dataset_close(&dataset);
        i = end;
    }
    return status;
}

static int run(const cli_arguments *arguments)
{
    prediction p = {.o = arguments->values, .list = json_array()};
    fcmae_error error = {0};
    const cli_dense_wish wish = {.names_file = p.o->class_names};
    cli_stop_on_signals();
    fcmae_status status = cli_dense_load(&p.dense, arguments, &wish, &error);
    if (!cli_given(arguments, "bad-share")) p.dense.pass.bad_share = 1; /* each is named anyway */
    if (status == FCMAE_OK) status = predict_all(&p, &error);
    cli_progress_end(&p.dense.bar);
    int result = CLI_SUCCESS;
    if (status != FCMAE_OK)
        result = cli_fail(arguments, &error);
    else if (p.o->json)
        result = cli_print_json(arguments,
                                json_pack("{s:s, s:O, s:I}", "checkpoint", p.dense.path, "images",
                                          p.list, "unreadable", (json_int_t)p.unreadable));
    else
        result = cli_finish(arguments);
    if (result == CLI_SUCCESS && p.unreadable > 0) result = CLI_FAILURE;
    json_decref(p.list);
    cli_dense_release(&p.dense);
    return result;
}

const cli_command cli_command_predict = {
    .set =
        &(const fcmae_option_set){
            .name = "predict",
            .purpose = "name the classes of pictures",
            .description =
                "Prints the most probable classes of every picture. Exits with 1 if a file could "
                "not be read; the others are classified all the same.",
            .example = "fcmae predict --checkpoint run cat.jpg holidays\n"
                       "fcmae predict --checkpoint run --top 1 --json cat.jpg",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct predict_values),
        },
    .run = run,
};
