/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Linear probes on cached features. All learning rates are trained side by side, one thread each; a
 * run is a function of the features and options alone.
 *
 * LARS (You et al., arXiv 1708.03888) as in MAE's code: for the weights, the update g + wd w is
 * scaled by trust |w| / |g + wd w|; the bias has neither decay nor scaling. m = momentum m + g; w
 * -= lr m.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/random.h"
#include "dense/linear.h"
#include "fcmae/evaluate.h"
#include "fcmae/optimiser.h"

#define EPSILON 1e-6 /* of the BatchNorm */
#define INITIAL_DEVIATION 0.01

enum { ROWS = 128 }; /* features worked on at a time */

static const double default_rates[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};

fcmae_probe_options fcmae_probe_defaults(void)
{
    return (fcmae_probe_options){.optimiser = FCMAE_PROBE_LARS,
                                 .rates = default_rates,
                                 .rate_count = (int)(sizeof default_rates / sizeof *default_rates),
                                 .epochs = 90,
                                 .warmup_epochs = 10,
                                 .batch = 1024,
                                 .momentum = 0.9,
                                 .trust = 0.001,
                                 .held_out = 0.1};
}

void fcmae_probe_release(fcmae_probe *probe)
{
    free(probe->weight);
    free(probe->bias);
    free(probe->held_out_accuracy);
    *probe = (fcmae_probe){0};
}

/* ---- what all runs share ---- */

typedef struct probe_data {
    const fcmae_probe_options *options;
    const fcmae_kernels *kernels;
    int dimension, stride, classes, class_stride;
    float *rows; /* standardised features [count][stride] */
    const int32_t *labels;
    double *mean, *scale;   /* of the BatchNorm */
    int64_t *fitted, *held; /* row numbers */
    int64_t count, fitted_count, held_count;
} probe_data;

/** One run. */
typedef struct probe_run {
    const probe_data *data;
    double rate;
    const int64_t *rows; /* trained on */
    int64_t row_count;
    double accuracy; /* on the held-out rows */
    double loss;
    fcmae_arena arena;
    float *weight, *gradient, *momentum;         /* [dimension][class_stride] */
    float *bias, *bias_gradient, *bias_momentum; /* [class_stride] */
    float *x, *logits;                           /* [ROWS][stride], [ROWS][class_stride] */
    fcmae_packed packed;
    int64_t *order;
    fcmae_status status;
    fcmae_error error;
} probe_run;

static fcmae_status reserve_run(probe_run *run)
{
    const probe_data *d = run->data;
    size_t weights = (size_t)d->dimension * (size_t)d->class_stride, k = (size_t)d->class_stride;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_arena *arena = &run->arena;
        run->weight = fcmae_arena_take(arena, weights, sizeof(float));
        run->gradient = fcmae_arena_take(arena, weights, sizeof(float));
        run->momentum = fcmae_arena_take(arena, weights, sizeof(float));
        run->bias = fcmae_arena_take(arena, k, sizeof(float));
        run->bias_gradient = fcmae_arena_take(arena, k, sizeof(float));
        run->bias_momentum = fcmae_arena_take(arena, k, sizeof(float));
        run->x = fcmae_arena_take(arena, ROWS * (size_t)d->stride, sizeof(float));
        run->logits = fcmae_arena_take(arena, ROWS * k, sizeof(float));
        run->order = fcmae_arena_take(arena, (size_t)run->row_count, sizeof(int64_t));
        fcmae_packed_reserve(&run->packed, arena, d->dimension, d->classes, false);
        FCMAE_TRY(fcmae_arena_end_pass(arena, "a linear probe", &run->error));
    }
    fcmae_random random = fcmae_random_start(d->options->seed, FCMAE_RANDOM_INITIALISATION, 1,
                                             UINT32_MAX);
    for (int c = 0; c < d->dimension; c++)
        for (int n = 0; n < d->classes; n++)
            run->weight[(int64_t)c * d->class_stride + n] = (float)(INITIAL_DEVIATION *
                                                                    fcmae_random_normal(&random));
    return FCMAE_OK;
}

static void pack(probe_run *run)
{
    for (int p = 0; p < run->packed.panels; p++)
        fcmae_packed_fill(run->data->kernels, &run->packed, p, run->weight, run->data->class_stride,
                          NULL);
}

/** Logits of up to ROWS features, whose rows are gathered in run->x. */
static void compute_logits(probe_run *run, const int64_t *rows, int count)
{
    const probe_data *d = run->data;
    for (int i = 0; i < count; i++)
        memcpy(run->x + (int64_t)i * d->stride, d->rows + rows[i] * d->stride,
               (size_t)d->stride * sizeof *run->x);
    for (int p = 0; p < run->packed.panels; p++) {
        int column = p * run->packed.width;
        fcmae_linear_rows(d->kernels, &run->packed, p, count, run->x, d->stride, run->bias + column,
                          NULL, 0, run->logits + column, d->class_stride);
    }
}

/** Softmax minus one-hot in place of the logits; returns the summed loss. */
static double loss_and_difference(probe_run *run, const int64_t *rows, int count, float factor)
{
    const probe_data *d = run->data;
    double loss = 0;
    for (int i = 0; i < count; i++) {
        float *z = run->logits + (int64_t)i * d->class_stride;
        int32_t label = d->labels[rows[i]];
        double most = z[0], total = 0;
        for (int k = 1; k < d->classes; k++)
            if (z[k] > most) most = z[k];
        for (int k = 0; k < d->classes; k++) total += exp(z[k] - most);
        loss += most + log(total) - z[label];
        for (int k = 0; k < d->classes; k++)
            z[k] = factor * (float)(exp(z[k] - most) / total - (k == label));
        for (int k = d->classes; k < d->class_stride; k++) z[k] = 0;
    }
    return loss;
}

static double norm_of(const float *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/** One update from the gradient, which is set to zero. */
static void apply(probe_run *run, double lr)
{
    const probe_data *d = run->data;
    const fcmae_probe_options *o = d->options;
    int64_t count = (int64_t)d->dimension * d->class_stride;
    float decay = (float)o->weight_decay, scale = 1, momentum = (float)o->momentum;
    for (int64_t i = 0; i < count; i++) run->gradient[i] += decay * run->weight[i];
    if (o->optimiser == FCMAE_PROBE_LARS) {
        double weight = norm_of(run->weight, count), update = norm_of(run->gradient, count);
        if (weight > 0 && update > 0) scale = (float)(o->trust * weight / update);
    }
    for (int64_t i = 0; i < count; i++) {
        run->momentum[i] = momentum * run->momentum[i] + scale * run->gradient[i];
        run->weight[i] -= (float)lr * run->momentum[i];
    }
    for (int k = 0; k < d->classes; k++) {
        run->bias_momentum[k] = momentum * run->bias_momentum[k] + run->bias_gradient[k];
        run->bias[k] -= (float)lr * run->bias_momentum[k];
    }
    memset(run->gradient, 0, (size_t)count * sizeof *run->gradient);
    memset(run->bias_gradient, 0, (size_t)d->class_stride * sizeof *run->bias_gradient);
}

/** Gradient of the mean loss of a batch; returns the summed loss. */
static double accumulate(probe_run *run, const int64_t *rows, int64_t count)
{
    const probe_data *d = run->data;
    double loss = 0;
    for (int64_t first = 0; first < count; first += ROWS) {
        int some = count - first < ROWS ? (int)(count - first) : ROWS;
        compute_logits(run, rows + first, some);
        loss += loss_and_difference(run, rows + first, some, 1.0f / (float)count);
        d->kernels->column_sum(some, d->class_stride, d->class_stride, run->logits, 1.0f,
                               run->bias_gradient);
        for (int p = 0; p < run->packed.panels; p++) {
            int column = p * run->packed.width;
            fcmae_linear_gradient(d->kernels, some, d->dimension, run->x, d->stride,
                                  run->logits + column, d->class_stride, run->packed.width,
                                  run->gradient + column, d->class_stride);
        }
    }
    return loss;
}

static double accuracy_on(probe_run *run, const int64_t *rows, int64_t count)
{
    const probe_data *d = run->data;
    int64_t right = 0;
    pack(run);
    for (int64_t first = 0; first < count; first += ROWS) {
        int some = count - first < ROWS ? (int)(count - first) : ROWS;
        compute_logits(run, rows + first, some);
        for (int i = 0; i < some; i++) {
            int32_t best;
            double probability;
            fcmae_top_classes(run->logits + (int64_t)i * d->class_stride, d->classes, 1, &best,
                              &probability);
            right += best == d->labels[rows[first + i]];
        }
    }
    return count > 0 ? (double)right / (double)count : 0;
}

static void train(probe_run *run)
{
    const probe_data *d = run->data;
    const fcmae_probe_options *o = d->options;
    int64_t count = run->row_count, batch = o->batch < count ? o->batch : count;
    int64_t batches = count / batch, steps = (int64_t)ceil(o->epochs * (double)batches);
    const fcmae_schedule schedule = {.lr = run->rate * (double)batch / 256,
                                     .warmup_epochs = o->warmup_epochs,
                                     .epochs = o->epochs};
    double loss = 0;
    for (int64_t step = 0; step < steps; step++) {
        int64_t place = step % batches;
        if (place == 0) {
            fcmae_random random = fcmae_random_start(o->seed, FCMAE_RANDOM_SHUFFLE,
                                                     (uint32_t)(step / batches), 0);
            fcmae_random_permutation(&random, count, run->order);
            for (int64_t i = 0; i < count; i++) run->order[i] = run->rows[run->order[i]];
            loss = 0;
        }
        pack(run);
        loss += accumulate(run, run->order + place * batch, batch);
        run->loss = loss / (double)((place + 1) * batch);
        apply(run, fcmae_schedule_rate(&schedule, ((double)step + 1) / (double)batches));
    }
    run->accuracy = isfinite(run->loss) ? accuracy_on(run, d->held, d->held_count) : 0;
}

static void run_task(void *argument, int64_t index, int worker)
{
    (void)worker;
    probe_run *run = (probe_run *)argument + index;
    run->status = reserve_run(run);
    if (run->status == FCMAE_OK) train(run);
}

/* ---- preparing the features ---- */

static fcmae_status check(const fcmae_features *f, int classes, const fcmae_probe_options *o,
                          fcmae_error *error)
{
    if (o->rate_count < 1 || !(o->epochs > 0 && o->epochs <= 1e6) || o->batch < 1 ||
        !(o->held_out > 0 && o->held_out < 1) || !(o->momentum >= 0 && o->momentum < 1) ||
        !(o->warmup_epochs >= 0 && o->warmup_epochs <= o->epochs) || !(o->weight_decay >= 0) ||
        !(o->trust > 0))
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "probe: %d rates, %g epochs (%g of them warm-up), batch %d, held-out share "
            "%g, momentum %g, weight decay %g or trust %g is outside its range",
            o->rate_count, o->epochs, o->warmup_epochs, o->batch, o->held_out, o->momentum,
            o->weight_decay, o->trust);
    for (int i = 0; i < o->rate_count; i++)
        if (!(o->rates[i] > 0 && isfinite(o->rates[i])))
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the learning rate %g is not positive",
                              o->rates[i]);
    if (classes < 1 || f->dimension < 1)
        return fcmae_fail(error, FCMAE_ERR_SHAPE, "a probe of %d features for %d classes",
                          f->dimension, classes);
    for (int64_t i = 0; i < f->count; i++)
        if (f->labels[i] < 0 || f->labels[i] >= classes)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "image %" PRId64 " has label %d of %d classes", i, f->labels[i],
                              classes);
    return FCMAE_OK;
}

/** BatchNorm's statistics and the normalised rows. */
static void standardise(probe_data *d, const fcmae_features *f)
{
    for (int c = 0; c < d->dimension; c++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < f->count; i++) sum += f->values[i * f->dimension + c];
        d->mean[c] = sum / (double)f->count;
        for (int64_t i = 0; i < f->count; i++) {
            double x = f->values[i * f->dimension + c] - d->mean[c];
            square += x * x;
        }
        d->scale[c] = 1 / sqrt(square / (double)f->count + EPSILON);
        for (int64_t i = 0; i < f->count; i++)
            d->rows[i * d->stride + c] = (float)((f->values[i * f->dimension + c] - d->mean[c]) *
                                                 d->scale[c]);
    }
}

/** Whether an image is held out depends on the seed and its number,
 *  so all its views go together. */
static fcmae_status split(probe_data *d, const fcmae_features *f, fcmae_error *error)
{
    for (int64_t i = 0; i < f->count; i++) {
        fcmae_random random = fcmae_random_start(d->options->seed, FCMAE_RANDOM_SUBSET, 1,
                                                 (uint64_t)f->indices[i]);
        if (fcmae_random_uniform(&random) < d->options->held_out)
            d->held[d->held_count++] = i;
        else
            d->fitted[d->fitted_count++] = i;
    }
    if (d->held_count > 0 && d->fitted_count > 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_SHAPE,
                      "%" PRId64 " images are too few to hold out a share of %g", f->count,
                      d->options->held_out);
}

static fcmae_status prepare(probe_data *d, const fcmae_features *f, fcmae_error *error)
{
    size_t count = (size_t)f->count, dimension = (size_t)d->dimension;
    d->rows = fcmae_allocate_aligned(count * (size_t)d->stride, sizeof *d->rows);
    d->mean = calloc(dimension, sizeof *d->mean);
    d->scale = calloc(dimension, sizeof *d->scale);
    d->fitted = calloc(count + 1, sizeof *d->fitted);
    d->held = calloc(count + 1, sizeof *d->held);
    if (!d->rows || !d->mean || !d->scale || !d->fitted || !d->held)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %zu features", count);
    standardise(d, f);
    return split(d, f, error);
}

/* ---- the sweep ---- */

/** The BatchNorm goes into the linear layer: W' = W s, b' = b - W (mean s). */
static fcmae_status fold(const probe_run *run, fcmae_probe *probe, fcmae_error *error)
{
    const probe_data *d = run->data;
    probe->classes = d->classes;
    probe->dimension = d->dimension;
    probe->rate = run->rate;
    probe->training_loss = run->loss;
    probe->weight = calloc((size_t)d->classes * (size_t)d->dimension, sizeof *probe->weight);
    probe->bias = calloc((size_t)d->classes, sizeof *probe->bias);
    if (!probe->weight || !probe->bias)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a linear probe");
    for (int k = 0; k < d->classes; k++) {
        double bias = run->bias[k];
        for (int c = 0; c < d->dimension; c++) {
            double w = run->weight[(int64_t)c * d->class_stride + k] * d->scale[c];
            probe->weight[(int64_t)k * d->dimension + c] = (float)w;
            bias -= w * d->mean[c];
        }
        probe->bias[k] = (float)bias;
    }
    return FCMAE_OK;
}

/** Trains every rate without the held-out rows; index of the best. */
static fcmae_status sweep(const probe_data *d, probe_run *runs, double *accuracy, int *best,
                          fcmae_error *error)
{
    int threads = d->options->threads > 0 ? d->options->threads : fcmae_processor_count();
    for (int i = 0; i < d->options->rate_count; i++)
        runs[i] = (probe_run){.data = d,
                              .rate = d->options->rates[i],
                              .rows = d->fitted,
                              .row_count = d->fitted_count};
    fcmae_parallel_for(threads, d->options->rate_count, run_task, runs);
    fcmae_status status = FCMAE_OK;
    *best = 0;
    for (int i = 0; i < d->options->rate_count; i++) {
        if (runs[i].status != FCMAE_OK && status == FCMAE_OK)
            status = fcmae_fail(error, runs[i].status, "%s", runs[i].error.message);
        accuracy[i] = runs[i].accuracy;
        if (accuracy[i] > accuracy[*best]) *best = i;
        fcmae_arena_release(&runs[i].arena);
    }
    return status;
}

static fcmae_status train_all(probe_data *d, fcmae_probe *probe, fcmae_error *error)
{
    int best = 0;
    probe_run *runs = calloc((size_t)d->options->rate_count, sizeof *runs);
    int64_t *all = malloc((size_t)d->count * sizeof *all);
    probe->held_out_accuracy = calloc((size_t)d->options->rate_count,
                                      sizeof *probe->held_out_accuracy);
    fcmae_status status = runs && all && probe->held_out_accuracy
                              ? FCMAE_OK
                              : fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for linear probes");
    if (status == FCMAE_OK) status = sweep(d, runs, probe->held_out_accuracy, &best, error);
    if (status == FCMAE_OK) {
        for (int64_t i = 0; i < d->count; i++) all[i] = i;
        probe_run last = {
            .data = d, .rate = d->options->rates[best], .rows = all, .row_count = d->count};
        run_task(&last, 0, 0);
        status = last.status == FCMAE_OK ? fold(&last, probe, error)
                                         : fcmae_fail(error, last.status, "%s", last.error.message);
        fcmae_arena_release(&last.arena);
    }
    free(runs);
    free(all);
    return status;
}

fcmae_status fcmae_probe_train(const fcmae_features *training, int classes,
                               const fcmae_probe_options *options, fcmae_probe *probe,
                               fcmae_error *error)
{
    fcmae_probe_release(probe);
    FCMAE_TRY(check(training, classes, options, error));
    probe_data d = {.options = options,
                    .labels = training->labels,
                    .count = training->count,
                    .kernels = fcmae_kernels_get(fcmae_isa_detect(FCMAE_ISA_AVX512)),
                    .dimension = training->dimension,
                    .stride = fcmae_stride(training->dimension),
                    .classes = classes,
                    .class_stride = fcmae_stride(classes)};
    fcmae_status status = prepare(&d, training, error);
    if (status == FCMAE_OK) status = train_all(&d, probe, error);
    free(d.rows);
    free(d.mean);
    free(d.scale);
    free(d.fitted);
    free(d.held);
    if (status != FCMAE_OK) fcmae_probe_release(probe);
    return status;
}

int64_t fcmae_probe_correct(const fcmae_probe *probe, const fcmae_features *f)
{
    int64_t right = 0;
    for (int64_t i = 0; i < f->count && f->dimension == probe->dimension; i++) {
        const float *x = f->values + i * f->dimension;
        int best = 0;
        double most = -INFINITY;
        for (int k = 0; k < probe->classes; k++) {
            double z = probe->bias[k];
            for (int c = 0; c < f->dimension; c++)
                z += (double)probe->weight[(int64_t)k * f->dimension + c] * x[c];
            if (z > most) {
                most = z;
                best = k;
            }
        }
        right += best == f->labels[i];
    }
    return right;
}

fcmae_status fcmae_probe_install(const fcmae_probe *probe, fcmae_model *model, fcmae_error *error)
{
    const fcmae_model_config *config = fcmae_model_configuration(model);
    if (!fcmae_config_has_part(config, FCMAE_PART_HEAD) || config->classes != probe->classes ||
        config->dims[3] != probe->dimension)
        return fcmae_fail(
            error, FCMAE_ERR_MISMATCH,
            "a probe of %d features for %d classes does not fit a network of %d for %d",
            probe->dimension, probe->classes, config->dims[3], config->classes);
    float *values = fcmae_model_values(model);
    fcmae_parameter_import(fcmae_model_find(model, "head.weight"), probe->weight, values);
    fcmae_parameter_import(fcmae_model_find(model, "head.bias"), probe->bias, values);
    return FCMAE_OK;
}
