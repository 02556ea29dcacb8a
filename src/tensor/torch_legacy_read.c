/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reading the torch stream of before 1.6: five pickles (magic number, protocol, system, the object,
 * the order of the storages), then for each storage its element count and its elements.
 */
#include <stdlib.h>
#include <string.h>

#include "tensor/torch_walk.h"

/** A storage and where its elements are. */
typedef struct located {
    const char *key;
    size_t key_length;
    uint64_t offset, size;
    int64_t count;
} located;

typedef struct stream {
    fcmae_tensor_file *file;
    uint8_t *bytes; /* the beginning of the file */
    size_t size, position;
    fcmae_pickle_storage **used; /* every storage the object mentions */
    size_t used_count;
    located *places;
    size_t place_count;
} stream;

static fcmae_status next_pickle(stream *s, fcmae_pickle_result *pickle, fcmae_error *error)
{
    FCMAE_TRY(fcmae_pickle_read(s->bytes + s->position, s->size - s->position, s->position,
                                s->file->source.name, &s->file->pool, pickle, error));
    s->position += pickle->used;
    return FCMAE_OK;
}

static int compare_keys(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t length = a_length < b_length ? a_length : b_length;
    int order = length ? memcmp(a, b, length) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_storages(const void *a, const void *b)
{
    const fcmae_pickle_storage *x = *(fcmae_pickle_storage *const *)a;
    const fcmae_pickle_storage *y = *(fcmae_pickle_storage *const *)b;
    return compare_keys(x->key, x->key_length, y->key, y->key_length);
}

static int compare_places(const void *a, const void *b)
{
    const located *x = a, *y = b;
    return compare_keys(x->key, x->key_length, y->key, y->key_length);
}

/** Lists the storages that the object mentions. */
static fcmae_status collect(stream *s, const fcmae_pickle_result *object, fcmae_error *error)
{
    size_t count = 0;
    for (fcmae_pickle_storage *at = object->storages; at; at = at->next) count++;
    s->used = calloc(count + 1, sizeof *s->used);
    if (!s->used) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of storages");
    for (fcmae_pickle_storage *at = object->storages; at; at = at->next)
        s->used[s->used_count++] = at;
    return FCMAE_OK;
}

/** Bytes of one element of the storage of that key; 0 if none is mentioned or its kind unknown. */
static size_t element_of(const stream *s, const fcmae_pickle_value *key)
{
    fcmae_pickle_storage wanted = {.key = key->as.text.start, .key_length = key->as.text.length};
    fcmae_pickle_storage *pointer = &wanted;
    fcmae_pickle_storage **found = s->used_count ? bsearch(&pointer, s->used, s->used_count,
                                                           sizeof pointer, compare_storages)
                                                 : NULL;
    return found ? (*found)->element : 0;
}

/** Walks over the storages behind the pickles. */
static fcmae_status locate(stream *s, const fcmae_pickle_value *keys, fcmae_error *error)
{
    const fcmae_source *source = &s->file->source;
    uint64_t offset = s->position;
    if (keys->kind != FCMAE_PICKLE_LIST)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: no list of storages at byte %llu",
                          source->name, (unsigned long long)offset);
    s->places = calloc((size_t)keys->as.list.count + 1, sizeof *s->places);
    if (!s->places) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of storages");
    if (s->used_count) qsort(s->used, s->used_count, sizeof *s->used, compare_storages);
    for (int64_t i = 0; i < keys->as.list.count; i++) {
        const fcmae_pickle_value *key = keys->as.list.item[i];
        int64_t count;
        size_t element = key->kind == FCMAE_PICKLE_TEXT ? element_of(s, key) : 0;
        if (element == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: storage number %lld is of no known kind, so where the next one "
                              "begins is unknown: save it again with a newer torch.save()",
                              source->name, (long long)i);
        FCMAE_TRY(fcmae_source_read(source, offset, &count, sizeof count, error));
        offset += sizeof count;
        if (count < 0 || (uint64_t)count > (source->size - offset) / element)
            return fcmae_fail(
                error, FCMAE_ERR_FORMAT,
                "%s: storage number %lld at offset %llu claims %lld elements, more than the "
                "file holds",
                source->name, (long long)i, (unsigned long long)offset, (long long)count);
        located *place = &s->places[s->place_count++];
        *place = (located){key->as.text.start, key->as.text.length, offset,
                           (uint64_t)count * element, count};
        offset += place->size;
    }
    qsort(s->places, s->place_count, sizeof *s->places, compare_places);
    return FCMAE_OK;
}

static fcmae_status find_storage(void *cookie, const fcmae_pickle_storage *storage,
                                 fcmae_section *section, fcmae_error *error)
{
    const stream *s = cookie;
    located wanted = {.key = storage->key, .key_length = storage->key_length};
    const located *found = s->place_count ? bsearch(&wanted, s->places, s->place_count,
                                                    sizeof wanted, compare_places)
                                          : NULL;
    if (!found || found->count < storage->count)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: storage %.*s is missing or too short",
                          s->file->source.name,
                          (int)(storage->key_length < 60 ? storage->key_length : 60), storage->key);
    *section = (fcmae_section){.offset = found->offset, .stored = found->size, .size = found->size};
    return FCMAE_OK;
}

static fcmae_status read_stream(stream *s, fcmae_error *error)
{
    fcmae_pickle_result pickle, object, keys;
    for (int i = 0; i < 3; i++) { /* magic number, protocol version, system */
        FCMAE_TRY(next_pickle(s, &pickle, error));
        const fcmae_pickle_value *value = pickle.value;
        for (int64_t j = 0; value->kind == FCMAE_PICKLE_DICT && j + 1 < value->as.list.count;
             j += 2)
            if (fcmae_pickle_is(value->as.list.item[j], "little_endian") &&
                value->as.list.item[j + 1]->kind == FCMAE_PICKLE_BOOL &&
                !value->as.list.item[j + 1]->as.integer)
                return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                                  "%s was written on a big-endian machine", s->file->source.name);
    }
    FCMAE_TRY(next_pickle(s, &object, error));
    FCMAE_TRY(next_pickle(s, &keys, error));
    FCMAE_TRY(collect(s, &object, error));
    FCMAE_TRY(locate(s, keys.value, error));
    return fcmae_torch_walk(s->file, object.value, false, find_storage, s, error);
}

fcmae_status fcmae_torch_legacy_read(fcmae_tensor_file *file, fcmae_error *error)
{
    stream s = {.file = file};
    file->container = FCMAE_CONTAINER_TORCH_LEGACY;
    s.size = (size_t)(file->source.size < FCMAE_LARGEST_PICKLE ? file->source.size
                                                               : FCMAE_LARGEST_PICKLE);
    s.bytes = malloc(s.size + 1);
    if (!s.bytes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", file->source.name);
    fcmae_status status = fcmae_source_read(&file->source, 0, s.bytes, s.size, error);
    if (status == FCMAE_OK) status = read_stream(&s, error);
    free(s.bytes);
    free(s.used);
    free(s.places);
    return status;
}
