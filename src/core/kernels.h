/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The kernel table: every inner loop of the project, one copy per instruction set. kernel_list.h
 * states the kernels; here are the types they share and the choice of a table.
 */
#ifndef FCMAE_CORE_KERNELS_H
#define FCMAE_CORE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Instruction sets, each including the ones before it. */
typedef enum fcmae_isa {
    FCMAE_ISA_PORTABLE = 0,
    FCMAE_ISA_AVX2 = 1,
    FCMAE_ISA_AVX512 = 2,
    FCMAE_ISA_AVX512_BF16 = 3 /**< AVX-512 with bfloat16 products */
} fcmae_isa;

/**
 * One panel of a matrix product:
 *   c[m][n] = sum_k a(m, k) * b[k][n]  (+ bias[n])  (+ add[m][n]),   m < rows, n < width.
 * k runs over `a_panels` groups of `a_panel_width`; a(m, k) is
 * a[(k / a_panel_width) * a_panel_stride + m * a_row + (k % a_panel_width) * a_step].
 * b is [K][b_row] and c is [rows][c_row]. add == c accumulates.
 */
typedef struct fcmae_product {
    int rows, width;
    int a_panels, a_panel_width;
    const float *a;
    int64_t a_row, a_step, a_panel_stride;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
    const float *bias; /**< [width] or NULL */
    const float *add;  /**< [rows][add_row] or NULL */
    int64_t add_row;
    const float *soon_read;    /**< [rows][width] that the caller reads next, fetched; or NULL */
    float *soon_written;       /**< likewise for what it overwrites next */
    const float *soon_weights; /**< the b of the next one, fetched into the L2 cache; or NULL */
    int soon_lines;            /**< so many cache lines of it, spread over the product */
} fcmae_product;

/** Period of the factors of scale_bytes: whole vectors of whole pixels of 1, 2, 3, 4, 6 or 8
 * channels. */
#define FCMAE_BYTE_PERIOD 48

/** Neighbours of cells, flat: entries start[s] .. start[s + 1] - 1 belong to cell s. */
typedef struct fcmae_neighbours {
    const int32_t *start;
    const int32_t *row;   /**< first row of the neighbour */
    const uint8_t *place; /**< where it lies among the cells in reach, row-major, centre in the
                             middle: 7x7 of single sites (then place = tap), 5x5 of 2x2, else 3x3 */
} fcmae_neighbours;

/** The same by place: entries start[p] .. start[p + 1] - 1 lie at place p; first rows of both. */
typedef struct fcmae_pairs {
    int32_t rows; /**< of the map */
    int32_t start[49 + 1];
    const int32_t *cell, *other;
} fcmae_pairs;

/**
 * A rectangle of high x wide sites (at most 8 x 8) and the rows around it.
 * window[(high + 6) * (wide + 6)]: pointers to the input rows, row-major. In each line the first 3,
 * the middle `wide` and the last 3 rows are present or missing together: NULL in the first of them.
 */
typedef struct fcmae_depthwise_block {
    int high, wide, columns; /**< columns: multiple of 16 */
    const float *const *window;
    const float *soon_read; /**< high * wide rows that are read later: may be fetched; or NULL */
    float *soon_written;    /**< likewise written later */
    int64_t soon_stride;
} fcmae_depthwise_block;

/** Cells first .. last - 1 and the cells around them. */
typedef struct fcmae_depthwise_cells {
    int first, last, columns; /**< columns: multiple of 16 */
    const fcmae_neighbours *neighbours;
    const float *x;
    int64_t stride;         /**< of x, of the results and of the rows wanted soon */
    const float *soon_read; /**< as many rows as these cells have, as in a block */
    float *soon_written;
} fcmae_depthwise_cells;

/** Weights of a depthwise convolution. */
typedef struct fcmae_filter {
    const float *taps; /**< [49][stride] */
    int64_t stride;    /**< negative: the flipped kernel, from its last tap on */
    const float *bias; /**< [columns]; NULL: results add to what is there */
} fcmae_filter;

/** out = normalised * weight + bias, all with the rows' padding. */
typedef struct fcmae_affine {
    const float *weight, *bias;
    float *out;
} fcmae_affine;

/** A panel [rows of all][width] as operand of bfloat16 products, written from row `first` on; rows
 *  are handed over in order. */
typedef struct fcmae_narrow_panel {
    int first;
    uint16_t *rows;  /**< as rows */
    uint32_t *pairs; /**< as pairs of rows, [ceil(rows of all / 2)][width] */
} fcmae_narrow_panel;

/** Fractional bits of a resampling weight. */
#define FCMAE_RESAMPLE_BITS 22
/** Bytes of a row summed at a time: the sums stay in registers. */
#define FCMAE_RESAMPLE_BLOCK 64

/** What every output position of a resampled axis is made of. */
typedef struct fcmae_resample_axis {
    int count, taps;        /**< output positions; room for weights of each, even */
    int low, high;          /**< input positions used are in [low, high) */
    const int32_t *first;   /**< [count] first input position */
    const int32_t *length;  /**< [count] 1 .. taps */
    const int32_t *weights; /**< [count][taps], zeros behind `length` */
} fcmae_resample_axis;

/** One update of AdamW, the same for all values. */
typedef struct fcmae_adamw_factors {
    float gradient_scale;   /**< clipping */
    float keep;             /**< of a value: 1 - decay */
    float step_size;        /**< with the first moment's correction */
    float correction2_root; /**< sqrt(1 - beta2^t) */
    double beta1, beta2, epsilon;
} fcmae_adamw_factors;

/** The kernels of one instruction set. */
typedef struct fcmae_kernels {
    const char *name;
#define KERNEL(result, name, parameters, arguments) result(*name) parameters;
#include "core/kernel_list.h"
#undef KERNEL
} fcmae_kernels;

/** Best instruction set of this processor; never above `most`. */
fcmae_isa fcmae_isa_detect(fcmae_isa most);
/** The best one that the public number allows (fcmae_engine_options.instruction_set: 0 the best, 1
 *  portable, 2 AVX2, 3 AVX-512, 4 that with bfloat16), which is chosen
 *  only where such products are wanted. */
fcmae_isa fcmae_isa_choose(int instruction_set, bool bfloat16);
/** The table of one instruction set; portable if it is not in this build. */
const fcmae_kernels *fcmae_kernels_get(fcmae_isa isa);

#endif
