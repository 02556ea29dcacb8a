/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/sparse.h. */
#ifndef FCMAE_SPARSE_SITES_H
#define FCMAE_SPARSE_SITES_H

#include "fcmae/sparse.h"
#include "sparse/site_map.h"

struct fcmae_sites {
    fcmae_site_map map;
    int32_t *children; /**< [rows][4] rows of the fine map; NULL: made from a mask */
    int fine_rows;
    int threads;
    const fcmae_kernels *kernels;
    fcmae_arena arena;
};

#endif
