/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The parameter table: walks the network once, in the order of a PyTorch state dict, and writes
 * down every tensor. The table is built in two passes of the same walk: count, then fill.
 */
#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"

#define ROW_UNIT 16 /* columns are padded to whole vectors of the widest instruction set */

typedef struct walk {
    struct fcmae_model *model;
    bool fill;
    int count;
    int64_t offset, parameters;
    fcmae_parameter_part part;
    int stage, block;
    char prefix[48];
} walk;

static int64_t round_up(int64_t value, int64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/** Adds one tensor; returns its entry (NULL while counting). */
static const fcmae_parameter *add(walk *w, const char *name, fcmae_parameter_role role,
                                  fcmae_parameter_order order, fcmae_parameter_init init, int rank,
                                  int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
    int index = w->count++;
    if (!w->fill) return NULL;
    fcmae_parameter *p = &w->model->table[index];
    *p = (fcmae_parameter){.rank = rank,
                           .shape = {d0, d1, d2, d3},
                           .order = order,
                           .init = init,
                           .part = w->part,
                           .role = role,
                           .stage = w->stage,
                           .block = w->block};
    snprintf(p->name, sizeof p->name, "%s%s", w->prefix, name);
    p->count = 1;
    for (int i = 0; i < rank; i++) p->count *= p->shape[i];
    /* A leading dimension of a vector-like tensor is 1: everything is one row. */
    p->columns = order == FCMAE_ORDER_SAME ? (rank == 2 && d0 > 1 ? d1 : p->count) : d0;
    p->rows = p->count / p->columns;
    p->stride = round_up(p->columns, ROW_UNIT);
    p->offset = w->offset;
    w->offset += p->rows * p->stride;
    w->parameters += p->count;
    return p;
}

static const fcmae_parameter *add_vector(walk *w, const char *name, fcmae_parameter_role role,
                                         fcmae_parameter_init init, int64_t size)
{
    return add(w, name, role, FCMAE_ORDER_SAME, init, 1, size, 1, 1, 1);
}

static void set_prefix(walk *w, fcmae_parameter_part part, int stage, int block, const char *format,
                       ...) FCMAE_PRINTF(5, 6);
static void set_prefix(walk *w, fcmae_parameter_part part, int stage, int block, const char *format,
                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->prefix, sizeof w->prefix, format, arguments);
    va_end(arguments);
    w->part = part;
    w->stage = stage;
    w->block = block;
}

static void add_block(walk *w, fcmae_block_parameters *b, int version, int64_t c)
{
    int64_t hidden = 4 * c;
    fcmae_block_parameters p = {0};
    if (version == 1)
        p.layer_scale = add_vector(w, "gamma", FCMAE_ROLE_LAYER_SCALE, FCMAE_INIT_LAYER_SCALE, c);
    p.depthwise_weight = add(w, "dwconv.weight", FCMAE_ROLE_DEPTHWISE_WEIGHT,
                             FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL, 4, c, 1, 7, 7);
    p.depthwise_bias = add_vector(w, "dwconv.bias", FCMAE_ROLE_DEPTHWISE_BIAS, FCMAE_INIT_ZERO, c);
    p.norm_weight = add_vector(w, "norm.weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE, c);
    p.norm_bias = add_vector(w, "norm.bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO, c);
    p.expand_weight = add(w, "pwconv1.weight", FCMAE_ROLE_EXPAND_WEIGHT, FCMAE_ORDER_TRANSPOSED,
                          FCMAE_INIT_NORMAL, 2, hidden, c, 1, 1);
    p.expand_bias = add_vector(w, "pwconv1.bias", FCMAE_ROLE_EXPAND_BIAS, FCMAE_INIT_ZERO, hidden);
    if (version == 2) {
        p.grn_gamma = add(w, "grn.gamma", FCMAE_ROLE_GRN_GAMMA, FCMAE_ORDER_SAME, FCMAE_INIT_ZERO,
                          4, 1, 1, 1, hidden);
        p.grn_beta = add(w, "grn.beta", FCMAE_ROLE_GRN_BETA, FCMAE_ORDER_SAME, FCMAE_INIT_ZERO, 4,
                         1, 1, 1, hidden);
    }
    /* The one linear stored as [out][in]: the wide side is the vector side of its gradient. */
    p.reduce_weight = add(w, "pwconv2.weight", FCMAE_ROLE_REDUCE_WEIGHT, FCMAE_ORDER_SAME,
                          FCMAE_INIT_NORMAL, 2, c, hidden, 1, 1);
    p.reduce_bias = add_vector(w, "pwconv2.bias", FCMAE_ROLE_REDUCE_BIAS, FCMAE_INIT_ZERO, c);
    if (w->fill) *b = p;
}

static void add_downsampling(walk *w, int stage)
{
    const fcmae_model_config *config = &w->model->config;
    fcmae_patch_parameters p;
    int64_t out = config->dims[stage];
    bool stem = stage == 0;
    int64_t in = stem ? config->channels : config->dims[stage - 1];
    int64_t side = stem ? config->stem_stride : 2;
    int64_t normed = stem ? out : in;
    for (int module = 0; module < 2; module++) {
        set_prefix(w, FCMAE_PART_DOWNSAMPLE, stage, 0, "downsample_layers.%d.%d.", stage, module);
        if ((module == 0) == stem) {
            p.weight = add(w, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_PATCH, FCMAE_INIT_NORMAL, 4,
                           out, in, side, side);
            p.bias = add_vector(w, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, out);
        } else {
            p.norm_weight = add_vector(w, "weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE, normed);
            p.norm_bias = add_vector(w, "bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO, normed);
        }
    }
    if (w->fill) w->model->patch[stage] = p;
}

static void add_decoder(walk *w)
{
    struct fcmae_model *m = w->model;
    const fcmae_model_config *config = &m->config;
    int64_t d = config->decoder_dim, values = fcmae_config_patch_values(config);
    set_prefix(w, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "proj.");
    m->proj_weight = add(w, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                         4, d, config->dims[3], 1, 1);
    m->proj_bias = add_vector(w, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, d);
    for (int block = 0; block < config->decoder_depth; block++) {
        set_prefix(w, FCMAE_PART_DECODER, FCMAE_STAGES, block, "decoder.%d.", block);
        add_block(w, m->decoder ? &m->decoder[block] : NULL, config->version, d);
    }
    set_prefix(w, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "pred.");
    m->pred_weight = add(w, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                         4, values, d, 1, 1);
    m->pred_bias = add_vector(w, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, values);
}

static void add_head(walk *w)
{
    struct fcmae_model *m = w->model;
    int64_t c = m->config.dims[3];
    set_prefix(w, FCMAE_PART_HEAD, FCMAE_STAGES, 0, "norm.");
    m->norm_weight = add_vector(w, "weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE, c);
    m->norm_bias = add_vector(w, "bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO, c);
    set_prefix(w, FCMAE_PART_HEAD, FCMAE_STAGES, 0, "head.");
    m->head_weight = add(w, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL,
                         2, m->config.classes, c, 1, 1);
    m->head_bias = add_vector(w, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, m->config.classes);
}

static void walk_network(walk *w)
{
    struct fcmae_model *m = w->model;
    const fcmae_model_config *config = &m->config;
    if (config->kind == FCMAE_KIND_PRETRAIN) {
        set_prefix(w, FCMAE_PART_DECODER, FCMAE_STAGES, 0, "%s", "");
        m->mask_token = add(w, "mask_token", FCMAE_ROLE_MASK_TOKEN, FCMAE_ORDER_SAME,
                            FCMAE_INIT_NORMAL, 4, 1, config->decoder_dim, 1, 1);
    }
    for (int stage = 0; stage < FCMAE_STAGES; stage++) add_downsampling(w, stage);
    for (int stage = 0; stage < FCMAE_STAGES; stage++)
        for (int block = 0; block < config->depths[stage]; block++) {
            set_prefix(w, FCMAE_PART_BLOCK, stage, block, "stages.%d.%d.", stage, block);
            add_block(w, m->stage[stage] ? &m->stage[stage][block] : NULL, config->version,
                      config->dims[stage]);
        }
    if (config->kind == FCMAE_KIND_PRETRAIN) add_decoder(w);
    if (config->kind == FCMAE_KIND_CLASSIFIER) add_head(w);
}

int fcmae_config_blocks(const fcmae_model_config *config)
{
    int blocks = 0;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) blocks += config->depths[stage];
    return blocks;
}

fcmae_status fcmae_model_build_table(struct fcmae_model *model, fcmae_error *error)
{
    const fcmae_model_config *config = &model->config;
    FCMAE_TRY(fcmae_config_check(config, error));
    walk counting = {.model = model};
    walk_network(&counting);

    int blocks = fcmae_config_blocks(config);
    int decoder_blocks = config->kind == FCMAE_KIND_PRETRAIN ? config->decoder_depth : 0;
    model->table = calloc((size_t)counting.count, sizeof *model->table);
    model->blocks = calloc((size_t)(blocks + decoder_blocks), sizeof *model->blocks);
    if (!model->table || !model->blocks)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a table of %d parameters",
                          counting.count);
    fcmae_block_parameters *next = model->blocks;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        model->stage[stage] = next;
        next += config->depths[stage];
    }
    model->decoder = next;

    walk filling = {.model = model, .fill = true};
    walk_network(&filling);
    model->count = filling.count;
    model->parameter_count = filling.parameters;
    model->block_size = filling.offset;
    return FCMAE_OK;
}
