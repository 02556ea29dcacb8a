/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/operations.h"

#include "model/objective.h"

double fcmae_expected_taps(int cells_high, int cells_wide, int side, double p)
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

double fcmae_block_macs(double rows, double reduced_rows, double taps, double channels)
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
        double cell = front + config->depths[s] * fcmae_block_macs(sites, sites, 49, c);
        info->encoder_macs += visible * cell;
        info->encoder_macs_dense += cells * cell;
        double taps = fcmae_expected_taps(high, wide, side, share);
        necessary += visible *
                     (front + config->depths[s] * fcmae_block_macs(sites, sites, taps, c));
    }
    info->decoder_macs = 0;
    const fcmae_objective *objective = fcmae_objective_find(config->objective);
    if (objective && objective->count)
        objective->count(config, high, wide, visible, info, &necessary);
    info->forward_flops = 2 * necessary;
    info->backward_flops = options->train ? 4 * necessary - 2 * visible * stem : 0;
}
