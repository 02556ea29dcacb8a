/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Vectors: the one notation in which kernels are written.
 *
 * A kernel file is compiled once per instruction set with FCMAE_ISA = portable, avx2, avx512 or
 * avx512bf16 and differs only in the width of `vec` (GCC/clang vector extensions: any machine,
 * hardly an intrinsic). FCMAE_KERNEL(name) gives each copy its own symbol; core/kernel_table.c
 * gathers them in a table. The portable copy is 4 lanes: SSE2 on any x86-64, NEON on AArch64.
 */
#ifndef FCMAE_CORE_ISA_H
#define FCMAE_CORE_ISA_H

#include <stdint.h>
#include <string.h>

#include "core/kernels.h"

#define FCMAE_JOIN_(a, b) a##_##b
#define FCMAE_JOIN(a, b) FCMAE_JOIN_(a, b)
#define FCMAE_KERNEL(name) FCMAE_JOIN(name, FCMAE_ISA)

#define KERNEL(result, name, parameters, arguments) result FCMAE_KERNEL(fcmae_##name) parameters;
#include "core/kernel_list.h"
#undef KERNEL

#if defined(__AVX512F__)
#include <immintrin.h> /* what the extensions have no word for, or no single instruction */
#define VEC_LANES 16
#elif defined(__AVX2__)
#define VEC_LANES 8
#else
#define VEC_LANES 4
#endif

/** Every row of every array is padded to a multiple of 16 floats, whatever the instruction set. */
#define FCMAE_ROW_UNIT 16

typedef float vec __attribute__((vector_size(VEC_LANES * 4)));
typedef int32_t vec_int __attribute__((vector_size(VEC_LANES * 4)));
/* the same, for addresses without alignment, and free to alias */
typedef float vec_unaligned __attribute__((vector_size(VEC_LANES * 4), aligned(4), may_alias));

#define FCMAE_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define FCMAE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FCMAE_UNROLL _Pragma("GCC unroll 64")
#endif

FCMAE_INLINE vec vec_load(const float *p)
{
    return (vec) * (const vec_unaligned *)p;
}
FCMAE_INLINE void vec_store(float *p, vec v)
{
    *(vec_unaligned *)p = v;
}
FCMAE_INLINE vec vec_set(float x)
{
    return x - (vec){0};
}
FCMAE_INLINE vec vec_zero(void)
{
    return (vec){0};
}
/** Lanes whose sign bit is set in `mask` take `yes`: a comparison, or the number whose sign
 * decides. */
FCMAE_INLINE vec vec_select(vec_int mask, vec yes, vec no)
{
#if VEC_LANES == 16
    return (vec)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)no, (__m512)yes);
#else
    vec_int all = mask >> 31;
    return (vec)((all & (vec_int)yes) | (~all & (vec_int)no));
#endif
}
/** a > b ? a : b, so b where one of them is NaN */
FCMAE_INLINE vec vec_max(vec a, vec b)
{
#if VEC_LANES == 16
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return vec_select(a > b, a, b);
#endif
}
FCMAE_INLINE vec vec_abs(vec a)
{
    return (vec)((vec_int)a & 0x7fffffff);
}

/** Sum of the lanes: the upper half is added to the lower one until one lane is left. */
FCMAE_INLINE float vec_sum(vec v)
{
#if VEC_LANES == 16
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif VEC_LANES == 8
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
    return v[0];
}

/** Vectors of a panel handled together: the largest divisor up to 5 of width / VEC_LANES. */
FCMAE_INLINE int vec_group(int width)
{
    int vectors = width / VEC_LANES;
    for (int group = 5; group > 1; group--)
        if (vectors % group == 0) return group;
    return 1;
}

/** Loops over the groups of columns of a panel: `column` is a
 *  group's first, `group` its vectors. */
#define VEC_FOR_GROUPS(width, column, group) \
    for (int column = 0, group = vec_group(width); column < (width); column += group * VEC_LANES)

/** A statement: calls body(constant, ...), so that the compiler sees the size of the group. */
#define VEC_FIX_GROUP(group, body, ...)       \
    do {                                      \
        switch (group) {                      \
        case 1: body(1, __VA_ARGS__); break;  \
        case 2: body(2, __VA_ARGS__); break;  \
        case 3: body(3, __VA_ARGS__); break;  \
        case 4: body(4, __VA_ARGS__); break;  \
        default: body(5, __VA_ARGS__); break; \
        }                                     \
    } while (0)

#endif
