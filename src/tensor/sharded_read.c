/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reading weights in several files: an index says which file holds which tensor, in its member
 * "weight_map" (model.safetensors.index.json, pytorch_model.bin.index.json). The files lie beside
 * the index; they are opened as files of their own, and reading a tensor is left to its file.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "tensor/tensor_file.h"

#define LARGEST_INDEX ((size_t)64 << 20)
#define MOST_SHARDS 1000

/** Opens the file of that name beside the index; *shard: its number. */
static fcmae_status open_shard(fcmae_tensor_file *file, const char *name, int *shard,
                               fcmae_error *error)
{
    const char *index = file->source.name, *slash = strrchr(index, '/');
    size_t folder = slash ? (size_t)(slash + 1 - index) : 0, length = strlen(name);
    if (length == 0 || name[0] == '.' || strchr(name, '/'))
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: \"%.100s\" is no file beside it", index,
                          name);
    char *path = fcmae_pool_take(&file->pool, folder + length + 1);
    if (!path) return fcmae_tensor_file_too_large(file, error);
    memcpy(path, index, folder);
    memcpy(path + folder, name, length + 1);
    for (*shard = 0; *shard < file->shard_count; (*shard)++)
        if (strcmp(file->shards[*shard]->source.name, path) == 0) return FCMAE_OK;
    if (file->shard_count == MOST_SHARDS)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s names more than %d files", index,
                          MOST_SHARDS);
    fcmae_tensor_file *opened = NULL;
    fcmae_status status = fcmae_tensor_file_open_by(&opened, path, NULL, error);
    if (status != FCMAE_OK)
        return fcmae_error_prefix(error, status, "one of the files that %.300s names", index);
    file->shards[file->shard_count++] = opened;
    return FCMAE_OK;
}

static fcmae_status take_tensor(fcmae_tensor_file *file, int index, const char *name,
                                const json_t *value, fcmae_error *error)
{
    const char *where = json_string_value(value);
    int shard = 0;
    if (!where)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s does not say where tensor %.100s is",
                          file->source.name, name);
    FCMAE_TRY(open_shard(file, where, &shard, error));
    const fcmae_tensor *tensor = fcmae_tensor_file_find(file->shards[shard], name);
    if (!tensor)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: tensor %.100s is not in %s, which should "
                          "hold it",
                          file->source.name, name, file->shards[shard]->source.name);
    file->tensors[index] = *tensor;
    file->origins[index] = (fcmae_tensor_origin){file->shards[shard], tensor};
    return FCMAE_OK;
}

static fcmae_status read_map(fcmae_tensor_file *file, json_t *map, fcmae_error *error)
{
    size_t count = json_object_size(map);
    file->tensors = fcmae_pool_take(&file->pool, (count + 1) * sizeof *file->tensors);
    file->origins = fcmae_pool_take(&file->pool, (count + 1) * sizeof *file->origins);
    file->shards = fcmae_pool_take(&file->pool, MOST_SHARDS * sizeof(fcmae_tensor_file *));
    if (!file->tensors || !file->origins || !file->shards)
        return fcmae_tensor_file_too_large(file, error);
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
        FCMAE_TRY(take_tensor(file, file->count++, name, value, error));
    file->container = file->shard_count > 0 ? file->shards[0]->container
                                            : FCMAE_CONTAINER_SAFETENSORS;
    return FCMAE_OK;
}

static fcmae_status keep_texts(fcmae_tensor_file *file, fcmae_error *error)
{
    const fcmae_tensor_file *first = file->shard_count > 0 ? file->shards[0] : NULL;
    for (int i = 0; first && i < first->metadata_count; i++) {
        const fcmae_metadata *text = &first->metadata[i];
        FCMAE_TRY(fcmae_tensor_file_add_metadata(file, text->key, strlen(text->key), text->value,
                                                 strlen(text->value), error));
    }
    return FCMAE_OK;
}

static fcmae_status read_index(fcmae_tensor_file *file, fcmae_error *error)
{
    json_t *root = NULL;
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_file_read(&text, file->source.name, LARGEST_INDEX, error);
    if (status == FCMAE_OK)
        status = fcmae_json_parse(text.text, text.size, file->source.name, &root, error);
    fcmae_buffer_release(&text);
    json_t *map = json_object_get(root, "weight_map");
    if (status == FCMAE_OK && !json_is_object(map))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT,
                            "%s is not a tensor file but a JSON text without a weight_map: give "
                            "the file of the weights, or their folder",
                            file->source.name);
    if (status == FCMAE_OK) status = read_map(file, map, error);
    if (status == FCMAE_OK) status = keep_texts(file, error);
    json_decref(root);
    return status;
}

fcmae_status fcmae_tensor_file_open(fcmae_tensor_file **file, const char *path, fcmae_error *error)
{
    static const char ending[] = ".json";
    size_t length = strlen(path), tail = sizeof ending - 1;
    bool index = length > tail && strcmp(path + length - tail, ending) == 0;
    return fcmae_tensor_file_open_by(file, path, index ? read_index : NULL, error);
}
