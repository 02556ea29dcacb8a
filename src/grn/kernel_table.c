/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Gathers one instruction set's kernels. Lives above dense, sparse and grn, whose kernels it
 * lists. */
#include "dense/dense_kernels.h"
#include "grn/grn_kernels.h"
#include "sparse/sparse_kernels.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const fcmae_kernels FCMAE_KERNEL(fcmae_kernels);
const fcmae_kernels FCMAE_KERNEL(fcmae_kernels) = {
    .name = TEXT(FCMAE_ISA),
    .product = FCMAE_KERNEL(fcmae_product_panel),
    .product_pairs = FCMAE_KERNEL(fcmae_product_pairs),
    .narrow_rows = FCMAE_KERNEL(fcmae_narrow_rows),
    .narrow_pairs = FCMAE_KERNEL(fcmae_narrow_pairs),
    .scale_panel_narrow = FCMAE_KERNEL(fcmae_scale_panel_narrow),
    .gelu = FCMAE_KERNEL(fcmae_gelu),
    .gelu_pairs = FCMAE_KERNEL(fcmae_gelu_pairs),
    .scale_panel = FCMAE_KERNEL(fcmae_scale_panel),
    .scale_and_dot = FCMAE_KERNEL(fcmae_scale_and_dot),
    .scale_and_dot_pairs = FCMAE_KERNEL(fcmae_scale_and_dot_pairs),
    .hidden_backward_narrow = FCMAE_KERNEL(fcmae_hidden_backward_narrow),
    .hidden_backward = FCMAE_KERNEL(fcmae_hidden_backward),
    .layernorm = FCMAE_KERNEL(fcmae_layernorm),
    .layernorm_backward = FCMAE_KERNEL(fcmae_layernorm_backward),
    .column_sum = FCMAE_KERNEL(fcmae_column_sum),
    .column_dot = FCMAE_KERNEL(fcmae_column_dot),
    .depthwise_block = FCMAE_KERNEL(fcmae_depthwise_block),
    .depthwise_quads = FCMAE_KERNEL(fcmae_depthwise_quads),
    .depthwise_list = FCMAE_KERNEL(fcmae_depthwise_list),
    .depthwise_block_taps = FCMAE_KERNEL(fcmae_depthwise_block_taps),
    .depthwise_quad_taps = FCMAE_KERNEL(fcmae_depthwise_quad_taps),
    .depthwise_list_taps = FCMAE_KERNEL(fcmae_depthwise_list_taps),
    .squared_error = FCMAE_KERNEL(fcmae_squared_error),
    .scale_bytes = FCMAE_KERNEL(fcmae_scale_bytes),
    .standardise = FCMAE_KERNEL(fcmae_standardise),
    .pack = FCMAE_KERNEL(fcmae_pack),
    .pack_transposed = FCMAE_KERNEL(fcmae_pack_transposed),
    .dot = FCMAE_KERNEL(fcmae_dot),
    .combine = FCMAE_KERNEL(fcmae_combine),
    .sum_blocks = FCMAE_KERNEL(fcmae_sum_blocks),
    .peak = FCMAE_KERNEL(fcmae_peak),
    .peak_pairs = FCMAE_KERNEL(fcmae_peak_pairs),
};
