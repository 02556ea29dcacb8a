/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/checksum.h"

enum { CHAINS = 4, WORD = 8 }; /* independent chains, so that multiplications overlap */

static uint64_t mix(uint64_t chain, uint64_t word)
{
    uint64_t mixed = (chain ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ (mixed >> 29);
}

static uint64_t little_endian(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t fcmae_checksum(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t chain[CHAINS] = {1, 2, 3, 4}, sum = size;
    size_t left = size;
    for (; left >= WORD * CHAINS; left -= WORD * CHAINS)
        for (int i = 0; i < CHAINS; i++, at += WORD)
            chain[i] = mix(chain[i], little_endian(at, WORD));
    for (int i = 0; left > 0; i++) {
        size_t taken = left < WORD ? left : WORD;
        chain[i] = mix(chain[i], little_endian(at, taken));
        at += taken;
        left -= taken;
    }
    for (int i = 0; i < CHAINS; i++) sum = mix(sum, chain[i]);
    return sum;
}
