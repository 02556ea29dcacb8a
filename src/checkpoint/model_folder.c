/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The JSON files that make a folder of weights a timm or Hugging
 *  Face model, and names of classes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/conversion.h"
#include "core/file.h"
#include "core/json.h"
#include "fcmae/image.h"

#define LARGEST_DESCRIPTION ((size_t)64 << 20)

static json_t *integers(const int *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++) fcmae_json_append(&array, json_integer(values[i]));
    return array;
}

static json_t *texts(const char *const *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++) fcmae_json_append(&array, json_string(values[i]));
    return array;
}

/** The numbers as they are written in decimal, not the floats nearest to them. */
static json_t *three_decimals(const float values[3])
{
    double v[3];
    for (int i = 0; i < 3; i++) v[i] = rint(1000 * (double)values[i]) / 1000;
    return json_pack("[f, f, f]", v[0], v[1], v[2]);
}

/** As asked for, else as the input records, else that of the published networks. */
static int input_size(const fcmae_conversion *c)
{
    int recorded = c->input->info.input_size;
    return c->options->input_size > 0 ? c->options->input_size : recorded > 0 ? recorded : 224;
}

/** Whether images are prepared as ours are, which have three channels. */
static bool knows_images(const fcmae_conversion *c)
{
    return c->config.channels == 3;
}

/* ---------------------------------------------------------------- class names ---------------- */

/** An array of exactly `count` texts from an array or from {"0": text, ...}; NULL if it is not. */
static json_t *as_names(const json_t *value, int count)
{
    json_t *names = json_array();
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const json_t *name = json_is_array(value) ? json_array_get(value, (size_t)i)
                                                  : json_object_get(value, key);
        if (!json_is_string(name)) {
            json_decref(names);
            return NULL;
        }
        fcmae_json_append(&names, json_string(json_string_value(name)));
    }
    bool whole = json_is_array(value) ? json_array_size(value) == (size_t)count
                                      : json_object_size(value) == (size_t)count;
    if (whole) return names;
    json_decref(names);
    return NULL;
}

/** Names made up for want of better ones: LABEL_0, LABEL_1, ... */
static bool made_up(const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        char label[32];
        snprintf(label, sizeof label, "LABEL_%zu", i);
        if (strcmp(json_string_value(json_array_get(names, i)), label) != 0) return false;
    }
    return true;
}

/** Reads the config.json beside the weights; NULL if there is none that can be read. */
static json_t *read_description(const char *weights)
{
    const char *slash = strrchr(weights, '/');
    size_t folder = slash ? (size_t)(slash - weights) + 1 : 0;
    char *path = malloc(folder + 16);
    fcmae_buffer buffer = {0};
    json_t *description = NULL;
    if (!path) return NULL;
    memcpy(path, weights, folder);
    strcpy(path + folder, "config.json");
    if (fcmae_file_read(&buffer, path, LARGEST_DESCRIPTION, NULL) == FCMAE_OK &&
        fcmae_json_parse(buffer.text, buffer.size, path, &description, NULL) != FCMAE_OK)
        description = NULL;
    fcmae_buffer_release(&buffer);
    free(path);
    return description;
}

json_t *fcmae_conversion_classes(const fcmae_conversion *c, const char *input)
{
    int count = c->config.classes;
    json_t *names = NULL, *value = NULL;
    bool kept = false;
    for (int i = 0; i < c->count; i++)
        kept |= c->source[i] && strcmp(c->table[i].name, "head.bias") == 0;
    if (!fcmae_config_has_part(&c->config, FCMAE_PART_HEAD) || !kept) return NULL;
    const char *text = fcmae_tensor_file_text(c->input->file, "class_names");
    if (text && fcmae_json_parse(text, strlen(text), "class_names", &value, NULL) == FCMAE_OK) {
        names = as_names(value, count);
        json_decref(value);
    }
    fcmae_layout layout = c->input->info.layout;
    if (names || (layout != FCMAE_LAYOUT_TIMM && layout != FCMAE_LAYOUT_HUGGINGFACE)) return names;
    json_t *description = read_description(c->input->path);
    names = as_names(json_object_get(description, "id2label"), count);
    if (!names) names = as_names(json_object_get(description, "label_names"), count);
    json_decref(description);
    if (names && made_up(names)) {
        json_decref(names);
        names = NULL;
    }
    return names;
}

/* ---------------------------------------------------------------- Hugging Face --------------- */

/** id2label, label2id: real names, or LABEL_0 ... as the library itself would make them up. */
static void add_labels(json_t **description, int count, const json_t *classes)
{
    json_t *names = json_object(), *numbers = json_object();
    for (int i = 0; i < count; i++) {
        char key[16], label[32];
        snprintf(key, sizeof key, "%d", i);
        snprintf(label, sizeof label, "LABEL_%d", i);
        const char *name = json_string_value(json_array_get(classes, (size_t)i));
        if (!name) name = label;
        fcmae_json_set(&names, key, json_string(name));
        if (!json_object_get(numbers, name)) fcmae_json_set(&numbers, name, json_integer(i));
    }
    fcmae_json_set(description, "id2label", names);
    fcmae_json_set(description, "label2id", numbers);
}

static json_t *describe_huggingface(const fcmae_conversion *c, const json_t *classes)
{
    static const char *const stages[] = {"stem", "stage1", "stage2", "stage3", "stage4"};
    const fcmae_model_config *config = &c->config;
    bool second = config->version == 2, head = fcmae_config_has_part(config, FCMAE_PART_HEAD);
    const char *architecture = head ? (second ? "ConvNextV2ForImageClassification"
                                              : "ConvNextForImageClassification")
                                    : (second ? "ConvNextV2Model" : "ConvNextModel");
    json_t *d = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:o, s:o, s:s, s:f, s:f, s:f, s:i, s:o, s:s}", "architectures",
        architecture, "model_type", second ? "convnextv2" : "convnext", "num_channels",
        config->channels, "patch_size", config->stem_stride, "num_stages", FCMAE_STAGES,
        "hidden_sizes", integers(config->dims, FCMAE_STAGES), "depths",
        integers(config->depths, FCMAE_STAGES), "hidden_act", "gelu", "initializer_range", 0.02,
        "layer_norm_eps", 1e-6, "drop_path_rate", 0.0, "image_size", input_size(c), "stage_names",
        texts(stages, 5), "torch_dtype",
        c->options->dtype == FCMAE_DTYPE_F16    ? "float16"
        : c->options->dtype == FCMAE_DTYPE_BF16 ? "bfloat16"
                                                : "float32");
    /* without a positive one that library builds no LayerScale and passes over its weights, which
     * take the place of the value */
    double first = config->layer_scale_init > 0 ? config->layer_scale_init : 1e-6;
    if (!second) fcmae_json_set(&d, "layer_scale_init_value", json_real(first));
    fcmae_json_set(&d, "out_features", texts(stages + 4, 1));
    fcmae_json_set(&d, "out_indices", json_pack("[i]", 4));
    if (head) add_labels(&d, config->classes, classes);
    return d;
}

static json_t *describe_preprocessor(const fcmae_conversion *c)
{
    return json_pack("{s:s, s:b, s:{s:i}, s:f, s:i, s:b, s:f, s:b, s:o, s:o}",
                     "image_processor_type", "ConvNextImageProcessor", "do_resize", 1, "size",
                     "shortest_edge", input_size(c), "crop_pct", 0.875, "resample", 3, "do_rescale",
                     1, "rescale_factor", 1.0 / 255.0, "do_normalize", 1, "image_mean",
                     three_decimals(fcmae_imagenet_mean), "image_std",
                     three_decimals(fcmae_imagenet_deviation));
}

/* ---------------------------------------------------------------- timm ----------------------- */

/** timm's name of a published size, or NULL. */
static const char *timm_name(const fcmae_model_config *config)
{
    static const struct {
        const char *first, *second;
        int depth, dim;
    } sizes[] = {
        {"convnext_atto", "convnextv2_atto", 6, 40},
        {"convnext_femto", "convnextv2_femto", 6, 48},
        {"convnext_pico", "convnextv2_pico", 6, 64},
        {"convnext_nano", "convnextv2_nano", 8, 80},
        {"convnext_tiny", "convnextv2_tiny", 9, 96},
        {"convnext_small", "convnextv2_small", 27, 96},
        {"convnext_base", "convnextv2_base", 27, 128},
        {"convnext_large", "convnextv2_large", 27, 192},
        {NULL, "convnextv2_huge", 27, 352},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int side = sizes[i].depth > 8 ? 3 : 2;
        const int depths[] = {side, side, sizes[i].depth, side};
        bool fits = memcmp(depths, config->depths, sizeof depths) == 0;
        for (int stage = 0; stage < FCMAE_STAGES; stage++)
            fits = fits && config->dims[stage] == sizes[i].dim << stage;
        if (fits) return config->version == 2 ? sizes[i].second : sizes[i].first;
    }
    return NULL;
}

static json_t *describe_timm(const fcmae_conversion *c, const json_t *classes)
{
    const fcmae_model_config *config = &c->config;
    int size = input_size(c), pool = size / fcmae_config_patch(config);
    const char *name = timm_name(config);
    json_t *pretrained = json_pack(
        "{s:s, s:b, s:[i, i, i], s:b, s:s, s:f, s:s, s:i, s:[i, i], s:s, s:s}", "tag", "fcmae",
        "custom_load", 0, "input_size", config->channels, size, size, "fixed_input_size", 0,
        "interpolation", "bicubic", "crop_pct", size >= 384 ? 1.0 : 0.875, "crop_mode",
        size >= 384 ? "squash" : "center", "num_classes", config->classes, "pool_size", pool, pool,
        "first_conv", "stem.0", "classifier", "head.fc");
    if (knows_images(c)) {
        fcmae_json_set(&pretrained, "mean", three_decimals(fcmae_imagenet_mean));
        fcmae_json_set(&pretrained, "std", three_decimals(fcmae_imagenet_deviation));
    }
    json_t *d = json_pack("{s:s, s:i, s:i}", "architecture",
                          name                   ? name
                          : config->version == 2 ? "convnextv2_tiny"
                                                 : "convnext_tiny",
                          "num_classes", config->classes, "num_features", config->dims[3]);
    json_t *arguments = json_object();
    if (!name) {
        fcmae_json_set(&arguments, "depths", integers(config->depths, FCMAE_STAGES));
        fcmae_json_set(&arguments, "dims", integers(config->dims, FCMAE_STAGES));
        fcmae_json_set(&arguments, "conv_mlp", json_boolean(config->dims[0] < 96));
    }
    if (config->stem_stride != 4)
        fcmae_json_set(&arguments, "patch_size", json_integer(config->stem_stride));
    if (config->channels != 3)
        fcmae_json_set(&arguments, "in_chans", json_integer(config->channels));
    if (!arguments || json_object_size(arguments) > 0)
        fcmae_json_set(&d, "model_args", arguments);
    else
        json_decref(arguments);
    if (classes) fcmae_json_set(&d, "label_names", json_incref((json_t *)(uintptr_t)classes));
    fcmae_json_set(&d, "pretrained_cfg", pretrained);
    return d;
}

static fcmae_status write_description(const char *folder, const char *name, json_t *description,
                                      fcmae_error *error)
{
    char *text = fcmae_json_page(description);
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);
    fcmae_status status = FCMAE_OK;
    if (!text || !path)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s/%s", folder, name);
    else {
        snprintf(path, room, "%s/%s", folder, name);
        status = fcmae_file_write(path, text, strlen(text), error);
    }
    free(path);
    free(text);
    json_decref(description);
    return status;
}

fcmae_status fcmae_write_model_folder(const fcmae_conversion *c, const char *folder,
                                      const json_t *classes, fcmae_error *error)
{
    if (c->options->format == FCMAE_FORMAT_TIMM)
        return write_description(folder, "config.json", describe_timm(c, classes), error);
    FCMAE_TRY(write_description(folder, "config.json", describe_huggingface(c, classes), error));
    if (!knows_images(c)) return FCMAE_OK;
    return write_description(folder, "preprocessor_config.json", describe_preprocessor(c), error);
}
