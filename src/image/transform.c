/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "image/transform.h"

#include <math.h>

#include "image/augment.h"

#define MIN_RATIO (3.0 / 4.0)
#define MAX_RATIO (4.0 / 3.0)
#define ATTEMPTS 10

fcmae_transform fcmae_transform_train(int size, double scale_min)
{
    return (fcmae_transform){.kind = FCMAE_TRANSFORM_TRAIN,
                             .size = size,
                             .scale_min = scale_min,
                             .scale_max = 1.0,
                             .flip = 0.5};
}

fcmae_transform fcmae_transform_evaluate(int size, double crop_ratio)
{
    fcmae_transform transform = {.kind = FCMAE_TRANSFORM_CENTRE,
                                 .size = size,
                                 .crop_ratio = crop_ratio != 0 ? crop_ratio : 0.875};
    if (crop_ratio == 0 && size >= 384) transform.kind = FCMAE_TRANSFORM_SQUASH;
    return transform;
}

fcmae_status fcmae_transform_check(const fcmae_transform *t, fcmae_error *error)
{
    if (t->size < 1 || t->size > 4096)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "a sample of %d pixels a side is outside 1 to 4096", t->size);
    if (t->kind == FCMAE_TRANSFORM_TRAIN &&
        !(t->scale_min > 0 && t->scale_min <= t->scale_max && t->scale_max <= 1))
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "crop areas from %g to %g of the picture: need 0 < minimum <= maximum <= 1",
            t->scale_min, t->scale_max);
    if (t->kind == FCMAE_TRANSFORM_TRAIN && !(t->flip >= 0 && t->flip <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "flip probability %g is outside 0 to 1",
                          t->flip);
    if (t->kind == FCMAE_TRANSFORM_CENTRE && !(t->crop_ratio > 0 && t->crop_ratio <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "crop ratio %g is outside the range above 0 and up to 1", t->crop_ratio);
    if (t->kind == FCMAE_TRANSFORM_CENTRE && t->size / t->crop_ratio > FCMAE_IMAGE_MAX_SIDE)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "crop ratio %g is too small for %d pixels",
                          t->crop_ratio, t->size);
    if (t->augment_operations < 0 || t->augment_operations > 16 ||
        !(t->augment_magnitude >= 0 && t->augment_magnitude <= 10) || !(t->augment_deviation >= 0))
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "RandAugment: %d operations (0 to 16), magnitude %g (0 to 10) or deviation "
            "%g is outside its range",
            t->augment_operations, t->augment_magnitude, t->augment_deviation);
    return FCMAE_OK;
}

static fcmae_random start(fcmae_sample_place place, fcmae_random_purpose purpose)
{
    return fcmae_random_start(place.seed, purpose, place.epoch, place.position);
}

static double uniform(fcmae_random *random, double low, double high)
{
    return low + (high - low) * fcmae_random_uniform(random);
}

static fcmae_region random_box(const fcmae_transform *t, fcmae_random *random, int width,
                               int height)
{
    double area = (double)width * height;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        double target = area * uniform(random, t->scale_min, t->scale_max);
        double ratio = exp(uniform(random, log(MIN_RATIO), log(MAX_RATIO)));
        double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio)); /* half to even */
        if (w < 1 || h < 1 || w > width || h > height) continue;
        fcmae_region box = {.width = (int)w, .height = (int)h};
        box.y = (int)fcmae_random_below(random, (uint64_t)(height - box.height) + 1);
        box.x = (int)fcmae_random_below(random, (uint64_t)(width - box.width) + 1);
        return box;
    }
    fcmae_region box = {.width = width, .height = height};
    double ratio = (double)width / height;
    if (ratio < MIN_RATIO) box.height = (int)rint(width / MIN_RATIO);
    if (ratio > MAX_RATIO) box.width = (int)rint(height * MAX_RATIO);
    if (box.height < 1) box.height = 1;
    if (box.width < 1) box.width = 1;
    box.y = (height - box.height) / 2;
    box.x = (width - box.width) / 2;
    return box;
}

fcmae_geometry fcmae_transform_geometry(const fcmae_transform *t, int width, int height,
                                        fcmae_sample_place place)
{
    fcmae_geometry g = {
        .box = {0, 0, width, height}, .resized_width = t->size, .resized_height = t->size};
    if (t->kind == FCMAE_TRANSFORM_TRAIN) {
        fcmae_random random = start(place, FCMAE_RANDOM_CROP);
        g.box = random_box(t, &random, width, height);
        g.mirrored = fcmae_random_uniform(&random) < t->flip;
    } else if (t->kind == FCMAE_TRANSFORM_CENTRE) {
        int64_t shorter = (int64_t)floor(t->size / t->crop_ratio);
        g.resized_width = (int)(width <= height ? shorter : shorter * width / height);
        g.resized_height = (int)(width <= height ? shorter * height / width : shorter);
        g.window_x = (int)rint((g.resized_width - t->size) / 2.0);
        g.window_y = (int)rint((g.resized_height - t->size) / 2.0);
    }
    return g;
}

void fcmae_transform_scratch_release(fcmae_transform_scratch *scratch)
{
    fcmae_image_release(&scratch->image);
    fcmae_image_release(&scratch->turned);
    fcmae_axis_release(&scratch->columns);
    fcmae_axis_release(&scratch->rows);
    fcmae_buffer_release(&scratch->narrow);
    fcmae_buffer_release(&scratch->augmented);
}

/** Largest reduction at which the box still has at least as many pixels as its resized picture. */
static int choose_reduction(const fcmae_transform *t, const fcmae_image_info *info,
                            const fcmae_geometry *g)
{
    int reduction = 1;
    if (!t->fast_decode || !info->codec->reduces) return 1;
    while (reduction < 8 && g->box.width / (2 * reduction) >= g->resized_width &&
           g->box.height / (2 * reduction) >= g->resized_height)
        reduction *= 2;
    return reduction;
}

/** [start, start + length) of `side` pixels, in pixels of the reduced picture. */
static void reduce_span(int *start, int *length, int side, int reduction)
{
    int reduced = (side + reduction - 1) / reduction, end = *start + *length;
    end = end == side ? reduced : (end + reduction / 2) / reduction;
    *start = (*start + reduction / 2) / reduction;
    if (*start >= reduced) *start = reduced - 1;
    *length = end > *start ? end - *start : 1;
}

static fcmae_status build_axes(const fcmae_transform *t, fcmae_transform_scratch *scratch,
                               const fcmae_geometry *g, fcmae_error *error)
{
    FCMAE_TRY(fcmae_axis_build(&scratch->columns, g->box.width, g->resized_width, g->window_x,
                               t->size, g->mirrored, error));
    return fcmae_axis_build(&scratch->rows, g->box.height, g->resized_height, g->window_y, t->size,
                            false, error);
}

/** Resizes what the axes see of the box, which begins at `box` in the image, then augments. */
static fcmae_status finish(const fcmae_transform *t, fcmae_transform_scratch *scratch, int box_x,
                           int box_y, const fcmae_image *image, fcmae_sample_place place,
                           uint8_t *out, fcmae_error *error)
{
    size_t stride = (size_t)image->width * 3, side = (size_t)t->size;
    const uint8_t *pixels = image->pixels + (size_t)(box_y + scratch->rows.low) * stride +
                            (size_t)(box_x + scratch->columns.low) * 3;
    FCMAE_TRY(fcmae_resample(&scratch->columns, &scratch->rows, pixels, stride, &scratch->narrow,
                             out, error));
    if (t->kind != FCMAE_TRANSFORM_TRAIN || t->augment_operations == 0) return FCMAE_OK;
    FCMAE_TRY(fcmae_buffer_reserve(&scratch->augmented, 3 * side * side, error));
    fcmae_random random = start(place, FCMAE_RANDOM_AUGMENT);
    fcmae_randaugment(out, scratch->augmented.bytes, t->size, t->size, t->augment_operations,
                      t->augment_magnitude, t->augment_deviation, &random);
    return FCMAE_OK;
}

fcmae_status fcmae_transform_run(const fcmae_transform *t, fcmae_transform_scratch *scratch,
                                 const uint8_t *bytes, size_t size, fcmae_sample_place place,
                                 uint8_t *out, fcmae_error *error)
{
    fcmae_image_info info;
    FCMAE_TRY(fcmae_image_probe(&info, bytes, size, error));
    fcmae_geometry g = fcmae_transform_geometry(t, info.width, info.height, place);
    int reduction = choose_reduction(t, &info, &g);
    if (reduction > 1) {
        reduce_span(&g.box.x, &g.box.width, info.width, reduction);
        reduce_span(&g.box.y, &g.box.height, info.height, reduction);
    }
    FCMAE_TRY(build_axes(t, scratch, &g, error));
    fcmae_region region = {g.box.x + scratch->columns.low, g.box.y + scratch->rows.low,
                           scratch->columns.high - scratch->columns.low,
                           scratch->rows.high - scratch->rows.low};
    FCMAE_TRY(fcmae_image_decode_region(&scratch->image, &scratch->turned, &info, bytes, size,
                                        reduction, &region, error));
    return finish(t, scratch, g.box.x - region.x, g.box.y - region.y, &scratch->image, place, out,
                  error);
}

fcmae_status fcmae_transform_run_decoded(const fcmae_transform *t, fcmae_transform_scratch *scratch,
                                         const fcmae_image *image, fcmae_sample_place place,
                                         uint8_t *out, fcmae_error *error)
{
    fcmae_geometry g = fcmae_transform_geometry(t, image->width, image->height, place);
    FCMAE_TRY(build_axes(t, scratch, &g, error));
    return finish(t, scratch, g.box.x, g.box.y, image, place, out, error);
}
