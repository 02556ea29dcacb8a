/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Writing side of the layouts: names, shapes and kernel order. Tables shared with parsing. */
#include "checkpoint/layout.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint/layout_names.h"

const char *fcmae_layout_name(fcmae_layout layout)
{
    switch (layout) {
    case FCMAE_LAYOUT_AUTO: return "automatic";
    case FCMAE_LAYOUT_SPARSE: return "official sparse";
    case FCMAE_LAYOUT_DENSE: return "official dense";
    case FCMAE_LAYOUT_TIMM: return "timm";
    case FCMAE_LAYOUT_HUGGINGFACE: return "huggingface";
    }
    return "unknown";
}

const fcmae_leaf_names fcmae_block_leaves[FCMAE_BLOCK_LEAVES] = {
    {FCMAE_ROLE_LAYER_SCALE, {"gamma", "gamma", "gamma", "layer_scale_parameter"}},
    {FCMAE_ROLE_DEPTHWISE_WEIGHT,
     {"dwconv.kernel", "dwconv.weight", "conv_dw.weight", "dwconv.weight"}},
    {FCMAE_ROLE_DEPTHWISE_BIAS, {"dwconv.bias", "dwconv.bias", "conv_dw.bias", "dwconv.bias"}},
    {FCMAE_ROLE_NORM_WEIGHT, {"norm.ln.weight", "norm.weight", "norm.weight", "layernorm.weight"}},
    {FCMAE_ROLE_NORM_BIAS, {"norm.ln.bias", "norm.bias", "norm.bias", "layernorm.bias"}},
    {FCMAE_ROLE_EXPAND_WEIGHT,
     {"pwconv1.linear.weight", "pwconv1.weight", "mlp.fc1.weight", "pwconv1.weight"}},
    {FCMAE_ROLE_EXPAND_BIAS,
     {"pwconv1.linear.bias", "pwconv1.bias", "mlp.fc1.bias", "pwconv1.bias"}},
    {FCMAE_ROLE_GRN_GAMMA, {"grn.gamma", "grn.gamma", "mlp.grn.weight", "grn.weight"}},
    {FCMAE_ROLE_GRN_BETA, {"grn.beta", "grn.beta", "mlp.grn.bias", "grn.bias"}},
    {FCMAE_ROLE_REDUCE_WEIGHT,
     {"pwconv2.linear.weight", "pwconv2.weight", "mlp.fc2.weight", "pwconv2.weight"}},
    {FCMAE_ROLE_REDUCE_BIAS,
     {"pwconv2.linear.bias", "pwconv2.bias", "mlp.fc2.bias", "pwconv2.bias"}},
};

const char *fcmae_block_leaf(fcmae_parameter_role role, fcmae_layout layout)
{
    for (int i = 0; i < FCMAE_BLOCK_LEAVES; i++)
        if (fcmae_block_leaves[i].role == role)
            return fcmae_block_leaves[i].name[layout - FCMAE_LAYOUT_SPARSE];
    return "unknown";
}

bool fcmae_layout_has(const fcmae_parameter *p, fcmae_layout layout)
{
    return (p->part != FCMAE_PART_DECODER && p->part != FCMAE_PART_OTHER) ||
           layout == FCMAE_LAYOUT_SPARSE || layout == FCMAE_LAYOUT_DENSE;
}

bool fcmae_layout_is_kernel(const fcmae_parameter *p, fcmae_layout layout)
{
    if (layout != FCMAE_LAYOUT_SPARSE) return false;
    if (p->part == FCMAE_PART_BLOCK) return p->role == FCMAE_ROLE_DEPTHWISE_WEIGHT;
    return p->part == FCMAE_PART_DOWNSAMPLE && p->stage > 0 && p->role == FCMAE_ROLE_WEIGHT;
}

/** Prefix of encoder names; a bare Hugging Face model has none, like timm and the dense form. */
static const char *encoder_prefix(const fcmae_model_config *config, fcmae_layout layout)
{
    if (layout == FCMAE_LAYOUT_SPARSE) return "encoder.";
    if (layout != FCMAE_LAYOUT_HUGGINGFACE || !fcmae_config_has_part(config, FCMAE_PART_HEAD))
        return "";
    return config->version == 1 ? "convnext." : "convnextv2.";
}

static void name_downsampling(const fcmae_parameter *p, const char *prefix, fcmae_layout layout,
                              char *name)
{
    bool norm = p->role == FCMAE_ROLE_NORM_WEIGHT || p->role == FCMAE_ROLE_NORM_BIAS;
    bool bias = p->role == FCMAE_ROLE_BIAS || p->role == FCMAE_ROLE_NORM_BIAS;
    int module = p->stage == 0 ? norm : !norm;
    const char *leaf = bias ? "bias" : "weight", *inner = "";
    if (layout == FCMAE_LAYOUT_SPARSE && p->stage > 0) {
        if (norm) inner = "ln.";
        if (!norm && !bias) leaf = "kernel";
    }
    if (p->stage > 0 && layout == FCMAE_LAYOUT_TIMM)
        snprintf(name, FCMAE_NAME_SIZE, "stages.%d.downsample.%d.%s", p->stage, module, leaf);
    else if (p->stage > 0 && layout == FCMAE_LAYOUT_HUGGINGFACE)
        snprintf(name, FCMAE_NAME_SIZE, "%sencoder.stages.%d.downsampling_layer.%d.%s", prefix,
                 p->stage, module, leaf);
    else if (layout == FCMAE_LAYOUT_TIMM)
        snprintf(name, FCMAE_NAME_SIZE, "stem.%d.%s", module, leaf);
    else if (layout == FCMAE_LAYOUT_HUGGINGFACE)
        snprintf(name, FCMAE_NAME_SIZE, "%sembeddings.%s.%s", prefix,
                 norm ? "layernorm" : "patch_embeddings", leaf);
    else
        snprintf(name, FCMAE_NAME_SIZE, "%sdownsample_layers.%d.%d.%s%s", prefix, p->stage, module,
                 inner, leaf);
}

static void name_block(const fcmae_parameter *p, const char *prefix, fcmae_layout layout,
                       char *name)
{
    const char *leaf = fcmae_block_leaf(p->role, layout);
    if (layout == FCMAE_LAYOUT_TIMM)
        snprintf(name, FCMAE_NAME_SIZE, "stages.%d.blocks.%d.%s", p->stage, p->block, leaf);
    else if (layout == FCMAE_LAYOUT_HUGGINGFACE)
        snprintf(name, FCMAE_NAME_SIZE, "%sencoder.stages.%d.layers.%d.%s", prefix, p->stage,
                 p->block, leaf);
    else
        snprintf(name, FCMAE_NAME_SIZE, "%sstages.%d.%d.%s", prefix, p->stage, p->block, leaf);
}

static void name_head(const fcmae_parameter *p, const char *prefix, fcmae_layout layout, char *name)
{
    bool norm = p->role == FCMAE_ROLE_NORM_WEIGHT || p->role == FCMAE_ROLE_NORM_BIAS;
    bool bias = p->role == FCMAE_ROLE_BIAS || p->role == FCMAE_ROLE_NORM_BIAS;
    const char *module = norm ? "norm" : "head";
    if (layout == FCMAE_LAYOUT_TIMM) module = norm ? "head.norm" : "head.fc";
    if (layout == FCMAE_LAYOUT_HUGGINGFACE) module = norm ? "layernorm" : "classifier";
    snprintf(name, FCMAE_NAME_SIZE, "%s%s.%s",
             layout == FCMAE_LAYOUT_HUGGINGFACE && norm ? prefix : "", module,
             bias ? "bias" : "weight");
}

/** timm builds its smaller models (below Tiny) with 1x1 convolutions instead of linears. */
static bool timm_uses_convolutions(const fcmae_model_config *config)
{
    return config->dims[0] < 96;
}

static void set_shape(fcmae_tensor *tensor, int rank, int64_t d0, int64_t d1, int64_t d2,
                      int64_t d3)
{
    tensor->rank = rank;
    tensor->shape[0] = d0;
    tensor->shape[1] = d1;
    tensor->shape[2] = d2;
    tensor->shape[3] = d3;
}

static void shape_sparse(const fcmae_parameter *p, fcmae_tensor *tensor)
{
    if (p->part == FCMAE_PART_BLOCK) {
        if (p->role == FCMAE_ROLE_DEPTHWISE_WEIGHT)
            set_shape(tensor, 2, p->shape[2] * p->shape[3], p->shape[0], 0, 0);
        if (p->role == FCMAE_ROLE_DEPTHWISE_BIAS || p->role == FCMAE_ROLE_GRN_GAMMA ||
            p->role == FCMAE_ROLE_GRN_BETA)
            set_shape(tensor, 2, 1, p->count, 0, 0);
    }
    if (p->part == FCMAE_PART_DOWNSAMPLE && p->stage > 0) {
        if (p->role == FCMAE_ROLE_WEIGHT)
            set_shape(tensor, 3, p->shape[2] * p->shape[3], p->shape[1], p->shape[0], 0);
        if (p->role == FCMAE_ROLE_BIAS) set_shape(tensor, 2, 1, p->count, 0, 0);
    }
}

static void shape_timm(const fcmae_parameter *p, const fcmae_model_config *config,
                       fcmae_tensor *tensor)
{
    if (p->part != FCMAE_PART_BLOCK) return;
    if (p->role == FCMAE_ROLE_GRN_GAMMA || p->role == FCMAE_ROLE_GRN_BETA)
        set_shape(tensor, 1, p->count, 0, 0, 0);
    if ((p->role == FCMAE_ROLE_EXPAND_WEIGHT || p->role == FCMAE_ROLE_REDUCE_WEIGHT) &&
        timm_uses_convolutions(config))
        set_shape(tensor, 4, p->shape[0], p->shape[1], 1, 1);
}

void fcmae_layout_describe(const fcmae_parameter *p, const fcmae_model_config *config,
                           fcmae_layout layout, char name[FCMAE_NAME_SIZE], fcmae_tensor *tensor)
{
    const char *prefix = encoder_prefix(config, layout);
    if (p->part == FCMAE_PART_DOWNSAMPLE)
        name_downsampling(p, prefix, layout, name);
    else if (p->part == FCMAE_PART_BLOCK)
        name_block(p, prefix, layout, name);
    else if (p->part == FCMAE_PART_HEAD)
        name_head(p, prefix, layout, name);
    else
        snprintf(name, FCMAE_NAME_SIZE, "%s", p->name);
    tensor->name = name;
    tensor->count = p->count;
    set_shape(tensor, p->rank, p->shape[0], p->shape[1], p->shape[2], p->shape[3]);
    if (layout == FCMAE_LAYOUT_SPARSE) shape_sparse(p, tensor);
    if (layout == FCMAE_LAYOUT_TIMM) shape_timm(p, config, tensor);
}

static int squeeze(int rank, const int64_t *shape, int64_t *out)
{
    int kept = 0;
    for (int i = 0; i < rank; i++)
        if (shape[i] != 1) out[kept++] = shape[i];
    return kept;
}

bool fcmae_layout_fits(const fcmae_parameter *p, bool kernel, const fcmae_tensor *tensor)
{
    fcmae_tensor wanted = {0};
    set_shape(&wanted, p->rank, p->shape[0], p->shape[1], p->shape[2], p->shape[3]);
    if (kernel) {
        if (!fcmae_layout_is_kernel(p, FCMAE_LAYOUT_SPARSE)) return false;
        shape_sparse(p, &wanted);
        if (tensor->rank != wanted.rank) return false;
    }
    int64_t a[FCMAE_TENSOR_RANK], b[FCMAE_TENSOR_RANK];
    int first = squeeze(wanted.rank, wanted.shape, a),
        second = squeeze(tensor->rank, tensor->shape, b);
    return first == second && memcmp(a, b, (size_t)first * sizeof *a) == 0;
}

/** Visits every element of a kernel: its index in kernel order and in official C order. */
static void permute_kernel(const fcmae_parameter *p, size_t element, const unsigned char *from,
                           unsigned char *to, bool import)
{
    int64_t out = p->shape[0], in = p->shape[1], side = p->shape[2], area = side * side;
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t tap = 0; tap < area; tap++) {
                int64_t kh = tap / side, kw = tap % side;
                int64_t official = (o * in + i) * area + tap;
                int64_t kernel = ((kw * side + kh) * in + i) * out + o;
                memcpy(to + (size_t)(import ? official : kernel) * element,
                       from + (size_t)(import ? kernel : official) * element, element);
            }
}

void fcmae_kernel_import(const fcmae_parameter *p, size_t element, const void *kernel,
                         void *official)
{
    permute_kernel(p, element, kernel, official, true);
}

void fcmae_kernel_export(const fcmae_parameter *p, size_t element, const void *official,
                         void *kernel)
{
    permute_kernel(p, element, official, kernel, false);
}
