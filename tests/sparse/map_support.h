/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Site maps with their memory, and the bridge from packed rows to
 *  the reference's reading order. */
#ifndef TESTS_SPARSE_MAP_SUPPORT_H
#define TESTS_SPARSE_MAP_SUPPORT_H

#include "reference/operators.h"
#include "sparse/site_map.h"
#include "support/kernel_check.h"

typedef struct owned_map {
    fcmae_site_map map;
    fcmae_arena arena;
} owned_map;

/** A map with room for exactly `rows` rows; release it with release_map(). */
static inline owned_map reserve_map(int images, int height, int width, int rows, int cell)
{
    owned_map owned = {0};
    fcmae_site_map_reserve(&owned.map, &owned.arena, images, height, width, rows, cell);
    ck_assert_int_eq(fcmae_arena_allocate(&owned.arena, "a site map", NULL), FCMAE_OK);
    fcmae_site_map_reserve(&owned.map, &owned.arena, images, height, width, rows, cell);
    return owned;
}

static inline void release_map(owned_map *owned)
{
    fcmae_arena_release(&owned->arena);
}

static inline int count_active(const uint8_t *active, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++) sum += active[i] != 0;
    return sum;
}

/** The map of an arbitrary active set of several images. */
static inline owned_map map_of_mask(int images, int height, int width, const uint8_t *active)
{
    owned_map owned = reserve_map(images, height, width,
                                  count_active(active, images * height * width), 0);
    fcmae_site_map_from_mask(&owned.map, images, active);
    return owned;
}

/** The encoder's map of cells; removed: [images][cells]. */
static inline owned_map map_of_cells(int images, int height, int width, int cell,
                                     const uint8_t *removed)
{
    int cells = height / cell * (width / cell);
    const uint8_t *of_image[16];
    ck_assert_int_le(images, 16);
    for (int i = 0; i < images; i++) of_image[i] = removed + i * cells;
    int rows = (images * cells - count_active(removed, images * cells)) * cell * cell;
    owned_map owned = reserve_map(images, height, width, rows, cell);
    fcmae_site_map_from_cells(&owned.map, images, of_image);
    return owned;
}

/** Active sites of one image as the map has them. Free with free(). */
static inline uint8_t *active_of(const fcmae_site_map *map, int image)
{
    uint8_t *active = calloc((size_t)(map->height * map->width), 1);
    ck_assert_ptr_nonnull(active);
    for (int row = 0; row < map->rows; row++)
        if (map->image[row] == image) active[map->position[row]] = 1;
    return active;
}

/** Rows of one image in the reference's order, packed doubles. Free with free(). */
static inline double *reading_order(const fcmae_site_map *map, int image, const float *x,
                                    int channels, int stride)
{
    uint8_t *active = active_of(map, image);
    reference_grid grid = {map->height, map->width, active};
    double *dense = zero_doubles((int64_t)map->height * map->width * channels);
    double *rows = zero_doubles(reference_sites(grid) * channels);
    for (int row = 0; row < map->rows; row++)
        for (int c = 0; c < channels && map->image[row] == image; c++)
            dense[map->position[row] * channels + c] = x[(int64_t)row * stride + c];
    reference_gather(grid, channels, dense, rows);
    free(dense);
    free(active);
    return rows;
}

#endif
