/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * bench_step [--bf16] [--isa NAME] [--batch-size N] [--steps N] [MODEL...]: where the time of a
 * pretraining step goes. Every kernel of the lanes is timed on its way through the kernel table and
 * added up by kernel and shape; what is left over is everything that is not a kernel (site maps,
 * reading pixels, loops around kernels). Products are given as a fraction of the peak that is measured
 * beside them. Timing a call costs about 50 ns, so small kernels look a little slower than they are.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcmae/mask.h"
#include "fcmae/measure.h"
#include "fcmae/preset.h"
#include "model/engine.h"

enum { MOST_LINES = 256, MOST_LANES = 16, SIDE = 224, CELLS = 49 };

/* One line of the profile: a kernel and, for products, its shape. */
typedef struct line {
    const char *name;
    int depth, width, row; /* products: k, panel width, stride of the result */
    double seconds, flops;
    int64_t calls;
} line;

typedef struct lane_profile {
    line lines[MOST_LINES];
    int count;
} lane_profile;

static struct {
    const fcmae_kernels *kernels; /* the measured table */
    lane_profile lanes[MOST_LANES];
    int lane_count;
} profile;

static _Thread_local lane_profile *mine;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void add(const char *name, int depth, int width, int row, double flops, double start)
{
    double seconds = now() - start;
    if (!mine) mine = &profile.lanes[__atomic_fetch_add(&profile.lane_count, 1, __ATOMIC_RELAXED) % MOST_LANES];
    line *found = mine->lines, *end = mine->lines + mine->count;
    while (found < end && (found->name != name || found->depth != depth || found->width != width || found->row != row))
        found++;
    if (found == end) {
        if (mine->count == MOST_LINES) return;
        mine->count++;
        *found = (line){.name = name, .depth = depth, .width = width, .row = row};
    }
    found->seconds += seconds;
    found->flops += flops;
    found->calls++;
}

static void time_product(const fcmae_product *p)
{
    double start = now();
    int depth = p->a_panels * p->a_panel_width;
    profile.kernels->product(p);
    bool gradient = p->a_step != 1;
    add(gradient ? "gradient" : "product", gradient ? p->rows : depth, p->width, (int)p->c_row,
        2.0 * p->rows * p->width * depth, start);
}

static void time_pairs(const fcmae_product *p)
{
    double start = now();
    int depth = 2 * p->a_panels * p->a_panel_width;
    profile.kernels->product_pairs(p);
    bool gradient = p->a_step != 1;
    add(gradient ? "gradient, bf16" : "product, bf16", gradient ? p->rows : depth, p->width,
        (int)p->c_row, 2.0 * p->rows * p->width * depth, start);
}

/* The rest of the table: name, parameters, arguments. */
#define TIMED(member, columns, parameters, arguments)                                              \
    static void time_##member parameters                                                           \
    {                                                                                              \
        double start = now();                                                                      \
        profile.kernels->member arguments;                                                         \
        add(#member, 0, columns, 0, 0, start);                                                     \
    }

TIMED(narrow_rows, 0, (int rows, int columns, const float *x, int64_t stride, uint16_t *out, int64_t out_stride),
      (rows, columns, x, stride, out, out_stride))
TIMED(narrow_pairs, 0, (int rows, int columns, const float *x, int64_t stride, uint32_t *out, int64_t out_stride),
      (rows, columns, x, stride, out, out_stride))
TIMED(scale_panel_narrow, 0, (int rows, int width, const float *in, const float *scale, uint16_t *out),
      (rows, width, in, scale, out))
TIMED(gelu, 0, (int rows, int width, float *z, float *slope, float *square), (rows, width, z, slope, square))
TIMED(gelu_pairs, 0, (int rows, int width, float *z, float *square), (rows, width, z, square))
TIMED(scale_panel, 0, (int rows, int width, const float *in, const float *scale, float *out),
      (rows, width, in, scale, out))
TIMED(scale_and_dot, 0, (int rows, int width, const float *gradient, const float *hidden, const float *scale,
       float *scaled, float *dot), (rows, width, gradient, hidden, scale, scaled, dot))
TIMED(hidden_backward, 0, (int rows, int width, float *gradient, const float *hidden, const float *slope,
       const float *scale, const float *feedback, float *sum),
      (rows, width, gradient, hidden, slope, scale, feedback, sum))
TIMED(scale_and_dot_pairs, 0, (int first, int rows, int width, const float *gradient, const float *hidden,
       const float *scale, uint32_t *pairs, float *dot), (first, rows, width, gradient, hidden, scale, pairs, dot))
TIMED(hidden_backward_narrow, 0, (int first, int rows, int width, const float *gradient, const float *hidden,
       const float *scale, const float *feedback, uint16_t *narrow, uint32_t *pairs, float *sum),
      (first, rows, width, gradient, hidden, scale, feedback, narrow, pairs, sum))
TIMED(scale_bytes, 0, (int rows, int count, const uint8_t *in, int64_t in_row, const float *scale,
       const float *shift, float *out), (rows, count, in, in_row, scale, shift, out))
TIMED(layernorm, 0, (int rows, int channels, int stride, const float *x, float *normalised, float *rstd,
       const float *weight, const float *bias, float *out),
      (rows, channels, stride, x, normalised, rstd, weight, bias, out))
TIMED(layernorm_backward, 0, (int rows, int channels, int stride, const float *normalised, const float *rstd,
       const float *dn, float *dx), (rows, channels, stride, normalised, rstd, dn, dx))
TIMED(column_sum, 0, (int rows, int columns, int64_t stride, const float *x, float factor, float *sum),
      (rows, columns, stride, x, factor, sum))
TIMED(depthwise_block, block->columns, (const fcmae_depthwise_block *block, const float *taps, int64_t tap_stride,
       const float *bias, float *const *out), (block, taps, tap_stride, bias, out))
TIMED(depthwise_quads, columns, (int first, int last, int columns, const fcmae_neighbours *neighbours, const float *x,
       int64_t stride, const float *taps, int64_t tap_stride, const float *bias, float *out, const float *soon_read,
       float *soon_written),
      (first, last, columns, neighbours, x, stride, taps, tap_stride, bias, out, soon_read, soon_written))
TIMED(depthwise_list, columns, (int first, int last, int columns, const fcmae_neighbours *neighbours, const float *x,
       int64_t stride, const float *taps, int64_t tap_stride, const float *bias, float *out),
      (first, last, columns, neighbours, x, stride, taps, tap_stride, bias, out))
TIMED(depthwise_block_taps, block->columns, (const fcmae_depthwise_block *block, const float *const *gradient,
       float *dtaps, int64_t tap_stride), (block, gradient, dtaps, tap_stride))
TIMED(depthwise_quad_taps, columns, (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,
       int64_t stride, float *dtaps, int64_t tap_stride),
      (pairs, columns, x, gradient, stride, dtaps, tap_stride))
TIMED(depthwise_list_taps, columns, (const fcmae_pairs *pairs, int columns, const float *x, const float *gradient,
       int64_t stride, float *dtaps, int64_t tap_stride),
      (pairs, columns, x, gradient, stride, dtaps, tap_stride))
TIMED(standardise, 0, (int count, float *x), (count, x))

static double time_squared_error(int rows, int width, float *p, const float *target, int64_t target_stride,
                                 float factor, float *sum)
{
    double start = now();
    double result = profile.kernels->squared_error(rows, width, p, target, target_stride, factor, sum);
    add("squared_error", 0, 0, 0, 0, start);
    return result;
}

static fcmae_kernels timed_table(const fcmae_kernels *table)
{
    fcmae_kernels t = *table;
    profile.kernels = table;
    t.product = time_product;
    t.product_pairs = time_pairs;
    t.narrow_rows = time_narrow_rows;
    t.narrow_pairs = time_narrow_pairs;
    t.scale_panel_narrow = time_scale_panel_narrow;
    t.gelu = time_gelu;
    t.gelu_pairs = time_gelu_pairs;
    t.scale_panel = time_scale_panel;
    t.scale_and_dot = time_scale_and_dot;
    t.hidden_backward = time_hidden_backward;
    t.scale_and_dot_pairs = time_scale_and_dot_pairs;
    t.hidden_backward_narrow = time_hidden_backward_narrow;
    t.scale_bytes = time_scale_bytes;
    t.layernorm = time_layernorm;
    t.layernorm_backward = time_layernorm_backward;
    t.column_sum = time_column_sum;
    t.depthwise_block = time_depthwise_block;
    t.depthwise_quads = time_depthwise_quads;
    t.depthwise_list = time_depthwise_list;
    t.depthwise_block_taps = time_depthwise_block_taps;
    t.depthwise_quad_taps = time_depthwise_quad_taps;
    t.depthwise_list_taps = time_depthwise_list_taps;
    t.standardise = time_standardise;
    t.squared_error = time_squared_error;
    return t;
}

typedef struct step_options {
    fcmae_precision precision;
    int instruction_set, batch, steps;
} step_options;

static int by_time(const void *a, const void *b)
{
    double x = ((const line *)a)->seconds, y = ((const line *)b)->seconds;
    return (x < y) - (x > y);
}

/* Adds the lanes up and prints ms per image of one lane. */
static void print_profile(const char *name, double images, double elapsed, double peak, int lanes)
{
    static lane_profile all;
    all.count = 0;
    for (int l = 0; l < profile.lane_count && l < MOST_LANES; l++)
        for (int i = 0; i < profile.lanes[l].count; i++) {
            const line *from = &profile.lanes[l].lines[i];
            int at = 0;
            while (at < all.count && (all.lines[at].name != from->name || all.lines[at].depth != from->depth ||
                                      all.lines[at].width != from->width || all.lines[at].row != from->row))
                at++;
            if (at == MOST_LINES) continue;
            if (at == all.count) all.lines[all.count++] = (line){from->name, from->depth, from->width, from->row, 0, 0, 0};
            all.lines[at].seconds += from->seconds;
            all.lines[at].flops += from->flops;
            all.lines[at].calls += from->calls;
        }
    qsort(all.lines, (size_t)all.count, sizeof *all.lines, by_time);
    double unit = 1e3 / images, sum = 0, products = 0, flops = 0;
    printf("%s: %.1f images/s, %.3f ms per image and lane; peak %.1f GFLOP/s per thread\n", name,
           images / elapsed, lanes * elapsed * unit, peak / lanes * 1e-9);
    printf("    ms/image  share  of peak      calls  kernel (k or rows of the gradient, width, stride)\n");
    for (int i = 0; i < all.count; i++) {
        const line *l = &all.lines[i];
        sum += l->seconds;
        flops += l->flops;
        if (l->flops > 0) products += l->seconds;
        printf("    %8.4f  %4.1f%%  ", l->seconds * unit, 100 * l->seconds / (lanes * elapsed));
        if (l->flops > 0)
            printf("  %5.2f  ", l->flops / l->seconds / (peak / lanes));
        else
            printf("         ");
        printf("%9.1f  %s", (double)l->calls / images, l->name);
        if (l->depth) printf(" %d x %d, %d", l->depth, l->width, l->row);
        else if (l->width) printf(" %d", l->width);
        printf("\n");
    }
    printf("    %8.4f  %4.1f%%    %5.2f             all products\n", products * unit,
           100 * products / (lanes * elapsed), flops / products / (peak / lanes));
    printf("    %8.4f  %4.1f%%                      all kernels\n", sum * unit, 100 * sum / (lanes * elapsed));
}

static int profile_model(const char *name, const step_options *o)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    fcmae_model *model = NULL;
    fcmae_engine *engine = NULL;
    if (fcmae_preset_load(name, &config, NULL, &error) != FCMAE_OK) goto failed;
    fcmae_engine_options options = {.mode = FCMAE_MODE_PRETRAIN, .height = SIDE, .width = SIDE,
                                    .visible_cells = fcmae_mask_visible(CELLS, 0.6), .batch = o->batch,
                                    .precision = o->precision, .instruction_set = o->instruction_set};
    if (fcmae_model_create(&model, &config, &error) != FCMAE_OK) goto failed;
    fcmae_model_initialise(model, 1);
    if (fcmae_engine_create(&engine, model, &options, &error) != FCMAE_OK) goto failed;
    size_t bytes = (size_t)o->batch * SIDE * SIDE * 3;
    uint8_t *images = malloc(bytes), *removed = malloc((size_t)o->batch * CELLS);
    if (!images || !removed) return 1;
    uint32_t state = 1;
    for (size_t i = 0; i < bytes; i++) images[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    for (int i = 0; i < o->batch; i++)
        if (fcmae_mask_generate(1, 0, (uint64_t)i, 7, 7, 1, options.visible_cells, 1, removed + i * CELLS, &error) != FCMAE_OK)
            goto failed;
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    fcmae_batch batch = {.images = {.count = o->batch, .bytes = images, .mean = mean, .deviation = deviation},
                         .samples = o->batch, .removed = removed};
    int lanes = fcmae_engine_info(engine)->options.lanes;
    fcmae_kernels timed = timed_table(engine->kernels);
    double loss, elapsed = 0, peak = 0;
    for (int step = -1; step < o->steps; step++) {
        if (step == 0) {
            memset(profile.lanes, 0, sizeof profile.lanes);
            for (int l = 0; l < lanes; l++) engine->lane[l].workspace.kernels = &timed;
        }
        fcmae_engine_zero_gradients(engine);
        double start = now();
        if (fcmae_engine_step(engine, &batch, 1, &loss, &error) != FCMAE_OK) goto failed;
        if (step < 0) continue;
        elapsed += now() - start;
        peak += fcmae_measure_peak(o->instruction_set, o->precision == FCMAE_BFLOAT16, 0, 0.02) / o->steps;
    }
    print_profile(name, (double)o->batch * o->steps, elapsed, peak, lanes);
    free(images);
    free(removed);
    fcmae_engine_destroy(&engine);
    fcmae_model_destroy(&model);
    return 0;
failed:
    fprintf(stderr, "bench_step: %s\n", error.message);
    return 1;
}

int main(int count, char **arguments)
{
    static const char *const sets[] = {"best", "portable", "avx2", "avx512"};
    step_options o = {.batch = 64, .steps = 4};
    int i = 1, models = 0, result = 0;
    for (; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (!strcmp(arguments[i], "--bf16")) {
            o.precision = FCMAE_BFLOAT16;
        } else if (!strcmp(arguments[i], "--isa")) {
            for (int s = 0; s < 4; s++)
                if (!strcmp(value, sets[s])) o.instruction_set = s;
            i++;
        } else if (!strcmp(arguments[i], "--batch-size") && atoi(value) > 0) {
            o.batch = atoi(value);
            i++;
        } else if (!strcmp(arguments[i], "--steps") && atoi(value) > 0) {
            o.steps = atoi(value);
            i++;
        } else if (arguments[i][0] == '-') {
            fprintf(stderr, "usage: bench_step [--bf16] [--isa best|portable|avx2|avx512] "
                            "[--batch-size N] [--steps N] [MODEL...]\n");
            return 2;
        } else {
            models++;
            if (!result) result = profile_model(arguments[i], &o);
        }
    }
    return models || result ? result : profile_model("atto", &o);
}
