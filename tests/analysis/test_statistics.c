/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/statistics.h"
#include "core/random.h"
#include "support/suite.h"

typedef struct tensor {
    int64_t sites, channels, stride;
    float *values;
} tensor;

static tensor tensor_create(int64_t sites, int64_t channels)
{
    tensor t = {sites, channels, (channels + 15) / 16 * 16, NULL};
    t.values = calloc((size_t)(sites * t.stride), sizeof(float));
    for (int64_t i = 0; i < sites; i++)
        for (int64_t c = channels; c < t.stride; c++)
            t.values[i * t.stride + c] = NAN; /* padding */
    return t;
}

static tensor tensor_random(int64_t sites, int64_t channels, uint64_t seed, double shift)
{
    tensor t = tensor_create(sites, channels);
    fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_TEST, 0, 0);
    for (int64_t s = 0; s < sites; s++)
        for (int64_t c = 0; c < channels; c++)
            t.values[s * t.stride + c] = (float)(fcmae_random_normal(&random) + shift);
    return t;
}

static fcmae_channel_statistics measure(tensor t)
{
    fcmae_observation observation = {
        .values = t.values, .sites = t.sites, .channels = t.channels, .stride = t.stride};
    double *scratch = malloc(FCMAE_CHANNEL_SCRATCH(t.channels) * sizeof *scratch);
    fcmae_channel_statistics statistics;
    fcmae_channel_measure(&observation, scratch, &statistics);
    free(scratch);
    return statistics;
}

/* straight from the definition: every pair, its own cosine; a dead partner counts as cosine 1 */
static double pairwise(tensor t, double dead_threshold, double *alive_only)
{
    double *norm = malloc((size_t)t.channels * sizeof *norm), total = 0;
    for (int64_t c = 0; c < t.channels; c++) {
        norm[c] = 0;
        for (int64_t s = 0; s < t.sites; s++) norm[c] += pow(t.values[s * t.stride + c], 2);
        total += norm[c];
        norm[c] = sqrt(norm[c]);
    }
    double limit = dead_threshold * sqrt(total / (double)t.channels), sum = 0, sum_alive = 0;
    int64_t pairs_alive = 0;
    for (int64_t i = 0; i < t.channels; i++)
        for (int64_t j = 0; j < t.channels; j++) {
            if (norm[i] <= limit || norm[j] <= limit) continue;
            double product = 0;
            for (int64_t s = 0; s < t.sites; s++)
                product += (double)t.values[s * t.stride + i] * t.values[s * t.stride + j];
            sum += (1 - product / (norm[i] * norm[j])) / 2;
            sum_alive += (1 - product / (norm[i] * norm[j])) / 2;
            pairs_alive++;
        }
    free(norm);
    *alive_only = pairs_alive ? sum_alive / (double)pairs_alive : 0;
    return sum / (double)(t.channels * t.channels);
}

START_TEST(equals_the_pairwise_definition)
{
    static const int64_t shapes[][2] = {{1, 1},   {1, 7},    {2, 16},  {3, 17},   {5, 3},
                                        {49, 40}, {64, 160}, {19, 96}, {196, 320}};
    static const double shifts[] = {0, 0.5, -3, 40};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < 4; k++) {
            tensor t = tensor_random(shapes[i][0], shapes[i][1], 100 + i, shifts[k]);
            for (int64_t c = 0; c < t.channels;
                 c += 5) /* some dead channels, none in channel 1.. */
                for (int64_t s = 0; c > 0 && s < t.sites; s++) t.values[s * t.stride + c] = 0;
            double alive, expected = pairwise(t, FCMAE_DEAD_THRESHOLD, &alive);
            fcmae_channel_statistics got = measure(t);
            ck_assert(got.finite);
            ck_assert_double_eq_tol(got.distance, expected, 1e-10);
            ck_assert_double_eq_tol(got.distance_alive, alive, 1e-10);
            free(t.values);
        }
}
END_TEST

START_TEST(equal_channels_have_distance_zero)
{
    tensor t = tensor_create(25, 24);
    for (int64_t s = 0; s < 25; s++)
        for (int64_t c = 0; c < 24; c++)
            t.values[s * t.stride + c] = (float)((1 + c) * sin((double)s + 1)); /* same direction */
    fcmae_channel_statistics got = measure(t);
    ck_assert_double_eq_tol(got.distance, 0, 1e-7);
    ck_assert_double_ge(got.distance, 0);
    ck_assert_double_eq(got.dead, 0);
    free(t.values);
}
END_TEST

START_TEST(orthogonal_channels_reach_the_limit)
{
    tensor t = tensor_create(32, 32);
    for (int64_t c = 0; c < 32; c++) t.values[c * t.stride + c] = (float)(c + 1) * 0.1f;
    ck_assert_double_eq_tol(measure(t).distance, (1 - 1.0 / 32) / 2, 1e-12);
    free(t.values);
}
END_TEST

START_TEST(opposite_channels_reach_one_half)
{
    tensor t = tensor_create(9, 16);
    for (int64_t s = 0; s < 9; s++)
        for (int64_t c = 0; c < 16; c++) t.values[s * t.stride + c] = c % 2 ? 1.5f : -1.5f;
    ck_assert_double_eq_tol(measure(t).distance, 0.5, 1e-12);
    ck_assert_double_eq_tol(measure(t).saturated, 1, 1e-12);
    free(t.values);
}
END_TEST

START_TEST(dying_channels_never_raise_the_distance)
{
    tensor t = tensor_random(49, 64, 5, 1.0);
    double before = measure(t).distance;
    for (int64_t kill = 0; kill < 64; kill++) {
        for (int64_t s = 0; s < 49; s++)
            t.values[s * t.stride + kill] = kill % 2 ? 0 : 1e-6f * (float)s; /* exactly or nearly */
        fcmae_channel_statistics got = measure(t);
        if (kill < 63) ck_assert_double_eq_tol(got.dead, (double)(kill + 1) / 64, 1e-12);
        double alive = 1 - got.dead;
        ck_assert_double_eq_tol(got.distance, got.distance_alive * alive * alive, 1e-12);
        if (kill < 62) ck_assert_double_lt(got.distance, before);
        before = got.distance;
    }
    ck_assert_double_eq_tol(before, 0, 1e-15);
    free(t.values);
}
END_TEST

START_TEST(a_silent_layer_is_dead)
{
    tensor t = tensor_create(16, 20);
    fcmae_channel_statistics got = measure(t);
    ck_assert(got.finite);
    ck_assert_double_eq(got.dead, 1);
    ck_assert_double_eq(got.distance, 0);
    ck_assert_double_eq(got.distance_alive, 0);
    free(t.values);
}
END_TEST

START_TEST(one_site_knows_only_signs)
{
    /* with one site every cosine is +1 or -1: a positive, b negative give d = 2ab / C^2 / 2 * 2 */
    tensor t = tensor_create(1, 10);
    for (int64_t c = 0; c < 10; c++) t.values[c] = c < 3 ? -(float)(c + 1) : (float)c;
    fcmae_channel_statistics got = measure(t);
    ck_assert_double_eq_tol(got.distance, 2.0 * 3 * 7 / 100, 1e-12);
    ck_assert_double_eq(got.saturated, 0);
    free(t.values);
}
END_TEST

START_TEST(scale_of_a_channel_does_not_matter)
{
    tensor t = tensor_random(49, 48, 9, 0.3);
    double before = measure(t).distance;
    for (int64_t c = 0; c < 48; c++)
        for (int64_t s = 0; s < 49; s++) t.values[s * t.stride + c] *= (float)(1 + c % 7);
    ck_assert_double_eq_tol(measure(t).distance, before, 1e-7);
    free(t.values);
}
END_TEST

START_TEST(saturated_means_the_same_everywhere)
{
    tensor t = tensor_random(64, 20, 3, 0);
    for (int64_t s = 0; s < 64; s++) {
        t.values[s * t.stride + 4] = 3 + 0.1f * (s % 2 ? 1.f : -1.f);  /* 3.3 % variation: yes */
        t.values[s * t.stride + 5] = -3 + 0.3f * (s % 2 ? 1.f : -1.f); /* 10 %: no              */
        t.values[s * t.stride + 6] = 0;                                /* dead, not saturated   */
    }
    fcmae_channel_statistics got = measure(t);
    ck_assert_double_eq_tol(got.saturated, 1.0 / 20, 1e-12);
    ck_assert_double_eq_tol(got.dead, 1.0 / 20, 1e-12);
    free(t.values);
}
END_TEST

START_TEST(bad_numbers_are_noticed)
{
    tensor t = tensor_random(10, 16, 3, 0);
    t.values[7 * t.stride + 3] = NAN;
    ck_assert(!measure(t).finite);
    t.values[7 * t.stride + 3] = -INFINITY;
    ck_assert(!measure(t).finite);
    free(t.values);
}
END_TEST

START_TEST(effective_rank_counts_directions)
{
    enum { rows = 40, columns = 24 };
    static float values[rows * columns];
    double rank = -1;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_effective_rank(values, rows, columns, &rank, &error), FCMAE_OK);
    ck_assert_double_eq(rank, 0);
    for (int i = 0; i < rows * columns; i++) values[i] = 0.1f; /* constant: nothing varies */
    ck_assert_int_eq(fcmae_effective_rank(values, rows, columns, &rank, &error), FCMAE_OK);
    ck_assert_double_eq(rank, 0);
    for (int r = 0; r < rows; r++) /* one direction */
        for (int c = 0; c < columns; c++) values[r * columns + c] = (float)((r % 5) * (c + 1)) + 7;
    ck_assert_int_eq(fcmae_effective_rank(values, rows, columns, &rank, &error), FCMAE_OK);
    ck_assert_double_eq_tol(rank, 1, 1e-3);
    memset(values, 0, sizeof values); /* k equal orthogonal directions: +-1 pairs on k columns */
    for (int k = 0; k < 10; k++) {
        values[(2 * k) * columns + k] = 1;
        values[(2 * k + 1) * columns + k] = -1;
    }
    ck_assert_int_eq(fcmae_effective_rank(values, rows, columns, &rank, &error), FCMAE_OK);
    ck_assert_double_eq_tol(rank, 10, 1e-9);
    static float turned[rows * columns]; /* the wide orientation must agree: 20 rows of 40 */
    for (int k = 0; k < 10; k++) {
        turned[k * 2 * 48 + k] = 1;
        turned[(k * 2 + 1) * 48 + k] = -1;
    }
    ck_assert_int_eq(fcmae_effective_rank(turned, 20, 48, &rank, &error), FCMAE_OK);
    ck_assert_double_eq_tol(rank, 10, 1e-9);
    ck_assert_int_eq(fcmae_effective_rank(values, 0, 3, &rank, &error), FCMAE_ERR_ARGUMENT);
}
END_TEST

/** Singular values by one-sided Jacobi rotations of the columns: exact where a Gram matrix rounds.
 */
static double rank_by_rotations(const float *values, int rows, int columns)
{
    double *a = calloc((size_t)(rows * columns), sizeof *a), total = 0, entropy = 0;
    for (int c = 0; c < columns; c++) {
        double mean = 0;
        for (int r = 0; r < rows; r++) mean += values[r * columns + c] / (double)rows;
        for (int r = 0; r < rows; r++) a[c * rows + r] = values[r * columns + c] - mean;
    }
    for (int sweep = 0; sweep < 30; sweep++)
        for (int i = 0; i < columns; i++)
            for (int j = i + 1; j < columns; j++) {
                double ii = 0, jj = 0, ij = 0, *x = a + i * rows, *y = a + j * rows;
                for (int r = 0; r < rows; r++)
                    ii += x[r] * x[r], jj += y[r] * y[r], ij += x[r] * y[r];
                double angle = 0.5 * atan2(2 * ij, ii - jj), c = cos(angle), s = sin(angle);
                for (int r = 0; r < rows; r++) {
                    double p = x[r], q = y[r];
                    x[r] = c * p + s * q;
                    y[r] = c * q - s * p;
                }
            }
    double *length = calloc((size_t)columns, sizeof *length);
    for (int c = 0; c < columns; c++) {
        for (int r = 0; r < rows; r++) length[c] += a[c * rows + r] * a[c * rows + r];
        total += length[c] = sqrt(length[c]);
    }
    for (int c = 0; c < columns; c++)
        if (length[c] > 1e-7 * total) entropy -= length[c] / total * log(length[c] / total);
    free(length);
    free(a);
    return exp(entropy);
}

START_TEST(effective_rank_of_random_values)
{
    static const int sizes[][2] = {{40, 24}, {24, 40}, {600, 17}, {9, 700}};
    for (int n = 0; n < 4; n++) {
        int rows = sizes[n][0], columns = sizes[n][1];
        tensor t = tensor_random(rows, columns, (uint64_t)n, 0.5);
        float *values = calloc((size_t)(rows * columns), sizeof *values);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                values[r * columns + c] = t.values[r * t.stride + c] / (float)(1 + c % 7);
        double rank, expected = rank_by_rotations(values, rows, columns);
        ck_assert_int_eq(fcmae_effective_rank(values, rows, columns, &rank, NULL), FCMAE_OK);
        ck_assert_double_eq_tol(rank, expected, 1e-9 * expected);
        free(values);
        free(t.values);
    }
}
END_TEST

START_TEST(selectivity_of_known_channels)
{
    const int64_t count[4] = {10, 5, 0, 1};
    const double one[4] = {20, 0, 0, 0}, same[4] = {10, 5, 0, 1}, mixed[4] = {30, 5, 9, 1},
                 none[4] = {0};
    const int64_t lonely[4] = {10, 0, 0, 0};
    ck_assert_double_eq_tol(fcmae_class_selectivity(one, 1, count, 4), 1, 1e-12);
    ck_assert_double_eq_tol(fcmae_class_selectivity(same, 1, count, 4), 0, 1e-12);
    ck_assert_double_eq_tol(fcmae_class_selectivity(mixed, 1, count, 4), 0.5, 1e-12);
    ck_assert_double_eq(fcmae_class_selectivity(none, 1, count, 4), -1);
    ck_assert_double_eq(fcmae_class_selectivity(one, 1, lonely, 4), -1);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, equals_the_pairwise_definition);
    tcase_add_test(cases, equal_channels_have_distance_zero);
    tcase_add_test(cases, orthogonal_channels_reach_the_limit);
    tcase_add_test(cases, opposite_channels_reach_one_half);
    tcase_add_test(cases, dying_channels_never_raise_the_distance);
    tcase_add_test(cases, a_silent_layer_is_dead);
    tcase_add_test(cases, one_site_knows_only_signs);
    tcase_add_test(cases, scale_of_a_channel_does_not_matter);
    tcase_add_test(cases, saturated_means_the_same_everywhere);
    tcase_add_test(cases, bad_numbers_are_noticed);
    tcase_add_test(cases, effective_rank_counts_directions);
    tcase_add_test(cases, effective_rank_of_random_values);
    tcase_add_test(cases, selectivity_of_known_channels);
}

int main(void)
{
    return run_suite("statistics", add_tests);
}
