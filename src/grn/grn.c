/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "grn/grn.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-6f

static int group_count(const fcmae_grn_shape *shape)
{
    return shape->together ? 1 : shape->images;
}

static int group_of(const fcmae_grn_shape *shape, int image)
{
    return shape->together ? 0 : image;
}

void fcmae_grn_norms(const fcmae_grn_shape *shape, const float *square_sums, float *norm,
                     float *mean)
{
    int hidden = shape->hidden, groups = group_count(shape);
    memset(norm, 0, (size_t)groups * (size_t)hidden * sizeof *norm);
    for (int segment = 0; segment < shape->segments; segment++) {
        float *sum = norm + (int64_t)group_of(shape, shape->segment_image[segment]) * hidden;
        const float *part = square_sums + (int64_t)segment * hidden;
        for (int c = 0; c < hidden; c++) sum[c] += part[c];
    }
    for (int group = 0; group < groups; group++) {
        float *g = norm + (int64_t)group * hidden;
        double total = 0;
        for (int c = 0; c < hidden; c++) {
            g[c] = sqrtf(g[c]);
            total += g[c];
        }
        mean[group] = (float)(total / hidden);
    }
}

void fcmae_grn_scale(const fcmae_grn_shape *shape, const float *norm, const float *mean,
                     const float *gamma, const float *branch, float *scale)
{
    int hidden = shape->hidden;
    for (int image = 0; image < shape->images; image++) {
        float factor = branch ? branch[image] : 1.0f;
        float *s = scale + (int64_t)image * hidden;
        if (!gamma) {
            for (int c = 0; c < hidden; c++) s[c] = factor;
            continue;
        }
        int group = group_of(shape, image);
        const float *g = norm + (int64_t)group * hidden;
        float inverse = 1.0f / (mean[group] + EPSILON);
        for (int c = 0; c < hidden; c++) s[c] = factor * (1.0f + gamma[c] * (g[c] * inverse));
    }
}

/** k of one group from t; t is kept. */
static void feedback_of_group(int hidden, const float *t, const float *g, float mean,
                              const float *gamma, float *k)
{
    double inner = 0; /* mean of gamma t g */
    for (int c = 0; c < hidden; c++) inner += (double)(gamma[c] * t[c]) * g[c];
    float inverse = 1.0f / (mean + EPSILON);
    float common = (float)(inner / hidden) * inverse * inverse;
    for (int c = 0; c < hidden; c++)
        k[c] = g[c] > 0 ? (gamma[c] * t[c] * inverse - common) / g[c] : 0;
}

void fcmae_grn_feedback(const fcmae_grn_shape *shape, float *dot_sums, const float *norm,
                        const float *mean, const float *gamma, const float *branch, float *feedback,
                        float *dgamma)
{
    int hidden = shape->hidden, groups = group_count(shape);
    size_t row = (size_t)hidden * sizeof(float);
    if (!gamma) {
        memset(feedback, 0, (size_t)shape->images * row);
        return;
    }
    /* t of each group is gathered in the first segment that belongs to it. */
    for (int group = 0; group < groups; group++) {
        float *t = 0;
        for (int segment = 0; segment < shape->segments; segment++) {
            int image = shape->segment_image[segment];
            if (group_of(shape, image) != group) continue;
            float *part = dot_sums + (int64_t)segment * hidden, factor = branch ? branch[image] : 1;
            if (!t) {
                t = part;
                for (int c = 0; c < hidden; c++) t[c] *= factor;
            } else {
                for (int c = 0; c < hidden; c++) t[c] += factor * part[c];
            }
        }
        float *k = feedback + (int64_t)group * hidden;
        if (!t) { /* no row of this image carries a gradient */
            memset(k, 0, row);
            continue;
        }
        const float *g = norm + (int64_t)group * hidden;
        float inverse = 1.0f / (mean[group] + EPSILON);
        for (int c = 0; c < hidden; c++) dgamma[c] += g[c] * inverse * t[c];
        feedback_of_group(hidden, t, g, mean[group], gamma, k);
    }
    if (shape->together)
        for (int image = 1; image < shape->images; image++)
            memcpy(feedback + (int64_t)image * hidden, feedback, row);
}
