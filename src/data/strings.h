/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A growing list of names. Zero-initialise. */
#ifndef FCMAE_DATA_STRINGS_H
#define FCMAE_DATA_STRINGS_H

#include <stddef.h>

#include "core/status.h"

typedef struct fcmae_strings {
    char **items;
    size_t count, capacity;
} fcmae_strings;

/** Appends a copy. */
fcmae_status fcmae_strings_add(fcmae_strings *list, const char *text, fcmae_error *error);
/** By code points (bytes of UTF-8). */
void fcmae_strings_sort(fcmae_strings *list);
void fcmae_strings_release(fcmae_strings *list);

#endif
