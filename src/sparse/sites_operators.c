/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Convolutions of fcmae/sparse.h: arrays of a user to the padded rows and packed weights of the
 * operators beneath, and back. Tasks write disjoint results and are cut the same way for any number
 * of threads.
 */
#include <string.h>

#include "core/parallel.h"
#include "sparse/depthwise.h"
#include "sparse/downsample.h"
#include "sparse/sites.h"

#define ROWS_PER_TASK 64

/** One call; what it does not use is NULL. */
typedef struct sites_call {
    const fcmae_sites *sites;
    fcmae_arena arena;
    int in, out, in_stride, out_stride; /* depthwise: in = out */
    const float *x, *dy;                /* padded rows */
    float *y, *dx;
    float *weight, *bias;    /* [49 or 4 * in_stride][out_stride], [out_stride] */
    float *dweight, *dbias;  /* likewise */
    float *merged, *dmerged; /* [rows][4 * in_stride] */
    fcmae_sparse_downsample layer;
} sites_call;

static fcmae_status check_channels(int channels, fcmae_error *error)
{
    if (channels >= 1 && channels <= FCMAE_SITES_MOST_CHANNELS) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%d channels: 1 to %d are possible", channels,
                      FCMAE_SITES_MOST_CHANNELS);
}

/** `array` may be NULL only if there are no rows to it. */
static fcmae_status check_array(const float *array, const char *name, int64_t rows,
                                fcmae_error *error)
{
    if (array || rows == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%s is missing", name);
}

static sites_call start_call(const fcmae_sites *sites, int in, int out)
{
    return (sites_call){.sites = sites,
                        .in = in,
                        .out = out,
                        .in_stride = fcmae_stride(in),
                        .out_stride = fcmae_stride(out)};
}

static float *take(sites_call *call, int64_t rows, int64_t columns)
{
    return fcmae_arena_take(&call->arena, (size_t)rows * (size_t)columns, sizeof(float));
}

/** Room for padded rows; NULL where the user's rows need no padding. */
static float *take_rows(sites_call *call, int channels)
{
    int stride = fcmae_stride(channels);
    return stride == channels ? 0 : take(call, call->sites->map.rows, stride);
}

static void copy_rows(int64_t rows, int channels, const float *from, int from_stride, float *to,
                      int to_stride)
{
    for (int64_t row = 0; row < rows; row++)
        memcpy(to + row * to_stride, from + row * from_stride, (size_t)channels * sizeof *to);
}

/** The user's rows, padded in `room` if there is any. */
static const float *padded(const sites_call *call, const float *rows, int channels, float *room)
{
    if (!room) return rows;
    copy_rows(call->sites->map.rows, channels, rows, channels, room, fcmae_stride(channels));
    return room;
}

/** The inverse for a result that stands in `rows`. */
static void unpad(const sites_call *call, const float *rows, int channels, float *out)
{
    if (rows != out)
        copy_rows(call->sites->map.rows, channels, rows, fcmae_stride(channels), out, channels);
}

static void run(sites_call *call, int64_t count, fcmae_task task)
{
    fcmae_parallel_for(call->sites->threads, count, task, call);
}

static void sum_bias(const sites_call *call)
{
    call->sites->kernels->column_sum(call->sites->map.rows, call->out_stride, call->out_stride,
                                     call->dy, 1.0f, call->dbias);
}

/* Depthwise 7x7 */

static void depthwise_task(void *argument, int64_t unit, int worker)
{
    const sites_call *call = argument;
    (void)worker;
    fcmae_depthwise_forward(call->sites->kernels, &call->sites->map, (int)unit, call->x,
                            call->in_stride, call->weight, call->bias, call->y);
}

static void depthwise_data_task(void *argument, int64_t unit, int worker)
{
    const sites_call *call = argument;
    (void)worker;
    fcmae_depthwise_backward_data(call->sites->kernels, &call->sites->map, (int)unit, call->dy,
                                  call->in_stride, call->weight, 0, call->dx);
}

/** Task: one panel of channels. */
static void depthwise_weight_task(void *argument, int64_t panel, int worker)
{
    const sites_call *call = argument;
    int columns = fcmae_panel_width(call->in);
    (void)worker;
    fcmae_depthwise_backward_taps(call->sites->kernels, &call->sites->map, call->x, call->dy,
                                  call->in_stride, (int)panel * columns, columns, call->dweight);
}

/** weight [channels][49] to taps [49][stride]. */
static void fill_taps(const sites_call *call, const float *weight)
{
    for (int c = 0; c < call->in; c++)
        for (int k = 0; k < FCMAE_KERNEL_TAPS; k++)
            call->weight[(int64_t)k * call->in_stride + c] = weight[c * FCMAE_KERNEL_TAPS + k];
}

fcmae_status fcmae_sites_depthwise_forward(const fcmae_sites *sites, int channels, const float *x,
                                           const float *weight, const float *bias, float *y,
                                           fcmae_error *error)
{
    FCMAE_TRY(check_channels(channels, error));
    FCMAE_TRY(check_array(x, "x", sites->map.rows, error));
    FCMAE_TRY(check_array(y, "y", sites->map.rows, error));
    FCMAE_TRY(check_array(weight, "weight", 1, error));
    sites_call call = start_call(sites, channels, channels);
    float *x_room = 0, *y_room = 0;
    for (int pass = 0; pass < 2; pass++) {
        call.weight = take(&call, FCMAE_KERNEL_TAPS, call.in_stride);
        call.bias = take(&call, 1, call.in_stride);
        x_room = take_rows(&call, channels);
        y_room = take_rows(&call, channels);
        FCMAE_TRY(fcmae_arena_end_pass(&call.arena, "a depthwise convolution", error));
    }
    fill_taps(&call, weight);
    if (bias) memcpy(call.bias, bias, (size_t)channels * sizeof *bias);
    call.x = padded(&call, x, channels, x_room);
    call.y = y_room ? y_room : y;
    run(&call, fcmae_depthwise_units(&sites->map), depthwise_task);
    unpad(&call, call.y, channels, y);
    fcmae_arena_release(&call.arena);
    return FCMAE_OK;
}

/** Gradients of the depthwise convolution once all memory is there. */
static void depthwise_backward(sites_call *call, const fcmae_sites_gradients *gradients)
{
    float *dx = gradients->dx, *dweight = gradients->dweight, *dbias = gradients->dbias;
    const fcmae_site_map *map = &call->sites->map;
    if (dx) {
        if (call->dx == dx) memset(dx, 0, (size_t)map->rows * (size_t)call->in * sizeof *dx);
        run(call, fcmae_depthwise_units(map), depthwise_data_task);
        unpad(call, call->dx, call->in, dx);
    }
    if (dweight) {
        run(call, call->in_stride / fcmae_panel_width(call->in), depthwise_weight_task);
        for (int c = 0; c < call->in; c++)
            for (int k = 0; k < FCMAE_KERNEL_TAPS; k++)
                dweight[c * FCMAE_KERNEL_TAPS + k] =
                    call->dweight[(int64_t)k * call->in_stride + c];
    }
    if (dbias) {
        sum_bias(call);
        memcpy(dbias, call->dbias, (size_t)call->out * sizeof *dbias);
    }
}

fcmae_status fcmae_sites_depthwise_backward(const fcmae_sites *sites, int channels, const float *x,
                                            const float *weight, const float *dy,
                                            const fcmae_sites_gradients *gradients,
                                            fcmae_error *error)
{
    float *dx = gradients->dx, *dweight = gradients->dweight;
    FCMAE_TRY(check_channels(channels, error));
    FCMAE_TRY(check_array(dy, "dy", sites->map.rows, error));
    if (dweight) FCMAE_TRY(check_array(x, "x, needed for dweight,", sites->map.rows, error));
    if (dx) FCMAE_TRY(check_array(weight, "weight, needed for dx,", 1, error));
    sites_call call = start_call(sites, channels, channels);
    float *x_room = 0, *dy_room = 0, *dx_room = 0;
    for (int pass = 0; pass < 2; pass++) {
        call.weight = take(&call, FCMAE_KERNEL_TAPS, call.in_stride);
        call.dweight = take(&call, FCMAE_KERNEL_TAPS, call.in_stride);
        call.dbias = take(&call, 1, call.in_stride);
        dy_room = take_rows(&call, channels);
        if (dweight) x_room = take_rows(&call, channels);
        if (dx) dx_room = take_rows(&call, channels);
        FCMAE_TRY(fcmae_arena_end_pass(&call.arena, "a depthwise convolution", error));
    }
    if (dx) fill_taps(&call, weight);
    call.dy = padded(&call, dy, channels, dy_room);
    if (dweight) call.x = padded(&call, x, channels, x_room);
    call.dx = dx_room ? dx_room : dx;
    depthwise_backward(&call, gradients);
    fcmae_arena_release(&call.arena);
    return FCMAE_OK;
}

/* Downsampling 2x2 */

static int64_t row_tasks(const sites_call *call)
{
    return ((int64_t)call->sites->map.rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

static void task_rows(const sites_call *call, int64_t task, int *first, int *last)
{
    int rows = call->sites->map.rows;
    *first = (int)task * ROWS_PER_TASK;
    *last = rows - *first < ROWS_PER_TASK ? rows : *first + ROWS_PER_TASK;
}

static void merge_task(void *argument, int64_t task, int worker)
{
    const sites_call *call = argument;
    int first, last;
    (void)worker;
    task_rows(call, task, &first, &last);
    fcmae_sparse_merge(call->sites->children, first, last, call->in, call->x, call->in,
                       call->merged, call->in_stride);
    if (call->y)
        fcmae_sparse_downsample_forward(&call->layer, call->sites->kernels, first, last,
                                        call->merged, call->bias, call->y);
}

static void downsample_data_task(void *argument, int64_t task, int worker)
{
    const sites_call *call = argument;
    int first, last;
    (void)worker;
    task_rows(call, task, &first, &last);
    fcmae_sparse_downsample_backward_data(&call->layer, call->sites->kernels, first, last, call->dy,
                                          call->dmerged);
    fcmae_sparse_unmerge(call->sites->children, first, last, call->in, call->dmerged,
                         call->in_stride, call->dx, call->in);
}

static void downsample_weight_task(void *argument, int64_t panel, int worker)
{
    const sites_call *call = argument;
    (void)worker;
    fcmae_sparse_downsample_backward_weight(&call->layer, call->sites->kernels, (int)panel,
                                            call->sites->map.rows, call->merged, call->dy,
                                            call->dweight);
}

/** Place of weight[o][c][k] in [4 * in_stride][out_stride]. */
static int64_t weight_place(const sites_call *call, int o, int c, int k)
{
    return ((int64_t)k * call->in_stride + c) * call->out_stride + o;
}

static void fill_weight(const sites_call *call, const float *weight)
{
    for (int o = 0; o < call->out; o++)
        for (int c = 0; c < call->in; c++)
            for (int k = 0; k < 4; k++) call->weight[weight_place(call, o, c, k)] = *weight++;
    fcmae_sparse_downsample_pack(&call->layer, call->sites->kernels, call->weight);
}

static fcmae_status check_downsample(const fcmae_sites *coarse, int in, int out, fcmae_error *error)
{
    FCMAE_TRY(check_channels(in, error));
    FCMAE_TRY(check_channels(out, error));
    if (!coarse->children)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "downsampling needs sites made by fcmae_sites_coarsen(), these were made "
                          "from a mask");
    return FCMAE_OK;
}

fcmae_status fcmae_sites_downsample_forward(const fcmae_sites *coarse, int in, int out,
                                            const float *x, const float *weight, const float *bias,
                                            float *y, fcmae_error *error)
{
    FCMAE_TRY(check_downsample(coarse, in, out, error));
    FCMAE_TRY(check_array(x, "x", coarse->fine_rows, error));
    FCMAE_TRY(check_array(y, "y", coarse->map.rows, error));
    FCMAE_TRY(check_array(weight, "weight", 1, error));
    sites_call call = start_call(coarse, in, out);
    float *y_room = 0;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_sparse_downsample_reserve(&call.layer, &call.arena, in, out, false);
        call.weight = take(&call, 4 * call.in_stride, call.out_stride);
        call.bias = take(&call, 1, call.out_stride);
        call.merged = take(&call, coarse->map.rows, 4 * call.in_stride);
        y_room = take_rows(&call, out);
        FCMAE_TRY(fcmae_arena_end_pass(&call.arena, "a downsampling", error));
    }
    fill_weight(&call, weight);
    if (bias) memcpy(call.bias, bias, (size_t)out * sizeof *bias);
    call.x = x;
    call.y = y_room ? y_room : y;
    run(&call, row_tasks(&call), merge_task);
    unpad(&call, call.y, out, y);
    fcmae_arena_release(&call.arena);
    return FCMAE_OK;
}

/** Gradients of the downsampling once all memory is there. */
static void downsample_backward(sites_call *call, const float *weight,
                                const fcmae_sites_gradients *gradients)
{
    float *dx = gradients->dx, *dweight = gradients->dweight, *dbias = gradients->dbias;
    if (dx) {
        fill_weight(call, weight);
        call->dx = dx;
        run(call, row_tasks(call), downsample_data_task);
    }
    if (dweight) {
        run(call, row_tasks(call), merge_task);
        run(call, call->layer.weight.panels, downsample_weight_task);
        for (int o = 0; o < call->out; o++)
            for (int c = 0; c < call->in; c++)
                for (int k = 0; k < 4; k++) *dweight++ = call->dweight[weight_place(call, o, c, k)];
    }
    if (dbias) {
        sum_bias(call);
        memcpy(dbias, call->dbias, (size_t)call->out * sizeof *dbias);
    }
}

fcmae_status fcmae_sites_downsample_backward(const fcmae_sites *coarse, int in, int out,
                                             const float *x, const float *weight, const float *dy,
                                             const fcmae_sites_gradients *gradients,
                                             fcmae_error *error)
{
    float *dx = gradients->dx, *dweight = gradients->dweight;
    FCMAE_TRY(check_downsample(coarse, in, out, error));
    FCMAE_TRY(check_array(dy, "dy", coarse->map.rows, error));
    if (dweight) FCMAE_TRY(check_array(x, "x, needed for dweight,", coarse->fine_rows, error));
    if (dx) FCMAE_TRY(check_array(weight, "weight, needed for dx,", 1, error));
    sites_call call = start_call(coarse, in, out);
    float *dy_room = 0;
    int64_t rows = coarse->map.rows;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_sparse_downsample_reserve(&call.layer, &call.arena, in, out, dx != 0);
        if (dx) call.weight = take(&call, 4 * call.in_stride, call.out_stride);
        if (dx) call.dmerged = take(&call, rows, 4 * call.in_stride);
        if (dweight) call.dweight = take(&call, 4 * call.in_stride, call.out_stride);
        if (dweight) call.merged = take(&call, rows, 4 * call.in_stride);
        call.dbias = take(&call, 1, call.out_stride);
        dy_room = take_rows(&call, out);
        FCMAE_TRY(fcmae_arena_end_pass(&call.arena, "a downsampling", error));
    }
    call.x = x;
    call.dy = padded(&call, dy, out, dy_room);
    downsample_backward(&call, weight, gradients);
    fcmae_arena_release(&call.arena);
    return FCMAE_OK;
}
