/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae convert: fold sparse to dense and back, change naming, container and number type. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "fcmae/convert.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"

struct convert_values {
    const char *input, *output, *key;
    int to, format, dtype;
    int64_t classes, input_size, seed;
    bool ignore_unexpected, json;
};
#define AT(member) offsetof(struct convert_values, member)

static const fcmae_option options[] = {
    {"input", FCMAE_OPTION_TEXT, AT(input), .required = true, .unit = "FILE",
     .help = "Any checkpoint: safetensors, PyTorch (.pt, .pth, .bin, old or new), .npz; a Hugging "
             "Face or timm folder; a run's folder."},
    {"output", FCMAE_OPTION_TEXT, AT(output), .required = true, .unit = "FILE|DIR",
     .help = "The ending says what is written: .safetensors, .pt, .pth, .bin, .onnx. With --format "
             "timm or huggingface anything else is a folder, which also gets the configuration "
             "files."},
    {"to", FCMAE_OPTION_CHOICE, AT(to), .fallback = "dense", .choices = "dense|sparse",
     .help = "dense: the ordinary network; a decoder is left behind. sparse: the FCMAE training "
             "checkpoint with MinkowskiEngine kernels."},
    {"format", FCMAE_OPTION_CHOICE, AT(format), .fallback = "official",
     .choices = "official|timm|huggingface|onnx",
     .help = "Naming of the output; onnx goes by the ending."},
    {"classes", FCMAE_OPTION_INTEGER, AT(classes), .range = "[1, 1000000]",
     .otherwise = "the input's head, if it has one",
     .help =
         "Give the network a classification head of that many classes: the input's if it has as "
         "many, otherwise a fresh one."},
    {"dtype", FCMAE_OPTION_CHOICE, AT(dtype), .fallback = "f32", .choices = "f32|f16|bf16",
     .help = "Number type of the weights written."},
    {"key", FCMAE_OPTION_TEXT, AT(key), .unit = "NAME",
     .otherwise = "model, state_dict, the file itself, or else averaged weights",
     .help = "Dictionary of a PyTorch file to take the weights from; ema: the averaged weights."},
    {"ignore-unexpected", FCMAE_OPTION_FLAG, AT(ignore_unexpected), .help = CLI_HELP_UNEXPECTED},
    {"input-size", FCMAE_OPTION_INTEGER, AT(input_size), .range = "[16, 8192]", .unit = "PX",
     .otherwise = "the input's, else 224",
     .help = "Image side noted in the configuration files of timm and Hugging Face."},
    {"seed", FCMAE_OPTION_INTEGER, AT(seed), .fallback = "0", .range = "[0, inf)",
     .help = "Of a fresh head."},
    {"json", FCMAE_OPTION_FLAG, AT(json), .help = "Print one JSON object about what was done."},
};

static void show_progress(void *cookie, uint64_t done, uint64_t total)
{
    cli_progress *progress = cookie;
    progress->total = (int64_t)((total + (1 << 20) - 1) >> 20);
    cli_progress_update(progress, done == total ? progress->total : (int64_t)(done >> 20), 0, NAN);
}

static const char *kind_name(const fcmae_model_config *config)
{
    if (fcmae_config_has_part(config, FCMAE_PART_DECODER)) return "pretraining model";
    return fcmae_config_has_part(config, FCMAE_PART_HEAD) ? "classifier" : "encoder";
}

/* Every tensor of a report, one line each; up to `most` of them. */
static void print_report(FILE *stream, const fcmae_load_report *report, int most)
{
    int shown = 0;
    for (int i = 0; i < report->count && shown < most; i++, shown++) {
        const fcmae_mismatch *line = &report->entries[i];
        fprintf(stream, "  %-15s %s", fcmae_mismatch_name(line->kind), CLI_SHOWN(line->name));
        if (line->found[0]) fprintf(stream, " %s", CLI_SHOWN(line->found));
        if (line->expected[0] && line->found[0])
            fprintf(stream, " instead of %s", CLI_SHOWN(line->expected));
        fputc('\n', stream);
    }
    if (report->count > shown) fprintf(stream, "  ... and %d more\n", report->count - shown);
}

static int print_json(const cli_arguments *arguments, const fcmae_convert_result *result)
{
    json_t *left = json_array(), *fresh = json_array();
    for (int i = 0; i < result->report.count; i++) {
        const fcmae_mismatch *line = &result->report.entries[i];
        cli_json_append(line->kind == FCMAE_TENSOR_KEPT ? &fresh : &left,
                        cli_json_text(line->name));
    }
    return cli_print_json(
        arguments,
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:i, s:I, s:o, s:o}", "output", result->path,
                  "model", result->config.name, "version", result->config.version, "kind",
                  kind_name(&result->config), "from", fcmae_layout_name(result->from.layout),
                  "classes", result->config.classes, "tensors", result->tensors, "bytes",
                  (json_int_t)result->bytes, "left_behind", left, "fresh", fresh));
}

static int print_result(const cli_arguments *arguments, const fcmae_convert_result *result)
{
    char size[32];
    int left = 0, fresh = 0;
    for (int i = 0; i < result->report.count; i++) {
        left += result->report.entries[i].kind == FCMAE_TENSOR_IGNORED;
        fresh += result->report.entries[i].kind == FCMAE_TENSOR_KEPT;
    }
    printf("%s: ConvNeXt V%d %s, %s", CLI_SHOWN(result->path), result->config.version,
           CLI_SHOWN(result->config.name), kind_name(&result->config));
    if (fcmae_config_has_part(&result->config, FCMAE_PART_HEAD))
        printf(" of %d classes", result->config.classes);
    printf(", %d tensors, %s\n", result->tensors,
           cli_bytes((double)result->bytes, size, sizeof size));
    printf("from %s in %s, %s\n", fcmae_layout_name(result->from.layout),
           fcmae_container_name(result->from.container), fcmae_dtype_name(result->from.dtype));
    if (left) printf("%d tensors have no place in the output and stay behind\n", left);
    if (fresh) printf("%d tensors are not in the input and were made: norm or head\n", fresh);
    return cli_finish(arguments);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a > b && strcasecmp(text + a - b, end) == 0;
}

static int run(const cli_arguments *arguments)
{
    static const fcmae_dtype dtypes[] = {FCMAE_DTYPE_F32, FCMAE_DTYPE_F16, FCMAE_DTYPE_BF16};
    const struct convert_values *o = arguments->values;
    cli_progress progress;
    fcmae_error error = {0};
    fcmae_convert_result result = {0};
    fcmae_convert_options convert = {.sparse = o->to == 1,
                                     .format = (fcmae_format)o->format,
                                     .dtype = dtypes[o->dtype],
                                     .key = o->key,
                                     .ignore_unexpected = o->ignore_unexpected,
                                     .classes = (int)o->classes,
                                     .seed = (uint64_t)o->seed,
                                     .input_size = (int)o->input_size,
                                     .progress = show_progress,
                                     .cookie = &progress};
    if (!cli_given(arguments, "format") && ends_with(o->output, ".onnx"))
        convert.format = FCMAE_FORMAT_ONNX;
    if (convert.sparse && convert.format != FCMAE_FORMAT_OFFICIAL)
        return cli_usage_error(arguments->command, "--to sparse goes with --format official only");
    if (convert.sparse && cli_given(arguments, "classes"))
        return cli_usage_error(arguments->command,
                               "--classes makes a head, which --to sparse has not");
    char input[4096];
    fcmae_status status = cli_find_checkpoint(arguments, o->input, input, sizeof input, &error);
    if (status != FCMAE_OK) return cli_fail(arguments, &error);
    cli_progress_start(&progress, arguments, "convert", "MiB", 0, 0);
    status = fcmae_convert(input, o->output, &convert, &result, &error);
    cli_progress_end(&progress);
    if (status == FCMAE_OK) cli_remark_contents(arguments, &result.from, false);
    if (status == FCMAE_OK && result.remark[0] && !arguments->quiet)
        fprintf(stderr, "%s\n", result.remark);
    int code;
    if (status != FCMAE_OK) {
        code = cli_fail(arguments, &error);
        if (status == FCMAE_ERR_MISMATCH) print_report(stderr, &result.report, 1000);
    } else
        code = o->json ? print_json(arguments, &result) : print_result(arguments, &result);
    fcmae_convert_result_release(&result);
    return code;
}

const cli_command cli_command_convert = {
    .set =
        &(const fcmae_option_set){
            .name = "convert",
            .purpose = "fold sparse to dense; change file format, naming and number type",
            .description =
                "Reads any ConvNeXt V1, V2 or FCMAE weights and writes them in any form. f32 "
                "weights come out bit for bit as they went in, through any chain of conversions. "
                "The input's size is found from its tensors; one that is not a complete network is "
                "refused, tensor by tensor.\n\n"
                "Folders written with --format timm and huggingface load with "
                "timm.create_model(NAME, checkpoint_path=...) or 'local-dir:DIR', and with "
                "from_pretrained(DIR). The final LayerNorm's epsilon is noted as 1e-6 there, as "
                "everywhere else.",
            .example =
                "fcmae convert --input run/ --output encoder.safetensors\n"
                "fcmae convert --input convnextv2_tiny_1k_224_ema.pt --output tiny-hf --format "
                "huggingface\n"
                "fcmae convert --input encoder.safetensors --output sparse.pt --to sparse",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct convert_values),
        },
    .run = run,
};
