/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What HTML and SVG need of a text beyond core/text.h. */
#ifndef FCMAE_REPORT_MARKUP_H
#define FCMAE_REPORT_MARKUP_H

#include "core/text.h"

/** For HTML and SVG content and attributes: & < > " ' escaped, the rest as fcmae_text_clean() (line
 *  breaks and tabs stay), so that no log line or path can become markup. */
void fcmae_markup_escape(fcmae_buffer *text, const char *string);
/** Base64 without line breaks. */
void fcmae_markup_base64(fcmae_buffer *text, const void *bytes, size_t size);

#endif
