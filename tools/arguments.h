/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Commands and their arguments. What a command can be told is a set of options (fcmae/options.h),
 * from which come parsing, messages with suggestions, `fcmae help COMMAND`, manual pages and
 * completion. The options of a kind of training stand in the library, and train.c is the command of
 * all of them; any other command is one file, tools/cmd_NAME.c, which defines
 *
 *     struct bench_values { const char *model; int64_t steps; double mask_ratio; bool json; };
 *     #define AT(member) offsetof(struct bench_values, member)
 *     static const fcmae_option options[] = {
 *         {"model", FCMAE_OPTION_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE", ...},
 *         {"steps", FCMAE_OPTION_INTEGER, AT(steps), .fallback = "20", .range = "[1, 1000]", ...},
 *         {"json", FCMAE_OPTION_FLAG, AT(json), .help = "print one JSON object instead of text"},
 *     };
 *     static int run(const cli_arguments *arguments)
 *     {
 *         const struct bench_values *o = arguments->values;
 *         ...
 *     }
 *     const cli_command cli_command_bench = {
 *         .set = &(const fcmae_option_set){.name = "bench", .options = options, ...},
 *         .run = run,
 *     };
 *
 * and adds its name to CLI_COMMANDS in tools/commands.h and to tools/meson.build.
 * Names shared between the files of the program begin with cli_, those of the library with fcmae_.
 */
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

#include <stdio.h>

#include "fcmae/options.h"

/** Exit codes of the program. */
enum { CLI_SUCCESS = 0, CLI_FAILURE = 1, CLI_USAGE = 2 };

struct cli_arguments;

typedef struct cli_command {
    const fcmae_option_set *set;
    int (*run)(const struct cli_arguments *arguments); /**< returns an exit code */
} cli_command;

/** What a command is given. */
typedef struct cli_arguments {
    const cli_command *command;
    fcmae_options *options;
    void *values; /**< of the options: the command's struct */
    bool quiet;   /**< --quiet: no progress on standard error (every command has it)      */
    bool json;    /**< --json, where it is one of the common options: of kinds of training */
} cli_arguments;

/**
 * Fills `arguments` from the words after the command's name.
 * @return CLI_SUCCESS; CLI_USAGE after printing the reason; -1 if help was asked for and shown.
 * Call cli_arguments_release() afterwards in every case.
 */
int cli_parse(const cli_command *command, int count, char **words, cli_arguments *arguments);
void cli_arguments_release(cli_arguments *arguments);

/** Whether the user set this option, on the command line or in a file. */
bool cli_given(const cli_arguments *arguments, const char *name);

/** "fcmae bench: sentence" on standard error, with a pointer to the help; returns CLI_USAGE. */
int cli_usage_error(const cli_command *command, const char *format, ...) FCMAE_PRINTF(2, 3);
/** "fcmae bench: sentence" on standard error; returns CLI_FAILURE. */
int cli_fail(const cli_arguments *arguments, const fcmae_error *error);
/** Flushes standard output; a full disk or closed pipe turns success into CLI_FAILURE. */
int cli_finish(const cli_arguments *arguments);
/** The same for what is no command of the lists. */
int cli_flush(const char *name);

#endif
