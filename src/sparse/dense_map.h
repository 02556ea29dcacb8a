/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Packed rows to dense maps and back: the two are each other's adjoint.
 *
 * rows: [map->rows][stride]; dense: [images, height, width, channels] or [images, channels, height,
 * width] without padding. Inactive sites of a dense map are written as zeros and never read.
 */
#ifndef FCMAE_SPARSE_DENSE_MAP_H
#define FCMAE_SPARSE_DENSE_MAP_H

#include "fcmae/sparse.h"
#include "sparse/site_map.h"

/** Overwrites every value of `dense`. */
void fcmae_scatter(const fcmae_site_map *map, const float *rows, int channels, int64_t stride,
                   fcmae_dense_layout layout, float *dense);
/** Overwrites the first `channels` columns of every row; padding is left alone. */
void fcmae_gather(const fcmae_site_map *map, const float *dense, fcmae_dense_layout layout,
                  int channels, int64_t stride, float *rows);

#endif
