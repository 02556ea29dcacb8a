/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Mask generation: which cells of an image are removed.
 *
 * The number of visible cells is exact: int(cells * (1 - ratio)), the official floor rule, at least
 * one visible and one removed. The mask unit is decoupled from the cell (long-sequence MAE, arXiv
 * 2210.07224): a coarse grid of ceil(height / unit) x ceil(width / unit) units is permuted, each
 * unit is expanded to its cells in order, cells outside the grid are dropped, and the first
 * `visible` cells are kept (so one unit may be split).
 */
#ifndef FCMAE_SPARSE_MASK_H
#define FCMAE_SPARSE_MASK_H

#include <stdint.h>

#include "core/random.h"
#include "fcmae/mask.h"

/**
 * `views` masks of one image: removed[view][cell], 1 = removed, 0 = visible.
 * The views take consecutive slices of one permutation, so their visible cells are disjoint as long
 * as views * visible <= cells; after that a new permutation of the same stream is begun.
 * @param random  stream of (seed, FCMAE_RANDOM_MASK, epoch, sample); advanced
 * @param order   scratch, at least 2 * height * width values
 */
void fcmae_mask_draw(fcmae_random *random, int height, int width, int unit, int visible, int views,
                     int64_t *order, uint8_t *removed);

#endif
