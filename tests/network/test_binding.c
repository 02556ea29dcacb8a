/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** An engine that is bound to a block computes as if the block were the model's values. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "network/network_case.h"
#include "support/arrays.h"
#include "support/suite.h"

static size_t block_bytes(const network_setup *s)
{
    return (size_t)fcmae_model_block_size(s->model) * sizeof(float);
}

/* A block of other values, padding zero: three quarters of the model's. */
static float *other_values(const network_setup *s)
{
    float *block = fcmae_allocate_aligned(block_bytes(s) / sizeof *block, sizeof *block);
    ck_assert_ptr_nonnull(block);
    for (int64_t i = 0; i < fcmae_model_block_size(s->model); i++)
        block[i] = 0.75f * fcmae_model_values(s->model)[i];
    return block;
}

static float *pooled(const network_setup *s, double *losses)
{
    float *features = calloc((size_t)(s->batch.samples * s->config.dims[3]), sizeof *features);
    ck_assert_ptr_nonnull(features);
    fcmae_outputs outputs = {.pooled = features, .sample_loss = losses};
    ck_assert_int_eq(fcmae_engine_forward(s->engine, &s->batch, &outputs, NULL), FCMAE_OK);
    return features;
}

/* Every layer follows: gradients and losses, of both versions and precisions. */
START_TEST(a_bound_block_is_what_counts)
{
    const network_case c = {.name = "bound",
                            .objective = network_objectives[_i % 2],
                            .version = 1 + _i / 2 % 2,
                            .precision = (fcmae_precision)(_i / 4),
                            .samples = 4,
                            .lanes = 2};
    network_setup s = make_setup(&c, 1);
    size_t bytes = block_bytes(&s), features = (size_t)(4 * s.config.dims[3]) * sizeof(float);
    float *values = fcmae_model_values(s.model), *other = other_values(&s);
    float *kept = malloc(bytes);
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, values, bytes);
    double loss[4], sample[4][4];
    float *gradient[4], *feature[4];
    for (int round = 0; round < 4; round++) { /* own, bound, own again, copied in */
        if (round == 1) fcmae_engine_bind(s.engine, other);
        if (round == 2) fcmae_engine_bind(s.engine, NULL);
        if (round == 3) {
            memcpy(values, other, bytes);
            fcmae_engine_pack(s.engine);
        }
        gradient[round] = step_gradients(s.engine, s.model, &s.batch, &loss[round]);
        feature[round] = pooled(&s, sample[round]);
        if (round < 3) ck_assert_int_eq(memcmp(values, kept, bytes), 0); /* nothing is copied */
    }
    ck_assert(loss[0] != loss[1]);
    for (int round = 0; round < 2; round++) { /* own is own again, bound is copied in */
        ck_assert(loss[round] == loss[round + 2]);
        ck_assert_int_eq(memcmp(gradient[round], gradient[round + 2], bytes), 0);
        ck_assert_int_eq(memcmp(feature[round], feature[round + 2], features), 0);
        ck_assert_int_eq(memcmp(sample[round], sample[round + 2], sizeof sample[round]), 0);
    }
    for (int round = 0; round < 4; round++) {
        free(gradient[round]);
        free(feature[round]);
    }
    free(kept);
    free(other);
    release_setup(&s);
}
END_TEST

/* A block that changes is seen after packing, as the model's own would be. */
START_TEST(a_bound_block_is_packed_again)
{
    const network_case c = {.name = "packed again"};
    network_setup s = make_setup(&c, 1);
    float *other = other_values(&s);
    double own[3], changed[3];
    free(pooled(&s, own));
    fcmae_engine_bind(s.engine, other);
    memcpy(other, fcmae_model_values(s.model), block_bytes(&s));
    fcmae_engine_pack(s.engine);
    free(pooled(&s, changed));
    ck_assert_int_eq(memcmp(own, changed, sizeof own), 0);
    free(other);
    release_setup(&s);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, a_bound_block_is_what_counts, 0, 8);
    tcase_add_test(cases, a_bound_block_is_packed_again);
}

int main(void)
{
    return run_suite("binding", add_tests);
}
