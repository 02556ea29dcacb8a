/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Element types: sizes, names, and conversion to and from f32 bit by bit. */
#include <string.h>
#include <strings.h>

#include "tensor/tensor_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor files are little-endian");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [FCMAE_DTYPE_F32] = {"f32", 4},   [FCMAE_DTYPE_F16] = {"f16", 2},
    [FCMAE_DTYPE_BF16] = {"bf16", 2}, [FCMAE_DTYPE_F64] = {"f64", 8},
    [FCMAE_DTYPE_I64] = {"i64", 8},   [FCMAE_DTYPE_I32] = {"i32", 4},
    [FCMAE_DTYPE_I16] = {"i16", 2},   [FCMAE_DTYPE_I8] = {"i8", 1},
    [FCMAE_DTYPE_U64] = {"u64", 8},   [FCMAE_DTYPE_U32] = {"u32", 4},
    [FCMAE_DTYPE_U16] = {"u16", 2},   [FCMAE_DTYPE_U8] = {"u8", 1},
    [FCMAE_DTYPE_BOOL] = {"bool", 1}, [FCMAE_DTYPE_OTHER] = {"other", 0},
};

size_t fcmae_dtype_size(fcmae_dtype dtype)
{
    return dtype >= 0 && dtype <= FCMAE_DTYPE_OTHER ? dtypes[dtype].size : 0;
}

const char *fcmae_dtype_name(fcmae_dtype dtype)
{
    return dtype >= 0 && dtype <= FCMAE_DTYPE_OTHER ? dtypes[dtype].name : "other";
}

fcmae_dtype fcmae_dtype_find(const char *name)
{
    for (int i = 0; i < FCMAE_DTYPE_OTHER; i++)
        if (strcasecmp(dtypes[i].name, name) == 0) return (fcmae_dtype)i;
    return FCMAE_DTYPE_OTHER;
}

bool fcmae_dtype_is_floating(fcmae_dtype dtype)
{
    return dtype == FCMAE_DTYPE_F32 || dtype == FCMAE_DTYPE_F16 || dtype == FCMAE_DTYPE_BF16 ||
           dtype == FCMAE_DTYPE_F64;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u;
    uint32_t fraction = half & 1023u;
    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float magnitude = (float)fraction * 0x1p-24f; /* subnormal: exact */
    return float_of(sign | bits_of(magnitude));
}

static uint16_t float_to_half(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u); /* 65520 rounds up to infinity */
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 rounds to a multiple of 2^-24 */
        float shifted = float_of(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    magnitude += 0xfffu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | (magnitude - (112u << 23)) >> 13);
}

static uint16_t float_to_bfloat(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#define WIDEN(type, expression)                             \
    for (int64_t i = 0; i < count; i++) {                   \
        type x;                                             \
        memcpy(&x, from + i * (int64_t)sizeof x, sizeof x); \
        values[i] = expression;                             \
    }                                                       \
    break

void fcmae_dtype_widen(fcmae_dtype dtype, int64_t count, const void *bytes, float *values)
{
    const unsigned char *from = bytes;
    switch (dtype) {
    case FCMAE_DTYPE_F32:
        if (count > 0) memcpy(values, bytes, (size_t)count * sizeof(float));
        break;
    case FCMAE_DTYPE_F16: WIDEN(uint16_t, half_to_float(x));
    case FCMAE_DTYPE_BF16: WIDEN(uint16_t, float_of((uint32_t)x << 16));
    case FCMAE_DTYPE_F64: WIDEN(double, (float)x);
    case FCMAE_DTYPE_I64: WIDEN(int64_t, (float)x);
    case FCMAE_DTYPE_I32: WIDEN(int32_t, (float)x);
    case FCMAE_DTYPE_I16: WIDEN(int16_t, (float)x);
    case FCMAE_DTYPE_I8: WIDEN(int8_t, (float)x);
    case FCMAE_DTYPE_U64: WIDEN(uint64_t, (float)x);
    case FCMAE_DTYPE_U32: WIDEN(uint32_t, (float)x);
    case FCMAE_DTYPE_U16: WIDEN(uint16_t, (float)x);
    case FCMAE_DTYPE_U8: WIDEN(uint8_t, (float)x);
    case FCMAE_DTYPE_BOOL: WIDEN(uint8_t, x != 0 ? 1.0f : 0.0f);
    case FCMAE_DTYPE_OTHER: break;
    }
}

#define NARROW(type, expression)                          \
    for (int64_t i = 0; i < count; i++) {                 \
        type y = expression;                              \
        memcpy(to + i * (int64_t)sizeof y, &y, sizeof y); \
    }

void fcmae_dtype_narrow(fcmae_dtype dtype, int64_t count, const float *values, void *bytes)
{
    unsigned char *to = bytes;
    if (dtype == FCMAE_DTYPE_F32 && count > 0)
        memcpy(bytes, values, (size_t)count * sizeof(float));
    else if (dtype == FCMAE_DTYPE_F16)
        NARROW(uint16_t, float_to_half(values[i]))
    else if (dtype == FCMAE_DTYPE_BF16)
        NARROW(uint16_t, float_to_bfloat(values[i]))
    else if (dtype == FCMAE_DTYPE_F64)
        NARROW(double, values[i])
}
