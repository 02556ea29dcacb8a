/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * JSON: the library's doorway to jansson. Include this, never jansson.h.
 *
 * Objects keep their keys in order of insertion, so what is written does not depend on chance.
 */
#ifndef FCMAE_CORE_JSON_H
#define FCMAE_CORE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/**
 * Parses one JSON value that fills `text` (length bytes, no terminator needed); duplicate keys and
 * trailing bytes are errors. Nesting deeper than 2048 is refused by jansson.
 * @param what   name for the error sentence: a file name, "the header of a.safetensors"
 * @param value  [out] a new reference: json_decref() it.
 * @return FCMAE_ERR_FORMAT with line and column, FCMAE_ERR_MEMORY.
 */
fcmae_status fcmae_json_parse(const char *text, size_t length, const char *what, json_t **value,
                              fcmae_error *error);

/** json_object_set_new() and json_array_append_new() for values that are built of many: a failure
 *  releases the container and leaves NULL, which further calls and jansson take as it comes, so
 * that whoever uses the result asks once. `value` may be NULL: memory was short, or a text no
 * UTF-8. */
void fcmae_json_set(json_t **object, const char *key, json_t *value);
void fcmae_json_append(json_t **array, json_t *value);

/** One line without spaces, numbers with 17 digits (they read back to the same bits); NULL if
 *  memory is short or a text is no UTF-8. Caller frees. */
char *fcmae_json_line(const json_t *value);
/** One line for people: a blank behind every comma and colon, numbers with `digits` digits: with 15
 *  or fewer as they were typed. NULL as above. Caller frees. */
char *fcmae_json_words(const json_t *value, int digits);
/** For people: indented, numbers with 15 digits. NULL as above. Caller frees. */
char *fcmae_json_page(const json_t *value);

/** A number; null where it is not finite, for which JSON has no sign. */
json_t *fcmae_json_figure(double value);

/** A JSON text; names of files may hold any bytes, and those that are not UTF-8 become U+FFFD. NULL
 *  if memory is short. */
json_t *fcmae_json_lossy_text(const char *text);

/** Member of an object as a number; `otherwise` if it is absent, null or not a number. */
double fcmae_json_number(const json_t *object, const char *key, double otherwise);
/** Likewise as an integer; a real number is not one. */
int64_t fcmae_json_integer(const json_t *object, const char *key, int64_t otherwise);
/** Likewise as text, borrowed from the object. */
const char *fcmae_json_text(const json_t *object, const char *key, const char *otherwise);

#endif
