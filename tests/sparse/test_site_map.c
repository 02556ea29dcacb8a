/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Site maps of masks drawn as pictures and at random, and the masks themselves. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/map_support.h"
#include "support/suite.h"

/* Everything that must hold for any map: rows, neighbours by brute force, segments. */
static void check_rows(const fcmae_site_map *map)
{
    int sites = map->height * map->width;
    for (int row = 0; row < map->rows; row++)
        ck_assert_int_eq(map->row_of[map->image[row] * sites + map->position[row]], row);
    int present = 0;
    for (int i = 0; i < map->images * sites; i++) present += map->row_of[i] >= 0;
    ck_assert_int_eq(present, map->rows);
}

/* Row of the site (dy, dx) away from that of `row`, -1 if there is none. */
static int row_beside(const fcmae_site_map *map, int row, int dy, int dx)
{
    int y = map->position[row] / map->width + dy, x = map->position[row] % map->width + dx;
    if (y < 0 || y >= map->height || x < 0 || x >= map->width) return -1;
    return map->row_of[(map->image[row] * map->height + y) * map->width + x];
}

/* The lists of cells: whoever is there and no one else, the same by place, mutual. */
static void check_neighbours(const fcmae_site_map *map)
{
    const fcmae_neighbours *n = &map->neighbours;
    int cell = map->cell > 1 ? map->cell : 1, sites = cell * cell, entries = 0;
    int reach = cell >= 4 ? 1 : cell == 2 ? 2 : 3, side = 2 * reach + 1;
    for (int row = 0; row < map->rows; row += sites) {
        int e = n->start[row / sites];
        for (int place = 0; place < side * side; place++) {
            int other = row_beside(map, row, (place / side - reach) * cell,
                                   (place % side - reach) * cell);
            if (other < 0) continue;
            ck_assert_int_eq(other % sites, 0);
            if (n->row[e] != other || n->place[e] != place)
                ck_abort_msg("row %d place %d: neighbour %d, map says %d", row, place, other,
                             n->row[e]);
            e++;
        }
        ck_assert_int_eq(e, n->start[row / sites + 1]);
        entries = e;
    }
    ck_assert_int_eq(map->pairs.start[side * side], entries);
    for (int place = 0; place < side * side; place++)
        for (int i = map->pairs.start[place]; i < map->pairs.start[place + 1]; i++)
            if (row_beside(map, map->pairs.cell[i], (place / side - reach) * cell,
                           (place % side - reach) * cell) != map->pairs.other[i])
                ck_abort_msg("place %d: pair (%d, %d)", place, map->pairs.cell[i],
                             map->pairs.other[i]);
}

static void check_segments(const fcmae_site_map *map)
{
    int seen = 0;
    for (int s = 0; s < map->segments; s++) {
        int begin = map->segment_begin[s], end = map->segment_begin[s + 1];
        ck_assert_int_eq(begin, seen);
        ck_assert_int_gt(end, begin);
        ck_assert_int_le(end - begin, FCMAE_SEGMENT_ROWS);
        for (int row = begin; row < end; row++)
            ck_assert_int_eq(map->image[row], map->segment_image[s]);
        seen = end;
    }
    ck_assert_int_eq(seen, map->rows);
    ck_assert_int_eq(map->segment_begin[map->live_segments], map->live);
    for (int b = 0; b < map->blocks; b++) {
        int first = map->block_segment[b], last = map->block_segment[b + 1];
        ck_assert_int_gt(last, first);
        ck_assert(last == first + 1 ||
                  map->segment_begin[last] - map->segment_begin[first] <= FCMAE_SEGMENT_ROWS);
    }
    if (map->rows) {
        ck_assert_int_eq(map->block_segment[0], 0);
        ck_assert_int_eq(map->block_segment[map->blocks], map->segments);
        ck_assert_int_eq(map->block_segment[map->live_blocks], map->live_segments);
    }
}

static void check_map(const fcmae_site_map *map)
{
    check_rows(map);
    if (map->cell < 4 && map->rows == map->images * map->height * map->width)
        ck_assert(map->grid); /* has no lists */
    else
        check_neighbours(map);
    check_segments(map);
}

START_TEST(map_of_a_picture)
{
    uint8_t *active = picture_active("#..#"
                                     ".##."
                                     "...."
                                     /* second image */
                                     "...."
                                     "#..."
                                     "...#",
                                     24);
    owned_map owned = map_of_mask(2, 3, 4, active);
    const int32_t image[] = {0, 0, 0, 0, 1, 1}, position[] = {0, 3, 5, 6, 4, 11};
    ck_assert_int_eq(owned.map.rows, 6);
    ck_assert_mem_eq(owned.map.image, image, sizeof image);
    ck_assert_mem_eq(owned.map.position, position, sizeof position);
    ck_assert_int_eq(owned.map.row_of[5], 2);
    ck_assert_int_eq(owned.map.row_of[1], -1);
    ck_assert_int_eq(owned.map.row_of[12 + 11], 5);
    /* row 1 at (0, 3): itself, (1, 1), (1, 2) and (0, 0) lie within three steps */
    ck_assert_int_eq(owned.map.neighbours.start[2] - owned.map.neighbours.start[1], 4);
    check_map(&owned.map);
    release_map(&owned);
    free(active);
}
END_TEST

START_TEST(maps_of_random_masks)
{
    fcmae_random random = test_random(1);
    for (int i = 0; i < 60; i++) {
        int images = 1 + i % 3, height = 1 + (int)fcmae_random_below(&random, 13);
        int width = 1 + (int)fcmae_random_below(&random, 13), sites = images * height * width;
        double density = i % 6 == 0 ? 0 : i % 6 == 1 ? 1 : fcmae_random_uniform(&random);
        uint8_t *active = random_active(&random, sites, density);
        owned_map owned = map_of_mask(images, height, width, active);
        for (int k = 0; k < sites; k++)
            ck_assert((owned.map.row_of[k] >= 0) == (active[k] != 0)); /* sites out = sites in */
        ck_assert_int_eq(owned.map.live, owned.map.rows);
        check_map(&owned.map);
        release_map(&owned);
        free(active);
    }
}
END_TEST

START_TEST(maps_of_cells)
{
    fcmae_random random = test_random(2);
    for (int cell = 1; cell <= 8; cell *= 2)
        for (int i = 0; i < 6; i++) {
            int images = 1 + i % 3, rows = 1 + i % 4, columns = 3 - i % 2;
            uint8_t *removed = random_active(&random, images * rows * columns, 0.2 * i);
            owned_map owned = map_of_cells(images, rows * cell, columns * cell, cell, removed);
            const fcmae_site_map *map = &owned.map;
            for (int k = 0; k < map->images * map->height * map->width; k++) {
                int y = k / map->width % map->height / cell, x = k % map->width / cell;
                int at = k / (map->height * map->width) * rows * columns + y * columns + x;
                ck_assert((map->row_of[k] >= 0) == !removed[at]);
            }
            check_map(map);
            for (int row = 0; row + 3 < map->rows && cell > 1; row += 4)
                for (int child = 0; child < 4; child++) { /* 2x2 children are adjacent rows */
                    int p = map->position[row], q = map->position[row + child];
                    ck_assert_int_eq(q - p, child / 2 * map->width + child % 2);
                    ck_assert(p / map->width % 2 == 0 && p % map->width % 2 == 0);
                }
            release_map(&owned);
            free(removed);
        }
}
END_TEST

/* A stage's rows are four times the next stage's, in the same order. */
START_TEST(stages_line_up)
{
    const uint8_t removed[] = {1, 0, 0, 1, 1, 0, /**/ 0, 1, 1, 1, 0, 1};
    for (int cell = 8; cell > 1; cell /= 2) {
        owned_map fine = map_of_cells(2, 2 * cell, 3 * cell, cell, removed);
        owned_map coarse = map_of_cells(2, cell, 3 * cell / 2, cell / 2, removed);
        ck_assert_int_eq(fine.map.rows, 4 * coarse.map.rows);
        for (int row = 0; row < coarse.map.rows; row++) {
            int p = coarse.map.position[row], q = fine.map.position[4 * row];
            int wide = coarse.map.width;
            ck_assert_int_eq(q, p / wide * 2 * fine.map.width + p % wide * 2);
            ck_assert_int_eq(coarse.map.image[row], fine.map.image[4 * row]);
        }
        release_map(&fine);
        release_map(&coarse);
    }
}
END_TEST

START_TEST(complete_maps_are_kept)
{
    owned_map owned = reserve_map(2, 8, 16, 256, 4);
    fcmae_site_map_from_cells(&owned.map, 2, NULL);
    ck_assert(owned.map.complete);
    check_map(&owned.map);
    fcmae_site_map_from_cells(&owned.map, 1, NULL); /* fewer images: built anew */
    ck_assert_int_eq(owned.map.rows, 128);
    const uint8_t removed[8] = {0, 1, 0, 0, 0, 0, 0, 0}, *const of_image[] = {removed};
    fcmae_site_map_from_cells(&owned.map, 1, of_image);
    ck_assert_int_eq(owned.map.rows, 112);
    fcmae_site_map_from_cells(&owned.map, 2, NULL);
    ck_assert_int_eq(owned.map.rows, 256);
    check_map(&owned.map);
    release_map(&owned);
}
END_TEST

/* Removed cells of all images first, then the visible ones in the encoder's order. */
START_TEST(decoder_map)
{
    const uint8_t removed[] = {1, 0, 1, 0, 0, 1, /**/ 0, 1, 0, 0, 0, 0};
    const uint8_t *const of_image[] = {removed, removed + 6};
    owned_map owned = reserve_map(2, 2, 3, 12, 0);
    fcmae_site_map_decoder(&owned.map, 2, of_image, false);
    const int32_t image[] = {0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1};
    const int32_t position[] = {0, 2, 5, 1, 1, 3, 4, 0, 2, 3, 4, 5};
    ck_assert_int_eq(owned.map.rows, 12);
    ck_assert_int_eq(owned.map.live, 4);
    ck_assert_mem_eq(owned.map.image, image, sizeof image);
    ck_assert_mem_eq(owned.map.position, position, sizeof position);
    check_map(&owned.map);
    fcmae_site_map_decoder(&owned.map, 2, of_image, true);
    ck_assert_int_eq(owned.map.live, 12);
    ck_assert_mem_eq(owned.map.position, position, sizeof position);
    check_map(&owned.map);
    release_map(&owned);
}
END_TEST

/* 544 x 544 sites, the first stage at 2176 pixels: rows times segments go beyond 32 bits. */
START_TEST(large_maps_are_cut)
{
    enum { SIDE = 544, CELL = 8 };
    owned_map owned = reserve_map(1, SIDE, SIDE, SIDE * SIDE, CELL);
    fcmae_site_map_from_cells(&owned.map, 1, NULL);
    ck_assert_int_eq(owned.map.rows, SIDE * SIDE);
    check_segments(&owned.map);
    release_map(&owned);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, map_of_a_picture);
    tcase_add_test(cases, maps_of_random_masks);
    tcase_add_test(cases, maps_of_cells);
    tcase_add_test(cases, stages_line_up);
    tcase_add_test(cases, complete_maps_are_kept);
    tcase_add_test(cases, large_maps_are_cut);
    tcase_add_test(cases, decoder_map);
}

int main(void)
{
    return run_suite("site_map", add_tests);
}
