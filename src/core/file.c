/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static fcmae_status read_open_file(fcmae_buffer *buffer, int descriptor, const char *path,
                                   size_t limit, fcmae_error *error)
{
    struct stat information;
    if (fstat(descriptor, &information) != 0)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "%s", path);
    if (!S_ISREG(information.st_mode))
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a regular file", path);
    if ((uint64_t)information.st_size > limit)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s has %lld bytes, the limit is %zu", path,
                          (long long)information.st_size, limit);
    size_t expected = (size_t)information.st_size;
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
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return fcmae_fail_system(error, errno == ENOENT ? FCMAE_ERR_NOT_FOUND : FCMAE_ERR_IO, errno,
                                 "cannot open %s", path);
    fcmae_status status = read_open_file(buffer, descriptor, path, limit, error);
    close(descriptor);
    return status;
}

/** A new file of an unused name beside `file->path`; -1 and errno if that cannot be. */
static int create_temporary(fcmae_atomic_file *file, size_t room)
{
    for (int attempt = 0; attempt < 1000; attempt++) {
        snprintf(file->temporary, room, "%s.%ld-%d.tmp", file->path, (long)getpid(), attempt);
        int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
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

/** Makes the rename itself durable. Some file systems refuse this: not an error of ours. */
static void sync_folder_of(const char *path)
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

fcmae_status fcmae_atomic_commit(fcmae_atomic_file *file, fcmae_error *error)
{
    errno = 0;
    int good = fflush(file->stream) == 0 && !ferror(file->stream) &&
               fsync(fileno(file->stream)) == 0;
    int reason = errno;
    good = fclose(file->stream) == 0 && good;
    file->stream = NULL;
    if (good && rename(file->temporary, file->path) != 0) {
        reason = errno;
        good = 0;
    }
    fcmae_status status = FCMAE_OK;
    if (good)
        sync_folder_of(file->path);
    else {
        unlink(file->temporary);
        status = fcmae_fail_system(error, FCMAE_ERR_IO, reason ? reason : EIO, "could not write %s",
                                   file->path);
    }
    fcmae_atomic_discard(file);
    return status;
}

void fcmae_atomic_discard(fcmae_atomic_file *file)
{
    if (file->stream) {
        fclose(file->stream);
        unlink(file->temporary);
    }
    free(file->path);
    free(file->temporary);
    memset(file, 0, sizeof *file);
}

fcmae_status fcmae_file_write(const char *path, const void *bytes, size_t size, fcmae_error *error)
{
    fcmae_atomic_file file;
    FCMAE_TRY(fcmae_atomic_open(&file, path, error));
    fwrite(bytes, 1, size, file.stream); /* a failure is remembered by the stream */
    return fcmae_atomic_commit(&file, error);
}
