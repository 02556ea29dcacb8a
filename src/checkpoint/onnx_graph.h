/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A ConvNeXt as an ONNX graph: nodes, and for each initialiser the parameter it comes from. */
#ifndef FCMAE_CHECKPOINT_ONNX_GRAPH_H
#define FCMAE_CHECKPOINT_ONNX_GRAPH_H

#include "checkpoint/conversion.h"
#include "checkpoint/onnx.pb-c.h"
#include "tensor/tensor_file.h"

/** Where an initialiser's values come from. */
typedef struct fcmae_onnx_value {
    int parameter;   /**< of the conversion's table, or -1: `constant` */
    bool transposed; /**< (rows, columns) of a linear weight exchanged, for MatMul */
    float constant;
} fcmae_onnx_value;

typedef struct fcmae_onnx_graph {
    fcmae_pool pool;          /**< owns everything below */
    Fcmae__Onnx__Graph graph; /**< initialisers have names and shapes, no data */
    fcmae_onnx_value *values; /**< of each initialiser */
    size_t node_capacity, initializer_capacity;
    int next_name;
    bool failed; /**< memory ran out */
} fcmae_onnx_graph;

/** Builds nodes, inputs and outputs of the conversion's network. Zero-initialise `graph`. */
fcmae_status fcmae_onnx_build(fcmae_onnx_graph *graph, const fcmae_conversion *conversion,
                              fcmae_error *error);
void fcmae_onnx_release(fcmae_onnx_graph *graph);

#endif
