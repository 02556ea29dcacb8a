/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Saving models and parameter-shaped blocks under the names of any layout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/layout.h"
#include "checkpoint/save.h"
#include "core/memory.h"
#include "core/status.h"
#include "model/objective.h"
#include "tensor/write.h"

static void add_text(fcmae_config_texts *texts, const char *key, const char *format, ...)
    FCMAE_PRINTF(3, 4);
static void add_text(fcmae_config_texts *texts, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(texts->value[texts->count], sizeof texts->value[0], format, arguments);
    va_end(arguments);
    texts->metadata[texts->count] = (fcmae_metadata){key, texts->value[texts->count]};
    texts->count++;
}

void fcmae_config_describe(const fcmae_model_config *config, fcmae_config_texts *texts)
{
    const int *a = config->depths, *b = config->dims;
    texts->count = 0;
    add_text(texts, "format", "pt");
    add_text(texts, "model", "%s", config->name);
    add_text(texts, "version", "%d", config->version);
    add_text(texts, "kind", "%s", fcmae_objective_kind(config));
    add_text(texts, "depths", "%d, %d, %d, %d", a[0], a[1], a[2], a[3]);
    add_text(texts, "dims", "%d, %d, %d, %d", b[0], b[1], b[2], b[3]);
    add_text(texts, "channels", "%d", config->channels);
    add_text(texts, "stem_stride", "%d", config->stem_stride);
    add_text(texts, "grn_scope", "%s", config->grn_scope == FCMAE_GRN_BATCH ? "batch" : "image");
    add_text(texts, "norm_pix", "%s", config->norm_pix ? "on" : "off");
    if (fcmae_config_has_part(config, FCMAE_PART_DECODER)) {
        add_text(texts, "decoder_depth", "%d", config->decoder_depth);
        add_text(texts, "decoder_dim", "%d", config->decoder_dim);
    }
    if (fcmae_config_has_part(config, FCMAE_PART_HEAD))
        add_text(texts, "classes", "%d", config->classes);
    if (config->version == 1)
        add_text(texts, "layer_scale_init", "%.17g", config->layer_scale_init);
}

/** What the callbacks of a save know. */
typedef struct saving {
    const fcmae_checkpoint_contents *contents;
    const fcmae_parameter *table;
    int parameters; /* of the table; tensors [block * parameters + i], then the extra ones */
    const fcmae_named_block *blocks;
    int block_count;
    fcmae_layout layout;
    fcmae_tensor *tensors;
    float *official, *ordered;
} saving;

static fcmae_status fill(void *cookie, int index, void *bytes, fcmae_error *error)
{
    saving *s = cookie;
    const fcmae_tensor *tensor = &s->tensors[index];
    if (index >= s->block_count * s->parameters) {
        const fcmae_extra_tensor *extra =
            &s->contents->extra[index - s->block_count * s->parameters];
        size_t size = (size_t)tensor->count * fcmae_dtype_size(tensor->dtype);
        if (size) memcpy(bytes, extra->bytes, size);
        return FCMAE_OK;
    }
    const fcmae_parameter *parameter = &s->table[index % s->parameters];
    const float *values = s->official;
    fcmae_parameter_export(parameter, s->blocks[index / s->parameters].values, s->official);
    if (fcmae_layout_is_kernel(parameter, s->layout)) {
        fcmae_kernel_export(parameter, sizeof(float), s->official, s->ordered);
        values = s->ordered;
    }
    return fcmae_tensor_narrow(tensor, values, bytes, error);
}

static void report_progress(void *cookie, uint64_t done, uint64_t total)
{
    const fcmae_checkpoint_contents *contents = ((saving *)cookie)->contents;
    if (contents->progress) contents->progress(contents->cookie, done, total);
}

/** Names and shapes of every tensor; `names` has FCMAE_NAME_SIZE bytes for each of the blocks'. */
static fcmae_status describe_tensors(saving *s, const fcmae_model_config *config, char *names,
                                     fcmae_error *error)
{
    for (int b = 0; b < s->block_count; b++)
        for (int i = 0; i < s->parameters; i++) {
            fcmae_tensor *tensor = &s->tensors[b * s->parameters + i];
            char *name = names + (size_t)(b * s->parameters + i) * FCMAE_NAME_SIZE;
            char plain[FCMAE_NAME_SIZE];
            if (!fcmae_layout_has(&s->table[i], s->layout))
                return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "the %s layout has no place for %s",
                                  fcmae_layout_name(s->layout), s->table[i].name);
            fcmae_layout_describe(&s->table[i], config, s->layout, plain, tensor);
            int length = snprintf(name, FCMAE_NAME_SIZE, "%s%s", s->blocks[b].prefix, plain);
            if (length >= FCMAE_NAME_SIZE)
                return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the name %.60s%s is too long",
                                  s->blocks[b].prefix, plain);
            tensor->name = name;
            tensor->dtype = s->contents->dtype;
        }
    for (int i = 0; i < s->contents->extra_count; i++)
        s->tensors[s->block_count * s->parameters + i] = s->contents->extra[i].tensor;
    return FCMAE_OK;
}

static bool has_key(const fcmae_checkpoint_contents *contents, const char *key)
{
    for (int i = 0; i < contents->metadata_count; i++)
        if (strcmp(contents->metadata[i].key, key) == 0) return true;
    return false;
}

static fcmae_status write_tensors(saving *s, const fcmae_model_config *config, const char *path,
                                  fcmae_error *error)
{
    const fcmae_checkpoint_contents *contents = s->contents;
    fcmae_config_texts texts;
    fcmae_config_describe(config, &texts);
    int count = texts.count + contents->metadata_count;
    fcmae_metadata *metadata = calloc((size_t)count, sizeof *metadata);
    if (!metadata) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    count = 0;
    for (int i = 0; i < texts.count; i++)
        if (!has_key(contents, texts.metadata[i].key)) metadata[count++] = texts.metadata[i];
    for (int i = 0; i < contents->metadata_count; i++) metadata[count++] = contents->metadata[i];
    fcmae_tensor_contents file = {.tensors = s->tensors,
                                  .count = s->block_count * s->parameters + contents->extra_count,
                                  .metadata = metadata,
                                  .metadata_count = count,
                                  .checksums = true,
                                  .fill = fill,
                                  .progress = report_progress,
                                  .cookie = s};
    fcmae_status status = fcmae_tensor_file_write(path, contents->container, &file, error);
    free(metadata);
    return status;
}

fcmae_status fcmae_checkpoint_save(const char *path, fcmae_model *model,
                                   const fcmae_checkpoint_contents *contents, fcmae_error *error)
{
    static const fcmae_checkpoint_contents defaults = {0};
    const fcmae_model_config *config = fcmae_model_configuration(model);
    fcmae_named_block own = {"", fcmae_model_values(model)};
    saving s = {.contents = contents ? contents : &defaults};
    s.table = fcmae_model_parameters(model, &s.parameters);
    s.blocks = s.contents->blocks ? s.contents->blocks : &own;
    s.block_count = s.contents->blocks ? s.contents->block_count : 1;
    s.layout = s.contents->layout;
    if (s.layout == FCMAE_LAYOUT_AUTO)
        s.layout = fcmae_config_has_part(config, FCMAE_PART_DECODER) ? FCMAE_LAYOUT_SPARSE
                                                                     : FCMAE_LAYOUT_DENSE;

    int64_t largest = 0;
    for (int i = 0; i < s.parameters; i++)
        if (s.table[i].count > largest) largest = s.table[i].count;
    size_t count = (size_t)(s.block_count * s.parameters);
    char *names = calloc(count + 1, FCMAE_NAME_SIZE);
    s.tensors = calloc(count + (size_t)s.contents->extra_count + 1, sizeof *s.tensors);
    s.official = fcmae_allocate_aligned((size_t)largest, sizeof *s.official);
    s.ordered = fcmae_allocate_aligned((size_t)largest, sizeof *s.ordered);
    fcmae_status status = FCMAE_OK;
    if (!names || !s.tensors || !s.official || !s.ordered)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    if (status == FCMAE_OK) status = describe_tensors(&s, config, names, error);
    if (status == FCMAE_OK) status = write_tensors(&s, config, path, error);
    free(names);
    free(s.tensors);
    free(s.official);
    free(s.ordered);
    return status;
}
