/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/random.h"

#include <math.h>

static void philox_round(uint32_t counter[4], const uint32_t key[2])
{
    uint64_t product0 = (uint64_t)0xD2511F53u * counter[0];
    uint64_t product1 = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t next[4] = {(uint32_t)(product1 >> 32) ^ counter[1] ^ key[0], (uint32_t)product1,
                        (uint32_t)(product0 >> 32) ^ counter[3] ^ key[1], (uint32_t)product0};
    for (int i = 0; i < 4; i++) counter[i] = next[i];
}

static void refill(fcmae_random *random)
{
    uint32_t key[2] = {random->key[0], random->key[1]};
    for (int i = 0; i < 4; i++) random->block[i] = random->counter[i];
    for (int round = 0; round < 10; round++) {
        philox_round(random->block, key);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    random->counter[0]++; /* a stream hands out fewer than 2^34 words: no carry into counter[1] */
    random->used = 0;
}

fcmae_random fcmae_random_start(uint64_t seed, fcmae_random_purpose purpose, uint32_t epoch,
                                uint64_t index)
{
    fcmae_random random = {
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ ((uint32_t)purpose << 24)},
        .counter = {0, (uint32_t)index, (uint32_t)(index >> 32), epoch},
        .used = 4,
    };
    return random;
}

uint32_t fcmae_random_u32(fcmae_random *random)
{
    if (random->used == 4) refill(random);
    return random->block[random->used++];
}

double fcmae_random_uniform(fcmae_random *random)
{
    uint64_t high = fcmae_random_u32(random) >> 5, low = fcmae_random_u32(random) >> 6;
    return (double)(high * 67108864u + low) * 0x1p-53;
}

uint64_t fcmae_random_below(fcmae_random *random, uint64_t bound)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound; /* reject the ragged end: no modulo bias */
    for (;;) {
        uint64_t value = (uint64_t)fcmae_random_u32(random) << 32;
        value |= fcmae_random_u32(random);
        if (value < limit) return value % bound;
    }
}

double fcmae_random_normal(fcmae_random *random)
{
    double radius = 1.0 - fcmae_random_uniform(random); /* (0, 1]: the logarithm is finite */
    double angle = fcmae_random_uniform(random);
    return sqrt(-2.0 * log(radius)) * cos(6.283185307179586476925 * angle);
}

void fcmae_random_permutation(fcmae_random *random, int64_t count, int64_t *out)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t j = (int64_t)fcmae_random_below(random, (uint64_t)i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
