/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The program's doorway to jansson: machine-readable results on standard output. */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <jansson.h>

#include "arguments.h"

/**
 * json_object_set_new() and json_array_append_new() for a container that is built of many values: a
 * failure (memory is short, or a value is NULL because it could not be made) releases it and leaves
 * NULL, which further calls and jansson take as it comes; cli_print_json() then fails.
 */
void cli_json_set(json_t **object, const char *key, json_t *value);
void cli_json_append(json_t **array, json_t *value);

/** Adds the members of `others`, which it takes; likewise. */
void cli_json_update(json_t **object, json_t *others);

/**
 * From now on the program ends with a sentence and CLI_FAILURE where jansson gets no memory. Its
 * reader does not notice everywhere that a token could not be kept, and goes on with another one.
 * What the program was writing stays as it was before.
 */
void cli_json_insist_on_memory(void);

/** A text that came from outside; if it is no UTF-8, all its bytes but ASCII become U+FFFD. */
json_t *cli_json_text(const char *text);
/** A number; null where it is not finite, for which JSON has no sign. */
json_t *cli_json_figure(double value);

/** Prints the object on standard output, indented, keys in order of insertion; frees it. NULL is a
 *  result that could not be made: a sentence on standard error and CLI_FAILURE. */
int cli_print_json(const cli_arguments *arguments, json_t *object);

#endif
