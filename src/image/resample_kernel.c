/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The two passes of resampling; contracts in core/kernel_list.h. The same result everywhere. */
#include "core/isa.h"

typedef int32_t quad __attribute__((vector_size(16)));
typedef int32_t quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

FCMAE_INLINE uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FCMAE_RESAMPLE_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/** Red, green, blue and a neighbour's red, which is ignored, make a vector of four. Widening the
 * row first costs one pass and saves the conversion at every tap (three times as fast in all). */
void FCMAE_KERNEL(fcmae_resample_columns)(const fcmae_resample_axis *columns, const uint8_t *source,
                                          int32_t *wide, uint8_t *out)
{
    const int32_t half = 1 << (FCMAE_RESAMPLE_BITS - 1);
    const int32_t bytes = 3 * (columns->high - columns->low);
    for (int32_t i = 0; i < bytes; i++) wide[i] = source[i];
    for (int x = 0; x < columns->count; x++, out += 3) {
        const int32_t *weights = columns->weights + (size_t)x * (size_t)columns->taps;
        const int32_t *from = wide + 3 * (size_t)(columns->first[x] - columns->low);
        quad even = {half, half, half, 0}, odd = {0, 0, 0, 0};
        for (int i = 0; i < columns->length[x]; i += 2, from += 6) { /* a zero follows an odd end */
            even += *(const quad_unaligned *)from * weights[i];
            odd += *(const quad_unaligned *)(from + 3) * weights[i + 1];
        }
        even += odd;
        for (int c = 0; c < 3; c++) out[c] = to_byte(even[c]);
    }
}

void FCMAE_KERNEL(fcmae_resample_rows)(const uint8_t *rows, size_t stride, const int32_t *weights,
                                       int length, uint8_t *out)
{
    for (size_t x = 0; x < stride; x += FCMAE_RESAMPLE_BLOCK) {
        int32_t sum[FCMAE_RESAMPLE_BLOCK];
        uint8_t bytes[FCMAE_RESAMPLE_BLOCK];
        for (int j = 0; j < FCMAE_RESAMPLE_BLOCK; j++) sum[j] = 1 << (FCMAE_RESAMPLE_BITS - 1);
        for (int i = 0; i < length; i++) {
            const uint8_t *row = rows + (size_t)i * stride + x;
            for (int j = 0; j < FCMAE_RESAMPLE_BLOCK; j++) sum[j] += weights[i] * row[j];
        }
        for (int j = 0; j < FCMAE_RESAMPLE_BLOCK; j++) bytes[j] = to_byte(sum[j]);
        memcpy(out + x, bytes,
               stride - x < FCMAE_RESAMPLE_BLOCK ? stride - x : FCMAE_RESAMPLE_BLOCK);
    }
}
