/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The commands of the program, in the order in which they are listed: that of a project's life. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "options.h"

/* One line per command: tools/cmd_NAME.c defines cli_command_NAME. */
#define CLI_COMMANDS(COMMAND) \
    COMMAND(synth)            \
    COMMAND(pretrain)         \
    COMMAND(reconstruct)      \
    COMMAND(convert)          \
    COMMAND(finetune)         \
    COMMAND(probe)            \
    COMMAND(knn)              \
    COMMAND(eval)             \
    COMMAND(predict)          \
    COMMAND(embed)            \
    COMMAND(collapse)         \
    COMMAND(report)           \
    COMMAND(info)             \
    COMMAND(bench)            \
    COMMAND(parity)

#define CLI_DECLARE(name) extern const cli_command cli_command_##name;
CLI_COMMANDS(CLI_DECLARE)
#undef CLI_DECLARE

#endif
