/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The submanifold depthwise convolution on maps of cells (blocks, quads), complete grids (blocks)
 * and arbitrary masks (lists), every instruction set, forward and both gradients, against double
 * precision.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/depthwise.h"
#include "sparse/map_support.h"
#include "support/suite.h"

/* Arrays of one case; the last row of the reference arrays is not used. */
typedef struct convolution {
    const fcmae_site_map *map;
    int channels, stride;
    float *x, *taps, *bias, *dy;
    float *dx_before, *dtaps_before;
    float *y, *dx, *dtaps;
} convolution;

static convolution make_convolution(const fcmae_site_map *map, int channels, uint64_t stream)
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

static void release_convolution(convolution *v)
{
    float *owned[] = {v->x, v->taps, v->bias, v->dy, v->dx_before, v->dtaps_before,
                      v->y, v->dx,   v->dtaps};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
}

/* Runs the three functions; tap gradients in slices of 16 columns if `sliced`. */
static void run_convolution(const fcmae_kernels *kernels, convolution *v, bool sliced)
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

static void check_convolution(const fcmae_site_map *map, int channels, uint64_t stream)
{
    convolution v = make_convolution(map, channels, stream);
    double *dtaps = zero_doubles(49 * channels), *dtaps_size = zero_doubles(49 * channels);
    expectation value[3], size[3];
    ck_assert_int_le(map->images, 3);
    for (int image = 0; image < map->images; image++) {
        value[image] = expect(&v, image, false);
        size[image] = expect(&v, image, true);
        for (int i = 0; i < 49 * channels; i++) {
            dtaps[i] += value[image].dtaps[i];
            dtaps_size[i] += size[image].dtaps[i];
        }
    }
    FOR_EACH_INSTRUCTION_SET(kernels)
    {
        run_convolution(kernels, &v, stream % 2);
        for (int image = 0; image < map->images; image++)
            check_rows_of_image(kernels, &v, image, &value[image], &size[image]);
        check_taps(kernels, &v, dtaps, dtaps_size);
        check_padding("depthwise", v.y, map->rows, channels, v.stride);
        check_padding("depthwise dx", v.dx, map->rows, channels, v.stride);
        check_padding("depthwise taps", v.dtaps, 49, channels, v.stride);
    }
    for (int image = 0; image < map->images; image++) {
        release_expectation(&value[image]);
        release_expectation(&size[image]);
    }
    free(dtaps);
    free(dtaps_size);
    release_convolution(&v);
}

START_TEST(arbitrary_masks)
{
    static const struct {
        int height, width;
        const char *picture;
    } cases[] = {
        {1, 1, "#"},
        {1, 1, "."},
        {1, 9, "#.#.##..#"},
        {5, 5,
         "#####"
         "#...#"
         "#.#.#"
         "#...#"
         "#####"},
        {8, 6,
         "#....."
         ".#...#"
         "..#.#."
         "......"
         "......"
         ".##..."
         ".##..#"
         "#....#"},
        {7, 7,
         "#######"
         "#######"
         "#######"
         "#######"
         "#######"
         "#######"
         "#######"},
    };
    static const int channels[] = {8, 16, 24, 40, 48, 80, 96};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
            int sites = cases[i].height * cases[i].width;
            uint8_t *active = picture_active(cases[i].picture, sites);
            owned_map owned = map_of_mask(1, cases[i].height, cases[i].width, active);
            check_convolution(&owned.map, channels[c], i * 10 + c);
            release_map(&owned);
            free(active);
        }
}
END_TEST

START_TEST(random_masks)
{
    fcmae_random random = test_random(3);
    for (int i = 0; i < 24; i++) {
        int images = 1 + i % 3, height = 1 + (int)fcmae_random_below(&random, 9);
        int width = 1 + (int)fcmae_random_below(&random, 9);
        uint8_t *active = random_active(&random, images * height * width, i % 5 / 4.);
        owned_map owned = map_of_mask(images, height, width, active);
        check_convolution(&owned.map, 8 * (1 + i % 5), (uint64_t)i);
        release_map(&owned);
        free(active);
    }
}
END_TEST

START_TEST(cells)
{
    /* corners, a lone cell, all, none; the second image differs */
    static const uint8_t removed[][12] = {
        {0, 1, 0, 1, 1, 0, /**/ 1, 1, 1, 1, 0, 1},
        {0, 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0, 0},
        {1, 1, 1, 1, 1, 1, /**/ 1, 1, 1, 1, 1, 0},
        {1, 1, 1, 1, 1, 1, /**/ 1, 1, 1, 1, 1, 1},
    };
    for (int cell = 1; cell <= 8; cell *= 2)
        for (int i = 0; i < 4; i++) {
            owned_map owned = map_of_cells(2, 2 * cell, 3 * cell, cell, removed[i]);
            check_convolution(&owned.map, cell == 8 ? 24 : 40, (uint64_t)i);
            release_map(&owned);
        }
}
END_TEST

/* Every kernel at cells that neighbour each other at random, around the width of vectors. */
START_TEST(random_cells)
{
    static const int channels[] = {16, 40, 80, 128, 512};
    fcmae_random random = test_random(4);
    for (int cell = 1; cell <= 8; cell *= 2)
        for (int i = 0; i < 8; i++) {
            int images = 1 + i % 2, rows = 1 + (int)fcmae_random_below(&random, cell == 8 ? 4 : 8);
            int columns = 1 + (int)fcmae_random_below(&random, cell == 8 ? 4 : 8);
            uint8_t *removed = random_active(&random, images * rows * columns, 0.2 + i % 4 * 0.2);
            owned_map owned = map_of_cells(images, rows * cell, columns * cell, cell, removed);
            check_convolution(&owned.map, cell == 8 && i > 1 ? 48 : channels[i % 5], (uint64_t)i);
            release_map(&owned);
            free(removed);
        }
}
END_TEST

/* Strides that crowd a cache are copied in part, up to a number of rows: both sides of it. */
START_TEST(crowded_quads)
{
    static const int channels[] = {128, 256};
    fcmae_random random = test_random(5);
    for (int i = 0; i < 2; i++) {
        int images = 1 + 2 * i;
        uint8_t *removed = random_active(&random, images * 64, 0.1);
        owned_map owned = map_of_cells(images, 16, 16, 2, removed);
        ck_assert(i ? owned.map.rows > 512 : owned.map.rows < 256);
        check_convolution(&owned.map, channels[i], (uint64_t)i);
        release_map(&owned);
        free(removed);
    }
}
END_TEST

/* Complete grids around the size of a block: whole, one more, several, longer than wide. */
START_TEST(grids)
{
    static const int sizes[][2] = {{1, 1}, {1, 8}, {2, 3}, {3, 2}, {5, 5},   {4, 6},
                                   {7, 7}, {8, 8}, {9, 9}, {9, 2}, {12, 12}, {6, 17}};
    static const int channels[] = {16, 48, 80, 512};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int height = sizes[i][0], width = sizes[i][1], images = 1 + (int)i % 2;
        uint8_t *removed = calloc((size_t)(images * height * width), 1);
        owned_map owned = map_of_cells(images, height, width, 1, removed);
        ck_assert(owned.map.grid);
        check_convolution(&owned.map, channels[i % 4], i);
        release_map(&owned);
        free(removed);
    }
}
END_TEST

START_TEST(decoder_rows)
{
    static const uint8_t removed[12] = {1, 0, 1, 0, 0, 1, /**/ 0, 1, 0, 0, 0, 0};
    const uint8_t *const of_image[] = {removed, removed + 6};
    owned_map owned = reserve_map(2, 2, 3, 12, 0);
    fcmae_site_map_decoder(&owned.map, 2, of_image, false);
    check_convolution(&owned.map, 32, 1);
    release_map(&owned);
}
END_TEST

/* A batch is its images one by one, to the bit. */
START_TEST(images_do_not_mix)
{
    static const uint8_t removed[12] = {0, 1, 0, 1, 1, 0, /**/ 1, 0, 0, 1, 0, 1};
    for (int cell = 1; cell <= 8; cell *= 2) {
        owned_map both = map_of_cells(2, 2 * cell, 3 * cell, cell, removed);
        owned_map second = map_of_cells(1, 2 * cell, 3 * cell, cell, removed + 6);
        convolution v = make_convolution(&both.map, 24, 1),
                    w = make_convolution(&second.map, 24, 2);
        int skipped = both.map.rows - second.map.rows;
        size_t count = (size_t)second.map.rows * 32;
        memcpy(w.x, v.x + skipped * 32, count * sizeof(float));
        memcpy(w.taps, v.taps, 49 * 32 * sizeof(float));
        memcpy(w.bias, v.bias, 32 * sizeof(float));
        FOR_EACH_INSTRUCTION_SET(kernels)
        {
            run_convolution(kernels, &v, false);
            run_convolution(kernels, &w, true);
            ck_assert_mem_eq(w.y, v.y + skipped * 32, count * sizeof(float));
        }
        release_convolution(&v);
        release_convolution(&w);
        release_map(&both);
        release_map(&second);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, arbitrary_masks);
    tcase_add_test(cases, random_masks);
    tcase_add_test(cases, cells);
    tcase_add_test(cases, random_cells);
    tcase_add_test(cases, crowded_quads);
    tcase_add_test(cases, grids);
    tcase_add_test(cases, decoder_rows);
    tcase_add_test(cases, images_do_not_mix);
}

int main(void)
{
    return run_suite("depthwise", add_tests);
}
