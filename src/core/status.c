/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *fcmae_version(void)
{
    return FCMAE_VERSION;
}

const char *fcmae_status_name(fcmae_status status)
{
    switch (status) {
    case FCMAE_OK: return "FCMAE_OK";
    case FCMAE_ERR_ARGUMENT: return "FCMAE_ERR_ARGUMENT";
    case FCMAE_ERR_SHAPE: return "FCMAE_ERR_SHAPE";
    case FCMAE_ERR_UNSUPPORTED: return "FCMAE_ERR_UNSUPPORTED";
    case FCMAE_ERR_MEMORY: return "FCMAE_ERR_MEMORY";
    case FCMAE_ERR_IO: return "FCMAE_ERR_IO";
    case FCMAE_ERR_NOT_FOUND: return "FCMAE_ERR_NOT_FOUND";
    case FCMAE_ERR_FORMAT: return "FCMAE_ERR_FORMAT";
    case FCMAE_ERR_MISMATCH: return "FCMAE_ERR_MISMATCH";
    case FCMAE_ERR_NUMERIC: return "FCMAE_ERR_NUMERIC";
    case FCMAE_ERR_INTERRUPTED: return "FCMAE_ERR_INTERRUPTED";
    }
    return "unknown status";
}

fcmae_status fcmae_fail(fcmae_error *error, fcmae_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

const char *fcmae_system_error(int code, char *text, size_t size)
{
    return strerror_r(code, text, size); /* GNU's: returns the text, wherever it is */
}

fcmae_status fcmae_fail_system(fcmae_error *error, fcmae_status status, int code,
                               const char *format, ...)
{
    if (error) {
        char reason[100];
        size_t size = sizeof error->message;
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        int used = vsnprintf(error->message, size, format, arguments);
        va_end(arguments);
        if (used >= 0 && (size_t)used < size)
            snprintf(error->message + used, size - (size_t)used, ": %s",
                     fcmae_system_error(code, reason, sizeof reason));
    }
    return status;
}

fcmae_status fcmae_error_prefix(fcmae_error *error, fcmae_status status, const char *format, ...)
{
    if (error) {
        char text[sizeof error->message], old[sizeof error->message];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        memcpy(old, error->message, sizeof old);
        error->status = status;
        int used = snprintf(error->message, sizeof error->message, "%s: ", text);
        if (used > 0 && (size_t)used < sizeof error->message)
            snprintf(error->message + used, sizeof error->message - (size_t)used, "%s", old);
    }
    return status;
}

void fcmae_log_line(const fcmae_log *log, fcmae_log_level level, const char *format, ...)
{
    if (!log || !log->write) return;
    char line[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log->write(log->cookie, level, line);
}
