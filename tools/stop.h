/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Ending long commands cleanly: the first signal asks, the second insists. */
#ifndef TOOLS_STOP_H
#define TOOLS_STOP_H

#include <stdbool.h>

/** From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) set a flag;
 * another one ends the program at once. Writing past a file size limit becomes an error, not a
 * death. */
void cli_stop_on_signals(void);
/** Whether a signal has come. */
bool cli_stop_requested(void);
/** Exit status of a command that a signal has ended: 128 and its number, as shells have it. */
int cli_stop_status(void);

#endif
