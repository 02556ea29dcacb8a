/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae info: what a preset amounts to. */
#include <inttypes.h>

#include "commands.h"
#include "fcmae/fcmae.h"
#include "json.h"

struct info_values {
    const char *model;
    bool json, tensors;
};
#define AT(member) offsetof(struct info_values, member)

static const cli_option options[] = {
    {"NAME|FILE", CLI_TEXT, AT(model), .positional = true, .required = true,
     .help = "A preset (atto, femto, pico, nano, tiny, base, large, huge; atto-v1 ... for "
             "ConvNeXt V1) or a preset file."},
    {"tensors", CLI_FLAG, AT(tensors), .help = "List every tensor with its shape."},
    {"json", CLI_FLAG, AT(json), .help = "Print one JSON object."},
};

static int run(const cli_arguments *arguments)
{
    const struct info_values *o = arguments->values;
    fcmae_model_config config;
    fcmae_recipe recipe;
    fcmae_error error = {0};
    if (fcmae_preset_load(o->model, &config, &recipe, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    fcmae_model *model = NULL;
    if (fcmae_model_create(&model, &config, &error) != FCMAE_OK) return cli_fail(arguments, &error);
    if (o->json) {
        json_t *object = json_pack("{s:s, s:I}", "name", config.name, "parameters",
                                   (json_int_t)fcmae_model_parameter_count(model));
        fcmae_model_destroy(&model);
        return cli_print_json(arguments, object);
    }
    printf("%s: %" PRId64 " parameters\n", config.name, fcmae_model_parameter_count(model));
    int count = 0;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    for (int i = 0; o->tensors && i < count; i++)
        printf("%-40s %" PRId64 "\n", table[i].name, table[i].count);
    fcmae_model_destroy(&model);
    return cli_finish(arguments);
}

const cli_command cli_command_info = {
    .name = "info",
    .purpose = "describe a model: its tensors, size and cost",
    .example = "fcmae info atto\nfcmae info base --tensors",
    .options = options,
    .option_count = CLI_COUNT(options),
    .values_size = sizeof(struct info_values),
    .run = run,
};
