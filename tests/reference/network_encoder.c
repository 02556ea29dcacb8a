/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "reference/network_pass.h"

static int width_of(const pass *p, int at)
{
    return at == DECODER ? p->config->decoder_dim : p->config->dims[at];
}

static int depth_of(const pass *p, int at)
{
    return at == DECODER ? p->config->decoder_depth : p->config->depths[at];
}

void pass_build_levels(pass *p)
{
    const reference_batch *b = p->batch;
    int patch = fcmae_config_patch(p->config), cells = b->height / patch * (b->width / patch);
    for (int at = 0; at < LEVELS; at++) {
        level *l = &p->levels[at];
        int scale = at == DECODER ? 1 : 8 >> at, sites = cells * scale * scale;
        l->height = b->height / patch * scale;
        l->width = b->width / patch * scale;
        l->active = (uint8_t *)pass_take(p, (int64_t)b->samples * sites / 8 + 1);
        l->first = (int64_t *)pass_take(p, b->samples + 1);
        for (int n = 0; n < b->samples; n++) {
            for (int i = 0; i < sites; i++) {
                int cell = i / l->width / scale * (b->width / patch) + i % l->width / scale;
                l->active[n * sites + i] = at == DECODER || !b->removed ||
                                           !b->removed[n * cells + cell];
            }
            l->first[n + 1] = l->first[n] + reference_sites(pass_grid(p, at, n));
        }
    }
}

/* GRN of one block: rows of every sample alone, or of the whole batch in the encoder. */
static void respond(pass *p, int at, const char *prefix, block_trace *t, const double *dy,
                    double *dx)
{
    int hidden = 4 * width_of(p, at);
    const int64_t *first = p->levels[at].first;
    int together = p->config->grn_scope == FCMAE_GRN_BATCH && at != DECODER;
    int groups = together ? 1 : p->batch->samples;
    for (int n = 0; n < groups; n++) {
        int64_t begin = first[n] * hidden,
                rows = first[together ? p->batch->samples : n + 1] - first[n];
        if (!dy)
            reference_grn(rows, hidden, t->hidden + begin, pass_value(p, prefix, "grn.gamma"),
                          pass_value(p, prefix, "grn.beta"), t->response + begin);
        else
            reference_grn_backward(rows, hidden, t->hidden + begin,
                                   pass_value(p, prefix, "grn.gamma"), dy + begin, dx + begin,
                                   pass_gradient(p, prefix, "grn.gamma"),
                                   pass_gradient(p, prefix, "grn.beta"));
    }
}

/* Drop path scale of a sample at one block. */
static double keep_of(const pass *p, int at, int block, int sample)
{
    if (at == DECODER || !p->batch->branch_scale) return 1;
    for (int stage = 0; stage < at; stage++) block += p->config->depths[stage];
    return p->batch->branch_scale[block * p->batch->samples + sample];
}

static void block_prefix(char prefix[64], int at, int block)
{
    if (at == DECODER)
        snprintf(prefix, 64, "decoder.%d.", block);
    else
        snprintf(prefix, 64, "stages.%d.%d.", at, block);
}

static double *block_forward(pass *p, int at, int block, const double *x)
{
    char prefix[64];
    block_prefix(prefix, at, block);
    int c = width_of(p, at);
    int64_t rows = pass_rows(p, at);
    const int64_t *first = p->levels[at].first;
    block_trace *t = &p->blocks[at][block];
    *t = (block_trace){.x = x,
                       .mixed = pass_take(p, rows * c),
                       .normed = pass_take(p, rows * c),
                       .expanded = pass_take(p, rows * 4 * c),
                       .hidden = pass_take(p, rows * 4 * c),
                       .reduced = pass_take(p, rows * c),
                       .y = pass_take(p, rows * c)};
    t->branch = t->reduced;
    t->response = t->hidden;
    for (int n = 0; n < p->batch->samples; n++)
        reference_depthwise(pass_grid(p, at, n), c, x + first[n] * c,
                            pass_value(p, prefix, "dwconv.weight"),
                            pass_value(p, prefix, "dwconv.bias"), t->mixed + first[n] * c);
    reference_layer_norm(rows, c, LAYER_NORM_EPSILON, t->mixed,
                         pass_value(p, prefix, "norm.weight"), pass_value(p, prefix, "norm.bias"),
                         t->normed);
    reference_linear(rows, c, 4 * c, t->normed, pass_value(p, prefix, "pwconv1.weight"),
                     pass_value(p, prefix, "pwconv1.bias"), t->expanded);
    reference_gelu(rows * 4 * c, t->expanded, t->hidden);
    if (p->config->version == 2) {
        t->response = pass_take(p, rows * 4 * c);
        respond(p, at, prefix, t, NULL, NULL);
    }
    reference_linear(rows, 4 * c, c, t->response, pass_value(p, prefix, "pwconv2.weight"),
                     pass_value(p, prefix, "pwconv2.bias"), t->reduced);
    if (p->config->version == 1) {
        t->branch = pass_take(p, rows * c);
        reference_layer_scale(rows, c, t->reduced, pass_value(p, prefix, "gamma"), t->branch);
    }
    for (int n = 0; n < p->batch->samples; n++)
        reference_residual((first[n + 1] - first[n]) * c, keep_of(p, at, block, n),
                           x + first[n] * c, t->branch + first[n] * c, t->y + first[n] * c);
    return t->y;
}

/* dy is the gradient of t->y; returns that of t->x */
static double *block_backward(pass *p, int at, int block, const double *dy)
{
    char prefix[64];
    block_prefix(prefix, at, block);
    int c = width_of(p, at);
    int64_t rows = pass_rows(p, at);
    const int64_t *first = p->levels[at].first;
    block_trace *t = &p->blocks[at][block];
    double *dx = pass_take(p, rows * c), *dbranch = pass_take(p, rows * c), *dreduced = dbranch;
    for (int n = 0; n < p->batch->samples; n++)
        reference_residual_backward((first[n + 1] - first[n]) * c, keep_of(p, at, block, n),
                                    dy + first[n] * c, dx + first[n] * c, dbranch + first[n] * c);
    if (p->config->version == 1) {
        dreduced = pass_take(p, rows * c);
        reference_layer_scale_backward(rows, c, t->reduced, pass_value(p, prefix, "gamma"), dbranch,
                                       dreduced, pass_gradient(p, prefix, "gamma"));
    }
    double *dresponse = pass_take(p, rows * 4 * c), *dhidden = dresponse;
    reference_linear_backward(rows, 4 * c, c, t->response, pass_value(p, prefix, "pwconv2.weight"),
                              dreduced, dresponse, pass_gradient(p, prefix, "pwconv2.weight"),
                              pass_gradient(p, prefix, "pwconv2.bias"));
    if (p->config->version == 2) {
        dhidden = pass_take(p, rows * 4 * c);
        respond(p, at, prefix, t, dresponse, dhidden);
    }
    double *dexpanded = pass_take(p, rows * 4 * c), *dnormed = pass_take(p, rows * c);
    reference_gelu_backward(rows * 4 * c, t->expanded, dhidden, dexpanded);
    reference_linear_backward(rows, c, 4 * c, t->normed, pass_value(p, prefix, "pwconv1.weight"),
                              dexpanded, dnormed, pass_gradient(p, prefix, "pwconv1.weight"),
                              pass_gradient(p, prefix, "pwconv1.bias"));
    double *dmixed = pass_take(p, rows * c), *dskip = pass_take(p, rows * c);
    reference_layer_norm_backward(
        rows, c, LAYER_NORM_EPSILON, t->mixed, pass_value(p, prefix, "norm.weight"), dnormed,
        dmixed, pass_gradient(p, prefix, "norm.weight"), pass_gradient(p, prefix, "norm.bias"));
    for (int n = 0; n < p->batch->samples; n++)
        reference_depthwise_backward(
            pass_grid(p, at, n), c, t->x + first[n] * c, pass_value(p, prefix, "dwconv.weight"),
            dmixed + first[n] * c, dskip + first[n] * c, pass_gradient(p, prefix, "dwconv.weight"),
            pass_gradient(p, prefix, "dwconv.bias"));
    for (int64_t i = 0; i < rows * c; i++) dx[i] += dskip[i];
    return dx;
}

const double *pass_blocks_forward(pass *p, int at, const double *x)
{
    size_t words = (size_t)depth_of(p, at) * sizeof(block_trace) / sizeof(double) + 1;
    p->blocks[at] = (block_trace *)pass_take(p, (int64_t)words);
    for (int block = 0; block < depth_of(p, at); block++) x = block_forward(p, at, block, x);
    return p->output[at] = x;
}

const double *pass_blocks_backward(pass *p, int at, const double *dy)
{
    for (int block = depth_of(p, at) - 1; block >= 0; block--)
        dy = block_backward(p, at, block, dy);
    return dy;
}

/* Stem: patch convolution, then norm. Masking after it is leaving out the removed sites. */
static void stem_forward(pass *p)
{
    int c = p->config->dims[0];
    double *patches = pass_take(p, pass_rows(p, 0) * c), *x = pass_take(p, pass_rows(p, 0) * c);
    for (int n = 0; n < p->batch->samples; n++)
        reference_patch_convolution(
            pass_grid(p, 0, n), p->config->stem_stride, p->config->channels, c, pass_image(p, n),
            pass_value(p, "downsample_layers.0.0.", "weight"),
            pass_value(p, "downsample_layers.0.0.", "bias"), patches + p->levels[0].first[n] * c);
    reference_layer_norm(pass_rows(p, 0), c, LAYER_NORM_EPSILON, patches,
                         pass_value(p, "downsample_layers.0.1.", "weight"),
                         pass_value(p, "downsample_layers.0.1.", "bias"), x);
    p->patches[0] = patches;
    p->embedded[0] = x;
}

static void stem_backward(pass *p, const double *dy)
{
    int c = p->config->dims[0];
    double *dpatches = pass_take(p, pass_rows(p, 0) * c);
    double *dimage = pass_take(p,
                               (int64_t)p->config->channels * p->batch->height * p->batch->width);
    reference_layer_norm_backward(pass_rows(p, 0), c, LAYER_NORM_EPSILON, p->patches[0],
                                  pass_value(p, "downsample_layers.0.1.", "weight"), dy, dpatches,
                                  pass_gradient(p, "downsample_layers.0.1.", "weight"),
                                  pass_gradient(p, "downsample_layers.0.1.", "bias"));
    for (int n = 0; n < p->batch->samples; n++)
        reference_patch_convolution_backward(
            pass_grid(p, 0, n), p->config->stem_stride, p->config->channels, c, pass_image(p, n),
            pass_value(p, "downsample_layers.0.0.", "weight"), dpatches + p->levels[0].first[n] * c,
            dimage, pass_gradient(p, "downsample_layers.0.0.", "weight"),
            pass_gradient(p, "downsample_layers.0.0.", "bias"));
}

/* Downsampling into `stage`: norm, then 2x2 convolution. */
static void downsample_forward(pass *p, int stage)
{
    char norm[64], linear[64];
    snprintf(norm, sizeof norm, "downsample_layers.%d.0.", stage);
    snprintf(linear, sizeof linear, "downsample_layers.%d.1.", stage);
    int in = p->config->dims[stage - 1], out = p->config->dims[stage];
    const int64_t *first = p->levels[stage].first, *fine = p->levels[stage - 1].first;
    double *normed = pass_take(p, pass_rows(p, stage - 1) * in),
           *x = pass_take(p, pass_rows(p, stage) * out);
    reference_layer_norm(pass_rows(p, stage - 1), in, LAYER_NORM_EPSILON, p->output[stage - 1],
                         pass_value(p, norm, "weight"), pass_value(p, norm, "bias"), normed);
    for (int n = 0; n < p->batch->samples; n++)
        reference_downsample(pass_grid(p, stage - 1, n), in, out, normed + fine[n] * in,
                             pass_value(p, linear, "weight"), pass_value(p, linear, "bias"),
                             x + first[n] * out);
    p->patches[stage] = normed;
    p->embedded[stage] = x;
}

static const double *downsample_backward(pass *p, int stage, const double *dy)
{
    char norm[64], linear[64];
    snprintf(norm, sizeof norm, "downsample_layers.%d.0.", stage);
    snprintf(linear, sizeof linear, "downsample_layers.%d.1.", stage);
    int in = p->config->dims[stage - 1], out = p->config->dims[stage];
    int64_t rows = pass_rows(p, stage - 1);
    const int64_t *first = p->levels[stage].first, *fine = p->levels[stage - 1].first;
    double *dnormed = pass_take(p, rows * in), *dx = pass_take(p, rows * in);
    for (int n = 0; n < p->batch->samples; n++)
        reference_downsample_backward(
            pass_grid(p, stage - 1, n), in, out, p->patches[stage] + fine[n] * in,
            pass_value(p, linear, "weight"), dy + first[n] * out, dnormed + fine[n] * in,
            pass_gradient(p, linear, "weight"), pass_gradient(p, linear, "bias"));
    reference_layer_norm_backward(rows, in, LAYER_NORM_EPSILON, p->output[stage - 1],
                                  pass_value(p, norm, "weight"), dnormed, dx,
                                  pass_gradient(p, norm, "weight"), pass_gradient(p, norm, "bias"));
    return dx;
}

void pass_encoder_forward(pass *p)
{
    stem_forward(p);
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        if (stage > 0) downsample_forward(p, stage);
        pass_blocks_forward(p, stage, p->embedded[stage]);
    }
}

void pass_encoder_backward(pass *p, const double *dy)
{
    for (int stage = FCMAE_STAGES - 1; stage >= 0; stage--) {
        dy = pass_blocks_backward(p, stage, dy);
        if (stage > 0) dy = downsample_backward(p, stage, dy);
    }
    stem_backward(p, dy);
}
