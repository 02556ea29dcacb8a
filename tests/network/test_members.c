/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Several engines that share a batch, as processes do: a group made of threads. However many
 * members share the lanes, the gradients have the bits of one engine with all of them.
 */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/engine.h"
#include "network/network_case.h"
#include "support/arrays.h"
#include "support/suite.h"

enum { LANES = 4, SAMPLES = 8, MOST_MEMBERS = 4 };

/* What the members of a group of threads see of each other. */
typedef struct meeting {
    pthread_barrier_t barrier;
    int members;
    void *offered[MOST_MEMBERS];
} meeting;

/* Everyone offers a pointer; after it, rank 0 may work on all of them, before everyone goes on. */
static bool meet(const fcmae_group *group, void *offer)
{
    meeting *m = group->cookie;
    m->offered[group->rank] = offer;
    pthread_barrier_wait(&m->barrier);
    return group->rank == 0;
}

static fcmae_status part(const fcmae_group *group)
{
    pthread_barrier_wait(&((meeting *)group->cookie)->barrier);
    return FCMAE_OK;
}

static fcmae_status sum_floats(const fcmae_group *group, float *values, int64_t count,
                               fcmae_error *error)
{
    if (meet(group, values)) {
        float **block = (float **)((meeting *)group->cookie)->offered;
        for (int step = 1; step < group->size; step *= 2)
            for (int b = 0; b + step < group->size; b += 2 * step)
                for (int64_t i = 0; i < count; i++) block[b][i] += block[b + step][i];
        for (int b = 1; b < group->size; b++)
            memcpy(block[b], block[0], (size_t)count * sizeof **block);
    }
    return part(group);
}

static fcmae_status add_doubles(const fcmae_group *group, double *values, int count,
                                fcmae_error *error)
{
    if (meet(group, values)) {
        double **member = (double **)((meeting *)group->cookie)->offered;
        for (int i = 0; i < count; i++) {
            for (int b = 1; b < group->size; b++) member[0][i] += member[b][i];
            for (int b = 1; b < group->size; b++) member[b][i] = member[0][i];
        }
    }
    return part(group);
}

static fcmae_status agree(const fcmae_group *group, int *value, fcmae_error *error)
{
    if (meet(group, value)) {
        int **member = (int **)((meeting *)group->cookie)->offered;
        for (int b = 1; b < group->size; b++)
            if (*member[b] > *member[0]) *member[0] = *member[b];
        for (int b = 1; b < group->size; b++) *member[b] = *member[0];
    }
    return part(group);
}

/* One member: an engine of its own over the samples of its lanes. */
typedef struct member {
    fcmae_group group;
    const network_setup *whole;
    float *gradients;
    double loss;
    int wish;
} member;

/* Lane l of all takes samples l, l + LANES, ...: micro-batches of one, dealt in turn. */
static fcmae_batch samples_of(const member *m, int32_t *images, uint8_t *removed, float *targets)
{
    const network_setup *s = m->whole;
    int lanes = LANES / m->group.size, count = SAMPLES / m->group.size;
    fcmae_batch batch = s->batch;
    for (int i = 0; i < count; i++) {
        int sample = i / lanes * LANES + m->group.rank * lanes + i % lanes;
        images[i] = sample;
        if (s->removed)
            memcpy(removed + i * s->cells, s->removed + sample * s->cells, (size_t)s->cells);
        for (int k = 0; s->targets && k < s->config.classes; k++)
            targets[i * s->config.classes + k] = s->targets[sample * s->config.classes + k];
    }
    batch.samples = count;
    batch.image_of = images;
    batch.removed = s->removed ? removed : NULL;
    batch.targets = s->targets ? targets : NULL;
    return batch;
}

static void *run_member(void *argument)
{
    member *m = argument;
    fcmae_engine_options options = case_options(m->whole, true);
    options.lanes = LANES / m->group.size;
    options.batch = SAMPLES / m->group.size;
    fcmae_engine *engine = NULL;
    int32_t images[SAMPLES];
    uint8_t removed[SAMPLES * 64];
    float targets[SAMPLES * 64], *gradients;
    fcmae_batch batch = samples_of(m, images, removed, targets);
    if (fcmae_engine_create(&engine, m->whole->model, &options, NULL) != FCMAE_OK) abort();
    if (fcmae_engine_join(engine, &m->group, NULL) != FCMAE_OK) abort();
    fcmae_engine_zero_gradients(engine);
    if (fcmae_engine_step(engine, &batch, 1, &m->loss, NULL) != FCMAE_OK) abort();
    if (fcmae_engine_gradients(engine, &gradients, NULL) != FCMAE_OK) abort();
    size_t bytes = (size_t)fcmae_model_block_size(m->whole->model) * sizeof *gradients;
    m->gradients = malloc(bytes);
    if (!m->gradients) abort();
    memcpy(m->gradients, gradients, bytes);
    m->wish = m->group.rank == 1 ? 7 : m->group.rank; /* somebody wants to stop */
    m->group.agree(&m->group, &m->wish, NULL);
    fcmae_engine_destroy(&engine);
    return NULL;
}

START_TEST(members_have_the_bits_of_one)
{
    const network_case c = {.name = "members",
                            .objective = network_objectives[_i % 2],
                            .precision = (fcmae_precision)(_i / 2),
                            .samples = SAMPLES,
                            .lanes = LANES};
    network_setup s = make_setup(&c, 1);
    size_t bytes = (size_t)fcmae_model_block_size(s.model) * sizeof(float);
    double loss;
    float *expected = step_gradients(s.engine, s.model, &s.batch, &loss);
    for (int members = 1; members <= MOST_MEMBERS; members *= 2) {
        meeting place = {.members = members};
        member all[MOST_MEMBERS];
        pthread_t thread[MOST_MEMBERS];
        ck_assert_int_eq(pthread_barrier_init(&place.barrier, NULL, (unsigned)members), 0);
        for (int r = 0; r < members; r++) {
            all[r] = (member){.whole = &s,
                              .group = {.rank = r,
                                        .size = members,
                                        .cookie = &place,
                                        .sum = sum_floats,
                                        .add = add_doubles,
                                        .agree = agree}};
            ck_assert_int_eq(pthread_create(&thread[r], NULL, run_member, &all[r]), 0);
        }
        for (int r = 0; r < members; r++) {
            pthread_join(thread[r], NULL);
            ck_assert_msg(memcmp(all[r].gradients, expected, bytes) == 0,
                          "%d members: gradients of rank %d", members, r);
            ck_assert_double_eq_tol(all[r].loss, loss, 1e-12 * loss);
            ck_assert_int_eq(all[r].wish, members > 1 ? 7 : 0);
            free(all[r].gradients);
        }
        pthread_barrier_destroy(&place.barrier);
    }
    free(expected);
    release_setup(&s);
}
END_TEST

/* Three lanes each are no node of the tree over six. */
START_TEST(lanes_must_be_a_node_of_the_tree)
{
    const network_case c = {.name = "three lanes", .samples = 3, .lanes = 3};
    network_setup s = make_setup(&c, 1);
    fcmae_group two = *fcmae_group_of_one();
    fcmae_error error = {0};
    two.size = 2;
    ck_assert_int_eq(fcmae_engine_join(s.engine, &two, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_msg(strstr(error.message, "3 lanes in each of 2") != NULL, "%s", error.message);
    ck_assert_int_eq(fcmae_engine_join(s.engine, fcmae_group_of_one(), NULL), FCMAE_OK);
    release_setup(&s);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, members_have_the_bits_of_one, 0, 4);
    tcase_add_test(cases, lanes_must_be_a_node_of_the_tree);
}

int main(void)
{
    return run_suite("members", add_tests);
}
