/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae embed: features of images as a NumPy array. */
#include <inttypes.h>

#include "commands.h"
#include "dense.h"
#include "json.h"
#include "shared.h"
#include "shown.h"

struct embed_values {
    struct cli_dense_values dense;
    const char *output, *model;
    int64_t seed;
    int features;
    bool json;
};
#define AT(member) offsetof(struct embed_values, member)
#define DENSE_AT(member) CLI_DENSE_AT(embed_values, member)

enum feature { POOLED, NORMALISED, STAGE_1, STAGE_2, STAGE_3, STAGE_4, MAP, LOGITS };

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXT, DENSE_AT(checkpoint), .required = true,
     .unit = "FILE|RUN|NAME|none",
     .help = CLI_HELP_CHECKPOINT
     " none, or a preset (NAME, FILE.ini): a fresh network, for comparison."},
    {"data", FCMAE_OPTION_TEXT, DENSE_AT(data), .required = true, .unit = "DIR",
     .help = "Folder of images with any subfolders; labels are not used."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .required = true, .unit = "NPY",
     .help = "NumPy file of float32, first axis the images; NPY.txt beside it lists their names."},
    {"features", FCMAE_OPTION_CHOICE, AT(features), .fallback = "pooled",
     .choices = "pooled|normalised|stage1|stage2|stage3|stage4|map|logits",
     .help = "pooled: mean over the sites of the encoder's output. normalised: that through the "
             "final LayerNorm. stage1 to stage4: mean over the sites after a stage. map: the "
             "encoder's output, (images, channels, height, width). logits: the classifier's."},
    {"model", FCMAE_OPTION_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE",
     .help = "Preset for the checkpoint none; a file must hold that network."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of the weights for the checkpoint none."},
    {"key", FCMAE_OPTION_TEXT, DENSE_AT(key), .otherwise = "the weights themselves",
     .help = CLI_HELP_KEY},
    CLI_DENSE_OPTIONS(embed_values),
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

static fcmae_pass_output output_of(enum feature feature)
{
    switch (feature) {
    case POOLED: return FCMAE_PASS_POOLED;
    case NORMALISED: return FCMAE_PASS_NORMALISED;
    case MAP: return FCMAE_PASS_MAP;
    case LOGITS: return FCMAE_PASS_LOGITS;
    case STAGE_1:
    case STAGE_2:
    case STAGE_3:
    case STAGE_4: break;
    }
    return FCMAE_PASS_STAGES;
}

static int print_result(const cli_dense *d, const struct embed_values *o,
                        const fcmae_pass_result *result)
{
    if (o->json)
        return cli_print_json(d->arguments, json_pack("{s:s, s:I, s:I, s:f}", "output", o->output,
                                                      "images", (json_int_t)result->images,
                                                      "bad_files", (json_int_t)result->bad_files,
                                                      "images_per_s", result->images_per_s));
    printf("%" PRId64 " images to %s, %.1f images/s", result->images, CLI_SHOWN(o->output),
           result->images_per_s);
    if (result->bad_files > 0) printf(", %" PRId64 " unreadable files left out", result->bad_files);
    printf("\n");
    return cli_finish(d->arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct embed_values *o = arguments->values;
    cli_dense d = {0};
    fcmae_dataset *dataset = NULL;
    fcmae_pass_result result = {0};
    fcmae_error error = {0};
    fcmae_pass_output output = output_of((enum feature)o->features);
    int stage = output == FCMAE_PASS_STAGES ? o->features - STAGE_1 : 0;
    /* a network without a head gets one that nobody reads */
    cli_dense_wish wish = {.fresh_head = output != FCMAE_PASS_LOGITS, .seed = (uint64_t)o->seed};
    if (wish.fresh_head) {
        wish.model = o->model;
        wish.classes = 1;
    }
    cli_stop_on_signals();
    const fcmae_dataset_options plain = {.log = cli_progress_log(&d.bar)};
    fcmae_status status = fcmae_dataset_open(&dataset, o->dense.data, &plain, &error);
    if (status == FCMAE_OK) {
        wish.images = fcmae_dataset_count(dataset);
        status = cli_dense_load(&d, arguments, &wish, &error);
    }
    if (status == FCMAE_OK) {
        cli_dense_bar(&d, "embed", fcmae_dataset_count(dataset));
        status = fcmae_features_write(d.model, dataset, &d.pass, output, stage, o->output, &result,
                                      &error);
    }
    cli_progress_end(&d.bar);
    int code = status == FCMAE_OK ? print_result(&d, o, &result) : cli_fail(arguments, &error);
    fcmae_dataset_close(&dataset);
    cli_dense_release(&d);
    return code;
}

const cli_command cli_command_embed = {
    .set =
        &(const fcmae_option_set){
            .name = "embed",
            .purpose = "write features of images as a NumPy array",
            .description =
                "Any checkpoint will do: pretraining checkpoints are folded, decoder and head left "
                "out. Unreadable files have no row; NPY.txt tells which image every row is of.",
            .example =
                "fcmae embed --checkpoint run --data photos --output photos.npy\n"
                "fcmae embed --checkpoint run --data photos --features stage3 --output stage3.npy",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct embed_values),
        },
    .run = run,
};
