/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Texts in a fcmae_buffer: each call appends; failures are remembered as core/buffer.h says. */
#ifndef FCMAE_CORE_TEXT_H
#define FCMAE_CORE_TEXT_H

#include "core/buffer.h"

/** Bytes of the well-formed UTF-8 character at `s`, 1 to 4; 0 if there is none. */
size_t fcmae_utf8_length(const char *s);

void fcmae_text_add(fcmae_buffer *text, const char *string);
void fcmae_text_format(fcmae_buffer *text, const char *format, ...) FCMAE_PRINTF(2, 3);
/** The character at `s`; U+FFFD for a byte that is no UTF-8 or a control character. Returns how
 *  many bytes of `s` that was. */
size_t fcmae_text_character(fcmae_buffer *text, const char *s);
/** Well-formed UTF-8 without control characters: what is neither becomes U+FFFD. */
void fcmae_text_clean(fcmae_buffer *text, const char *string);
/** A JSON string with its quotes; what is no UTF-8 becomes U+FFFD. */
void fcmae_text_json(fcmae_buffer *text, const char *string);
/** A JSON number with up to 12 digits, null if it is not finite. */
void fcmae_text_number(fcmae_buffer *text, double value);

#endif
