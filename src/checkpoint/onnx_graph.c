/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The network, node by node, in opset 17: convolutions on [N, C, H, W], everything between them on
 * [N, H, W, C]. GELU is spelled out with Erf, GRN with ReduceL2 and ReduceMean.
 */
#include "checkpoint/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"

#define FLOAT 1 /* TensorProto.FLOAT */

enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_INTS = 7 };

/** The graph being built and the conversion it is built from. */
typedef struct builder {
    fcmae_onnx_graph *g;
    const fcmae_conversion *c;
} builder;

static void *take(builder *b, size_t size)
{
    void *memory = fcmae_pool_take(&b->g->pool, size);
    if (!memory) b->g->failed = true;
    return memory;
}

static char *text(builder *b, const char *format, ...) FCMAE_PRINTF(2, 3);
static char *text(builder *b, const char *format, ...)
{
    char line[160];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    char *copy = fcmae_pool_text(&b->g->pool, line,
                                 (size_t)length < sizeof line ? (size_t)length : 0);
    if (!copy) b->g->failed = true;
    return copy ? copy : (char *)(uintptr_t) "";
}

/** Doubles an array of pointers in the pool when it is full. */
static bool grow(builder *b, void *array, size_t count, size_t *capacity)
{
    void **old = *(void ***)array;
    if (count < *capacity) return true;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void **larger = take(b, wanted * sizeof *larger);
    if (!larger) return false;
    if (count) memcpy(larger, old, count * sizeof *larger);
    *(void ***)array = larger;
    *capacity = wanted;
    return true;
}

/* ---------------------------------------------------------------- pieces --------------------- */

/** Adds a node with up to four inputs; returns the name of its output. */
static char *node(builder *b, const char *type, const char *first, const char *second,
                  const char *third)
{
    fcmae_onnx_graph *g = b->g;
    Fcmae__Onnx__Node *n = take(b, sizeof *n);
    char **names = take(b, 4 * sizeof *names);
    char *output = text(b, "%s_%d", type, g->next_name++);
    const char *inputs[] = {first, second, third};
    if (!n || !names || !grow(b, &g->graph.node, g->graph.n_node, &g->node_capacity)) return output;
    fcmae__onnx__node__init(n);
    n->input = names;
    for (int i = 0; i < 3 && inputs[i]; i++) n->input[n->n_input++] = (char *)(uintptr_t)inputs[i];
    n->output = names + 3;
    n->output[0] = n->name = output;
    n->n_output = 1;
    n->op_type = text(b, "%s", type);
    g->graph.node[g->graph.n_node++] = n;
    return output;
}

/** An attribute of the newest node. */
static Fcmae__Onnx__Attribute *attribute(builder *b, const char *name, int type)
{
    enum { MOST = 6 };
    fcmae_onnx_graph *g = b->g;
    Fcmae__Onnx__Attribute *a = take(b, sizeof *a);
    if (!a || g->failed) return NULL;
    Fcmae__Onnx__Node *n = g->graph.node[g->graph.n_node - 1];
    if (!n->attribute) n->attribute = take(b, MOST * sizeof(Fcmae__Onnx__Attribute *));
    if (!n->attribute || n->n_attribute == MOST) return NULL;
    fcmae__onnx__attribute__init(a);
    a->name = text(b, "%s", name);
    a->type = type;
    a->has_type = 1;
    n->attribute[n->n_attribute++] = a;
    return a;
}

static void integer_attribute(builder *b, const char *name, int64_t value)
{
    Fcmae__Onnx__Attribute *a = attribute(b, name, ATTRIBUTE_INT);
    if (!a) return;
    a->has_i = 1;
    a->i = value;
}

static void float_attribute(builder *b, const char *name, float value)
{
    Fcmae__Onnx__Attribute *a = attribute(b, name, ATTRIBUTE_FLOAT);
    if (!a) return;
    a->has_f = 1;
    a->f = value;
}

static void integers_attribute(builder *b, const char *name, int count, const int64_t *values)
{
    Fcmae__Onnx__Attribute *a = attribute(b, name, ATTRIBUTE_INTS);
    int64_t *copy = take(b, (size_t)count * sizeof *copy);
    if (!a || !copy) return;
    memcpy(copy, values, (size_t)count * sizeof *copy);
    a->ints = copy;
    a->n_ints = (size_t)count;
}

static char *initializer(builder *b, char *name, fcmae_onnx_value value, int rank,
                         const int64_t *shape)
{
    fcmae_onnx_graph *g = b->g;
    size_t count = g->graph.n_initializer, capacity = g->initializer_capacity;
    Fcmae__Onnx__Tensor *t = take(b, sizeof *t);
    int64_t *dims = take(b, FCMAE_TENSOR_RANK * sizeof *dims);
    if (!t || !dims || !grow(b, &g->graph.initializer, count, &g->initializer_capacity))
        return name;
    if (capacity != g->initializer_capacity) {
        fcmae_onnx_value *values = take(b, g->initializer_capacity * sizeof *values);
        if (!values) return name;
        if (count) memcpy(values, g->values, count * sizeof *values);
        g->values = values;
    }
    fcmae__onnx__tensor__init(t);
    if (rank) memcpy(dims, shape, (size_t)rank * sizeof *dims);
    t->dims = dims;
    t->n_dims = (size_t)rank;
    t->has_data_type = 1;
    t->data_type = FLOAT;
    t->name = name;
    g->values[count] = value;
    g->graph.initializer[g->graph.n_initializer++] = t;
    return name;
}

static char *constant(builder *b, const char *name, float value)
{
    for (size_t i = 0; i < b->g->graph.n_initializer; i++)
        if (strcmp(b->g->graph.initializer[i]->name, name) == 0)
            return b->g->graph.initializer[i]->name;
    return initializer(b, text(b, "%s", name), (fcmae_onnx_value){-1, false, value}, 0, NULL);
}

/** The parameter of that official name as an initialiser; NULL if the network has none. */
static char *parameter(builder *b, const char *name, bool transposed)
{
    for (int i = 0; i < b->c->count; i++) {
        const fcmae_parameter *p = &b->c->table[i];
        if (strcmp(p->name, name) != 0) continue;
        int64_t shape[4] = {p->shape[0], p->shape[1], p->shape[2], p->shape[3]};
        if (transposed) {
            shape[0] = p->shape[1];
            shape[1] = p->shape[0];
        }
        return initializer(b, text(b, "%s", name), (fcmae_onnx_value){i, transposed, 0}, p->rank,
                           shape);
    }
    return NULL;
}

static char *weight(builder *b, const char *prefix, const char *leaf)
{
    return parameter(b, text(b, "%s.%s", prefix, leaf), false);
}

/* ---------------------------------------------------------------- layers --------------------- */

static char *to_last(builder *b, const char *x)
{
    static const int64_t order[] = {0, 2, 3, 1};
    char *y = node(b, "Transpose", x, NULL, NULL);
    integers_attribute(b, "perm", 4, order);
    return y;
}

static char *to_first(builder *b, const char *x)
{
    static const int64_t order[] = {0, 3, 1, 2};
    char *y = node(b, "Transpose", x, NULL, NULL);
    integers_attribute(b, "perm", 4, order);
    return y;
}

static char *convolution(builder *b, const char *x, const char *prefix, int side, int stride,
                         int padding, int groups)
{
    char *w = weight(b, prefix, "weight"), *bias = weight(b, prefix, "bias");
    char *y = node(b, "Conv", x, w, bias);
    integers_attribute(b, "kernel_shape", 2, (int64_t[]){side, side});
    integers_attribute(b, "strides", 2, (int64_t[]){stride, stride});
    integers_attribute(b, "pads", 4, (int64_t[]){padding, padding, padding, padding});
    integer_attribute(b, "group", groups);
    return y;
}

static char *layer_norm(builder *b, const char *x, const char *prefix)
{
    char *w = weight(b, prefix, "weight"), *bias = weight(b, prefix, "bias");
    char *y = node(b, "LayerNormalization", x, w, bias);
    integer_attribute(b, "axis", -1);
    float_attribute(b, "epsilon", 1e-6f);
    return y;
}

static char *linear(builder *b, const char *x, const char *prefix)
{
    char *w = parameter(b, text(b, "%s.weight", prefix), true);
    char *y = node(b, "MatMul", x, w, NULL);
    return node(b, "Add", y, weight(b, prefix, "bias"), NULL);
}

/** x * (1 + erf(x / sqrt 2)) / 2 */
static char *gelu(builder *b, const char *x)
{
    char *scaled = node(b, "Div", x, constant(b, "sqrt_two", 1.41421356237309515f), NULL);
    char *erf = node(b, "Erf", scaled, NULL, NULL);
    char *shifted = node(b, "Add", erf, constant(b, "one", 1), NULL);
    char *product = node(b, "Mul", x, shifted, NULL);
    return node(b, "Mul", product, constant(b, "half", 0.5f), NULL);
}

/** gamma * x * n + beta + x, n = g / (mean over channels of g + 1e-6), g = L2 norm over H and W */
static char *response_norm(builder *b, const char *x, const char *prefix)
{
    char *gamma = weight(b, prefix, "gamma");
    if (!gamma) return (char *)(uintptr_t)x; /* version 1 */
    char *norm = node(b, "ReduceL2", x, NULL, NULL);
    integers_attribute(b, "axes", 2, (int64_t[]){1, 2});
    integer_attribute(b, "keepdims", 1);
    char *mean = node(b, "ReduceMean", norm, NULL, NULL);
    integers_attribute(b, "axes", 1, (int64_t[]){-1});
    integer_attribute(b, "keepdims", 1);
    char *floor = node(b, "Add", mean, constant(b, "epsilon", 1e-6f), NULL);
    char *relative = node(b, "Div", norm, floor, NULL);
    char *scaled = node(b, "Mul", x, relative, NULL);
    char *weighted = node(b, "Mul", scaled, gamma, NULL);
    char *shifted = node(b, "Add", weighted, weight(b, prefix, "beta"), NULL);
    return node(b, "Add", shifted, x, NULL);
}

static char *block(builder *b, const char *x, int stage, int index)
{
    char *prefix = text(b, "stages.%d.%d", stage, index);
    char *y = convolution(b, x, text(b, "%s.dwconv", prefix), 7, 1, 3, b->c->config.dims[stage]);
    y = layer_norm(b, to_last(b, y), text(b, "%s.norm", prefix));
    y = gelu(b, linear(b, y, text(b, "%s.pwconv1", prefix)));
    y = response_norm(b, y, text(b, "%s.grn", prefix));
    y = linear(b, y, text(b, "%s.pwconv2", prefix));
    char *scale = weight(b, prefix, "gamma");
    if (scale) y = node(b, "Mul", y, scale, NULL);
    return node(b, "Add", x, to_first(b, y), NULL);
}

static void value_info(builder *b, Fcmae__Onnx__ValueInfo ***list, size_t *count, char *name,
                       int rank, const char *const *symbols, const int64_t *sizes)
{
    Fcmae__Onnx__ValueInfo *value = take(b, sizeof *value), **values = take(b, sizeof *values);
    Fcmae__Onnx__Type *type = take(b, sizeof *type);
    Fcmae__Onnx__TensorType *tensor = take(b, sizeof *tensor);
    Fcmae__Onnx__Shape *shape = take(b, sizeof *shape);
    Fcmae__Onnx__Dimension **dims = take(b, (size_t)rank * sizeof *dims);
    if (b->g->failed) return;
    fcmae__onnx__value_info__init(value);
    fcmae__onnx__type__init(type);
    fcmae__onnx__tensor_type__init(tensor);
    fcmae__onnx__shape__init(shape);
    for (int i = 0; i < rank; i++) {
        dims[i] = take(b, sizeof *dims[i]);
        if (!dims[i]) return;
        fcmae__onnx__dimension__init(dims[i]);
        if (symbols[i]) {
            dims[i]->value_case = FCMAE__ONNX__DIMENSION__VALUE_DIM_PARAM;
            dims[i]->dim_param = text(b, "%s", symbols[i]);
        } else {
            dims[i]->value_case = FCMAE__ONNX__DIMENSION__VALUE_DIM_VALUE;
            dims[i]->dim_value = sizes[i];
        }
    }
    shape->dim = dims;
    shape->n_dim = (size_t)rank;
    tensor->has_elem_type = 1;
    tensor->elem_type = FLOAT;
    tensor->shape = shape;
    type->tensor_type = tensor;
    value->name = name;
    value->type = type;
    values[0] = value;
    *list = values;
    *count = 1;
}

/** The last node's output gets the name the graph promises. */
static void name_output(builder *b, const char *name, int64_t size)
{
    static const char *const symbols[] = {"batch", NULL};
    Fcmae__Onnx__Graph *graph = &b->g->graph;
    if (b->g->failed) return;
    graph->node[graph->n_node - 1]->output[0] = text(b, "%s", name);
    value_info(b, &graph->output, &graph->n_output, text(b, "%s", name), 2, symbols,
               (int64_t[]){0, size});
}

static void build_network(builder *b)
{
    static const char *const symbols[] = {"batch", NULL, "height", "width"};
    const fcmae_model_config *config = &b->c->config;
    Fcmae__Onnx__Graph *graph = &b->g->graph;
    value_info(b, &graph->input, &graph->n_input, text(b, "image"), 4, symbols,
               (int64_t[]){0, config->channels, 0, 0});
    char *x = convolution(b, "image", "downsample_layers.0.0", config->stem_stride,
                          config->stem_stride, 0, 1);
    x = to_first(b, layer_norm(b, to_last(b, x), "downsample_layers.0.1"));
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        if (stage > 0) {
            x = layer_norm(b, to_last(b, x), text(b, "downsample_layers.%d.0", stage));
            x = convolution(b, to_first(b, x), text(b, "downsample_layers.%d.1", stage), 2, 2, 0,
                            1);
        }
        for (int i = 0; i < config->depths[stage]; i++) x = block(b, x, stage, i);
    }
    x = node(b, "GlobalAveragePool", x, NULL, NULL);
    x = node(b, "Flatten", x, NULL, NULL);
    x = layer_norm(b, x, "norm");
    if (!fcmae_config_has_part(config, FCMAE_PART_HEAD)) {
        name_output(b, "features", config->dims[3]);
        return;
    }
    node(b, "Gemm", x, parameter(b, "head.weight", false), parameter(b, "head.bias", false));
    integer_attribute(b, "transB", 1);
    name_output(b, "logits", config->classes);
}

fcmae_status fcmae_onnx_build(fcmae_onnx_graph *graph, const fcmae_conversion *conversion,
                              fcmae_error *error)
{
    builder b = {graph, conversion};
    fcmae__onnx__graph__init(&graph->graph);
    graph->graph.name = text(&b, "%s", conversion->config.name);
    build_network(&b);
    if (graph->failed) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for an ONNX graph");
    return FCMAE_OK;
}

void fcmae_onnx_release(fcmae_onnx_graph *graph)
{
    fcmae_pool_release(&graph->pool);
}
