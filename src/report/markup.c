/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "report/markup.h"

void fcmae_markup_escape(fcmae_buffer *text, const char *s)
{
    while (*s) {
        size_t length = 1;
        switch (*s) {
        case '&': fcmae_text_add(text, "&amp;"); break;
        case '<': fcmae_text_add(text, "&lt;"); break;
        case '>': fcmae_text_add(text, "&gt;"); break;
        case '"': fcmae_text_add(text, "&quot;"); break;
        case '\'': fcmae_text_add(text, "&#39;"); break;
        case '\n':
        case '\t': fcmae_buffer_add(text, s, 1); break;
        default: length = fcmae_text_character(text, s);
        }
        s += length;
    }
}

void fcmae_markup_base64(fcmae_buffer *text, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16;
        if (i + 1 < size) group |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < size) group |= in[i + 2];
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
                       i + 1 < size ? digits[group >> 6 & 63] : '=',
                       i + 2 < size ? digits[group & 63] : '='};
        fcmae_buffer_add(text, out, 4);
    }
}
