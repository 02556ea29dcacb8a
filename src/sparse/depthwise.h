/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Submanifold depthwise 7x7 convolution over the sites of a map (ConvNeXt V2, sparse encoder).
 *
 *   y[s,c] = bias[c] + sum_k x[neighbour(s,k), c] * taps[k,c]        (docs/equations.md)
 *
 * k = ky * 7 + kx, centred, cross-correlation as in PyTorch; output sites = input sites; a removed
 * neighbour counts as zero and the sum is not renormalised. With every site active this is the
 * dense convolution with padding 3.
 *
 * x, y, gradients: [rows, stride] floats, stride a multiple of 16, padding zero. taps: [49,
 * stride]. Work is divided into units (a cell, a run of rows, or a rectangle of a complete grid)
 * that write their own rows only, so any number of threads may share it. No two arguments may
 * alias.
 */
#ifndef FCMAE_SPARSE_DEPTHWISE_H
#define FCMAE_SPARSE_DEPTHWISE_H

#include "core/kernels.h"
#include "sparse/site_map.h"

/** Number of units of a map. */
int fcmae_depthwise_units(const fcmae_site_map *map);
/** Rows [*first, *last) of a unit; false on a complete grid, where they stand apart. */
bool fcmae_depthwise_unit_rows(const fcmae_site_map *map, int unit, int *first, int *last);

/** Forward at the rows of one unit. */
void fcmae_depthwise_forward(const fcmae_kernels *kernels, const fcmae_site_map *map, int unit,
                             const float *x, int stride, const float *taps, const float *bias,
                             float *y);
/** dx[s] += sum_k dy[neighbour(s, k)] * taps[48 - k] at the rows of one unit. ACCUMULATES.
 *  soon: rows like x that the caller reads next, fetched meanwhile; or NULL. */
void fcmae_depthwise_backward_data(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   int unit, const float *dy, int stride, const float *taps,
                                   const float *soon, float *dx);
/** dtaps[k,c] += sum_s x[neighbour(s,k), c] * dy[s,c] for columns [first, first + columns). */
void fcmae_depthwise_backward_taps(const fcmae_kernels *kernels, const fcmae_site_map *map,
                                   const float *x, const float *dy, int stride, int first,
                                   int columns, float *dtaps);

#endif
