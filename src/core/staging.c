/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

/** What is done with every file of the folder: 0, or -1 and errno. */
typedef int visitor(int folder, const char *name, int target);

static int remove_one(int folder, const char *name, int target)
{
    (void)target;
    return unlinkat(folder, name, 0);
}

static int move_one(int folder, const char *name, int target)
{
    return renameat(folder, name, target, name);
}

static int visit_files(const char *path, visitor *visit, int target)
{
    DIR *directory = opendir(path);
    if (!directory) return -1;
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = visit(dirfd(directory), entry->d_name, target);
    int reason = errno;
    closedir(directory);
    errno = reason;
    return result;
}

static void release(fcmae_staging *staging)
{
    if (staging->temporary) close(staging->descriptor);
    free(staging->path);
    free(staging->temporary);
    *staging = (fcmae_staging){0};
}

/** The final name without slashes at its end, or where a link leads. */
static fcmae_status find_target(const char *path, char **target, fcmae_error *error)
{
    struct stat information;
    bool exists = stat(path, &information) == 0;
    if (exists && !S_ISDIR(information.st_mode))
        return fcmae_fail(error, FCMAE_ERR_IO, "%s is no folder, and files are to go into it",
                          path);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    *target = exists ? realpath(path, NULL) : strndup(path, length);
    if (*target) return FCMAE_OK;
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "cannot create the folder %s", path);
}

fcmae_status fcmae_staging_open(fcmae_staging *staging, const char *path, fcmae_error *error)
{
    char *target = NULL, *temporary;
    FCMAE_TRY(find_target(path, &target, error));
    if (asprintf(&temporary, "%s" FCMAE_TEMPORARY, target) < 0) {
        free(target);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to write %s", path);
    }
    int descriptor = -1;
    if (mkdir(temporary, 0777) == 0 || errno == EEXIST)
        descriptor = open(temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) {
        fcmae_status status = fcmae_fail_system(error, FCMAE_ERR_IO, errno,
                                                "cannot create the folder %s", temporary);
        free(target);
        free(temporary);
        return status;
    }
    *staging = (fcmae_staging){target, temporary, descriptor};
    fcmae_status status = FCMAE_OK;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        status = fcmae_fail(error, FCMAE_ERR_IO, "another process is writing %s", path);
    else if (visit_files(temporary, remove_one, -1) != 0)
        status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "%s cannot be emptied", temporary);
    if (status != FCMAE_OK) release(staging);
    return status;
}

/** Into a folder that exists, file by file. */
static int move_files(const fcmae_staging *staging)
{
    int target = open(staging->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target < 0) return -1;
    int result = visit_files(staging->temporary, move_one, target);
    if (result == 0) fsync(target); /* some file systems refuse this: not an error of ours */
    int reason = errno;
    close(target);
    errno = reason;
    return result;
}

fcmae_status fcmae_staging_commit(fcmae_staging *staging, fcmae_error *error)
{
    if (rename(staging->temporary, staging->path) == 0) {
        fcmae_sync_folder_of(staging->path);
        release(staging);
        return FCMAE_OK;
    }
    fcmae_status status = FCMAE_OK;
    if (move_files(staging) != 0)
        status = fcmae_fail_system(error, FCMAE_ERR_IO, errno, "could not write the folder %s",
                                   staging->path);
    fcmae_staging_discard(staging);
    return status;
}

void fcmae_staging_discard(fcmae_staging *staging)
{
    if (!staging->temporary) return;
    visit_files(staging->temporary, remove_one, -1);
    rmdir(staging->temporary);
    release(staging);
}
