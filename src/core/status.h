/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Private side of fcmae/status.h: the only ways in which the library's own code fails. */
#ifndef FCMAE_CORE_STATUS_H
#define FCMAE_CORE_STATUS_H

#include <stddef.h>

#include "fcmae/status.h"

/** Fills *error (may be NULL) with the sentence and returns `status`. */
fcmae_status fcmae_fail(fcmae_error *error, fcmae_status status, const char *format, ...)
    FCMAE_PRINTF(3, 4);

/** What the system says of an errno value, in `text` or constant; unlike strerror() for any thread.
 */
const char *fcmae_system_error(int code, char *text, size_t size);

/** fcmae_fail() with ": " and fcmae_system_error(code) behind the sentence. */
fcmae_status fcmae_fail_system(fcmae_error *error, fcmae_status status, int code,
                               const char *format, ...) FCMAE_PRINTF(4, 5);

/** Puts "prefix: " before the sentence already in *error (may be NULL); returns its status. */
fcmae_status fcmae_error_prefix(fcmae_error *error, fcmae_status status, const char *format, ...)
    FCMAE_PRINTF(3, 4);

/** Sends one line to the log, if anybody listens. `log` may be NULL. */
void fcmae_log_line(const fcmae_log *log, fcmae_log_level level, const char *format, ...)
    FCMAE_PRINTF(3, 4);

/** Returns from the enclosing function when a call failed. For functions that own nothing yet. */
#define FCMAE_TRY(call)                                  \
    do {                                                 \
        fcmae_status try_status_ = (call);               \
        if (try_status_ != FCMAE_OK) return try_status_; \
    } while (0)

#endif
