/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** INI texts: the doorway to inih. Lines "[section]", "key = value", and comments with # or ;. */
#ifndef FCMAE_CORE_INI_H
#define FCMAE_CORE_INI_H

#include "core/file.h"

/** One "key = value". `section` is "" before the first section. Texts are valid during the call. */
typedef struct fcmae_ini_entry {
    const char *file, *section, *key, *value;
    int line;
} fcmae_ini_entry;

/**
 * Calls `take` for every entry, in order; its failure ends the reading and is returned.
 * @param file  name for messages
 * @return FCMAE_ERR_FORMAT with file and line: a line that is none of the above, is indented, or is
 *         longer than 190 bytes; FCMAE_ERR_MEMORY.
 */
fcmae_status fcmae_ini_parse(const char *text, const char *file,
                             fcmae_status (*take)(void *cookie, const fcmae_ini_entry *entry,
                                                  fcmae_error *error),
                             void *cookie, fcmae_error *error);

/** Reads a text file of at most 64 KiB; `text` is zero-terminated. Errors as fcmae_file_read(). */
fcmae_status fcmae_ini_load(const char *path, fcmae_buffer *text, fcmae_error *error);

#endif
