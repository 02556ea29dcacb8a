/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Masks: which cells of an image are removed in pretraining.
 *
 * A cell is a patch of fcmae_config_patch() pixels a side. The number of visible cells is exact:
 * int(cells * (1 - ratio)), as in the official code. The unit in which cells are removed together
 * is free (Long-sequence MAE, arXiv 2210.07224): a coarse grid of units is permuted, units are
 * expanded to their cells, cells outside the grid dropped and the first `visible` cells kept, so
 * that one unit may be split. Nothing is allocated.
 */
#ifndef FCMAE_MASK_H
#define FCMAE_MASK_H

#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Cells of the largest mask: pictures of 8192 x 8192 pixels for the published networks. */
#define FCMAE_MASK_MAX_CELLS 65536

/** Share of removed cells in the paper: the default of options of that name. */
#define FCMAE_MASK_RATIO "0.6"

/** Visible cells of a mask: floor(cells * (1 - ratio)), clamped to
 *  [1, cells - 1] (1 if cells = 1). */
FCMAE_API int fcmae_mask_visible(int cells, double ratio);

/** What the masks of a run have in common. */
typedef struct fcmae_mask_shape {
    uint64_t seed; /**< of the draws; any value */
    int height;    /**< cells, at least 1 */
    int width;     /**< cells, at least 1; height * width <= FCMAE_MASK_MAX_CELLS */
    int unit;      /**< side of a unit in cells, at least 1: every cell by itself; it may be larger
                        than the grid */
    int visible;   /**< cells kept by each mask, 1 .. height * width; from fcmae_mask_visible() */
    int views;     /**< masks of each image, at least 1 */
} fcmae_mask_shape;

/**
 * The masks of one image, a function of the arguments alone. The views take consecutive slices of
 * one permutation: their visible cells are disjoint as long as views * visible <= height * width.
 * @param shape         borrowed for the call
 * @param epoch, index  which image of the run: the same pair gives the same masks
 * @param removed       [out] [views, height * width]: 1 = removed, 0 = visible
 * @return FCMAE_ERR_ARGUMENT: a member outside its range; nothing is written then.
 */
FCMAE_API fcmae_status fcmae_mask_generate(const fcmae_mask_shape *shape, uint32_t epoch,
                                           uint64_t index, uint8_t *removed, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
