/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Help texts, made from the option tables. */
#ifndef TOOLS_HELP_H
#define TOOLS_HELP_H

#include <stdio.h>

#include "fcmae/options.h"

/** Help of one command on `stream`. */
void cli_help(FILE *stream, const fcmae_option_set *set);
/** Text wrapped at 80 columns, every line after the first indented; continues at column `column`.
 */
void cli_wrap(FILE *stream, const char *text, int column, int indent);
/** What stands for the value of an option in help: "PX", "on|off". */
const char *cli_placeholder(const fcmae_option *option);
/** What follows the help sentence: range and default, in up to `size` bytes. Returns `text`. */
const char *cli_remainder(const fcmae_option *option, char *text, size_t size);

#endif
