/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae info: what a preset or a checkpoint file is, and what it costs to run. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fcmae/checkpoint.h"
#include "help.h"
#include "json.h"
#include "memory_report.h"
#include "shared.h"
#include "shown.h"

struct info_values {
    const char *model, *input_size, *key;
    int64_t batch_size, lanes, micro_batch, threads, classes;
    double mask_ratio;
    int grn_scope, precision;
    bool tensors, ini, json;
};
#define AT(member) offsetof(struct info_values, member)

static const fcmae_option options[] = {
    {"NAME|FILE", FCMAE_OPTION_TEXT, AT(model), .positional = true,
     .otherwise = "the list of all presets",
     .help = CLI_HELP_MODEL " Or any checkpoint: safetensors, PyTorch (.pt, .pth, .bin), .npz, in "
                            "the naming of the official code, timm or Hugging Face."},
    {"tensors", FCMAE_OPTION_FLAG, AT(tensors),
     .help = "List every tensor: name, shape, number type."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .otherwise = "the weights themselves",
     .help =
         "Which weights of a checkpoint, where it holds several: model, model_ema, ..., ema for "
         "any average, or what stands before the names."},
    {"ini", FCMAE_OPTION_FLAG, AT(ini),
     .help = "Print a preset's file, to start one of your own from."},
    {"input-size", FCMAE_OPTION_TEXT, AT(input_size), .fallback = "224", .unit = "PX",
     .help = "Side of an image in pixels, or HEIGHTxWIDTH, for cost and memory."},
    {"mask-ratio", FCMAE_OPTION_NUMBER, AT(mask_ratio), .fallback = FCMAE_MASK_RATIO,
     .range = "(0, 1)", .help = "Part of the cells removed in pretraining."},
    {"batch-size", FCMAE_OPTION_INTEGER, AT(batch_size), .fallback = "64", .range = "[1, 65536]",
     .help = "Images per step, for the memory a run needs."},
    {"classes", FCMAE_OPTION_INTEGER, AT(classes), .range = "[1, 1000000]",
     .otherwise = "those of the file, or 1000", .help = "Classes of the classifier."},
    {"grn-scope", FCMAE_OPTION_CHOICE, AT(grn_scope), .choices = "image|batch",
     .otherwise = "from the preset or file",
     .help = "Sites over which GRN takes its norm in pretraining; batch carries the whole batch at "
             "once."},
    {"precision", FCMAE_OPTION_CHOICE, AT(precision), .fallback = "f32", .choices = "f32|bf16",
     .help = CLI_HELP_PRECISION},
    {"threads", FCMAE_OPTION_INTEGER, AT(threads), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_THREADS},
    {"lanes", FCMAE_OPTION_INTEGER, AT(lanes), .fallback = "0", .range = "[0, 1024]",
     .help = CLI_HELP_LANES},
    {"micro-batch", FCMAE_OPTION_INTEGER, AT(micro_batch), .fallback = "0", .range = "[0, 65536]",
     .help = CLI_HELP_MICRO_BATCH},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object."},
};

typedef struct description {
    fcmae_model_config config;
    int64_t encoder, decoder, classifier, pretrain; /* parameters */
    int tensors[2];                                 /* pretraining model, classifier */
    int height, width, cells, visible;
    cli_memory memory;
} description;

static fcmae_status count_parameters(description *d, fcmae_error *error)
{
    fcmae_model_config config = d->config;
    config.objective = NULL;
    fcmae_status status = fcmae_config_parameters(&config, NULL, NULL, &d->encoder, error);
    config.objective = "masked";
    if (status == FCMAE_OK)
        status = fcmae_config_parameters(&config, NULL, &d->tensors[0], &d->pretrain, error);
    config.objective = "classify";
    if (status == FCMAE_OK)
        status = fcmae_config_parameters(&config, NULL, &d->tensors[1], &d->classifier, error);
    d->decoder = d->pretrain - d->encoder;
    return status;
}

/* What a preset says of one kind of training, or its defaults. */
static fcmae_status read_recipe(fcmae_options **recipe, const fcmae_option_set *set,
                                const char *preset_name, fcmae_error *error)
{
    fcmae_preset *preset = NULL;
    fcmae_status status = fcmae_options_create(recipe, set, error);
    if (status == FCMAE_OK && preset_name) status = fcmae_preset_open(&preset, preset_name, error);
    if (status == FCMAE_OK && preset) status = fcmae_preset_apply(preset, *recipe, error);
    fcmae_preset_close(&preset);
    return status;
}

static fcmae_status plan_memory(const struct info_values *o, description *d, const char *preset,
                                fcmae_error *error)
{
    const fcmae_engine_options engine = {.height = d->height,
                                         .width = d->width,
                                         .batch = (int)o->batch_size,
                                         .lanes = (int)o->lanes,
                                         .micro_batch = (int)o->micro_batch,
                                         .threads = (int)o->threads,
                                         .precision = (fcmae_precision)o->precision};
    fcmae_options *finetune = NULL;
    fcmae_status status = read_recipe(&finetune, fcmae_task_options("finetune"), preset, error);
    if (status == FCMAE_OK)
        status = cli_memory_plan(&d->memory, &d->config, &engine, d->visible, finetune, error);
    fcmae_options_destroy(&finetune);
    return status;
}

static int describe(const cli_arguments *arguments, description *d, const char *preset)
{
    const struct info_values *o = arguments->values;
    fcmae_error error = {0};
    if (cli_given(arguments, "grn-scope"))
        d->config.grn_scope = o->grn_scope == 1 ? FCMAE_GRN_BATCH : FCMAE_GRN_IMAGE;
    if (cli_given(arguments, "classes")) d->config.classes = (int)o->classes;
    if (d->config.classes < 1) d->config.classes = 1000;
    if (d->config.decoder_depth < 1) d->config.decoder_depth = 1;
    if (d->config.decoder_dim < 1) d->config.decoder_dim = 512;
    int result = cli_input_size(arguments->command, "input-size", o->input_size, &d->config,
                                &d->height, &d->width);
    if (result != CLI_SUCCESS) return result;
    int patch = fcmae_config_patch(&d->config);
    d->cells = (d->height / patch) * (d->width / patch);
    d->visible = fcmae_mask_visible(d->cells, o->mask_ratio);
    if (count_parameters(d, &error) != FCMAE_OK || plan_memory(o, d, preset, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    cli_remark_emulation(arguments, o->precision, 0);
    return CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------ text */

static void print_model(const description *d)
{
    const fcmae_model_config *c = &d->config;
    char text[32];
    printf("ConvNeXt V%d %s\n", c->version, CLI_SHOWN(c->name));
    printf("  depths            %d, %d, %d, %d\n", c->depths[0], c->depths[1], c->depths[2],
           c->depths[3]);
    printf("  dims              %d, %d, %d, %d\n", c->dims[0], c->dims[1], c->dims[2], c->dims[3]);
    printf("  stem              %d x %d, stride %d, %d channels; cells of %d pixels\n",
           c->stem_stride, c->stem_stride, c->stem_stride, c->channels, fcmae_config_patch(c));
    printf("  decoder           %d block%s of %d\n", c->decoder_depth,
           c->decoder_depth == 1 ? "" : "s", c->decoder_dim);
    if (c->version == 2)
        printf("  GRN               per %s\n", c->grn_scope == FCMAE_GRN_BATCH ? "batch" : "image");
    printf("  targets           %s\n\n",
           c->norm_pix ? "normalised per patch" : "pixels as they are");
    printf("Parameters\n");
    printf("  encoder           %16s\n", cli_grouped(d->encoder, text, sizeof text));
    printf("  decoder           %16s\n", cli_grouped(d->decoder, text, sizeof text));
    printf("  pretraining model %16s   in %d tensors\n",
           cli_grouped(d->pretrain, text, sizeof text), d->tensors[0]);
    printf("  classifier        %16s   in %d tensors, %d classes\n\n",
           cli_grouped(d->classifier, text, sizeof text), d->tensors[1], c->classes);
}

static void print_cost(const struct info_values *o, const description *d)
{
    const fcmae_engine_plan_info *plan = &d->memory.use[CLI_USE_PRETRAIN].plan.engine;
    printf("Multiply-adds per image of %d x %d pixels, in millions\n", d->height, d->width);
    printf("  encoder, dense    %16.1f   %d cells\n", plan->encoder_macs_dense * 1e-6, d->cells);
    printf("  encoder, masked   %16.1f   %d visible cells, mask ratio %g\n",
           plan->encoder_macs * 1e-6, d->visible, o->mask_ratio);
    printf("  decoder           %16.1f\n\n", plan->decoder_macs * 1e-6);
    cli_memory_print(&d->memory);
}

static void print_recipe(const fcmae_options *recipe)
{
    enum { INDENT = 16 };
    const fcmae_option_set *set = fcmae_options_describe(recipe);
    char text[2000];
    int used = 0;
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        char value[64];
        if (!option->section || strcmp(option->section, set->name) != 0) continue;
        fcmae_options_text(recipe, option->name, value, sizeof value);
        if (used < (int)sizeof text)
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%s %s", used ? ", " : "",
                             option->name, value);
    }
    printf("  %-*s", INDENT - 2, set->name);
    cli_wrap(stdout, text, INDENT, INDENT);
}

static int print_recipes(const cli_arguments *arguments, const char *preset)
{
    const fcmae_option_set *set;
    fcmae_status status = FCMAE_OK;
    fcmae_error error = {0};
    printf("\nRecipe\n");
    for (int i = 0; (set = fcmae_task_at(i)) != NULL && status == FCMAE_OK; i++) {
        fcmae_options *recipe = NULL;
        status = read_recipe(&recipe, set, preset, &error);
        if (status == FCMAE_OK) print_recipe(recipe);
        fcmae_options_destroy(&recipe);
    }
    return status == FCMAE_OK ? CLI_SUCCESS : cli_fail(arguments, &error);
}

static void print_tensor(const char *name, const int64_t *shape, int rank, const char *type)
{
    char text[128];
    size_t used = (size_t)snprintf(text, sizeof text, "(");
    for (int i = 0; i < rank && used < sizeof text - 24; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64, i ? ", " : "",
                                 shape[i]);
    snprintf(text + used, sizeof text - used, ")");
    printf("  %-52s %-22s %s\n", CLI_SHOWN(name), text, type);
}

static json_t *tensor_json(const char *name, const int64_t *shape, int rank, const char *type)
{
    json_t *sides = json_array();
    for (int i = 0; i < rank; i++) cli_json_append(&sides, json_integer((json_int_t)shape[i]));
    return json_pack("{s:o, s:o, s:s}", "name", cli_json_text(name), "shape", sides, "dtype", type);
}

/* ------------------------------------------------------------------------------------ json */

static json_t *four(const int *values)
{
    return json_pack("[i, i, i, i]", values[0], values[1], values[2], values[3]);
}

static json_t *description_json(const description *d)
{
    const fcmae_model_config *c = &d->config;
    json_t *object = json_pack("{s:s, s:i, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:b, s:s}", "name",
                               c->name, "version", c->version, "depths", four(c->depths), "dims",
                               four(c->dims), "channels", c->channels, "stem_stride",
                               c->stem_stride, "decoder_depth", c->decoder_depth, "decoder_dim",
                               c->decoder_dim, "classes", c->classes, "norm_pix", c->norm_pix,
                               "grn_scope", c->grn_scope == FCMAE_GRN_BATCH ? "batch" : "image");
    cli_json_set(&object, "parameters",
                 json_pack("{s:I, s:I, s:I, s:I}", "encoder", (json_int_t)d->encoder, "decoder",
                           (json_int_t)d->decoder, "pretrain", (json_int_t)d->pretrain,
                           "classifier", (json_int_t)d->classifier));
    const fcmae_engine_plan_info *plan = &d->memory.use[CLI_USE_PRETRAIN].plan.engine;
    cli_json_set(&object, "macs",
                 json_pack("{s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "height", d->height, "width",
                           d->width, "cells", d->cells, "visible_cells", d->visible,
                           "encoder_dense", plan->encoder_macs_dense, "encoder", plan->encoder_macs,
                           "decoder", plan->decoder_macs));
    cli_json_set(&object, "memory_bytes", cli_memory_json(&d->memory));
    return object;
}

/* --------------------------------------------------------------------------------- a preset */

static int info_preset(const cli_arguments *arguments)
{
    const struct info_values *o = arguments->values;
    description d = {0};
    fcmae_error error = {0};
    if (fcmae_preset_load(o->model, &d.config, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    int result = describe(arguments, &d, o->model), count = 0;
    if (result != CLI_SUCCESS) return result;
    fcmae_parameter *table = NULL;
    if (o->tensors && fcmae_config_parameters(&d.config, &table, &count, NULL, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    if (o->json) {
        json_t *object = description_json(&d), *list = json_array();
        for (int i = 0; i < count; i++)
            cli_json_append(&list,
                            tensor_json(table[i].name, table[i].shape, table[i].rank, "f32"));
        if (o->tensors)
            cli_json_set(&object, "tensors", list);
        else
            json_decref(list);
        free(table);
        return cli_print_json(arguments, object);
    }
    print_model(&d);
    print_cost(o, &d);
    result = print_recipes(arguments, o->model);
    if (result != CLI_SUCCESS) return result;
    if (o->tensors) printf("\nTensors of the pretraining model, official names\n");
    for (int i = 0; i < count; i++)
        print_tensor(table[i].name, table[i].shape, table[i].rank, "f32");
    free(table);
    return cli_finish(arguments);
}

/* ----------------------------------------------------------------------------- a checkpoint */

/* Tensors that do not fit; all of them if all tensors are to be listed. */
static void print_report(const fcmae_load_report *report, bool all)
{
    enum { SOME = 10 };
    for (int i = 0; i < report->count; i++) {
        if (!all && i == SOME && report->count > SOME + 1) {
            printf("  ... and %d more (--tensors)\n", report->count - SOME);
            return;
        }
        const fcmae_mismatch *m = &report->entries[i];
        printf("  %-12s %s %s%s%s\n", fcmae_mismatch_name(m->kind), CLI_SHOWN(m->name),
               CLI_SHOWN(m->found), m->expected[0] ? " expected " : "", CLI_SHOWN(m->expected));
    }
}

static void print_file(const char *path, const fcmae_checkpoint *checkpoint, bool all)
{
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(checkpoint);
    char text[32];
    printf("%s: %s file, %d tensors\n", CLI_SHOWN(path), fcmae_container_name(info->container),
           info->tensors);
    if (!info->recognised) {
        fcmae_error why = {0};
        fcmae_checkpoint_expect_model(checkpoint, &why);
        printf("  %s\n", CLI_SHOWN(why.message));
        return;
    }
    printf("  naming            %s%s%s\n", fcmae_layout_name(info->layout),
           info->key[0] ? ", under the key " : "", CLI_SHOWN(info->key));
    printf("  parameters        %s values in %d tensors, mostly %s\n",
           cli_grouped(info->values, text, sizeof text), info->parameters,
           fcmae_dtype_name(info->dtype));
    printf("  beside encoder    %s%s%s\n", info->has_decoder ? "decoder " : "",
           info->has_norm ? "norm " : "", info->has_head ? "head" : "");
    if (info->report.errors > 0) printf("  %d tensors do not fit:\n", info->report.errors);
    print_report(&info->report, all);
    int count = 0;
    const fcmae_metadata *metadata = fcmae_tensor_file_metadata(fcmae_checkpoint_file(checkpoint),
                                                                &count);
    if (count > 0) printf("Metadata\n");
    for (int i = 0; i < count; i++)
        printf("  %-17s %.*s%s\n", CLI_SHOWN(metadata[i].key), 200, CLI_SHOWN(metadata[i].value),
               strlen(metadata[i].value) > 200 ? " ..." : "");
    putchar('\n');
}

static json_t *file_json(const char *path, const fcmae_checkpoint *checkpoint)
{
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(checkpoint);
    json_t *file = json_pack(
        "{s:s, s:s, s:i, s:b, s:s, s:s, s:o, s:i, s:I, s:b, s:b, s:b, s:i}", "path", path,
        "container", fcmae_container_name(info->container), "tensors", info->tensors, "recognised",
        info->recognised, "naming", info->recognised ? fcmae_layout_name(info->layout) : "",
        "dtype", fcmae_dtype_name(info->dtype), "key", cli_json_text(info->key ? info->key : ""),
        "parameter_tensors", info->parameters, "values", (json_int_t)info->values, "has_decoder",
        info->has_decoder, "has_norm", info->has_norm, "has_head", info->has_head, "misfits",
        info->report.errors);
    int count = 0;
    const fcmae_metadata *metadata = fcmae_tensor_file_metadata(fcmae_checkpoint_file(checkpoint),
                                                                &count);
    json_t *texts = json_object();
    for (int i = 0; i < count; i++) {
        json_t *key = cli_json_text(metadata[i].key);
        cli_json_set(&texts, json_string_value(key), cli_json_text(metadata[i].value));
        json_decref(key);
    }
    cli_json_set(&file, "metadata", texts);
    return file;
}

static int info_checkpoint(const cli_arguments *arguments, const fcmae_checkpoint *checkpoint)
{
    const struct info_values *o = arguments->values;
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(checkpoint);
    description d = {.config = info->config};
    int result = CLI_SUCCESS, count = 0;
    if (info->recognised) result = describe(arguments, &d, NULL);
    if (result != CLI_SUCCESS) return result;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(fcmae_checkpoint_file(checkpoint),
                                                            &count);
    if (o->json) {
        json_t *object = info->recognised ? description_json(&d) : json_object();
        cli_json_set(&object, "file", file_json(o->model, checkpoint));
        json_t *list = json_array();
        for (int i = 0; i < count; i++)
            cli_json_append(&list, tensor_json(tensors[i].name, tensors[i].shape, tensors[i].rank,
                                               fcmae_dtype_name(tensors[i].dtype)));
        if (o->tensors)
            cli_json_set(&object, "tensors", list);
        else
            json_decref(list);
        return cli_print_json(arguments, object);
    }
    print_file(o->model, checkpoint, o->tensors);
    if (info->recognised) {
        print_model(&d);
        print_cost(o, &d);
    }
    if (o->tensors) printf("\nTensors of the file\n");
    for (int i = 0; o->tensors && i < count; i++)
        print_tensor(tensors[i].name, tensors[i].shape, tensors[i].rank,
                     fcmae_dtype_name(tensors[i].dtype));
    return cli_finish(arguments);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/** One line for each built-in preset. */
static int list_presets(const cli_arguments *arguments)
{
    const struct info_values *o = arguments->values;
    int count;
    const char *const *names = fcmae_preset_names(&count);
    json_t *list = json_array();
    if (!o->json)
        printf("%-12s %s  %16s  %16s  %s\n", "preset", "V", "encoder", "with 1000 classes",
               "channels of the stages");
    for (int i = 0; i < count; i++) {
        description d = {0};
        fcmae_error error = {0};
        char encoder[32], classifier[32];
        fcmae_status status = fcmae_preset_load(names[i], &d.config, &error);
        d.config.classes = 1000;
        if (status != FCMAE_OK || count_parameters(&d, &error) != FCMAE_OK) {
            json_decref(list);
            return cli_fail(arguments, &error);
        }
        const fcmae_model_config *c = &d.config;
        cli_json_append(&list, json_pack("{s:s, s:i, s:I, s:I, s:[i, i, i, i]}", "name", names[i],
                                         "version", c->version, "encoder", (json_int_t)d.encoder,
                                         "classifier", (json_int_t)d.classifier, "dims", c->dims[0],
                                         c->dims[1], c->dims[2], c->dims[3]));
        if (!o->json)
            printf("%-12s %d  %16s  %17s  %d %d %d %d\n", names[i], c->version,
                   cli_grouped(d.encoder, encoder, sizeof encoder),
                   cli_grouped(d.classifier, classifier, sizeof classifier), c->dims[0], c->dims[1],
                   c->dims[2], c->dims[3]);
    }
    if (o->json) return cli_print_json(arguments, json_pack("{s:o}", "presets", list));
    json_decref(list);
    printf("\n'fcmae info NAME' tells more of one, and what training it takes.\n");
    return cli_finish(arguments);
}

static int run(const cli_arguments *arguments)
{
    const struct info_values *o = arguments->values;
    if (!o->model && o->ini)
        return cli_usage_error(arguments->command, "--ini prints the file of one preset: which?");
    if (!o->model) return list_presets(arguments);
    if (o->ini) {
        const char *text = fcmae_preset_text(o->model);
        if (!text)
            return cli_usage_error(arguments->command, "--ini: '%s' is no built-in preset",
                                   o->model);
        fputs(text, stdout);
        return cli_finish(arguments);
    }
    if (fcmae_preset_text(o->model) || ends_with(o->model, ".ini")) return info_preset(arguments);
    fcmae_checkpoint *checkpoint = NULL;
    fcmae_error error = {0};
    fcmae_status status = fcmae_checkpoint_open(&checkpoint, o->model, o->key, &error);
    if (status == FCMAE_ERR_NOT_FOUND && !strchr(o->model, '/') && !strchr(o->model, '.'))
        return info_preset(arguments); /* a mistyped name: the error lists the presets */
    if (status != FCMAE_OK) return cli_fail(arguments, &error);
    const char *file = fcmae_checkpoint_describe(checkpoint)->path;
    if (!arguments->quiet && strcmp(file, o->model) != 0)
        fprintf(stderr, "%s stands for %s\n", CLI_SHOWN(o->model), CLI_SHOWN(file));
    cli_remark_contents(arguments, fcmae_checkpoint_describe(checkpoint), false);
    int result = info_checkpoint(arguments, checkpoint);
    if (result == CLI_SUCCESS && fcmae_checkpoint_verify(checkpoint, &error) != FCMAE_OK)
        result = cli_fail(arguments, &error); /* what the file says of itself may explain it */
    fcmae_checkpoint_close(&checkpoint);
    return result;
}

const cli_command cli_command_info = {
    .set =
        &(const fcmae_option_set){
            .name = "info",
            .purpose = "describe a preset or a checkpoint file: tensors, size, cost, memory",
            .description =
                "For a preset: the network, its parameters, the multiply-adds of one image (dense "
                "and masked), the memory a run needs and the largest batch that fits, and the "
                "recipe of the paper. For a checkpoint file: what it holds, in whose naming, "
                "whether anything is missing or damaged (every tensor is read), and then the "
                "same.\n\n"
                "Multiply-adds count convolutions and linear layers, as papers do.",
            .example = "fcmae info atto\n"
                       "fcmae info base --input-size 384 --batch-size 32\n"
                       "fcmae info atto --ini > mine.ini\n"
                       "fcmae info atto --tensors --json",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct info_values),
        },
    .run = run,
};
