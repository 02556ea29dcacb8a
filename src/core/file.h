/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Files: reading one whole, and writing one so that it is either complete or absent.
 */
#ifndef FCMAE_CORE_FILE_H
#define FCMAE_CORE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "core/buffer.h"

/**
 * Opens a regular file with O_RDONLY, or O_RDWR | O_CREAT; a pipe or device is refused and never
 * waited for.
 * @param size  [out] bytes of it; may be NULL
 * @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO, FCMAE_ERR_FORMAT (not a regular file).
 */
fcmae_status fcmae_file_open(const char *path, int flags, int *descriptor, uint64_t *size,
                             fcmae_error *error);

/**
 * Reads a regular file into `buffer` (buffer->size is set), as above.
 * @param limit  files larger than this are refused with FCMAE_ERR_FORMAT.
 * @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO, FCMAE_ERR_FORMAT (not a regular file),
 * FCMAE_ERR_MEMORY.
 */
fcmae_status fcmae_file_read(fcmae_buffer *buffer, const char *path, size_t limit,
                             fcmae_error *error);

/** Behind the name of a file that is being written. */
#define FCMAE_TEMPORARY ".fcmae.tmp"

/**
 * A file under a temporary name beside its final one, locked (flock) while its process lives: what
 * a killed process left is removed by the next one that writes the same file. Zero-initialise.
 */
typedef struct fcmae_atomic_file {
    FILE *stream;    /**< write here */
    char *path;      /**< final name */
    char *temporary; /**< name until the commit */
} fcmae_atomic_file;

/** Creates the temporary file. A link stays, and what it leads to is replaced. FCMAE_ERR_IO also
 *  for a path that exists and is no regular file: a folder, a device, a pipe. */
fcmae_status fcmae_atomic_open(fcmae_atomic_file *file, const char *path, fcmae_error *error);
/** Appends; like writing to the stream, but says at once why it failed. */
fcmae_status fcmae_atomic_write(fcmae_atomic_file *file, const void *bytes, size_t size,
                                fcmae_error *error);
/** Everything onto the disk, still under the temporary name: where several files belong together,
 *  before the first of them is committed. */
fcmae_status fcmae_atomic_flush(fcmae_atomic_file *file, fcmae_error *error);
/** Flush, fsync, rename, fsync of the folder. On failure the temporary file is removed and an
 *  older file of that name is untouched. Releases `file` either way. */
fcmae_status fcmae_atomic_commit(fcmae_atomic_file *file, fcmae_error *error);
/** Gives up: closes and removes the temporary file. Safe after commit and on a zeroed struct. */
void fcmae_atomic_discard(fcmae_atomic_file *file);

/** Makes a rename in the folder of `path` durable. Some file systems refuse this: no error of
 *  ours. */
void fcmae_sync_folder_of(const char *path);

/** Writes `size` bytes as the whole file, by the calls above. */
fcmae_status fcmae_file_write(const char *path, const void *bytes, size_t size, fcmae_error *error);

#endif
