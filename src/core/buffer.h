/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The one growable block of bytes: scratch memory that is used again, a file that was read, a text
 * that is being written (core/text.h).
 *
 * What appends returns nothing: a failure is remembered in `failed`, further appends do nothing,
 * and whoever uses the result asks once, with fcmae_buffer_check().
 */
#ifndef FCMAE_CORE_BUFFER_H
#define FCMAE_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/** Zero-initialise. */
typedef struct fcmae_buffer {
    union {
        uint8_t *bytes;
        char *text; /**< the same memory; zero-terminated once anything was appended */
    };
    size_t size, capacity;
    bool failed; /**< memory was short: the contents are incomplete */
} fcmae_buffer;

/** Makes room for `capacity` bytes; the contents are kept. */
fcmae_status fcmae_buffer_reserve(fcmae_buffer *buffer, size_t capacity, fcmae_error *error);
/** Appends, and puts a zero behind. `bytes` may be NULL if size is 0. */
void fcmae_buffer_add(fcmae_buffer *buffer, const void *bytes, size_t size);
/** Makes room for `more` bytes and the zero behind; false if that, or an append before, failed. */
bool fcmae_buffer_extend(fcmae_buffer *buffer, size_t more);
/** FCMAE_OK, or FCMAE_ERR_MEMORY "no memory for `what`" if an append failed. */
fcmae_status fcmae_buffer_check(const fcmae_buffer *buffer, const char *what, fcmae_error *error);
/** Gives the memory back; the struct is as if zero-initialised. */
void fcmae_buffer_release(fcmae_buffer *buffer);

#endif
