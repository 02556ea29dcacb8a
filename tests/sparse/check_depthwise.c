/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Checks of the depthwise kernels, each at the maps whose sites go its way: blocks (cells of 8x8
 * and 4x4 sites, complete grids), quads (cells of 2x2) and lists (anything else).
 */
#include <check.h>
#include <stdlib.h>

#include "sparse/convolution.h"
#include "sparse/map_support.h"
#include "support/kernel_checks.h"

/* What is done with a map. */
typedef struct visit {
    const fcmae_kernels *kernels;
    convolution_part part;
} visit;

static void visit_map(visit v, owned_map owned, int channels, uint64_t stream)
{
    check_convolution(v.kernels, &owned.map, channels, stream, v.part);
    release_map(&owned);
}

/* Corners, a lone cell, all, none; the second image differs. */
static void visit_cells(visit v, int cell)
{
    static const uint8_t removed[][12] = {
        {0, 1, 0, 1, 1, 0, /**/ 1, 1, 1, 1, 0, 1},
        {0, 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0, 0},
        {1, 1, 1, 1, 1, 1, /**/ 1, 1, 1, 1, 1, 0},
        {1, 1, 1, 1, 1, 1, /**/ 1, 1, 1, 1, 1, 1},
    };
    for (int i = 0; i < 4; i++)
        visit_map(v, map_of_cells(2, 2 * cell, 3 * cell, cell, removed[i]), cell == 8 ? 24 : 40,
                  (uint64_t)i);
}

/* Cells that neighbour each other at random, around the width of vectors. */
static void visit_random_cells(visit v, int cell)
{
    static const int channels[] = {16, 40, 80, 128, 512};
    fcmae_random random = test_random(4);
    for (int i = 0; i < 8; i++) {
        int images = 1 + i % 2, rows = 1 + (int)fcmae_random_below(&random, cell == 8 ? 4 : 8);
        int columns = 1 + (int)fcmae_random_below(&random, cell == 8 ? 4 : 8);
        uint8_t *removed = random_active(&random, images * rows * columns, 0.2 + i % 4 * 0.2);
        visit_map(v, map_of_cells(images, rows * cell, columns * cell, cell, removed),
                  cell == 8 && i > 1 ? 48 : channels[i % 5], (uint64_t)i);
        free(removed);
    }
}

/* Complete grids around the size of a block: whole, one more, several, longer than wide. */
static void visit_grids(visit v)
{
    static const int sizes[][2] = {{1, 1}, {1, 8}, {2, 3}, {3, 2}, {5, 5},   {4, 6},
                                   {7, 7}, {8, 8}, {9, 9}, {9, 2}, {12, 12}, {6, 17}};
    static const int channels[] = {16, 48, 80, 512};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        int height = sizes[i][0], width = sizes[i][1], images = 1 + (int)i % 2;
        uint8_t *removed = calloc((size_t)(images * height * width), 1);
        owned_map owned = map_of_cells(images, height, width, 1, removed);
        ck_assert(owned.map.grid);
        visit_map(v, owned, channels[i % 4], i);
        free(removed);
    }
}

/* Strides that crowd a cache are copied in part, up to a number of rows: both sides of it. */
static void visit_crowded_quads(visit v)
{
    static const int channels[] = {128, 256};
    fcmae_random random = test_random(5);
    for (int i = 0; i < 2; i++) {
        int images = 1 + 2 * i;
        uint8_t *removed = random_active(&random, images * 64, 0.1);
        owned_map owned = map_of_cells(images, 16, 16, 2, removed);
        ck_assert(i ? owned.map.rows > 512 : owned.map.rows < 256);
        visit_map(v, owned, channels[i], (uint64_t)i);
        free(removed);
    }
}

static void visit_pictures(visit v)
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
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t c = 0; c < COUNT(channels); c++) {
            int sites = cases[i].height * cases[i].width;
            uint8_t *active = picture_active(cases[i].picture, sites);
            visit_map(v, map_of_mask(1, cases[i].height, cases[i].width, active), channels[c],
                      i * 10 + c);
            free(active);
        }
}

static void visit_random_masks(visit v)
{
    fcmae_random random = test_random(3);
    for (int i = 0; i < 24; i++) {
        int images = 1 + i % 3, height = 1 + (int)fcmae_random_below(&random, 9);
        int width = 1 + (int)fcmae_random_below(&random, 9);
        uint8_t *active = random_active(&random, images * height * width, i % 5 / 4.);
        visit_map(v, map_of_mask(images, height, width, active), 8 * (1 + i % 5), (uint64_t)i);
        free(active);
    }
}

static void visit_decoder_rows(visit v)
{
    static const uint8_t removed[12] = {1, 0, 1, 0, 0, 1, /**/ 0, 1, 0, 0, 0, 0};
    const uint8_t *const of_image[] = {removed, removed + 6};
    owned_map owned = reserve_map(2, 2, 3, 12, 0);
    fcmae_site_map_decoder(&owned.map, 2, of_image, false);
    visit_map(v, owned, 32, 1);
}

static void visit_blocks(visit v)
{
    for (int cell = 4; cell <= 8; cell *= 2) {
        visit_cells(v, cell);
        visit_random_cells(v, cell);
    }
    visit_grids(v);
}

static void visit_quads(visit v)
{
    visit_cells(v, 2);
    visit_random_cells(v, 2);
    visit_crowded_quads(v);
}

static void visit_lists(visit v)
{
    visit_cells(v, 1);
    visit_random_cells(v, 1);
    visit_pictures(v);
    visit_random_masks(v);
    visit_decoder_rows(v);
}

void check_kernel_depthwise_block(const fcmae_kernels *kernels)
{
    visit_blocks((visit){kernels, CONVOLUTION_ROWS});
}

void check_kernel_depthwise_block_taps(const fcmae_kernels *kernels)
{
    visit_blocks((visit){kernels, CONVOLUTION_TAPS});
}

void check_kernel_depthwise_quads(const fcmae_kernels *kernels)
{
    visit_quads((visit){kernels, CONVOLUTION_ROWS});
}

void check_kernel_depthwise_quad_taps(const fcmae_kernels *kernels)
{
    visit_quads((visit){kernels, CONVOLUTION_TAPS});
}

void check_kernel_depthwise_list(const fcmae_kernels *kernels)
{
    visit_lists((visit){kernels, CONVOLUTION_ROWS});
}

void check_kernel_depthwise_list_taps(const fcmae_kernels *kernels)
{
    visit_lists((visit){kernels, CONVOLUTION_TAPS});
}
