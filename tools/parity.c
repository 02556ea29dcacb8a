/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* A parity file: tensors and metadata become a model, a batch and expectations. */
#include "parity.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

const char *const cli_parity_output_names[CLI_PARITY_OUTPUTS] = {
    "expected.loss", "expected.pred", "expected.encoder", "expected.logits"};

static const char gradient_prefix[] = "expected.grad.";

#define TRY(call)                                      \
    do {                                               \
        fcmae_status try_status = (call);              \
        if (try_status != FCMAE_OK) return try_status; \
    } while (0)

/* Memory for `count` floats, at least one. */
static fcmae_status allocate(float **values, int64_t count, fcmae_error *error)
{
    *values = calloc(count > 0 ? (size_t)count : 1, sizeof **values);
    return *values ? FCMAE_OK : cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
}

static fcmae_status read_values(const fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                float **values, fcmae_error *error)
{
    TRY(allocate(values, tensor->count, error));
    return fcmae_tensor_file_read(file, tensor, *values, error);
}

/* ------------------------------------------------------------------------------- the network */

/* "2, 2, 6, 2", with or without brackets */
static bool same_numbers(const char *text, const int *numbers, int count)
{
    text += strspn(text, "[( ");
    for (int i = 0; i < count; i++) {
        char *end = NULL;
        if (strtol(text, &end, 10) != numbers[i] || end == text) return false;
        text = end + strspn(end, ", ");
    }
    text += strspn(text, "]) ");
    return !*text;
}

static fcmae_status check_claims(const fcmae_tensor_file *file, fcmae_model_config *config,
                                 fcmae_error *error)
{
    const char *model = fcmae_tensor_file_text(file, "model");
    const char *depths = fcmae_tensor_file_text(file, "depths");
    const char *dims = fcmae_tensor_file_text(file, "dims");
    if (model && fcmae_preset_text(model)) {
        fcmae_model_config preset;
        TRY(fcmae_preset_load(model, &preset, error));
        if (memcmp(preset.depths, config->depths, sizeof preset.depths) ||
            memcmp(preset.dims, config->dims, sizeof preset.dims))
            return cli_error(
                error, FCMAE_ERR_MISMATCH,
                "the metadata say model %s, but the parameters are those of another size", model);
    }
    if ((depths && !same_numbers(depths, config->depths, FCMAE_STAGES)) ||
        (dims && !same_numbers(dims, config->dims, FCMAE_STAGES)))
        return cli_error(error, FCMAE_ERR_MISMATCH,
                         "the metadata say depths %s and dims %s, but the parameters are those of "
                         "another network",
                         depths ? depths : "-", dims ? dims : "-");
    return FCMAE_OK;
}

static fcmae_status read_choice(const fcmae_tensor_file *file, const char *key, const char *zero,
                                const char *one, int *value, fcmae_error *error)
{
    const char *text = fcmae_tensor_file_text(file, key);
    if (!text) return FCMAE_OK;
    if (strcmp(text, zero) && strcmp(text, one))
        return cli_error(error, FCMAE_ERR_FORMAT, "metadata %s is '%s', but must be %s or %s", key,
                         text, zero, one);
    *value = strcmp(text, one) == 0;
    return FCMAE_OK;
}

static fcmae_status build_model(cli_parity_case *p, bool masked, fcmae_error *error)
{
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(p->file);
    const fcmae_tensor_file *file = fcmae_checkpoint_file(p->file);
    if (!info->recognised)
        return cli_error(error, FCMAE_ERR_FORMAT,
                         "the file holds no parameters under official names");
    fcmae_model_config config = info->config;
    TRY(check_claims(file, &config, error));
    int norm_pix = config.norm_pix, batch_scope = config.grn_scope == FCMAE_GRN_BATCH;
    TRY(read_choice(file, "norm_pix", "off", "on", &norm_pix, error));
    TRY(read_choice(file, "grn_scope", "image", "batch", &batch_scope, error));
    config.norm_pix = norm_pix;
    config.grn_scope = batch_scope ? FCMAE_GRN_BATCH : FCMAE_GRN_IMAGE;
    config.objective = NULL;
    if (masked && info->has_decoder) config.objective = "masked";
    if (!masked && info->has_head) config.objective = "classify";
    TRY(fcmae_model_create(&p->model, &config, error));
    fcmae_load_options options = {.ignore_unexpected = true};
    return fcmae_checkpoint_load(p->file, p->model, &options, NULL, error);
}

/* ---------------------------------------------------------------------------------- the batch */

static fcmae_status read_image(cli_parity_case *p, fcmae_error *error)
{
    const fcmae_tensor_file *file = fcmae_checkpoint_file(p->file);
    const fcmae_model_config *config = fcmae_model_configuration(p->model);
    const fcmae_tensor *image = fcmae_tensor_file_find(file, "image");
    if (!image) return cli_error(error, FCMAE_ERR_FORMAT, "the file has no tensor 'image'");
    int patch = fcmae_config_patch(config);
    if (image->rank != 4 || image->count < 1 || image->shape[1] != config->channels ||
        image->shape[2] % patch || image->shape[3] % patch || image->shape[0] > 65536 ||
        image->shape[2] > 65536 || image->shape[3] > 65536)
        return cli_error(error, FCMAE_ERR_SHAPE,
                         "'image' must be [N, %d, H, W] with H and W multiples of %d",
                         config->channels, patch);
    p->samples = image->shape[0];
    p->height = image->shape[2];
    p->width = image->shape[3];
    p->cells = (p->height / patch) * (p->width / patch);
    return read_values(file, image, &p->image, error);
}

static fcmae_status read_mask(cli_parity_case *p, fcmae_error *error)
{
    const fcmae_tensor_file *file = fcmae_checkpoint_file(p->file);
    const fcmae_tensor *mask = fcmae_tensor_file_find(file, "mask");
    if (!mask) return FCMAE_OK;
    if (mask->rank < 2 || mask->shape[0] != p->samples || mask->count != p->samples * p->cells)
        return cli_error(error, FCMAE_ERR_SHAPE, "'mask' must be [%" PRId64 ", %" PRId64 "]",
                         p->samples, p->cells);
    float *values = NULL;
    fcmae_status status = read_values(file, mask, &values, error);
    p->removed = malloc((size_t)mask->count);
    if (status == FCMAE_OK && !p->removed)
        status = cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; status == FCMAE_OK && i < mask->count; i++) {
        if (values[i] != 0 && values[i] != 1)
            status = cli_error(error, FCMAE_ERR_FORMAT,
                               "'mask' has %g at sample %" PRId64 ", cell %" PRId64
                               "; it must be 0 or 1 = removed",
                               values[i], i / p->cells, i % p->cells);
        else
            p->removed[i] = values[i] != 0;
    }
    free(values);
    return status;
}

static fcmae_status read_labels(cli_parity_case *p, fcmae_error *error)
{
    const fcmae_tensor_file *file = fcmae_checkpoint_file(p->file);
    const fcmae_model_config *config = fcmae_model_configuration(p->model);
    const fcmae_tensor *labels = fcmae_tensor_file_find(file, "labels");
    if (!labels || !fcmae_config_has_part(config, FCMAE_PART_HEAD)) return FCMAE_OK;
    if (labels->rank != 1 || labels->count != p->samples)
        return cli_error(error, FCMAE_ERR_SHAPE, "'labels' must be [%" PRId64 "]", p->samples);
    float *values = NULL;
    fcmae_status status = read_values(file, labels, &values, error);
    if (status == FCMAE_OK) status = allocate(&p->targets, p->samples * config->classes, error);
    for (int64_t i = 0; status == FCMAE_OK && i < p->samples; i++) {
        if (!(values[i] >= 0 && values[i] < (float)config->classes) ||
            values[i] != (float)(int64_t)values[i])
            status = cli_error(error, FCMAE_ERR_FORMAT,
                               "'labels' has %g for sample %" PRId64 "; classes are 0 .. %d",
                               values[i], i, config->classes - 1);
        else
            p->targets[i * config->classes + (int64_t)values[i]] = 1;
    }
    free(values);
    return status;
}

/* --------------------------------------------------------------------------- the expectations */

static int output_index(const char *name)
{
    for (int i = 0; i < CLI_PARITY_OUTPUTS; i++)
        if (strcmp(name, cli_parity_output_names[i]) == 0) return i;
    return -1;
}

/* The shape an output must have; rank 0: this kind of network has none. */
static int output_shape(const cli_parity_case *p, int output, int64_t shape[4])
{
    const fcmae_model_config *c = fcmae_model_configuration(p->model);
    int patch = fcmae_config_patch(c);
    int64_t shapes[CLI_PARITY_OUTPUTS][4] = {
        {1, 1, 1, 1},
        {p->samples, p->cells, fcmae_config_patch_values(c), 1},
        {p->samples, c->dims[FCMAE_STAGES - 1], p->height / patch, p->width / patch},
        {p->samples, c->classes, 1, 1}};
    static const int ranks[CLI_PARITY_OUTPUTS] = {1, 3, 4, 2};
    memcpy(shape, shapes[output], sizeof shapes[output]);
    if (output == CLI_PARITY_PREDICTION && !fcmae_config_has_part(c, FCMAE_PART_DECODER)) return 0;
    if (output == CLI_PARITY_LOGITS && !fcmae_config_has_part(c, FCMAE_PART_HEAD)) return 0;
    if (output == CLI_PARITY_LOSS && !c->objective) return 0;
    return ranks[output];
}

static fcmae_status read_output(cli_parity_case *p, const fcmae_tensor *tensor, int output,
                                fcmae_error *error)
{
    cli_parity_tensor *t = &p->output[output];
    t->rank = output_shape(p, output, t->shape);
    if (t->rank == 0)
        return cli_error(error, FCMAE_ERR_FORMAT,
                         "%s is expected, but the network of this file (%s) has none", tensor->name,
                         p->removed ? "masked" : "without mask");
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    bool same = tensor->count == count;
    for (int i = 0; same && i < t->rank && tensor->rank == t->rank; i++)
        same = tensor->shape[i] == t->shape[i];
    if (!same)
        return cli_error(error, FCMAE_ERR_SHAPE,
                         "%s has the wrong shape: [%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
                         "] was expected (%d of them)",
                         tensor->name, t->shape[0], t->shape[1], t->shape[2], t->shape[3], t->rank);
    TRY(allocate(&t->computed, count, error));
    return read_values(fcmae_checkpoint_file(p->file), tensor, &t->expected, error);
}

static fcmae_status read_gradients(cli_parity_case *p, fcmae_error *error)
{
    int count = 0;
    const fcmae_parameter *table = fcmae_model_parameters(p->model, &count);
    int64_t largest = 0;
    for (int i = 0; i < count; i++)
        if (table[i].count > largest) largest = table[i].count;
    p->gradient_expected = calloc((size_t)count, sizeof *p->gradient_expected);
    if (!p->gradient_expected) return cli_error(error, FCMAE_ERR_MEMORY, "out of memory");
    TRY(allocate(&p->gradients, fcmae_model_block_size(p->model), error));
    TRY(allocate(&p->computed_gradients, fcmae_model_block_size(p->model), error));
    TRY(allocate(&p->scratch[0], largest, error));
    TRY(allocate(&p->scratch[1], largest, error));
    return fcmae_checkpoint_load_present(p->file, p->model, gradient_prefix, p->gradients,
                                         p->gradient_expected, error);
}

static fcmae_status read_expectations(cli_parity_case *p, fcmae_error *error)
{
    int count = 0, found = 0;
    bool gradients = false;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(fcmae_checkpoint_file(p->file), &count);
    for (int i = 0; i < count; i++) {
        if (strncmp(tensors[i].name, "expected.", 9) != 0) continue;
        found++;
        if (strncmp(tensors[i].name, gradient_prefix, strlen(gradient_prefix)) == 0) {
            gradients = true;
            continue;
        }
        int output = output_index(tensors[i].name);
        if (output < 0)
            return cli_error(
                error, FCMAE_ERR_FORMAT,
                "'%s' is expected, but only expected.loss, expected.pred, "
                "expected.encoder, expected.logits and expected.grad.<parameter> can be",
                tensors[i].name);
        TRY(read_output(p, &tensors[i], output, error));
    }
    if (found == 0) return cli_error(error, FCMAE_ERR_FORMAT, "the file expects nothing");
    return gradients ? read_gradients(p, error) : FCMAE_OK;
}

fcmae_status cli_parity_read(cli_parity_case *p, const char *path, fcmae_error *error)
{
    TRY(fcmae_checkpoint_open(&p->file, path, NULL, error));
    bool masked = fcmae_tensor_file_find(fcmae_checkpoint_file(p->file), "mask") != NULL;
    TRY(build_model(p, masked, error));
    TRY(read_image(p, error));
    TRY(read_mask(p, error));
    TRY(read_labels(p, error));
    return read_expectations(p, error);
}

/* ------------------------------------------------------------------------------------ running */

static int most_visible(const cli_parity_case *p)
{
    if (!p->removed) return 0;
    int64_t most = 0;
    for (int64_t sample = 0; sample < p->samples; sample++) {
        int64_t visible = p->cells;
        for (int64_t cell = 0; cell < p->cells; cell++)
            visible -= p->removed[sample * p->cells + cell];
        if (visible > most) most = visible;
    }
    return (int)most;
}

/* Loss and gradients come from a training step, everything else from a forward pass. */
static fcmae_status run_step(cli_parity_case *p, fcmae_engine *engine, const fcmae_batch *batch,
                             fcmae_error *error)
{
    double loss = 0;
    fcmae_engine_zero_gradients(engine);
    TRY(fcmae_engine_step(engine, batch, 1, &loss, error));
    if (p->output[CLI_PARITY_LOSS].computed) p->output[CLI_PARITY_LOSS].computed[0] = (float)loss;
    if (!p->gradients) return FCMAE_OK;
    float *gradients;
    TRY(fcmae_engine_gradients(engine, &gradients, error));
    memcpy(p->computed_gradients, gradients,
           (size_t)fcmae_model_block_size(p->model) * sizeof *gradients);
    return FCMAE_OK;
}

static fcmae_status run_engine(cli_parity_case *p, fcmae_engine *engine, bool step,
                               fcmae_error *error)
{
    fcmae_batch batch = {.images = {.count = p->samples, .values = p->image},
                         .samples = p->samples,
                         .removed = p->removed,
                         .targets = p->targets};
    fcmae_outputs outputs = {.logits = p->output[CLI_PARITY_LOGITS].computed,
                             .encoder = p->output[CLI_PARITY_ENCODER].computed,
                             .prediction = p->output[CLI_PARITY_PREDICTION].computed};
    if (outputs.logits || outputs.encoder || outputs.prediction)
        TRY(fcmae_engine_forward(engine, &batch, &outputs, error));
    return step ? run_step(p, engine, &batch, error) : FCMAE_OK;
}

fcmae_status cli_parity_run(cli_parity_case *p, fcmae_error *error)
{
    const fcmae_model_config *config = fcmae_model_configuration(p->model);
    bool step = p->output[CLI_PARITY_LOSS].expected || p->gradients;
    if (step && fcmae_config_has_part(config, FCMAE_PART_HEAD) && !p->targets)
        return cli_error(error, FCMAE_ERR_FORMAT, "a loss is expected, but there are no 'labels'");
    if (step && !config->objective)
        return cli_error(error, FCMAE_ERR_FORMAT,
                         "gradients are expected, but the file has neither decoder nor head");
    p->engine.train = step;
    p->engine.height = (int)p->height;
    p->engine.width = (int)p->width;
    p->engine.batch = (int)p->samples;
    p->engine.visible_cells = most_visible(p);
    fcmae_engine *engine = NULL;
    TRY(fcmae_engine_create(&engine, p->model, &p->engine, error));
    fcmae_status status = run_engine(p, engine, step, error);
    fcmae_engine_destroy(&engine);
    return status;
}

void cli_parity_release(cli_parity_case *p)
{
    free(p->image);
    free(p->targets);
    free(p->removed);
    for (int i = 0; i < CLI_PARITY_OUTPUTS; i++) {
        free(p->output[i].expected);
        free(p->output[i].computed);
    }
    free(p->gradients);
    free(p->computed_gradients);
    free(p->gradient_expected);
    free(p->scratch[0]);
    free(p->scratch[1]);
    fcmae_model_destroy(&p->model);
    fcmae_checkpoint_close(&p->file);
}
