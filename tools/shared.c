/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "shared.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fcmae/checkpoint.h"
#include "fcmae/train.h"
#include "progress.h"
#include "shown.h"

enum { LARGEST_SIDE = 8192 };

int cli_input_size(const cli_command *command, const char *option, const char *text,
                   const fcmae_model_config *config, int *height, int *width)
{
    char *end = NULL;
    long first = strtol(text, &end, 10), second = first;
    bool well_formed = end != text;
    if (well_formed && *end == 'x') {
        const char *rest = end + 1;
        second = strtol(rest, &end, 10);
        well_formed = end != rest;
    }
    if (!well_formed || *end)
        return cli_usage_error(command, "--%s %s: must be a number of pixels, or HEIGHTxWIDTH",
                               option, text);
    int patch = fcmae_config_patch(config);
    if (first < patch || second < patch || first > LARGEST_SIDE || second > LARGEST_SIDE ||
        first % patch || second % patch)
        return cli_usage_error(command,
                               "--%s %s: sides must be multiples of %d (the patch of %s) up to %d",
                               option, text, patch, config->name, LARGEST_SIDE);
    *height = (int)first;
    *width = (int)second;
    return CLI_SUCCESS;
}

fcmae_status cli_find_checkpoint(const cli_arguments *arguments, const char *given, char *path,
                                 size_t size, fcmae_error *error)
{
    fcmae_status status = fcmae_checkpoint_find(given, path, size, error);
    if (status == FCMAE_OK && !arguments->quiet && strcmp(given, path) != 0)
        fprintf(stderr, "%s stands for %s\n", CLI_SHOWN(given), CLI_SHOWN(path));
    return status;
}

bool cli_names_preset(const char *given)
{
    struct stat info;
    size_t length = strlen(given);
    if (length > 4 && strcmp(given + length - 4, ".ini") == 0) return true;
    return stat(given, &info) != 0 && !strchr(given, '/') && !strchr(given, '.');
}

static void remark_unexpected(const fcmae_load_report *report)
{
    char names[500];
    if (fcmae_load_report_unexpected(report, names, sizeof names) > 0)
        fprintf(stderr, "left out, since they are none of a ConvNeXt: %s\n", CLI_SHOWN(names));
}

void cli_remark_contents(const cli_arguments *arguments, const fcmae_checkpoint_info *info,
                         bool lenient)
{
    if (arguments->quiet) return;
    if (info->key && strchr(info->key, '.'))
        fprintf(stderr, "the network stands under %s in the file\n", CLI_SHOWN(info->key));
    if (info->average)
        fprintf(
            stderr,
            "the file also holds averaged weights (%s), often the better ones: they are not used "
            "without --key ema\n",
            CLI_SHOWN(info->average));
    if (lenient) remark_unexpected(&info->report);
}

void cli_remark_file(const cli_arguments *arguments, const char *path, const char *key)
{
    fcmae_checkpoint *file = NULL;
    if (fcmae_checkpoint_open(&file, path, key, NULL) != FCMAE_OK) return;
    cli_remark_contents(arguments, fcmae_checkpoint_describe(file), true);
    fcmae_checkpoint_close(&file);
}

int cli_recorded_input(const char *checkpoint, const char *key)
{
    char path[4096];
    fcmae_checkpoint *file = NULL;
    if (fcmae_checkpoint_find(checkpoint, path, sizeof path, NULL) != FCMAE_OK ||
        fcmae_checkpoint_open(&file, path, key, NULL) != FCMAE_OK)
        return 0;
    int side = fcmae_checkpoint_describe(file)->input_size;
    fcmae_checkpoint_close(&file);
    return side;
}

void cli_remark_emulation(const cli_arguments *arguments, int precision, int instruction_set)
{
    if (arguments->quiet || precision != FCMAE_BFLOAT16 ||
        fcmae_measure_has_bfloat16(instruction_set))
        return;
    bool ruled_out = fcmae_measure_has_bfloat16(0);
    fprintf(stderr,
            "bf16 is emulated, because %s AVX-512 BF16: operands are rounded as with it, but it is "
            "slower than float32; for speed use --precision f32\n",
            ruled_out ? "--isa rules out" : "this processor has no");
}

const char *cli_grouped(int64_t value, char *text, int size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRId64, value), used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

fcmae_status cli_error(fcmae_error *error, fcmae_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

fcmae_status cli_check_memory(double bytes, const char *advice, fcmae_error *error)
{
    double machine = (double)fcmae_measure_physical_memory();
    if (machine <= 0 || bytes <= machine) return FCMAE_OK;
    char need[32], have[32];
    return cli_error(
        error, FCMAE_ERR_MEMORY, "this needs %s of memory, but the machine has %s; choose %s",
        cli_bytes(bytes, need, sizeof need), cli_bytes(machine, have, sizeof have), advice);
}
