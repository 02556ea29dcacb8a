/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Status codes and error text: how every call of this library reports failure.
 *
 * A function that can fail returns a fcmae_status and takes, as its last argument, a
 * fcmae_error that receives the same code and one sentence with the offending values ("what was
 * wrong, where, what to do"). The argument may be NULL. On success the error is left untouched.
 * The library never prints, never exits, never reads the environment.
 *
 * Numbers in texts (options, presets, metadata, pages) are read and written with a point: a program
 * that calls setlocale() leaves LC_NUMERIC at "C".
 */
#ifndef FCMAE_STATUS_H
#define FCMAE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FCMAE_API __attribute__((visibility("default")))
#define FCMAE_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define FCMAE_API
#define FCMAE_PRINTF(format_index, first)
#endif

/** Version of these headers. */
#define FCMAE_VERSION "0.1.0"
/** Version of the library that is running, which may be another one. Any thread. */
FCMAE_API const char *fcmae_version(void);

/** Numbered in groups with gaps, so that a new code never renumbers an old one. */
typedef enum fcmae_status {
    FCMAE_OK = 0,
    FCMAE_ERR_ARGUMENT = -1,    /**< a value outside its documented range                     */
    FCMAE_ERR_SHAPE = -2,       /**< sizes that do not fit together                           */
    FCMAE_ERR_UNSUPPORTED = -3, /**< well formed, but not something this build can do         */
    FCMAE_ERR_MEMORY = -10,     /**< an allocation failed, or the run would not fit           */
    FCMAE_ERR_IO = -20,         /**< the operating system refused: open, read, write, rename  */
    FCMAE_ERR_NOT_FOUND = -21,  /**< a file, folder, tensor or preset that does not exist     */
    FCMAE_ERR_FORMAT = -30,     /**< a file that is damaged or is not what it should be       */
    FCMAE_ERR_MISMATCH = -31,   /**< a valid file that does not fit the model or the run      */
    FCMAE_ERR_NUMERIC = -40,    /**< a loss or gradient that is not finite                    */
    FCMAE_ERR_INTERRUPTED = -50 /**< stopped on request; the state was saved first            */
} fcmae_status;

/** Room for one failure. Zero-initialise it; reuse it freely. */
typedef struct fcmae_error {
    fcmae_status status;
    char message[1000]; /**< one sentence, UTF-8, zero-terminated, no final newline */
} fcmae_error;

/** Name of a status ("FCMAE_ERR_SHAPE"); never NULL. */
FCMAE_API const char *fcmae_status_name(fcmae_status status);

/** Severity of a message sent to a log callback. */
typedef enum fcmae_log_level { FCMAE_LOG_INFO, FCMAE_LOG_WARNING } fcmae_log_level;

/**
 * Receiver of messages that are not failures ("3 unreadable files were skipped").
 * Zero-initialised it is silent. `write` may be called from any thread, never from two at a time
 * for one operation. `message` is one line without newline, valid during the call only.
 */
typedef struct fcmae_log {
    void (*write)(void *cookie, fcmae_log_level level, const char *message);
    void *cookie; /**< passed back unchanged; owned by the caller */
} fcmae_log;

#ifdef __cplusplus
}
#endif
#endif
