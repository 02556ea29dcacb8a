/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Coarsened maps, and the 2x2 downsampling over them with every instruction set, forward and all
 * gradients, against double precision.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/downsample.h"
#include "sparse/map_support.h"
#include "support/suite.h"

/** A fine map, the one above it and who is whose child. */
typedef struct two_maps {
    owned_map fine, coarse;
    int32_t *children;
} two_maps;

static two_maps coarsened(owned_map fine)
{
    const fcmae_site_map *map = &fine.map;
    int rows = fcmae_site_map_coarse_rows(map);
    two_maps maps = {
        .fine = fine,
        .coarse = reserve_map(map->images, (map->height + 1) / 2, (map->width + 1) / 2, rows, 0),
        .children = malloc(((size_t)rows + 1) * 4 * sizeof(int32_t))};
    ck_assert_ptr_nonnull(maps.children);
    fcmae_site_map_coarsen(&maps.coarse.map, map, maps.children);
    ck_assert_int_eq(maps.coarse.map.rows, rows);
    return maps;
}

static void release_maps(two_maps *maps)
{
    release_map(&maps->fine);
    release_map(&maps->coarse);
    free(maps->children);
}

/** Active sites of an image on a grid of even sides, as the
 *  reference wants it. Free with free(). */
static uint8_t *even_active(const fcmae_site_map *map, int image, reference_grid *grid)
{
    grid->height = map->height + map->height % 2;
    grid->width = map->width + map->width % 2;
    uint8_t *active = calloc((size_t)(grid->height * grid->width), 1);
    ck_assert_ptr_nonnull(active);
    for (int row = 0; row < map->rows; row++)
        if (map->image[row] == image)
            active[map->position[row] / map->width * grid->width +
                   map->position[row] % map->width] = 1;
    grid->active = active;
    return active;
}

/** Every coarse site where the reference has one, in order; every
 *  fine row in its parent's table. */
static void check_coarse_map(const two_maps *maps)
{
    const fcmae_site_map *fine = &maps->fine.map, *coarse = &maps->coarse.map;
    int row = 0;
    for (int image = 0; image < fine->images; image++) {
        reference_grid grid;
        uint8_t *active = even_active(fine, image, &grid);
        int sites = coarse->height * coarse->width;
        uint8_t *parents = calloc((size_t)sites, 1);
        reference_parents(grid, parents);
        for (int position = 0; position < sites; position++) {
            int at = coarse->row_of[image * sites + position];
            ck_assert_int_eq(at, parents[position] ? row : -1);
            if (!parents[position]) continue;
            ck_assert_int_eq(coarse->image[row], image);
            ck_assert_int_eq(coarse->position[row], position);
            row++;
        }
        free(parents);
        free(active);
    }
    ck_assert_int_eq(row, coarse->rows);
    uint8_t *seen = calloc((size_t)fine->rows + 1, 1);
    for (int i = 0; i < 4 * coarse->rows; i++) {
        int child = maps->children[i], parent = i / 4, k = i % 4;
        if (child < 0) continue;
        ck_assert_int_lt(child, fine->rows);
        ck_assert_int_eq(seen[child]++, 0);
        int y = 2 * (coarse->position[parent] / coarse->width) + k / 2;
        int x = 2 * (coarse->position[parent] % coarse->width) + k % 2;
        ck_assert_int_eq(fine->image[child], coarse->image[parent]);
        ck_assert_int_eq(fine->position[child], y * fine->width + x);
    }
    for (int i = 0; i < fine->rows; i++) ck_assert_int_eq(seen[i], 1);
    free(seen);
}

/* One layer: inputs, and what the library makes of them. */
typedef struct downsampling {
    const two_maps *maps;
    int in, out, in_stride, out_stride;
    float *x, *weight, *bias, *dy; /* weight [4 * in_stride][out_stride] */
    float *merged, *y, *dx, *dweight;
} downsampling;

static downsampling make_downsampling(const two_maps *maps, int in, int out, uint64_t stream)
{
    fcmae_random random = test_random(stream);
    int is = row_stride(in), os = row_stride(out);
    int fine = maps->fine.map.rows, coarse = maps->coarse.map.rows;
    downsampling v = {.maps = maps, .in = in, .out = out, .in_stride = is, .out_stride = os};
    v.x = random_rows(&random, fine, in, is);
    v.weight = random_rows(&random, 4 * is, out, os);
    for (int row = 0; row < 4 * is; row++)
        if (row % is >= in) memset(v.weight + row * os, 0, (size_t)os * sizeof(float));
    v.bias = random_rows(&random, 1, out, os);
    v.dy = random_rows(&random, coarse, out, os);
    v.merged = guarded_floats((int64_t)coarse * 4 * is);
    v.y = guarded_floats((int64_t)coarse * os);
    v.dx = guarded_floats((int64_t)fine * is);
    v.dweight = guarded_floats((int64_t)4 * is * os);
    return v;
}

static void release_downsampling(downsampling *v)
{
    float *owned[] = {v->x, v->weight, v->bias, v->dy, v->merged, v->y, v->dx, v->dweight};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
}

/* Rows in pieces of `piece`, the last piece first: the division must not matter. */
static void run_downsampling(const fcmae_kernels *kernels, downsampling *v, int piece)
{
    fcmae_sparse_downsample layer;
    fcmae_arena arena = {0};
    fcmae_sparse_downsample_reserve(&layer, &arena, v->in, v->out, true);
    ck_assert_int_eq(fcmae_arena_allocate(&arena, "a layer", NULL), FCMAE_OK);
    fcmae_sparse_downsample_reserve(&layer, &arena, v->in, v->out, true);
    fcmae_sparse_downsample_pack(&layer, kernels, v->weight);

    int rows = v->maps->coarse.map.rows;
    const int32_t *children = v->maps->children;
    memset(v->dweight, 0, (size_t)(4 * v->in_stride * v->out_stride) * sizeof(float));
    for (int first = (rows - 1) / piece * piece; first >= 0 && rows > 0; first -= piece) {
        int last = first + piece < rows ? first + piece : rows;
        fcmae_sparse_downsample_backward_data(&layer, kernels, first, last, v->dy, v->merged);
        fcmae_sparse_unmerge(children, first, last, v->in, v->merged, v->in_stride, v->dx,
                             v->in_stride);
        fcmae_sparse_merge(children, first, last, v->in, v->x, v->in_stride, v->merged,
                           v->in_stride);
        fcmae_sparse_downsample_forward(&layer, kernels, first, last, v->merged, v->bias, v->y);
    }
    for (int panel = 0; panel < layer.weight.panels; panel++)
        fcmae_sparse_downsample_backward_weight(&layer, kernels, panel, rows, v->merged, v->dy,
                                                v->dweight);
    fcmae_arena_release(&arena);
}

static int rows_of_image(const fcmae_site_map *map, int image)
{
    int rows = 0;
    for (int row = 0; row < map->rows; row++) rows += map->image[row] == image;
    return rows;
}

/* Expected results, image by image; dweight is the sum over all of them, layout [out][in][4]. */
typedef struct expectation {
    double *y[3], *dx[3], *dweight;
} expectation;

static void make_absolute(double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = fabs(values[i]);
}

static expectation expect(const downsampling *v, bool absolute)
{
    const fcmae_site_map *fine = &v->maps->fine.map, *coarse = &v->maps->coarse.map;
    int64_t weights = (int64_t)v->in * v->out * 4;
    expectation e = {.dweight = zero_doubles(weights)};
    double *weight = zero_doubles(weights), *dbias = zero_doubles(v->out);
    double *bias = as_doubles(v->bias, 1, v->out, v->out_stride);
    for (int64_t i = 0; i < weights; i++)
        weight[i] =
            v->weight[(i % 4 * v->in_stride + i / 4 % v->in) * v->out_stride + i / 4 / v->in];
    if (absolute) {
        make_absolute(weight, weights);
        make_absolute(bias, v->out);
    }
    ck_assert_int_le(fine->images, 3);
    for (int image = 0; image < fine->images; image++) {
        reference_grid grid;
        uint8_t *active = even_active(fine, image, &grid);
        double *x = reading_order(fine, image, v->x, v->in, v->in_stride);
        double *dy = reading_order(coarse, image, v->dy, v->out, v->out_stride);
        int64_t values = reference_sites(grid) * v->in;
        int64_t results = (int64_t)rows_of_image(coarse, image) * v->out;
        if (absolute) {
            make_absolute(x, values);
            make_absolute(dy, results);
        }
        e.y[image] = zero_doubles(results);
        e.dx[image] = zero_doubles(values);
        reference_downsample(grid, v->in, v->out, x, weight, bias, e.y[image]);
        reference_downsample_backward(grid, v->in, v->out, x, weight, dy, e.dx[image], e.dweight,
                                      dbias);
        free(x);
        free(dy);
        free(active);
    }
    free(weight);
    free(bias);
    free(dbias);
    return e;
}

static void release_expectation(expectation *e)
{
    for (int image = 0; image < 3; image++) {
        free(e->y[image]);
        free(e->dx[image]);
    }
    free(e->dweight);
}

/* Rows of a map, image by image in reading order. */
static void check_rows(const char *what, const fcmae_kernels *kernels, const fcmae_site_map *map,
                       const float *got, int columns, double *const *value, double *const *size,
                       double terms)
{
    for (int image = 0; image < map->images; image++) {
        double *rows = reading_order(map, image, got, columns, row_stride(columns));
        for (int i = 0; i < rows_of_image(map, image) * columns; i++)
            check_sum(what, kernels, i / columns, i % columns, value[image][i], size[image][i],
                      terms, (float)rows[i]);
        free(rows);
    }
}

static void check_downsampling(const fcmae_kernels *kernels, const two_maps *maps, int in, int out,
                               uint64_t stream)
{
    static const int pieces[] = {1, 3, 1000};
    downsampling v = make_downsampling(maps, in, out, stream);
    expectation value = expect(&v, false), size = expect(&v, true);
    const fcmae_site_map *fine = &maps->fine.map, *coarse = &maps->coarse.map;
    run_downsampling(kernels, &v, pieces[stream % 3]);
    check_rows("downsample", kernels, coarse, v.y, out, value.y, size.y, 4 * in + 1);
    check_rows("downsample dx", kernels, fine, v.dx, in, value.dx, size.dx, out);
    for (int i = 0; i < in * out * 4; i++)
        check_sum("downsample dweight", kernels, i / 4, i % 4, value.dweight[i], size.dweight[i],
                  coarse->rows + 1,
                  v.dweight[(i % 4 * v.in_stride + i / 4 % in) * v.out_stride + i / 4 / in]);
    check_padding("downsample", v.y, coarse->rows, out, v.out_stride);
    check_padding("downsample dx", v.dx, fine->rows, in, v.in_stride);
    check_padding("downsample dweight", v.dweight, 4 * v.in_stride, out, v.out_stride);
    release_expectation(&value);
    release_expectation(&size);
    release_downsampling(&v);
}

START_TEST(random_masks)
{
    static const int widths[] = {3, 16, 24, 40};
    fcmae_random random = test_random(1);
    for (int i = 0; i < 40; i++) {
        int images = 1 + i % 3, height = 1 + (int)fcmae_random_below(&random, 9);
        int width = 1 + (int)fcmae_random_below(&random, 9);
        uint8_t *active = random_active(&random, images * height * width, i % 5 / 4.);
        two_maps maps = coarsened(map_of_mask(images, height, width, active));
        check_coarse_map(&maps);
        check_downsampling(kernels_of_set(_i), &maps, widths[i % 4], widths[i / 4 % 4],
                           (uint64_t)i);
        release_maps(&maps);
        free(active);
    }
}
END_TEST

START_TEST(one_site)
{
    for (int position = 0; position < 15;
         position++) { /* 3 x 5: corners, odd last row and column */
        uint8_t active[15] = {0};
        active[position] = 1;
        two_maps maps = coarsened(map_of_mask(1, 3, 5, active));
        ck_assert_int_eq(maps.coarse.map.rows, 1);
        check_coarse_map(&maps);
        check_downsampling(kernels_of_set(_i), &maps, 8, 16, (uint64_t)position);
        release_maps(&maps);
    }
}
END_TEST

/* Maps of cells stand in Z-order; every child is there, four adjacent rows as the network reads
 * them. */
START_TEST(cells)
{
    static const uint8_t removed[12] = {0, 1, 0, 1, 1, 0, /**/ 1, 0, 0, 1, 0, 1};
    for (int cell = 2; cell <= 8; cell *= 2) {
        two_maps maps = coarsened(map_of_cells(2, 2 * cell, 3 * cell, cell, removed));
        check_coarse_map(&maps);
        for (int row = 0; row < maps.coarse.map.rows; row++) {
            const int32_t *child = maps.children + 4 * row;
            ck_assert_int_eq(child[0] % 4, 0);
            for (int k = 1; k < 4; k++) ck_assert_int_eq(child[k], child[0] + k);
        }
        check_downsampling(kernels_of_set(_i), &maps, 24, 40, (uint64_t)cell);
        release_maps(&maps);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, random_masks, 0, instruction_sets());
    tcase_add_loop_test(cases, one_site, 0, instruction_sets());
    tcase_add_loop_test(cases, cells, 0, instruction_sets());
}

int main(void)
{
    return run_suite("downsample", add_tests);
}
