/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Scenes: the pictures of the synthetic set. */
#ifndef FCMAE_DATA_SCENE_H
#define FCMAE_DATA_SCENE_H

#include <stdint.h>

/**
 * Draws picture `number` of a part of the set.
 * @param pixels  [out] [size, size, 3]
 * @param label   selects shape and texture of the main object
 * @param part    0: training, 1: validation
 */
void fcmae_scene_render(uint8_t *pixels, int size, int label, uint64_t seed, uint32_t part,
                        uint64_t number);

#endif
