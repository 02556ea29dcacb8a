/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The table of one instruction set. Compiled once for each, with the kernels. */
#include "core/isa.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const fcmae_kernels FCMAE_KERNEL(fcmae_kernels);
const fcmae_kernels FCMAE_KERNEL(fcmae_kernels) = {
    .name = TEXT(FCMAE_ISA),
#define KERNEL(result, name, parameters, arguments) .name = FCMAE_KERNEL(fcmae_##name),
#include "core/kernel_list.h"
};
