/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/downsample.h"

#include <string.h>

void fcmae_sparse_downsample_reserve(fcmae_sparse_downsample *layer, fcmae_arena *arena, int in,
                                     int out, bool backward)
{
    *layer = (fcmae_sparse_downsample){
        .in = in, .out = out, .in_stride = fcmae_stride(in), .out_stride = fcmae_stride(out)};
    fcmae_packed_reserve(&layer->weight, arena, 4 * layer->in_stride, out, false);
    if (backward) fcmae_packed_reserve(&layer->back, arena, out, 4 * layer->in_stride, false);
}

void fcmae_sparse_downsample_pack(const fcmae_sparse_downsample *layer,
                                  const fcmae_kernels *kernels, const float *weight)
{
    for (int panel = 0; panel < layer->weight.panels; panel++)
        fcmae_packed_fill(kernels, &layer->weight, panel, weight, layer->out_stride, 0);
    for (int panel = 0; panel < layer->back.panels; panel++)
        fcmae_packed_fill_transposed(kernels, &layer->back, panel, weight, layer->out_stride, 0);
}

void fcmae_sparse_merge(const int32_t *children, int first, int last, int channels, const float *x,
                        int x_stride, float *merged, int stride)
{
    size_t bytes = (size_t)channels * sizeof *x;
    for (int64_t i = 4 * (int64_t)first; i < 4 * (int64_t)last; i++)
        if (children[i] < 0)
            memset(merged + i * stride, 0, bytes);
        else
            memcpy(merged + i * stride, x + (int64_t)children[i] * x_stride, bytes);
}

void fcmae_sparse_unmerge(const int32_t *children, int first, int last, int channels,
                          const float *merged, int stride, float *x, int x_stride)
{
    size_t bytes = (size_t)channels * sizeof *x;
    for (int64_t i = 4 * (int64_t)first; i < 4 * (int64_t)last; i++)
        if (children[i] >= 0)
            memcpy(x + (int64_t)children[i] * x_stride, merged + i * stride, bytes);
}

void fcmae_sparse_downsample_forward(const fcmae_sparse_downsample *layer,
                                     const fcmae_kernels *kernels, int first, int last,
                                     const float *merged, const float *bias, float *y)
{
    const fcmae_packed *weight = &layer->weight;
    if (first >= last) return;
    for (int panel = 0; panel < weight->panels; panel++)
        fcmae_linear_multiply(kernels, &(fcmae_linear){.weights = weight,
                                                       .panel = panel,
                                                       .rows = last - first,
                                                       .a = merged + (int64_t)first * weight->k,
                                                       .a_row = weight->k,
                                                       .bias = bias + panel * weight->width,
                                                       .c = y + (int64_t)first * layer->out_stride +
                                                            panel * weight->width,
                                                       .c_row = layer->out_stride});
}

void fcmae_sparse_downsample_backward_data(const fcmae_sparse_downsample *layer,
                                           const fcmae_kernels *kernels, int first, int last,
                                           const float *dy, float *dmerged)
{
    const fcmae_packed *back = &layer->back;
    if (first >= last) return;
    for (int panel = 0; panel < back->panels; panel++)
        fcmae_linear_multiply(
            kernels, &(fcmae_linear){.weights = back,
                                     .panel = panel,
                                     .rows = last - first,
                                     .a = dy + (int64_t)first * layer->out_stride,
                                     .a_row = layer->out_stride,
                                     .c = dmerged + (int64_t)first * back->n + panel * back->width,
                                     .c_row = back->n});
}

void fcmae_sparse_downsample_backward_weight(const fcmae_sparse_downsample *layer,
                                             const fcmae_kernels *kernels, int panel, int rows,
                                             const float *merged, const float *dy, float *dweight)
{
    int column = panel * layer->weight.width, k = layer->weight.k;
    if (rows == 0) return;
    fcmae_linear_add_gradient(kernels, &(fcmae_linear_gradient){.rows = rows,
                                                                .columns = k,
                                                                .width = layer->weight.width,
                                                                .x = merged,
                                                                .x_row = k,
                                                                .d = dy + column,
                                                                .d_row = layer->out_stride,
                                                                .g = dweight + column,
                                                                .g_row = layer->out_stride});
}
