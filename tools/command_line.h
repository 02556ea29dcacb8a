/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The command line of this process, for the record of what it wrote. */
#ifndef TOOLS_COMMAND_LINE_H
#define TOOLS_COMMAND_LINE_H

/** "fcmae pretrain --data 'my photos' ...", quoted so that a shell reads it back; NULL if the
 * system does not tell or memory is short. Caller frees. */
char *cli_command_line(void);

#endif
