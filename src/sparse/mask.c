/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/mask.h"

#include <string.h>

int fcmae_mask_visible(int cells, double ratio)
{
    int visible = (int)(cells * (1 - ratio));
    if (visible > cells - 1) visible = cells - 1;
    return visible < 1 ? 1 : visible;
}

/** Cells in the order of a fresh permutation of units. */
static void draw_order(fcmae_random *random, int height, int width, int unit, int64_t *order)
{
    int wide = (width + unit - 1) / unit, units = (height + unit - 1) / unit * wide, count = 0;
    int64_t *permutation = order + height * width;
    fcmae_random_permutation(random, units, permutation);
    for (int i = 0; i < units; i++) {
        int top = (int)(permutation[i] / wide) * unit, left = (int)(permutation[i] % wide) * unit;
        for (int y = top; y < top + unit && y < height; y++)
            for (int x = left; x < left + unit && x < width; x++) order[count++] = y * width + x;
    }
}

void fcmae_mask_draw(fcmae_random *random, int height, int width, int unit, int visible, int views,
                     int64_t *order, uint8_t *removed)
{
    int cells = height * width, used = cells;
    for (int view = 0; view < views; view++) {
        if (used + visible > cells) {
            draw_order(random, height, width, unit, order);
            used = 0;
        }
        uint8_t *mask = removed + (int64_t)view * cells;
        memset(mask, 1, (size_t)cells);
        for (int i = 0; i < visible; i++) mask[order[used + i]] = 0;
        used += visible;
    }
}
