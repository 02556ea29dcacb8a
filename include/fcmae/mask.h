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

/** Visible cells of a mask: floor(cells * (1 - ratio)), clamped to
 *  [1, cells - 1] (1 if cells = 1). */
FCMAE_API int fcmae_mask_visible(int cells, double ratio);

/**
 * `views` masks of one image, a function of the arguments alone. The views take consecutive slices
 * of one permutation: their visible cells are disjoint as long as views * visible <= height *
 * width.
 * @param epoch, index  which image of the run: the same pair gives the same masks
 * @param height, width  cells
 * @param unit          side of a unit in cells; 1: every cell by itself
 * @param visible       cells kept, from fcmae_mask_visible()
 * @param removed       [out] [views, height * width]: 1 = removed, 0 = visible
 * @return FCMAE_ERR_ARGUMENT: a number below 1, visible > cells, cells > FCMAE_MASK_MAX_CELLS.
 */
FCMAE_API fcmae_status fcmae_mask_generate(uint64_t seed, uint32_t epoch, uint64_t index,
                                           int height, int width, int unit, int visible, int views,
                                           uint8_t *removed, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
