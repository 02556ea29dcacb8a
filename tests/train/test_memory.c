/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Planned memory: the largest batch is the largest, growth predicts
 *  plans, and every part counts. */
#include <string.h>

#include "fcmae/memory.h"
#include "fcmae/preset.h"
#include "support/suite.h"

static const uint64_t mib = 1 << 20;

static fcmae_model_config config_of(const char *name, const char *objective)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_preset_load(name, &config, &error) == FCMAE_OK, "%s", error.message);
    config.objective = objective;
    return config;
}

static fcmae_memory_use use_of(bool train, bool masked, int lanes, int micro_batch)
{
    return (fcmae_memory_use){.engine = {.train = train,
                                         .height = 64,
                                         .width = 96,
                                         .batch = 1,
                                         .visible_cells = masked ? 2 : 0,
                                         .lanes = lanes,
                                         .micro_batch = micro_batch}};
}

static uint64_t total_of(const fcmae_model_config *config, fcmae_memory_use use, int batch)
{
    fcmae_memory_plan plan;
    fcmae_error error = {0};
    use.engine.batch = batch;
    ck_assert_msg(fcmae_plan_memory(config, &use, &plan, &error) == FCMAE_OK, "%s", error.message);
    ck_assert_uint_eq(plan.total_bytes,
                      plan.engine.total_bytes + plan.optimiser_bytes + plan.image_bytes);
    return plan.total_bytes;
}

static int largest_of(const fcmae_model_config *config, fcmae_memory_use use, uint64_t bytes)
{
    int batch = -1;
    ck_assert_int_eq(fcmae_plan_largest_batch(config, &use, bytes, &batch, NULL), FCMAE_OK);
    return batch;
}

typedef struct memory_case {
    bool train;
    const char *objective;
    int lanes, micro_batch, views;
    bool together;
} memory_case;

static const memory_case cases[] = {
    {true, "masked", 0, 0, 1, false},   {true, "masked", 1, 4, 1, false},
    {true, "masked", 0, 0, 3, false},   {true, "masked", 0, 0, 1, true},
    {true, "classify", 3, 2, 1, false}, {false, "classify", 0, 0, 1, false},
};
enum { CASES = sizeof cases / sizeof *cases };

static fcmae_model_config prepare(int i, fcmae_memory_use *use)
{
    fcmae_model_config config = config_of("atto", cases[i].objective);
    if (cases[i].together) config.grn_scope = FCMAE_GRN_BATCH;
    *use = use_of(cases[i].train, fcmae_config_has_part(&config, FCMAE_PART_DECODER),
                  cases[i].lanes, cases[i].micro_batch);
    use->masks_per_image = cases[i].views;
    use->average = use->mixing = true;
    return config;
}

START_TEST(the_largest_batch_fits_and_the_next_does_not)
{
    fcmae_memory_use use;
    fcmae_model_config config = prepare(_i, &use);
    for (uint64_t bytes = 40 * mib; bytes <= 700 * mib; bytes += 55 * mib) {
        int batch = largest_of(&config, use, bytes);
        ck_assert_int_ge(batch, 0);
        if (batch > 0) ck_assert_uint_le(total_of(&config, use, batch), bytes);
        ck_assert_uint_gt(total_of(&config, use, batch + 1), bytes);
    }
    ck_assert_int_eq(largest_of(&config, use, mib), 0);
    /* to the byte */
    ck_assert_int_ge(largest_of(&config, use, total_of(&config, use, 21)), 21);
    ck_assert_int_lt(largest_of(&config, use, total_of(&config, use, 21) - 1), 21);
}
END_TEST

START_TEST(growth_predicts_plans)
{
    fcmae_memory_use use;
    fcmae_memory_growth growth;
    fcmae_model_config config = prepare(_i, &use);
    ck_assert_int_eq(fcmae_plan_memory_growth(&config, &use, &growth, NULL), FCMAE_OK);
    ck_assert_int_ge(growth.from, 1);
    for (int times = 1; times <= 9; times += 2) {
        int batch = times * growth.from;
        double planned = (double)total_of(&config, use, batch);
        double predicted = (double)growth.fixed_bytes + batch * (double)growth.sample_bytes;
        ck_assert_msg(predicted > 0.998 * planned && predicted < 1.002 * planned,
                      "batch %d: %.0f bytes predicted, %.0f planned", batch, predicted, planned);
    }
    uint64_t picture = 64 * 96 * 3, kept = 4;
    if (cases[_i].train && fcmae_config_has_part(&config, FCMAE_PART_HEAD))
        kept = 8; /* as floats too */
    if (cases[_i].together)
        ck_assert_uint_gt(growth.sample_bytes, 20 * kept * picture);
    else /* nothing but prepared pixels */
        ck_assert_uint_eq(growth.sample_bytes, kept * picture / (uint64_t)cases[_i].views);
}
END_TEST

/* What finetune holds beside the engine: blocks of weights, and images in several forms. */
START_TEST(every_part_counts)
{
    fcmae_model_config config = config_of("atto", "classify");
    fcmae_memory_use use = use_of(true, false, 1, 2);
    uint64_t picture = 64 * 96 * 3;
    fcmae_memory_plan plain, more;
    use.engine.batch = 10;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &plain, NULL), FCMAE_OK);
    ck_assert_uint_eq(plain.optimiser_bytes, 2 * plain.engine.parameter_bytes);
    ck_assert_uint_eq(plain.image_bytes, 4 * 10 * picture);
    use.average = use.validation = use.mixing = true;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &more, NULL), FCMAE_OK);
    ck_assert_uint_eq(more.optimiser_bytes, 3 * plain.engine.parameter_bytes);
    ck_assert_uint_eq(more.image_bytes, (4 + 4 + 4) * 10 * picture);
    use.engine.train = false;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &more, NULL), FCMAE_OK);
    ck_assert_uint_eq(more.optimiser_bytes, 0);
    ck_assert_uint_eq(more.image_bytes, 4 * 10 * picture);
    use.engine.height = 33; /* outputs stay as they are */
    fcmae_error error = {0};
    int batch = 77;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &more, &error), FCMAE_ERR_SHAPE);
    ck_assert_uint_eq(more.image_bytes, 4 * 10 * picture);
    ck_assert_int_eq(fcmae_plan_largest_batch(&config, &use, mib, &batch, &error), FCMAE_ERR_SHAPE);
    ck_assert_int_eq(batch, 77);
}
END_TEST

/* GRN over the batch carries it in one piece: more sites than 32 bits can number are refused, and
 * the largest batch is below, whatever the memory. */
START_TEST(what_cannot_be_numbered_is_refused)
{
    fcmae_model_config config = config_of("atto", "masked");
    fcmae_memory_use use = use_of(_i, true, 0, 0);
    fcmae_memory_plan plan;
    fcmae_error error = {0};
    config.grn_scope = FCMAE_GRN_BATCH;
    use.engine.height = use.engine.width = 4096;
    use.engine.visible_cells = 6553;
    use.engine.batch = 5124;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &plan, &error), FCMAE_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(error.message, "5372903424 sites") != NULL, "%s", error.message);
    ck_assert_int_eq(largest_of(&config, use, UINT64_MAX), 2047); /* of 2^20 sites, below 2^31 */
    ck_assert_uint_gt(total_of(&config, use, 2047), (uint64_t)1 << 40);
}
END_TEST

/* A micro-batch of which no machine could hold the activations: no sum wraps around. */
START_TEST(what_cannot_be_addressed_is_refused)
{
    fcmae_model_config config = config_of("huge", "classify");
    fcmae_memory_use use = use_of(true, false, 1, 1 << 14);
    fcmae_memory_plan plan;
    fcmae_error error = {0};
    for (int s = 0; s < FCMAE_STAGES; s++) {
        config.depths[s] = 256;
        config.dims[s] = 16384;
    }
    use.engine.height = use.engine.width = 8192;
    use.engine.batch = 1 << 14;
    ck_assert_int_eq(fcmae_plan_memory(&config, &use, &plan, &error), FCMAE_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(error.message, "micro-batch of 16384") != NULL, "%s", error.message);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_loop_test(tests, the_largest_batch_fits_and_the_next_does_not, 0, CASES);
    tcase_add_loop_test(tests, growth_predicts_plans, 0, CASES);
    tcase_add_test(tests, every_part_counts);
    tcase_add_loop_test(tests, what_cannot_be_numbered_is_refused, 0, 2);
    tcase_add_test(tests, what_cannot_be_addressed_is_refused);
}

int main(void)
{
    return run_suite("memory", add_tests);
}
