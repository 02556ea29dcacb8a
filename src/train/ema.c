/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/kernels.h"
#include "core/parallel.h"
#include "fcmae/optimiser.h"

enum { PIECE = 16384 };

typedef struct ema_work {
    const fcmae_kernels *kernels;
    float *average;
    const float *values;
    int64_t count;
    float keep, fresh;
} ema_work;

static void blend_piece(void *argument, int64_t index, int worker)
{
    (void)worker;
    const ema_work *work = argument;
    int64_t offset = index * PIECE, rest = work->count - offset;
    int64_t count = rest < PIECE ? rest : PIECE, whole = count / 16 * 16;
    work->kernels->blend(whole, work->keep, work->fresh, work->values + offset,
                         work->average + offset);
    for (int64_t i = offset + whole; i < offset + count; i++)
        work->average[i] = work->average[i] * work->keep + work->values[i] * work->fresh;
}

void fcmae_ema_update(float *average, const float *values, int64_t count, double decay,
                      int instruction_set, int threads)
{
    ema_work work = {.kernels = fcmae_kernels_get(fcmae_isa_choose(instruction_set, false)),
                     .average = average,
                     .values = values,
                     .count = count,
                     .keep = (float)decay,
                     .fresh = (float)(1 - decay)};
    fcmae_parallel_for(threads, (count + PIECE - 1) / PIECE, blend_piece, &work);
}
