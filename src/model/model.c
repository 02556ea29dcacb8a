/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/status.h"

fcmae_status fcmae_model_create(fcmae_model **out, const fcmae_model_config *config,
                                fcmae_error *error)
{
    fcmae_model *model = calloc(1, sizeof *model);
    if (!model) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a model");
    model->config = *config;
    fcmae_status status = fcmae_model_build_table(model, error);
    if (status == FCMAE_OK) {
        model->values = fcmae_allocate_aligned((size_t)model->block_size, sizeof(float));
        if (!model->values)
            status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %lld parameters (%.2f GiB)",
                                (long long)model->parameter_count,
                                (double)model->block_size * 4 / 1073741824.0);
    }
    if (status != FCMAE_OK) {
        fcmae_model_destroy(&model);
        return status;
    }
    *out = model;
    return FCMAE_OK;
}

void fcmae_model_destroy(fcmae_model **model)
{
    if (!model || !*model) return;
    free((*model)->table);
    free((*model)->blocks);
    free((*model)->values);
    free(*model);
    *model = NULL;
}

fcmae_status fcmae_config_parameters(const fcmae_model_config *config, fcmae_parameter **table,
                                     int *count, int64_t *parameters, fcmae_error *error)
{
    fcmae_model model = {.config = *config};
    fcmae_status status = fcmae_model_build_table(&model, error);
    if (status == FCMAE_OK) {
        if (count) *count = model.count;
        if (parameters) *parameters = model.parameter_count;
        if (table) {
            *table = model.table;
            model.table = NULL;
        }
    }
    free(model.table);
    free(model.blocks);
    return status;
}

const fcmae_model_config *fcmae_model_configuration(const fcmae_model *model)
{
    return &model->config;
}

const fcmae_parameter *fcmae_model_parameters(const fcmae_model *model, int *count)
{
    if (count) *count = model->count;
    return model->table;
}

const fcmae_parameter *fcmae_model_find(const fcmae_model *model, const char *name)
{
    for (int i = 0; i < model->count; i++)
        if (strcmp(model->table[i].name, name) == 0) return &model->table[i];
    return NULL;
}

int64_t fcmae_model_parameter_count(const fcmae_model *model)
{
    return model->parameter_count;
}

int64_t fcmae_model_block_size(const fcmae_model *model)
{
    return model->block_size;
}

float *fcmae_model_values(fcmae_model *model)
{
    return model->values;
}

static float initial_value(const fcmae_parameter *p, double layer_scale, fcmae_random *random)
{
    switch (p->init) {
    case FCMAE_INIT_ZERO: return 0;
    case FCMAE_INIT_ONE: return 1;
    case FCMAE_INIT_LAYER_SCALE: return (float)layer_scale;
    case FCMAE_INIT_NORMAL: break;
    }
    double value;
    do {
        value = 0.02 * fcmae_random_normal(random);
    } while (value < -2 || value > 2); /* the cut-offs are absolute, as in timm 0.3.2 */
    return (float)value;
}

typedef struct initialise_pass {
    fcmae_model *model;
    const fcmae_parameter *parameter;
    uint64_t seed;
} initialise_pass;

/** One stored row, from a stream of its own: rows are independent of each other and of threads. */
static void initialise_row(void *argument, int64_t row, int worker)
{
    const initialise_pass *pass = argument;
    const fcmae_parameter *p = pass->parameter;
    fcmae_random random = fcmae_random_start(pass->seed, FCMAE_RANDOM_INITIALISATION, (uint32_t)row,
                                             (uint64_t)(p - pass->model->table));
    (void)worker;
    for (int64_t column = 0; column < p->columns; column++)
        pass->model->values[p->offset + row * p->stride + column] = initial_value(
            p, pass->model->config.layer_scale_init, &random);
}

void fcmae_model_initialise(fcmae_model *model, uint64_t seed)
{
    for (int i = 0; i < model->count; i++) {
        initialise_pass pass = {model, &model->table[i], seed};
        fcmae_parallel_for(fcmae_processor_count(), model->table[i].rows, initialise_row, &pass);
    }
}

/** Index in C order of the official tensor of the stored element (row, column). */
static int64_t official_index(const fcmae_parameter *p, int64_t row, int64_t column)
{
    switch (p->order) {
    case FCMAE_ORDER_SAME: return row * p->columns + column;
    case FCMAE_ORDER_TRANSPOSED: return column * p->rows + row;
    case FCMAE_ORDER_PATCH: break;
    }
    int64_t in = p->shape[1], positions = p->shape[2] * p->shape[3];
    return column * p->rows + row % in * positions + row / in;
}

void fcmae_parameter_export(const fcmae_parameter *p, const float *block, float *official)
{
    for (int64_t row = 0; row < p->rows; row++)
        for (int64_t column = 0; column < p->columns; column++)
            official[official_index(p, row, column)] = block[p->offset + row * p->stride + column];
}

void fcmae_parameter_import(const fcmae_parameter *p, const float *official, float *block)
{
    for (int64_t row = 0; row < p->rows; row++)
        for (int64_t column = 0; column < p->columns; column++)
            block[p->offset + row * p->stride + column] = official[official_index(p, row, column)];
}

const fcmae_parameter *fcmae_model_largest(const fcmae_model *model, float *value)
{
    const fcmae_parameter *found = model->table;
    *value = 0;
    for (int i = 0; i < model->count; i++) {
        const fcmae_parameter *p = &model->table[i];
        for (int64_t k = 0; k < p->rows * p->stride; k++) /* padding is zero */
            if (fabsf(model->values[p->offset + k]) > *value) {
                *value = fabsf(model->values[p->offset + k]);
                found = p;
            }
    }
    return found;
}

fcmae_status fcmae_model_not_finite(const fcmae_model *model, const char *what, fcmae_error *error)
{
    float largest;
    const fcmae_parameter *suspect = fcmae_model_largest(model, &largest);
    return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                      "%.400s is not finite: the weights are no good; the largest of them, %g, is "
                      "in tensor %s; take an earlier checkpoint",
                      what, (double)largest, suspect->name);
}
