/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae reconstruct: what a pretrained network makes of the removed patches. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fcmae/checkpoint.h"
#include "fcmae/data.h"
#include "json.h"
#include "picture.h"
#include "progress.h"
#include "shared.h"

struct reconstruct_values {
    const char *checkpoint, *data, *output, *key;
    int64_t count, seed, input_size, mask_unit, threads;
    double mask_ratio;
    bool json;
};
#define AT(member) offsetof(struct reconstruct_values, member)

static const cli_option options[] = {
    {"checkpoint", CLI_TEXT, AT(checkpoint), .required = true, .unit = "FILE",
     .help = "A pretraining checkpoint, with its decoder."},
    {"data", CLI_TEXT, AT(data), .required = true, .unit = "DIR",
     .help = "Folder of images; subfolders are searched, labels not needed."},
    {"output", CLI_TEXT, AT(output), .required = true, .unit = "PNG",
     .help = "Picture to write."},
    {"count", CLI_INTEGER, AT(count), .fallback = "8", .range = "[1, 256]",
     .help = "Images, one per row, drawn from the folder."},
    {"seed", CLI_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of the choice of images and of the masks: the same seed, the same picture."},
    {"input-size", CLI_INTEGER, AT(input_size), .fallback = "224", .range = "[16, 4096]",
     .unit = "PX", .help = "Side of an image; a multiple of the network's patch."},
    {"mask-ratio", CLI_NUMBER, AT(mask_ratio), .fallback = "0.6", .range = "(0, 1)",
     .help = "Part of the cells removed."},
    {"mask-unit", CLI_INTEGER, AT(mask_unit), .fallback = "1", .range = "[1, 64]",
     .help = "Side, in cells, of the squares that are removed together."},
    {"key", CLI_TEXT, AT(key), .otherwise = "the weights themselves",
     .help = "Which weights of the checkpoint: ema, model, ..."},
    {"threads", CLI_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"json", CLI_FLAG, AT(json), .help = "Print one JSON object with the loss of every image."},
};

typedef struct reconstruction {
    const cli_arguments *arguments;
    const struct reconstruct_values *o;
    fcmae_model *model;
    int side, patch, grid, cells, count;
    uint8_t *images, *removed; /* [count, side, side, 3], [count, cells] */
    int64_t *indices;          /* [count] into the data set */
    float *predictions;        /* [count, cells, patch values] */
    double *losses;            /* [count] */
    fcmae_dataset *dataset;
} reconstruction;

static fcmae_status load_model(reconstruction *r, fcmae_error *error)
{
    fcmae_load_options lenient = {.ignore_unexpected = true};
    fcmae_status status =
        fcmae_checkpoint_load_model(&r->model, r->o->checkpoint, r->o->key, FCMAE_KIND_PRETRAIN, 0,
                                    0, &lenient, NULL, error);
    if (status != FCMAE_OK) return status;
    const fcmae_model_config *config = fcmae_model_configuration(r->model);
    r->patch = fcmae_config_patch(config);
    r->side = (int)r->o->input_size;
    if (config->channels != 3)
        return cli_error(error, FCMAE_ERR_UNSUPPORTED, "pictures can be made of networks on 3 channels");
    if (r->side % r->patch || r->side < 2 * r->patch) {
        return cli_error(error, FCMAE_ERR_SHAPE,
                         "--input-size %d: must be a multiple of %d, the network's patch, and at "
                         "least %d",
                         r->side, r->patch, 2 * r->patch);
    }
    r->grid = r->side / r->patch;
    r->cells = r->grid * r->grid;
    return FCMAE_OK;
}

/* Copies up to o->count readable images, drawn from the folder by the seed. */
static fcmae_status load_images(reconstruction *r, fcmae_log log, fcmae_error *error)
{
    fcmae_dataset_options unlabelled = {.log = log};
    fcmae_status status = fcmae_dataset_open(&r->dataset, r->o->data, &unlabelled, error);
    if (status != FCMAE_OK) return status;
    int64_t *subset = NULL, chosen = 0, total = fcmae_dataset_count(r->dataset);
    double fraction = fmin(1, (double)r->o->count / (double)total);
    status = fcmae_dataset_subset(r->dataset, fraction, (uint64_t)r->o->seed, &subset, &chosen,
                                  error);
    if (status != FCMAE_OK) return status;
    if (chosen > r->o->count) chosen = r->o->count;
    fcmae_loader_options loading = {.transform = fcmae_transform_evaluate(r->side, 0), .batch = 1,
                                    .seed = (uint64_t)r->o->seed, .workers = (int)r->o->threads,
                                    .subset = subset, .subset_count = chosen, .log = log};
    fcmae_loader *loader = NULL;
    size_t bytes = (size_t)r->side * (size_t)r->side * 3;
    status = fcmae_loader_create(&loader, r->dataset, &loading, error);
    r->images = malloc((size_t)chosen * bytes);
    r->indices = malloc((size_t)chosen * sizeof *r->indices);
    if (status == FCMAE_OK && (!r->images || !r->indices))
        status = cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    while (status == FCMAE_OK && r->count < chosen) {
        fcmae_samples samples;
        status = fcmae_loader_next(loader, &samples, error);
        if (status != FCMAE_OK || samples.count == 0) break;
        memcpy(r->images + (size_t)r->count * bytes, samples.images, bytes);
        r->indices[r->count++] = samples.indices[0];
    }
    fcmae_loader_destroy(&loader);
    free(subset);
    if (status == FCMAE_OK && r->count == 0)
        status = cli_error(error, FCMAE_ERR_FORMAT, "no image could be read");
    return status;
}

static fcmae_status predict(reconstruction *r, fcmae_error *error)
{
    int visible = fcmae_mask_visible(r->cells, r->o->mask_ratio);
    size_t count = (size_t)r->count, cells = (size_t)r->cells;
    size_t patch_values = (size_t)fcmae_config_patch_values(fcmae_model_configuration(r->model));
    r->removed = malloc(count * cells);
    r->predictions = malloc(count * cells * patch_values * sizeof *r->predictions);
    r->losses = calloc(count, sizeof *r->losses);
    if (!r->removed || !r->predictions || !r->losses)
        return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    fcmae_status status = FCMAE_OK;
    for (size_t i = 0; i < count && status == FCMAE_OK; i++)
        status = fcmae_mask_generate((uint64_t)r->o->seed, 0, i, r->grid, r->grid,
                                     (int)r->o->mask_unit, visible, 1, r->removed + i * cells,
                                     error);
    fcmae_engine_options settings = {.mode = FCMAE_MODE_INFERENCE, .height = r->side,
                                    .width = r->side, .visible_cells = visible,
                                    .batch = r->count, .threads = (int)r->o->threads};
    fcmae_engine *engine = NULL;
    if (status == FCMAE_OK) status = fcmae_engine_create(&engine, r->model, &settings, error);
    if (status == FCMAE_OK) {
        fcmae_batch batch = {.images = {.count = r->count, .bytes = r->images,
                                        .mean = cli_image_mean, .deviation = cli_image_deviation},
                             .samples = r->count, .removed = r->removed};
        fcmae_outputs outputs = {.prediction = r->predictions, .sample_loss = r->losses};
        status = fcmae_engine_forward(engine, &batch, &outputs, error);
    }
    fcmae_engine_destroy(&engine);
    return status;
}

/* ------------------------------------------------------------------------------- the pictures */

static uint8_t to_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

/* Mean and standard deviation of the normalised pixels of one cell, as the targets use them. */
static void patch_statistics(const reconstruction *r, const uint8_t *image, int top, int left,
                             double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    int count = 3 * r->patch * r->patch;
    for (int pass = 0; pass < 2; pass++) {
        for (int y = top; y < top + r->patch; y++)
            for (int x = left; x < left + r->patch; x++)
                for (int c = 0; c < 3; c++) {
                    double value = (image[(y * r->side + x) * 3 + c] / 255.0 - cli_image_mean[c]) /
                                   cli_image_deviation[c];
                    if (pass == 0) sum += value;
                    else squares += (value - *mean) * (value - *mean);
                }
        if (pass == 0) *mean = sum / count;
    }
    *deviation = sqrt(squares / (count - 1) + 1e-6);
}

/* Replaces one removed cell: grey in `masked`, the prediction in `filled`. */
static void paint_cell(const reconstruction *r, int sample, int cell, const uint8_t *image,
                       uint8_t *masked, uint8_t *filled)
{
    const fcmae_model_config *config = fcmae_model_configuration(r->model);
    int top = cell / r->grid * r->patch, left = cell % r->grid * r->patch;
    const float *prediction = r->predictions + ((size_t)sample * (size_t)r->cells + (size_t)cell) *
                                                   (size_t)fcmae_config_patch_values(config);
    double mean = 0, deviation = 1;
    if (config->norm_pix) patch_statistics(r, image, top, left, &mean, &deviation);
    for (int y = 0; y < r->patch; y++)
        for (int x = 0; x < r->patch; x++)
            for (int c = 0; c < 3; c++) {
                int at = ((top + y) * r->side + left + x) * 3 + c;
                double value = prediction[(y * r->patch + x) * 3 + c] * deviation + mean;
                masked[at] = 128;
                filled[at] =
                    to_byte(255 * (value * cli_image_deviation[c] + cli_image_mean[c]));
            }
}

static fcmae_status draw(reconstruction *r, fcmae_error *error)
{
    static const char *const labels[] = {"masked", "reconstruction", "original"};
    cli_picture *picture = NULL;
    fcmae_status status = cli_picture_create(&picture, r->count, CLI_COUNT(labels), r->side, labels,
                                             error);
    size_t bytes = (size_t)r->side * (size_t)r->side * 3;
    uint8_t *masked = malloc(bytes), *filled = malloc(bytes);
    if (status == FCMAE_OK && (!masked || !filled))
        status = cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    for (int i = 0; i < r->count && status == FCMAE_OK; i++) {
        const uint8_t *image = r->images + (size_t)i * bytes;
        memcpy(masked, image, bytes);
        memcpy(filled, image, bytes);
        for (int cell = 0; cell < r->cells; cell++)
            if (r->removed[i * r->cells + cell]) paint_cell(r, i, cell, image, masked, filled);
        cli_picture_set(picture, i, 0, masked);
        cli_picture_set(picture, i, 1, filled);
        cli_picture_set(picture, i, 2, image);
    }
    if (status == FCMAE_OK) status = cli_picture_write(picture, r->o->output, error);
    cli_picture_destroy(&picture);
    free(masked);
    free(filled);
    return status;
}

static int print_result(const reconstruction *r)
{
    double sum = 0;
    json_t *list = json_array();
    for (int i = 0; i < r->count; i++) {
        char name[1024];
        fcmae_dataset_name(r->dataset, r->indices[i], name, sizeof name);
        sum += r->losses[i];
        json_t *entry = json_pack("{s:s, s:f}", "image", name, "loss", r->losses[i]);
        json_array_append_new(list, entry ? entry : json_null());
    }
    double loss = sum / r->count;
    if (r->o->json)
        return cli_print_json(r->arguments,
                              json_pack("{s:s, s:i, s:f, s:o}", "output", r->o->output, "count",
                                        r->count, "loss", loss, "images", list));
    json_decref(list);
    printf("%s: %d images, mean loss %.4f on removed patches\n", r->o->output, r->count, loss);
    return cli_finish(r->arguments);
}

static int run(const cli_arguments *arguments)
{
    reconstruction r = {.arguments = arguments, .o = arguments->values};
    fcmae_error error = {0};
    cli_progress progress = {.active = !arguments->quiet};
    fcmae_status status = load_model(&r, &error);
    if (status == FCMAE_OK) status = load_images(&r, cli_progress_log(&progress), &error);
    if (status == FCMAE_OK) status = predict(&r, &error);
    if (status == FCMAE_OK) status = draw(&r, &error);
    int result = status == FCMAE_OK ? print_result(&r) : cli_fail(arguments, &error);
    fcmae_dataset_close(&r.dataset);
    fcmae_model_destroy(&r.model);
    free(r.images);
    free(r.removed);
    free(r.indices);
    free(r.predictions);
    free(r.losses);
    return result;
}

const cli_command cli_command_reconstruct = {
    .name = "reconstruct",
    .purpose = "picture grid: masked, reconstructed, original",
    .description =
        "Draws images from a folder, removes patches, lets a pretrained network predict them and "
        "writes a grid: the masked image, the visible patches with the predicted ones between "
        "them, the original.\n\n"
        "A network trained on normalised targets predicts every patch up to its mean and contrast; "
        "these are taken from the original for the picture. Colours of neighbouring patches "
        "therefore match better than the network alone could do; shapes and edges are its own.",
    .example = "fcmae reconstruct --checkpoint run/checkpoint-1000.safetensors --data photos "
               "--output grid.png",
    .options = options,
    .option_count = CLI_COUNT(options),
    .values_size = sizeof(struct reconstruct_values),
    .run = run,
};
