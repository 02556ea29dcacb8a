/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Text that grows while it is written; a failed allocation is
 *  remembered, not reported each time. */
#ifndef FCMAE_CORE_TEXT_H
#define FCMAE_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/** Zero-initialise; fcmae_text_release() frees. `bytes` is
 *  zero-terminated once anything was added. */
typedef struct fcmae_text {
    char *bytes;
    size_t size, capacity;
    bool failed; /**< memory was short: the contents are incomplete */
} fcmae_text;

void fcmae_text_bytes(fcmae_text *text, const void *bytes, size_t size);
void fcmae_text_add(fcmae_text *text, const char *string);
void fcmae_text_format(fcmae_text *text, const char *format, ...) FCMAE_PRINTF(2, 3);
/** Well-formed UTF-8 without control characters: what is neither becomes U+FFFD. */
void fcmae_text_clean(fcmae_text *text, const char *string);
/** For HTML and SVG content and attributes: & < > " ' escaped, the rest as
 *  fcmae_text_clean() (line breaks and tabs stay), so that no log line or path
 *  can become markup. */
void fcmae_text_escape(fcmae_text *text, const char *string);
/** A JSON string with its quotes; the same replacements. */
void fcmae_text_json(fcmae_text *text, const char *string);
/** A JSON number with up to 12 digits, null if it is not finite. */
void fcmae_text_number(fcmae_text *text, double value);
/** Base64 without line breaks. */
void fcmae_text_base64(fcmae_text *text, const void *bytes, size_t size);
void fcmae_text_release(fcmae_text *text);

#endif
