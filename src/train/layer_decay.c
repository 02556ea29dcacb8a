/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "fcmae/optimiser.h"

enum { GROUPS = 12 };

static int blocks_before(const fcmae_model_config *config, int stage)
{
    int blocks = 0;
    for (int i = 0; i < stage; i++) blocks += config->depths[i];
    return blocks;
}

int fcmae_layer_count(const fcmae_model_config *config, fcmae_layer_decay kind)
{
    if (kind == FCMAE_LAYER_DECAY_NONE) return 1;
    return 2 + (kind == FCMAE_LAYER_DECAY_SINGLE ? blocks_before(config, FCMAE_STAGES) : GROUPS);
}

static int group_of_block(int stage, int block)
{
    if (stage < 2) return stage + 1;
    if (stage == 3) return GROUPS;
    int group = 3 + block / 3;
    return group < GROUPS ? group : GROUPS; /* deeper third stages than 27 blocks */
}

int fcmae_layer_id(const fcmae_model_config *config, const fcmae_parameter *parameter,
                   fcmae_layer_decay kind)
{
    static const int group_of_downsampling[FCMAE_STAGES] = {0, 2, 3, GROUPS};
    if (kind == FCMAE_LAYER_DECAY_NONE) return 0;
    bool single = kind == FCMAE_LAYER_DECAY_SINGLE;
    switch (parameter->part) {
    case FCMAE_PART_DOWNSAMPLE:
        return single ? blocks_before(config, parameter->stage) + 1
                      : group_of_downsampling[parameter->stage];
    case FCMAE_PART_BLOCK:
        return single ? blocks_before(config, parameter->stage) + parameter->block + 1
                      : group_of_block(parameter->stage, parameter->block);
    case FCMAE_PART_DECODER:
    case FCMAE_PART_HEAD:
    case FCMAE_PART_OTHER: break;
    }
    return fcmae_layer_count(config, kind) - 1;
}
