/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The contracts of fcmae/sparse.h over arbitrary active sets. */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/sparse.h"
#include "reference/operators.h"
#include "support/kernel_check.h"
#include "support/suite.h"

#define TRY(call) ck_assert_msg((call) == FCMAE_OK, "%s", error.message)

static fcmae_sites *make_sites(int images, int height, int width, const uint8_t *active,
                               int threads)
{
    fcmae_sites *sites = NULL;
    fcmae_error error = {0};
    TRY(fcmae_sites_create(&sites, images, height, width, active, threads, &error));
    return sites;
}

static fcmae_sites *coarsen(const fcmae_sites *fine)
{
    fcmae_sites *coarse = NULL;
    fcmae_error error = {0};
    TRY(fcmae_sites_coarsen(&coarse, fine, &error));
    return coarse;
}

static const fcmae_kernels *kernels_in_use(void)
{
    return fcmae_kernels_get(fcmae_isa_choose(0, false));
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* One depthwise and one downsampling layer with everything they take and give. */
typedef struct layers {
    fcmae_sites *fine, *coarse;
    int in, out;
    int64_t rows, coarse_rows;
    float *x, *kernel, *bias, *dy;
    float *y, *dx, *dkernel, *dbias;
    float *merge, *merge_bias, *dz; /* weight [out][in][2][2], gradient of the downsampled rows */
    float *z, *dx_merge, *dmerge, *dmerge_bias;
} layers;

static layers make_layers(int images, int height, int width, const uint8_t *active, int threads,
                          int in, int out, uint64_t stream)
{
    fcmae_random random = test_random(stream);
    layers v = {.fine = make_sites(images, height, width, active, threads), .in = in, .out = out};
    v.coarse = coarsen(v.fine);
    v.rows = fcmae_sites_count(v.fine);
    v.coarse_rows = fcmae_sites_count(v.coarse);
    v.kernel = random_floats(&random, in * 49);
    v.bias = random_floats(&random, in);
    v.merge = random_floats(&random, in * out * 4);
    v.merge_bias = random_floats(&random, out);
    v.x = random_floats(&random, v.rows * in);
    v.dy = random_floats(&random, v.rows * in);
    v.dz = random_floats(&random, v.coarse_rows * out);
    /* results begin as something else: they are overwritten, not added to */
    v.y = random_floats(&random, v.rows * in);
    v.dx = random_floats(&random, v.rows * in);
    v.dkernel = random_floats(&random, in * 49);
    v.dbias = random_floats(&random, in);
    v.z = random_floats(&random, v.coarse_rows * out);
    v.dx_merge = random_floats(&random, v.rows * in);
    v.dmerge = random_floats(&random, in * out * 4);
    v.dmerge_bias = random_floats(&random, out);
    return v;
}

static void release_layers(layers *v)
{
    float *owned[] = {v->x,  v->kernel,   v->bias,   v->dy,         v->y,
                      v->dx, v->dkernel,  v->dbias,  v->merge,      v->dz,
                      v->z,  v->dx_merge, v->dmerge, v->merge_bias, v->dmerge_bias};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) guarded_free(owned[i]);
    fcmae_sites_destroy(&v->fine);
    fcmae_sites_destroy(&v->coarse);
    ck_assert_ptr_null(v->fine);
}

static void run_layers(layers *v)
{
    fcmae_error error = {0};
    TRY(fcmae_sites_depthwise_forward(v->fine, v->in, v->x, v->kernel, v->bias, v->y, &error));
    TRY(fcmae_sites_depthwise_backward(v->fine, v->in, v->x, v->kernel, v->dy,
                                       &(fcmae_sites_gradients){v->dx, v->dkernel, v->dbias},
                                       &error));
    TRY(fcmae_sites_downsample_forward(v->coarse, v->in, v->out, v->x, v->merge, v->merge_bias,
                                       v->z, &error));
    TRY(fcmae_sites_downsample_backward(
        v->coarse, v->in, v->out, v->x, v->merge, v->dz,
        &(fcmae_sites_gradients){v->dx_merge, v->dmerge, v->dmerge_bias}, &error));
}

/* The same in double precision, in the same order, image by image. */
typedef struct expected_layers {
    double *y, *dx, *dkernel, *dbias, *z, *dx_merge, *dmerge, *dmerge_bias;
} expected_layers;

static double *doubles(const float *values, int64_t count, bool absolute)
{
    double *out = as_doubles(values, 1, count, count);
    for (int64_t i = 0; i < count && absolute; i++) out[i] = fabs(out[i]);
    return out;
}

static expected_layers expect(const layers *v, const uint8_t *active, bool absolute)
{
    int shape[3], in = v->in, out = v->out;
    fcmae_sites_shape(v->fine, shape);
    int high = shape[1] + shape[1] % 2, wide = shape[2] + shape[2] % 2; /* even sides */
    double *x = doubles(v->x, v->rows * in, absolute), *dy = doubles(v->dy, v->rows * in, absolute);
    double *dz = doubles(v->dz, v->coarse_rows * out, absolute);
    double *kernel = doubles(v->kernel, in * 49, absolute), *bias = doubles(v->bias, in, absolute);
    double *merge = doubles(v->merge, in * out * 4, absolute);
    double *merge_bias = doubles(v->merge_bias, out, absolute);
    expected_layers e = {zero_doubles(v->rows * in),
                         zero_doubles(v->rows * in),
                         zero_doubles(in * 49),
                         zero_doubles(in),
                         zero_doubles(v->coarse_rows * out),
                         zero_doubles(v->rows * in),
                         zero_doubles((int64_t)in * out * 4),
                         zero_doubles(out)};
    int64_t row = 0, coarse_row = 0;
    for (int image = 0; image < shape[0]; image++) {
        uint8_t *even = calloc((size_t)(high * wide), 1),
                *parents = calloc((size_t)(high * wide), 1);
        for (int i = 0; i < shape[1] * shape[2]; i++)
            even[i / shape[2] * wide + i % shape[2]] = active[image * shape[1] * shape[2] + i];
        reference_grid grid = {high, wide, even};
        int64_t at = row * in, coarse_at = coarse_row * out;
        reference_depthwise(grid, in, x + at, kernel, bias, e.y + at);
        reference_depthwise_backward(grid, in, x + at, kernel, dy + at, e.dx + at, e.dkernel,
                                     e.dbias);
        reference_downsample(grid, in, out, x + at, merge, merge_bias, e.z + coarse_at);
        reference_downsample_backward(grid, in, out, x + at, merge, dz + coarse_at, e.dx_merge + at,
                                      e.dmerge, e.dmerge_bias);
        reference_parents(grid, parents);
        row += reference_sites(grid);
        coarse_row += reference_sites((reference_grid){high / 2, wide / 2, parents});
        free(even);
        free(parents);
    }
    ck_assert_int_eq(row, v->rows);
    ck_assert_int_eq(coarse_row, v->coarse_rows);
    double *owned[] = {x, dy, dz, kernel, bias, merge, merge_bias};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    return e;
}

static void release_expected(expected_layers *e)
{
    double *owned[] = {e->y, e->dx,       e->dkernel, e->dbias,
                       e->z, e->dx_merge, e->dmerge,  e->dmerge_bias};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

static void check_values(const char *what, const float *got, const double *value,
                         const double *size, int64_t count, double terms)
{
    for (int64_t i = 0; i < count; i++)
        check_sum(what, kernels_in_use(), 0, i, value[i], size[i], terms, got[i]);
}

static void check_layers(const layers *v, const uint8_t *active)
{
    int in = v->in, out = v->out;
    expected_layers value = expect(v, active, false), size = expect(v, active, true);
    double rows = (double)v->rows + 1;
    check_values("depthwise", v->y, value.y, size.y, v->rows * in, 50);
    check_values("depthwise dx", v->dx, value.dx, size.dx, v->rows * in, 50);
    check_values("depthwise dweight", v->dkernel, value.dkernel, size.dkernel, in * 49, rows);
    check_values("depthwise dbias", v->dbias, value.dbias, size.dbias, in, rows);
    check_values("downsample", v->z, value.z, size.z, v->coarse_rows * out, 4 * in + 1);
    check_values("downsample dx", v->dx_merge, value.dx_merge, size.dx_merge, v->rows * in, out);
    check_values("downsample dweight", v->dmerge, value.dmerge, size.dmerge, in * out * 4, rows);
    check_values("downsample dbias", v->dmerge_bias, value.dmerge_bias, size.dmerge_bias, out,
                 rows);
    release_expected(&value);
    release_expected(&size);
}

START_TEST(agrees_with_double_precision)
{
    static const int channels[] = {1, 3, 8, 16, 20, 48};
    fcmae_random random = test_random(1);
    for (int i = 0; i < 60; i++) {
        int images = 1 + i % 3, height = 1 + (int)fcmae_random_below(&random, 13);
        int width = 1 + (int)fcmae_random_below(&random, 13);
        uint8_t *active = random_active(&random, images * height * width, i % 5 / 4.);
        layers v = make_layers(images, height, width, active, 1, channels[i % 6],
                               channels[i / 6 % 6], (uint64_t)i);
        run_layers(&v);
        check_layers(&v, active);
        release_layers(&v);
        free(active);
    }
}
END_TEST

START_TEST(one_site_and_none)
{
    for (int site = 0; site <= 35; site++) { /* 35: nothing is active */
        uint8_t active[36] = {0};
        active[site] = 1;
        layers v = make_layers(1, 5, 7, active, 1, 5, 16, (uint64_t)site);
        ck_assert_int_eq(v.rows, site < 35);
        ck_assert_int_eq(v.coarse_rows, site < 35);
        run_layers(&v);
        check_layers(&v, active);
        release_layers(&v);
    }
}
END_TEST

/* A row per active site, by image and then in reading order. */
START_TEST(coordinates_list_the_mask)
{
    fcmae_random random = test_random(2);
    uint8_t *active = random_active(&random, 3 * 5 * 7, 0.4);
    fcmae_sites *sites = make_sites(3, 5, 7, active, 1);
    int32_t *coordinates = calloc(3 * 3 * 5 * 7, sizeof *coordinates), *next = coordinates;
    fcmae_sites_coordinates(sites, coordinates);
    for (int i = 0; i < 3 * 5 * 7; i++) {
        if (!active[i]) continue;
        ck_assert_int_eq(*next++, i / 35);
        ck_assert_int_eq(*next++, i / 7 % 5);
        ck_assert_int_eq(*next++, i % 7);
    }
    ck_assert_int_eq(next - coordinates, 3 * fcmae_sites_count(sites));
    fcmae_sites *coarse = coarsen(sites);
    fcmae_sites_destroy(&sites); /* the coarse map stands on its own */
    int shape[3];
    fcmae_sites_shape(coarse, shape);
    ck_assert(shape[0] == 3 && shape[1] == 3 && shape[2] == 4);
    fcmae_sites_destroy(&coarse);
    fcmae_sites_destroy(NULL);
    free(coordinates);
    free(active);
}
END_TEST

/* Dense convolutions on [C][H][W] in the plainest loops. */
static double dense_depthwise(const float *image, int height, int width, const float *kernel, int y,
                              int x)
{
    double sum = 0;
    for (int i = -3; i <= 3; i++)
        for (int j = -3; j <= 3; j++)
            if (y + i >= 0 && y + i < height && x + j >= 0 && x + j < width)
                sum += (double)kernel[(i + 3) * 7 + j + 3] * image[(y + i) * width + x + j];
    return sum;
}

START_TEST(all_active_is_dense)
{
    enum { height = 12, width = 10, in = 6, out = 9, plane = height * width };
    uint8_t active[plane];
    memset(active, 1, sizeof active);
    layers v = make_layers(1, height, width, active, 0, in, out, 3);
    fcmae_random random = test_random(4);
    fcmae_error error = {0};
    float *image = random_floats(&random, in * plane), *map = random_floats(&random, out * plane);
    TRY(fcmae_sites_gather(v.fine, in, FCMAE_LAYOUT_NCHW, image, v.x, &error));
    run_layers(&v);
    TRY(fcmae_sites_scatter(v.fine, in, FCMAE_LAYOUT_NCHW, v.y, map, &error));
    for (int i = 0; i < in * plane; i++) {
        int c = i / plane;
        double wanted = v.bias[c] + dense_depthwise(image + c * plane, height, width,
                                                    v.kernel + c * 49, i / width % height,
                                                    i % width);
        ck_assert_double_eq_tol(map[i], wanted, 1e-4);
    }
    TRY(fcmae_sites_scatter(v.coarse, out, FCMAE_LAYOUT_NCHW, v.z, map, &error));
    for (int i = 0; i < out * plane / 4; i++) {
        int o = i / (plane / 4), y = i / (width / 2) % (height / 2), x = i % (width / 2);
        double wanted = v.merge_bias[o];
        for (int c = 0; c < in; c++)
            for (int k = 0; k < 4; k++)
                wanted += (double)v.merge[(o * in + c) * 4 + k] *
                          image[c * plane + (2 * y + k / 2) * width + 2 * x + k % 2];
        ck_assert_double_eq_tol(map[i], wanted, 1e-4);
    }
    guarded_free(image);
    guarded_free(map);
    release_layers(&v);
}
END_TEST

/* <A x, dy> = <x, A^T dy> for the linear part of every operator. */
START_TEST(adjoints)
{
    fcmae_random random = test_random(5);
    for (int i = 0; i < 12; i++) {
        int height = 1 + (int)fcmae_random_below(&random, 20), width = 1 + i;
        uint8_t *active = random_active(&random, 2 * height * width, i % 4 / 3.);
        layers v = make_layers(2, height, width, active, 1, 7, 12, (uint64_t)i);
        fcmae_error error = {0};
        memset(v.bias, 0, 7 * sizeof(float));
        memset(v.merge_bias, 0, 12 * sizeof(float));
        run_layers(&v);
        double scale = 1e-5 * (1 + sqrt((double)v.rows * 7 * 49) * 10);
        double value = dot(v.y, v.dy, v.rows * 7);
        ck_assert_double_eq_tol(value, dot(v.x, v.dx, v.rows * 7), scale);
        ck_assert_double_eq_tol(value, dot(v.kernel, v.dkernel, 7 * 49), scale);
        value = dot(v.z, v.dz, v.coarse_rows * 12);
        ck_assert_double_eq_tol(value, dot(v.x, v.dx_merge, v.rows * 7), scale);
        ck_assert_double_eq_tol(value, dot(v.merge, v.dmerge, 7 * 12 * 4), scale);

        /* moving values is exact: the same products are added */
        int64_t dense = 2 * (int64_t)height * width * 7;
        float *d = random_floats(&random, dense), *moved = random_floats(&random, dense);
        for (int layout = 0; layout < 2; layout++) {
            TRY(fcmae_sites_scatter(v.fine, 7, (fcmae_dense_layout)layout, v.x, moved, &error));
            TRY(fcmae_sites_gather(v.fine, 7, (fcmae_dense_layout)layout, d, v.y, &error));
            value = dot(moved, d, dense);
            ck_assert_double_eq_tol(value, dot(v.x, v.y, v.rows * 7), 1e-12 * (1 + (double)dense));
            TRY(fcmae_sites_gather(v.fine, 7, (fcmae_dense_layout)layout, moved, v.y, &error));
            ck_assert_mem_eq(v.y, v.x, (size_t)(v.rows * 7) * sizeof(float));
        }
        guarded_free(d);
        guarded_free(moved);
        release_layers(&v);
        free(active);
    }
}
END_TEST

/* The value of channel c at a site stands where each layout says, zeros elsewhere. */
START_TEST(layouts)
{
    fcmae_random random = test_random(6);
    uint8_t *active = random_active(&random, 2 * 4 * 5, 0.5);
    fcmae_sites *sites = make_sites(2, 4, 5, active, 1);
    int64_t count = fcmae_sites_count(sites);
    float *rows = random_floats(&random, count * 3);
    float *planar = random_floats(&random, 120), *packed = random_floats(&random, 120);
    fcmae_error error = {0};
    TRY(fcmae_sites_scatter(sites, 3, FCMAE_LAYOUT_NCHW, rows, planar, &error));
    TRY(fcmae_sites_scatter(sites, 3, FCMAE_LAYOUT_NHWC, rows, packed, &error));
    int row = 0;
    for (int i = 0; i < 40; i++) {
        for (int c = 0; c < 3; c++) {
            float wanted = active[i] ? rows[row * 3 + c] : 0;
            ck_assert(packed[i * 3 + c] == wanted);
            ck_assert(planar[(i / 20 * 3 + c) * 20 + i % 20] == wanted);
        }
        row += active[i];
    }
    guarded_free(rows);
    guarded_free(planar);
    guarded_free(packed);
    fcmae_sites_destroy(&sites);
    free(active);
}
END_TEST

/* NaN at every inactive pixel: the same bits come out. */
START_TEST(inactive_sites_are_never_read)
{
    enum { height = 9, width = 11, in = 5, values = 2 * height * width * in };
    fcmae_random random = test_random(7);
    uint8_t *active = random_active(&random, 2 * height * width, 0.4);
    layers v = make_layers(2, height, width, active, 1, in, 6, 8);
    layers w = make_layers(2, height, width, active, 1, in, 6, 8);
    float *image = random_floats(&random, values);
    fcmae_error error = {0};
    TRY(fcmae_sites_gather(v.fine, in, FCMAE_LAYOUT_NHWC, image, v.x, &error));
    for (int i = 0; i < values; i++)
        if (!active[i / in]) image[i] = NAN;
    TRY(fcmae_sites_gather(w.fine, in, FCMAE_LAYOUT_NHWC, image, w.x, &error));
    run_layers(&v);
    run_layers(&w);
    ck_assert_mem_eq(v.y, w.y, (size_t)(v.rows * in) * sizeof(float));
    ck_assert_mem_eq(v.z, w.z, (size_t)(v.coarse_rows * 6) * sizeof(float));
    ck_assert_mem_eq(v.dkernel, w.dkernel, in * 49 * sizeof(float));
    ck_assert_mem_eq(v.dmerge, w.dmerge, in * 6 * 4 * sizeof(float));
    TRY(fcmae_sites_scatter(w.fine, in, FCMAE_LAYOUT_NHWC, w.y, image, &error));
    for (int i = 0; i < values; i++)
        ck_assert(isfinite(image[i]) && (active[i / in] || image[i] == 0));
    guarded_free(image);
    release_layers(&v);
    release_layers(&w);
    free(active);
}
END_TEST

/* A batch is its images run alone, to the bit; so is one thread and many. */
START_TEST(batch_and_threads)
{
    enum { height = 21, width = 17, in = 32, out = 20 };
    fcmae_random random = test_random(9);
    uint8_t *active = random_active(&random, 3 * height * width, 0.5);
    layers one = make_layers(3, height, width, active, 1, in, out, 1);
    layers many = make_layers(3, height, width, active, 5, in, out, 1);
    run_layers(&one);
    run_layers(&many);
    size_t fine = (size_t)(one.rows * in) * sizeof(float);
    size_t coarse = (size_t)(one.coarse_rows * out) * sizeof(float);
    ck_assert_mem_eq(one.y, many.y, fine);
    ck_assert_mem_eq(one.dx, many.dx, fine);
    ck_assert_mem_eq(one.z, many.z, coarse);
    ck_assert_mem_eq(one.dx_merge, many.dx_merge, fine);
    ck_assert_mem_eq(one.dkernel, many.dkernel, in * 49 * sizeof(float));
    ck_assert_mem_eq(one.dmerge, many.dmerge, in * out * 4 * sizeof(float));
    int64_t row = 0, coarse_row = 0;
    for (int image = 0; image < 3; image++) {
        layers v = make_layers(1, height, width, active + image * height * width, 1, in, out, 1);
        memcpy(v.x, one.x + row * in, (size_t)(v.rows * in) * sizeof(float));
        memcpy(v.dy, one.dy + row * in, (size_t)(v.rows * in) * sizeof(float));
        memcpy(v.dz, one.dz + coarse_row * out, (size_t)(v.coarse_rows * out) * sizeof(float));
        run_layers(&v);
        fine = (size_t)(v.rows * in) * sizeof(float);
        ck_assert_mem_eq(v.y, one.y + row * in, fine);
        ck_assert_mem_eq(v.dx, one.dx + row * in, fine);
        ck_assert_mem_eq(v.dx_merge, one.dx_merge + row * in, fine);
        ck_assert_mem_eq(v.z, one.z + coarse_row * out,
                         (size_t)(v.coarse_rows * out) * sizeof(float));
        row += v.rows;
        coarse_row += v.coarse_rows;
        release_layers(&v);
    }
    release_layers(&one);
    release_layers(&many);
    free(active);
}
END_TEST

START_TEST(gradients_one_at_a_time)
{
    static const uint8_t active[12] = {1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1};
    layers v = make_layers(1, 3, 4, active, 1, 5, 9, 1),
           w = make_layers(1, 3, 4, active, 1, 5, 9, 1);
    fcmae_error error = {0};
    run_layers(&v);
    TRY(fcmae_sites_depthwise_backward(w.fine, 5, NULL, w.kernel, w.dy,
                                       &(fcmae_sites_gradients){w.dx, NULL, NULL}, &error));
    TRY(fcmae_sites_depthwise_backward(w.fine, 5, w.x, NULL, w.dy,
                                       &(fcmae_sites_gradients){NULL, w.dkernel, NULL}, &error));
    TRY(fcmae_sites_depthwise_backward(w.fine, 5, NULL, NULL, w.dy,
                                       &(fcmae_sites_gradients){NULL, NULL, w.dbias}, &error));
    TRY(fcmae_sites_downsample_backward(w.coarse, 5, 9, NULL, w.merge, w.dz,
                                        &(fcmae_sites_gradients){w.dx_merge, NULL, NULL}, &error));
    TRY(fcmae_sites_downsample_backward(w.coarse, 5, 9, w.x, NULL, w.dz,
                                        &(fcmae_sites_gradients){NULL, w.dmerge, NULL}, &error));
    ck_assert_mem_eq(v.dx, w.dx, (size_t)(v.rows * 5) * sizeof(float));
    ck_assert_mem_eq(v.dkernel, w.dkernel, 5 * 49 * sizeof(float));
    ck_assert_mem_eq(v.dbias, w.dbias, 5 * sizeof(float));
    ck_assert_mem_eq(v.dx_merge, w.dx_merge, (size_t)(v.rows * 5) * sizeof(float));
    ck_assert_mem_eq(v.dmerge, w.dmerge, 5 * 9 * 4 * sizeof(float));
    memset(v.bias, 0, 5 * sizeof(float)); /* no bias is a bias of zero */
    memset(v.merge_bias, 0, 9 * sizeof(float));
    run_layers(&v);
    TRY(fcmae_sites_depthwise_forward(w.fine, 5, w.x, w.kernel, NULL, w.y, &error));
    TRY(fcmae_sites_downsample_forward(w.coarse, 5, 9, w.x, w.merge, NULL, w.z, &error));
    ck_assert_mem_eq(v.y, w.y, (size_t)(v.rows * 5) * sizeof(float));
    ck_assert_mem_eq(v.z, w.z, (size_t)(v.coarse_rows * 9) * sizeof(float));
    release_layers(&v);
    release_layers(&w);
}
END_TEST

#define REFUSED(call, words)                                              \
    do {                                                                  \
        ck_assert_int_eq(call, FCMAE_ERR_ARGUMENT);                       \
        ck_assert_msg(strstr(error.message, words), "%s", error.message); \
    } while (0)

START_TEST(impossible_arguments)
{
    static const uint8_t active[4] = {1, 1, 0, 1};
    float value[64] = {0};
    fcmae_error error = {0};
    fcmae_sites *sites = (fcmae_sites *)value;
    REFUSED(fcmae_sites_create(&sites, 0, 2, 2, active, 1, &error), "0 images");
    ck_assert_ptr_null(sites);
    REFUSED(fcmae_sites_create(&sites, 1, -2, 2, active, 1, &error), "-2 x 2");
    REFUSED(fcmae_sites_create(&sites, 1, 2, 2, active, -1, &error), "-1 threads");
    REFUSED(fcmae_sites_create(&sites, 2147483647, 2147483647, 2147483647, active, 1, &error),
            "at most");
    REFUSED(fcmae_sites_create(&sites, 2147483647, 2, 2, active, 1, &error), "at most");
    REFUSED(fcmae_sites_create(&sites, 1, 2, 2, NULL, 1, &error), "mask");
    sites = make_sites(1, 2, 2, active, 1);
    REFUSED(fcmae_sites_depthwise_forward(sites, 0, value, value, 0, value, &error), "0 channels");
    REFUSED(fcmae_sites_depthwise_forward(sites, 65537, value, value, 0, value, &error), "65537");
    REFUSED(fcmae_sites_depthwise_forward(sites, 1, NULL, value, 0, value, &error), "x is missing");
    REFUSED(fcmae_sites_depthwise_backward(sites, 1, 0, value, value,
                                           &(fcmae_sites_gradients){0, value, 0}, &error),
            "dweight");
    REFUSED(fcmae_sites_depthwise_backward(sites, 1, value, 0, value,
                                           &(fcmae_sites_gradients){value, 0, 0}, &error),
            "dx");
    REFUSED(fcmae_sites_downsample_forward(sites, 1, 1, value, value, 0, value, &error), "coarsen");
    REFUSED(fcmae_sites_downsample_backward(sites, 1, 1, value, value, value,
                                            &(fcmae_sites_gradients){value, 0, 0}, &error),
            "coarsen");
    REFUSED(fcmae_sites_scatter(sites, 1, (fcmae_dense_layout)7, value, value, &error), "layout 7");
    REFUSED(fcmae_sites_gather(sites, 1, FCMAE_LAYOUT_NCHW, NULL, value, &error), "dense");
    fcmae_sites_destroy(&sites);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, agrees_with_double_precision);
    tcase_add_test(cases, one_site_and_none);
    tcase_add_test(cases, coordinates_list_the_mask);
    tcase_add_test(cases, all_active_is_dense);
    tcase_add_test(cases, adjoints);
    tcase_add_test(cases, layouts);
    tcase_add_test(cases, inactive_sites_are_never_read);
    tcase_add_test(cases, batch_and_threads);
    tcase_add_test(cases, gradients_one_at_a_time);
    tcase_add_test(cases, impossible_arguments);
}

int main(void)
{
    return run_suite("sites", add_tests);
}
