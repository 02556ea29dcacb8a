/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Sites of fcmae/sparse.h: their making, counts and dense maps. */
#include "sparse/sites.h"

#include <stdlib.h>

#include "core/parallel.h"
#include "sparse/dense_map.h"

static void reserve(fcmae_sites *sites, int images, int height, int width, int rows, bool coarse)
{
    fcmae_site_map_reserve(&sites->map, &sites->arena, images, height, width, rows, 0);
    if (coarse)
        sites->children = fcmae_arena_take(&sites->arena, 4 * (size_t)rows, sizeof(int32_t));
}

/** An object with room for the rows, not yet filled; NULL if memory is short. */
static fcmae_sites *make_sites(int images, int height, int width, int rows, bool coarse,
                               int threads, fcmae_error *error)
{
    fcmae_sites *sites = calloc(1, sizeof *sites);
    if (!sites) {
        fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a map of sites");
        return NULL;
    }
    sites->threads = threads > 0 ? threads : fcmae_processor_count();
    sites->kernels = fcmae_kernels_get(fcmae_isa_choose(0, false));
    for (int pass = 0; pass < 2; pass++) {
        reserve(sites, images, height, width, rows, coarse);
        if (fcmae_arena_end_pass(&sites->arena, "a map of sites", error) == FCMAE_OK) continue;
        free(sites);
        return NULL;
    }
    return sites;
}

fcmae_status fcmae_sites_create(fcmae_sites **sites, int images, int height, int width,
                                const uint8_t *active, int threads, fcmae_error *error)
{
    *sites = NULL;
    if (images < 1 || height < 1 || width < 1 || threads < 0 ||
        (int64_t)height * width > FCMAE_SITES_MOST_SITES ||
        (int64_t)height * width * images > FCMAE_SITES_MOST_SITES)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "sites of %d images of %d x %d with %d threads: at least 1 each (threads: "
            "0) and at most %d sites are possible",
            images, height, width, threads, FCMAE_SITES_MOST_SITES);
    if (!active) return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "sites need a mask of active sites");
    int rows = 0, count = images * height * width;
    for (int i = 0; i < count; i++) rows += active[i] != 0;
    *sites = make_sites(images, height, width, rows, false, threads, error);
    if (!*sites) return FCMAE_ERR_MEMORY;
    fcmae_site_map_from_mask(&(*sites)->map, images, active);
    return FCMAE_OK;
}

fcmae_status fcmae_sites_coarsen(fcmae_sites **coarse, const fcmae_sites *fine, fcmae_error *error)
{
    const fcmae_site_map *map = &fine->map;
    *coarse = make_sites(map->images, (map->height + 1) / 2, (map->width + 1) / 2,
                         fcmae_site_map_coarse_rows(map), true, fine->threads, error);
    if (!*coarse) return FCMAE_ERR_MEMORY;
    fcmae_site_map_coarsen(&(*coarse)->map, map, (*coarse)->children);
    (*coarse)->fine_rows = map->rows;
    return FCMAE_OK;
}

void fcmae_sites_destroy(fcmae_sites **sites)
{
    if (!sites || !*sites) return;
    fcmae_arena_release(&(*sites)->arena);
    free(*sites);
    *sites = NULL;
}

int64_t fcmae_sites_count(const fcmae_sites *sites)
{
    return sites->map.rows;
}

void fcmae_sites_shape(const fcmae_sites *sites, int shape[3])
{
    shape[0] = sites->map.images;
    shape[1] = sites->map.height;
    shape[2] = sites->map.width;
}

void fcmae_sites_coordinates(const fcmae_sites *sites, int32_t *coordinates)
{
    for (int64_t row = 0; row < sites->map.rows; row++) {
        coordinates[3 * row] = sites->map.image[row];
        coordinates[3 * row + 1] = sites->map.position[row] / sites->map.width;
        coordinates[3 * row + 2] = sites->map.position[row] % sites->map.width;
    }
}

static fcmae_status check_dense(const fcmae_sites *sites, int channels, fcmae_dense_layout layout,
                                const float *rows, const float *dense, fcmae_error *error)
{
    if (channels < 1 || channels > FCMAE_SITES_MOST_CHANNELS)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%d channels: 1 to %d are possible", channels,
                          FCMAE_SITES_MOST_CHANNELS);
    if (layout != FCMAE_LAYOUT_NCHW && layout != FCMAE_LAYOUT_NHWC)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "there is no layout %d of a dense map",
                          (int)layout);
    if (!dense || (!rows && sites->map.rows > 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is missing", dense ? "rows" : "dense");
    return FCMAE_OK;
}

fcmae_status fcmae_sites_scatter(const fcmae_sites *sites, int channels, fcmae_dense_layout layout,
                                 const float *rows, float *dense, fcmae_error *error)
{
    FCMAE_TRY(check_dense(sites, channels, layout, rows, dense, error));
    fcmae_scatter(&sites->map, rows, channels, channels, layout, dense);
    return FCMAE_OK;
}

fcmae_status fcmae_sites_gather(const fcmae_sites *sites, int channels, fcmae_dense_layout layout,
                                const float *dense, float *rows, fcmae_error *error)
{
    FCMAE_TRY(check_dense(sites, channels, layout, rows, dense, error));
    fcmae_gather(&sites->map, dense, layout, channels, channels, rows);
    return FCMAE_OK;
}
