/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Site maps: which sites of a grid are active, in which order their rows stand, who neighbours
 * whom.
 *
 * A map covers one or several images of equal size. It is derived from masks before any arithmetic
 * and every layer of a stage borrows it. Features are packed rows [rows, stride]; visibility comes
 * from the map, never from values. A dense image is the same thing with every site active.
 *
 * Orders: from_cells (encoder): image, then visible cell in row-major order, then Z-order inside
 * the cell. from_mask, coarsen (any active set): image, then row-major. decoder: removed sites of
 * every image first (the *live* rows, the only ones the loss reads), then the visible ones in
 * encoder order.
 */
#ifndef FCMAE_SPARSE_SITE_MAP_H
#define FCMAE_SPARSE_SITE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kernels.h"
#include "core/memory.h"
#include "core/status.h"

#define FCMAE_KERNEL_SIDE 7
#define FCMAE_KERNEL_TAPS 49
/** Rows of one segment at most: its [rows][80] panels of value and slope stay in a 32 KiB L1. */
#define FCMAE_SEGMENT_ROWS 40

typedef struct fcmae_site_map {
    int images, height, width; /**< grid of sites per image                                     */
    int rows;                  /**< active sites of all images                                  */
    int live;                  /**< leading rows whose block output is wanted; normally = rows   */
    int removed;               /**< decoder maps: leading rows that are removed cells             */
    int cell;                  /**< side of the fully active, Z-ordered cells; 0: no such order   */

    int32_t *image, *position; /**< [rows] image, y * width + x                                  */
    int32_t *row_of;           /**< [images * height * width] row, or -1 where removed            */

    bool grid; /**< every site active, cells below 4x4: everyone is there, no lists        */
    fcmae_neighbours neighbours; /**< cells (or single sites) in reach of each other             */
    fcmae_pairs pairs;           /**< the same by place                                          */

    int segments, live_segments; /**< runs of at most FCMAE_SEGMENT_ROWS rows of one image        */
    int32_t *segment_begin, *segment_image; /**< [segments + 1], [segments]                       */
    int blocks, live_blocks; /**< runs of segments, together about FCMAE_SEGMENT_ROWS rows        */
    int32_t *block_segment;  /**< [blocks + 1] */

    int capacity_images, capacity_rows;
    bool complete; /**< the last build was fcmae_site_map_from_cells() with every cell visible */
} fcmae_site_map;

/**
 * Takes room for `rows` rows in `images` images from the arena (or measures it).
 * @param cell  side of a mask cell in sites for maps built from cells; 0 for arbitrary masks
 */
void fcmae_site_map_reserve(fcmae_site_map *map, fcmae_arena *arena, int images, int height,
                            int width, int rows, int cell);

/**
 * Encoder map. removed: [images][cells] 1 = removed, or NULL: everything visible. Cells are
 * `cell` sites wide, cell in {1, 2, 4, 8}. Repeating a complete map costs nothing.
 */
void fcmae_site_map_from_cells(fcmae_site_map *map, int images, const uint8_t *const *removed);

/** Map of an arbitrary active set; active: [images * height * width] nonzero = active. */
void fcmae_site_map_from_mask(fcmae_site_map *map, int images, const uint8_t *active);

/** Decoder map over complete grids of cells; all_live: every row is wanted (full prediction). */
void fcmae_site_map_decoder(fcmae_site_map *map, int images, const uint8_t *const *removed,
                            bool all_live);

/** Rows of the map that fcmae_site_map_coarsen() makes of `fine`. */
int fcmae_site_map_coarse_rows(const fcmae_site_map *fine);

/**
 * Map of the next stage over any active set: a site is active if one of its four children is.
 * Reserved with (height + 1) / 2 x (width + 1) / 2 sites and cell 0; rows by image, then row-major.
 * Of an odd side the last children are missing.
 * @param children  [out] [rows][4] rows of `fine`, child k at (2 y + k / 2, 2 x + k % 2); -1:
 * missing
 */
void fcmae_site_map_coarsen(fcmae_site_map *map, const fcmae_site_map *fine, int32_t *children);

#endif
