/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "model/workspace.h"

void fcmae_workspace_reserve(fcmae_workspace *w, const fcmae_workspace_size *size, int threads,
                             bool pairs, bool backward, fcmae_arena *arena)
{
    w->threads = threads;
    w->segment_sums = fcmae_take_floats(arena, 2, size->sums);
    w->worker_floats = size->scratch;
    w->worker_scratch = fcmae_take_floats(arena, size->scratch, threads);
    if (pairs) {
        size_t rows = (size_t)size->rows;
        int64_t hidden = size->hidden > size->narrow_hidden ? size->hidden : size->narrow_hidden;
        w->narrow_rows = fcmae_arena_take(arena, rows, sizeof(uint16_t));
        w->row_pairs = fcmae_arena_take(arena, rows, sizeof(uint32_t));
        w->gradient_pairs = fcmae_arena_take(arena, rows, sizeof(uint32_t));
        w->narrow_hidden = fcmae_arena_take(arena, (size_t)hidden, sizeof(uint16_t));
    }
    if (!backward) return;
    w->hidden_gradient = fcmae_take_floats(arena, size->hidden, 1);
    w->row_gradient = fcmae_take_floats(arena, size->rows, 1);
    w->feedback = fcmae_take_floats(arena, size->feedback, 1);
}
