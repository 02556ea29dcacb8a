/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Names of files, classes and tensors on a terminal: they may hold any bytes. */
#ifndef TOOLS_SHOWN_H
#define TOOLS_SHOWN_H

#include <stddef.h>

/**
 * The text with its control characters spelled: a line break as \n, others as \x1b. A name can then
 * neither begin a line that looks like a message nor tell the terminal anything.
 * @param room  for a text that has some; the text is cut where it is full
 * @return `text` itself if it has none.
 */
const char *cli_shown(const char *text, char *room, size_t size);

enum { CLI_SHOWN_SIZE = 4400 };
/** Likewise with room that lasts as long as the block in which it stands. */
#define CLI_SHOWN(text) cli_shown((text), (char[CLI_SHOWN_SIZE]){0}, CLI_SHOWN_SIZE)

#endif
