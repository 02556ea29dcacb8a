/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Masks. The coarse grid of units is permuted, each unit expanded to its cells in order, cells
 * outside the grid dropped: the views take what they need from that sequence, which is never
 * stored. Units fit 16 bits, so that the permutation stands on the stack and nothing is allocated
 * where masks are drawn inside a training step.
 */
#include "fcmae/mask.h"

#include <string.h>

#include "core/random.h"
#include "core/status.h"

int fcmae_mask_visible(int cells, double ratio)
{
    int visible = (int)(cells * (1 - ratio));
    if (visible > cells - 1) visible = cells - 1;
    return visible < 1 ? 1 : visible;
}

/** The cells in the order of a permutation, one by one. */
typedef struct cell_order {
    int height, width;
    int unit, unit_height, unit_width; /* side of a unit; cells of one, no more than the grid has */
    int units_wide, units;
    int place, inside; /* the next cell: unit number `place` of the order, cell number `inside` */
    uint16_t *permutation; /* [units] */
} cell_order;

/** As fcmae_random_permutation(), in 16 bits. */
static void permute(cell_order *order, fcmae_random *random)
{
    for (int i = 0; i < order->units; i++) {
        int j = (int)fcmae_random_below(random, (uint64_t)i + 1);
        order->permutation[i] = order->permutation[j];
        order->permutation[j] = (uint16_t)i;
    }
    order->place = order->inside = 0;
}

static int next_cell(cell_order *order)
{
    for (;;) {
        int number = order->permutation[order->place];
        int y = number / order->units_wide * order->unit + order->inside / order->unit_width;
        int x = number % order->units_wide * order->unit + order->inside % order->unit_width;
        if (++order->inside == order->unit_height * order->unit_width) {
            order->inside = 0;
            order->place++;
        }
        if (y < order->height && x < order->width) return y * order->width + x;
    }
}

fcmae_status fcmae_mask_generate(uint64_t seed, uint32_t epoch, uint64_t index, int height,
                                 int width, int unit, int visible, int views, uint8_t *removed,
                                 fcmae_error *error)
{
    int64_t cells = (int64_t)height * width;
    if (height < 1 || width < 1 || cells > FCMAE_MASK_MAX_CELLS || unit < 1 || views < 1 ||
        visible < 1 || visible > cells)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "a mask of %d x %d cells with %d visible, unit %d, %d views is impossible", height,
            width, visible, unit, views);
    uint16_t permutation[FCMAE_MASK_MAX_CELLS];
    cell_order order = {.height = height, .width = width, .unit = unit, .permutation = permutation};
    order.unit_height = unit < height ? unit : height;
    order.unit_width = unit < width ? unit : width;
    order.units_wide = (width - 1) / unit + 1;
    order.units = ((height - 1) / unit + 1) * order.units_wide;
    fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_MASK, epoch, index);
    int used = (int)cells;
    for (int view = 0; view < views; view++, used += visible) {
        if (used + visible > cells) {
            permute(&order, &random);
            used = 0;
        }
        uint8_t *mask = removed + view * cells;
        memset(mask, 1, (size_t)cells);
        for (int i = 0; i < visible; i++) mask[next_cell(&order)] = 0;
    }
    return FCMAE_OK;
}
