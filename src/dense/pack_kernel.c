/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Packing: weights as panels [columns / width][K][width], the order in which products read them.
 * Columns beyond the matrix are zero. Done once per optimiser step.
 */
#include "core/isa.h"

void FCMAE_KERNEL(fcmae_pack)(int rows, int columns, int64_t stride, const float *src,
                              const float *row_scale, int width, float *panel)
{
    for (int k = 0; k < rows; k++, src += stride, panel += width) {
        float scale = row_scale ? row_scale[k] : 1.0f;
        for (int n = 0; n < width; n += VEC_LANES)
            vec_store(panel + n, n < columns ? vec_load(src + n) * scale : vec_zero());
    }
}

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/** dst[k][n] = src[n][k] for a 4 x 4 square, four shuffles deep instead of sixteen scalar moves. */
FCMAE_INLINE void transpose_square(const float *src, int64_t src_stride, float *dst, int width,
                                   quad scale)
{
    quad a = *(const quad_unaligned *)src, b = *(const quad_unaligned *)(src + src_stride);
    quad c = *(const quad_unaligned *)(src + 2 * src_stride);
    quad d = *(const quad_unaligned *)(src + 3 * src_stride);
    quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad_unaligned *)dst = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5) * scale;
    *(quad_unaligned *)(dst + width) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7) * scale;
    *(quad_unaligned *)(dst + 2 * width) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5) *
                                           scale;
    *(quad_unaligned *)(dst + 3 * width) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7) *
                                           scale;
}

/** One value of the result, where a square would reach beyond the rows or the depth. */
FCMAE_INLINE float transposed_value(int rows, int64_t stride, const float *src,
                                    const float *row_scale, int k, int n)
{
    return n >= rows ? 0.0f : src[n * stride + k] * (row_scale ? row_scale[n] : 1.0f);
}

void FCMAE_KERNEL(fcmae_pack_transposed)(int depth, int rows, int64_t stride, const float *src,
                                         const float *row_scale, int width, float *panel)
{
    int whole = depth / 4 * 4;
    for (int k0 = 0; k0 < whole; k0 += 64) /* 64 columns of src per turn: whole cache lines */
        for (int n = 0; n < width; n += 4) {
            int k_end = k0 + 64 < whole ? k0 + 64 : whole;
            quad scale = {1, 1, 1, 1};
            if (row_scale && n + 3 < rows) scale = *(const quad_unaligned *)(row_scale + n);
            for (int k = k0; k < k_end; k += 4)
                if (n + 3 < rows)
                    transpose_square(src + n * stride + k, stride, panel + (int64_t)k * width + n,
                                     width, scale);
                else
                    for (int i = 0; i < 16; i++)
                        panel[(int64_t)(k + i / 4) * width + n + i % 4] = transposed_value(
                            rows, stride, src, row_scale, k + i / 4, n + i % 4);
        }
    for (int k = whole; k < depth; k++)
        for (int n = 0; n < width; n++)
            panel[(int64_t)k * width + n] = transposed_value(rows, stride, src, row_scale, k, n);
}
