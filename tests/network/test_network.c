/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The engine against the reference network: loss, prediction, encoder map, logits and the gradient
 * of every parameter, over small models of every shape. Single precision stays below 1e-5 of a
 * tensor's largest value; the bound is the one that parity promises, with a factor of five to
 * spare.
 */
#include <check.h>
#include <stdlib.h>

#include "network/network_case.h"
#include "support/arrays.h"
#include "support/suite.h"

#define TOLERANCE 2e-5
#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

static const network_case pretraining[] = {
    {.name = "plain"},
    {.name = "wide stages", .dims = {48, 40, 80, 96}, .depths = {1, 2, 1, 1}},
    {.name = "narrow stages", .dims = {8, 8, 8, 8}, .depths = {2, 1, 1, 2}},
    {.name = "shrinking stages", .dims = {40, 24, 16, 8}, .decoder_dim = 48},
    {.name = "deep decoder", .decoder_depth = 2, .decoder_dim = 80},
    {.name = "stem 4", .stem_stride = 4, .rows = 1, .columns = 3},
    {.name = "stem 8, one channel", .stem_stride = 8, .channels = 1, .rows = 2, .columns = 1},
    {.name = "five channels", .channels = 5},
    {.name = "plain targets", .plain_targets = true},
    {.name = "tall", .rows = 5, .columns = 1, .samples = 4},
    {.name = "square", .rows = 4, .columns = 4, .samples = 2, .visible = 6},
    {.name = "one visible cell", .rows = 3, .columns = 3, .visible = 1},
    {.name = "one removed cell", .rows = 3, .columns = 3, .visible = 8},
    {.name = "two samples of an image", .samples = 4, .images = 2},
    {.name = "one image for all", .samples = 3, .images = 1, .micro_batch = 2},
    {.name = "one sample", .samples = 1, .visible = 2},
    {.name = "many sites", .rows = 5, .columns = 5, .visible = 18, .samples = 2},
    {.name = "deep products",
     .dims = {8, 8, 8, 344},
     .decoder_dim = 352,
     .samples = 2,
     .rows = 1,
     .columns = 2},
};

START_TEST(pretraining_shapes)
{
    check_case(&pretraining[_i], TOLERANCE);
}
END_TEST

static const network_case variants[] = {
    {.name = "version 1", .version = 1, .decoder_depth = 2},
    {.name = "version 1, drop path", .version = 1, .drop_path = true, .micro_batch = 2},
    {.name = "batch scope", .scope = FCMAE_GRN_BATCH, .samples = 4},
    {.name = "batch scope, drop path", .scope = FCMAE_GRN_BATCH, .drop_path = true},
    {.name = "batch scope, 3 lanes asked", .scope = FCMAE_GRN_BATCH, .lanes = 3, .threads = 2},
    {.name = "drop path", .drop_path = true},
    {.name = "drop path, lanes", .drop_path = true, .samples = 7, .lanes = 2, .micro_batch = 2},
};

START_TEST(versions_and_scopes)
{
    check_case(&variants[_i], TOLERANCE);
}
END_TEST

static const network_case classifiers[] = {
    {.name = "classifier", .objective = "classify"},
    {.name = "two classes",
     .objective = "classify",
     .classes = 2,
     .samples = 5,
     .micro_batch = 2,
     .lanes = 2},
    {.name = "forty classes", .objective = "classify", .classes = 40, .dims = {16, 24, 40, 48}},
    {.name = "classifier, version 1", .objective = "classify", .version = 1},
    {.name = "classifier, drop path",
     .objective = "classify",
     .drop_path = true,
     .micro_batch = 3,
     .samples = 4},
    {.name = "one cell", .objective = "classify", .rows = 1, .columns = 1},
    {.name = "an image twice", .objective = "classify", .samples = 4, .images = 2},
    {.name = "encoder alone", .objective = ENCODER_ALONE, .micro_batch = 2},
};

START_TEST(classifier_shapes)
{
    check_case(&classifiers[_i], TOLERANCE);
}
END_TEST

/* Samples do not divide evenly into lanes and micro-batches; the batch may exceed the samples. */
enum { MOST_LANES = 3, MOST_MICRO = 3, DIVISIONS = 2 * MOST_LANES * MOST_MICRO * 3 };

START_TEST(lanes_and_micro_batches)
{
    int division = _i / 2;
    const network_case c = {.name = _i % 2 ? "lanes, classifier" : "lanes",
                            .objective = network_objectives[_i % 2],
                            .lanes = 1 + division % MOST_LANES,
                            .micro_batch = 1 + division / MOST_LANES % MOST_MICRO,
                            .samples = 1 + 3 * (division / MOST_LANES / MOST_MICRO),
                            .batch = 7,
                            .threads = 2 - division % 2,
                            .depths = {1, 1, 1, 1}};
    check_case(&c, TOLERANCE);
}
END_TEST

START_TEST(uneven_micro_batches)
{
    const network_case c = {.name = "micro-batches of 8 and 9",
                            .samples = 17,
                            .micro_batch = 9,
                            .rows = 2,
                            .columns = 2};
    check_case(&c, TOLERANCE);
}
END_TEST

static const network_case every_set[] = {
    {.name = "instruction set"},
    {.name = "set, padded rows", .dims = {40, 24, 48, 8}, .depths = {2, 1, 2, 1}, .micro_batch = 3},
    {.name = "set, version 1", .version = 1, .drop_path = true},
    {.name = "set, classifier", .objective = "classify", .dims = {24, 40, 8, 24}},
};

START_TEST(instruction_sets)
{
    network_case c = every_set[_i % COUNT(every_set)];
    c.instruction_set = 1 + _i / COUNT(every_set);
    check_case(&c, TOLERANCE);
}
END_TEST

/* Eight bits of the operands remain; what is wrong by more than rounding is wrong by far more. */
static const network_case narrow[] = {
    {.name = "bfloat16"},
    {.name = "bfloat16, padded rows",
     .dims = {40, 24, 48, 8},
     .depths = {2, 1, 2, 1},
     .micro_batch = 3},
    {.name = "bfloat16, odd rows", .rows = 1, .columns = 3, .visible = 1, .micro_batch = 3},
    {.name = "bfloat16, version 1", .version = 1, .drop_path = true, .lanes = 2},
    {.name = "bfloat16, batch scope", .scope = FCMAE_GRN_BATCH, .threads = 2},
    {.name = "bfloat16, classifier", .objective = "classify", .micro_batch = 2},
    {.name = "bfloat16, encoder", .objective = ENCODER_ALONE},
};

START_TEST(bfloat16)
{
    network_case c = narrow[_i % COUNT(narrow)];
    c.precision = FCMAE_BFLOAT16;
    c.instruction_set = _i / COUNT(narrow);
    check_case(&c, 0.12); /* the smallest tensors of the smallest case reach 0.08 */
}
END_TEST

/* Situations nobody thought of; FCMAE_TEST_SEED draws others. */
static network_case random_case(fcmae_random *random)
{
    network_case c = {.name = "random case"};
    c.objective = network_objectives[fcmae_random_below(random, 3)];
    c.version = 1 + (int)fcmae_random_below(random, 2);
    for (int s = 0; s < FCMAE_STAGES; s++) {
        c.dims[s] = 8 * (1 + (int)fcmae_random_below(random, 8));
        c.depths[s] = 1 + (int)fcmae_random_below(random, 2);
    }
    c.channels = 1 + (int)fcmae_random_below(random, 4);
    c.stem_stride = fcmae_random_below(random, 4) ? 2 : 4;
    c.decoder_depth = 1 + (int)fcmae_random_below(random, 2);
    c.decoder_dim = 16 * (1 + (int)fcmae_random_below(random, 6));
    c.classes = 1 + (int)fcmae_random_below(random, 20);
    c.plain_targets = fcmae_random_below(random, 2);
    c.scope = (fcmae_grn_scope)fcmae_random_below(random, 2);
    c.rows = 1 + (int)fcmae_random_below(random, 3);
    c.columns = 2 + (int)fcmae_random_below(random, 2);
    c.samples = 1 + (int)fcmae_random_below(random, 5);
    c.images = (int)fcmae_random_below(random, 3);
    c.drop_path = fcmae_random_below(random, 2);
    c.batch = c.samples + (int)fcmae_random_below(random, 3);
    c.lanes = 1 + (int)fcmae_random_below(random, 3);
    c.micro_batch = 1 + (int)fcmae_random_below(random, 4);
    c.threads = 1 + (int)fcmae_random_below(random, 3);
    c.instruction_set = (int)fcmae_random_below(random, 4);
    return c;
}

START_TEST(random_cases)
{
    fcmae_random random = test_random((uint64_t)_i);
    network_case c = random_case(&random);
    check_case(&c, TOLERANCE);
}
END_TEST

/* One case per test: each is run, whatever became of the others, and its name is in the message. */
static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, pretraining_shapes, 0, COUNT(pretraining));
    tcase_add_loop_test(cases, versions_and_scopes, 0, COUNT(variants));
    tcase_add_loop_test(cases, classifier_shapes, 0, COUNT(classifiers));
    tcase_add_loop_test(cases, lanes_and_micro_batches, 0, DIVISIONS);
    tcase_add_test(cases, uneven_micro_batches);
    tcase_add_loop_test(cases, instruction_sets, 0, 3 * COUNT(every_set));
    tcase_add_loop_test(cases, bfloat16, 0, 4 * COUNT(narrow));
    tcase_add_loop_test(cases, random_cases, 1, 9);
}

int main(void)
{
    return run_suite("network", add_tests);
}
