/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "command_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";

static void write_word(FILE *out, const char *word)
{
    if (word[0] && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    putc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            putc(*word, out);
    putc('\'', out);
}

char *cli_command_line(void)
{
    FILE *in = fopen("/proc/self/cmdline", "rb");
    char *text = NULL, *word = NULL;
    size_t size = 0, capacity = 0;
    FILE *out = in ? open_memstream(&text, &size) : NULL;
    for (int i = 0; out && getdelim(&word, &capacity, 0, in) > 0; i++) {
        const char *slash = i == 0 ? strrchr(word, '/') : NULL; /* fcmae, wherever it lies */
        if (i > 0) putc(' ', out);
        write_word(out, slash ? slash + 1 : word);
    }
    free(word);
    if (in) fclose(in);
    if (out && fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
