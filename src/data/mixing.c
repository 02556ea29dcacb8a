/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/random.h"
#include "core/status.h"
#include "fcmae/augment.h"

#define ERASE_ATTEMPTS 10
#define ERASE_MIN_AREA 0.02
#define ERASE_MAX_AREA (1.0 / 3.0)
#define ERASE_MIN_RATIO 0.3

typedef struct box {
    int top, left, bottom, right;
} box;

/** How the batch is mixed; lambda 1 is not at all. */
typedef struct plan {
    double lambda;
    int cut;
    box area;
} plan;

typedef struct job {
    const fcmae_mixing *mixing;
    const fcmae_samples *samples;
    int size;
    float value_of[3][256];
    float *values;
    plan mix;
} job;

fcmae_mixing fcmae_mixing_recipe(uint64_t seed, int classes)
{
    return (fcmae_mixing){.mixup_alpha = 0.8,
                          .cutmix_alpha = 1.0,
                          .mix_probability = 1.0,
                          .cutmix_probability = 0.5,
                          .smoothing = 0.1,
                          .erase_probability = 0.25,
                          .seed = seed,
                          .classes = classes,
                          .mean = fcmae_imagenet_mean,
                          .deviation = fcmae_imagenet_deviation};
}

static double uniform(fcmae_random *random, double low, double high)
{
    return low + (high - low) * fcmae_random_uniform(random);
}

/** Gamma(shape, 1); Marsaglia and Tsang 2000. */
static double draw_gamma(fcmae_random *random, double shape)
{
    if (shape < 1) {
        double boost = pow(1 - fcmae_random_uniform(random), 1 / shape);
        return boost * draw_gamma(random, shape + 1);
    }
    double d = shape - 1.0 / 3.0, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = fcmae_random_normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = 1 - fcmae_random_uniform(random);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

static double draw_beta(fcmae_random *random, double alpha)
{
    double a = draw_gamma(random, alpha), b = draw_gamma(random, alpha);
    return a + b > 0 ? a / (a + b) : 0.5;
}

static int clip(int value, int size)
{
    return value < 0 ? 0 : value > size ? size : value;
}

static plan draw_plan(const fcmae_mixing *m, const fcmae_samples *samples, int size)
{
    plan p = {.lambda = 1};
    if (m->mixup_alpha <= 0 && m->cutmix_alpha <= 0) return p;
    fcmae_random random = fcmae_random_start(m->seed, FCMAE_RANDOM_MIX, samples->epoch,
                                             (uint64_t)samples->batch);
    if (fcmae_random_uniform(&random) >= m->mix_probability) return p;
    p.cut = m->cutmix_alpha > 0 &&
            (m->mixup_alpha <= 0 || fcmae_random_uniform(&random) < m->cutmix_probability);
    p.lambda = draw_beta(&random, p.cut ? m->cutmix_alpha : m->mixup_alpha);
    if (!p.cut) return p;
    int half = (int)(size * sqrt(1 - p.lambda)) / 2;
    int y = (int)fcmae_random_below(&random, (uint64_t)size);
    int x = (int)fcmae_random_below(&random, (uint64_t)size);
    p.area = (box){clip(y - half, size), clip(x - half, size), clip(y + half, size),
                   clip(x + half, size)};
    double cut = (double)(p.area.bottom - p.area.top) * (p.area.right - p.area.left);
    p.lambda = 1 - cut / ((double)size * size);
    return p;
}

/** Noise in a random box of one sample, [3, size, size]. */
static void erase(const fcmae_mixing *m, uint32_t epoch, uint64_t position, int size, float *values)
{
    fcmae_random random = fcmae_random_start(m->seed, FCMAE_RANDOM_ERASE, epoch, position);
    if (fcmae_random_uniform(&random) >= m->erase_probability) return;
    for (int attempt = 0; attempt < ERASE_ATTEMPTS; attempt++) {
        double area = uniform(&random, ERASE_MIN_AREA, ERASE_MAX_AREA) * size * size;
        double limit = log(ERASE_MIN_RATIO), ratio = exp(uniform(&random, limit, -limit));
        double h = rint(sqrt(area * ratio)), w = rint(sqrt(area / ratio));
        if (h >= size || w >= size) continue;
        int height = (int)h, width = (int)w;
        int top = (int)fcmae_random_below(&random, (uint64_t)(size - height) + 1);
        int left = (int)fcmae_random_below(&random, (uint64_t)(size - width) + 1);
        for (int c = 0; c < 3; c++)
            for (int y = top; y < top + height; y++)
                for (int x = left; x < left + width; x++)
                    values[((size_t)c * (size_t)size + (size_t)y) * (size_t)size + (size_t)x] =
                        (float)fcmae_random_normal(&random);
        return;
    }
}

static void prepare_sample(void *argument, int64_t index, int worker)
{
    const job *j = argument;
    size_t plane = (size_t)j->size * (size_t)j->size;
    const uint8_t *bytes = j->samples->images + (size_t)index * plane * 3;
    float *values = j->values + (size_t)index * plane * 3;
    (void)worker;
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < plane; i++)
            values[(size_t)c * plane + i] = j->value_of[c][bytes[3 * i + (size_t)c]];
    uint64_t position = (uint64_t)j->samples->batch * (uint64_t)j->samples->count + (uint64_t)index;
    if (j->mixing->erase_probability > 0)
        erase(j->mixing, j->samples->epoch, position, j->size, values);
}

/** A sample and its partner, both at once: each needs the other's old values. */
static void mix_pair(void *argument, int64_t index, int worker)
{
    const job *j = argument;
    size_t side = (size_t)j->size, sample = side * side * 3;
    float *a = j->values + (size_t)index * sample;
    float *b = j->values + (size_t)(j->samples->count - 1 - index) * sample;
    (void)worker;
    if (a == b) return;
    if (!j->mix.cut) {
        float keep = (float)j->mix.lambda, take = (float)(1 - j->mix.lambda);
        for (size_t i = 0; i < sample; i++) {
            float x = a[i], y = b[i];
            a[i] = x * keep + y * take;
            b[i] = y * keep + x * take;
        }
        return;
    }
    const box *area = &j->mix.area;
    for (size_t c = 0; c < 3; c++)
        for (int y = area->top; y < area->bottom; y++)
            for (int x = area->left; x < area->right; x++) {
                size_t at = (c * side + (size_t)y) * side + (size_t)x;
                float old = a[at];
                a[at] = b[at];
                b[at] = old;
            }
}

static void fill_targets(const job *j, float *targets)
{
    int classes = j->mixing->classes;
    double s = j->mixing->smoothing, off = s / classes, on = 1 - s + off;
    int count = j->samples->count;
    for (int i = 0; i < count; i++) {
        float *row = targets + (size_t)i * (size_t)classes;
        int own = j->samples->labels[i], other = j->samples->labels[count - 1 - i];
        for (int k = 0; k < classes; k++)
            row[k] = (float)(j->mix.lambda * (k == own ? on : off) +
                             (1 - j->mix.lambda) * (k == other ? on : off));
    }
}

static fcmae_status check(const fcmae_mixing *m, const fcmae_samples *samples, int size,
                          const float *values, fcmae_error *error)
{
    if (!(m->mixup_alpha >= 0) || !(m->cutmix_alpha >= 0) || !(m->smoothing >= 0) ||
        m->smoothing > 1 || !(m->mix_probability >= 0 && m->mix_probability <= 1) ||
        !(m->cutmix_probability >= 0 && m->cutmix_probability <= 1) ||
        !(m->erase_probability >= 0 && m->erase_probability <= 1) || size < 1 || m->classes < 1)
        return fcmae_fail(
            error, FCMAE_ERR_ARGUMENT,
            "mixing: mixup %g, cutmix %g, probabilities %g, %g and %g or smoothing %g "
            "is outside its range",
            m->mixup_alpha, m->cutmix_alpha, m->mix_probability, m->cutmix_probability,
            m->erase_probability, m->smoothing);
    if (!values && (m->mixup_alpha > 0 || m->cutmix_alpha > 0 || m->erase_probability > 0))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "mixing and erasing need room for values");
    for (int i = 0; i < samples->count; i++)
        if (samples->labels[i] < 0 || samples->labels[i] >= m->classes)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                              "image %lld of the data set has label %d, the model has %d classes",
                              (long long)samples->indices[i], samples->labels[i], m->classes);
    return FCMAE_OK;
}

fcmae_status fcmae_mix_samples(const fcmae_mixing *mixing, const fcmae_samples *samples, int size,
                               float *values, float *targets, fcmae_error *error)
{
    FCMAE_TRY(check(mixing, samples, size, values, error));
    job j = {.mixing = mixing,
             .samples = samples,
             .size = size,
             .values = values,
             .mix = draw_plan(mixing, samples, size)};
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            j.value_of[c][i] = ((float)i / 255.0f - mixing->mean[c]) / mixing->deviation[c];
    int threads = mixing->threads > 0 ? mixing->threads : fcmae_processor_count();
    if (values) {
        fcmae_parallel_for(threads, samples->count, prepare_sample, &j);
        if (j.mix.lambda < 1) fcmae_parallel_for(threads, (samples->count + 1) / 2, mix_pair, &j);
    }
    fill_targets(&j, targets);
    return FCMAE_OK;
}
