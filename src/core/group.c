/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/group.h"

#include "core/memory.h"
#include "core/parallel.h"

static fcmae_status keep_floats(const fcmae_group *group, float *values, int64_t count,
                                fcmae_error *error)
{
    (void)group, (void)values, (void)count, (void)error;
    return FCMAE_OK;
}

static fcmae_status keep_doubles(const fcmae_group *group, double *values, int count,
                                 fcmae_error *error)
{
    (void)group, (void)values, (void)count, (void)error;
    return FCMAE_OK;
}

static fcmae_status keep_integer(const fcmae_group *group, int *value, fcmae_error *error)
{
    (void)group, (void)value, (void)error;
    return FCMAE_OK;
}

const fcmae_group *fcmae_group_of_one(void)
{
    static const fcmae_group one = {
        .rank = 0, .size = 1, .sum = keep_floats, .add = keep_doubles, .agree = keep_integer};
    return &one;
}

int fcmae_tree_half(int n)
{
    int half = 1;
    while (half < n - half) half *= 2;
    return half;
}

/* A task sums a stretch of all blocks in pieces whose partial sums stay in the L1 cache: memory is
 * read once per block and written once. */
enum { STRETCH = 65536, PIECE = 1024 };

typedef struct tree_pass {
    const fcmae_kernels *kernels;
    float *block;
    int64_t size;
    int count;
} tree_pass;

/** Sum of blocks [first, first + n) at a piece, in `out`; a single block is read where it stands.
 */
static const float *sum_blocks(const tree_pass *pass, int first, int n, int64_t at, int64_t size,
                               float *out)
{
    if (n == 1) return pass->block + first * pass->size + at;
    _Alignas(FCMAE_ALIGNMENT) float right[PIECE];
    int half = fcmae_tree_half(n);
    const float *both[2];
    both[0] = sum_blocks(pass, first, half, at, size, out);
    both[1] = sum_blocks(pass, first + half, n - half, at, size, right);
    pass->kernels->sum_blocks(size, 2, both, out);
    return out;
}

static void sum_stretch(void *argument, int64_t stretch, int worker)
{
    const tree_pass *pass = argument;
    int64_t end = (stretch + 1) * STRETCH < pass->size ? (stretch + 1) * STRETCH : pass->size;
    (void)worker;
    for (int64_t at = stretch * STRETCH; at < end; at += PIECE)
        sum_blocks(pass, 0, pass->count, at, end - at < PIECE ? end - at : PIECE, pass->block + at);
}

void fcmae_tree_sum(const fcmae_kernels *kernels, int threads, float *block, int64_t size,
                    int count)
{
    tree_pass pass = {kernels, block, size, count};
    if (count > 1) fcmae_parallel_for(threads, (size + STRETCH - 1) / STRETCH, sum_stretch, &pass);
}
