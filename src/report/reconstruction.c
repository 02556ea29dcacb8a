/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "fcmae/reconstruct.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "fcmae/mask.h"
#include "model/engine.h"
#include "report/canvas.h"

enum { GAP = 4, LABEL = 22, COLUMNS = 3, LARGEST = 32000 };

struct fcmae_reconstruction {
    fcmae_model_config config;
    int side, patch, grid, cells, visible, count;
    uint8_t *images, *removed; /* [count, side, side, 3], [count, cells] */
    int64_t *indices;          /* [count] into the data set */
    float *predictions;        /* [count, cells, patch values] */
    double *losses;            /* [count] on the removed patches */
    fcmae_dataset *dataset;
};

static fcmae_status check_size(fcmae_reconstruction *r, const fcmae_reconstruction_request *o,
                               fcmae_error *error)
{
    r->config = o->config;
    r->patch = fcmae_config_patch(&r->config);
    r->side = o->side;
    if (r->config.channels != 3)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "pictures can be made of networks on 3 channels");
    if (r->side % r->patch || r->side < 2 * r->patch)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "an input of %d pixels must be a multiple of %d, the network's patch, and at "
            "least %d",
            r->side, r->patch, 2 * r->patch);
    r->grid = r->side / r->patch;
    r->cells = r->grid * r->grid;
    r->visible = fcmae_mask_visible(r->cells, o->mask_ratio);
    return FCMAE_OK;
}

/* Copies up to o->count readable images, drawn from the folder by the seed. */
static fcmae_status load_images(fcmae_reconstruction *r, const fcmae_reconstruction_request *o,
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
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory");
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
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "no image could be read");
    return status;
}

static fcmae_status draw_masks(fcmae_reconstruction *r, const fcmae_reconstruction_request *o,
                               fcmae_error *error)
{
    size_t count = (size_t)r->count, cells = (size_t)r->cells;
    size_t patch_values = (size_t)fcmae_config_patch_values(&r->config);
    r->removed = malloc(count * cells);
    r->predictions = malloc(count * cells * patch_values * sizeof *r->predictions);
    r->losses = calloc(count, sizeof *r->losses);
    if (!r->removed || !r->predictions || !r->losses)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory");
    const fcmae_mask_shape shape = {.seed = o->seed,
                                    .height = r->grid,
                                    .width = r->grid,
                                    .unit = o->mask_unit,
                                    .visible = r->visible,
                                    .views = 1};
    fcmae_status status = FCMAE_OK;
    for (size_t i = 0; i < count && status == FCMAE_OK; i++)
        status = fcmae_mask_generate(&shape, 0, i, r->removed + i * cells, error);
    return status;
}

fcmae_status fcmae_reconstruction_create(fcmae_reconstruction **out,
                                         const fcmae_reconstruction_request *request,
                                         fcmae_error *error)
{
    fcmae_reconstruction *r = calloc(1, sizeof *r);
    if (!r) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a reconstruction");
    fcmae_status status = check_size(r, request, error);
    if (status == FCMAE_OK) status = load_images(r, request, error);
    if (status == FCMAE_OK) status = draw_masks(r, request, error);
    if (status != FCMAE_OK)
        fcmae_reconstruction_destroy(&r);
    else
        *out = r;
    return status;
}

int fcmae_reconstruction_count(const fcmae_reconstruction *r)
{
    return r->count;
}

int fcmae_reconstruction_visible(const fcmae_reconstruction *r)
{
    return r->visible;
}

double fcmae_reconstruction_image(const fcmae_reconstruction *r, int index, char *name, size_t size)
{
    fcmae_dataset_name(r->dataset, r->indices[index], name, size);
    return r->losses[index];
}

fcmae_status fcmae_reconstruction_predict(fcmae_reconstruction *r, fcmae_engine *engine,
                                          fcmae_error *error)
{
    fcmae_batch batch = {.images = {.count = r->count,
                                    .bytes = r->images,
                                    .mean = fcmae_imagenet_mean,
                                    .deviation = fcmae_imagenet_deviation},
                         .samples = r->count,
                         .removed = r->removed};
    fcmae_outputs outputs = {.prediction = r->predictions, .sample_loss = r->losses};
    FCMAE_TRY(fcmae_engine_forward(engine, &batch, &outputs, error));
    for (int i = 0; i < r->count; i++) {
        if (isfinite(r->losses[i])) continue;
        char name[256], what[300];
        fcmae_dataset_name(r->dataset, r->indices[i], name, sizeof name);
        snprintf(what, sizeof what, "the reconstruction of %.250s", name);
        return fcmae_model_not_finite(engine->model, what, error);
    }
    return FCMAE_OK;
}

void fcmae_reconstruction_destroy(fcmae_reconstruction **reconstruction)
{
    if (!reconstruction || !*reconstruction) return;
    fcmae_reconstruction *r = *reconstruction;
    fcmae_dataset_close(&r->dataset);
    free(r->images);
    free(r->removed);
    free(r->indices);
    free(r->predictions);
    free(r->losses);
    free(r);
    *reconstruction = NULL;
}

/* ---- the pictures ---- */

static uint8_t to_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

/* Mean and standard deviation of the normalised pixels of one cell, as the targets use them. */
static void patch_statistics(const fcmae_reconstruction *r, const uint8_t *image, int top, int left,
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
static void paint_cell(const fcmae_reconstruction *r, int sample, int cell, const uint8_t *image,
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

/** Labels over the columns; narrow columns get smaller letters. */
static void draw_labels(fcmae_canvas *canvas, int side)
{
    static const char *const labels[COLUMNS] = {"masked", "reconstruction", "original"};
    double size = 13;
    while (size > 5 && fcmae_text_width(labels[1], size) > side) size--;
    for (int column = 0; column < COLUMNS; column++)
        fcmae_canvas_text(canvas, GAP + column * (side + GAP) + 0.5 * side, LABEL - 7,
                          (fcmae_lettering){.size = size, .anchor = 0.5, .ink = FCMAE_INK_TEXT},
                          labels[column]);
}

static void draw_row(const fcmae_reconstruction *r, fcmae_canvas *canvas, int row, uint8_t *masked,
                     uint8_t *filled)
{
    size_t bytes = (size_t)r->side * (size_t)r->side * 3;
    const uint8_t *image = r->images + (size_t)row * bytes;
    const uint8_t *columns[COLUMNS] = {masked, filled, image};
    memcpy(masked, image, bytes);
    memcpy(filled, image, bytes);
    for (int cell = 0; cell < r->cells; cell++)
        if (r->removed[row * r->cells + cell]) paint_cell(r, row, cell, image, masked, filled);
    for (int column = 0; column < COLUMNS; column++)
        fcmae_canvas_pixels(canvas, GAP + column * (r->side + GAP), LABEL + row * (r->side + GAP),
                            columns[column], r->side, r->side);
}

static fcmae_status write_canvas(fcmae_canvas *canvas, const char *path, fcmae_error *error)
{
    fcmae_buffer file = {0};
    fcmae_status status = fcmae_canvas_finish(canvas, &file, error);
    if (status == FCMAE_OK) status = fcmae_file_write(path, file.bytes, file.size, error);
    fcmae_buffer_release(&file);
    return status;
}

fcmae_status fcmae_reconstruction_draw(const fcmae_reconstruction *r, const char *path,
                                       fcmae_error *error)
{
    int64_t width = (int64_t)COLUMNS * (r->side + GAP) + GAP;
    int64_t height = (int64_t)r->count * (r->side + GAP) + LABEL;
    if (width > LARGEST || height > LARGEST)
        return fcmae_fail(
            error, FCMAE_ERR_SHAPE,
            "the picture would have %lld x %lld pixels; choose fewer or smaller images",
            (long long)width, (long long)height);
    size_t bytes = (size_t)r->side * (size_t)r->side * 3;
    uint8_t *masked = malloc(bytes), *filled = malloc(bytes);
    fcmae_canvas *canvas = fcmae_canvas_create_png((int)width, (int)height, 1);
    fcmae_status status = FCMAE_OK;
    if (!masked || !filled || !canvas)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the picture");
    if (status == FCMAE_OK) draw_labels(canvas, r->side);
    for (int i = 0; i < r->count && status == FCMAE_OK; i++) draw_row(r, canvas, i, masked, filled);
    if (status == FCMAE_OK) status = write_canvas(canvas, path, error);
    fcmae_canvas_destroy(&canvas);
    free(masked);
    free(filled);
    return status;
}
