/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * AdamW reads four streams and writes three, so the loop is bound by memory: everything, the
 * gradient norm included, happens in the one pass. Squares are summed in double because the square
 * of a finite float may be infinite, and the norm doubles as the test for non-finite gradients.
 */
#include <math.h>

#include "core/isa.h"

typedef double vec_double __attribute__((vector_size(VEC_LANES * 8)));

FCMAE_INLINE vec vec_sqrt(vec v)
{
    float lane[VEC_LANES];
    memcpy(lane, &v, sizeof lane);
    for (int i = 0; i < VEC_LANES; i++) lane[i] = sqrtf(lane[i]);
    memcpy(&v, lane, sizeof v);
    return v;
}

FCMAE_INLINE vec_double square_wide(vec v)
{
    vec_double wide = __builtin_convertvector(v, vec_double);
    return wide * wide;
}

FCMAE_INLINE double sum_lanes(vec_double v)
{
    double lane[VEC_LANES];
    memcpy(lane, &v, sizeof lane);
    for (int width = VEC_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];
    return lane[0];
}

double FCMAE_KERNEL(fcmae_adamw)(int64_t count, float *value, const float *gradient, float *first,
                                 float *second, const fcmae_adamw_factors *factors)
{
    const vec first_new = vec_set((float)(1 - factors->beta1));
    const vec second_new = vec_set((float)(1 - factors->beta2));
    const vec second_keep = vec_set((float)factors->beta2);
    const vec correction = vec_set(1 / factors->correction2_root);
    const vec tiny = vec_set((float)factors->epsilon);
    const vec scale = vec_set(factors->gradient_scale), keep_all = vec_set(factors->keep);
    const vec rate = vec_set(factors->step_size);
    vec_double squares = {0};
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        vec g = vec_load(gradient + i);
        squares += square_wide(g);
        g *= scale;
        vec m = vec_load(first + i);
        m += first_new * (g - m);
        vec v = second_keep * vec_load(second + i) + second_new * (g * g);
        vec_store(first + i, m);
        vec_store(second + i, v);
        vec_store(value + i,
                  vec_load(value + i) * keep_all - rate * m / (vec_sqrt(v) * correction + tiny));
    }
    return sum_lanes(squares);
}

double FCMAE_KERNEL(fcmae_sum_of_squares)(int64_t count, const float *values)
{
    vec_double squares = {0};
    for (int64_t i = 0; i < count; i += VEC_LANES) squares += square_wide(vec_load(values + i));
    return sum_lanes(squares);
}

void FCMAE_KERNEL(fcmae_blend)(int64_t count, float keep, float fresh, const float *values,
                               float *average)
{
    const vec keep_all = vec_set(keep), fresh_all = vec_set(fresh);
    for (int64_t i = 0; i < count; i += VEC_LANES)
        vec_store(average + i, vec_load(average + i) * keep_all + vec_load(values + i) * fresh_all);
}
