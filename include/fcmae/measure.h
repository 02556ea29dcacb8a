/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Measuring the machine: what it can do at best, so that a speed can be judged against it.
 *
 * Rates change from one second to the next (other work, clocks), so measure them between the steps
 * they are to be compared with. Nothing here is kept: every call measures anew.
 */
#ifndef FCMAE_MEASURE_H
#define FCMAE_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Seconds since an arbitrary moment, by a clock that never goes back. */
FCMAE_API double fcmae_measure_seconds(void);

/**
 * Floating-point operations per second of independent fused multiply-adds that stay in registers,
 * with the instruction set the kernels use: the ceiling of any product.
 * @param instruction_set  the most to use, as in fcmae_engine_options
 * @param bfloat16  products of bfloat16 pairs added up in float32, where the processor has them;
 *                  elsewhere the float32 figure
 * @param threads  <= 0: one per processor
 * @param seconds  how long each thread works; 0.02 is enough for 1 %
 * @return 0: no memory for the threads' figures
 */
FCMAE_API double fcmae_measure_peak(int instruction_set, bool bfloat16, int threads,
                                    double seconds);

/**
 * Bytes per second of an update in place (each byte read once and written once; both count).
 * @param buffer  overwritten; should be several times the last-level cache
 * @param bytes   its size, a multiple of 64 is used
 */
FCMAE_API double fcmae_measure_bandwidth(void *buffer, size_t bytes, int threads);

/** Name of the instruction set that is used: "portable", "avx2", "avx512", with bfloat16 also
 *  "avx512bf16". Arguments as in fcmae_measure_peak(). */
FCMAE_API const char *fcmae_measure_instruction_set(int instruction_set, bool bfloat16);
/** Whether bfloat16 products are instructions of this processor; if not, engines emulate them: the
 *  operands are rounded alike, but it takes longer than float32. Argument as in
 *  fcmae_measure_peak(). */
FCMAE_API bool fcmae_measure_has_bfloat16(int instruction_set);
/** Processors this process may run on, at least 1. */
FCMAE_API int fcmae_measure_processors(void);
/** Physical memory of the machine, or of the control group if that is less; 0: unknown. */
FCMAE_API uint64_t fcmae_measure_physical_memory(void);
/** Largest resident size of this process so far, in bytes. */
FCMAE_API uint64_t fcmae_measure_peak_memory(void);

#ifdef __cplusplus
}
#endif
#endif
