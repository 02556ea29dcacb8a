/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Run-time choice of the instruction set. Built for the baseline:
 *  no vector flags reach this file. */
#include "core/kernels.h"

fcmae_isa fcmae_isa_detect(fcmae_isa most)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (most >= FCMAE_ISA_AVX512 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq")) {
        bool pairs = most >= FCMAE_ISA_AVX512_BF16 && __builtin_cpu_supports("avx512bf16");
        return pairs ? FCMAE_ISA_AVX512_BF16 : FCMAE_ISA_AVX512;
    }
    if (most >= FCMAE_ISA_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return FCMAE_ISA_AVX2;
#endif
    (void)most;
    return FCMAE_ISA_PORTABLE;
}

fcmae_isa fcmae_isa_choose(int instruction_set, bool bfloat16)
{
    fcmae_isa most = bfloat16 ? FCMAE_ISA_AVX512_BF16 : FCMAE_ISA_AVX512;
    if (instruction_set > 0 && instruction_set - 1 < (int)most)
        most = (fcmae_isa)(instruction_set - 1);
    return fcmae_isa_detect(most);
}

extern const fcmae_kernels fcmae_kernels_portable;
#if defined(__x86_64__)
extern const fcmae_kernels fcmae_kernels_avx2, fcmae_kernels_avx512, fcmae_kernels_avx512bf16;
#endif

const fcmae_kernels *fcmae_kernels_get(fcmae_isa isa)
{
#if defined(__x86_64__)
    if (isa == FCMAE_ISA_AVX512_BF16) return &fcmae_kernels_avx512bf16;
    if (isa == FCMAE_ISA_AVX512) return &fcmae_kernels_avx512;
    if (isa == FCMAE_ISA_AVX2) return &fcmae_kernels_avx2;
#endif
    (void)isa;
    return &fcmae_kernels_portable;
}
