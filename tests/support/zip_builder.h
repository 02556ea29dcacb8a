/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Zip archives and pickles made by hand, right or wrong in any field. */
#ifndef TESTS_SUPPORT_ZIP_BUILDER_H
#define TESTS_SUPPORT_ZIP_BUILDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** Bytes that grow. */
typedef struct bytes {
    unsigned char *data;
    size_t size, capacity;
} bytes;

static inline void put(bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2 + 64;
        b->data = realloc(b->data, b->capacity);
        if (!b->data) abort();
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void put_number(bytes *b, uint64_t value, int count)
{
    for (int i = 0; i < count; i++) {
        unsigned char byte = i < 8 ? (unsigned char)(value >> (8 * i)) : 0;
        put(b, &byte, 1);
    }
}

static inline void put_text(bytes *b, const char *text)
{
    put(b, text, strlen(text));
}

typedef struct zip_item {
    const char *name;
    const void *data;
    size_t size;
    /* claims that differ from the truth; 0: the truth */
    uint64_t claimed_size, claimed_offset, claimed_stored;
    int method, flags;
} zip_item;

/** A zip archive of the items; `entries` claims another number of them unless negative. */
static inline bytes build_zip(const zip_item *items, int count, int entries)
{
    bytes zip = {0}, directory = {0};
    for (int i = 0; i < count; i++) {
        const zip_item *item = &items[i];
        uint64_t offset = item->claimed_offset ? item->claimed_offset : zip.size;
        uint64_t stored = item->claimed_stored ? item->claimed_stored : item->size;
        uint64_t size = item->claimed_size ? item->claimed_size : item->size;
        put(&zip, "PK\3\4\24\0", 6);
        put_number(&zip, (uint64_t)item->flags, 2);
        put_number(&zip, (uint64_t)item->method, 2);
        put_number(&zip, 0, 16);
        put_number(&zip, strlen(item->name), 2);
        put_number(&zip, 0, 2);
        put_text(&zip, item->name);
        put(&zip, item->data, item->size);
        put(&directory, "PK\1\2\24\0\24\0", 8);
        put_number(&directory, (uint64_t)item->flags, 2);
        put_number(&directory, (uint64_t)item->method, 2);
        put_number(&directory, 0, 8);
        put_number(&directory, stored, 4);
        put_number(&directory, size, 4);
        put_number(&directory, strlen(item->name), 2);
        put_number(&directory, 0, 8);
        put_number(&directory, 0, 4);
        put_number(&directory, offset, 4);
        put_text(&directory, item->name);
    }
    uint64_t start = zip.size;
    put(&zip, directory.data, directory.size);
    put(&zip, "PK\5\6\0\0\0\0", 8);
    put_number(&zip, (uint64_t)(entries < 0 ? count : entries), 2);
    put_number(&zip, (uint64_t)(entries < 0 ? count : entries), 2);
    put_number(&zip, directory.size, 4);
    put_number(&zip, start, 4);
    put_number(&zip, 0, 2);
    free(directory.data);
    return zip;
}

/** data.pkl of {"w": a float tensor of the given storage count, offset and sizes, all as pickled
 * text}. */
static inline bytes pickle_of_tensor(const char *type, const char *count, size_t count_size,
                                     const char *layout, size_t layout_size)
{
    bytes p = {0};
    put(&p, "\x80\2}(X\1\0\0\0w", 10);
    put_text(&p, "ctorch._utils\n_rebuild_tensor_v2\n((X\7");
    put_number(&p, 0, 3);
    put_text(&p, "storagectorch\n");
    put_text(&p, type);
    put(&p, "\nX\1\0\0\0000X\3\0\0\0cpu", 15);
    put(&p, count, count_size);
    put_text(&p, "tQ");
    put(&p, layout, layout_size); /* offset, sizes, strides */
    put(&p, "\x89", 1);
    put_text(&p, "ccollections\nOrderedDict\n)RtRu.");
    return p;
}

#endif
