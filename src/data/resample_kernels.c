/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/isa.h"
#include "data/resample_kernels.h"

typedef int32_t quad __attribute__((vector_size(16)));
typedef uint8_t quad_bytes __attribute__((vector_size(4)));

FCMAE_INLINE uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FCMAE_RESAMPLE_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/** Red, green, blue and a neighbour's byte, which is ignored, make a vector of four. */
void FCMAE_KERNEL(fcmae_resample_columns)(const fcmae_axis *columns, const uint8_t *source,
                                          uint8_t *out)
{
    const int32_t half = 1 << (FCMAE_RESAMPLE_BITS - 1);
    for (int x = 0; x < columns->count; x++, out += 3) {
        const int32_t *weights = columns->weights + (size_t)x * (size_t)columns->taps;
        const uint8_t *from = source + 3 * (size_t)(columns->first[x] - columns->low);
        quad sum = {half, half, half, 0};
        for (int i = 0; i < columns->length[x]; i++, from += 3) {
            quad_bytes bytes;
            memcpy(&bytes, from, 4);
            sum += __builtin_convertvector(bytes, quad) * weights[i];
        }
        for (int c = 0; c < 3; c++) out[c] = to_byte(sum[c]);
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
        memcpy(out + x, bytes, stride - x < FCMAE_RESAMPLE_BLOCK ? stride - x : FCMAE_RESAMPLE_BLOCK);
    }
}
