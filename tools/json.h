/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The program's doorway to jansson: machine-readable results on standard output. */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <jansson.h>

#include "arguments.h"

/** Prints the object on standard output, indented, keys in order of insertion; frees it. */
int cli_print_json(const cli_arguments *arguments, json_t *object);

#endif
