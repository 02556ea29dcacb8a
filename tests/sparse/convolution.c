/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/convolution.h"

#include <stdlib.h>
#include <string.h>

#include "sparse/map_support.h"

convolution make_convolution(const fcmae_site_map *map, int channels, uint64_t stream)
{
    fcmae_random random = test_random(stream);
    int stride = row_stride(channels), rows = map->rows;
    return (convolution){.map = map,
                         .channels = channels,
                         .stride = stride,
                         .x = random_rows(&random, rows, channels, stride),
                         .taps = random_rows(&random, 49, channels, stride),
                         .bias = random_rows(&random, 1, channels, stride),
                         .dy = random_rows(&random, rows, channels, stride),
                         .dx_before = random_rows(&random, rows, channels, stride),
                         .dtaps_before = random_rows(&random, 49, channels, stride),
                         .y = guarded_floats((int64_t)rows * stride),
                         .dx = guarded_floats((int64_t)rows * stride),
                         .dtaps = guarded_floats((int64_t)49 * stride)};
}

void release_convolution(convolution *v)
{
    float *owned[] = {v->x, v->taps, v->bias, v->dy, v->dx_before, v->dtaps_before,
                      v->y, v->dx,   v->dtaps};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
}

void run_convolution(const fcmae_kernels *kernels, convolution *v, bool sliced)
{
    size_t row_bytes = (size_t)v->stride * sizeof(float);
    memcpy(v->dx, v->dx_before, (size_t)v->map->rows * row_bytes);
    memcpy(v->dtaps, v->dtaps_before, 49 * row_bytes);
    for (int unit = fcmae_depthwise_units(v->map) - 1; unit >= 0; unit--) { /* any order */
        fcmae_depthwise_forward(kernels, v->map, unit, v->x, v->stride, v->taps, v->bias, v->y);
        fcmae_depthwise_backward_data(kernels, v->map, unit, v->dy, v->stride, v->taps, v->x,
                                      v->dx);
    }
    int columns = sliced ? 16 : v->stride;
    for (int first = 0; first < v->stride; first += columns)
        fcmae_depthwise_backward_taps(kernels, v->map, v->x, v->dy, v->stride, first, columns,
                                      v->dtaps);
}

/* The official layout [channels][7][7] of taps [49][stride], and |taps| if wanted. */
static double *official_taps(const convolution *v, const float *taps)
{
    double *out = zero_doubles(v->channels * 49);
    for (int c = 0; c < v->channels; c++)
        for (int k = 0; k < 49; k++) out[c * 49 + k] = taps[k * v->stride + c];
    return out;
}

static void make_absolute(double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = fabs(values[i]);
}

/* Expected results of one image; with `absolute` of the absolute inputs: the error scale. */
typedef struct expectation {
    double *y, *dx, *dtaps;
    int64_t rows;
} expectation;

static expectation expect(const convolution *v, int image, bool absolute)
{
    uint8_t *active = active_of(v->map, image);
    reference_grid grid = {v->map->height, v->map->width, active};
    int c = v->channels;
    expectation e = {.rows = reference_sites(grid)};
    double *x = reading_order(v->map, image, v->x, c, v->stride);
    double *dy = reading_order(v->map, image, v->dy, c, v->stride);
    double *taps = official_taps(v, v->taps), *bias = as_doubles(v->bias, 1, c, v->stride);
    double *dbias = zero_doubles(c);
    e.y = zero_doubles(e.rows * c);
    e.dx = zero_doubles(e.rows * c);
    e.dtaps = zero_doubles(49 * c);
    if (absolute) {
        make_absolute(x, e.rows * c);
        make_absolute(dy, e.rows * c);
        make_absolute(taps, 49 * c);
        make_absolute(bias, c);
    }
    reference_depthwise(grid, c, x, taps, bias, e.y);
    reference_depthwise_backward(grid, c, x, taps, dy, e.dx, e.dtaps, dbias);
    free(x);
    free(dy);
    free(taps);
    free(bias);
    free(dbias);
    free(active);
    return e;
}

static void release_expectation(expectation *e)
{
    free(e->y);
    free(e->dx);
    free(e->dtaps);
}

static void check_rows_of_image(const fcmae_kernels *kernels, const convolution *v, int image,
                                const expectation *value, const expectation *size)
{
    int c = v->channels;
    double *y = reading_order(v->map, image, v->y, c, v->stride);
    double *dx = reading_order(v->map, image, v->dx, c, v->stride);
    double *before = reading_order(v->map, image, v->dx_before, c, v->stride);
    for (int64_t i = 0; i < value->rows * c; i++) {
        check_sum("depthwise", kernels, i / c, i % c, value->y[i], size->y[i], 50, (float)y[i]);
        check_sum("depthwise dx", kernels, i / c, i % c, value->dx[i] + before[i],
                  size->dx[i] + fabs(before[i]), 50, (float)dx[i]);
    }
    free(y);
    free(dx);
    free(before);
}

/* The sums over all images stand in value and size. */
static void check_taps(const fcmae_kernels *kernels, const convolution *v, const double *value,
                       const double *size)
{
    for (int c = 0; c < v->channels; c++)
        for (int k = 0; k < 49; k++) {
            double before = v->dtaps_before[k * v->stride + c];
            check_sum("depthwise taps", kernels, k, c, value[c * 49 + k] + before,
                      size[c * 49 + k] + fabs(before), v->map->rows + 1,
                      v->dtaps[k * v->stride + c]);
        }
}

void check_convolution(const fcmae_kernels *kernels, const fcmae_site_map *map, int channels,
                       uint64_t stream, convolution_part part)
{
    convolution v = make_convolution(map, channels, stream);
    double *dtaps = zero_doubles(49 * channels), *dtaps_size = zero_doubles(49 * channels);
    run_convolution(kernels, &v, stream % 2);
    for (int image = 0; image < map->images; image++) {
        expectation value = expect(&v, image, false), size = expect(&v, image, true);
        if (part == CONVOLUTION_ROWS) check_rows_of_image(kernels, &v, image, &value, &size);
        for (int i = 0; i < 49 * channels; i++) {
            dtaps[i] += value.dtaps[i];
            dtaps_size[i] += size.dtaps[i];
        }
        release_expectation(&value);
        release_expectation(&size);
    }
    if (part == CONVOLUTION_ROWS) {
        check_padding("depthwise", v.y, map->rows, channels, v.stride);
        check_padding("depthwise dx", v.dx, map->rows, channels, v.stride);
    } else {
        check_taps(kernels, &v, dtaps, dtaps_size);
        check_padding("depthwise taps", v.dtaps, 49, channels, v.stride);
    }
    free(dtaps);
    free(dtaps_size);
    release_convolution(&v);
}
