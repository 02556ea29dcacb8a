/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Three walks, by what is known of the neighbours of a site. Cells of 8x8 and 4x4 sites, and
 * rectangles of a complete grid, are blocks: a stencil over a window of row pointers. Cells of 2x2
 * sites (quads) go through the list of cells in reach, single sites through the list of sites.
 */
#include "sparse/depthwise.h"

#include <stddef.h>

#include "sparse/z_order.h"

#define LIST_SITES 16 /* of a unit */
#define QUAD_SITES 64 /* more: a unit loads all taps */
#define BLOCK_SIDE 8  /* at most */
#define HALO (FCMAE_KERNEL_SIDE / 2)
#define WINDOW_SIDE (BLOCK_SIDE + 2 * HALO)

/** A unit that is a block: its place in the grid and the tables for the kernel. */
typedef struct block_tables {
    int image, top, left, high, wide;
    const float *window[WINDOW_SIDE * WINDOW_SIDE];
    float *own[BLOCK_SIDE * BLOCK_SIDE]; /* the rows of the block's sites in the other array */
} block_tables;

static bool in_blocks(const fcmae_site_map *map)
{
    return map->grid || map->cell >= 4;
}

/** Pieces of nearly equal length, at most 8. Where there are several, none is shorter than 4, so
 * the three rows beside a piece lie inside the grid or outside together. */
static int pieces(int length)
{
    return (length + BLOCK_SIDE - 1) / BLOCK_SIDE;
}

static int unit_sites(const fcmae_site_map *map)
{
    return map->cell >= 4 ? map->cell * map->cell : map->cell == 2 ? QUAD_SITES : LIST_SITES;
}

int fcmae_depthwise_units(const fcmae_site_map *map)
{
    if (map->grid) return map->images * pieces(map->height) * pieces(map->width);
    return (map->rows + unit_sites(map) - 1) / unit_sites(map);
}

bool fcmae_depthwise_unit_rows(const fcmae_site_map *map, int unit, int *first, int *last)
{
    int sites = unit_sites(map);
    if (map->grid) return false;
    *first = unit * sites;
    *last = *first + sites < map->rows ? *first + sites : map->rows;
    return true;
}

/* Blocks of a grid */

static void place_in_grid(const fcmae_site_map *map, int unit, block_tables *b)
{
    int down = pieces(map->height), across = pieces(map->width);
    int y = unit / across % down, x = unit % across;
    b->image = unit / (across * down);
    b->top = y * map->height / down;
    b->left = x * map->width / across;
    b->high = (y + 1) * map->height / down - b->top;
    b->wide = (x + 1) * map->width / across - b->left;
}

static void locate_in_grid(const fcmae_site_map *map, int unit, const float *around, float *own,
                           int64_t stride, block_tables *b)
{
    place_in_grid(map, unit, b);
    const int32_t *row_of = map->row_of + (int64_t)b->image * map->height * map->width;
    const float **window = b->window;
    for (int y = b->top - HALO; y < b->top + b->high + HALO; y++)
        for (int x = b->left - HALO; x < b->left + b->wide + HALO; x++) {
            bool inside = y >= 0 && y < map->height && x >= 0 && x < map->width;
            *window++ = inside ? around + row_of[y * map->width + x] * stride : NULL;
        }
    for (int y = 0; y < b->high; y++)
        for (int x = 0; x < b->wide; x++)
            b->own[y * b->wide + x] = own +
                                      row_of[(b->top + y) * map->width + b->left + x] * stride;
}

/* Cells of 8x8 and 4x4 sites */

/** Pointers to `high` x `wide` sites of a cell from site (y, x) on, or a missing cell. */
static void locate_part(const float *cell, int y, int x, int high, int wide, const int64_t *step,
                        const float **window, int line)
{
    for (int i = 0; i < high; i++, window += line) {
        window[0] = NULL;
        for (int k = 0; k < wide && cell; k++) window[k] = cell + 2 * step[y + i] + step[x + k];
    }
}

static void locate_cell(const fcmae_site_map *map, int cell, const float *around, float *own,
                        int64_t stride, block_tables *b)
{
    const int side = map->cell, line = side + 2 * HALO, sites = side * side;
    int64_t step[BLOCK_SIDE]; /* site (y, x) stands 2 step[y] + step[x] behind a cell's first */
    for (int i = 0; i < side; i++) step[i] = fcmae_z_order[0][i] * stride;
    const float *neighbour[9] = {NULL};
    for (int e = map->neighbours.start[cell]; e < map->neighbours.start[cell + 1]; e++)
        neighbour[map->neighbours.place[e]] = around + map->neighbours.row[e] * stride;
    const int from[3] = {side - HALO, 0, 0}, size[3] = {HALO, side, HALO};
    const int to[3] = {0, HALO, HALO + side};
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            locate_part(neighbour[3 * y + x], from[y], from[x], size[y], size[x], step,
                        b->window + to[y] * line + to[x], line);
    b->high = b->wide = side;
    own += cell * sites * stride;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) b->own[y * side + x] = own + 2 * step[y] + step[x];
}

static fcmae_depthwise_block locate(const fcmae_site_map *map, int unit, const float *around,
                                    float *own, int64_t stride, int columns, block_tables *tables)
{
    if (map->grid)
        locate_in_grid(map, unit, around, own, stride, tables);
    else
        locate_cell(map, unit, around, own, stride, tables);
    return (fcmae_depthwise_block){.high = tables->high,
                                   .wide = tables->wide,
                                   .columns = columns,
                                   .window = tables->window,
                                   .soon_stride = stride};
}

/**
 * Both directions: sums over the neighbours of a unit's sites. Meanwhile the rows that the next
 * unit writes are fetched, and this unit's rows of `soon`: by then they lie in memory, and the
 * gradient of the taps waited for them longer than it computed.
 */
static void convolve(const fcmae_kernels *kernels, const fcmae_site_map *map, int unit,
                     const float *x, int stride, const fcmae_filter *filter, const float *soon,
                     float *out)
{
    int first = 0, last = 0;
    bool together = fcmae_depthwise_unit_rows(map, unit, &first, &last);
    bool next = together && last + last - first <= map->rows;
    const float *soon_read = together && soon ? soon + first * (int64_t)stride : NULL;
    float *soon_written = next ? out + last * (int64_t)stride : NULL;
    if (in_blocks(map)) {
        block_tables tables;
        fcmae_depthwise_block block = locate(map, unit, x, out, stride, stride, &tables);
        block.soon_read = soon_read;
        block.soon_written = soon_written;
        kernels->depthwise_block(&block, filter, tables.own);
        return;
    }
    int sites = map->cell == 2 ? 4 : 1;
    const fcmae_depthwise_cells cells = {.first = first / sites,
                                         .last = last / sites,
                                         .columns = stride,
                                         .neighbours = &map->neighbours,
                                         .x = x,
                                         .stride = stride,
                                         .soon_read = soon_read,
                                         .soon_written = soon_written};
    (map->cell == 2 ? kernels->depthwise_quads : kernels->depthwise_list)(&cells, filter, out);
}

void fcmae_depthwise_forward(const fcmae_kernels *kernels, const fcmae_site_map *map, int unit,
                             const float *x, int stride, const float *taps, const float *bias,
                             float *y)
{
    const fcmae_filter filter = {.taps = taps, .stride = stride, .bias = bias};
    convolve(kernels, map, unit, x, stride, &filter, NULL, y);
}

void fcmae_depthwise_backward_data(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   int unit, const float *dy, int stride, const float *taps,
                                   const float *soon, float *dx)
{
    const fcmae_filter flipped = {.taps = taps + (FCMAE_KERNEL_TAPS - 1) * (int64_t)stride,
                                  .stride = -stride};
    convolve(kernels, map, unit, dy, stride, &flipped, soon, dx);
}

void fcmae_depthwise_backward_taps(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   const float *x, const float *dy, int stride, int first,
                                   int columns, float *dtaps)
{
    x += first;
    dy += first;
    dtaps += first;
    for (int unit = 0; in_blocks(map) && unit < fcmae_depthwise_units(map); unit++) {
        block_tables tables;
        fcmae_depthwise_block block = locate(map, unit, x, (float *)dy /* read only */, stride,
                                             columns, &tables);
        kernels->depthwise_block_taps(&block, (const float *const *)tables.own, dtaps, stride);
    }
    if (in_blocks(map)) return;
    (map->cell == 2 ? kernels->depthwise_quad_taps : kernels->depthwise_list_taps)(
        &map->pairs, columns, x, dy, stride, dtaps, stride);
}
