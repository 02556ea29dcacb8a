/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The commands of the program beside the kinds of training, which the library lists. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "arguments.h"

/* One line per command: tools/cmd_NAME.c defines cli_command_NAME. */
#define CLI_COMMANDS(COMMAND) \
    COMMAND(synth)            \
    COMMAND(reconstruct)      \
    COMMAND(convert)          \
    COMMAND(probe)            \
    COMMAND(knn)              \
    COMMAND(eval)             \
    COMMAND(predict)          \
    COMMAND(embed)            \
    COMMAND(collapse)         \
    COMMAND(report)           \
    COMMAND(info)             \
    COMMAND(bench)            \
    COMMAND(parity)           \
    COMMAND(completion)

/** Every command: the kinds of training first, then the list above; false behind the last. */
bool cli_command_at(int index, cli_command *command);
/** train.c: runs the kind of training of the command's options. */
int cli_train(const cli_arguments *arguments);

#define CLI_DECLARE(name) extern const cli_command cli_command_##name;
CLI_COMMANDS(CLI_DECLARE)
#undef CLI_DECLARE

#endif
