/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A folder for the files of one test program, removed when the program ends. */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder_path[64];

static inline void remove_test_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", test_folder_path);
    if (system(command) != 0) fprintf(stderr, "could not remove %s\n", test_folder_path);
}

/** Call once in main(), before the suite runs. */
static inline void create_test_folder(void)
{
    snprintf(test_folder_path, sizeof test_folder_path, "/tmp/fcmae-test-XXXXXX");
    if (!mkdtemp(test_folder_path)) abort();
}

/** Path of a file in the folder; valid until the sixteenth call from here. */
static inline const char *test_path(const char *name)
{
    static char paths[16][256];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder_path, name);
    return path;
}

/** Writes a file byte for byte. */
static inline void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/** The bytes of a file; free() them. */
static inline unsigned char *read_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file, "%s does not exist", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

#endif
