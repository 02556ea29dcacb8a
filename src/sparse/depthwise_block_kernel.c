/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Depthwise 7x7 at a rectangle of sites, one vector of channels at a time: a stencil whose outputs
 * (or, for the gradient of the taps, whose taps) stay in registers while input rows pass by.
 *
 * The rows come through a table of pointers, so nothing is gathered, cleared or multiplied by zero:
 * of each line of the window, the three rows on the left, those in the middle and the three on the
 * right are left out where they are missing. At mask ratio 0.6 that saves a quarter of the
 * products.
 */
#include "core/isa.h"

#define KERNEL 7
#define HALO 3

/* A stencil keeps 8 sums where there are 16 vector registers, 16 where there are 32. */
#if VEC_LANES == 16
#define WIDE_ROWS 2   /* rows of 5 to 8 sums */
#define NARROW_ROWS 4 /* rows of at most 4 sums */
#define TAP_ROWS 2    /* rows of 7 tap gradients */
#else
#define WIDE_ROWS 1
#define NARROW_ROWS 2
#define TAP_ROWS 1
#endif

/** Fetches column c of the rows [first, last) that are wanted soon. */
FCMAE_INLINE void fetch_soon(const fcmae_depthwise_block *b, int first, int last, int c)
{
    for (int64_t row = first; row < last && b->soon_read; row++)
        __builtin_prefetch(b->soon_read + row * b->soon_stride + c, 0);
    for (int64_t row = first; row < last && b->soon_written; row++)
        __builtin_prefetch(b->soon_written + row * b->soon_stride + c, 1);
}

/** One row of sums += the present values first .. last-1 of a line. */
FCMAE_INLINE void add_values(const int wide, const int first, const int last,
                             const float *const *line, int c, const vec *tap, vec *sum)
{
    if (!line[first]) return;
    FCMAE_UNROLL
    for (int i = first; i < last; i++) {
        vec value = vec_load(line[i] + c);
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            if (i - kx >= 0 && i - kx < wide) sum[i - kx] += value * tap[kx];
    }
}

/** Outputs of `rows` rows from row y on. */
FCMAE_INLINE void stencil(const int wide, const int rows, int y, const fcmae_depthwise_block *b,
                          int c, fcmae_filter filter, float *const *out)
{
    vec sum[4][8];
    out += y * wide;
    FCMAE_UNROLL
    for (int r = 0; r < rows; r++) {
        FCMAE_UNROLL
        for (int x = 0; x < wide; x++)
            sum[r][x] = vec_load((filter.bias ? filter.bias : out[r * wide + x]) + c);
    }
    for (int ky = 0; ky < KERNEL; ky++) {
        vec tap[KERNEL];
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            tap[kx] = vec_load(filter.taps + (ky * KERNEL + kx) * filter.stride + c);
        fetch_soon(b, y * wide + rows * wide * ky / KERNEL,
                   y * wide + rows * wide * (ky + 1) / KERNEL, c);
        FCMAE_UNROLL
        for (int r = 0; r < rows; r++) {
            const float *const *line = b->window + (y + r + ky) * (wide + 2 * HALO);
            add_values(wide, 0, HALO, line, c, tap, sum[r]);
            add_values(wide, HALO, HALO + wide, line, c, tap, sum[r]);
            add_values(wide, HALO + wide, wide + 2 * HALO, line, c, tap, sum[r]);
        }
    }
    FCMAE_UNROLL
    for (int r = 0; r < rows; r++) {
        FCMAE_UNROLL
        for (int x = 0; x < wide; x++) vec_store(out[r * wide + x] + c, sum[r][x]);
    }
}

FCMAE_INLINE void block_columns(const int wide, const fcmae_depthwise_block *b, fcmae_filter filter,
                                float *const *out)
{
    const int rows = wide > 4 ? WIDE_ROWS : NARROW_ROWS;
    for (int c = 0; c < b->columns; c += VEC_LANES) {
        int y = 0;
        for (; y + rows <= b->high; y += rows) stencil(wide, rows, y, b, c, filter, out);
        for (; y < b->high; y++) stencil(wide, 1, y, b, c, filter, out);
    }
}

/** A statement: calls body(constant, ...) for widths 1 to 8. */
#define FIX_WIDTH(width, body, ...)           \
    do {                                      \
        switch (width) {                      \
        case 1: body(1, __VA_ARGS__); break;  \
        case 2: body(2, __VA_ARGS__); break;  \
        case 3: body(3, __VA_ARGS__); break;  \
        case 4: body(4, __VA_ARGS__); break;  \
        case 5: body(5, __VA_ARGS__); break;  \
        case 6: body(6, __VA_ARGS__); break;  \
        case 7: body(7, __VA_ARGS__); break;  \
        default: body(8, __VA_ARGS__); break; \
        }                                     \
    } while (0)

static void block_outputs(const fcmae_depthwise_block *block, const fcmae_filter *filter,
                          float *const *out)
{
    FIX_WIDTH(block->wide, block_columns, block, *filter, out);
}

/** One row of tap gradients += present values first .. last-1 of a line times gradients d. */
FCMAE_INLINE void add_products(const int wide, const int first, const int last,
                               const float *const *line, int c, const vec *d, vec *sum)
{
    if (!line[first]) return;
    FCMAE_UNROLL
    for (int i = first; i < last; i++) {
        vec value = vec_load(line[i] + c);
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            if (i - kx >= 0 && i - kx < wide) sum[kx] += value * d[i - kx];
    }
}

/** Gradients of `rows` rows of taps from row ky on, over the whole block. */
FCMAE_INLINE void tap_rows(const int wide, const int rows, int ky, const fcmae_depthwise_block *b,
                           int c, const float *const *gradient, float *dtaps, int64_t tap_stride)
{
    vec sum[TAP_ROWS][KERNEL];
    dtaps += ky * KERNEL * tap_stride + c;
    FCMAE_UNROLL
    for (int r = 0; r < rows; r++) {
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            sum[r][kx] = vec_load(dtaps + (r * KERNEL + kx) * tap_stride);
    }
    for (int y = 0; y < b->high; y++) {
        vec d[8];
        FCMAE_UNROLL
        for (int x = 0; x < wide; x++) d[x] = vec_load(gradient[y * wide + x] + c);
        FCMAE_UNROLL
        for (int r = 0; r < rows; r++) {
            const float *const *line = b->window + (y + ky + r) * (wide + 2 * HALO);
            add_products(wide, 0, HALO, line, c, d, sum[r]);
            add_products(wide, HALO, HALO + wide, line, c, d, sum[r]);
            add_products(wide, HALO + wide, wide + 2 * HALO, line, c, d, sum[r]);
        }
    }
    FCMAE_UNROLL
    for (int r = 0; r < rows; r++) {
        FCMAE_UNROLL
        for (int kx = 0; kx < KERNEL; kx++)
            vec_store(dtaps + (r * KERNEL + kx) * tap_stride, sum[r][kx]);
    }
}

FCMAE_INLINE void taps_columns(const int wide, const fcmae_depthwise_block *b,
                               const float *const *gradient, float *dtaps, int64_t tap_stride)
{
    for (int c = 0; c < b->columns; c += VEC_LANES) {
        int ky = 0;
        for (; ky + TAP_ROWS <= KERNEL; ky += TAP_ROWS)
            tap_rows(wide, TAP_ROWS, ky, b, c, gradient, dtaps, tap_stride);
        for (; ky < KERNEL; ky++) tap_rows(wide, 1, ky, b, c, gradient, dtaps, tap_stride);
    }
}

static void block_taps(const fcmae_depthwise_block *block, const float *const *gradient,
                       float *dtaps, int64_t tap_stride)
{
    FIX_WIDTH(block->wide, taps_columns, block, gradient, dtaps, tap_stride);
}

/*
 * Rows a multiple of 2 KB apart share two sets of the first cache and push each other out. Then one
 * vector of each row is copied, side by side, before a pass: on a 7x7 grid of 512 channels 1.5
 * times as fast with vectors of 16 lanes, 2.3 times with 8. At 128 and 256 channels it would cost
 * more than it saves.
 */
#define CROWDED_STRIDE 512
#define MOST_ROWS ((8 + 2 * HALO) * (8 + 2 * HALO))

typedef struct near_rows {
    int rows, present;
    const float *table[MOST_ROWS]; /* of each row its copy, or NULL */
    const float *from[MOST_ROWS];  /* the present rows, and a vector of each */
    vec copy[MOST_ROWS];
} near_rows;

/** Appends rows that are present or missing together. */
static void list_rows(near_rows *near, const float *const *rows, int count)
{
    for (int i = 0; i < count; i++) {
        near->table[near->rows++] = rows[0] ? (const float *)&near->copy[near->present] : 0;
        if (rows[0]) near->from[near->present++] = rows[i];
    }
}

static void copy_rows(near_rows *near, int c)
{
    for (int i = 0; i < near->present; i++) {
        near->copy[i] = vec_load(near->from[i] + c);
        __builtin_prefetch(near->from[i] + c + 16); /* the next vectors, during this one's pass */
    }
}

/** The block with its window in `near`, one vector of channels. */
static fcmae_depthwise_block near_block(const fcmae_depthwise_block *b, near_rows *near)
{
    near->rows = near->present = 0;
    for (int y = 0; y < b->high + 2 * HALO; y++) {
        const float *const *line = b->window + y * (b->wide + 2 * HALO);
        list_rows(near, line, HALO);
        list_rows(near, line + HALO, b->wide);
        list_rows(near, line + HALO + b->wide, HALO);
    }
    return (fcmae_depthwise_block){
        .high = b->high, .wide = b->wide, .columns = VEC_LANES, .window = near->table};
}

void FCMAE_KERNEL(fcmae_depthwise_block)(const fcmae_depthwise_block *block,
                                         const fcmae_filter *filter, float *const *out)
{
    if (filter->stride % CROWDED_STRIDE) {
        block_outputs(block, filter, out);
        return;
    }
    near_rows rows;
    vec tap[KERNEL * KERNEL];
    float *column[64];
    const fcmae_depthwise_block near = near_block(block, &rows);
    for (int c = 0; c < block->columns; c += VEC_LANES) {
        copy_rows(&rows, c);
        for (int k = 0; k < KERNEL * KERNEL; k++)
            tap[k] = vec_load(filter->taps + k * filter->stride + c);
        for (int i = 0; i < block->high * block->wide; i++) {
            column[i] = out[i] + c;
            __builtin_prefetch(column[i] + 16, 1);
        }
        block_outputs(&near,
                      &(fcmae_filter){.taps = (const float *)tap,
                                      .stride = VEC_LANES,
                                      .bias = filter->bias ? filter->bias + c : 0},
                      column);
    }
}

void FCMAE_KERNEL(fcmae_depthwise_block_taps)(const fcmae_depthwise_block *block,
                                              const float *const *gradient, float *dtaps,
                                              int64_t tap_stride)
{
    if (tap_stride % CROWDED_STRIDE) {
        block_taps(block, gradient, dtaps, tap_stride);
        return;
    }
    near_rows rows, own;
    const fcmae_depthwise_block near = near_block(block, &rows);
    own.rows = own.present = 0;
    list_rows(&own, gradient, block->high * block->wide);
    for (int c = 0; c < block->columns; c += VEC_LANES) {
        copy_rows(&rows, c);
        copy_rows(&own, c);
        block_taps(&near, own.table, dtaps + c, tap_stride);
    }
}
