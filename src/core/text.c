/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t fcmae_utf8_length(const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    size_t length = s[0] < 0x80                   ? 1
                    : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                    : (s[0] & 0xF0) == 0xE0       ? 3
                    : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0;
    if (s[0] == 0xED && s[1] >= 0xA0) return 0; /* surrogates */
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    if (s[0] == 0xF4 && s[1] >= 0x90) return 0;
    return length;
}

void fcmae_text_add(fcmae_buffer *text, const char *string)
{
    fcmae_buffer_add(text, string, strlen(string));
}

void fcmae_text_format(fcmae_buffer *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size >= 0 && fcmae_buffer_extend(text, (size_t)size)) {
        vsnprintf(text->text + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

size_t fcmae_text_character(fcmae_buffer *text, const char *s)
{
    size_t length = fcmae_utf8_length(s);
    if (length == 0 || (unsigned char)*s < 0x20 || *s == 0x7F) {
        fcmae_text_add(text, "\xEF\xBF\xBD");
        return 1;
    }
    fcmae_buffer_add(text, s, length);
    return length;
}

void fcmae_text_clean(fcmae_buffer *text, const char *s)
{
    fcmae_text_add(text, "");
    while (*s) s += fcmae_text_character(text, s);
}

void fcmae_text_json(fcmae_buffer *text, const char *s)
{
    fcmae_text_add(text, "\"");
    while (*s) {
        size_t length = fcmae_utf8_length(s);
        if (*s == '"' || *s == '\\') {
            fcmae_text_format(text, "\\%c", *s);
        } else if ((unsigned char)*s < 0x20) {
            fcmae_text_format(text, "\\u%04x", (unsigned)(unsigned char)*s);
        } else if (length == 0) {
            fcmae_text_add(text, "\\ufffd");
            length = 1;
        } else {
            fcmae_buffer_add(text, s, length);
        }
        s += length;
    }
    fcmae_text_add(text, "\"");
}

void fcmae_text_number(fcmae_buffer *text, double value)
{
    if (isfinite(value))
        fcmae_text_format(text, "%.12g", value);
    else
        fcmae_text_add(text, "null");
}
