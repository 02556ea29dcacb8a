/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "commands.h"

#include "fcmae/train.h"

static const cli_command *const own_commands[] = {
#define CLI_ENTRY(name) &cli_command_##name,
    CLI_COMMANDS(CLI_ENTRY)
#undef CLI_ENTRY
};

bool cli_command_at(int index, cli_command *command)
{
    const fcmae_option_set *task = fcmae_task_at(index);
    int tasks = 0;
    if (task) {
        *command = (cli_command){task, cli_train};
        return true;
    }
    while (fcmae_task_at(tasks)) tasks++;
    if (index - tasks >= FCMAE_COUNT(own_commands)) return false;
    *command = *own_commands[index - tasks];
    return true;
}
