/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * float32 to bfloat16, round to nearest even, in the two orders a product wants: along a row (pairs
 * of columns are adjacent anyway) and pairs of rows interleaved (weight gradients sum over rows).
 */
#include "core/isa.h"
#include "dense/dense_kernels.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

typedef uint16_t half_vec __attribute__((vector_size(VEC_LANES * 2)));
typedef uint32_t vec_unsigned __attribute__((vector_size(VEC_LANES * 4)));

/** bfloat16 bits in the low half of every lane. */
FCMAE_INLINE vec_unsigned narrow(vec x)
{
#ifdef __AVX512BF16__
    return (vec_unsigned)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
    vec_unsigned bits = (vec_unsigned)x;
    vec_unsigned rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vec_unsigned is_nan = (vec_unsigned)(x != x); /* rounding could turn a NaN into infinity */
    return (is_nan & ((bits >> 16) | 0x40)) | (~is_nan & rounded);
#endif
}

FCMAE_INLINE void store_half(uint16_t *out, vec x)
{
#ifdef __AVX512BF16__
    _mm256_storeu_si256((__m256i *)(void *)out, (__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
    half_vec half = __builtin_convertvector(narrow(x), half_vec);
    memcpy(out, &half, sizeof half);
#endif
}

void FCMAE_KERNEL(fcmae_narrow_rows)(int rows, int columns, const float *x, int64_t stride,
                                     uint16_t *out, int64_t out_stride)
{
    for (int m = 0; m < rows; m++)
        for (int c = 0; c < columns; c += VEC_LANES)
            store_half(out + m * out_stride + c, vec_load(x + m * stride + c));
}

void FCMAE_KERNEL(fcmae_narrow_pairs)(int rows, int columns, const float *x, int64_t stride,
                                      uint32_t *out, int64_t out_stride)
{
    for (int m = 0; m < rows; m += 2, x += 2 * stride, out += out_stride)
        for (int c = 0; c < columns; c += VEC_LANES) {
            vec odd = m + 1 < rows ? vec_load(x + stride + c) : vec_zero();
            vec_unsigned pair = narrow(vec_load(x + c)) | (narrow(odd) << 16);
            memcpy(out + c, &pair, sizeof pair);
        }
}

void FCMAE_KERNEL(fcmae_scale_panel_narrow)(int rows, int width, const float *in,
                                            const float *scale, uint16_t *out)
{
    for (int m = 0; m < rows; m++, in += width, out += width)
        for (int c = 0; c < width; c += VEC_LANES)
            store_half(out + c, vec_load(in + c) * vec_load(scale + c));
}
