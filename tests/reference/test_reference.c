/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The reference operators against central differences (loss = <r, y>, every coordinate), and
 * against the few values that can be written down by hand.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference/operators.h"
#include "support/arrays.h"
#include "support/gradient_check.h"
#include "support/suite.h"

/* One operator under test: shapes, inputs, the random projection r that makes the loss. */
typedef struct subject {
    reference_grid grid;
    int in, out, side;
    int64_t rows, x_count, y_count;
    double *x, *weight, *bias, *y, *r;
    double *dx, *dweight, *dbias;
    int64_t weight_count, bias_count;
    void (*forward)(struct subject *subject);
    void (*backward)(struct subject *subject);
} subject;

static double projected_loss(void *cookie)
{
    subject *s = cookie;
    double loss = 0;
    s->forward(s);
    for (int64_t i = 0; i < s->y_count; i++) loss += s->r[i] * s->y[i];
    return loss;
}

/* Fills inputs at random, runs backward twice (parameter gradients add, the others do not). */
static void check_subject(subject *s, uint64_t stream)
{
    fcmae_random random = test_random(stream);
    s->x = random_doubles(&random, s->x_count);
    s->weight = random_doubles(&random, s->weight_count);
    s->bias = random_doubles(&random, s->bias_count);
    s->r = random_doubles(&random, s->y_count);
    s->y = zero_doubles(s->y_count);
    s->dx = random_doubles(&random, s->x_count);
    s->dweight = zero_doubles(s->weight_count);
    s->dbias = zero_doubles(s->bias_count);
    s->backward(s);
    s->backward(s);
    for (int64_t i = 0; i < s->weight_count; i++) s->dweight[i] /= 2;
    for (int64_t i = 0; i < s->bias_count; i++) s->dbias[i] /= 2;
    gradient_variable variables[] = {{"x", s->x, s->dx, s->x_count},
                                     {"weight", s->weight, s->dweight, s->weight_count},
                                     {"bias", s->bias, s->dbias, s->bias_count}};
    check_gradients(projected_loss, s, variables, 3);
    double *owned[] = {s->x, s->weight, s->bias, s->r, s->y, s->dx, s->dweight, s->dbias};
    for (int i = 0; i < 8; i++) free(owned[i]);
}

static const char *const holes = "##.#.#"
                                 ".#..##"
                                 "###..."
                                 "...#.#";

static void patch_forward(subject *s)
{
    reference_patch_convolution(s->grid, s->side, s->in, s->out, s->x, s->weight, s->bias, s->y);
}
static void patch_backward(subject *s)
{
    reference_patch_convolution_backward(s->grid, s->side, s->in, s->out, s->x, s->weight, s->r,
                                         s->dx, s->dweight, s->dbias);
}
START_TEST(patch_convolution)
{
    uint8_t *active = picture_active(".#"
                                     "##"
                                     "..",
                                     6);
    for (int side = 1; side <= 4; side++) {
        subject s = {.grid = {3, 2, active},
                     .in = 2,
                     .out = 3,
                     .side = side,
                     .forward = patch_forward,
                     .backward = patch_backward};
        s.x_count = 2 * 6 * side * side;
        s.y_count = 3 * 3;
        s.weight_count = 2 * 3 * side * side;
        s.bias_count = 3;
        check_subject(&s, (uint64_t)side);
    }
    free(active);
}
END_TEST

static void depthwise_forward(subject *s)
{
    reference_depthwise(s->grid, s->in, s->x, s->weight, s->bias, s->y);
}
static void depthwise_backward(subject *s)
{
    reference_depthwise_backward(s->grid, s->in, s->x, s->weight, s->r, s->dx, s->dweight,
                                 s->dbias);
}
START_TEST(depthwise)
{
    uint8_t *active = picture_active(holes, 24);
    subject s = {.grid = {4, 6, active},
                 .in = 3,
                 .forward = depthwise_forward,
                 .backward = depthwise_backward};
    s.rows = reference_sites(s.grid);
    s.x_count = s.y_count = s.rows * 3;
    s.weight_count = 3 * 49;
    s.bias_count = 3;
    check_subject(&s, 1);
    free(active);
}
END_TEST

START_TEST(depthwise_is_a_cross_correlation)
{
    /* one pixel at (2, 3): output (y, x) shows the tap (2 - y + 3, 3 - x + 3) */
    uint8_t *active = picture_active("#####"
                                     "#####"
                                     "#####"
                                     "#####",
                                     20);
    reference_grid grid = {4, 5, active};
    double x[20] = {0}, weight[49], bias[1] = {0.5}, y[20];
    for (int k = 0; k < 49; k++) weight[k] = k + 1;
    x[2 * 5 + 3] = 1;
    reference_depthwise(grid, 1, x, weight, bias, y);
    for (int i = 0; i < 20; i++)
        ck_assert_double_eq(y[i], 0.5 + weight[(2 - i / 5 + 3) * 7 + (3 - i % 5 + 3)]);
    free(active);
}
END_TEST

static void downsample_forward(subject *s)
{
    reference_downsample(s->grid, s->in, s->out, s->x, s->weight, s->bias, s->y);
}
static void downsample_backward(subject *s)
{
    reference_downsample_backward(s->grid, s->in, s->out, s->x, s->weight, s->r, s->dx, s->dweight,
                                  s->dbias);
}
START_TEST(downsample)
{
    uint8_t *active = picture_active("##.#.."
                                     ".#.#.."
                                     "..##.."
                                     "..##.#",
                                     24),
            parents[6];
    subject s = {.grid = {4, 6, active},
                 .in = 2,
                 .out = 3,
                 .forward = downsample_forward,
                 .backward = downsample_backward};
    reference_parents(s.grid, parents);
    const uint8_t expected[6] = {1, 1, 0, 0, 1, 1};
    ck_assert_mem_eq(parents, expected, 6);
    s.rows = reference_sites(s.grid);
    s.x_count = s.rows * 2;
    s.y_count = 4 * 3;
    s.weight_count = 2 * 3 * 4;
    s.bias_count = 3;
    check_subject(&s, 1);
    free(active);
}
END_TEST

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* <A x, y> = <x, A^T y> for the linear operators over random active sets, to 1e-12. */
START_TEST(adjoints)
{
    enum { c = 2, height = 6, width = 8 };
    fcmae_random random = test_random(9);
    for (int i = 0; i < 20; i++) {
        uint8_t *active = random_active(&random, height * width, i / 19.), parents[12];
        reference_grid grid = {height, width, active}, coarse = {height / 2, width / 2, parents};
        reference_parents(grid, parents);
        int64_t rows = reference_sites(grid), outputs = reference_sites(coarse);
        double *x = random_doubles(&random, rows * c), *dy = random_doubles(&random, rows * c);
        double *y = zero_doubles(rows * c), *dx = zero_doubles(rows * c), zero[c] = {0};
        double sink[c * 49] = {0};
        double *taps = random_doubles(&random, c * 49),
               *weight = random_doubles(&random, c * c * 4);
        reference_depthwise(grid, c, x, taps, zero, y);
        reference_depthwise_backward(grid, c, x, taps, dy, dx, sink, sink);
        ck_assert_double_eq_tol(dot(y, dy, rows * c), dot(x, dx, rows * c), 1e-10);
        reference_downsample(grid, c, c, x, weight, zero, y);
        reference_downsample_backward(grid, c, c, x, weight, dy, dx, sink, sink);
        ck_assert_double_eq_tol(dot(y, dy, outputs * c), dot(x, dx, rows * c), 1e-10);
        double *owned[] = {x, dy, y, dx, taps, weight};
        for (int k = 0; k < 6; k++) free(owned[k]);
        free(active);
    }
}
END_TEST

/* At active sites the result is the dense one of the image with zeros elsewhere. */
START_TEST(submanifold_is_masked_dense)
{
    enum { c = 2, sites = 42 };
    uint8_t *active = random_active(&(fcmae_random){.used = 4}, sites, 0.4), everywhere[sites];
    reference_grid grid = {6, 7, active}, full = {6, 7, everywhere};
    fcmae_random random = test_random(10);
    memset(everywhere, 1, sizeof everywhere);
    int64_t rows = reference_sites(grid);
    double *x = random_doubles(&random, rows * c), *y = zero_doubles(rows * c);
    double *taps = random_doubles(&random, c * 49), *bias = random_doubles(&random, c);
    double *map = zero_doubles(sites * c), *dense = zero_doubles(sites * c);
    double *expected = zero_doubles(rows * c);
    reference_depthwise(grid, c, x, taps, bias, y);
    reference_scatter(grid, c, x, map);
    reference_depthwise(full, c, map, taps, bias, dense);
    reference_gather(grid, c, dense, expected);
    for (int64_t i = 0; i < rows * c; i++) ck_assert_double_eq_tol(y[i], expected[i], 1e-13);
    double *owned[] = {x, y, taps, bias, map, dense, expected};
    for (int k = 0; k < 7; k++) free(owned[k]);
    free(active);
}
END_TEST

START_TEST(gather_undoes_scatter)
{
    uint8_t *active = picture_active(holes, 24);
    reference_grid grid = {4, 6, active};
    fcmae_random random = test_random(1);
    int64_t rows = reference_sites(grid);
    ck_assert_int_eq(rows, 12);
    double *x = random_doubles(&random, rows * 2), *back = zero_doubles(rows * 2), map[48];
    memset(map, 0xff, sizeof map);
    reference_scatter(grid, 2, x, map);
    reference_gather(grid, 2, map, back);
    ck_assert_mem_eq(x, back, (size_t)rows * 2 * sizeof *x);
    ck_assert_double_eq(map[2 * 2], 0); /* the first hole */
    ck_assert_double_eq(map[2 * 3], x[2 * 2]);
    free(x);
    free(back);
    free(active);
}
END_TEST

static void norm_forward(subject *s)
{
    reference_layer_norm(s->rows, s->in, 1e-6, s->x, s->weight, s->bias, s->y);
}
static void norm_backward(subject *s)
{
    reference_layer_norm_backward(s->rows, s->in, 1e-6, s->x, s->weight, s->r, s->dx, s->dweight,
                                  s->dbias);
}
static void linear_forward(subject *s)
{
    reference_linear(s->rows, s->in, s->out, s->x, s->weight, s->bias, s->y);
}
static void linear_backward(subject *s)
{
    reference_linear_backward(s->rows, s->in, s->out, s->x, s->weight, s->r, s->dx, s->dweight,
                              s->dbias);
}
static void gelu_forward(subject *s)
{
    reference_gelu(s->x_count, s->x, s->y);
}
static void gelu_backward(subject *s)
{
    reference_gelu_backward(s->x_count, s->x, s->r, s->dx);
}
static void grn_forward(subject *s)
{
    reference_grn(s->rows, s->in, s->x, s->weight, s->bias, s->y);
}
static void grn_backward(subject *s)
{
    reference_grn_backward(s->rows, s->in, s->x, s->weight, s->r, s->dx, s->dweight, s->dbias);
}
static void scale_forward(subject *s)
{
    reference_layer_scale(s->rows, s->in, s->x, s->weight, s->y);
}
static void scale_backward(subject *s)
{
    reference_layer_scale_backward(s->rows, s->in, s->x, s->weight, s->r, s->dx, s->dweight);
}
static void pool_forward(subject *s)
{
    reference_pool(s->rows, s->in, s->x, s->y);
}
static void pool_backward(subject *s)
{
    reference_pool_backward(s->rows, s->in, s->r, s->dx);
}
/* the branch stands in for the weight */
static void residual_forward(subject *s)
{
    reference_residual(s->x_count, 1.25, s->x, s->weight, s->y);
}
static void residual_backward(subject *s)
{
    double branch[64];
    reference_residual_backward(s->x_count, 1.25, s->r, s->dx, branch);
    for (int64_t i = 0; i < s->x_count; i++) s->dweight[i] += branch[i];
}

START_TEST(row_operators)
{
    enum { rows = 5, in = 6, out = 4 };
    subject subjects[] = {
        {.forward = norm_forward,
         .backward = norm_backward,
         .y_count = rows * in,
         .weight_count = in,
         .bias_count = in},
        {.forward = linear_forward,
         .backward = linear_backward,
         .y_count = rows * out,
         .weight_count = in * out,
         .bias_count = out},
        {.forward = gelu_forward, .backward = gelu_backward, .y_count = rows * in},
        {.forward = grn_forward,
         .backward = grn_backward,
         .y_count = rows * in,
         .weight_count = in,
         .bias_count = in},
        {.forward = scale_forward,
         .backward = scale_backward,
         .y_count = rows * in,
         .weight_count = in},
        {.forward = pool_forward, .backward = pool_backward, .y_count = in},
        {.forward = residual_forward,
         .backward = residual_backward,
         .y_count = rows * in,
         .weight_count = rows * in},
    };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        subjects[i].rows = rows;
        subjects[i].in = in;
        subjects[i].out = out;
        subjects[i].x_count = rows * in;
        check_subject(&subjects[i], i);
    }
}
END_TEST

START_TEST(grn_by_hand)
{
    /* norms 5, 0 and 10: mean 5; the dead channel gets beta and, in backward, dy only */
    double x[] = {3, 0, 6, 4, 0, 8}, gamma[] = {2, 7, -1}, beta[] = {0.5, 0.25, 0}, y[6];
    double divisor = 5 + 1e-6;
    reference_grn(2, 3, x, gamma, beta, y);
    ck_assert_double_eq_tol(y[0], 3 + 0.5 + 2 * 3 * 5 / divisor, 1e-14);
    ck_assert_double_eq(y[1], 0.25);
    ck_assert_double_eq_tol(y[5], 8 - 8 * 10 / divisor, 1e-14);

    double dy[] = {1, 2, 3, 4, 5, 6}, dx[6], dgamma[3] = {0}, dbeta[3] = {0};
    reference_grn_backward(2, 3, x, gamma, dy, dx, dgamma, dbeta);
    ck_assert_double_eq(dx[1], 2);
    ck_assert_double_eq(dx[4], 5);
    ck_assert_double_eq(dgamma[1], 0);
    ck_assert_double_eq_tol(dgamma[0], (3 + 16) * 5 / divisor, 1e-13);
    ck_assert_double_eq(dbeta[1], 7);

    memset(gamma, 0, sizeof gamma);
    memset(beta, 0, sizeof beta);
    reference_grn(2, 3, x, gamma, beta, y);
    ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

static double entropy_loss(void *cookie)
{
    subject *s = cookie;
    return 0.75 * reference_cross_entropy(s->in, s->x, s->weight);
}
START_TEST(cross_entropy)
{
    double target[] = {0.25, 0, 0.625, 0.125}, gradient[4];
    fcmae_random random = test_random(1);
    subject s = {.in = 4, .x = random_doubles(&random, 4), .weight = target};
    reference_cross_entropy_backward(4, s.x, target, 0.75, gradient);
    gradient_variable variable = {"logits", s.x, gradient, 4};
    check_gradients(entropy_loss, &s, &variable, 1);
    double far[] = {0, 2000, 0, 0}, first[] = {1, 0, 0, 0};
    ck_assert_double_eq_tol(reference_cross_entropy(4, far, first), 2000, 1e-9);
    free(s.x);
}
END_TEST

static double squared_loss(void *cookie)
{
    subject *s = cookie;
    return 0.75 * reference_squared_error(s->x_count, s->x, s->weight);
}
START_TEST(squared_error)
{
    fcmae_random random = test_random(1);
    double gradient[12];
    subject s = {
        .x = random_doubles(&random, 12), .weight = random_doubles(&random, 12), .x_count = 12};
    reference_squared_error_backward(12, s.x, s.weight, 0.75, gradient);
    gradient_variable variable = {"prediction", s.x, gradient, 12};
    check_gradients(squared_loss, &s, &variable, 1);
    free(s.x);
    free(s.weight);
}
END_TEST

START_TEST(patch_target_order_and_norm)
{
    /* pixel (y, x) of channel c holds 100 c + 10 y + x; patches of 2 in a 4 x 6 image */
    double image[2 * 4 * 6], target[8];
    for (int i = 0; i < 48; i++) image[i] = 100 * (i / 24) + 10 * (i / 6 % 4) + i % 6;
    reference_patch_target(image, 2, 4, 6, 2, 4, 0, target);
    const double expected[8] = {22, 122, 23, 123, 32, 132, 33, 133};
    for (int i = 0; i < 8; i++) ck_assert_double_eq(target[i], expected[i]);

    reference_patch_target(image, 2, 4, 6, 2, 4, 1, target);
    double sum = 0, squares = 0, zero[8] = {0};
    for (int i = 0; i < 8; i++) sum += target[i], squares += target[i] * target[i];
    ck_assert_double_eq_tol(sum, 0, 1e-12);
    ck_assert_double_eq_tol(squares, 7, 1e-6); /* unbiased: the sum of squares is count - 1 */
    ck_assert_double_eq_tol(reference_squared_error(8, zero, target), 7. / 8, 1e-6);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, patch_convolution);
    tcase_add_test(cases, depthwise);
    tcase_add_test(cases, depthwise_is_a_cross_correlation);
    tcase_add_test(cases, downsample);
    tcase_add_test(cases, adjoints);
    tcase_add_test(cases, submanifold_is_masked_dense);
    tcase_add_test(cases, gather_undoes_scatter);
    tcase_add_test(cases, row_operators);
    tcase_add_test(cases, grn_by_hand);
    tcase_add_test(cases, cross_entropy);
    tcase_add_test(cases, squared_error);
    tcase_add_test(cases, patch_target_order_and_norm);
}

int main(void)
{
    return run_suite("reference", add_tests);
}
