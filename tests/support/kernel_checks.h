/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A check for every kernel of the list: test_kernels calls each with the kernels of every
 * instruction set, and does not link where one is missing. They stand in check_*.c beside the tests
 * of the kernel's room and judge it by its contract, against double precision.
 */
#ifndef TESTS_SUPPORT_KERNEL_CHECKS_H
#define TESTS_SUPPORT_KERNEL_CHECKS_H

#include "core/kernels.h"

#define KERNEL(result, name, parameters, arguments) \
    void check_kernel_##name(const fcmae_kernels *kernels);
#include "core/kernel_list.h"
#undef KERNEL

#endif
