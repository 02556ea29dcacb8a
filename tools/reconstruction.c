/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "reconstruction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "shared.h"

static fcmae_status check_size(cli_reconstruction *r, const cli_reconstruction_options *o,
                               fcmae_error *error)
{
    r->config = o->config;
    r->patch = fcmae_config_patch(&r->config);
    r->side = o->side;
    if (r->config.channels != 3)
        return cli_error(error, FCMAE_ERR_UNSUPPORTED,
                         "pictures can be made of networks on 3 channels");
    if (r->side % r->patch || r->side < 2 * r->patch)
        return cli_error(error, FCMAE_ERR_SHAPE,
                         "--input-size %d: must be a multiple of %d, the network's patch, and at "
                         "least %d",
                         r->side, r->patch, 2 * r->patch);
    r->grid = r->side / r->patch;
    r->cells = r->grid * r->grid;
    r->visible = fcmae_mask_visible(r->cells, o->mask_ratio);
    return FCMAE_OK;
}

/* Copies up to o->count readable images, drawn from the folder by the seed. */
static fcmae_status load_images(cli_reconstruction *r, const cli_reconstruction_options *o,
                                fcmae_error *error)
{
    fcmae_dataset_options unlabelled = {.log = o->log};
    fcmae_status status = fcmae_dataset_open(&r->dataset, o->data, &unlabelled, error);
    if (status != FCMAE_OK) return status;
    int64_t *subset = NULL, chosen = 0, total = fcmae_dataset_count(r->dataset);
    double fraction = fmin(1, (double)o->count / (double)total);
    status = fcmae_dataset_subset(r->dataset, fraction, (uint64_t)o->seed, &subset, &chosen, error);
    if (status != FCMAE_OK) return status;
    if (chosen > o->count) chosen = o->count;
    fcmae_loader_options loading = {.transform = fcmae_transform_evaluate(r->side, 0),
                                    .batch = 1,
                                    .seed = (uint64_t)o->seed,
                                    .workers = (int)o->threads,
                                    .subset = subset,
                                    .subset_count = chosen,
                                    .log = o->log};
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

static fcmae_status draw_masks(cli_reconstruction *r, const cli_reconstruction_options *o,
                               fcmae_error *error)
{
    size_t count = (size_t)r->count, cells = (size_t)r->cells;
    size_t patch_values = (size_t)fcmae_config_patch_values(&r->config);
    r->removed = malloc(count * cells);
    r->predictions = malloc(count * cells * patch_values * sizeof *r->predictions);
    r->losses = calloc(count, sizeof *r->losses);
    if (!r->removed || !r->predictions || !r->losses)
        return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    fcmae_status status = FCMAE_OK;
    for (size_t i = 0; i < count && status == FCMAE_OK; i++)
        status = fcmae_mask_generate(o->seed, 0, i, r->grid, r->grid, o->mask_unit, r->visible, 1,
                                     r->removed + i * cells, error);
    return status;
}

fcmae_status cli_reconstruction_prepare(cli_reconstruction *r, const cli_reconstruction_options *o,
                                        fcmae_error *error)
{
    fcmae_status status = check_size(r, o, error);
    if (status == FCMAE_OK) status = load_images(r, o, error);
    if (status == FCMAE_OK) status = draw_masks(r, o, error);
    return status;
}

fcmae_status cli_reconstruction_predict(cli_reconstruction *r, fcmae_engine *engine,
                                        fcmae_error *error)
{
    fcmae_batch batch = {.images = {.count = r->count,
                                    .bytes = r->images,
                                    .mean = fcmae_imagenet_mean,
                                    .deviation = fcmae_imagenet_deviation},
                         .samples = r->count,
                         .removed = r->removed};
    fcmae_outputs outputs = {.prediction = r->predictions, .sample_loss = r->losses};
    return fcmae_engine_forward(engine, &batch, &outputs, error);
}

void cli_reconstruction_release(cli_reconstruction *r)
{
    fcmae_dataset_close(&r->dataset);
    free(r->images);
    free(r->removed);
    free(r->indices);
    free(r->predictions);
    free(r->losses);
    *r = (cli_reconstruction){0};
}

/* ---- the pictures ---- */

static uint8_t to_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

/* Mean and standard deviation of the normalised pixels of one cell, as the targets use them. */
static void patch_statistics(const cli_reconstruction *r, const uint8_t *image, int top, int left,
                             double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    int count = 3 * r->patch * r->patch;
    for (int pass = 0; pass < 2; pass++) {
        for (int y = top; y < top + r->patch; y++)
            for (int x = left; x < left + r->patch; x++)
                for (int c = 0; c < 3; c++) {
                    double value = (image[(y * r->side + x) * 3 + c] / 255.0 -
                                    fcmae_imagenet_mean[c]) /
                                   fcmae_imagenet_deviation[c];
                    if (pass == 0)
                        sum += value;
                    else
                        squares += (value - *mean) * (value - *mean);
                }
        if (pass == 0) *mean = sum / count;
    }
    *deviation = sqrt(squares / (count - 1) + 1e-6);
}

/* Replaces one removed cell: grey in `masked`, the prediction in `filled`. */
static void paint_cell(const cli_reconstruction *r, int sample, int cell, const uint8_t *image,
                       uint8_t *masked, uint8_t *filled)
{
    const fcmae_model_config *config = &r->config;
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
                filled[at] = to_byte(
                    255 * (value * fcmae_imagenet_deviation[c] + fcmae_imagenet_mean[c]));
            }
}

fcmae_status cli_reconstruction_draw(const cli_reconstruction *r, const char *path,
                                     fcmae_error *error)
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
    if (status == FCMAE_OK) status = cli_picture_write(picture, path, error);
    cli_picture_destroy(&picture);
    free(masked);
    free(filled);
    return status;
}
