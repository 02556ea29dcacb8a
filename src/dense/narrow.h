/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** float32 to bfloat16 inside kernels, round to nearest even. */
#ifndef FCMAE_DENSE_NARROW_H
#define FCMAE_DENSE_NARROW_H

#include "core/isa.h"

typedef uint16_t half_vec __attribute__((vector_size(VEC_LANES * 2)));
typedef uint32_t vec_unsigned __attribute__((vector_size(VEC_LANES * 4)));

FCMAE_INLINE half_vec vec_narrow(vec x)
{
#ifdef __AVX512BF16__
    return (half_vec)_mm512_cvtneps_pbh((__m512)x);
#else
    vec_unsigned bits = (vec_unsigned)x;
    vec_unsigned rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vec_unsigned is_nan = (vec_unsigned)(x != x); /* rounding could turn a NaN into infinity */
    return __builtin_convertvector((is_nan & ((bits >> 16) | 0x40)) | (~is_nan & rounded),
                                   half_vec);
#endif
}

FCMAE_INLINE void vec_store_half(uint16_t *out, half_vec half)
{
    memcpy(out, &half, sizeof half);
}

/** The low and the high half of pairs as float32. */
FCMAE_INLINE vec vec_low(vec pairs)
{
    return (vec)((vec_unsigned)pairs << 16);
}
FCMAE_INLINE vec vec_high(vec pairs)
{
    return (vec)((vec_unsigned)pairs & 0xffff0000u);
}

FCMAE_INLINE vec vec_pair(vec low, vec high)
{
#ifdef __AVX512BF16__
    static const uint16_t turns[32] __attribute__((aligned(64))) = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); /* low, then high */
    return (vec)_mm512_permutexvar_epi16(*(const __m512i *)turns, both);
#else
    return (vec)(__builtin_convertvector(vec_narrow(low), vec_unsigned) |
                 __builtin_convertvector(vec_narrow(high), vec_unsigned) << 16);
#endif
}

/** Row m of pairs [ceil(rows / 2)][columns]: even rows are the low
 *  halves and clear the high ones. */
FCMAE_INLINE void vec_store_pair(uint32_t *out, half_vec half, int m)
{
    vec_unsigned wide = __builtin_convertvector(half, vec_unsigned), low;
    if (m % 2) {
        memcpy(&low, out, sizeof low);
        wide = wide << 16 | low;
    }
    memcpy(out, &wide, sizeof wide);
}

#endif
