/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The table of picture formats, alone in its file: a program that brings formats of its own
 * compiles it again with FCMAE_MORE_CODECS, the name of a further list, and links it before the
 * library (tests/toys).
 */
#include <stdio.h>
#include <strings.h>

#include "image/codec.h"

#define FCMAE_CODEC(name) extern const fcmae_codec fcmae_##name##_codec;
#include "image/list.h"
#ifdef FCMAE_MORE_CODECS
#include FCMAE_MORE_CODECS
#endif
#undef FCMAE_CODEC

#define FCMAE_CODEC(name) &fcmae_##name##_codec,
static const fcmae_codec *const codecs[] = {
#include "image/list.h"
#ifdef FCMAE_MORE_CODECS
#include FCMAE_MORE_CODECS
#endif
};

enum { COUNT = sizeof codecs / sizeof *codecs };

const fcmae_codec *fcmae_codec_of_bytes(const uint8_t *bytes, size_t size)
{
    for (int i = 0; i < COUNT; i++)
        if (codecs[i]->sniff(bytes, size)) return codecs[i];
    return NULL;
}

bool fcmae_codec_has_ending(const char *ending)
{
    for (int i = 0; i < COUNT; i++)
        for (const char *const *known = codecs[i]->endings; *known; known++)
            if (strcasecmp(ending, *known) == 0) return true;
    return false;
}

const char *fcmae_codec_names(char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < COUNT && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i == 0           ? ""
                                 : i == COUNT - 1 ? " or "
                                                  : ", ",
                                 codecs[i]->name);
    return text;
}
