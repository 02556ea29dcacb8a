/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Affine maps as in Pillow's Geometry.c: double arithmetic, the three channels of a pixel as one
 * vector. Where a coordinate falls on pixel centres (shears, shifts) the cubic of that axis is the
 * middle sample exactly and is not evaluated.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/augment.h"

static const uint8_t outside_colour[3] = {124, 116, 104};

typedef double pixel __attribute__((vector_size(32)));

static inline pixel load(const uint8_t *p)
{
    return (pixel){p[0], p[1], p[2], 0};
}

static inline pixel cubic(pixel v1, pixel v2, pixel v3, pixel v4, double d)
{
    pixel p2 = v3 - v1, p3 = 2 * (v1 - v2) + v3 - v4, p4 = v2 - v1 - v3 + v4;
    return v2 + d * (p2 + d * (p3 + d * p4));
}

static inline int clip(int value, int size)
{
    return value < 0 ? 0 : value >= size ? size - 1 : value;
}

/** The cubic along one row; columns beyond the edge repeat it. */
static inline pixel along_row(const uint8_t *row, int width, int x, double dx)
{
    if (dx == 0) return load(row + 3 * clip(x + 1, width));
    return cubic(load(row + 3 * clip(x, width)), load(row + 3 * clip(x + 1, width)),
                 load(row + 3 * clip(x + 2, width)), load(row + 3 * clip(x + 3, width)), dx);
}

/** Value at (x, y), which is inside the picture. */
static pixel sample(const uint8_t *source, int height, int width, double x, double y)
{
    x -= 0.5;
    y -= 0.5;
    int column = (int)floor(x), row = (int)floor(y);
    double dx = x - column, dy = y - row;
    column--;
    row--;
    size_t stride = (size_t)width * 3;
    if (dy == 0) return along_row(source + (size_t)(row + 1) * stride, width, column, dx);
    pixel v[4];
    v[0] = along_row(source + (size_t)clip(row, height) * stride, width, column, dx);
    for (int i = 1; i < 4; i++) /* a row outside repeats the value before it */
        v[i] = row + i >= 0 && row + i < height
                   ? along_row(source + (size_t)(row + i) * stride, width, column, dx)
                   : v[i - 1];
    return cubic(v[0], v[1], v[2], v[3], dy);
}

void fcmae_augment_affine(const uint8_t *source, uint8_t *out, int height, int width,
                          const double m[6])
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += 3) {
            double from_x = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
            double from_y = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
            if (!(from_x >= 0 && from_x < width && from_y >= 0 && from_y < height)) {
                memcpy(out, outside_colour, 3);
                continue;
            }
            pixel value = sample(source, height, width, from_x, from_y);
            for (int c = 0; c < 3; c++)
                out[c] = value[c] <= 0 ? 0 : value[c] >= 255 ? 255 : (uint8_t)value[c];
        }
}

/** Python's round(value, 15): through the decimal text, as the
 *  product with 1e15 would round too. */
static double round_to_15_digits(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.15f", value);
    return strtod(text, NULL);
}

void fcmae_augment_rotation(double degrees, int height, int width, double m[6])
{
    const double pi = 3.14159265358979323846;
    degrees = fmod(degrees, 360.0);
    if (degrees < 0) degrees += 360.0;
    double angle = -(degrees * (pi / 180.0)), x = width / 2.0, y = height / 2.0;
    m[0] = m[4] = round_to_15_digits(cos(angle));
    m[1] = round_to_15_digits(sin(angle));
    m[3] = round_to_15_digits(-sin(angle));
    m[2] = m[0] * -x + m[1] * -y + 0.0 + x;
    m[5] = m[3] * -x + m[4] * -y + 0.0 + y;
}
