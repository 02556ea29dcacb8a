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
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void check_cases(const network_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) check_case(&cases[i], TOLERANCE);
}

START_TEST(pretraining_shapes)
{
    static const network_case cases[] = {
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
    check_cases(cases, COUNT(cases));
}
END_TEST

START_TEST(versions_and_scopes)
{
    static const network_case cases[] = {
        {.name = "version 1", .version = 1, .decoder_depth = 2},
        {.name = "version 1, drop path", .version = 1, .drop_path = true, .micro_batch = 2},
        {.name = "batch scope", .scope = FCMAE_GRN_BATCH, .samples = 4},
        {.name = "batch scope, drop path", .scope = FCMAE_GRN_BATCH, .drop_path = true},
        {.name = "batch scope, 3 lanes asked", .scope = FCMAE_GRN_BATCH, .lanes = 3, .threads = 2},
        {.name = "drop path", .drop_path = true},
        {.name = "drop path, lanes", .drop_path = true, .samples = 7, .lanes = 2, .micro_batch = 2},
    };
    check_cases(cases, COUNT(cases));
}
END_TEST

START_TEST(classifier_shapes)
{
    static const network_case cases[] = {
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
    check_cases(cases, COUNT(cases));
}
END_TEST

/* Samples do not divide evenly into lanes and micro-batches; the batch may exceed the samples. */
START_TEST(lanes_and_micro_batches)
{
    for (int lanes = 1; lanes <= 3; lanes++)
        for (int micro_batch = 1; micro_batch <= 3; micro_batch++)
            for (int samples = 1; samples <= 7; samples += 3) {
                network_case c = {.name = "lanes",
                                  .samples = samples,
                                  .lanes = lanes,
                                  .batch = 7,
                                  .micro_batch = micro_batch,
                                  .threads = 1 + lanes % 2,
                                  .depths = {1, 1, 1, 1}};
                check_case(&c, TOLERANCE);
                c.objective = "classify";
                check_case(&c, TOLERANCE);
            }
    static const network_case large = {.name = "micro-batches of 8 and 9",
                                       .samples = 17,
                                       .micro_batch = 9,
                                       .rows = 2,
                                       .columns = 2};
    check_case(&large, TOLERANCE);
}
END_TEST

START_TEST(instruction_sets)
{
    for (int set = 1; set <= 3; set++) {
        const network_case cases[] = {
            {.name = "instruction set", .instruction_set = set},
            {.name = "set, padded rows",
             .instruction_set = set,
             .dims = {40, 24, 48, 8},
             .depths = {2, 1, 2, 1},
             .micro_batch = 3},
            {.name = "set, version 1", .instruction_set = set, .version = 1, .drop_path = true},
            {.name = "set, classifier",
             .instruction_set = set,
             .objective = "classify",
             .dims = {24, 40, 8, 24}},
        };
        check_cases(cases, COUNT(cases));
    }
}
END_TEST

/* Eight bits of the operands remain; what is wrong by more than rounding is wrong by far more. */
START_TEST(bfloat16)
{
    for (int set = 0; set <= 3; set++) {
        const network_case cases[] = {
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
        for (size_t i = 0; i < COUNT(cases); i++) {
            network_case c = cases[i];
            c.precision = FCMAE_BFLOAT16;
            c.instruction_set = set;
            check_case(&c, 0.12); /* the smallest tensors of the smallest case reach 0.08 */
        }
    }
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
    fcmae_random random = test_random(1);
    for (int i = 0; i < 8; i++) {
        network_case c = random_case(&random);
        check_case(&c, TOLERANCE);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, pretraining_shapes);
    tcase_add_test(cases, versions_and_scopes);
    tcase_add_test(cases, classifier_shapes);
    tcase_add_test(cases, lanes_and_micro_batches);
    tcase_add_test(cases, instruction_sets);
    tcase_add_test(cases, bfloat16);
    tcase_add_test(cases, random_cases);
}

int main(void)
{
    return run_suite("network", add_tests);
}
