/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "shown.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/** Bytes of the control character at `s`, or 0. Beside those of ASCII there are 32 more: U+0080 to
 *  U+009F, which are two bytes in UTF-8 and one elsewhere. */
static size_t control_length(const unsigned char *s)
{
    if (s[0] < 0x20 || s[0] == 0x7f) return 1;
    if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f) return 2;
    return s[0] >= 0x80 && s[0] <= 0x9f ? 1 : 0;
}

/** Bytes of the UTF-8 character at `s`; 1 if it is none. */
static size_t character_length(const unsigned char *s)
{
    size_t wanted = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1, length = 1;
    while (length < wanted && (s[length] & 0xc0) == 0x80) length++;
    return length == wanted ? length : 1;
}

const char *cli_shown(const char *text, char *room, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0;
    bool clean = true;
    while (*s && used + 16 < size) {
        size_t control = control_length(s), length = control ? control : character_length(s);
        if (control == 0) memcpy(room + used, s, length);
        for (size_t i = 0; i < control; i++)
            snprintf(room + used + 4 * i, size - used - 4 * i, "\\x%02x", s[i]);
        if (control == 1 && *s == '\n') {
            memcpy(room + used, "\\n", 2);
            used += 2;
        } else {
            used += control ? 4 * control : length;
        }
        clean = clean && control == 0;
        s += length;
    }
    room[used] = 0;
    return clean && !*s ? text : room;
}
