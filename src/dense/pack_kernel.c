/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Packing: weights as panels [columns / width][K][width], the order in which products read them.
 * Columns beyond the matrix are zero. Done once per optimiser step.
 */
#include "core/isa.h"
#include "dense/dense_kernels.h"

void FCMAE_KERNEL(fcmae_pack)(int k_first, int k_last, int columns, int64_t src_stride,
                              const float *src, const float *row_scale, int width, int panel,
                              int64_t k_total, float *dst)
{
    (void)columns; /* rows are padded with zeros up to src_stride, a multiple of 16 */
    dst += panel * k_total * width;
    int first = panel * width;
    for (int k = k_first; k < k_last; k++) {
        const float *from = src + k * src_stride + first;
        float *to = dst + (int64_t)k * width, scale = row_scale ? row_scale[k] : 1.0f;
        for (int n = 0; n < width; n += VEC_LANES)
            vec_store(to + n, first + n < src_stride ? vec_load(from + n) * scale : vec_zero());
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

void FCMAE_KERNEL(fcmae_pack_transposed)(int k_total, int rows, int64_t src_stride,
                                         const float *src, const float *row_scale, int width,
                                         int panel, float *dst)
{
    dst += (int64_t)panel * k_total * width;
    int first = panel * width, whole = k_total / 4 * 4;
    for (int k0 = 0; k0 < whole; k0 += 64) /* 64 columns of src per turn: whole cache lines */
        for (int n = 0; n < width; n += 4) {
            int k_end = k0 + 64 < whole ? k0 + 64 : whole, row = first + n;
            quad scale = {1, 1, 1, 1};
            if (row_scale && row + 3 < rows) scale = *(const quad_unaligned *)(row_scale + row);
            for (int k = k0; k < k_end; k += 4)
                if (row + 3 < rows)
                    transpose_square(src + row * src_stride + k, src_stride,
                                     dst + (int64_t)k * width + n, width, scale);
                else
                    for (int i = 0; i < 4; i++)
                        for (int j = 0; j < 4; j++)
                            dst[(int64_t)(k + j) * width + n + i] =
                                row + i >= rows ? 0.0f
                                                : src[(row + i) * src_stride + k + j] *
                                                      (row_scale ? row_scale[row + i] : 1.0f);
        }
    for (int k = whole; k < k_total; k++)
        for (int n = 0; n < width; n++)
            dst[(int64_t)k * width + n] = first + n >= rows
                                              ? 0.0f
                                              : src[(first + n) * src_stride + k] *
                                                    (row_scale ? row_scale[first + n] : 1.0f);
}
