/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Temporary folders of pictures. */
#ifndef TESTS_DATA_FOLDER_SUPPORT_H
#define TESTS_DATA_FOLDER_SUPPORT_H

#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "image/codec.h"

static char root[64];

static inline void make_root(void)
{
    strcpy(root, "/tmp/fcmae-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static inline int remove_one(const char *path, const struct stat *information, int kind,
                             struct FTW *where)
{
    (void)information, (void)kind, (void)where;
    return remove(path);
}

static inline void remove_root(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** root/FORMAT, valid until the next call but three */
__attribute__((format(printf, 1, 2))) static inline const char *in_root(const char *format, ...)
{
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    int used = snprintf(path, 400, "%s/", root);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + used, 400 - (size_t)used, format, arguments);
    va_end(arguments);
    return path;
}

static inline void make_folder_in_root(const char *name)
{
    ck_assert_int_eq(mkdir(in_root("%s", name), 0777), 0);
}

/** A grey PNG of size x size pixels of one value, under any name. */
static inline void make_picture(const char *path, int size, int value)
{
    uint8_t *pixels = malloc((size_t)size * (size_t)size * 3);
    memset(pixels, value, (size_t)size * (size_t)size * 3);
    ck_assert_int_eq(fcmae_png_write(path, pixels, size, size, NULL), FCMAE_OK);
    free(pixels);
}

static inline void make_text(const char *path, const char *text)
{
    ck_assert_int_eq(fcmae_file_write(path, text, strlen(text), NULL), FCMAE_OK);
}

#endif
