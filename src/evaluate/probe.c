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

#include "core/blas.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "fcmae/evaluate.h"
#include "fcmae/optimiser.h"

#define EPSILON 1e-6 /* of the BatchNorm */
#define INITIAL_DEVIATION 0.01

enum { ROWS = 128, SOME = 64 }; /* features worked on at a time: in training, afterwards */

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
    int dimension, classes;
    float *rows; /* standardised features [count][dimension] */
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
    float *weight, *gradient, *momentum;         /* [dimension][classes] */
    float *bias, *bias_gradient, *bias_momentum; /* [classes] */
    float *x, *logits;                           /* [ROWS][dimension], [ROWS][classes] */
    int64_t *order;
    fcmae_status status;
    fcmae_error error;
} probe_run;

static fcmae_status reserve_run(probe_run *run)
{
    const probe_data *d = run->data;
    size_t weights = (size_t)d->dimension * (size_t)d->classes, k = (size_t)d->classes;
    for (int pass = 0; pass < 2; pass++) {
        fcmae_arena *arena = &run->arena;
        run->weight = fcmae_arena_take(arena, weights, sizeof(float));
        run->gradient = fcmae_arena_take(arena, weights, sizeof(float));
        run->momentum = fcmae_arena_take(arena, weights, sizeof(float));
        run->bias = fcmae_arena_take(arena, k, sizeof(float));
        run->bias_gradient = fcmae_arena_take(arena, k, sizeof(float));
        run->bias_momentum = fcmae_arena_take(arena, k, sizeof(float));
        run->x = fcmae_arena_take(arena, ROWS * (size_t)d->dimension, sizeof(float));
        run->logits = fcmae_arena_take(arena, ROWS * k, sizeof(float));
        run->order = fcmae_arena_take(arena, (size_t)run->row_count, sizeof(int64_t));
        FCMAE_TRY(fcmae_arena_end_pass(arena, "a linear probe", &run->error));
    }
    fcmae_random random = fcmae_random_start(d->options->seed, FCMAE_RANDOM_INITIALISATION, 1,
                                             UINT32_MAX);
    for (size_t i = 0; i < weights; i++)
        run->weight[i] = (float)(INITIAL_DEVIATION * fcmae_random_normal(&random));
    return FCMAE_OK;
}

/** Logits of up to ROWS features, whose rows are gathered in run->x. */
static void compute_logits(probe_run *run, const int64_t *rows, int count)
{
    const probe_data *d = run->data;
    for (int i = 0; i < count; i++) {
        memcpy(run->x + (int64_t)i * d->dimension, d->rows + rows[i] * d->dimension,
               (size_t)d->dimension * sizeof *run->x);
        memcpy(run->logits + (int64_t)i * d->classes, run->bias,
               (size_t)d->classes * sizeof *run->logits);
    }
    fcmae_blas_product(count, d->classes, d->dimension, (fcmae_matrix){run->x, d->dimension, false},
                       (fcmae_matrix){run->weight, d->classes, false}, true, run->logits,
                       d->classes);
}

/** Softmax minus one-hot in place of the logits; returns the summed loss. */
static double loss_and_difference(probe_run *run, const int64_t *rows, int count, float factor)
{
    const probe_data *d = run->data;
    double loss = 0;
    for (int i = 0; i < count; i++) {
        float *z = run->logits + (int64_t)i * d->classes;
        int32_t label = d->labels[rows[i]];
        double most = z[0], total = 0;
        for (int k = 1; k < d->classes; k++)
            if (z[k] > most) most = z[k];
        for (int k = 0; k < d->classes; k++) total += exp(z[k] - most);
        loss += most + log(total) - z[label];
        for (int k = 0; k < d->classes; k++)
            z[k] = factor * (float)(exp(z[k] - most) / total - (k == label));
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
    int64_t count = (int64_t)d->dimension * d->classes;
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
    memset(run->bias_gradient, 0, (size_t)d->classes * sizeof *run->bias_gradient);
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
        for (int i = 0; i < some; i++)
            for (int k = 0; k < d->classes; k++)
                run->bias_gradient[k] += run->logits[(int64_t)i * d->classes + k];
        fcmae_blas_product(
            d->dimension, d->classes, some, (fcmae_matrix){run->x, d->dimension, true},
            (fcmae_matrix){run->logits, d->classes, false}, true, run->gradient, d->classes);
    }
    return loss;
}

static double accuracy_on(probe_run *run, const int64_t *rows, int64_t count)
{
    const probe_data *d = run->data;
    int64_t right = 0;
    for (int64_t first = 0; first < count; first += ROWS) {
        int some = count - first < ROWS ? (int)(count - first) : ROWS;
        compute_logits(run, rows + first, some);
        for (int i = 0; i < some; i++) {
            int32_t best;
            double probability;
            fcmae_top_classes(run->logits + (int64_t)i * d->classes, d->classes, 1, &best,
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
            d->rows[i * d->dimension + c] = (float)((f->values[i * f->dimension + c] - d->mean[c]) *
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
    d->rows = fcmae_allocate_aligned(count * (size_t)d->dimension, sizeof *d->rows);
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
            double w = run->weight[(int64_t)c * d->classes + k] * d->scale[c];
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
    fcmae_parallel_for(fcmae_blas_threads(threads), d->options->rate_count, run_task, runs);
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
    FCMAE_TRY(fcmae_blas_check(error));
    probe_data d = {.options = options,
                    .labels = training->labels,
                    .count = training->count,
                    .dimension = training->dimension,
                    .classes = classes};
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

/** Right ones among `count` features, up to SOME. */
static int64_t count_right(const fcmae_probe *probe, const float *x, const int32_t *labels,
                           int count)
{
    float logits[SOME * SOME], most[SOME];
    int best[SOME] = {0}, dimension = probe->dimension;
    for (int i = 0; i < count; i++) most[i] = -INFINITY;
    for (int first = 0; first < probe->classes; first += SOME) {
        int classes = probe->classes - first < SOME ? probe->classes - first : SOME;
        for (int i = 0; i < count; i++)
            memcpy(logits + i * SOME, probe->bias + first, (size_t)classes * sizeof *logits);
        fcmae_blas_product(
            count, classes, dimension, (fcmae_matrix){x, dimension, false},
            (fcmae_matrix){probe->weight + (int64_t)first * dimension, dimension, true}, true,
            logits, SOME);
        for (int i = 0; i < count; i++)
            for (int k = 0; k < classes; k++)
                if (logits[i * SOME + k] > most[i]) {
                    most[i] = logits[i * SOME + k];
                    best[i] = first + k;
                }
    }
    int64_t right = 0;
    for (int i = 0; i < count; i++) right += best[i] == labels[i];
    return right;
}

int64_t fcmae_probe_correct(const fcmae_probe *probe, const fcmae_features *f)
{
    int64_t right = 0;
    for (int64_t i = 0; i < f->count && f->dimension == probe->dimension; i += SOME)
        right += count_right(probe, f->values + i * f->dimension, f->labels + i,
                             f->count - i < SOME ? (int)(f->count - i) : SOME);
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
