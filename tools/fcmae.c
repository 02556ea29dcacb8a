/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The program: finds the command, parses its options, runs it. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "build_facts.h"
#include "commands.h"
#include "commit.h"
#include "fcmae/fcmae.h"
#include "help.h"
#include "json.h"
#include "manual.h"
#include "shown.h"

static void print_overview(FILE *stream)
{
    cli_command command;
    fputs("fcmae: masked-autoencoder pretraining of ConvNeXt, from images to a classifier\n\n"
          "Usage: fcmae COMMAND [--options]\n\nCommands:\n",
          stream);
    for (int i = 0; cli_command_at(i, &command); i++)
        fprintf(stream, "  %-13s %s\n", command.set->name, command.set->purpose);
    fputs(
        "\n'fcmae help COMMAND' explains a command and all its options; --man and --markdown\n"
        "between the two words give the same as a manual page or a document.\n"
        "'fcmae --version' tells what this program was built from and what it chooses here.\n"
        "Results go to standard output, progress to standard error. Exit status: 0 success,\n"
        "1 failure, 2 a command line that makes no sense, 128 and the number of the signal where\n"
        "one ended it (130: Ctrl-C).\n",
        stream);
}

static bool find_command(const char *name, cli_command *command)
{
    for (int i = 0; cli_command_at(i, command); i++)
        if (strcmp(command->set->name, name) == 0) return true;
    return false;
}

static int unknown_command(const char *name)
{
    enum { MOST = 64 };
    const char *names[MOST] = {"help"};
    cli_command command;
    int count = 1;
    for (int i = 0; count < MOST && cli_command_at(i, &command); i++)
        names[count++] = command.set->name;
    const char *near = fcmae_suggest(name, names, count);
    fprintf(stderr, "fcmae: unknown command '%s'", CLI_SHOWN(name));
    if (near) fprintf(stderr, "; did you mean '%s'?", near);
    fputs("\n'fcmae help' lists the commands.\n", stderr);
    return CLI_USAGE;
}

/* fcmae help [--man|--markdown] [COMMAND] */
static int help(int count, char **words)
{
    cli_command command;
    const char *form = count > 0 && strncmp(words[0], "--", 2) == 0 ? words[0] : "";
    const char *name = count > (form[0] != 0) ? words[form[0] != 0] : NULL;
    if (name && strcmp(name, "help") == 0) name = NULL;
    if (name && !find_command(name, &command)) return unknown_command(name);
    if (strcmp(form, "--man") == 0)
        name ? cli_manual_command(stdout, command.set) : cli_manual(stdout);
    else if (strcmp(form, "--markdown") == 0)
        name ? cli_markdown_command(stdout, command.set) : cli_markdown(stdout);
    else if (form[0] && strcmp(form, "--help") != 0)
        return unknown_command(form);
    else
        name ? cli_help(stdout, command.set) : print_overview(stdout);
    return cli_flush("help");
}

/**
 * A program that was started with standard streams closed would get their numbers for its files,
 * and messages would land in them. They are taken here, each the wrong way round, so that what
 * would have been lost without a word is a failure.
 */
static void hold_standard_streams(void)
{
    for (int number = 0; number < 3; number++)
        if (fcntl(number, F_GETFD) < 0 && open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY) < 0)
            _exit(CLI_FAILURE);
}

int main(int count, char **words)
{
    hold_standard_streams();
    cli_json_insist_on_memory();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is reported as a failed write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that has become too large */
    if (count < 2) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    const char *name = words[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(count - 2, words + 2);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        printf("fcmae %s\nCommit: %s\nCompiler: %s\nInstruction set: %s\nOpenBLAS kernels: %s\n"
               "Libraries: %s\n",
               fcmae_version(), CLI_COMMIT, CLI_COMPILER, fcmae_measure_instruction_set(0, true),
               fcmae_measure_blas(), CLI_LIBRARIES);
        return cli_flush("version");
    }
    cli_command command;
    if (!find_command(name, &command)) return unknown_command(name);
    cli_arguments arguments;
    int result = cli_parse(&command, count - 2, words + 2, &arguments);
    if (result == CLI_SUCCESS)
        result = command.run(&arguments);
    else if (result < 0)
        result = cli_flush(name); /* the help that was asked for */
    cli_arguments_release(&arguments);
    return result;
}
