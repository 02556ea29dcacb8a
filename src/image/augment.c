/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "image/augment.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define MAX_MAGNITUDE 10.0

/* ------------------------------------------------------------ tables: one byte to one byte */

typedef struct tables {
    uint8_t value[3][256]; /* per channel */
} tables;

static void apply_tables(const tables *t, uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++, pixels += 3)
        for (int c = 0; c < 3; c++) pixels[c] = t->value[c][pixels[c]];
}

static void count_values(const uint8_t *pixels, size_t count, int64_t histogram[3][256])
{
    memset(histogram, 0, 3 * 256 * sizeof(int64_t));
    for (size_t i = 0; i < count; i++, pixels += 3)
        for (int c = 0; c < 3; c++) histogram[c][pixels[c]]++;
}

static uint8_t clamp_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
}

static void auto_contrast_table(const int64_t histogram[256], uint8_t table[256])
{
    int low = 0, high = 255;
    while (low < 255 && histogram[low] == 0) low++;
    while (high > 0 && histogram[high] == 0) high--;
    double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
    for (int i = 0; i < 256; i++) table[i] = clamp_byte(trunc(i * scale + offset));
}

static void equalize_table(const int64_t histogram[256], uint8_t table[256])
{
    int64_t total = 0, last = 0, used = 0;
    for (int i = 0; i < 256; i++) {
        total += histogram[i];
        used += histogram[i] > 0;
        if (histogram[i] > 0) last = histogram[i];
    }
    int64_t step = used > 1 ? (total - last) / 255 : 0, n = step / 2;
    for (int i = 0; i < 256; i++) {
        int64_t value = step ? n / step : i;
        table[i] = (uint8_t)(value > 255 ? 255 : value);
        n += histogram[i];
    }
}

static uint8_t simple_table_value(fcmae_augmentation operation, double value, int i)
{
    int number = (int)value;
    switch (operation) {
    case FCMAE_AUGMENT_INVERT: return (uint8_t)(255 - i);
    case FCMAE_AUGMENT_POSTERIZE:
        return (uint8_t)(number >= 8 ? i : i & ~((1 << (8 - number)) - 1));
    case FCMAE_AUGMENT_SOLARIZE: return (uint8_t)(i < number ? i : 255 - i);
    default: return (uint8_t)(i >= 128 ? i : i + number > 255 ? 255 : i + number);
    }
}

static void table_operation(fcmae_augmentation operation, double value, uint8_t *pixels,
                            size_t count)
{
    tables t;
    int64_t histogram[3][256];
    if (operation <= FCMAE_AUGMENT_EQUALIZE) count_values(pixels, count, histogram);
    for (int c = 0; c < 3; c++) {
        if (operation == FCMAE_AUGMENT_AUTO_CONTRAST)
            auto_contrast_table(histogram[c], t.value[c]);
        else if (operation == FCMAE_AUGMENT_EQUALIZE)
            equalize_table(histogram[c], t.value[c]);
        else
            for (int i = 0; i < 256; i++) t.value[c][i] = simple_table_value(operation, value, i);
    }
    apply_tables(&t, pixels, count);
}

/* ------------------------------------------------------------ blends with a degenerate picture */

static uint8_t luminance(const uint8_t *p)
{
    return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
}

/** 3x3 mean with weight 5 in the centre, rounded; a border of one pixel stays as it is. */
static void smooth(const uint8_t *pixels, uint8_t *out, int height, int width)
{
    size_t stride = (size_t)width * 3;
    memcpy(out, pixels, (size_t)height * stride);
    for (int y = 1; y + 1 < height; y++)
        for (size_t i = 3; i + 3 < stride; i++) {
            const uint8_t *p = pixels + (size_t)y * stride + i;
            int sum = 4 * p[0];
            for (int dy = -1; dy <= 1; dy++) {
                const uint8_t *row = p + dy * (ptrdiff_t)stride;
                sum += row[-3] + row[0] + row[3];
            }
            out[(size_t)y * stride + i] = (uint8_t)((2 * sum + 13) / 26);
        }
}

static void degenerate(fcmae_augmentation operation, const uint8_t *pixels, uint8_t *out,
                       int height, int width)
{
    size_t count = (size_t)height * (size_t)width;
    uint64_t sum = 0;
    switch (operation) {
    case FCMAE_AUGMENT_COLOR:
        for (size_t i = 0; i < count; i++) memset(out + 3 * i, luminance(pixels + 3 * i), 3);
        break;
    case FCMAE_AUGMENT_CONTRAST:
        for (size_t i = 0; i < count; i++) sum += luminance(pixels + 3 * i);
        memset(out, (int)((double)sum / (double)count + 0.5), 3 * count);
        break;
    case FCMAE_AUGMENT_BRIGHTNESS: memset(out, 0, 3 * count); break;
    default: smooth(pixels, out, height, width); break;
    }
}

/** pixels = from + factor * (pixels - from), in float, truncated. */
static void blend(uint8_t *pixels, const uint8_t *from, size_t bytes, float factor)
{
    if (factor == 1.0f) return;
    for (size_t i = 0; i < bytes; i++) {
        float value = (float)from[i] + factor * (float)(pixels[i] - from[i]);
        pixels[i] = value <= 0.0f ? 0 : value >= 255.0f ? 255 : (uint8_t)value;
    }
}

/* ------------------------------------------------------------ the operations */

static void affine_operation(fcmae_augmentation operation, double value, uint8_t *pixels,
                             uint8_t *scratch, int height, int width)
{
    double m[6] = {1, 0, 0, 0, 1, 0};
    switch (operation) {
    case FCMAE_AUGMENT_ROTATE:
        if (fmod(value, 360.0) == 0) return;
        fcmae_augment_rotation(value, height, width, m);
        break;
    case FCMAE_AUGMENT_SHEAR_X: m[1] = value; break;
    case FCMAE_AUGMENT_SHEAR_Y: m[3] = value; break;
    case FCMAE_AUGMENT_TRANSLATE_X: m[2] = value; break;
    default: m[5] = value; break;
    }
    fcmae_augment_affine(pixels, scratch, height, width, m);
    memcpy(pixels, scratch, 3 * (size_t)height * (size_t)width);
}

void fcmae_augment(fcmae_augmentation operation, double value, uint8_t *pixels, uint8_t *scratch,
                   int height, int width)
{
    size_t count = (size_t)height * (size_t)width;
    switch (operation) {
    case FCMAE_AUGMENT_COLOR:
    case FCMAE_AUGMENT_CONTRAST:
    case FCMAE_AUGMENT_BRIGHTNESS:
    case FCMAE_AUGMENT_SHARPNESS:
        degenerate(operation, pixels, scratch, height, width);
        blend(pixels, scratch, 3 * count, (float)value);
        break;
    case FCMAE_AUGMENT_ROTATE:
    case FCMAE_AUGMENT_SHEAR_X:
    case FCMAE_AUGMENT_SHEAR_Y:
    case FCMAE_AUGMENT_TRANSLATE_X:
    case FCMAE_AUGMENT_TRANSLATE_Y:
        affine_operation(operation, value, pixels, scratch, height, width);
        break;
    default: table_operation(operation, value, pixels, count); break;
    }
}

/* ------------------------------------------------------------ the policy */

static double either_sign(double value, fcmae_random *random)
{
    return fcmae_random_uniform(random) < 0.5 ? value : -value;
}

double fcmae_augment_value(fcmae_augmentation operation, double magnitude, int height, int width,
                           fcmae_random *random)
{
    double level = magnitude / MAX_MAGNITUDE;
    switch (operation) {
    case FCMAE_AUGMENT_ROTATE: return either_sign(level * 30, random);
    case FCMAE_AUGMENT_POSTERIZE: return 4 - trunc(level * 4);
    case FCMAE_AUGMENT_SOLARIZE: return 256 - trunc(level * 256);
    case FCMAE_AUGMENT_SOLARIZE_ADD: return trunc(level * 110);
    case FCMAE_AUGMENT_COLOR:
    case FCMAE_AUGMENT_CONTRAST:
    case FCMAE_AUGMENT_BRIGHTNESS:
    case FCMAE_AUGMENT_SHARPNESS: return 1 + either_sign(level * 0.9, random);
    case FCMAE_AUGMENT_SHEAR_X:
    case FCMAE_AUGMENT_SHEAR_Y: return either_sign(level * 0.3, random);
    case FCMAE_AUGMENT_TRANSLATE_X: return either_sign(level * 0.45, random) * width;
    case FCMAE_AUGMENT_TRANSLATE_Y: return either_sign(level * 0.45, random) * height;
    default: return 0;
    }
}

void fcmae_randaugment(uint8_t *pixels, uint8_t *scratch, int height, int width, int operations,
                       double magnitude, double deviation, fcmae_random *random)
{
    for (int i = 0; i < operations; i++) {
        fcmae_augmentation operation = (fcmae_augmentation)fcmae_random_below(random,
                                                                              FCMAE_AUGMENTATIONS);
        bool skipped = fcmae_random_uniform(random) >= 0.5;
        double m = magnitude + (deviation > 0 ? deviation * fcmae_random_normal(random) : 0);
        m = fmin(fmax(m, 0), MAX_MAGNITUDE);
        double value = fcmae_augment_value(operation, m, height, width, random);
        if (!skipped) fcmae_augment(operation, value, pixels, scratch, height, width);
    }
}
