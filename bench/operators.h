/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The parts of bench_operators, a group of operators each. */
#ifndef BENCH_OPERATORS_H
#define BENCH_OPERATORS_H

#include "operators_support.h"

/** Matrix products; rows beyond `channels` columns are zero. */
void bench_products(const stage_case *stage);
/** Depthwise convolution. */
void bench_depthwise(const stage_case *stage);
/** What streams through memory: GELU, GRN, LayerNorm, packing, AdamW. */
void bench_streams(const stage_case *stage);
/** The same products by OpenBLAS. */
void bench_blas(const stage_case *stage);

#endif
