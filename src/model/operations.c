/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/operations.h"

#include "model/objective.h"

/** Along one axis: pairs of a place and one at most 3 away, on the grid or in the same cell. */
static double count_pairs(int cells, int side, bool same_cell)
{
    double pairs = 0;
    for (int y = 0; y < cells * side; y++)
        for (int v = y - 3; v <= y + 3; v++)
            pairs += v >= 0 && v < cells * side && (!same_cell || v / side == y / side);
    return pairs;
}

double fcmae_expected_taps(int cells_high, int cells_wide, int side, double p)
{
    double all = count_pairs(cells_high, side, false) * count_pairs(cells_wide, side, false);
    double own = count_pairs(cells_high, side, true) * count_pairs(cells_wide, side, true);
    return (own + (all - own) * p) / ((double)cells_high * cells_wide * side * side);
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
