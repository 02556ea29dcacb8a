/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "sparse/mask.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"

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

fcmae_status fcmae_mask_generate(uint64_t seed, uint32_t epoch, uint64_t index, int height,
                                 int width, int unit, int visible, int views, uint8_t *removed,
                                 fcmae_error *error)
{
    int64_t cells = (int64_t)height * width;
    if (height < 1 || width < 1 || cells > 1 << 24 || unit < 1 || views < 1 || visible < 1 ||
        visible > cells)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "a mask of %d x %d cells with %d visible, unit %d, %d views is impossible", height,
            width, visible, unit, views);
    int64_t *order = malloc(2 * (size_t)cells * sizeof *order);
    if (!order) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a mask");
    fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_MASK, epoch, index);
    fcmae_mask_draw(&random, height, width, unit, visible, views, order, removed);
    free(order);
    return FCMAE_OK;
}
