/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Gradients against central differences, h = 6e-6 max(1, |x|), double precision. */
#ifndef TESTS_SUPPORT_GRADIENT_CHECK_H
#define TESTS_SUPPORT_GRADIENT_CHECK_H

#include <check.h>
#include <math.h>
#include <stdint.h>

#include "support/arrays.h"

/** One input of the loss and the gradient to be judged. */
typedef struct gradient_variable {
    const char *name;
    double *value;
    const double *gradient;
    int64_t count;
} gradient_variable;

typedef double (*loss_function)(void *cookie);

static inline void judge_derivative(const char *name, int64_t index, double loss, double numeric,
                                    double analytic)
{
    double bound = 1e-9 * fmax(1, fabs(loss)) + 1e-6 * (fabs(numeric) + fabs(analytic));
    if (!(fabs(numeric - analytic) <= bound))
        ck_abort_msg("%s[%lld]: derivative %.12g, by differences %.12g (seed %llu)", name,
                     (long long)index, analytic, numeric, (unsigned long long)test_seed());
}

/** Every coordinate of every variable. */
static inline void check_gradients(loss_function loss, void *cookie,
                                   const gradient_variable *variables, int count)
{
    for (int v = 0; v < count; v++)
        for (int64_t i = 0; i < variables[v].count; i++) {
            double *x = &variables[v].value[i], kept = *x, h = 6e-6 * fmax(1, fabs(kept));
            *x = kept + h;
            double above = loss(cookie), step = *x;
            *x = kept - h;
            double below = loss(cookie);
            step -= *x;
            *x = kept;
            judge_derivative(variables[v].name, i, above, (above - below) / step,
                             variables[v].gradient[i]);
        }
}

/** One variable along `directions` random directions of unit length. */
static inline void check_directions(loss_function loss, void *cookie, gradient_variable variable,
                                    int directions, fcmae_random *random)
{
    const double h = 6e-6;
    for (int d = 0; d < directions; d++) {
        double *direction = random_doubles(random, variable.count), length = 0, analytic = 0;
        double *kept = zero_doubles(variable.count), value[2];
        for (int64_t i = 0; i < variable.count; i++) length += direction[i] * direction[i];
        for (int64_t i = 0; i < variable.count; i++) {
            direction[i] /= sqrt(length);
            analytic += direction[i] * variable.gradient[i];
            kept[i] = variable.value[i];
        }
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < variable.count; i++)
                variable.value[i] = kept[i] + (side ? -h : h) * direction[i];
            value[side] = loss(cookie);
        }
        for (int64_t i = 0; i < variable.count; i++) variable.value[i] = kept[i];
        judge_derivative(variable.name, d, value[0], (value[0] - value[1]) / (2 * h), analytic);
        free(direction);
        free(kept);
    }
}

#endif
