/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What is made from the option tables besides help: manual pages, documents, completion. */
#ifndef TOOLS_MANUAL_H
#define TOOLS_MANUAL_H

#include <stdio.h>

#include "fcmae/options.h"

/** fcmae.1 and fcmae-COMMAND.1, in roff. */
void cli_manual(FILE *out);
void cli_manual_command(FILE *out, const fcmae_option_set *set);
/** docs/options.md, and one command's part of it. */
void cli_markdown(FILE *out);
void cli_markdown_command(FILE *out, const fcmae_option_set *set);

/** Completion for a shell: names of commands and options, choices, presets, files.
 *  @return false: there is none for a shell of that name ("bash", "zsh", "fish"). */
bool cli_completion(FILE *out, const char *shell);

#endif
