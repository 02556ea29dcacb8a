/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Counts of arithmetic per sample, from the definitions.
 *
 * Necessary operations: linears and convolutions at the sites where their result is used (the last
 * decoder block's second linear and the prediction at removed cells only), depthwise taps that are
 * expected to be present under a random mask; 2 per multiply-add; backward twice forward, less the
 * stem's input gradient. Norms, GELU, GRN and AdamW are not counted.
 */
#include "model/engine.h"

/** Expected number of present taps per site: same cell always, other cells with probability p. */
static double expected_taps(int cells_high, int cells_wide, int side, double p)
{
    int height = cells_high * side, width = cells_wide * side;
    double total = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int dy = -3; dy <= 3; dy++)
                for (int dx = -3; dx <= 3; dx++) {
                    int v = y + dy, u = x + dx;
                    if (v < 0 || u < 0 || v >= height || u >= width) continue;
                    total += v / side == y / side && u / side == x / side ? 1 : p;
                }
    return total / (height * width);
}

static double block_macs(double rows, double reduced_rows, double taps, double channels)
{
    return rows * taps * channels + 4 * channels * channels * (rows + reduced_rows);
}

void fcmae_count_operations(const fcmae_model_config *config, const fcmae_engine_options *options,
                            fcmae_engine_plan_info *info)
{
    int patch = fcmae_config_patch(config);
    int high = options->height / patch, wide = options->width / patch, cells = high * wide;
    int visible = options->visible_cells;
    double share = cells > 1 ? (visible - 1.0) / (cells - 1.0) : 1, necessary = 0;
    double stem = (double)config->stem_stride * config->stem_stride * config->channels *
                  config->dims[0] * 64;
    info->encoder_macs = info->encoder_macs_dense = 0;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        int side = 8 >> s;
        double sites = side * side, c = config->dims[s];
        double front = s == 0 ? stem : sites * 4 * config->dims[s - 1] * c;
        double cell = front + config->depths[s] * block_macs(sites, sites, 49, c);
        info->encoder_macs += visible * cell;
        info->encoder_macs_dense += cells * cell;
        double taps = expected_taps(high, wide, side, share);
        necessary += visible * (front + config->depths[s] * block_macs(sites, sites, taps, c));
    }
    info->decoder_macs = 0;
    if (config->kind == FCMAE_KIND_PRETRAIN) {
        double d = config->decoder_dim, values = fcmae_config_patch_values(config);
        double proj = config->dims[3] * d, removed = cells - visible;
        double taps = expected_taps(high, wide, 1, 1);
        info->decoder_macs = cells * (proj + d * values) +
                             config->decoder_depth * block_macs(cells, cells, 49, d);
        necessary += visible * proj + removed * d * values +
                     (config->decoder_depth - 1) * block_macs(cells, cells, taps, d) +
                     block_macs(cells, removed, taps, d);
    }
    if (config->kind == FCMAE_KIND_CLASSIFIER) {
        double head = (double)config->dims[3] * config->classes;
        info->encoder_macs_dense += head;
        info->encoder_macs += head;
        necessary += head;
    }
    info->forward_flops = 2 * necessary;
    info->backward_flops = options->mode == FCMAE_MODE_INFERENCE
                               ? 0
                               : 4 * necessary - 2 * visible * stem;
}
