/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** LayerNorm over the channels of each row (biased variance, eps 1e-6), forward and backward. */
#include <math.h>

#include "core/isa.h"

#define EPSILON 1e-6f

/**
 * Padding of every result is written as zero: results go to scratch that rows of another stride
 * used before, and on narrow vectors a row's padding may be whole vectors that the tail does not
 * reach.
 */
FCMAE_INLINE void clear_padding(float *row, int channels, int stride)
{
    for (int c = (channels + VEC_LANES - 1) / VEC_LANES * VEC_LANES; c < stride; c += VEC_LANES)
        vec_store(row + c, vec_zero());
}

/** All ones in the lanes of a row's last, partly filled vector. */
FCMAE_INLINE vec_int tail_mask(int channels)
{
    vec_int lane;
    for (int i = 0; i < VEC_LANES; i++) lane[i] = i;
    return lane < channels % VEC_LANES;
}

void FCMAE_KERNEL(fcmae_layernorm)(int rows, int channels, int stride, const float *x,
                                   float *normalised, float *rstd, const fcmae_affine *affine)
{
    const int whole = channels / VEC_LANES * VEC_LANES, tail = channels % VEC_LANES;
    const vec_int mask = tail_mask(channels);
    const float inverse = 1.0f / (float)channels;
    for (int m = 0; m < rows; m++, x += stride) {
        vec sum = vec_zero(), square = vec_zero();
        for (int c = 0; c < whole; c += VEC_LANES) sum += vec_load(x + c);
        if (tail) sum += vec_load(x + whole); /* padding is zero */
        vec mean = vec_set(vec_sum(sum) * inverse);
        for (int c = 0; c < whole; c += VEC_LANES) {
            vec centred = vec_load(x + c) - mean;
            square += centred * centred;
        }
        if (tail) {
            vec centred = vec_select(mask, vec_load(x + whole) - mean, vec_zero());
            square += centred * centred;
        }
        float scale = 1.0f / sqrtf(vec_sum(square) * inverse + EPSILON);
        rstd[m] = scale;
        float *n = normalised + (int64_t)m * stride;
        for (int c = 0; c < whole; c += VEC_LANES)
            vec_store(n + c, (vec_load(x + c) - mean) * scale);
        if (tail)
            vec_store(n + whole,
                      vec_select(mask, (vec_load(x + whole) - mean) * scale, vec_zero()));
        clear_padding(n, channels, stride);
        if (affine) {
            const float *weight = affine->weight, *bias = affine->bias; /* their padding is zero */
            float *o = affine->out + (int64_t)m * stride;
            for (int c = 0; c < channels; c += VEC_LANES)
                vec_store(o + c, vec_load(n + c) * vec_load(weight + c) + vec_load(bias + c));
            clear_padding(o, channels, stride);
        }
    }
}

void FCMAE_KERNEL(fcmae_layernorm_backward)(int rows, int channels, int stride,
                                            const float *normalised, const float *rstd,
                                            const float *dn, float *dx)
{
    const int whole = channels / VEC_LANES * VEC_LANES, tail = channels % VEC_LANES;
    const vec_int mask = tail_mask(channels);
    const float inverse = 1.0f / (float)channels;
    for (int m = 0; m < rows; m++, normalised += stride, dn += stride, dx += stride) {
        vec sum = vec_zero(), dot = vec_zero();
        for (int c = 0; c < channels; c += VEC_LANES) { /* padding of both is zero */
            vec d = vec_load(dn + c);
            sum += d;
            dot += d * vec_load(normalised + c);
        }
        vec mean = vec_set(vec_sum(sum) * inverse), slope = vec_set(vec_sum(dot) * inverse);
        for (int c = 0; c < whole; c += VEC_LANES)
            vec_store(dx + c,
                      (vec_load(dn + c) - mean - vec_load(normalised + c) * slope) * rstd[m]);
        if (tail)
            vec_store(dx + whole, vec_select(mask,
                                             (vec_load(dn + whole) - mean -
                                              vec_load(normalised + whole) * slope) *
                                                 rstd[m],
                                             vec_zero()));
        clear_padding(dx, channels, stride);
    }
}
