/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "train/train_kernels.h"

extern const fcmae_train_kernels fcmae_train_kernels_portable;
#if defined(__x86_64__)
extern const fcmae_train_kernels fcmae_train_kernels_avx2, fcmae_train_kernels_avx512;
#endif

const fcmae_train_kernels *fcmae_train_kernels_get(fcmae_isa isa)
{
#if defined(__x86_64__)
    if (isa == FCMAE_ISA_AVX512) return &fcmae_train_kernels_avx512;
    if (isa == FCMAE_ISA_AVX2) return &fcmae_train_kernels_avx2;
#endif
    (void)isa;
    return &fcmae_train_kernels_portable;
}
