/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The same products through OpenBLAS, where it is installed: a second opinion on the shapes. */
#include <cblas.h>
#include <stdlib.h>

#include "operators.h"

void openblas_set_num_threads(int threads);

typedef struct blas {
    const stage_case *stage;
    float *x, *h, *weights, *gradient;
} blas;

static void expand(void *argument)
{
    blas *b = argument;
    const stage_case *s = b->stage;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, s->rows, s->hidden, s->channels, 1, b->x,
                s->stride, b->weights, s->hidden, 0, b->h, s->hidden);
}
static void reduce(void *argument)
{
    blas *b = argument;
    const stage_case *s = b->stage;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, s->rows, s->channels, s->hidden, 1, b->h,
                s->hidden, b->weights, s->hidden, 0, b->x, s->stride);
}
static void gradient(void *argument)
{
    blas *b = argument;
    const stage_case *s = b->stage;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, s->channels, s->hidden, s->rows, 1, b->x,
                s->stride, b->h, s->hidden, 1, b->gradient, s->hidden);
}

void bench_blas(const stage_case *stage)
{
    if (stage->check) return;
    openblas_set_num_threads(1);
    double flops = 2.0 * stage->rows * stage->channels * stage->hidden;
    blas b = {.stage = stage,
              .x = bench_floats((int64_t)stage->rows * stage->stride, 1),
              .h = bench_floats((int64_t)stage->rows * stage->hidden, 2),
              .weights = bench_floats((int64_t)stage->channels * stage->hidden, 3),
              .gradient = bench_floats((int64_t)stage->channels * stage->hidden, 0)};
    bench_time(stage, &(operator_figure){"OpenBLAS, weight gradient", flops, 0, false}, gradient,
               &b);
    bench_time(stage, &(operator_figure){"OpenBLAS, C -> 4C", flops, 0, false}, expand, &b);
    for (int64_t i = 0; i < (int64_t)stage->channels * stage->hidden; i++)
        b.weights[i] *= 1.0f /
                        (float)stage->hidden; /* x -> x W W^T must not grow from call to call */
    bench_time(stage, &(operator_figure){"OpenBLAS, 4C -> C", flops, 0, false}, reduce, &b);
    free(b.x);
    free(b.h);
    free(b.weights);
    free(b.gradient);
}
