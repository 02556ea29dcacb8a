/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Options that every command has, behind its own. */
#ifndef TOOLS_COMMON_OPTIONS_H
#define TOOLS_COMMON_OPTIONS_H

#include "fcmae/options.h"

/** --config, --quiet and --help; for kinds of training also --json. */
const fcmae_option_set *cli_common_of(const fcmae_option_set *set);
/** Whether a row is an option that a command line may hold. */
bool cli_is_typed(const fcmae_option *option);

#endif
