/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Conversion into tensor files and model folders. */
#include "fcmae/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/conversion.h"
#include "checkpoint/save.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/staging.h"
#include "core/status.h"
#include "tensor/write.h"

#define WEIGHTS "model.safetensors"

/** What the callbacks of a conversion know. */
typedef struct converting {
    fcmae_conversion *conversion;
    fcmae_layout layout;
    fcmae_tensor *tensors;
    char (*names)[FCMAE_NAME_SIZE];
    float *official, *ordered;
} converting;

void fcmae_convert_result_release(fcmae_convert_result *result)
{
    if (!result) return;
    fcmae_load_report_release(&result->report);
    *result = (fcmae_convert_result){0};
}

static fcmae_status fill(void *cookie, int index, void *bytes, fcmae_error *error)
{
    converting *w = cookie;
    fcmae_conversion *c = w->conversion;
    const fcmae_parameter *p = &c->table[index];
    const fcmae_entry *source = c->source[index];
    bool kernel = fcmae_layout_is_kernel(p, w->layout);
    const float *values = w->official;
    if (source && source->parsed.kernel == kernel) { /* the same order on both sides */
        FCMAE_TRY(fcmae_entry_read_stored(c->input->file, source, w->official, error));
    } else {
        FCMAE_TRY(fcmae_conversion_read(c, index, w->official, error));
        if (kernel) {
            fcmae_kernel_export(p, sizeof(float), w->official, w->ordered);
            values = w->ordered;
        }
    }
    return fcmae_tensor_narrow(&w->tensors[index], values, bytes, error);
}

static void report_progress(void *cookie, uint64_t done, uint64_t total)
{
    const fcmae_convert_options *options = ((converting *)cookie)->conversion->options;
    if (options->progress) options->progress(options->cookie, done, total);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a > b && strcasecmp(text + a - b, end) == 0;
}

/** The container an output's name asks for; false: it names a folder. */
static bool container_of(const char *output, fcmae_container *container)
{
    *container = FCMAE_CONTAINER_SAFETENSORS;
    if (ends_with(output, ".safetensors")) return true;
    *container = FCMAE_CONTAINER_TORCH;
    return ends_with(output, ".pt") || ends_with(output, ".pth") || ends_with(output, ".bin");
}

/** The input's own texts, but for those that describe its configuration. */
static void keep_texts(const fcmae_conversion *c, const fcmae_config_texts *texts,
                       const char *class_names, fcmae_metadata *metadata, int *count)
{
    static const char *const outdated[] = {"classes", "decoder_depth", "decoder_dim",
                                           "layer_scale_init", "class_names"};
    int own;
    const fcmae_metadata *old = fcmae_tensor_file_metadata(c->input->file, &own);
    bool dropped;
    for (int i = 0; i < own; i++) {
        dropped = strncmp(old[i].key, "optimizer.", 10) == 0 ||
                  strncmp(old[i].key, "args.", 5) == 0;
        for (int j = 0; j < texts->count; j++)
            dropped |= strcmp(old[i].key, texts->metadata[j].key) == 0;
        for (size_t j = 0; j < sizeof outdated / sizeof *outdated; j++)
            dropped |= strcmp(old[i].key, outdated[j]) == 0;
        if (!dropped) metadata[(*count)++] = old[i];
    }
    if (class_names) metadata[(*count)++] = (fcmae_metadata){"class_names", class_names};
}

static fcmae_status write_file(converting *w, const char *path, fcmae_container container,
                               const char *class_names, fcmae_error *error)
{
    const fcmae_conversion *c = w->conversion;
    fcmae_config_texts texts;
    int own, count;
    fcmae_config_describe(&c->config, &texts);
    fcmae_tensor_file_metadata(c->input->file, &own);
    fcmae_metadata *metadata = calloc((size_t)(texts.count + own + 1), sizeof *metadata);
    if (!metadata) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    memcpy(metadata, texts.metadata, (size_t)texts.count * sizeof *metadata);
    count = texts.count;
    keep_texts(c, &texts, class_names, metadata, &count);
    /* from_pretrained() wants the state dict itself in pytorch_model.bin */
    if (container == FCMAE_CONTAINER_TORCH && w->layout == FCMAE_LAYOUT_HUGGINGFACE) count = 0;
    fcmae_tensor_contents contents = {.tensors = w->tensors,
                                      .count = c->count,
                                      .metadata = metadata,
                                      .metadata_count = count,
                                      .checksums = true,
                                      .fill = fill,
                                      .progress = report_progress,
                                      .cookie = w};
    fcmae_status status = fcmae_tensor_file_write(path, container, &contents, error);
    free(metadata);
    return status;
}

static fcmae_status prepare(converting *w, fcmae_error *error)
{
    fcmae_conversion *c = w->conversion;
    int64_t largest = 1;
    for (int i = 0; i < c->count; i++)
        if (c->table[i].count > largest) largest = c->table[i].count;
    w->tensors = calloc((size_t)c->count + 1, sizeof *w->tensors);
    w->names = calloc((size_t)c->count + 1, sizeof *w->names);
    w->official = fcmae_allocate_aligned((size_t)largest, sizeof *w->official);
    w->ordered = fcmae_allocate_aligned((size_t)largest, sizeof *w->ordered);
    if (!w->tensors || !w->names || !w->official || !w->ordered)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to convert tensors of %lld values",
                          (long long)largest);
    for (int i = 0; i < c->count; i++) {
        fcmae_layout_describe(&c->table[i], &c->config, w->layout, w->names[i], &w->tensors[i]);
        w->tensors[i].dtype = c->options->dtype;
    }
    return FCMAE_OK;
}

static uint64_t tensor_bytes(const converting *w)
{
    uint64_t bytes = 0;
    for (int i = 0; i < w->conversion->count; i++)
        bytes += (uint64_t)w->tensors[i].count * fcmae_dtype_size(w->tensors[i].dtype);
    return bytes;
}

/** Writes a folder: the weights and what describes them to other programs. */
static fcmae_status write_folder(converting *w, const char *output, const json_t *classes,
                                 const char *class_names, fcmae_error *error)
{
    fcmae_staging staging = {0};
    char *weights = NULL;
    FCMAE_TRY(fcmae_staging_open(&staging, output, error));
    fcmae_status status = fcmae_write_model_folder(w->conversion, staging.temporary, classes,
                                                   error);
    if (status == FCMAE_OK && asprintf(&weights, "%s/" WEIGHTS, staging.temporary) < 0)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", output);
    if (status == FCMAE_OK)
        status = write_file(w, weights, FCMAE_CONTAINER_SAFETENSORS, class_names, error);
    free(weights);
    if (status == FCMAE_OK) return fcmae_staging_commit(&staging, error);
    fcmae_staging_discard(&staging);
    return status;
}

/** Writes a file or a folder. */
static fcmae_status write_output(converting *w, const char *input, const char *output, char *path,
                                 size_t room, fcmae_error *error)
{
    fcmae_container container;
    bool file = container_of(output, &container);
    bool folder_format = w->layout == FCMAE_LAYOUT_TIMM || w->layout == FCMAE_LAYOUT_HUGGINGFACE;
    if (!file && !folder_format)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s has no ending that says what it is: .safetensors, .pt, .pth or .bin",
                          output);
    if (snprintf(path, room, "%s%s", output, file ? "" : "/" WEIGHTS) >= (int)room)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path %.200s... is too long", output);
    json_t *classes = fcmae_conversion_classes(w->conversion, input);
    char *names = classes ? fcmae_json_line(classes) : NULL;
    fcmae_status status = file ? write_file(w, path, container, names, error)
                               : write_folder(w, output, classes, names, error);
    free(names);
    json_decref(classes);
    return status;
}

static fcmae_status check_options(const fcmae_convert_options *options, const char *output,
                                  fcmae_error *error)
{
    if (options->sparse && options->format != FCMAE_FORMAT_OFFICIAL)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the sparse form exists in the official naming only");
    if (options->sparse && options->classes > 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "a sparse checkpoint has no classification head to "
                          "make: leave the classes out, or convert to dense");
    if (options->dtype != FCMAE_DTYPE_F32 && options->dtype != FCMAE_DTYPE_F16 &&
        options->dtype != FCMAE_DTYPE_BF16)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "weights are written as f32, f16 or bf16, not %s",
                          fcmae_dtype_name(options->dtype));
    if (options->classes < 0 || options->input_size < 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "classes and input size cannot be negative");
    if ((options->format == FCMAE_FORMAT_ONNX) != ends_with(output, ".onnx"))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the name of an ONNX file, and of no other, ends in .onnx: %s", output);
    return FCMAE_OK;
}

static fcmae_status run(fcmae_conversion *c, const char *input, const char *output,
                        fcmae_convert_result *result, fcmae_error *error)
{
    converting w = {.conversion = c};
    const fcmae_convert_options *options = c->options;
    w.layout = options->sparse                               ? FCMAE_LAYOUT_SPARSE
               : options->format == FCMAE_FORMAT_TIMM        ? FCMAE_LAYOUT_TIMM
               : options->format == FCMAE_FORMAT_HUGGINGFACE ? FCMAE_LAYOUT_HUGGINGFACE
                                                             : FCMAE_LAYOUT_DENSE;
    if (options->format == FCMAE_FORMAT_ONNX) {
        snprintf(result->path, sizeof result->path, "%s", output);
        return fcmae_onnx_write(c, output, &result->bytes, error);
    }
    fcmae_status status = prepare(&w, error);
    if (status == FCMAE_OK) {
        result->bytes = tensor_bytes(&w);
        status = write_output(&w, input, output, result->path, sizeof result->path, error);
    }
    free(w.tensors);
    free(w.names);
    free(w.official);
    free(w.ordered);
    return status;
}

/** What the program that is to read it would build otherwise. Every other member of a configuration
 *  has its place in the descriptions of model_folder.c, in the ONNX graph, or is nothing that a
 *  dense network has (decoder, targets, scope of GRN). */
static fcmae_status check_target(const fcmae_conversion *c, fcmae_error *error)
{
    /* timm/models/convnext.py: a stem of stride 2 is followed by a downsampling of its own, and no
     * stage strides beyond 32 pixels: after a stem of stride 8 the last one is dilated instead */
    if (c->options->format == FCMAE_FORMAT_TIMM && c->config.stem_stride != 4)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "timm has no ConvNeXt with a stem of stride %d and four stages behind "
                          "it: it would %s; take another format",
                          c->config.stem_stride,
                          c->config.stem_stride < 4 ? "add a downsampling"
                                                    : "dilate the last stage in place of striding");
    return FCMAE_OK;
}

/** What a file of this library is fine with and another program is not. */
static void remark_target(const fcmae_conversion *c, char *remark, size_t size)
{
    const fcmae_model_config *config = &c->config;
    fcmae_format format = c->options->format;
    remark[0] = 0;
    if (format == FCMAE_FORMAT_OFFICIAL && config->stem_stride != 4)
        snprintf(remark, size,
                 "the official code cannot load this file: its stem has a stride of 4, not %d",
                 config->stem_stride);
    else if (c->options->sparse && config->version == 1)
        snprintf(remark, size, "the official code cannot load this file: its sparse network is V2");
    else if (config->channels != 3 &&
             (format == FCMAE_FORMAT_TIMM || format == FCMAE_FORMAT_HUGGINGFACE))
        snprintf(remark, size,
                 "how images of %d channels are prepared is not described, since no file says it",
                 config->channels);
}

fcmae_status fcmae_convert(const char *input, const char *output,
                           const fcmae_convert_options *options, fcmae_convert_result *result,
                           fcmae_error *error)
{
    static const fcmae_convert_options defaults = {0};
    fcmae_convert_result own = {0};
    fcmae_conversion c;
    if (!options) options = &defaults;
    if (!result) result = &own;
    fcmae_convert_result_release(result);
    FCMAE_TRY(check_options(options, output, error));
    fcmae_status status = fcmae_conversion_open(&c, input, options, error);
    if (status == FCMAE_OK) {
        result->from = c.input->info;
        result->from.key = result->from.path = NULL; /* live as long as the input */
        result->from.report = (fcmae_load_report){0};
        result->config = c.config;
        result->tensors = c.count;
        status = check_target(&c, error);
        remark_target(&c, result->remark, sizeof result->remark);
        if (status == FCMAE_OK) status = run(&c, input, output, result, error);
    }
    result->report = c.report; /* handed over, also when the input did not fit */
    c.report = (fcmae_load_report){0};
    fcmae_conversion_close(&c);
    fcmae_convert_result_release(&own);
    return status;
}
