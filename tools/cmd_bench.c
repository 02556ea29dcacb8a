/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae bench: whole steps, against what the machine can do at best in the same seconds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"

enum bench_mode { BENCH_PRETRAIN, BENCH_CLASSIFY, BENCH_INFERENCE, BENCH_ENCODER };

struct bench_values {
    const char *model, *input_size;
    int64_t batch_size, accumulate, threads, lanes, micro_batch, steps, warmup, seed, classes;
    double mask_ratio;
    int mode, precision, isa, grn_scope;
    bool json;
};
#define AT(member) offsetof(struct bench_values, member)

static const fcmae_option options[] = {
    {"model", FCMAE_OPTION_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE",
     .help = CLI_HELP_MODEL},
    {"mode", FCMAE_OPTION_CHOICE, AT(mode), .fallback = "pretrain",
     .choices = "pretrain|classify|inference|encoder",
     .help = "pretrain: masked step with gradients and AdamW. classify: the same for supervised "
             "training, every cell visible. inference: forward pass of the classifier. encoder: "
             "forward pass of the encoder over the visible cells."},
    {"input-size", FCMAE_OPTION_TEXT, AT(input_size), .fallback = "224", .unit = "PX",
     .help = "Side of an image in pixels, or HEIGHTxWIDTH."},
    {"batch-size", FCMAE_OPTION_INTEGER, AT(batch_size), .fallback = "64", .range = "[1, 65536]",
     .help = "Images of one pass."},
    {"accumulate", FCMAE_OPTION_INTEGER, AT(accumulate), .fallback = "1", .range = "[1, 65536]",
     .help = "Passes per step of a training mode; the step's batch is so many times as large."},
    {"mask-ratio", FCMAE_OPTION_NUMBER, AT(mask_ratio), .fallback = FCMAE_MASK_RATIO,
     .range = "[0, 1)",
     .help = "Part of the cells removed in modes pretrain and encoder; 0 in the latter only."},
    {"grn-scope", FCMAE_OPTION_CHOICE, AT(grn_scope), .fallback = "image", .choices = "image|batch",
     .help = "Sites over which GRN takes its norm."},
    {"classes", FCMAE_OPTION_INTEGER, AT(classes), .fallback = "1000", .range = "[1, 1000000]",
     .help = "Classes of the classifier."},
    {"precision", FCMAE_OPTION_CHOICE, AT(precision), .fallback = "f32", .choices = "f32|bf16",
     .help = CLI_HELP_PRECISION},
    {"isa", FCMAE_OPTION_CHOICE, AT(isa), .fallback = "auto", .choices = FCMAE_INSTRUCTION_SETS,
     .help = "Most capable instructions to use in the step and in the peak: another machine on "
             "this one."},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"lanes", FCMAE_OPTION_INTEGER, AT(lanes), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_LANES},
    {"micro-batch", FCMAE_OPTION_INTEGER, AT(micro_batch), .fallback = "0", .range = "[0, 65536]",
     .help = CLI_HELP_MICRO_BATCH},
    {"steps", FCMAE_OPTION_INTEGER, AT(steps), .fallback = "10", .range = "[1, 100000]",
     .help = "Steps that are timed."},
    {"warmup", FCMAE_OPTION_INTEGER, AT(warmup), .fallback = "2", .range = "[0, 1000]",
     .help = "Steps before them."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of the weights, images and masks."},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

/* Seconds of the parts of one step. */
enum part { PART_PACK, PART_NETWORK, PART_SUM, PART_UPDATE, PART_COUNT };
static const char *const part_names[PART_COUNT] = {"packing weights", "forward and backward",
                                                   "summing gradients", "AdamW"};

typedef struct bench {
    const cli_arguments *arguments;
    const struct bench_values *o;
    fcmae_model_config config;
    fcmae_engine_options engine_options;
    fcmae_engine_plan_info plan;
    fcmae_model *model;
    fcmae_engine *engine;
    fcmae_adamw *adamw;
    int64_t batch;
    uint8_t *images, *removed;
    float *targets, *logits, *pooled, *probe;
    double *times[PART_COUNT], *totals, *peaks, *pair_peaks, *bandwidths; /* [steps] */
    uint64_t peak_memory; /* without the buffer of the bandwidth measurement */
} bench;

enum { PROBE_BYTES = 96 << 20 }; /* larger than a last-level cache, a few milliseconds to update */

static bool trains(const bench *b)
{
    return b->o->mode == BENCH_PRETRAIN || b->o->mode == BENCH_CLASSIFY;
}

static bool masks(const bench *b)
{
    return b->o->mode == BENCH_PRETRAIN || b->o->mode == BENCH_ENCODER;
}

/* Images of a whole step. */
static int64_t step_images(const bench *b)
{
    return b->batch * (trains(b) ? b->o->accumulate : 1);
}

static int cells_of(const bench *b)
{
    int patch = fcmae_config_patch(&b->config);
    return (b->engine_options.height / patch) * (b->engine_options.width / patch);
}

static int set_up_options(bench *b)
{
    const struct bench_values *o = b->o;
    fcmae_error error = {0};
    if (fcmae_preset_load(o->model, &b->config, &error) != FCMAE_OK)
        return cli_fail(b->arguments, &error);
    static const char *const objectives[] = {"masked", "classify", "classify", NULL};
    b->config.objective = objectives[o->mode];
    b->config.classes = (int)o->classes;
    b->config.grn_scope = (fcmae_grn_scope)o->grn_scope;
    b->engine_options = (fcmae_engine_options){.train = trains(b),
                                               .batch = (int)o->batch_size,
                                               .lanes = (int)o->lanes,
                                               .micro_batch = (int)o->micro_batch,
                                               .threads = (int)o->threads,
                                               .precision = (fcmae_precision)o->precision,
                                               .instruction_set = o->isa};
    int result = cli_input_size(b->arguments->command, "input-size", o->input_size, &b->config,
                                &b->engine_options.height, &b->engine_options.width);
    if (result != CLI_SUCCESS) return result;
    if (o->mode == BENCH_PRETRAIN && o->mask_ratio == 0)
        return cli_usage_error(b->arguments->command,
                               "--mask-ratio 0: pretraining predicts removed cells; measure the "
                               "whole image with --mode encoder");
    if (masks(b)) {
        if (o->mode == BENCH_PRETRAIN && cells_of(b) < 2)
            return cli_usage_error(b->arguments->command,
                                   "--input-size %s: one cell cannot be masked; use two or more",
                                   o->input_size);
        b->engine_options.visible_cells = o->mask_ratio > 0
                                              ? fcmae_mask_visible(cells_of(b), o->mask_ratio)
                                              : cells_of(b);
    }
    if (fcmae_engine_plan(&b->config, &b->engine_options, &b->plan, &error) != FCMAE_OK)
        return cli_fail(b->arguments, &error);
    double moments = !trains(b) ? 0 : 2.0 * (double)b->plan.parameter_bytes;
    if (cli_check_memory((double)b->plan.total_bytes + moments + PROBE_BYTES,
                         "fewer --lanes, a smaller --micro-batch or a smaller model",
                         &error) != FCMAE_OK)
        return cli_fail(b->arguments, &error);
    return CLI_SUCCESS;
}

static fcmae_status no_memory(fcmae_error *error)
{
    return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
}

/* Noise for images, masks as in training, one-hot targets. */
static fcmae_status make_batch(bench *b, fcmae_error *error)
{
    const fcmae_engine_options *e = &b->engine_options;
    size_t batch = (size_t)b->batch, cells = (size_t)cells_of(b);
    size_t bytes = batch * (size_t)e->height * (size_t)e->width * (size_t)b->config.channels;
    b->images = malloc(bytes);
    if (!b->images) return no_memory(error);
    uint64_t state = (uint64_t)b->o->seed;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        b->images[i] = (uint8_t)(state >> 56);
    }
    if (masks(b)) {
        if (b->o->mode == BENCH_ENCODER) {
            b->pooled = malloc(batch * (size_t)b->config.dims[3] * sizeof *b->pooled);
            if (!b->pooled) return no_memory(error);
            if (e->visible_cells == (int)cells) return FCMAE_OK;
        }
        int patch = fcmae_config_patch(&b->config);
        b->removed = malloc(batch * cells);
        if (!b->removed) return no_memory(error);
        const fcmae_mask_shape shape = {.seed = (uint64_t)b->o->seed,
                                        .height = e->height / patch,
                                        .width = e->width / patch,
                                        .unit = 1,
                                        .visible = e->visible_cells,
                                        .views = 1};
        for (size_t i = 0; i < batch; i++) {
            fcmae_status status = fcmae_mask_generate(&shape, 0, i, b->removed + i * cells, error);
            if (status != FCMAE_OK) return status;
        }
    } else {
        size_t classes = (size_t)b->config.classes;
        b->targets = calloc(batch * classes, sizeof *b->targets);
        b->logits = malloc(batch * classes * sizeof *b->logits);
        if (!b->targets || !b->logits) return no_memory(error);
        for (size_t i = 0; i < batch; i++) b->targets[i * classes + i % classes] = 1;
    }
    return FCMAE_OK;
}

static fcmae_status set_up(bench *b, fcmae_error *error)
{
    size_t steps = (size_t)b->o->steps;
    fcmae_status status = fcmae_model_create(&b->model, &b->config, error);
    if (status != FCMAE_OK) return status;
    fcmae_model_initialise(b->model, (uint64_t)b->o->seed);
    status = fcmae_engine_create(&b->engine, b->model, &b->engine_options, error);
    if (status != FCMAE_OK) return status;
    if (trains(b)) {
        fcmae_adamw_options adamw = fcmae_adamw_defaults();
        adamw.instruction_set = b->o->isa;
        status = fcmae_adamw_create(&b->adamw, b->model, &adamw, error);
        if (status != FCMAE_OK) return status;
    }
    for (int part = 0; part < PART_COUNT; part++) {
        b->times[part] = calloc(steps, sizeof(double));
        if (!b->times[part]) return no_memory(error);
    }
    b->totals = calloc(steps, sizeof(double));
    b->peaks = calloc(steps, sizeof(double));
    b->pair_peaks = calloc(steps, sizeof(double));
    b->bandwidths = calloc(steps, sizeof(double));
    b->probe = calloc(1, PROBE_BYTES);
    if (!b->totals || !b->peaks || !b->pair_peaks || !b->bandwidths || !b->probe)
        return no_memory(error);
    return make_batch(b, error);
}

static void tear_down(bench *b)
{
    fcmae_adamw_destroy(&b->adamw);
    fcmae_engine_destroy(&b->engine);
    fcmae_model_destroy(&b->model);
    for (int part = 0; part < PART_COUNT; part++) free(b->times[part]);
    free(b->totals);
    free(b->peaks);
    free(b->pair_peaks);
    free(b->bandwidths);
    free(b->images);
    free(b->removed);
    free(b->targets);
    free(b->logits);
    free(b->pooled);
    free(b->probe);
}

/* One whole step as in training; times[part] gets its seconds. */
static fcmae_status one_step(bench *b, double times[PART_COUNT], double *loss, fcmae_error *error)
{
    static const float mean[64] = {0},
                       deviation[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    fcmae_batch batch = {
        .images = {.count = b->batch, .bytes = b->images, .mean = mean, .deviation = deviation},
        .samples = b->batch,
        .removed = b->removed,
        .targets = b->targets};
    double start = fcmae_measure_seconds();
    if (!trains(b)) {
        fcmae_outputs outputs = {.logits = b->logits, .pooled = b->pooled};
        fcmae_status status = fcmae_engine_forward(b->engine, &batch, &outputs, error);
        times[PART_NETWORK] = fcmae_measure_seconds() - start;
        return status;
    }
    fcmae_engine_pack(b->engine);
    double packed = fcmae_measure_seconds();
    fcmae_engine_zero_gradients(b->engine);
    fcmae_status status = FCMAE_OK;
    for (int64_t pass = 0; pass < b->o->accumulate && status == FCMAE_OK; pass++)
        status = fcmae_engine_step(b->engine, &batch, 1.0 / (double)b->o->accumulate, loss, error);
    if (status != FCMAE_OK) return status;
    double passed = fcmae_measure_seconds();
    float *gradients;
    status = fcmae_engine_gradients(b->engine, &gradients, error);
    if (status != FCMAE_OK) return status;
    double summed = fcmae_measure_seconds();
    status = fcmae_adamw_step(b->adamw, fcmae_model_values(b->model), gradients, 1e-5,
                              fcmae_engine_info(b->engine)->options.threads, NULL, error);
    times[PART_PACK] = packed - start;
    times[PART_NETWORK] = passed - packed;
    times[PART_SUM] = summed - passed;
    times[PART_UPDATE] = fcmae_measure_seconds() - summed;
    return status;
}

/* Steps with the machine's own limits measured between them. */
static fcmae_status measure(bench *b, fcmae_error *error)
{
    int threads = fcmae_engine_info(b->engine)->options.threads;
    cli_progress progress;
    int64_t all = b->o->warmup + b->o->steps;
    cli_progress_start(&progress, b->arguments, "bench", "step", 0, all);
    memset(b->probe, 1, PROBE_BYTES);
    fcmae_status status = FCMAE_OK;
    for (int64_t step = 0; step < all && status == FCMAE_OK; step++) {
        double times[PART_COUNT] = {0}, loss = NAN;
        status = one_step(b, times, &loss, error);
        int64_t timed = step - b->o->warmup;
        if (timed >= 0) {
            for (int part = 0; part < PART_COUNT; part++) {
                b->times[part][timed] = times[part];
                b->totals[timed] += times[part];
            }
            b->peaks[timed] = fcmae_measure_peak(b->o->isa, false, threads, 0.02);
            if (b->o->precision == FCMAE_BFLOAT16)
                b->pair_peaks[timed] = fcmae_measure_peak(b->o->isa, true, threads, 0.02);
            b->bandwidths[timed] = fcmae_measure_bandwidth(b->probe, PROBE_BYTES, threads);
        }
        cli_progress_update(&progress, step + 1, step_images(b), loss);
    }
    cli_progress_end(&progress);
    uint64_t peak = fcmae_measure_peak_memory();
    b->peak_memory = peak > PROBE_BYTES ? peak - PROBE_BYTES : peak;
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; returns the value at that share: 0 the least, 0.5 the median. */
static double quantile(double *values, int64_t count, double share)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    double at = share * (double)(count - 1);
    int64_t low = (int64_t)at;
    int64_t high = low + 1 < count ? low + 1 : low;
    return values[low] + (at - (double)low) * (values[high] - values[low]);
}

typedef struct summary {
    double step, best, parts[PART_COUNT], images_per_s, best_images_per_s, flops, peak, pair_peak,
        bandwidth;
} summary;

static summary summarise(bench *b)
{
    summary s = {0};
    int64_t steps = b->o->steps;
    for (int part = 0; part < PART_COUNT; part++)
        s.parts[part] = quantile(b->times[part], steps, 0.5);
    s.step = quantile(b->totals, steps, 0.5);
    s.best = b->totals[0];
    s.images_per_s = (double)step_images(b) / s.step;
    s.best_images_per_s = (double)step_images(b) / s.best;
    const fcmae_engine_plan_info *plan = fcmae_engine_info(b->engine);
    double each = plan->forward_flops;
    if (trains(b)) each += plan->backward_flops;
    s.flops = each * s.images_per_s;
    s.peak = quantile(b->peaks, steps, 0.5);
    s.pair_peak = quantile(b->pair_peaks, steps, 0.5);
    s.bandwidth = quantile(b->bandwidths, steps, 0.5);
    return s;
}

static const char *instruction_set(const bench *b)
{
    return fcmae_measure_instruction_set(b->o->isa, b->o->precision == FCMAE_BFLOAT16);
}

static int print_json(const bench *b, const summary *s)
{
    const fcmae_engine_plan_info *plan = fcmae_engine_info(b->engine);
    static const char *const modes[] = {"pretrain", "classify", "inference", "encoder"};
    json_t *object = json_pack(
        "{s:s, s:s, s:i, s:i, s:I, s:I, s:i, s:i, s:s, s:i, s:i, s:i, s:s, s:I}", "model",
        b->config.name, "mode", modes[b->o->mode], "height", plan->options.height, "width",
        plan->options.width, "batch_size", (json_int_t)b->batch, "step_images",
        (json_int_t)step_images(b), "cells", cells_of(b), "visible_cells",
        plan->options.visible_cells, "precision",
        plan->options.precision == FCMAE_BFLOAT16 ? "bf16" : "f32", "threads",
        plan->options.threads, "lanes", plan->options.lanes, "micro_batch",
        plan->options.micro_batch, "instruction_set", instruction_set(b), "steps",
        (json_int_t)b->o->steps);
    static const char *const keys[PART_COUNT] = {"pack_s", "network_s", "sum_s", "update_s"};
    cli_json_set(&object, "step_s", cli_json_figure(s->step));
    for (int part = 0; part < PART_COUNT; part++)
        cli_json_set(&object, keys[part], cli_json_figure(s->parts[part]));
    cli_json_set(&object, "images_per_s", cli_json_figure(s->images_per_s));
    cli_json_set(&object, "best_images_per_s", cli_json_figure(s->best_images_per_s));
    cli_json_set(&object, "gflops", cli_json_figure(s->flops * 1e-9));
    cli_json_set(&object, "fma_peak_gflops", cli_json_figure(s->peak * 1e-9));
    cli_json_set(&object, "peak_fraction", cli_json_figure(s->flops / s->peak));
    if (b->o->precision == FCMAE_BFLOAT16) {
        cli_json_set(&object, "bf16_peak_gflops", cli_json_figure(s->pair_peak * 1e-9));
        cli_json_set(&object, "peak_fraction_bf16", cli_json_figure(s->flops / s->pair_peak));
    }
    cli_json_set(&object, "memory_bandwidth_gb_s", cli_json_figure(s->bandwidth * 1e-9));
    cli_json_set(&object, "planned_memory_bytes", json_integer((json_int_t)plan->total_bytes));
    cli_json_set(&object, "peak_memory_bytes", json_integer((json_int_t)b->peak_memory));
    return cli_print_json(b->arguments, object);
}

static int print_text(const bench *b, const summary *s)
{
    const fcmae_engine_plan_info *plan = fcmae_engine_info(b->engine);
    const fcmae_engine_options *e = &plan->options;
    static const char *const modes[] = {"pretraining", "supervised training", "inference",
                                        "encoder alone"};
    char text[32];
    printf("%s, %s: ", CLI_SHOWN(b->config.name), modes[b->o->mode]);
    if (step_images(b) > b->batch) printf("%lld times ", (long long)b->o->accumulate);
    printf("batch %lld of %d x %d pixels", (long long)b->batch, e->height, e->width);
    if (masks(b)) printf(", %d of %d cells visible", e->visible_cells, cells_of(b));
    printf("\n%s, %s, %d threads, %d lanes, micro-batch %d; medians of %lld steps\n\n",
           e->precision == FCMAE_BFLOAT16 ? "bf16" : "f32", instruction_set(b), e->threads,
           e->lanes, e->micro_batch, (long long)b->o->steps);
    printf("images/s          %10.2f   (best step %.2f)\n", s->images_per_s, s->best_images_per_s);
    printf("step              %10.4f s\n", s->step);
    for (int part = 0; part < PART_COUNT; part++)
        if (s->parts[part] > 0) printf("  %-21s %8.4f s\n", part_names[part], s->parts[part]);
    printf("speed             %10.1f GFLOP/s of necessary operations\n", s->flops * 1e-9);
    printf("FMA peak          %10.1f GFLOP/s, float32, measured between the steps\n",
           s->peak * 1e-9);
    printf("fraction of peak  %10.3f\n", s->flops / s->peak);
    if (b->o->precision == FCMAE_BFLOAT16)
        printf("bf16 peak         %10.1f GFLOP/s; fraction %.3f\n", s->pair_peak * 1e-9,
               s->flops / s->pair_peak);
    printf("memory bandwidth  %10.1f GB/s, update in place\n", s->bandwidth * 1e-9);
    printf("peak memory       %10s", cli_bytes((double)b->peak_memory, text, sizeof text));
    printf("   (engine: %s)\n", cli_bytes((double)plan->total_bytes, text, sizeof text));
    return cli_finish(b->arguments);
}

static int run(const cli_arguments *arguments)
{
    bench b = {.arguments = arguments, .o = arguments->values};
    b.batch = b.o->batch_size;
    int result = set_up_options(&b);
    if (result != CLI_SUCCESS) return result;
    cli_remark_emulation(arguments, b.o->precision, b.o->isa);
    fcmae_error error = {0};
    fcmae_status status = set_up(&b, &error);
    if (status == FCMAE_OK) status = measure(&b, &error);
    if (status == FCMAE_OK) {
        summary s = summarise(&b);
        result = b.o->json ? print_json(&b, &s) : print_text(&b, &s);
    } else {
        result = cli_fail(arguments, &error);
    }
    tear_down(&b);
    return result;
}

const cli_command cli_command_bench = {
    .set =
        &(const fcmae_option_set){
            .name = "bench",
            .purpose = "measure whole steps and how near they come to the machine's limit",
            .description = "Runs whole training steps on noise: packing the weights, forward and "
                           "backward, the sum of the gradients, AdamW. Between the steps it "
                           "measures what the processor can do at best, so that the fraction of "
                           "the peak means the same on a busy machine as on an idle one.\n\n"
                           "Speed counts the operations the method needs (visible sites only, two "
                           "per multiply-add); work that an implementation adds does not count. "
                           "Reading and decoding images is not part of it: a run's log shows how "
                           "long it waits for data.",
            .example = "fcmae bench --model atto --batch-size 64\n"
                       "fcmae bench --model tiny --mode inference --batch-size 1 --json",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct bench_values),
        },
    .run = run,
};
