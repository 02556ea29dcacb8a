/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "image/resample.h"

#include <math.h>
#include <string.h>

#include "core/kernels.h"

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/** Weights of one output position, from its input position `first` on. */
static void build_position(int32_t *weights, double *exact, int first, int length, double centre,
                           double shrink)
{
    double sum = 0;
    for (int i = 0; i < length; i++) {
        exact[i] = bicubic((i + first - centre + 0.5) * shrink);
        sum += exact[i];
    }
    for (int i = 0; i < length; i++) {
        double weight = sum != 0.0 ? exact[i] / sum : exact[i];
        weights[i] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << FCMAE_RESAMPLE_BITS));
    }
}

fcmae_status fcmae_axis_build(fcmae_axis *axis, int input, int output, int window, int count,
                              bool mirrored, fcmae_error *error)
{
    double scale = (double)input / output, stretch = scale < 1.0 ? 1.0 : scale;
    double support = 2.0 * stretch;
    size_t taps = (size_t)ceil(support) * 2 + 2;
    size_t bytes = (size_t)count * (2 + taps) * sizeof(int32_t) + (taps + 1) * sizeof(double);
    axis->memory.size = 0;
    FCMAE_TRY(fcmae_buffer_reserve(&axis->memory, bytes, error));
    double *exact = (double *)(void *)axis->memory.bytes;
    axis->count = count;
    axis->taps = (int)taps;
    axis->first = (int32_t *)(exact + taps + 1);
    axis->length = axis->first + count;
    axis->weights = axis->length + count;
    memset(axis->weights, 0, (size_t)count * taps * sizeof(int32_t));
    axis->low = input;
    axis->high = 0;
    for (int i = 0; i < count; i++) {
        int at = mirrored ? count - 1 - i : i;
        double centre = (window + i + 0.5) * scale;
        int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (end > input) end = input;
        build_position(axis->weights + (size_t)at * taps, exact, first, end - first, centre,
                       1.0 / stretch);
        axis->first[at] = first;
        axis->length[at] = end - first;
        if (first < axis->low) axis->low = first;
        if (end > axis->high) axis->high = end;
    }
    return FCMAE_OK;
}

void fcmae_axis_release(fcmae_axis *axis)
{
    fcmae_buffer_release(&axis->memory);
    memset(axis, 0, sizeof *axis);
}

fcmae_status fcmae_resample(const fcmae_axis *columns, const fcmae_axis *rows,
                            const uint8_t *source, size_t stride, fcmae_buffer *scratch,
                            uint8_t *out, fcmae_error *error)
{
    size_t width = (size_t)columns->count * 3, height = (size_t)(rows->high - rows->low);
    size_t wide_bytes = (3 * (size_t)(columns->high - columns->low) + 4) * sizeof(int32_t);
    FCMAE_TRY(
        fcmae_buffer_reserve(scratch, wide_bytes + width * height + FCMAE_RESAMPLE_BLOCK, error));
    int32_t *wide = (int32_t *)(void *)scratch->bytes;
    uint8_t *narrow = scratch->bytes + wide_bytes;
    const fcmae_kernels *kernels = fcmae_kernels_get(fcmae_isa_choose(0, false));
    const fcmae_resample_axis axis = {.count = columns->count,
                                      .taps = columns->taps,
                                      .low = columns->low,
                                      .high = columns->high,
                                      .first = columns->first,
                                      .length = columns->length,
                                      .weights = columns->weights};
    memset(wide, 0, wide_bytes); /* a zero weight meets what is behind the row */
    memset(narrow + width * height, 0, FCMAE_RESAMPLE_BLOCK);
    for (size_t y = 0; y < height; y++)
        kernels->resample_columns(&axis, source + y * stride, wide, narrow + y * width);
    for (int y = 0; y < rows->count; y++)
        kernels->resample_rows(narrow + (size_t)(rows->first[y] - rows->low) * width, width,
                               rows->weights + (size_t)y * (size_t)rows->taps, rows->length[y],
                               out + (size_t)y * width);
    return FCMAE_OK;
}

fcmae_status fcmae_image_resize(const fcmae_image *input, fcmae_image *output, int height,
                                int width, fcmae_error *error)
{
    FCMAE_TRY(fcmae_image_reserve(output, height, width, error));
    fcmae_axis columns = {0}, rows = {0};
    fcmae_buffer scratch = {0};
    fcmae_status status = fcmae_axis_build(&columns, input->width, width, 0, width, false, error);
    if (status == FCMAE_OK)
        status = fcmae_axis_build(&rows, input->height, height, 0, height, false, error);
    if (status == FCMAE_OK)
        status = fcmae_resample(&columns, &rows, input->pixels, (size_t)input->width * 3, &scratch,
                                output->pixels, error);
    fcmae_axis_release(&columns);
    fcmae_axis_release(&rows);
    fcmae_buffer_release(&scratch);
    return status;
}
