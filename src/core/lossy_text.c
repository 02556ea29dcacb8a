/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/lossy_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/** Bytes of the well-formed UTF-8 character at `s`; 0 if there is none. */
static int character_length(const unsigned char *s)
{
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    int length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool too_long = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0, too_large = s[0] == 0xf4 && s[1] >= 0x90;
    return too_long || surrogate || too_large ? 0 : length;
}

json_t *fcmae_json_lossy_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    char *clean = malloc(3 * strlen(text) + 1), *out = clean;
    if (!clean) return NULL;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int length = character_length(s);
        memcpy(out, length > 0 ? (const char *)s : "\xef\xbf\xbd", length > 0 ? (size_t)length : 3);
        out += length > 0 ? length : 3;
        s += length > 0 ? length : 1;
    }
    *out = 0;
    value = json_string(clean);
    free(clean);
    return value;
}
