/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "network/network_case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/arrays.h"

const char *const network_objectives[3] = {"masked", "classify", ENCODER_ALONE};

static int otherwise(int value, int fallback)
{
    return value ? value : fallback;
}

static fcmae_model_config configuration(const network_case *c)
{
    static const int dims[] = {8, 16, 24, 40}, depths[] = {1, 1, 2, 1};
    fcmae_model_config config = {.objective = c->objective ? c->objective : "masked",
                                 .version = otherwise(c->version, 2),
                                 .norm_pix = !c->plain_targets,
                                 .channels = otherwise(c->channels, 3),
                                 .stem_stride = otherwise(c->stem_stride, 2),
                                 .decoder_depth = otherwise(c->decoder_depth, 1),
                                 .decoder_dim = otherwise(c->decoder_dim, 16),
                                 .classes = otherwise(c->classes, 5),
                                 .grn_scope = c->scope,
                                 .layer_scale_init = 0.1};
    if (strcmp(config.objective, ENCODER_ALONE) == 0) config.objective = NULL;
    for (int s = 0; s < FCMAE_STAGES; s++) {
        config.dims[s] = otherwise(c->dims[s], dims[s]);
        config.depths[s] = otherwise(c->depths[s], depths[s]);
    }
    return config;
}

/* Weights keep the size of what passes through them; everything else is well away from its
 * initial value. */
static double random_parameter(const fcmae_parameter *p, fcmae_random *random)
{
    double normal = fcmae_random_normal(random);
    switch (p->role) {
    case FCMAE_ROLE_NORM_WEIGHT: return 1 + 0.3 * normal;
    case FCMAE_ROLE_GRN_GAMMA: return normal;
    case FCMAE_ROLE_MASK_TOKEN: return normal;
    case FCMAE_ROLE_LAYER_SCALE: return 0.5 + 0.3 * normal;
    case FCMAE_ROLE_REDUCE_WEIGHT: return normal / sqrt((double)p->columns);
    case FCMAE_ROLE_WEIGHT:
    case FCMAE_ROLE_EXPAND_WEIGHT: return normal / sqrt((double)p->rows);
    case FCMAE_ROLE_DEPTHWISE_WEIGHT: return 0.3 * normal;
    default: return 0.3 * normal;
    }
}

static void randomise(fcmae_model *model, fcmae_random *random)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    float *values = fcmae_model_values(model);
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < table[i].rows * table[i].columns; k++)
            values[table[i].offset + k / table[i].columns * table[i].stride +
                   k % table[i].columns] = (float)random_parameter(&table[i], random);
}

/* The double of every float: both sides see exactly the same numbers. */
static float *rounded(double *values, int64_t count)
{
    float *out = malloc((size_t)count * sizeof *out);
    ck_assert_ptr_nonnull(out);
    for (int64_t i = 0; i < count; i++) values[i] = out[i] = (float)values[i];
    return out;
}

bool has_decoder(const network_setup *s)
{
    return fcmae_config_has_part(&s->config, FCMAE_PART_DECODER);
}

bool has_head(const network_setup *s)
{
    return fcmae_config_has_part(&s->config, FCMAE_PART_HEAD);
}

static void make_masks(network_setup *s, fcmae_random *random)
{
    int64_t *order = malloc((size_t)s->cells * sizeof *order);
    s->removed = malloc((size_t)(s->c.samples * s->cells));
    ck_assert(order && s->removed);
    memset(s->removed, 1, (size_t)(s->c.samples * s->cells));
    for (int i = 0; i < s->c.samples; i++) {
        int visible = s->c.visible ? s->c.visible : s->cells - 1 - i % (s->cells - 1);
        fcmae_random_permutation(random, s->cells, order);
        for (int k = 0; k < visible; k++) s->removed[i * s->cells + order[k]] = 0;
    }
    free(order);
}

static void make_batch(network_setup *s, fcmae_random *random)
{
    int samples = s->c.samples, images = otherwise(s->c.images, samples), blocks = 0;
    int64_t pixels = (int64_t)images * s->config.channels * s->height * s->width;
    s->images = random_doubles(random, pixels);
    s->values = rounded(s->images, pixels);
    s->batch = (fcmae_batch){.images = {.count = images, .values = s->values}, .samples = samples};
    s->reference_batch = (reference_batch){
        .samples = samples, .height = s->height, .width = s->width, .images = s->images};
    if (s->c.images) {
        s->image_of = malloc((size_t)samples * sizeof *s->image_of);
        for (int i = 0; i < samples; i++) s->image_of[i] = i % images;
        s->batch.image_of = s->reference_batch.image_of = s->image_of;
    }
    if (has_decoder(s)) {
        make_masks(s, random);
        s->batch.removed = s->reference_batch.removed = s->removed;
    } else {
        int64_t count = (int64_t)samples * s->config.classes;
        s->double_targets = zero_doubles(count);
        for (int64_t i = 0; i < count; i++) { /* two classes share each sample */
            int64_t sample = i / s->config.classes, k = i % s->config.classes;
            s->double_targets[i] += 0.75 * (k == sample % s->config.classes);
            s->double_targets[i] += 0.25 * (k == s->config.classes - 1);
        }
        s->targets = rounded(s->double_targets, count);
        s->batch.targets = s->targets;
        s->reference_batch.targets = s->double_targets;
    }
    for (int stage = 0; stage < FCMAE_STAGES; stage++) blocks += s->config.depths[stage];
    if (s->c.drop_path) {
        s->double_branch_scale = zero_doubles((int64_t)blocks * samples);
        for (int i = 0; i < blocks * samples; i++) s->double_branch_scale[i] = i % 3 ? 1.5 : 0;
        s->branch_scale = rounded(s->double_branch_scale, (int64_t)blocks * samples);
        s->batch.branch_scale = s->branch_scale;
        s->reference_batch.branch_scale = s->double_branch_scale;
    }
}

network_setup make_setup_without_engine(const network_case *c, uint64_t stream)
{
    network_setup s = {.c = *c, .config = configuration(c)};
    fcmae_random random = test_random(stream);
    fcmae_error error = {0};
    s.c.samples = otherwise(c->samples, 3);
    int patch = fcmae_config_patch(&s.config), rows = otherwise(c->rows, 2);
    int columns = otherwise(c->columns, 3);
    s.cells = rows * columns;
    s.height = rows * patch;
    s.width = columns * patch;
    ck_assert_msg(fcmae_model_create(&s.model, &s.config, &error) == FCMAE_OK, "%s: %s", c->name,
                  error.message);
    randomise(s.model, &random);
    s.reference = reference_network_create(s.model);
    make_batch(&s, &random);
    return s;
}

fcmae_engine_options case_options(const network_setup *s, bool train)
{
    return (fcmae_engine_options){.train = train && s->config.objective,
                                  .height = s->height,
                                  .width = s->width,
                                  .batch = otherwise(s->c.batch, s->c.samples),
                                  .lanes = otherwise(s->c.lanes, 1),
                                  .micro_batch = otherwise(s->c.micro_batch, 1),
                                  .threads = otherwise(s->c.threads, 1),
                                  .instruction_set = s->c.instruction_set,
                                  .precision = s->c.precision};
}

network_setup make_setup(const network_case *c, uint64_t stream)
{
    network_setup s = make_setup_without_engine(c, stream);
    fcmae_engine_options options = case_options(&s, true);
    fcmae_error error = {0};
    ck_assert_msg(fcmae_engine_create(&s.engine, s.model, &options, &error) == FCMAE_OK, "%s: %s",
                  c->name, error.message);
    return s;
}

void release_setup(network_setup *s)
{
    fcmae_engine_destroy(&s->engine);
    fcmae_model_destroy(&s->model);
    reference_network_destroy(s->reference);
    void *owned[] = {s->values,   s->targets, s->branch_scale,   s->images,
                     s->image_of, s->removed, s->double_targets, s->double_branch_scale};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

void refresh_parameters(network_setup *s)
{
    fcmae_engine_pack(s->engine);
    reference_network_destroy(s->reference);
    s->reference = reference_network_create(s->model);
}

double relative_error(const float *got, const double *expected, int64_t count)
{
    double largest = 0, error = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(got[i])) return INFINITY;
        largest = fmax(largest, fabs(expected[i]));
        error = fmax(error, fabs(got[i] - expected[i]));
    }
    if (error == 0) return 0;
    return error / fmax(largest, 1e-30);
}

static void check_tensor(const network_setup *s, const char *what, const float *got,
                         const double *expected, int64_t count, double tolerance)
{
    double error = relative_error(got, expected, count);
    ck_assert_msg(error <= tolerance, "%s: %s is off by %.3g of its largest value (seed %llu)",
                  s->c.name, what, error, (unsigned long long)test_seed());
}

/* Every gradient in the official layout; the padding of the block must be zero. */
static void check_gradient_block(const network_setup *s, const float *block, double tolerance)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(s->model, &count);
    for (int i = 0; i < count; i++) {
        const fcmae_parameter *p = &table[i];
        float *official = malloc((size_t)p->count * sizeof *official);
        ck_assert_ptr_nonnull(official);
        fcmae_parameter_export(p, block, official);
        check_tensor(s, p->name, official, s->reference->tensors[i].gradient, p->count, tolerance);
        free(official);
        for (int64_t row = 0; row < p->rows; row++)
            for (int64_t column = p->columns; column < p->stride; column++)
                if (block[p->offset + row * p->stride + column] != 0)
                    ck_abort_msg("%s: padding of d%s is not zero", s->c.name, p->name);
    }
}

static float *new_floats(int64_t count)
{
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (int64_t i = 0; i < count; i++) values[i] = NAN; /* everything must be written */
    return values;
}

static void check_forward(network_setup *s, const reference_result *expected, double tolerance)
{
    int64_t samples = s->c.samples, c3 = s->config.dims[3];
    int64_t encoder = samples * c3 * s->cells, logits = samples * s->config.classes;
    int64_t prediction = samples * s->cells * fcmae_config_patch_values(&s->config);
    bool pretrain = has_decoder(s), classifier = has_head(s);
    double *loss = zero_doubles(samples);
    fcmae_outputs outputs = {.encoder = new_floats(encoder), .pooled = new_floats(samples * c3)};
    if (pretrain) outputs.prediction = new_floats(prediction);
    if (classifier) outputs.logits = new_floats(logits);
    if (pretrain || classifier) outputs.sample_loss = loss;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_engine_forward(s->engine, &s->batch, &outputs, &error) == FCMAE_OK,
                  "%s: %s", s->c.name, error.message);
    check_tensor(s, "encoder", outputs.encoder, expected->encoder, encoder, tolerance);
    check_tensor(s, "pooled", outputs.pooled, expected->pooled, samples * c3, tolerance);
    if (pretrain)
        check_tensor(s, "prediction", outputs.prediction, expected->prediction, prediction,
                     tolerance);
    if (classifier) check_tensor(s, "logits", outputs.logits, expected->logits, logits, tolerance);
    for (int64_t i = 0; i < samples; i++)
        ck_assert_msg(fabs(loss[i] - expected->sample_loss[i]) <=
                          tolerance * fabs(expected->sample_loss[i]),
                      "%s: loss of sample %lld is %.9g, expected %.9g", s->c.name, (long long)i,
                      loss[i], expected->sample_loss[i]);
    free(outputs.encoder);
    free(outputs.pooled);
    free(outputs.prediction);
    free(outputs.logits);
    free(loss);
}

float *step_gradients(fcmae_engine *engine, const fcmae_model *model, const fcmae_batch *batch,
                      double *loss)
{
    fcmae_error error = {0};
    size_t bytes = (size_t)fcmae_model_block_size(model) * sizeof(float);
    float *copy = malloc(bytes);
    ck_assert_ptr_nonnull(copy);
    fcmae_engine_zero_gradients(engine);
    ck_assert_msg(fcmae_engine_step(engine, batch, 1, loss, &error) == FCMAE_OK, "%s",
                  error.message);
    float *gradients;
    ck_assert_int_eq(fcmae_engine_gradients(engine, &gradients, NULL), FCMAE_OK);
    memcpy(copy, gradients, bytes);
    return copy;
}

void check_setup(network_setup *s, double tolerance)
{
    bool trains = s->config.objective != NULL;
    reference_network_zero_gradients(s->reference);
    reference_result expected = reference_network_run(s->reference, &s->reference_batch, trains, 1);
    if (trains) {
        double loss = NAN;
        float *gradients = step_gradients(s->engine, s->model, &s->batch, &loss);
        ck_assert_msg(fabs(loss - expected.loss) <= tolerance * fabs(expected.loss),
                      "%s: loss is %.9g, expected %.9g", s->c.name, loss, expected.loss);
        check_gradient_block(s, gradients, tolerance);
        free(gradients);
    }
    check_forward(s, &expected, tolerance);
    reference_result_release(&expected);
}

void check_case(const network_case *c, double tolerance)
{
    network_setup s = make_setup(c, 1);
    check_setup(&s, tolerance);
    release_setup(&s);
}
