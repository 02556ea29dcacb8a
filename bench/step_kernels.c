/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The timed kernel table: every kernel calls the real one between two looks at the clock. */
#include <stdbool.h>

#include "fcmae/measure.h"
#include "step_profile.h"

static const fcmae_kernels *timed; /* the table whose kernels are timed */

static void time_any_product(const fcmae_product *p, void (*product)(const fcmae_product *),
                             int per_element, const char *forward, const char *gradient)
{
    double start = fcmae_measure_seconds();
    product(p);
    int depth = per_element * p->a_panels * p->a_panel_width;
    bool is_gradient = p->a_step != 1; /* walks down columns of a */
    profile_key key = {is_gradient ? gradient : forward, is_gradient ? p->rows : depth, p->width,
                       (int)p->c_row};
    profile_add(&key, 2.0 * p->rows * p->width * depth, fcmae_measure_seconds() - start);
}

static void time_product(const fcmae_product *p)
{
    time_any_product(p, timed->product, 1, "product", "gradient");
}

static void time_product_pairs(const fcmae_product *p)
{
    time_any_product(p, timed->product_pairs, 2, "product, bf16", "gradient, bf16");
}

static double time_squared_error(int rows, int width, float *p, const float *target,
                                 int64_t target_stride, float factor, float *sum)
{
    double start = fcmae_measure_seconds();
    double result = timed->squared_error(rows, width, p, target, target_stride, factor, sum);
    profile_add(&(profile_key){.name = "squared_error"}, 0, fcmae_measure_seconds() - start);
    return result;
}

/* All others: X(member, columns to tell calls apart by, parameters, arguments). */
#define TIMED_KERNELS(X)                                                                          \
    X(narrow_rows, 0,                                                                             \
      (int rows, int columns, const float *x, int64_t stride, uint16_t *out, int64_t out_stride), \
      (rows, columns, x, stride, out, out_stride))                                                \
    X(narrow_pairs, 0,                                                                            \
      (int rows, int columns, const float *x, int64_t stride, uint32_t *out, int64_t out_stride), \
      (rows, columns, x, stride, out, out_stride))                                                \
    X(scale_panel_narrow, 0,                                                                      \
      (int rows, int width, const float *hidden, const float *scale, uint16_t *out),              \
      (rows, width, hidden, scale, out))                                                          \
    X(gelu, 0, (int rows, int width, float *z, float *slope, float *square),                      \
      (rows, width, z, slope, square))                                                            \
    X(gelu_pairs, 0, (int rows, int width, float *z, float *square), (rows, width, z, square))    \
    X(scale_panel, 0, (int rows, int width, const float *in, const float *scale, float *out),     \
      (rows, width, in, scale, out))                                                              \
    X(scale_and_dot, 0,                                                                           \
      (int rows, int width, const float *gradient, const float *hidden, const float *scale,       \
       float *scaled, float *dot),                                                                \
      (rows, width, gradient, hidden, scale, scaled, dot))                                        \
    X(hidden_backward, 0,                                                                         \
      (int rows, int width, float *gradient, const float *hidden, const float *slope,             \
       const float *scale, const float *feedback, float *sum),                                    \
      (rows, width, gradient, hidden, slope, scale, feedback, sum))                               \
    X(scale_and_dot_pairs, 0,                                                                     \
      (int first, int rows, int width, const float *gradient, const float *hidden,                \
       const float *scale, uint32_t *pairs, float *dot),                                          \
      (first, rows, width, gradient, hidden, scale, pairs, dot))                                  \
    X(hidden_backward_narrow, 0,                                                                  \
      (int first, int rows, int width, const float *gradient, const float *hidden,                \
       const float *scale, const float *feedback, uint16_t *narrow, uint32_t *pairs, float *sum), \
      (first, rows, width, gradient, hidden, scale, feedback, narrow, pairs, sum))                \
    X(layernorm, 0,                                                                               \
      (int rows, int channels, int stride, const float *x, float *normalised, float *rstd,        \
       const float *weight, const float *bias, float *out),                                       \
      (rows, channels, stride, x, normalised, rstd, weight, bias, out))                           \
    X(layernorm_backward, 0,                                                                      \
      (int rows, int channels, int stride, const float *normalised, const float *rstd,            \
       const float *dn, float *dx),                                                               \
      (rows, channels, stride, normalised, rstd, dn, dx))                                         \
    X(column_sum, 0,                                                                              \
      (int rows, int columns, int64_t stride, const float *x, float factor, float *sum),          \
      (rows, columns, stride, x, factor, sum))                                                    \
    X(depthwise_block, block->columns,                                                            \
      (const fcmae_depthwise_block *block, const float *taps, int64_t tap_stride,                 \
       const float *bias, float *const *out),                                                     \
      (block, taps, tap_stride, bias, out))                                                       \
    X(depthwise_quads, columns,                                                                   \
      (int first, int last, int columns, const fcmae_neighbours *neighbours, const float *x,      \
       int64_t stride, const float *taps, int64_t tap_stride, const float *bias, float *out,      \
       const float *soon_read, float *soon_written),                                              \
      (first, last, columns, neighbours, x, stride, taps, tap_stride, bias, out, soon_read,       \
       soon_written))                                                                             \
    X(depthwise_list, columns,                                                                    \
      (int first, int last, int columns, const fcmae_neighbours *neighbours, const float *x,      \
       int64_t stride, const float *taps, int64_t tap_stride, const float *bias, float *out),     \
      (first, last, columns, neighbours, x, stride, taps, tap_stride, bias, out))                 \
    X(depthwise_block_taps, block->columns,                                                       \
      (const fcmae_depthwise_block *block, const float *const *gradient, float *dtaps,            \
       int64_t tap_stride),                                                                       \
      (block, gradient, dtaps, tap_stride))                                                       \
    X(depthwise_quad_taps, columns,                                                               \
      (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,              \
       int64_t stride, float *dtaps, int64_t tap_stride),                                         \
      (pairs, columns, x, gradient, stride, dtaps, tap_stride))                                   \
    X(depthwise_list_taps, columns,                                                               \
      (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,              \
       int64_t stride, float *dtaps, int64_t tap_stride),                                         \
      (pairs, columns, x, gradient, stride, dtaps, tap_stride))                                   \
    X(scale_bytes, 0,                                                                             \
      (int rows, int count, const uint8_t *in, int64_t in_row, const float *scale,                \
       const float *shift, float *out),                                                           \
      (rows, count, in, in_row, scale, shift, out))                                               \
    X(standardise, 0, (int count, float *x), (count, x))

#define DEFINE(member, columns, parameters, arguments)                    \
    static void time_##member parameters                                  \
    {                                                                     \
        double start = fcmae_measure_seconds();                           \
        timed->member arguments;                                          \
        profile_add(&(profile_key){.name = #member, .width = columns}, 0, \
                    fcmae_measure_seconds() - start);                     \
    }
TIMED_KERNELS(DEFINE)

fcmae_kernels profile_kernels(const fcmae_kernels *table)
{
    fcmae_kernels t = *table;
    timed = table;
    t.product = time_product;
    t.product_pairs = time_product_pairs;
    t.squared_error = time_squared_error;
#define ENTER(member, columns, parameters, arguments) t.member = time_##member;
    TIMED_KERNELS(ENTER)
    return t;
}
