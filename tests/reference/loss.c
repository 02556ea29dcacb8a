/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "reference/operators.h"

static double log_sum_exp(int count, const double *x)
{
    double largest = x[0], sum = 0;
    for (int i = 1; i < count; i++) largest = fmax(largest, x[i]);
    for (int i = 0; i < count; i++) sum += exp(x[i] - largest);
    return largest + log(sum);
}

double reference_cross_entropy(int classes, const double *logits, const double *target)
{
    double normaliser = log_sum_exp(classes, logits), loss = 0;
    for (int k = 0; k < classes; k++) loss -= target[k] * (logits[k] - normaliser);
    return loss;
}

void reference_cross_entropy_backward(int classes, const double *logits, const double *target,
                                      double weight, double *dlogits)
{
    double normaliser = log_sum_exp(classes, logits), mass = 0;
    for (int k = 0; k < classes; k++) mass += target[k];
    for (int k = 0; k < classes; k++)
        dlogits[k] = weight * (mass * exp(logits[k] - normaliser) - target[k]);
}

void reference_patch_target(const double *image, int channels, int height, int width, int patch,
                            int64_t cell, int normalise, double *target)
{
    int columns = width / patch, count = patch * patch * channels;
    int top = (int)(cell / columns) * patch, left = (int)(cell % columns) * patch;
    double mean = 0, variance = 0;
    for (int i = 0; i < count; i++) {
        int y = top + i / channels / patch, x = left + i / channels % patch, c = i % channels;
        target[i] = image[(c * height + y) * width + x];
        mean += target[i] / count;
    }
    if (!normalise) return;
    for (int i = 0; i < count; i++)
        variance += (target[i] - mean) * (target[i] - mean) / (count - 1);
    for (int i = 0; i < count; i++) target[i] = (target[i] - mean) / sqrt(variance + 1e-6);
}

double reference_squared_error(int64_t count, const double *prediction, const double *target)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (prediction[i] - target[i]) * (prediction[i] - target[i]);
    return sum / (double)count;
}

void reference_squared_error_backward(int64_t count, const double *prediction, const double *target,
                                      double weight, double *dprediction)
{
    for (int64_t i = 0; i < count; i++)
        dprediction[i] = weight * 2 * (prediction[i] - target[i]) / (double)count;
}
