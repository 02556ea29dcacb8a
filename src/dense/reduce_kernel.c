/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Sums over rows, the squared error of a prediction panel, and sums over gradient blocks. */
#include <math.h>

#include "core/isa.h"

void FCMAE_KERNEL(fcmae_column_sum)(int rows, int columns, int64_t stride, const float *x,
                                    float factor, float *sum)
{
    for (int c = 0; c < columns; c += VEC_LANES) {
        vec total = vec_zero();
        for (int m = 0; m < rows; m++) total += vec_load(x + m * stride + c);
        vec_store(sum + c, vec_load(sum + c) + total * factor);
    }
}

void FCMAE_KERNEL(fcmae_column_dot)(int rows, int columns, int64_t stride, const float *x,
                                    const float *y, float *sum)
{
    for (int c = 0; c < columns; c += VEC_LANES) {
        vec total = vec_load(sum + c);
        for (int m = 0; m < rows; m++)
            total += vec_load(x + m * stride + c) * vec_load(y + m * stride + c);
        vec_store(sum + c, total);
    }
}

double FCMAE_KERNEL(fcmae_squared_error)(int rows, int width, float *p, const float *target,
                                         int64_t target_stride, float factor, float *sum)
{
    vec column[80 / VEC_LANES];
    for (int n = 0; n < width / VEC_LANES; n++) column[n] = vec_load(sum + n * VEC_LANES);
    double total = 0;
    for (int m = 0; m < rows; m++, p += width, target += target_stride) {
        vec square = vec_zero();
        for (int n = 0; n < width / VEC_LANES; n++) {
            vec error = vec_load(p + n * VEC_LANES) - vec_load(target + n * VEC_LANES);
            square += error * error;
            error *= factor;
            column[n] += error;
            vec_store(p + n * VEC_LANES, error);
        }
        total += (double)vec_sum(square);
    }
    for (int n = 0; n < width / VEC_LANES; n++) vec_store(sum + n * VEC_LANES, column[n]);
    return total;
}

/**
 * A patch of sky has a mean a thousand times its deviation, and a mean is good to a float's 7
 * digits: x - mean would lose what is to be seen. It is exact, though, so its own mean is taken off
 * as well.
 */
void FCMAE_KERNEL(fcmae_standardise)(int count, float *x)
{
    const int whole = count / VEC_LANES * VEC_LANES;
    const float inverse = 1.0f / (float)count;
    vec sum = vec_zero(), rest = vec_zero(), square = vec_zero();
    for (int i = 0; i < whole; i += VEC_LANES) sum += vec_load(x + i);
    float total = vec_sum(sum);
    for (int i = whole; i < count; i++) total += x[i];
    const float mean = total * inverse;

    for (int i = 0; i < whole; i += VEC_LANES) rest += vec_load(x + i) - mean;
    total = vec_sum(rest);
    for (int i = whole; i < count; i++) total += x[i] - mean;
    const float remainder = total * inverse;

    for (int i = 0; i < whole; i += VEC_LANES) {
        vec centred = vec_load(x + i) - mean - remainder;
        square += centred * centred;
        vec_store(x + i, centred);
    }
    total = vec_sum(square);
    for (int i = whole; i < count; i++) {
        x[i] = x[i] - mean - remainder;
        total += x[i] * x[i];
    }
    const float scale = 1.0f / sqrtf(total / (float)(count - 1) + 1e-6f);
    for (int i = 0; i < whole; i += VEC_LANES) vec_store(x + i, vec_load(x + i) * scale);
    for (int i = whole; i < count; i++) x[i] *= scale;
}

float FCMAE_KERNEL(fcmae_dot)(int count, const float *x, const float *y)
{
    int whole = count / (4 * VEC_LANES) * (4 * VEC_LANES);
    vec sum[4] = {{0}, {0}, {0}, {0}}; /* four chains hide the latency of the additions */
    for (int i = 0; i < whole; i += 4 * VEC_LANES) {
        FCMAE_UNROLL
        for (int j = 0; j < 4; j++)
            sum[j] += vec_load(x + i + j * VEC_LANES) * vec_load(y + i + j * VEC_LANES);
    }
    float total = vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (int i = whole; i < count; i++) total += x[i] * y[i];
    return total;
}

void FCMAE_KERNEL(fcmae_combine)(int count, float a, const float *x, float b, float *y)
{
    int whole = count / VEC_LANES * VEC_LANES;
    for (int i = 0; i < whole; i += VEC_LANES)
        vec_store(y + i, a * vec_load(x + i) + b * vec_load(y + i));
    for (int i = whole; i < count; i++) y[i] = a * x[i] + b * y[i];
}

void FCMAE_KERNEL(fcmae_sum_blocks)(int64_t count, int blocks, const float *const *block,
                                    float *sum)
{
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        vec total = vec_load(block[0] + i);
        for (int b = 1; b < blocks; b++) total += vec_load(block[b] + i);
        vec_store(sum + i, total);
    }
}
