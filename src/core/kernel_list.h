/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Every kernel, stated once: KERNEL(result, name, parameters, arguments).
 *
 * Included wherever all kernels are named, with KERNEL defined there: members of the table
 * (kernels.h), prototypes of the copies (isa.h), rows of the tables (kernel_table.c), checks of the
 * tests, the timed table of bench_step. `arguments` repeats the names of the parameters, for calls
 * that are passed on. Types are explained in kernels.h.
 *
 * Kernels know nothing of networks. They see rows of floats whose stride is a multiple of 16
 * (padding columns are zero and stay zero) and *panels*: [rows][width] blocks with width one of 16,
 * 32, 48, 64, 80, contiguous. Kernels validate nothing; operators above them do. All sums are taken
 * in an order that depends on the arguments alone.
 */

/* Products (src/dense) */

KERNEL(void, product, (const fcmae_product *product), (product))
/** The same with pairs of bfloat16 in every 4-byte element of a and b (the even k in the low half);
 *  widths, strides and steps count 4-byte elements. Sums, bias, add and c are float32. */
KERNEL(void, product_pairs, (const fcmae_product *product), (product))
/** panel[k][n] = src[k][n] * row_scale[k] for k < rows and n < columns, a multiple of 16; columns
 *  beyond are zero. row_scale NULL: ones. */
KERNEL(void, pack,
       (int rows, int columns, int64_t stride, const float *src, const float *row_scale, int width,
        float *panel),
       (rows, columns, stride, src, row_scale, width, panel))
/** panel[k][n] = src[n][k] * row_scale[n] for k < depth and n < rows; columns beyond are zero. */
KERNEL(void, pack_transposed,
       (int depth, int rows, int64_t stride, const float *src, const float *row_scale, int width,
        float *panel),
       (depth, rows, stride, src, row_scale, width, panel))
/** Independent fused multiply-adds in registers: returns the floating-point operations done. */
KERNEL(double, peak, (int64_t iterations, float *sink), (iterations, sink))
/** The same with bfloat16 pairs (float32 where the instruction is missing). */
KERNEL(double, peak_pairs, (int64_t iterations, float *sink), (iterations, sink))

/* Rows and panels (src/dense) */

/** Rows to bfloat16, round to nearest even: out[m][c] from x[m][c]; columns a multiple of 16.
 *  Strides count floats and 2-byte elements. */
KERNEL(void, narrow_rows,
       (int rows, int columns, const float *x, int64_t stride, uint16_t *out, int64_t out_stride),
       (rows, columns, x, stride, out, out_stride))
/** Pairs of rows: out[m / 2][c] = (x[m][c], x[m + 1][c]) for even m; a missing last row is zero.
 *  out: 4-byte elements, [ceil(rows / 2)][out_stride]. */
KERNEL(void, narrow_pairs,
       (int rows, int columns, const float *x, int64_t stride, uint32_t *out, int64_t out_stride),
       (rows, columns, x, stride, out, out_stride))
/** In place on a panel: value h = gelu(z) with exact erf, slope d = gelu'(z) (NULL: not wanted),
 *  square[n] = sum over the rows of h^2 (NULL: not wanted; overwritten). */
KERNEL(void, gelu, (int rows, int width, float *z, float *slope, float *square),
       (rows, width, z, slope, square))
/** The same where products compute in bfloat16: an element becomes a *hidden pair* of bfloat16, the
 *  value in the low half and the slope in the high half, good to that precision. square is of the
 *  unrounded values. */
KERNEL(void, gelu_pairs, (int rows, int width, float *z, float *square), (rows, width, z, square))
/** normalised = (x - mean) * rstd over `channels` columns of each row; stride for all arrays.
 *  affine NULL: nothing else is written. */
KERNEL(void, layernorm,
       (int rows, int channels, int stride, const float *x, float *normalised, float *rstd,
        const fcmae_affine *affine),
       (rows, channels, stride, x, normalised, rstd, affine))
/** dx = rstd * (dn - mean(dn) - normalised * mean(dn * normalised)) */
KERNEL(void, layernorm_backward,
       (int rows, int channels, int stride, const float *normalised, const float *rstd,
        const float *dn, float *dx),
       (rows, channels, stride, normalised, rstd, dn, dx))
/** sum[c] += over rows of x[m][c] * factor */
KERNEL(void, column_sum,
       (int rows, int columns, int64_t stride, const float *x, float factor, float *sum),
       (rows, columns, stride, x, factor, sum))
/** sum[c] += over rows of x[m][c] * y[m][c] */
KERNEL(void, column_dot,
       (int rows, int columns, int64_t stride, const float *x, const float *y, float *sum),
       (rows, columns, stride, x, y, sum))
/** Prediction error of a panel against targets: p = (p - target) * factor in place, sum[n] += over
 *  rows; returns the sum of the squared errors. */
KERNEL(double, squared_error,
       (int rows, int width, float *p, const float *target, int64_t target_stride, float factor,
        float *sum),
       (rows, width, p, target, target_stride, factor, sum))
/** out[m * count + i] = in[m * in_row + i] * scale[i % period] + shift[i % period] for rows m and
 *  i < count; period FCMAE_BYTE_PERIOD */
KERNEL(void, scale_bytes,
       (int rows, int count, const uint8_t *in, int64_t in_row, const float *scale,
        const float *shift, float *out),
       (rows, count, in, in_row, scale, shift, out))
/** x = (x - mean) / sqrt(variance + 1e-6) with the unbiased variance, over count values. */
KERNEL(void, standardise, (int count, float *x), (count, x))
/** Inner product of two vectors; any count, no padding needed. */
KERNEL(float, dot, (int count, const float *x, const float *y), (count, x, y))
/** y = a x + b y; likewise */
KERNEL(void, combine, (int count, float a, const float *x, float b, float *y), (count, a, x, b, y))
/** sum[i] = block[0][i] + block[1][i] + ..., in that order; count a multiple of 16 */
KERNEL(void, sum_blocks, (int64_t count, int blocks, const float *const *block, float *sum),
       (count, blocks, block, sum))

/* Hidden panels (src/grn) */

/** out[m][n] = in[m][n] * scale[n] */
KERNEL(void, scale_panel, (int rows, int width, const float *in, const float *scale, float *out),
       (rows, width, in, scale, out))
/** scaled = hidden * scale; dot[n] = sum over the rows of gradient * hidden (overwritten) */
KERNEL(void, scale_and_dot,
       (int rows, int width, const float *gradient, const float *hidden, const float *scale,
        float *scaled, float *dot),
       (rows, width, gradient, hidden, scale, scaled, dot))
/** gradient = (gradient * scale + hidden * feedback) * slope, in place; sum[n] += over rows */
KERNEL(void, hidden_backward,
       (int rows, int width, float *gradient, const float *hidden, const float *slope,
        const float *scale, const float *feedback, float *sum),
       (rows, width, gradient, hidden, slope, scale, feedback, sum))
/** scale_panel of hidden pairs with a bfloat16 result, both [rows][width]. */
KERNEL(void, scale_panel_narrow,
       (int rows, int width, const float *hidden, const float *scale, uint16_t *out),
       (rows, width, hidden, scale, out))
/** scale_and_dot of hidden pairs; the scaled panel leaves as pairs of rows in bfloat16. gradient
 *  and hidden begin at row `first`, pairs [ceil(rows of all / 2)][width] at row 0. Rows are handed
 *  over in order. */
KERNEL(void, scale_and_dot_pairs,
       (int first, int rows, int width, const float *gradient, const float *hidden,
        const float *scale, uint32_t *pairs, float *dot),
       (first, rows, width, gradient, hidden, scale, pairs, dot))
/** hidden_backward with hidden pairs; the result leaves in bfloat16, and gradient is only read. */
KERNEL(void, hidden_backward_narrow,
       (int rows, int width, const float *gradient, const float *hidden, const float *scale,
        const float *feedback, const fcmae_narrow_panel *out, float *sum),
       (rows, width, gradient, hidden, scale, feedback, out, sum))

/* Depthwise convolution (src/sparse) */

/** Depthwise 7x7 at the sites of a block; out[high * wide]: pointers to their rows, row-major. */
KERNEL(void, depthwise_block,
       (const fcmae_depthwise_block *block, const fcmae_filter *filter, float *const *out),
       (block, filter, out))
/** The same at cells of 2x2 sites, Z-order rows, through a list of cells. out: rows like cells->x.
 */
KERNEL(void, depthwise_quads,
       (const fcmae_depthwise_cells *cells, const fcmae_filter *filter, float *out),
       (cells, filter, out))
/** The same at cells of one site; soon_read and soon_written are not looked at. */
KERNEL(void, depthwise_list,
       (const fcmae_depthwise_cells *cells, const fcmae_filter *filter, float *out),
       (cells, filter, out))
/** dtaps[tap][c] += sum over the block's sites of window(site, tap)[c] * gradient[site][c]. */
KERNEL(void, depthwise_block_taps,
       (const fcmae_depthwise_block *block, const float *const *gradient, float *dtaps,
        int64_t tap_stride),
       (block, gradient, dtaps, tap_stride))
/** The same over pairs of 2x2 cells: x at `other`, gradient at `cell`. */
KERNEL(void, depthwise_quad_taps,
       (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,
        int64_t stride, float *dtaps, int64_t tap_stride),
       (pairs, columns, x, gradient, stride, dtaps, tap_stride))
/** The same over pairs of single sites. */
KERNEL(void, depthwise_list_taps,
       (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,
        int64_t stride, float *dtaps, int64_t tap_stride),
       (pairs, columns, x, gradient, stride, dtaps, tap_stride))

/* Pictures (src/image) */

/** One row of pixels to columns->count pixels; `wide` is scratch memory for
 *  3 * (columns->high - columns->low) + 4 values, the last four zero. */
KERNEL(void, resample_columns,
       (const fcmae_resample_axis *columns, const uint8_t *source, int32_t *wide, uint8_t *out),
       (columns, source, wide, out))
/** One row as the weighted sum of `length` rows of `stride` bytes; FCMAE_RESAMPLE_BLOCK bytes
 *  behind the last row must be readable. */
KERNEL(void, resample_rows,
       (const uint8_t *rows, size_t stride, const int32_t *weights, int length, uint8_t *out),
       (rows, stride, weights, length, out))

/* Parameter blocks (src/train); counts are multiples of 16 */

/** AdamW on `count` values, equations in fcmae/optimiser.h; returns the sum of the squares of the
 *  unscaled gradient. */
KERNEL(double, adamw,
       (int64_t count, float *value, const float *gradient, float *first, float *second,
        const fcmae_adamw_factors *factors),
       (count, value, gradient, first, second, factors))
/** Sum of the squares. */
KERNEL(double, sum_of_squares, (int64_t count, const float *values), (count, values))
/** average = average * keep + values * fresh */
KERNEL(void, blend, (int64_t count, float keep, float fresh, const float *values, float *average),
       (count, keep, fresh, values, average))
