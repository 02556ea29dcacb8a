/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(fcmae_text *text, size_t more)
{
    if (text->failed) return false;
    size_t needed;
    if (__builtin_add_overflow(text->size, more, &needed) || needed >= SIZE_MAX / 2) {
        text->failed = true;
        return false;
    }
    if (needed + 1 <= text->capacity) return true;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed + 1) capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void fcmae_text_bytes(fcmae_text *text, const void *bytes, size_t size)
{
    if (!reserve(text, size)) return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

void fcmae_text_add(fcmae_text *text, const char *string)
{
    fcmae_text_bytes(text, string, strlen(string));
}

void fcmae_text_format(fcmae_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size >= 0 && reserve(text, (size_t)size)) {
        vsnprintf(text->bytes + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

/* length of the well-formed UTF-8 sequence at s, 0 if there is none */
static size_t sequence_length(const unsigned char *s)
{
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

/* copies the character at s, or what stands for it; returns how many bytes it was */
static size_t copy_character(fcmae_text *text, const unsigned char *s)
{
    size_t length = sequence_length(s);
    if (length == 0 || *s < 0x20 || *s == 0x7F) {
        fcmae_text_add(text, "\xEF\xBF\xBD");
        return 1;
    }
    fcmae_text_bytes(text, s, length);
    return length;
}

void fcmae_text_clean(fcmae_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    fcmae_text_add(text, "");
    while (*s) s += copy_character(text, s);
}

void fcmae_text_escape(fcmae_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    while (*s) {
        size_t length = 1;
        switch (*s) {
        case '&': fcmae_text_add(text, "&amp;"); break;
        case '<': fcmae_text_add(text, "&lt;"); break;
        case '>': fcmae_text_add(text, "&gt;"); break;
        case '"': fcmae_text_add(text, "&quot;"); break;
        case '\'': fcmae_text_add(text, "&#39;"); break;
        case '\n':
        case '\t': fcmae_text_bytes(text, s, 1); break;
        default: length = copy_character(text, s);
        }
        s += length;
    }
}

void fcmae_text_json(fcmae_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    fcmae_text_add(text, "\"");
    while (*s) {
        size_t length = sequence_length(s);
        if (*s == '"' || *s == '\\') {
            fcmae_text_format(text, "\\%c", *s);
        } else if (*s < 0x20) {
            fcmae_text_format(text, "\\u%04x", *s);
        } else if (length == 0) {
            fcmae_text_add(text, "\\ufffd");
            length = 1;
        } else {
            fcmae_text_bytes(text, s, length);
        }
        s += length;
    }
    fcmae_text_add(text, "\"");
}

void fcmae_text_number(fcmae_text *text, double value)
{
    if (isfinite(value))
        fcmae_text_format(text, "%.12g", value);
    else
        fcmae_text_add(text, "null");
}

void fcmae_text_base64(fcmae_text *text, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    if (size > SIZE_MAX / 2 || !reserve(text, (size + 2) / 3 * 4)) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16;
        if (i + 1 < size) group |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < size) group |= in[i + 2];
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
                       i + 1 < size ? digits[group >> 6 & 63] : '=',
                       i + 2 < size ? digits[group & 63] : '='};
        fcmae_text_bytes(text, out, 4);
    }
}

void fcmae_text_release(fcmae_text *text)
{
    free(text->bytes);
    *text = (fcmae_text){0};
}
