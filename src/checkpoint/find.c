/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Which file a path stands for: one rule for everything that takes a checkpoint. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "fcmae/checkpoint.h"
#include "fcmae/options.h"

enum { LONGEST_NAME = 256, PATH = 4096 }; /* of a checkpoint in a folder; of a path */

static bool is_kind(const char *path, mode_t kind)
{
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

/** Folder and name as a path; there is room. */
static void join(char *path, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    memcpy(path, folder, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
}

/** The checkpoint that `latest` names, beside it; FCMAE_ERR_NOT_FOUND: there is no such file. */
static fcmae_status follow_latest(const char *latest, char *path, fcmae_error *error)
{
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_file_read(&text, latest, LONGEST_NAME, error);
    if (status != FCMAE_OK) return status;
    fcmae_buffer_add(&text, "", 1);
    status = fcmae_buffer_check(&text, "the name of a checkpoint", error);
    if (status == FCMAE_OK) {
        const char *slash = strrchr(latest, '/');
        size_t folder = slash ? (size_t)(slash + 1 - latest) : 0;
        size_t length = strcspn(text.text, "\n");
        bool whole = text.text[length] == '\n' && length > 0;
        text.text[length] = 0;
        if (!whole || strchr(text.text, '/')) {
            status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%.500s does not name a checkpoint",
                                latest);
        } else {
            memcpy(path, latest, folder);
            strcpy(path + folder, text.text);
        }
    }
    fcmae_buffer_release(&text);
    return status;
}

static fcmae_status find_in_folder(const char *folder, char *path, fcmae_error *error)
{
    static const char *const weights[] = {"model.safetensors", "model.safetensors.index.json",
                                          "pytorch_model.bin", "pytorch_model.bin.index.json"};
    char latest[PATH];
    join(path, folder, "best.safetensors");
    if (is_kind(path, S_IFREG)) return FCMAE_OK;
    join(latest, folder, "latest");
    fcmae_status status = follow_latest(latest, path, error);
    if (status != FCMAE_ERR_NOT_FOUND) return status;
    for (int i = 0; i < FCMAE_COUNT(weights); i++) {
        join(path, folder, weights[i]);
        if (is_kind(path, S_IFREG)) return FCMAE_OK;
    }
    return fcmae_fail(error, FCMAE_ERR_NOT_FOUND,
                      "%.500s holds no checkpoint: no best.safetensors or latest of a run, and no "
                      "model.safetensors or pytorch_model.bin, whole or with an index",
                      folder);
}

fcmae_status fcmae_checkpoint_find(const char *given, char *path, size_t size, fcmae_error *error)
{
    const char *slash = strrchr(given, '/'), *base = slash ? slash + 1 : given;
    if (strlen(given) + LONGEST_NAME >= size || strlen(given) + LONGEST_NAME >= PATH)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path %.60s... is too long", given);
    if (is_kind(given, S_IFDIR)) return find_in_folder(given, path, error);
    if (strcmp(base, "latest") == 0 && is_kind(given, S_IFREG))
        return follow_latest(given, path, error);
    strcpy(path, given);
    return FCMAE_OK;
}
