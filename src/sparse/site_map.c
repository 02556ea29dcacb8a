/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Builds maps by listing sites in row order, then deriving everything else from the list. A dense
 * table position -> row replaces hashing: grids are small. Costs about 5 us per image at 224 px.
 */
#include "sparse/site_map.h"

#include <string.h>

#include "sparse/z_order.h"

#define RADIUS (FCMAE_KERNEL_SIDE / 2)

/** Side of what neighbours are listed for: cells, or single sites where there are none. */
static int cell_side(const fcmae_site_map *map)
{
    return map->cell > 1 ? map->cell : 1;
}

static int cell_sites(const fcmae_site_map *map)
{
    return cell_side(map) * cell_side(map);
}

/** Side of the square of cells that the kernel reaches from one: 3, 5 or 7. */
static int places_side(const fcmae_site_map *map)
{
    return 2 * ((RADIUS + cell_side(map) - 1) / cell_side(map)) + 1;
}

void fcmae_site_map_reserve(fcmae_site_map *map, fcmae_arena *arena, int images, int height,
                            int width, int rows, int cell)
{
    memset(map, 0, sizeof *map);
    map->height = height;
    map->width = width;
    map->cell = cell;
    map->capacity_images = images;
    map->capacity_rows = rows;
    size_t n = (size_t)rows, segments = n / FCMAE_SEGMENT_ROWS + 2 * (size_t)images + 2;
    map->image = fcmae_arena_take(arena, n, sizeof(int32_t));
    map->position = fcmae_arena_take(arena, n, sizeof(int32_t));
    map->row_of = fcmae_arena_take(arena, (size_t)images * (size_t)height * (size_t)width,
                                   sizeof(int32_t));
    size_t cells = n / (size_t)cell_sites(map), places = (size_t)places_side(map);
    size_t entries = cells * places * places;
    map->neighbours.start = fcmae_arena_take(arena, cells + 1, sizeof(int32_t));
    map->neighbours.row = fcmae_arena_take(arena, entries, sizeof(int32_t));
    map->neighbours.place = fcmae_arena_take(arena, entries, sizeof(uint8_t));
    map->pairs.cell = fcmae_arena_take(arena, entries, sizeof(int32_t));
    map->pairs.other = fcmae_arena_take(arena, entries, sizeof(int32_t));
    map->segment_begin = fcmae_arena_take(arena, 2 * segments + 1, sizeof(int32_t));
    map->segment_image = fcmae_arena_take(arena, 2 * segments, sizeof(int32_t));
    map->block_segment = fcmae_arena_take(arena, 2 * segments + 1, sizeof(int32_t));
}

static void clear(fcmae_site_map *map, int images)
{
    map->images = images;
    map->rows = map->live = map->removed = 0;
    map->complete = false;
    memset(map->row_of, -1, (size_t)images * (size_t)(map->height * map->width) * sizeof(int32_t));
}

static void add_site(fcmae_site_map *map, int image, int position)
{
    int row = map->rows++;
    map->image[row] = image;
    map->position[row] = position;
    map->row_of[image * map->height * map->width + position] = row;
}

/** Row of the site (y, x) of an image, -1 if removed or outside. */
static int row_at(const fcmae_site_map *map, int image, int y, int x)
{
    if (y < 0 || y >= map->height || x < 0 || x >= map->width) return -1;
    return map->row_of[(image * map->height + y) * map->width + x];
}

/** Lists for each cell the cells in reach, and counts them by place. */
static void list_neighbours(fcmae_site_map *map, int *per_place)
{
    int32_t *start = (int32_t *)map->neighbours.start, *row = (int32_t *)map->neighbours.row;
    uint8_t *place = (uint8_t *)map->neighbours.place;
    int count = 0, side = cell_side(map), sites = cell_sites(map);
    int places = places_side(map), reach = places / 2 * side;
    for (int cell = 0; cell * sites < map->rows; cell++) {
        int image = map->image[cell * sites], position = map->position[cell * sites];
        int top = position / map->width - reach, left = position % map->width - reach;
        start[cell] = count;
        for (int y = 0; y < places; y++)
            for (int x = 0; x < places; x++) {
                int neighbour = row_at(map, image, top + y * side, left + x * side);
                if (neighbour < 0) continue;
                row[count] = neighbour;
                place[count++] = (uint8_t)(y * places + x);
                per_place[y * places + x]++;
            }
    }
    start[map->rows / sites] = count;
}

static void build_neighbours(fcmae_site_map *map)
{
    int sites = cell_sites(map), places = places_side(map) * places_side(map);
    int next[FCMAE_KERNEL_TAPS], per_place[FCMAE_KERNEL_TAPS] = {0};
    int32_t *first = (int32_t *)map->pairs.cell, *other = (int32_t *)map->pairs.other;
    list_neighbours(map, per_place);
    map->pairs.rows = map->rows;
    map->pairs.start[0] = 0;
    for (int p = 0; p < places; p++) {
        next[p] = map->pairs.start[p];
        map->pairs.start[p + 1] = next[p] + per_place[p];
    }
    const fcmae_neighbours *n = &map->neighbours;
    for (int cell = 0; cell * sites < map->rows; cell++)
        for (int e = n->start[cell]; e < n->start[cell + 1]; e++) {
            int slot = next[n->place[e]]++;
            first[slot] = cell * sites;
            other[slot] = n->row[e];
        }
}

/** Cuts rows first..last-1 at image borders and into nearly equal segments. */
static void cut_segments(fcmae_site_map *map, int first, int last)
{
    for (int begin = first; begin < last;) {
        int end = begin;
        while (end < last && map->image[end] == map->image[begin]) end++;
        int rows = end - begin, pieces = (rows + FCMAE_SEGMENT_ROWS - 1) / FCMAE_SEGMENT_ROWS;
        for (int i = 0; i < pieces; i++) {
            map->segment_begin[map->segments] = begin + (int)((int64_t)rows * i / pieces);
            map->segment_image[map->segments++] = map->image[begin];
        }
        begin = end;
    }
    map->segment_begin[map->segments] = last;
}

/** Joins segments first..last-1 into blocks of about FCMAE_SEGMENT_ROWS rows. */
static void join_blocks(fcmae_site_map *map, int first, int last)
{
    for (int segment = first; segment < last;) {
        int end = segment + 1;
        while (end < last &&
               map->segment_begin[end + 1] - map->segment_begin[segment] <= FCMAE_SEGMENT_ROWS)
            end++;
        map->block_segment[map->blocks++] = segment;
        segment = end;
    }
    map->block_segment[map->blocks] = last;
}

static void finish(fcmae_site_map *map)
{
    map->grid = map->cell < 4 && map->rows == map->images * map->height * map->width;
    if (!map->grid) build_neighbours(map);
    map->segments = map->blocks = 0;
    cut_segments(map, 0, map->live);
    map->live_segments = map->segments;
    cut_segments(map, map->live, map->rows);
    join_blocks(map, 0, map->live_segments);
    map->live_blocks = map->blocks;
    join_blocks(map, map->live_segments, map->segments);
}

void fcmae_site_map_from_cells(fcmae_site_map *map, int images, const uint8_t *const *removed)
{
    if (!removed && map->complete && map->images == images) return;
    clear(map, images);
    int side = map->cell, cells_wide = map->width / side, cells = map->height / side * cells_wide;
    for (int image = 0; image < images; image++)
        for (int cell = 0; cell < cells; cell++) {
            if (removed && removed[image][cell]) continue;
            int corner = cell / cells_wide * side * map->width + cell % cells_wide * side;
            int place[64]; /* Z-order rank -> offset from the corner */
            for (int y = 0; y < side; y++)
                for (int x = 0; x < side; x++) place[fcmae_z_order[y][x]] = y * map->width + x;
            for (int i = 0; i < side * side; i++) add_site(map, image, corner + place[i]);
        }
    map->live = map->rows;
    finish(map);
    map->complete = !removed;
}

void fcmae_site_map_from_mask(fcmae_site_map *map, int images, const uint8_t *active)
{
    clear(map, images);
    int sites = map->height * map->width;
    for (int image = 0; image < images; image++)
        for (int position = 0; position < sites; position++)
            if (active[image * sites + position]) add_site(map, image, position);
    map->live = map->rows;
    finish(map);
}

void fcmae_site_map_decoder(fcmae_site_map *map, int images, const uint8_t *const *removed,
                            bool all_live)
{
    clear(map, images);
    int sites = map->height * map->width;
    for (int wanted = 1; wanted >= 0; wanted--) {
        for (int image = 0; image < images; image++)
            for (int position = 0; position < sites; position++)
                if ((removed ? removed[image][position] != 0 : 0) == wanted)
                    add_site(map, image, position);
        if (wanted) map->live = map->removed = map->rows;
    }
    if (all_live) map->live = map->rows;
    finish(map);
}

/** Rows of the four children of a site of the next grid; false if none is active. */
static bool find_children(const fcmae_site_map *fine, int image, int y, int x, int32_t *child)
{
    bool any = false;
    for (int k = 0; k < 4; k++) {
        child[k] = row_at(fine, image, 2 * y + k / 2, 2 * x + k % 2);
        any = any || child[k] >= 0;
    }
    return any;
}

int fcmae_site_map_coarse_rows(const fcmae_site_map *fine)
{
    int rows = 0;
    int32_t child[4];
    for (int image = 0; image < fine->images; image++)
        for (int y = 0; y < (fine->height + 1) / 2; y++)
            for (int x = 0; x < (fine->width + 1) / 2; x++)
                rows += find_children(fine, image, y, x, child);
    return rows;
}

void fcmae_site_map_coarsen(fcmae_site_map *map, const fcmae_site_map *fine, int32_t *children)
{
    int32_t child[4];
    clear(map, fine->images);
    for (int image = 0; image < fine->images; image++)
        for (int y = 0; y < map->height; y++)
            for (int x = 0; x < map->width; x++) {
                if (!find_children(fine, image, y, x, child)) continue;
                memcpy(children + 4 * (int64_t)map->rows, child, sizeof child);
                add_site(map, image, y * map->width + x);
            }
    map->live = map->rows;
    finish(map);
}
