/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The timed kernel table: every kernel calls the real one between two looks at the clock. */
#include <stdbool.h>

#include "fcmae/measure.h"
#include "step_profile.h"

static const fcmae_kernels *timed; /* the table whose kernels are timed */

/** One call: begins where it is declared and is added to the profile at the end of its block. */
typedef struct timing {
    profile_key key;
    double flops, start;
} timing;

static void finish(timing *t)
{
    profile_add(&t->key, t->flops, fcmae_measure_seconds() - t->start);
}

#define TIMED __attribute__((cleanup(finish), unused)) timing

/* Depthwise convolutions are told apart by their columns: SECOND gives what stands behind the comma
 * of a kernel that has such a definition, and 0 for the others. */
#define COLUMNS_depthwise_block , block->columns
#define COLUMNS_depthwise_quads , cells->columns
#define COLUMNS_depthwise_list , cells->columns
#define COLUMNS_depthwise_block_taps , block->columns
#define COLUMNS_depthwise_quad_taps , columns
#define COLUMNS_depthwise_list_taps , columns
#define SECOND_(a, b, ...) b
#define SECOND(...) SECOND_(__VA_ARGS__, 0, 0)

#define KERNEL(result, kernel, parameters, arguments)                           \
    static result time_##kernel parameters                                      \
    {                                                                           \
        TIMED t = {.key = {.name = #kernel, .width = SECOND(COLUMNS_##kernel)}, \
                   .start = fcmae_measure_seconds()};                           \
        return timed->kernel arguments;                                         \
    }
#include "core/kernel_list.h"
#undef KERNEL

/* Products are told apart by their shapes. */

static void time_shape(const fcmae_product *p, void (*product)(const fcmae_product *),
                       int per_element, const char *forward, const char *gradient)
{
    bool is_gradient = p->a_step != 1; /* walks down columns of a */
    int depth = per_element * p->a_panels * p->a_panel_width;
    TIMED t = {.key = {is_gradient ? gradient : forward, is_gradient ? p->rows : depth, p->width,
                       (int)p->c_row},
               .flops = 2.0 * p->rows * p->width * depth,
               .start = fcmae_measure_seconds()};
    product(p);
}

static void time_product_shape(const fcmae_product *p)
{
    time_shape(p, timed->product, 1, "product", "gradient");
}

static void time_product_pairs_shape(const fcmae_product *p)
{
    time_shape(p, timed->product_pairs, 2, "product, bf16", "gradient, bf16");
}

fcmae_kernels profile_kernels(const fcmae_kernels *table)
{
    timed = table;
    fcmae_kernels t = {
        .name = table->name,
#define KERNEL(result, name, parameters, arguments) .name = time_##name,
#include "core/kernel_list.h"
#undef KERNEL
    };
    t.product = time_product_shape;
    t.product_pairs = time_product_pairs_shape;
    return t;
}
