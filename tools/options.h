/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Commands and their options: one declarative table per command.
 *
 * Everything a user meets comes from that table: `fcmae help COMMAND`, parsing, error messages with
 * suggestions, and the resolved options a run saves. A command is one file, tools/cmd_NAME.c, which
 * defines
 *
 *     struct bench_values { const char *model; int64_t steps; double mask_ratio; bool json; };
 *     #define AT(member) offsetof(struct bench_values, member)
 *     static const cli_option options[] = {
 *         {"model", CLI_TEXT, AT(model), .fallback = "atto", .unit = "NAME|FILE", .help = "..."},
 *         {"steps", CLI_INTEGER, AT(steps), .fallback = "20", .range = "[1, 1000000]", ...},
 *         {"mask-ratio", CLI_NUMBER, AT(mask_ratio), .fallback = "0.6", .range = "(0, 1)", ...},
 *         {"json", CLI_FLAG, AT(json), .help = "print one JSON object instead of text"},
 *     };
 *     static int run(const cli_arguments *arguments)
 *     {
 *         const struct bench_values *o = arguments->values;
 *         ...
 *     }
 *     const cli_command cli_command_bench = {"bench", "purpose in one line", ... , run};
 *
 * and adds its name to CLI_COMMANDS in tools/commands.h and its file to tools/meson.build.
 * Names shared between the files of the program begin with cli_, those of the library with fcmae_.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fcmae/status.h"

/** Exit codes of the program. */
enum { CLI_SUCCESS = 0, CLI_FAILURE = 1, CLI_USAGE = 2 };

/** Type of an option and of the member its offset names. */
typedef enum cli_type {
    CLI_FLAG,    /**< bool: --json, takes no value                                        */
    CLI_SWITCH,  /**< bool: --norm-pix on|off                                             */
    CLI_INTEGER, /**< int64_t                                                             */
    CLI_NUMBER,  /**< double, always finite                                               */
    CLI_TEXT,    /**< const char *                                                        */
    CLI_CHOICE,  /**< int: index into .choices                                            */
    CLI_TEXTS,   /**< cli_texts: one or more values                                       */
    CLI_HEADING  /**< no option: .help is a heading of the help text                      */
} cli_type;

typedef struct cli_texts {
    const char **items; /**< owned by the framework */
    int count;
} cli_texts;

typedef struct cli_option {
    const char *name; /**< without dashes; a positional argument's name in capitals            */
    cli_type type;
    size_t offset; /**< of the member in the values                                         */
    const char *fallback;  /**< default, as it would be typed; NULL: the member stays zero  */
    const char *otherwise; /**< without fallback, what happens: "from the model's recipe" */
    const char *range;   /**< numbers: "[1, 64]", "(0, 1)", "[0, inf)"                            */
    const char *choices; /**< CLI_CHOICE: "image|batch"                                           */
    const char *unit; /**< placeholder of the value in the help: "PX"; NULL: from the type      */
    const char *help; /**< what it does, one or two sentences                                  */
    bool required;
    bool positional; /**< given by place; a CLI_TEXTS one takes all that remain                */
} cli_option;

struct cli_command;

/** What a command is given. */
typedef struct cli_arguments {
    const struct cli_command *command;
    void *values; /**< the command's struct, filled */
    bool *given;  /**< per option: typed by the user */
    bool quiet;   /**< --quiet: no progress on standard error (every command has it) */
} cli_arguments;

typedef struct cli_command {
    const char *name;
    const char *purpose; /**< one line, no final stop: shown in the list of commands           */
    const char *description; /**< paragraphs separated by blank lines; wrapped when shown */
    const char *example; /**< command lines that work, one per line                            */
    const cli_option *options;
    int option_count;
    size_t values_size;
    int (*run)(const cli_arguments *arguments); /**< returns an exit code */
} cli_command;

#define CLI_COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/**
 * Fills `arguments` from the words after the command's name.
 * @return CLI_SUCCESS; CLI_USAGE after printing the reason; -1 if help was asked for and shown.
 * Call cli_arguments_release() afterwards in every case.
 */
int cli_parse(const cli_command *command, int count, char **words, cli_arguments *arguments);
void cli_arguments_release(cli_arguments *arguments);

/** Whether the user typed this option. */
bool cli_given(const cli_arguments *arguments, const char *name);
/**
 * Every option with its resolved value as one JSON object (names with '_' for '-'); unset ones are
 * null. Caller frees. Values the command resolved later can be written back into `values` first.
 */
char *cli_options_json(const cli_arguments *arguments);

/** Help of one command on `stream`. */
void cli_help(FILE *stream, const cli_command *command);
/** Text wrapped at 80 columns, every line after the first indented;
 *  continues at column `column`. */
void cli_wrap(FILE *stream, const char *text, int column, int indent);

/** "fcmae bench: sentence" on standard error, with a pointer to the help; returns CLI_USAGE. */
int cli_usage_error(const cli_command *command, const char *format, ...) FCMAE_PRINTF(2, 3);
/** "fcmae bench: sentence" on standard error; returns CLI_FAILURE. */
int cli_fail(const cli_arguments *arguments, const fcmae_error *error);
/** Flushes standard output; a full disk or closed pipe turns success into CLI_FAILURE. */
int cli_finish(const cli_arguments *arguments);

/** The candidate closest to a mistyped word, or NULL if none is near. */
const char *cli_suggest(const char *word, const char *const *candidates, int count);

#endif
