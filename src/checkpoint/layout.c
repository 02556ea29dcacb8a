/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Writing side of the layouts: names, shapes and kernel order. The table is in layout_names.c. */
#include "checkpoint/layout.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint/layout_names.h"

bool fcmae_layout_has(const fcmae_parameter *p, fcmae_layout layout)
{
    const fcmae_layout_names *names = fcmae_layout_names_of(layout);
    bool norm = p->role == FCMAE_ROLE_NORM_WEIGHT || p->role == FCMAE_ROLE_NORM_BIAS;
    if (p->part == FCMAE_PART_BLOCK) return fcmae_block_leaf(p->role, layout) != NULL;
    if (p->part == FCMAE_PART_HEAD) return (norm ? names->norm : names->head) != NULL;
    return p->part == FCMAE_PART_DOWNSAMPLE || layout == FCMAE_LAYOUT_SPARSE ||
           layout == FCMAE_LAYOUT_DENSE;
}

bool fcmae_layout_is_kernel(const fcmae_parameter *p, fcmae_layout layout)
{
    if (layout != FCMAE_LAYOUT_SPARSE) return false;
    if (p->part == FCMAE_PART_BLOCK) return p->role == FCMAE_ROLE_DEPTHWISE_WEIGHT;
    return p->part == FCMAE_PART_DOWNSAMPLE && p->stage > 0 && p->role == FCMAE_ROLE_WEIGHT;
}

/** Prefix of encoder names. Where the encoder is all there is, most have none. */
static const char *encoder_prefix(const fcmae_model_config *config, fcmae_layout layout)
{
    bool head = fcmae_config_has_part(config, FCMAE_PART_HEAD);
    if (layout == FCMAE_LAYOUT_SPARSE) return "encoder.";
    if (layout == FCMAE_LAYOUT_HUGGINGFACE && head)
        return config->version == 1 ? "convnext." : "convnextv2.";
    return layout == FCMAE_LAYOUT_MMPRETRAIN && head ? "backbone." : "";
}

/** The pattern with its numbers put in, behind what stands in `name` already. */
static void spell(const char *pattern, int stage, int block, char *name)
{
    size_t used = strlen(name);
    for (const char *at = pattern; *at && used + 12 < FCMAE_NAME_SIZE; at++) {
        if (*at != '%') {
            name[used++] = *at;
            continue;
        }
        at++;
        int number = *at == 'b' ? block : *at == 's' ? stage : 2 * stage + (*at == 'o');
        used += (size_t)snprintf(name + used, FCMAE_NAME_SIZE - used, "%d", number);
    }
    name[used] = 0;
}

static void name_parameter(const fcmae_parameter *p, const char *prefix, fcmae_layout layout,
                           char *name)
{
    const fcmae_layout_names *names = fcmae_layout_names_of(layout);
    bool norm = p->role == FCMAE_ROLE_NORM_WEIGHT || p->role == FCMAE_ROLE_NORM_BIAS;
    bool bias = p->role == FCMAE_ROLE_BIAS || p->role == FCMAE_ROLE_NORM_BIAS;
    const char *leaf = bias ? ".bias" : fcmae_layout_is_kernel(p, layout) ? ".kernel" : ".weight";
    bool within = p->part != FCMAE_PART_HEAD || (norm && layout != FCMAE_LAYOUT_SPARSE);
    snprintf(name, FCMAE_NAME_SIZE, "%s", within ? prefix : "");
    if (p->part == FCMAE_PART_BLOCK) {
        spell(names->block, p->stage, p->block, name);
        spell(".", 0, 0, name);
        spell(fcmae_block_leaf(p->role, layout), 0, 0, name);
        return;
    }
    if (p->part == FCMAE_PART_HEAD)
        spell(norm ? names->norm : names->head, 0, 0, name);
    else
        spell(p->stage == 0 ? names->stem[norm] : names->downsample[!norm], p->stage, 0, name);
    spell(leaf, 0, 0, name);
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
    if (p->part == FCMAE_PART_DECODER || p->part == FCMAE_PART_OTHER)
        snprintf(name, FCMAE_NAME_SIZE, "%s", p->name);
    else
        name_parameter(p, encoder_prefix(config, layout), layout, name);
    tensor->name = name;
    tensor->count = p->count;
    set_shape(tensor, p->rank, p->shape[0], p->shape[1], p->shape[2], p->shape[3]);
    if (layout == FCMAE_LAYOUT_SPARSE) shape_sparse(p, tensor);
    if (layout == FCMAE_LAYOUT_TIMM) shape_timm(p, config, tensor);
    if (layout == FCMAE_LAYOUT_TORCHVISION && p->role == FCMAE_ROLE_LAYER_SCALE)
        set_shape(tensor, 3, p->count, 1, 1, 0);
    if (layout == FCMAE_LAYOUT_MMPRETRAIN &&
        (p->role == FCMAE_ROLE_GRN_GAMMA || p->role == FCMAE_ROLE_GRN_BETA))
        set_shape(tensor, 1, p->count, 0, 0, 0);
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
