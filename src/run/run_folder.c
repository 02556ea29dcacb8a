/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "fcmae/train.h"

#define WEIGHTS_END ".safetensors"
#define STATE_END ".state.safetensors"
#define TEMPORARY ".tmp" /* FCMAE_TEMPORARY, and what earlier versions left */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/** Step of a file called checkpoint-<step><end>, or -1. */
static int64_t step_of_name(const char *name, const char *end)
{
    static const char start[] = "checkpoint-";
    if (strncmp(name, start, sizeof start - 1) != 0) return -1;
    const char *digits = name + sizeof start - 1;
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 18 || strcmp(digits + length, end) != 0) return -1;
    return strtoll(digits, NULL, 10);
}

void fcmae_run_folder_weights(const fcmae_run_folder *folder, int64_t step, char *path)
{
    snprintf(path, FCMAE_PATH, "%s/checkpoint-%lld" WEIGHTS_END, folder->path, (long long)step);
}

void fcmae_run_folder_state(const fcmae_run_folder *folder, int64_t step, char *path)
{
    snprintf(path, FCMAE_PATH, "%s/checkpoint-%lld" STATE_END, folder->path, (long long)step);
}

fcmae_status fcmae_state_of_weights(const char *weights, char *path, fcmae_error *error)
{
    if (!ends_with(weights, WEIGHTS_END) || ends_with(weights, STATE_END))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%s is not a checkpoint to resume from: its name must end in " WEIGHTS_END
                          " and its companion's in " STATE_END,
                          weights);
    int stem = (int)(strlen(weights) - strlen(WEIGHTS_END));
    if (snprintf(path, FCMAE_PATH, "%.*s" STATE_END, stem, weights) >= FCMAE_PATH)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the file name %.200s... is too long",
                          weights);
    return FCMAE_OK;
}

/** Removes the lowest `count` folders of a path as far as they are empty. */
static void remove_empty(const char *path, int count)
{
    char part[FCMAE_PATH];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part; count > 0 && slash && rmdir(part) == 0; count--) {
        slash = strrchr(part, '/');
        while (slash && slash > part && slash[-1] == '/') slash--;
        if (slash) *slash = 0;
    }
}

/** mkdir -p; false with errno set. @param made  [out] how many of the lowest folders are new */
static bool make_folders(const char *path, int *made)
{
    char part[FCMAE_PATH];
    snprintf(part, sizeof part, "%s", path);
    *made = 0;
    for (char *slash = part + 1;; slash++) {
        if (*slash != '/' && *slash) continue;
        char end = *slash;
        *slash = 0;
        if (mkdir(part, 0777) == 0) {
            ++*made;
        } else if (errno != EEXIST) {
            int reason = errno;
            *slash = 0;
            char *last = strrchr(part, '/'); /* those above it */
            if (last) *last = 0;
            remove_empty(part, *made);
            *made = 0;
            errno = reason;
            return false;
        }
        *slash = end;
        if (!end) return true;
    }
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/** A walk over the names in the folder. */
typedef fcmae_status name_visitor(fcmae_run_folder *folder, const char *name, int64_t limit,
                                  fcmae_error *error);

static fcmae_status visit_names(fcmae_run_folder *folder, name_visitor *visit, int64_t limit,
                                fcmae_error *error)
{
    DIR *directory = opendir(folder->path);
    if (!directory)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "the run folder %s cannot be read",
                                 folder->path);
    fcmae_status status = FCMAE_OK;
    for (struct dirent *entry; status == FCMAE_OK && (entry = readdir(directory)) != NULL;)
        status = visit(folder, entry->d_name, limit, error);
    closedir(directory);
    return status;
}

static fcmae_status remove_temporary(fcmae_run_folder *folder, const char *name, int64_t limit,
                                     fcmae_error *error)
{
    (void)limit;
    (void)error;
    static const char *const ours[] = {"checkpoint-", "latest", "config.json", "best."};
    if (!ends_with(name, TEMPORARY)) return FCMAE_OK;
    for (int i = 0; i < 4; i++)
        if (strncmp(name, ours[i], strlen(ours[i])) == 0)
            unlinkat(folder->descriptor, name, 0); /* a leftover does no harm if this fails */
    return FCMAE_OK;
}

static fcmae_status list_checkpoint(fcmae_run_folder *folder, const char *name, int64_t limit,
                                    fcmae_error *error)
{
    (void)limit;
    int64_t step = step_of_name(name, STATE_END);
    char weights[FCMAE_PATH];
    if (step < 0) return FCMAE_OK;
    fcmae_run_folder_weights(folder, step, weights);
    if (access(weights, F_OK) != 0) return FCMAE_OK;
    int64_t *steps = realloc(folder->steps, ((size_t)folder->count + 1) * sizeof *steps);
    if (!steps) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of checkpoints");
    folder->steps = steps;
    steps[folder->count++] = step;
    return FCMAE_OK;
}

/** Removes the files of a checkpoint older than `limit`. */
static fcmae_status remove_old(fcmae_run_folder *folder, const char *name, int64_t limit,
                               fcmae_error *error)
{
    int64_t weights = step_of_name(name, WEIGHTS_END), state = step_of_name(name, STATE_END);
    int64_t step = weights >= 0 ? weights : state;
    if (step < 0 || step >= limit) return FCMAE_OK;
    if (unlinkat(folder->descriptor, name, 0) == 0 || errno == ENOENT) return FCMAE_OK;
    return fcmae_fail_system(error, FCMAE_ERR_IO, errno,
                             "the old checkpoint %s/%s cannot be removed", folder->path, name);
}

static fcmae_status set_path(fcmae_run_folder *folder, const char *path, fcmae_error *error)
{
    *folder = (fcmae_run_folder){.descriptor = -1};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    if (length == 0 || length >= sizeof folder->path)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the name of the run folder is %s",
                          length == 0 ? "empty" : "too long");
    memcpy(folder->path, path, length);
    return FCMAE_OK;
}

/** Lists the checkpoints; closes the folder if that fails. */
static fcmae_status list(fcmae_run_folder *folder, fcmae_error *error)
{
    fcmae_status status = visit_names(folder, list_checkpoint, 0, error);
    if (status != FCMAE_OK)
        fcmae_run_folder_close(folder);
    else if (folder->count > 0)
        qsort(folder->steps, (size_t)folder->count, sizeof *folder->steps, ascending);
    return status;
}

fcmae_status fcmae_run_folder_look(fcmae_run_folder *folder, const char *path, fcmae_error *error)
{
    FCMAE_TRY(set_path(folder, path, error));
    return list(folder, error);
}

fcmae_status fcmae_run_folder_open(fcmae_run_folder *folder, const char *path, fcmae_error *error)
{
    FCMAE_TRY(set_path(folder, path, error));
    if (!make_folders(folder->path, &folder->made))
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "the run folder %s cannot be made",
                                 folder->path);
    folder->descriptor = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->descriptor < 0)
        return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "the run folder %s cannot be opened",
                                 folder->path);
    /* File systems without locks (some network ones) are used without. */
    if (flock(folder->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        fcmae_run_folder_close(folder);
        return fcmae_fail(error, FCMAE_ERR_IO, "another process is training in the run folder %s",
                          path);
    }
    fcmae_status status = visit_names(folder, remove_temporary, 0, error);
    if (status == FCMAE_OK) return list(folder, error);
    fcmae_run_folder_close(folder);
    return status;
}

void fcmae_run_folder_close(fcmae_run_folder *folder)
{
    remove_empty(folder->path, folder->made);
    if (folder->descriptor >= 0) close(folder->descriptor);
    folder->made = 0;
    free(folder->steps);
    folder->descriptor = -1;
    folder->steps = NULL;
    folder->count = 0;
}

fcmae_status fcmae_run_folder_write(const fcmae_run_folder *folder, const char *name,
                                    const char *text, fcmae_error *error)
{
    char path[FCMAE_PATH];
    snprintf(path, sizeof path, "%s/%.32s", folder->path, name);
    return fcmae_file_write(path, text, strlen(text), error);
}

fcmae_status fcmae_run_folder_saved(fcmae_run_folder *folder, int64_t step, int keep,
                                    fcmae_error *error)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%lld" WEIGHTS_END "\n", (long long)step);
    FCMAE_TRY(fcmae_run_folder_write(folder, "latest", name, error));
    if (folder->count == 0 || folder->steps[folder->count - 1] < step) {
        int64_t *steps = realloc(folder->steps, ((size_t)folder->count + 1) * sizeof *steps);
        if (!steps)
            return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of checkpoints");
        folder->steps = steps;
        steps[folder->count++] = step;
    }
    if (keep <= 0 || folder->count <= keep) return FCMAE_OK;
    int surplus = folder->count - keep;
    FCMAE_TRY(visit_names(folder, remove_old, folder->steps[surplus], error));
    memmove(folder->steps, folder->steps + surplus, (size_t)keep * sizeof *folder->steps);
    folder->count = keep;
    return FCMAE_OK;
}
