/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* fcmae completion: what makes a shell complete this program's words. */
#include "commands.h"
#include "manual.h"

struct completion_values {
    const char *shell;
};

static const fcmae_option options[] = {
    {"SHELL", FCMAE_OPTION_TEXT, offsetof(struct completion_values, shell), .positional = true,
     .required = true, .unit = "bash|zsh|fish", .help = "bash, zsh or fish."},
};

static int run(const cli_arguments *arguments)
{
    const struct completion_values *o = arguments->values;
    if (cli_completion(stdout, o->shell)) return cli_finish(arguments);
    return cli_usage_error(arguments->command,
                           "there is no completion for %s, but for bash, zsh "
                           "and fish",
                           o->shell);
}

const cli_command cli_command_completion = {
    .set =
        &(const fcmae_option_set){
            .name = "completion",
            .purpose = "print the completion of bash, zsh or fish",
            .description = "Prints a script that completes commands, options, choices, presets and "
                           "files. An installed fcmae brings it along; this is for one that is "
                           "not, or for another shell's folder.",
            .example = "source <(fcmae completion bash)\n"
                       "fcmae completion fish > ~/.config/fish/completions/fcmae.fish",
            .options = options,
            .count = FCMAE_COUNT(options),
            .values_size = sizeof(struct completion_values),
        },
    .run = run,
};
