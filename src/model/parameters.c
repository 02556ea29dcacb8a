/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The parameter table: walks the network once, in the order of a PyTorch state dict, and writes
 * down every tensor. The table is built in two passes of the same walk: count, then fill.
 */
#include "model/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "model/objective.h"

#define ROW_UNIT 16 /* columns are padded to whole vectors of the widest instruction set */

struct fcmae_table {
    struct fcmae_model *model;
    bool fill;
    int count, blocks;
    int64_t offset, parameters;
    fcmae_parameter_part part;
    int stage, block;
    char prefix[48];
};

static int64_t round_up(int64_t value, int64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

const fcmae_parameter *fcmae_table_add(fcmae_table *w, const char *name, fcmae_parameter_role role,
                                       fcmae_parameter_order order, fcmae_parameter_init init,
                                       int rank, const int64_t shape[])
{
    int index = w->count++;
    if (!w->fill) return NULL;
    fcmae_parameter *p = &w->model->table[index];
    *p = (fcmae_parameter){.rank = rank,
                           .shape = {1, 1, 1, 1},
                           .order = order,
                           .init = init,
                           .part = w->part,
                           .role = role,
                           .stage = w->stage,
                           .block = w->block};
    snprintf(p->name, sizeof p->name, "%s%s", w->prefix, name);
    p->count = 1;
    for (int i = 0; i < rank; i++) {
        p->shape[i] = shape[i];
        p->count *= shape[i];
    }
    /* A leading dimension of a vector-like tensor is 1: everything is one row. */
    p->columns = order != FCMAE_ORDER_SAME   ? shape[0]
                 : rank == 2 && shape[0] > 1 ? shape[1]
                                             : p->count;
    p->rows = p->count / p->columns;
    p->stride = round_up(p->columns, ROW_UNIT);
    p->offset = w->offset;
    w->offset += p->rows * p->stride;
    w->parameters += p->count;
    return p;
}

const fcmae_parameter *fcmae_table_vector(fcmae_table *w, const char *name,
                                          fcmae_parameter_role role, fcmae_parameter_init init,
                                          int64_t size)
{
    return fcmae_table_add(w, name, role, FCMAE_ORDER_SAME, init, 1, &size);
}

void fcmae_table_prefix(fcmae_table *w, fcmae_parameter_part part, int stage, int block,
                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->prefix, sizeof w->prefix, format, arguments);
    va_end(arguments);
    w->part = part;
    w->stage = stage;
    w->block = block;
}

void fcmae_table_block(fcmae_table *w, int64_t c)
{
    int version = w->model->config.version;
    int64_t hidden = 4 * c;
    fcmae_block_parameters p = {0};
    if (version == 1)
        p.layer_scale = fcmae_table_vector(w, "gamma", FCMAE_ROLE_LAYER_SCALE,
                                           FCMAE_INIT_LAYER_SCALE, c);
    p.depthwise_weight = fcmae_table_add(w, "dwconv.weight", FCMAE_ROLE_DEPTHWISE_WEIGHT,
                                         FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL, 4,
                                         (const int64_t[]){c, 1, 7, 7});
    p.depthwise_bias = fcmae_table_vector(w, "dwconv.bias", FCMAE_ROLE_DEPTHWISE_BIAS,
                                          FCMAE_INIT_ZERO, c);
    p.norm_weight = fcmae_table_vector(w, "norm.weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE, c);
    p.norm_bias = fcmae_table_vector(w, "norm.bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO, c);
    p.expand_weight = fcmae_table_add(w, "pwconv1.weight", FCMAE_ROLE_EXPAND_WEIGHT,
                                      FCMAE_ORDER_TRANSPOSED, FCMAE_INIT_NORMAL, 2,
                                      (const int64_t[]){hidden, c});
    p.expand_bias = fcmae_table_vector(w, "pwconv1.bias", FCMAE_ROLE_EXPAND_BIAS, FCMAE_INIT_ZERO,
                                       hidden);
    if (version == 2) {
        p.grn_gamma = fcmae_table_add(w, "grn.gamma", FCMAE_ROLE_GRN_GAMMA, FCMAE_ORDER_SAME,
                                      FCMAE_INIT_ZERO, 4, (const int64_t[]){1, 1, 1, hidden});
        p.grn_beta = fcmae_table_add(w, "grn.beta", FCMAE_ROLE_GRN_BETA, FCMAE_ORDER_SAME,
                                     FCMAE_INIT_ZERO, 4, (const int64_t[]){1, 1, 1, hidden});
    }
    /* The one linear stored as [out][in]: the wide side is the vector side of its gradient. */
    p.reduce_weight = fcmae_table_add(w, "pwconv2.weight", FCMAE_ROLE_REDUCE_WEIGHT,
                                      FCMAE_ORDER_SAME, FCMAE_INIT_NORMAL, 2,
                                      (const int64_t[]){c, hidden});
    p.reduce_bias = fcmae_table_vector(w, "pwconv2.bias", FCMAE_ROLE_REDUCE_BIAS, FCMAE_INIT_ZERO,
                                       c);
    if (w->fill) w->model->blocks[w->blocks] = p;
    w->blocks++;
}

static void add_downsampling(fcmae_table *w, int stage)
{
    const fcmae_model_config *config = &w->model->config;
    fcmae_patch_parameters p;
    int64_t out = config->dims[stage];
    bool stem = stage == 0;
    int64_t in = stem ? config->channels : config->dims[stage - 1];
    int64_t side = stem ? config->stem_stride : 2;
    int64_t normed = stem ? out : in;
    for (int module = 0; module < 2; module++) {
        fcmae_table_prefix(w, FCMAE_PART_DOWNSAMPLE, stage, 0, "downsample_layers.%d.%d.", stage,
                           module);
        if ((module == 0) == stem) {
            p.weight = fcmae_table_add(w, "weight", FCMAE_ROLE_WEIGHT, FCMAE_ORDER_PATCH,
                                       FCMAE_INIT_NORMAL, 4,
                                       (const int64_t[]){out, in, side, side});
            p.bias = fcmae_table_vector(w, "bias", FCMAE_ROLE_BIAS, FCMAE_INIT_ZERO, out);
        } else {
            p.norm_weight = fcmae_table_vector(w, "weight", FCMAE_ROLE_NORM_WEIGHT, FCMAE_INIT_ONE,
                                               normed);
            p.norm_bias = fcmae_table_vector(w, "bias", FCMAE_ROLE_NORM_BIAS, FCMAE_INIT_ZERO,
                                             normed);
        }
    }
    if (w->fill) w->model->patch[stage] = p;
}

static void walk_network(fcmae_table *w)
{
    const fcmae_model_config *config = &w->model->config;
    const fcmae_objective *objective = w->model->objective;
    if (objective) objective->add_parameters(w, config, false);
    for (int stage = 0; stage < FCMAE_STAGES; stage++) add_downsampling(w, stage);
    for (int stage = 0; stage < FCMAE_STAGES; stage++)
        for (int block = 0; block < config->depths[stage]; block++) {
            fcmae_table_prefix(w, FCMAE_PART_BLOCK, stage, block, "stages.%d.%d.", stage, block);
            fcmae_table_block(w, config->dims[stage]);
        }
    if (objective) objective->add_parameters(w, config, true);
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
    model->objective = fcmae_objective_find(config->objective);
    model->config.objective = model->objective ? model->objective->name : NULL;
    fcmae_table counting = {.model = model};
    walk_network(&counting);

    model->table = calloc((size_t)counting.count, sizeof *model->table);
    model->blocks = calloc((size_t)counting.blocks, sizeof *model->blocks);
    if (!model->table || !model->blocks)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a table of %d parameters",
                          counting.count);
    fcmae_block_parameters *next = model->blocks;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        model->stage[stage] = next;
        next += config->depths[stage];
    }
    model->own_blocks = next;

    fcmae_table filling = {.model = model, .fill = true};
    walk_network(&filling);
    model->count = filling.count;
    model->parameter_count = filling.parameters;
    model->block_size = filling.offset;
    return FCMAE_OK;
}
