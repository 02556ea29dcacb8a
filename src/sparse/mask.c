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
    const fcmae_mask_shape *shape;
    int unit_height, unit_width; /* cells of a unit, no more than the grid has */
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
    const fcmae_mask_shape *shape = order->shape;
    for (;;) {
        int number = order->permutation[order->place];
        int y = number / order->units_wide * shape->unit + order->inside / order->unit_width;
        int x = number % order->units_wide * shape->unit + order->inside % order->unit_width;
        if (++order->inside == order->unit_height * order->unit_width) {
            order->inside = 0;
            order->place++;
        }
        if (y < shape->height && x < shape->width) return y * shape->width + x;
    }
}

fcmae_status fcmae_mask_generate(const fcmae_mask_shape *shape, uint32_t epoch, uint64_t index,
                                 uint8_t *removed, fcmae_error *error)
{
    int height = shape->height, width = shape->width, unit = shape->unit, visible = shape->visible;
    int64_t cells = (int64_t)height * width;
    if (height < 1 || width < 1 || cells > FCMAE_MASK_MAX_CELLS || unit < 1 || shape->views < 1 ||
        visible < 1 || visible > cells)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "a mask of %d x %d cells with %d visible, unit %d, %d views is impossible", height,
            width, visible, unit, shape->views);
    uint16_t permutation[FCMAE_MASK_MAX_CELLS];
    cell_order order = {.shape = shape, .permutation = permutation};
    order.unit_height = unit < height ? unit : height;
    order.unit_width = unit < width ? unit : width;
    order.units_wide = (width - 1) / unit + 1;
    order.units = ((height - 1) / unit + 1) * order.units_wide;
    fcmae_random random = fcmae_random_start(shape->seed, FCMAE_RANDOM_MASK, epoch, index);
    int used = (int)cells;
    for (int view = 0; view < shape->views; view++, used += visible) {
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
