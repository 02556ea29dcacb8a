/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * What the encoder really executes: every product and depthwise convolution of a forward pass is
 * counted on its way to the kernel. At mask ratio 0.6 that is 19/49 of the dense pass.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcmae/mask.h"
#include "fcmae/preset.h"
#include "model/engine.h"
#include "support/arrays.h"
#include "support/suite.h"

/** Multiply-adds of the kernels, padding columns included. */
typedef struct work_count {
    int64_t product;              /**< stem, downsampling, linears             */
    int64_t blocks, quads, lists; /**< depthwise by kernel, as executed        */
    int64_t nominal;              /**< depthwise at 49 taps per site           */
} work_count;

static const fcmae_kernels *counted; /* the kernels behind the counters */
static work_count counts;

static void count_product(const fcmae_product *product)
{
    counts.product += (int64_t)product->rows * product->width * product->a_panels *
                      product->a_panel_width;
    counted->product(product);
}

/** Pairs (output, tap) of one row of `wide` outputs that meet a line's values first .. last-1. */
static int64_t line_pairs(int wide, int first, int last)
{
    int64_t pairs = 0;
    for (int x = 0; x < wide; x++)
        for (int kx = 0; kx < 7; kx++) pairs += x + kx >= first && x + kx < last;
    return pairs;
}

static void count_block(const fcmae_depthwise_block *block, const fcmae_filter *filter,
                        float *const *out)
{
    const int wide = block->wide, begin[] = {0, 3, 3 + wide, 6 + wide};
    for (int y = 0; y < block->high; y++)
        for (int ky = 0; ky < 7; ky++)
            for (int part = 0; part < 3; part++)
                if (block->window[(y + ky) * (wide + 6) + begin[part]])
                    counts.blocks += line_pairs(wide, begin[part], begin[part + 1]) *
                                     block->columns;
    counts.nominal += (int64_t)block->high * wide * 49 * block->columns;
    counted->depthwise_block(block, filter, out);
}

static void count_quads(const fcmae_depthwise_cells *cells, const fcmae_filter *filter, float *out)
{
    static const int in_reach[] = {1, 4, 4, 4, 1}; /* pairs along one axis at distance -2 .. 2 */
    const fcmae_neighbours *n = cells->neighbours;
    for (int e = n->start[cells->first]; e < n->start[cells->last]; e++)
        counts.quads += (int64_t)in_reach[n->place[e] / 5] * in_reach[n->place[e] % 5] *
                        cells->columns;
    counts.nominal += (int64_t)(cells->last - cells->first) * 4 * 49 * cells->columns;
    counted->depthwise_quads(cells, filter, out);
}

static void count_list(const fcmae_depthwise_cells *cells, const fcmae_filter *filter, float *out)
{
    const int32_t *start = cells->neighbours->start;
    counts.lists += (int64_t)(start[cells->last] - start[cells->first]) * cells->columns;
    counts.nominal += (int64_t)(cells->last - cells->first) * 49 * cells->columns;
    counted->depthwise_list(cells, filter, out);
}

/** What depthwise convolutions need: present neighbours only; removed NULL: dense. */
static int64_t needed(const fcmae_model_config *config, const uint8_t *removed)
{
    int64_t sum = 0;
    for (int s = 0; s < 4; s++) {
        int cell = 8 >> s, side = 7 * cell;
        int64_t pairs = 0;
        for (int at = 0; at < side * side * 49; at++) {
            int y = at / 49 / side, x = at / 49 % side, v = y + at % 49 / 7 - 3, u = x + at % 7 - 3;
            if (v < 0 || u < 0 || v >= side || u >= side) continue;
            pairs += !removed ||
                     (!removed[y / cell * 7 + x / cell] && !removed[v / cell * 7 + u / cell]);
        }
        sum += pairs * config->depths[s] * ((config->dims[s] + 15) / 16 * 16);
    }
    return sum;
}

/** Counts one forward pass over one image of 224 x 224; removed NULL: dense. */
static work_count count_forward(fcmae_model *model, const uint8_t *removed, int visible,
                                fcmae_engine_plan_info *info)
{
    const fcmae_model_config *config = fcmae_model_configuration(model);
    fcmae_random random = test_random(1);
    fcmae_engine_options options = {.height = 224,
                                    .width = 224,
                                    .visible_cells = visible,
                                    .batch = 1,
                                    .lanes = 1,
                                    .threads = 1};
    fcmae_engine *engine = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_engine_create(&engine, model, &options, &error) == FCMAE_OK, "%s",
                  error.message);
    *info = *fcmae_engine_info(engine);

    fcmae_kernels counting = *engine->kernels;
    counted = engine->kernels;
    counting.product = count_product;
    counting.depthwise_block = count_block;
    counting.depthwise_quads = count_quads;
    counting.depthwise_list = count_list;
    engine->lane[0].workspace.kernels = &counting;
    counts = (work_count){0};

    int64_t values = (int64_t)config->channels * 224 * 224;
    float *image = malloc((size_t)values * sizeof *image);
    float *encoder = malloc((size_t)config->dims[3] * 49 * sizeof *encoder);
    ck_assert(image && encoder);
    for (int64_t i = 0; i < values; i++) image[i] = (float)fcmae_random_uniform(&random);
    fcmae_batch batch = {.images = {.count = 1, .values = image}, .samples = 1, .removed = removed};
    fcmae_outputs outputs = {.encoder = encoder};
    ck_assert_msg(fcmae_engine_forward(engine, &batch, &outputs, &error) == FCMAE_OK, "%s",
                  error.message);
    free(image);
    free(encoder);
    fcmae_engine_destroy(&engine);
    return counts;
}

/** Counts both passes of a configuration and compares them; `exact`: no padding in any row. */
static void compare(const fcmae_model_config *config, bool exact)
{
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    fcmae_engine_plan_info sparse_plan, dense_plan;
    uint8_t removed[49];
    int visible = fcmae_mask_visible(49, 0.6);
    ck_assert_int_eq(visible, 19);
    ck_assert_int_eq(fcmae_model_create(&model, config, &error), FCMAE_OK);
    fcmae_model_initialise(model, 1);
    const fcmae_mask_shape shape = {
        .seed = 1, .height = 7, .width = 7, .unit = 1, .visible = visible, .views = 1};
    ck_assert_int_eq(fcmae_mask_generate(&shape, 0, 0, removed, &error), FCMAE_OK);
    work_count sparse = count_forward(model, removed, visible, &sparse_plan);
    work_count dense = count_forward(model, NULL, 0, &dense_plan);

    int64_t depthwise = sparse.blocks + sparse.quads + sparse.lists;
    int64_t depthwise_dense = dense.blocks + dense.quads + dense.lists;
    int64_t executed = sparse.product + depthwise;
    int64_t executed_dense = dense.product + depthwise_dense;
    printf("# %s: %lld multiply-adds executed at ratio 0.6, %lld dense: %.4f (19/49 = %.4f)\n",
           config->name, (long long)executed, (long long)executed_dense,
           (double)executed / (double)executed_dense, 19.0 / 49);

    ck_assert_int_gt(sparse.product, 0);
    ck_assert_int_gt(sparse.blocks, 0);
    ck_assert_int_gt(sparse.quads, 0);
    ck_assert_int_gt(sparse.lists, 0);
    ck_assert_int_eq(49 * sparse.product, 19 * dense.product);
    ck_assert_int_eq(49 * sparse.nominal, 19 * dense.nominal);
    /* absent neighbours are left out: a site has fewer among visible cells than among all */
    ck_assert_int_eq(depthwise, needed(config, removed));
    ck_assert_int_eq(depthwise_dense, needed(config, NULL));
    ck_assert_int_lt(49 * executed, 19 * executed_dense);
    if (exact) {
        ck_assert_double_eq((double)(sparse.product + sparse.nominal), sparse_plan.encoder_macs);
        ck_assert_double_eq((double)(dense.product + dense.nominal), dense_plan.encoder_macs_dense);
    }
    fcmae_model_destroy(&model);
}

START_TEST(counts_are_those_of_the_plan)
{
    fcmae_model_config config = {.name = "dims of 16",
                                 .objective = NULL,
                                 .version = 2,
                                 .depths = {1, 1, 2, 1},
                                 .dims = {16, 32, 48, 64},
                                 .channels = 3,
                                 .stem_stride = 4};
    compare(&config, true);
}
END_TEST

START_TEST(presets)
{
    static const char *const names[] = {"atto", "atto-v1"};
    for (int i = 0; i < 2; i++) {
        fcmae_model_config config;
        fcmae_error error = {0};
        ck_assert_msg(fcmae_preset_load(names[i], &config, &error) == FCMAE_OK, "%s",
                      error.message);
        config.objective = NULL;
        compare(&config, false);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, counts_are_those_of_the_plan);
    tcase_add_test(cases, presets);
}

int main(void)
{
    return run_suite("encoder_macs", add_tests);
}
