/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Ending long commands cleanly: the first signal asks, the second insists. */
#ifndef TOOLS_STOP_H
#define TOOLS_STOP_H

#include <stdbool.h>

/** From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) set a flag;
 * another one ends the program at once. */
void cli_stop_on_signals(void);
/** From now on they end the program at once: what follows does not look, and has nothing to
 *  save. Says whether one has come before. */
bool cli_stop_at_once(void);
/** Whether a signal has come. */
bool cli_stop_requested(void);
/** Exit status of a command that a signal has ended: 128 and its number, as shells have it. */
int cli_stop_status(void);

#endif
