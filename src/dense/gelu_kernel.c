/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * GELU with the exact error function, value and slope together (docs/equations.md).
 *
 *   Phi(z) = 1 - erfc(z / sqrt 2) / 2,   h = z Phi(z),
 *   d = h' = Phi(z) + z exp(-z^2/2) / sqrt(2 pi)
 *
 * erfc by Abramowitz and Stegun 7.1.26, whose exponential is the one of the density: one exp
 * serves both. Largest error 3.3e-7 for h and 3.0e-7 for d on |z| < 4. The slope is stored so that
 * no transcendental is left in backward.
 *
 * Results that are rounded to bfloat16 (2e-3 of their value) leave out what only the last digits of
 * a float would show: `coarse` functions are good to 1e-4 of their value.
 */
#include <stdbool.h>

#include "dense/narrow.h"

/** 1 / x; on AVX-512 an architecturally defined estimate and, unless coarse, one Newton step: a
 * third of a division. */
FCMAE_INLINE vec reciprocal(const bool coarse, vec x)
{
#if VEC_LANES == 16
    vec estimate = (vec)_mm512_rcp14_ps((__m512)x);
    return coarse ? estimate : estimate * (2.0f - x * estimate);
#else
    return 1.0f / x;
#endif
}

/** 2^y for y in [-126, 0]: integer part into the exponent, for the rest the polynomial of degree 5
 *  with the least relative error, 7.5e-8; coarse: of degree 3, 7.5e-5. */
FCMAE_INLINE vec exp2_negative(const bool coarse, vec y)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    vec shifted = y + magic;
    vec_int exponent = (vec_int)shifted << 23;
    vec f = y - (shifted - magic);
    if (coarse) {
        vec p = (5.51716695e-2f * f + 2.42611125e-1f) * (f * f) +
                (6.93260986e-1f * f + 9.99928073e-1f);
        return (vec)((vec_int)p + exponent);
    }
    vec high = 1.32764725e-3f * f + 9.67554096e-3f, middle = 5.55071309e-2f * f + 2.40221202e-1f;
    vec p = (high * (f * f) + middle) * (f * f) + (6.93146944e-1f * f + 1.00000012f);
    return (vec)((vec_int)p + exponent);
}

FCMAE_INLINE void gelu(const bool coarse, vec z, vec *value, vec *slope)
{
    vec x = vec_abs(z);
    vec t = reciprocal(coarse, 0.231641889f * x + 1.0f);            /* 0.3275911 / sqrt 2 */
    vec exponent = vec_max(z * z * -0.72134752f, vec_set(-126.0f)); /* -z^2/2 in powers of two */
    vec e = exp2_negative(coarse, exponent);
    /* the coefficients of 7.1.26, halved */
    vec high = 0.5307027145f * t - 0.7265760135f, middle = 0.7107068705f * t - 0.142248368f;
    vec tail = ((high * (t * t) + middle) * (t * t) + 0.127414796f * t) * e;
    *value = vec_max(z, vec_zero()) - x * tail;
    vec falling = tail - x * 0.39894228f * e; /* the slope at -x; at x it is the rest to one */
    *slope = vec_select((vec_int)z, falling, 1.0f - falling);
}

/** pairs: value and slope go into the halves of z; else the slope, if wanted, into `slope`. */
FCMAE_INLINE void gelu_columns(const int nv, const bool pairs, int rows, int width, float *z,
                               float *slope, float *square)
{
    vec sum[5];
    FCMAE_UNROLL
    for (int n = 0; n < nv; n++) sum[n] = vec_zero();
    for (int m = 0; m < rows; m++, z += width) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) {
            vec value, derivative;
            gelu(pairs, vec_load(z + n * VEC_LANES), &value, &derivative);
            vec_store(z + n * VEC_LANES, pairs ? vec_pair(value, derivative) : value);
            if (!pairs && slope) vec_store(slope + m * width + n * VEC_LANES, derivative);
            sum[n] += value * value;
        }
    }
    if (square) {
        FCMAE_UNROLL
        for (int n = 0; n < nv; n++) vec_store(square + n * VEC_LANES, sum[n]);
    }
}

void FCMAE_KERNEL(fcmae_gelu)(int rows, int width, float *z, float *slope, float *square)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, gelu_columns, false, rows, width, z + column, slope ? slope + column : 0,
                  square ? square + column : 0);
}

void FCMAE_KERNEL(fcmae_gelu_pairs)(int rows, int width, float *z, float *square)
{
    VEC_FOR_GROUPS(width, column, group)
    VEC_FIX_GROUP(group, gelu_columns, true, rows, width, z + column, 0,
                  square ? square + column : 0);
}
