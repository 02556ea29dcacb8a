/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference/network_pass.h"

reference_network *reference_network_create(const fcmae_model *model)
{
    reference_network *network = calloc(1, sizeof *network);
    if (!network) abort();
    network->config = *fcmae_model_configuration(model);
    const fcmae_parameter *table = fcmae_model_parameters(model, &network->count);
    network->tensors = calloc((size_t)network->count, sizeof *network->tensors);
    if (!network->tensors) abort();
    for (int i = 0; i < network->count; i++) {
        reference_tensor *tensor = &network->tensors[i];
        size_t count = (size_t)table[i].count;
        float *official = malloc(count * sizeof *official);
        tensor->count = table[i].count;
        tensor->value = calloc(count, sizeof(double));
        tensor->gradient = calloc(count, sizeof(double));
        if (!official || !tensor->value || !tensor->gradient) abort();
        snprintf(tensor->name, sizeof tensor->name, "%s", table[i].name);
        fcmae_parameter_export(&table[i], fcmae_model_values((fcmae_model *)model), official);
        for (size_t k = 0; k < count; k++) tensor->value[k] = official[k];
        free(official);
    }
    return network;
}

void reference_network_destroy(reference_network *network)
{
    for (int i = 0; i < network->count; i++) {
        free(network->tensors[i].value);
        free(network->tensors[i].gradient);
    }
    free(network->tensors);
    free(network);
}

reference_tensor *reference_network_find(const reference_network *network, const char *name)
{
    for (int i = 0; i < network->count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return &network->tensors[i];
    fprintf(stderr, "the reference network needs a tensor \"%s\"\n", name);
    abort();
}

void reference_network_zero_gradients(reference_network *network)
{
    for (int i = 0; i < network->count; i++)
        memset(network->tensors[i].gradient, 0, (size_t)network->tensors[i].count * sizeof(double));
}

double *pass_take(pass *p, int64_t count)
{
    pass_memory *c = calloc(1, sizeof *c + (size_t)count * sizeof(double));
    if (!c) abort();
    c->next = *p->memory;
    *p->memory = c;
    return c->values;
}

double *pass_value(pass *p, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return reference_network_find(p->network, full)->value;
}

double *pass_gradient(pass *p, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return reference_network_find(p->network, full)->gradient;
}

reference_grid pass_grid(const pass *p, int at, int sample)
{
    const level *l = &p->levels[at];
    return (reference_grid){l->height, l->width,
                            l->active + (int64_t)sample * l->height * l->width};
}

int64_t pass_rows(const pass *p, int at)
{
    return p->levels[at].first[p->batch->samples];
}

const double *pass_image(const pass *p, int sample)
{
    int image = p->batch->image_of ? p->batch->image_of[sample] : sample;
    return p->batch->images +
           (int64_t)image * p->config->channels * p->batch->height * p->batch->width;
}

/* Visible cells carry the projection, removed cells the mask token. */
static void decoder_forward(pass *p)
{
    int c = p->config->dims[3], d = p->config->decoder_dim,
        values = fcmae_config_patch_values(p->config);
    int64_t rows = pass_rows(p, DECODER), cells = rows / p->batch->samples;
    const double *token = pass_value(p, "", "mask_token");
    double *x = pass_take(p, rows * d);
    p->projected = pass_take(p, pass_rows(p, 3) * d);
    p->predicted = pass_take(p, rows * values);
    reference_linear(pass_rows(p, 3), c, d, p->output[3], pass_value(p, "proj.", "weight"),
                     pass_value(p, "proj.", "bias"), p->projected);
    for (int n = 0; n < p->batch->samples; n++) {
        double *map = x + n * cells * d;
        reference_scatter(pass_grid(p, 3, n), d, p->projected + p->levels[3].first[n] * d, map);
        for (int64_t i = 0; i < cells * d; i++)
            if (!pass_grid(p, 3, n).active[i / d]) map[i] = token[i % d];
    }
    reference_linear(rows, d, values, pass_blocks_forward(p, DECODER, x),
                     pass_value(p, "pred.", "weight"), pass_value(p, "pred.", "bias"),
                     p->predicted);
}

static const double *decoder_backward(pass *p, const double *dpredicted)
{
    int c = p->config->dims[3], d = p->config->decoder_dim,
        values = fcmae_config_patch_values(p->config);
    int64_t rows = pass_rows(p, DECODER), cells = rows / p->batch->samples;
    double *dy = pass_take(p, rows * d), *dprojected = pass_take(p, pass_rows(p, 3) * d);
    double *dencoded = pass_take(p, pass_rows(p, 3) * c),
           *dtoken = pass_gradient(p, "", "mask_token");
    reference_linear_backward(rows, d, values, p->output[DECODER], pass_value(p, "pred.", "weight"),
                              dpredicted, dy, pass_gradient(p, "pred.", "weight"),
                              pass_gradient(p, "pred.", "bias"));
    const double *dx = pass_blocks_backward(p, DECODER, dy);
    for (int n = 0; n < p->batch->samples; n++) {
        const double *dmap = dx + n * cells * d;
        reference_gather(pass_grid(p, 3, n), d, dmap, dprojected + p->levels[3].first[n] * d);
        for (int64_t i = 0; i < cells * d; i++)
            if (!pass_grid(p, 3, n).active[i / d]) dtoken[i % d] += dmap[i];
    }
    reference_linear_backward(pass_rows(p, 3), c, d, p->output[3], pass_value(p, "proj.", "weight"),
                              dprojected, dencoded, pass_gradient(p, "proj.", "weight"),
                              pass_gradient(p, "proj.", "bias"));
    return dencoded;
}

/* Mean over the removed patches of the whole batch; dpredicted may be NULL. */
static void pretraining_loss(pass *p, reference_result *result, double weight, double *dpredicted)
{
    const reference_batch *b = p->batch;
    int values = fcmae_config_patch_values(p->config);
    int64_t cells = pass_rows(p, DECODER) / b->samples;
    int64_t removed = b->samples * cells - pass_rows(p, 3);
    double *target = pass_take(p, values);
    for (int n = 0; n < b->samples; n++) {
        int64_t own = cells - reference_sites(pass_grid(p, 3, n));
        for (int64_t cell = 0; cell < cells; cell++) {
            if (pass_grid(p, 3, n).active[cell]) continue;
            int64_t at = (n * cells + cell) * values;
            reference_patch_target(pass_image(p, n), p->config->channels, b->height, b->width,
                                   fcmae_config_patch(p->config), cell, p->config->norm_pix,
                                   target);
            double error = reference_squared_error(values, p->predicted + at, target);
            result->loss += error / (double)removed;
            result->sample_loss[n] += error / (double)own;
            if (dpredicted)
                reference_squared_error_backward(values, p->predicted + at, target,
                                                 weight / (double)removed, dpredicted + at);
        }
    }
}

static void head_forward(pass *p, reference_result *result)
{
    int c = p->config->dims[3], classes = p->config->classes, samples = p->batch->samples;
    p->normed = pass_take(p, (int64_t)samples * c);
    result->logits = pass_take(p, (int64_t)samples * classes);
    reference_layer_norm(samples, c, LAYER_NORM_EPSILON, p->pooled,
                         pass_value(p, "norm.", "weight"), pass_value(p, "norm.", "bias"),
                         p->normed);
    reference_linear(samples, c, classes, p->normed, pass_value(p, "head.", "weight"),
                     pass_value(p, "head.", "bias"), result->logits);
}

static const double *head_backward(pass *p, const double *dlogits)
{
    int c = p->config->dims[3], classes = p->config->classes, samples = p->batch->samples;
    double *dnormed = pass_take(p, (int64_t)samples * c),
           *dpooled = pass_take(p, (int64_t)samples * c);
    double *dencoded = pass_take(p, pass_rows(p, 3) * c);
    reference_linear_backward(samples, c, classes, p->normed, pass_value(p, "head.", "weight"),
                              dlogits, dnormed, pass_gradient(p, "head.", "weight"),
                              pass_gradient(p, "head.", "bias"));
    reference_layer_norm_backward(
        samples, c, LAYER_NORM_EPSILON, p->pooled, pass_value(p, "norm.", "weight"), dnormed,
        dpooled, pass_gradient(p, "norm.", "weight"), pass_gradient(p, "norm.", "bias"));
    for (int n = 0; n < samples; n++) {
        int64_t begin = p->levels[3].first[n], end = p->levels[3].first[n + 1];
        reference_pool_backward(end - begin, c, dpooled + n * c, dencoded + begin * c);
    }
    return dencoded;
}

/* Mean over samples; dlogits may be NULL. */
static void classification_loss(pass *p, reference_result *result, double weight, double *dlogits)
{
    int classes = p->config->classes, samples = p->batch->samples;
    for (int n = 0; n < samples; n++) {
        const double *logits = result->logits + n * classes;
        const double *target = p->batch->targets + n * classes;
        result->sample_loss[n] = reference_cross_entropy(classes, logits, target);
        result->loss += result->sample_loss[n] / samples;
        if (dlogits)
            reference_cross_entropy_backward(classes, logits, target, weight / samples,
                                             dlogits + n * classes);
    }
}

/* [sites][C] rows to the [C][h][w] map of a result, and their mean. */
static void describe_encoder(pass *p, reference_result *result)
{
    int c = p->config->dims[3], cells = p->levels[3].height * p->levels[3].width;
    result->encoder = pass_take(p, (int64_t)p->batch->samples * c * cells);
    p->pooled = result->pooled = pass_take(p, (int64_t)p->batch->samples * c);
    double *map = pass_take(p, (int64_t)cells * c);
    for (int n = 0; n < p->batch->samples; n++) {
        const double *rows = p->output[3] + p->levels[3].first[n] * c;
        reference_scatter(pass_grid(p, 3, n), c, rows, map);
        for (int i = 0; i < cells * c; i++)
            result->encoder[((int64_t)n * c + i % c) * cells + i / c] = map[i];
        reference_pool(reference_sites(pass_grid(p, 3, n)), c, rows, result->pooled + n * c);
    }
}

static void describe_blocks(pass *p, reference_result *result)
{
    int count = 0;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) count += p->config->depths[stage];
    size_t words = (size_t)count * sizeof(reference_trace) / sizeof(double) + 1;
    reference_trace *out = result->traces = (reference_trace *)pass_take(p, (int64_t)words);
    for (int stage = 0; stage < FCMAE_STAGES; stage++)
        for (int block = 0; block < p->config->depths[stage]; block++) {
            const block_trace *t = &p->blocks[stage][block];
            *out++ = (reference_trace){.stage = stage,
                                       .block = block,
                                       .channels = p->config->dims[stage],
                                       .first = p->levels[stage].first,
                                       .hidden = t->hidden,
                                       .response = t->response,
                                       .branch = t->branch,
                                       .output = t->y};
        }
}

reference_result reference_network_run(reference_network *network, const reference_batch *batch,
                                       int backward, double weight)
{
    reference_result result = {0};
    pass_memory *memory = NULL;
    pass p = {.network = network, .config = &network->config, .batch = batch, .memory = &memory};
    result.sample_loss = pass_take(&p, batch->samples);
    pass_build_levels(&p);
    pass_encoder_forward(&p);
    describe_encoder(&p, &result);
    describe_blocks(&p, &result);
    if (fcmae_config_has_part(&network->config, FCMAE_PART_DECODER)) {
        decoder_forward(&p);
        result.prediction = p.predicted;
        int64_t values = fcmae_config_patch_values(&network->config);
        double *dpredicted = backward ? pass_take(&p, pass_rows(&p, DECODER) * values) : NULL;
        pretraining_loss(&p, &result, weight, dpredicted);
        if (backward) pass_encoder_backward(&p, decoder_backward(&p, dpredicted));
    } else if (fcmae_config_has_part(&network->config, FCMAE_PART_HEAD)) {
        head_forward(&p, &result);
        double *dlogits = backward ? pass_take(&p, batch->samples * network->config.classes) : NULL;
        if (batch->targets) classification_loss(&p, &result, weight, dlogits);
        if (backward) pass_encoder_backward(&p, head_backward(&p, dlogits));
    }
    result.memory = memory;
    return result;
}

void reference_result_release(reference_result *result)
{
    for (pass_memory *c = result->memory, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *result = (reference_result){0};
}
