/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Z-order (Morton order) inside a mask cell: x in the low bit. The four children of a site of the
 * next stage are then four adjacent rows, so 2x2 downsampling reads memory in place.
 */
#ifndef FCMAE_SPARSE_Z_ORDER_H
#define FCMAE_SPARSE_Z_ORDER_H

/** Rank of (y, x) in an 8x8 cell; the 4x4, 2x2 and 1x1 tables are its upper left corners. */
static const unsigned char fcmae_z_order[8][8] = {
    {0, 1, 4, 5, 16, 17, 20, 21},     {2, 3, 6, 7, 18, 19, 22, 23},
    {8, 9, 12, 13, 24, 25, 28, 29},   {10, 11, 14, 15, 26, 27, 30, 31},
    {32, 33, 36, 37, 48, 49, 52, 53}, {34, 35, 38, 39, 50, 51, 54, 55},
    {40, 41, 44, 45, 56, 57, 60, 61}, {42, 43, 46, 47, 58, 59, 62, 63}};

#endif
