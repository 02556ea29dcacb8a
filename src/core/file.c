/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

fcmae_status fcmae_file_open(const char *path, int flags, int *descriptor, uint64_t *size,
                             fcmae_error *error)
{
    struct stat information;
    int opened = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (opened < 0)
        return fcmae_fail_system(error, errno == ENOENT ? FCMAE_ERR_NOT_FOUND : FCMAE_ERR_IO, errno,
                                 "cannot open %s", path);
    fcmae_status status = FCMAE_OK;
    if (fstat(opened, &information) != 0)
        status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "%s", path);
    else if (!S_ISREG(information.st_mode))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a regular file", path);
    if (status != FCMAE_OK) {
        close(opened);
        return status;
    }
    *descriptor = opened;
    if (size) *size = (uint64_t)information.st_size;
    return FCMAE_OK;
}

static fcmae_status read_open_file(fcmae_buffer *buffer, int descriptor, const char *path,
                                   size_t expected, fcmae_error *error)
{
    FCMAE_TRY(fcmae_buffer_reserve(buffer, expected + 1, error));
    buffer->size = 0;
    while (buffer->size < expected) {
        ssize_t got = read(descriptor, buffer->bytes + buffer->size, expected - buffer->size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "reading %s", path);
        if (got == 0) break; /* it became shorter meanwhile: whoever parses it will notice */
        buffer->size += (size_t)got;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_file_read(fcmae_buffer *buffer, const char *path, size_t limit,
                             fcmae_error *error)
{
    int descriptor = -1;
    uint64_t size = 0;
    FCMAE_TRY(fcmae_file_open(path, O_RDONLY, &descriptor, &size, error));
    fcmae_status status = size > limit
                              ? fcmae_fail(error, FCMAE_ERR_FORMAT,
                                           "%s has %llu bytes, the limit is %zu", path,
                                           (unsigned long long)size, limit)
                              : read_open_file(buffer, descriptor, path, (size_t)size, error);
    close(descriptor);
    return status;
}

/* ---- temporary files: each is locked while its process lives, so that a leftover is known ---- */

/** Removes a temporary file that nobody holds: true if it is gone. Where file systems have no locks
 *  it stays. */
static bool remove_leftover(const char *path)
{
    struct stat found, named;
    int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return errno == ENOENT;
    /* the lock is of the file; in the meantime its name may have become another one's */
    bool ours = fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) &&
                flock(descriptor, LOCK_EX | LOCK_NB) == 0 && lstat(path, &named) == 0 &&
                named.st_dev == found.st_dev && named.st_ino == found.st_ino;
    bool gone = ours && unlink(path) == 0;
    close(descriptor);
    return gone;
}

/** A new file, locked; -1 and errno. EEXIST: it is in use, or was taken for a leftover just now. */
static int create_locked(const char *path)
{
    struct stat information;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) return -1;
    bool locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (locked && fstat(descriptor, &information) == 0 && information.st_nlink > 0)
        return descriptor;
    close(descriptor);
    errno = EEXIST;
    return -1;
}

/** A new file of an unused name beside `file->path`; -1 and errno if that cannot be. */
static int create_temporary(fcmae_atomic_file *file, size_t room)
{
    enum { ATTEMPTS = 1000 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt == 0)
            snprintf(file->temporary, room, "%s" FCMAE_TEMPORARY, file->path);
        else
            snprintf(file->temporary, room, "%s.%d" FCMAE_TEMPORARY, file->path, attempt);
        int descriptor = create_locked(file->temporary);
        if (descriptor < 0 && errno == EEXIST) {
            if (!remove_leftover(file->temporary)) continue;
            descriptor = create_locked(file->temporary);
        }
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    errno = EEXIST;
    return -1;
}

/** What is to be replaced: a link stays, and the file that it leads to is. Refuses what is no file:
 *  renaming onto a device would take its place. */
static fcmae_status find_target(const char *path, char **target, fcmae_error *error)
{
    struct stat information;
    *target = NULL;
    if (lstat(path, &information) == 0 && S_ISLNK(information.st_mode)) {
        *target = realpath(path, NULL);
        if (!*target)
            return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "%s is a link that leads nowhere",
                                     path);
        path = *target;
    }
    if (stat(path, &information) == 0 && !S_ISREG(information.st_mode))
        return fcmae_fail(error, FCMAE_ERR_IO, "%s is a %s, not a file that could be replaced",
                          path, S_ISDIR(information.st_mode) ? "folder" : "device or pipe");
    if (!*target) *target = strdup(path);
    if (*target) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while creating %s", path);
}

fcmae_status fcmae_atomic_open(fcmae_atomic_file *file, const char *path, fcmae_error *error)
{
    memset(file, 0, sizeof *file);
    fcmae_status status = find_target(path, &file->path, error);
    if (status != FCMAE_OK) {
        fcmae_atomic_discard(file);
        return status;
    }
    size_t room = strlen(file->path) + 48;
    file->temporary = malloc(room);
    if (!file->temporary) {
        fcmae_atomic_discard(file);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while creating %s", path);
    }
    int descriptor = create_temporary(file, room);
    int reason = errno;
    if (descriptor >= 0 && !(file->stream = fdopen(descriptor, "wb"))) {
        reason = errno;
        close(descriptor);
        unlink(file->temporary);
    }
    if (!file->stream) {
        fcmae_atomic_discard(file);
        return fcmae_fail_system(error, FCMAE_ERR_IO, reason, "cannot create %s", path);
    }
    return FCMAE_OK;
}

void fcmae_sync_folder_of(const char *path)
{
    char *folder = strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash == folder) slash++;
    if (slash) *slash = 0;
    int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

fcmae_status fcmae_atomic_write(fcmae_atomic_file *file, const void *bytes, size_t size,
                                fcmae_error *error)
{
    errno = 0;
    if (size == 0 || fwrite(bytes, 1, size, file->stream) == size) return FCMAE_OK;
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno ? errno : EIO, "could not write %s",
                             file->path);
}

fcmae_status fcmae_atomic_flush(fcmae_atomic_file *file, fcmae_error *error)
{
    errno = 0;
    if (!ferror(file->stream) && fflush(file->stream) == 0 && fsync(fileno(file->stream)) == 0)
        return FCMAE_OK;
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno ? errno : EIO, "could not write %s",
                             file->path);
}

fcmae_status fcmae_atomic_commit(fcmae_atomic_file *file, fcmae_error *error)
{
    fcmae_status status = fcmae_atomic_flush(file, error);
    /* still open, so that its lock holds until it has its name */
    if (status == FCMAE_OK && rename(file->temporary, file->path) != 0)
        status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "could not write %s", file->path);
    if (status == FCMAE_OK) {
        fclose(file->stream); /* everything is on the disk */
        file->stream = NULL;
        fcmae_sync_folder_of(file->path);
    }
    fcmae_atomic_discard(file);
    return status;
}

void fcmae_atomic_discard(fcmae_atomic_file *file)
{
    if (file->stream) {
        unlink(file->temporary);
        fclose(file->stream);
    }
    free(file->path);
    free(file->temporary);
    memset(file, 0, sizeof *file);
}

fcmae_status fcmae_file_write(const char *path, const void *bytes, size_t size, fcmae_error *error)
{
    fcmae_atomic_file file;
    FCMAE_TRY(fcmae_atomic_open(&file, path, error));
    fcmae_status status = fcmae_atomic_write(&file, bytes, size, error);
    if (status == FCMAE_OK) return fcmae_atomic_commit(&file, error);
    fcmae_atomic_discard(&file);
    return status;
}
