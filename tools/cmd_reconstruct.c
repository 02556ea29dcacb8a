/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae reconstruct: what a pretrained network makes of the removed patches. */
#include "commands.h"
#include "fcmae/checkpoint.h"
#include "fcmae/reconstruct.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"

struct reconstruct_values {
    const char *checkpoint, *data, *output, *key;
    int64_t count, seed, input_size, mask_unit, threads;
    double mask_ratio;
    bool json;
};
#define AT(member) offsetof(struct reconstruct_values, member)

static const fcmae_option options[] = {
    {"checkpoint", FCMAE_OPTION_TEXT, AT(checkpoint), .required = true, .unit = "FILE",
     .help = "A pretraining checkpoint, with its decoder."},
    {"data", FCMAE_OPTION_TEXT, AT(data), .required = true, .unit = "DIR",
     .help = "Folder of images; subfolders are searched, labels not needed."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .required = true, .unit = "PNG",
     .help = "Picture to write."},
    {"count", FCMAE_OPTION_INTEGER, AT(count), .fallback = "8", .range = "[1, 256]",
     .help = "Images, one per row, drawn from the folder."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of the choice of images and of the masks: the same seed, the same picture."},
    {"input-size", FCMAE_OPTION_INTEGER, AT(input_size), .range = "[16, 4096]", .unit = "PX",
     .otherwise = "the checkpoint's, else 224",
     .help = "Side of an image; a multiple of the network's patch."},
    {"mask-ratio", FCMAE_OPTION_NUMBER, AT(mask_ratio), .fallback = FCMAE_MASK_RATIO,
     .range = "(0, 1)", .help = "Part of the cells removed."},
    {"mask-unit", FCMAE_OPTION_INTEGER, AT(mask_unit), .fallback = "1", .range = "[1, 64]",
     .help = "Side, in cells, of the squares that are removed together."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .otherwise = "the weights themselves",
     .help = "Which weights of the checkpoint: ema, model, ..."},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"json", FCMAE_OPTION_FLAG, AT(json),
     .help = "Print one JSON object with the loss of every image."},
};

static fcmae_status load_model(const struct reconstruct_values *o, const char *path,
                               fcmae_model **model, fcmae_error *error)
{
    fcmae_load_options lenient = {.ignore_unexpected = true};
    const fcmae_model_source source = {.path = path, .key = o->key, .objective = "masked"};
    return fcmae_checkpoint_load_model(model, &source, &lenient, NULL, error);
}

static fcmae_status predict(const struct reconstruct_values *o, int side, fcmae_model *model,
                            fcmae_reconstruction *r, fcmae_error *error)
{
    fcmae_engine_options settings = {.height = side,
                                     .width = side,
                                     .visible_cells = fcmae_reconstruction_visible(r),
                                     .batch = fcmae_reconstruction_count(r),
                                     .threads = (int)o->threads};
    fcmae_engine *engine = NULL;
    fcmae_status status = fcmae_engine_create(&engine, model, &settings, error);
    if (status == FCMAE_OK) status = fcmae_reconstruction_predict(r, engine, error);
    fcmae_engine_destroy(&engine);
    return status;
}

static int print_result(const cli_arguments *arguments, const fcmae_reconstruction *r)
{
    const struct reconstruct_values *o = arguments->values;
    int count = fcmae_reconstruction_count(r);
    double sum = 0;
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        char name[1024];
        double one = fcmae_reconstruction_image(r, i, name, sizeof name);
        sum += one;
        cli_json_append(&list, json_pack("{s:o, s:o}", "image", cli_json_text(name), "loss",
                                         cli_json_figure(one)));
    }
    double loss = sum / count;
    if (o->json)
        return cli_print_json(arguments,
                              json_pack("{s:s, s:i, s:o, s:o}", "output", o->output, "count", count,
                                        "loss", cli_json_figure(loss), "images", list));
    json_decref(list);
    printf("%s: %d images, mean loss %.4f on removed patches\n", CLI_SHOWN(o->output), count, loss);
    return cli_finish(arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct reconstruct_values *o = arguments->values;
    fcmae_reconstruction *r = NULL;
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    cli_progress progress = {.active = !arguments->quiet};
    int side = (int)o->input_size;
    char path[4096] = "";
    fcmae_status status = cli_find_checkpoint(arguments, o->checkpoint, path, sizeof path, &error);
    if (side == 0 && status == FCMAE_OK) side = cli_recorded_input(path, o->key);
    if (side == 0) side = CLI_INPUT;
    if (status == FCMAE_OK) cli_remark_file(arguments, path, o->key);
    if (status == FCMAE_OK) status = load_model(o, path, &model, &error);
    if (status == FCMAE_OK) {
        fcmae_reconstruction_request what = {.config = *fcmae_model_configuration(model),
                                             .data = o->data,
                                             .side = side,
                                             .count = (int)o->count,
                                             .mask_unit = (int)o->mask_unit,
                                             .threads = (int)o->threads,
                                             .mask_ratio = o->mask_ratio,
                                             .seed = (uint64_t)o->seed,
                                             .log = cli_progress_log(&progress)};
        status = fcmae_reconstruction_create(&r, &what, &error);
    }
    if (status == FCMAE_OK) status = predict(o, side, model, r, &error);
    if (status == FCMAE_OK) status = fcmae_reconstruction_draw(r, o->output, &error);
    int result = status == FCMAE_OK ? print_result(arguments, r) : cli_fail(arguments, &error);
    fcmae_reconstruction_destroy(&r);
    fcmae_model_destroy(&model);
    return result;
}

const cli_command cli_command_reconstruct = {
    .set =
        &(const fcmae_option_set){
            .name = "reconstruct",
            .purpose = "picture grid: masked, reconstructed, original",
            .description = "Draws images from a folder, removes patches, lets a pretrained network "
                           "predict them and writes a grid: the masked image, the visible patches "
                           "with the predicted ones between them, the original.\n\n"
                           "A network trained on normalised targets predicts every patch up to its "
                           "mean and contrast; these are taken from the original for the picture. "
                           "Colours of neighbouring patches therefore match better than the "
                           "network alone could do; shapes and edges are its own.",
            .example =
                "fcmae reconstruct --checkpoint run/checkpoint-1000.safetensors --data photos "
                "--output grid.png",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct reconstruct_values),
        },
    .run = run,
};
