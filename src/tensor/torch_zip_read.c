/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading zip archives: torch checkpoints since 1.6 (data.pkl and data/<key>), and .npz. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/torch_walk.h"
#include "tensor/zip.h"

typedef struct archive {
    fcmae_tensor_file *file;
    fcmae_zip zip;
    const char *root; /* folder of data.pkl with its slash, or "" */
    size_t root_length;
} archive;

/** The entry "<root>name", or NULL. */
static const fcmae_zip_entry *find_record(const archive *a, const char *name, size_t length)
{
    char path[512];
    if (a->root_length + length >= sizeof path || memchr(name, 0, length)) return NULL;
    memcpy(path, a->root, a->root_length);
    memcpy(path + a->root_length, name, length);
    path[a->root_length + length] = 0;
    return fcmae_zip_find(&a->zip, path);
}

static fcmae_status find_storage(void *cookie, const fcmae_pickle_storage *storage,
                                 fcmae_section *section, fcmae_error *error)
{
    const archive *a = cookie;
    char name[256] = "data/";
    const fcmae_zip_entry *entry = NULL;
    if (storage->key_length < sizeof name - 5) {
        memcpy(name + 5, storage->key, storage->key_length);
        entry = find_record(a, name, 5 + storage->key_length);
    }
    if (!entry)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: storage %.*s is missing from the archive",
                          a->file->source.name,
                          (int)(storage->key_length < 60 ? storage->key_length : 60), storage->key);
    uint64_t size;
    if (__builtin_mul_overflow((uint64_t)storage->count, (uint64_t)storage->element, &size) ||
        size > entry->section.size)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: storage %s should hold %lld elements, but its entry has %llu bytes",
                          a->file->source.name, name, (long long)storage->count,
                          (unsigned long long)entry->section.size);
    *section = entry->section;
    section->size = size;
    if (!section->deflated) section->stored = size;
    return FCMAE_OK;
}

/** Finds data.pkl, at the top or one folder down. */
static const fcmae_zip_entry *find_pickle(archive *a)
{
    for (int i = 0; i < a->zip.count; i++) {
        const char *name = a->zip.entries[i].name, *slash = strchr(name, '/');
        const char *rest = slash ? slash + 1 : name;
        if (strcmp(rest, "data.pkl") != 0) continue;
        a->root = name;
        a->root_length = (size_t)(rest - name);
        return &a->zip.entries[i];
    }
    return NULL;
}

static fcmae_status read_byte_order(const archive *a, bool *big_endian, fcmae_error *error)
{
    char text[8] = "";
    const fcmae_zip_entry *entry = find_record(a, "byteorder", 9);
    *big_endian = false;
    if (!entry) return FCMAE_OK;
    size_t size = entry->section.size < sizeof text ? (size_t)entry->section.size : sizeof text - 1;
    FCMAE_TRY(fcmae_section_read(&a->file->source, &entry->section, 0, text, size, error));
    if (strcmp(text, "big") == 0)
        *big_endian = true;
    else if (strcmp(text, "little") != 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: unknown byte order", a->file->source.name);
    return FCMAE_OK;
}

static fcmae_status read_object(archive *a, const fcmae_zip_entry *entry, uint8_t *bytes,
                                fcmae_error *error)
{
    fcmae_tensor_file *file = a->file;
    fcmae_pickle_result pickle;
    bool big_endian;
    FCMAE_TRY(read_byte_order(a, &big_endian, error));
    FCMAE_TRY(fcmae_section_read(&file->source, &entry->section, 0, bytes,
                                 (size_t)entry->section.size, error));
    FCMAE_TRY(fcmae_pickle_read(bytes, (size_t)entry->section.size, 0, file->source.name,
                                &file->pool, &pickle, error));
    return fcmae_torch_walk(file, pickle.value, big_endian, find_storage, a, error);
}

static bool is_script(const archive *a)
{
    if (find_record(a, "constants.pkl", 13)) return true;
    for (int i = 0; i < a->zip.count; i++)
        if (strncmp(a->zip.entries[i].name, a->root, a->root_length) == 0 &&
            strncmp(a->zip.entries[i].name + a->root_length, "code/", 5) == 0)
            return true;
    return false;
}

/** Other archives: torch.export.save() and Keras write them too. */
static fcmae_status refuse_archive(const archive *a, fcmae_error *error)
{
    static const struct {
        const char *ending, *what;
    } kinds[] = {
        {"archive_format", "a program of torch.export: save program.state_dict with torch.save()"},
        {"serialized_exported_program.json",
         "a program of torch.export: save program.state_dict with torch.save()"},
        {"model.weights.h5",
         "a Keras model: save its arrays as .npz or safetensors under the names of the official "
         "code"},
    };
    for (int i = 0; i < a->zip.count; i++) {
        const char *slash = strrchr(a->zip.entries[i].name, '/');
        const char *base = slash ? slash + 1 : a->zip.entries[i].name;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strcmp(base, kinds[k].ending) == 0)
                return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%s is %s instead",
                                  a->file->source.name, kinds[k].what);
    }
    return fcmae_fail(error, FCMAE_ERR_FORMAT,
                      "%s is a zip archive, but neither of PyTorch (data.pkl) nor of NumPy (.npy)",
                      a->file->source.name);
}

fcmae_status fcmae_torch_zip_read(fcmae_tensor_file *file, fcmae_error *error)
{
    archive a = {.file = file};
    FCMAE_TRY(fcmae_zip_open(&a.zip, &file->source, &file->pool, error));
    const fcmae_zip_entry *pickle = find_pickle(&a);
    if (!pickle) {
        FCMAE_TRY(fcmae_npz_read(file, &a.zip, error));
        if (file->count > 0 || a.zip.count == 0) return FCMAE_OK;
        return refuse_archive(&a, error);
    }
    file->container = FCMAE_CONTAINER_TORCH;
    if (is_script(&a))
        return fcmae_fail(
            error, FCMAE_ERR_UNSUPPORTED,
            "%s is a TorchScript archive: save the state dict with torch.save() instead",
            file->source.name);
    if (pickle->section.size > FCMAE_LARGEST_PICKLE)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: its data.pkl claims %llu bytes, the limit is %llu",
                          file->source.name, (unsigned long long)pickle->section.size,
                          (unsigned long long)FCMAE_LARGEST_PICKLE);
    uint8_t *bytes = malloc((size_t)pickle->section.size + 1);
    if (!bytes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", file->source.name);
    fcmae_status status = read_object(&a, pickle, bytes, error);
    free(bytes);
    return status;
}
