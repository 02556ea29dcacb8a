/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/buffer.h"

#include <stdlib.h>
#include <string.h>

fcmae_status fcmae_buffer_reserve(fcmae_buffer *buffer, size_t capacity, fcmae_error *error)
{
    if (capacity <= buffer->capacity && buffer->bytes) return FCMAE_OK;
    size_t wanted = buffer->capacity + buffer->capacity / 2;
    if (wanted < capacity) wanted = capacity;
    if (wanted < 64) wanted = 64;
    uint8_t *bytes = realloc(buffer->bytes, wanted);
    if (!bytes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "could not allocate a buffer of %zu bytes",
                          wanted);
    buffer->bytes = bytes;
    buffer->capacity = wanted;
    return FCMAE_OK;
}

bool fcmae_buffer_extend(fcmae_buffer *buffer, size_t more)
{
    size_t needed;
    if (!buffer->failed)
        buffer->failed = __builtin_add_overflow(buffer->size, more, &needed) ||
                         needed >= SIZE_MAX / 2 ||
                         fcmae_buffer_reserve(buffer, needed + 1, NULL) != FCMAE_OK;
    return !buffer->failed;
}

void fcmae_buffer_add(fcmae_buffer *buffer, const void *bytes, size_t size)
{
    if (!fcmae_buffer_extend(buffer, size)) return;
    if (size > 0) memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    buffer->bytes[buffer->size] = 0;
}

fcmae_status fcmae_buffer_check(const fcmae_buffer *buffer, const char *what, fcmae_error *error)
{
    return buffer->failed ? fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for %s", what)
                          : FCMAE_OK;
}

void fcmae_buffer_release(fcmae_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (fcmae_buffer){0};
}
