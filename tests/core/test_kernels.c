/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Every kernel of every instruction set by its check, one test each; and the choice of a set. */
#include <check.h>

#include "support/kernel_check.h"
#include "support/kernel_checks.h"
#include "support/suite.h"

static void (*const checks[])(const fcmae_kernels *kernels) = {
#define KERNEL(result, name, parameters, arguments) check_kernel_##name,
#include "core/kernel_list.h"
#undef KERNEL
};

START_TEST(kernel)
{
    checks[_i / instruction_sets()](kernels_of_set(_i % instruction_sets()));
}
END_TEST

START_TEST(choice_of_a_set)
{
    ck_assert_int_eq(fcmae_isa_detect(FCMAE_ISA_PORTABLE), FCMAE_ISA_PORTABLE);
    ck_assert_int_le(fcmae_isa_detect(FCMAE_ISA_AVX2), FCMAE_ISA_AVX2);
    for (int bfloat16 = 0; bfloat16 < 2; bfloat16++) {
        fcmae_isa most = bfloat16 ? FCMAE_ISA_AVX512_BF16 : FCMAE_ISA_AVX512;
        ck_assert_int_eq(fcmae_isa_choose(0, bfloat16), fcmae_isa_detect(most));
        ck_assert_int_eq(fcmae_isa_choose(1, bfloat16), FCMAE_ISA_PORTABLE);
        ck_assert_int_eq(fcmae_isa_choose(2, bfloat16), fcmae_isa_detect(FCMAE_ISA_AVX2));
        ck_assert_int_eq(fcmae_isa_choose(3, bfloat16), fcmae_isa_detect(FCMAE_ISA_AVX512));
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, kernel, 0, (int)COUNT(checks) * instruction_sets());
    tcase_add_test(cases, choice_of_a_set);
}

int main(void)
{
    return run_suite("kernels", add_tests);
}
