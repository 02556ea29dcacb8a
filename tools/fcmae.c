/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The program: finds the command, parses its options, runs it. */
#include <signal.h>
#include <string.h>

#include "commands.h"
#include "fcmae/fcmae.h"

static const cli_command *const commands[] = {
#define CLI_ENTRY(name) &cli_command_##name,
    CLI_COMMANDS(CLI_ENTRY)
#undef CLI_ENTRY
};

static void print_overview(FILE *stream)
{
    fputs("fcmae: masked-autoencoder pretraining of ConvNeXt, from images to a classifier\n\n"
          "Usage: fcmae COMMAND [--options]\n\nCommands:\n",
          stream);
    for (int i = 0; i < CLI_COUNT(commands); i++)
        fprintf(stream, "  %-13s %s\n", commands[i]->name, commands[i]->purpose);
    fputs("\n'fcmae help COMMAND' explains a command and all its options.\n"
          "Results go to standard output, progress to standard error. Exit status: 0 success,\n"
          "1 failure, 2 a command line that makes no sense.\n",
          stream);
}

static const cli_command *find_command(const char *name)
{
    for (int i = 0; i < CLI_COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[CLI_COUNT(commands) + 1];
    for (int i = 0; i < CLI_COUNT(commands); i++) names[i] = commands[i]->name;
    names[CLI_COUNT(commands)] = "help";
    const char *near = cli_suggest(name, names, CLI_COUNT(commands) + 1);
    fprintf(stderr, "fcmae: unknown command '%s'", name);
    if (near) fprintf(stderr, "; did you mean '%s'?", near);
    fputs("\n'fcmae help' lists the commands.\n", stderr);
    return CLI_USAGE;
}

static int help(int count, char **words)
{
    if (count == 0) {
        print_overview(stdout);
        return CLI_SUCCESS;
    }
    const cli_command *command = find_command(words[0]);
    if (!command) return unknown_command(words[0]);
    cli_help(stdout, command);
    return CLI_SUCCESS;
}

int main(int count, char **words)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is reported as a failed write */
    if (count < 2) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    const char *name = words[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(count - 2, words + 2);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts("fcmae " FCMAE_VERSION);
        return CLI_SUCCESS;
    }
    const cli_command *command = find_command(name);
    if (!command) return unknown_command(name);
    cli_arguments arguments;
    int result = cli_parse(command, count - 2, words + 2, &arguments);
    if (result == CLI_SUCCESS)
        result = command->run(&arguments);
    else if (result < 0)
        result = CLI_SUCCESS;
    cli_arguments_release(&arguments);
    return result;
}
