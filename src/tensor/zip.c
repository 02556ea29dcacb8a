/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "tensor/zip.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/deflate.h"

#define END_SIZE 22
#define END64_SIZE 56
#define LOCATOR_SIZE 20
#define ENTRY_SIZE 46
#define LOCAL_SIZE 30
#define LONGEST_COMMENT 65535
#define LARGEST_DIRECTORY ((uint64_t)64 << 20)

/** The central directory. */
typedef struct directory {
    uint64_t offset, size, entries;
} directory;

static uint64_t get(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static fcmae_status damaged(const fcmae_source *source, uint64_t offset, const char *what,
                            fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: damaged zip archive, %s at offset %llu",
                      source->name, what, (unsigned long long)offset);
}

/** Finds the end record: 22 bytes and a comment that reaches exactly to the end of the file. */
static fcmae_status find_end(const fcmae_source *source, uint8_t end[END_SIZE], uint64_t *offset,
                             fcmae_error *error)
{
    uint8_t tail[4096 + END_SIZE];
    uint64_t lowest = source->size > LONGEST_COMMENT + END_SIZE
                          ? source->size - LONGEST_COMMENT - END_SIZE
                          : 0;
    uint64_t high = source->size;
    while (high >= lowest + END_SIZE) {
        uint64_t low = high > lowest + sizeof tail ? high - sizeof tail : lowest;
        size_t size = (size_t)(high - low);
        FCMAE_TRY(fcmae_source_read(source, low, tail, size, error));
        for (size_t i = size - END_SIZE + 1; i-- > 0;)
            if (memcmp(tail + i, "PK\5\6", 4) == 0 &&
                low + i + END_SIZE + get(tail + i + 20, 2) == source->size) {
                memcpy(end, tail + i, END_SIZE);
                *offset = low + i;
                return FCMAE_OK;
            }
        if (low == lowest) break;
        high = low + END_SIZE - 1;
    }
    return fcmae_fail(error, FCMAE_ERR_FORMAT,
                      "%s: the zip archive has no end record: it is truncated", source->name);
}

static fcmae_status find_directory(const fcmae_source *source, directory *found, fcmae_error *error)
{
    uint8_t end[END_SIZE], locator[LOCATOR_SIZE], end64[END64_SIZE];
    uint64_t offset = 0, limit;
    FCMAE_TRY(find_end(source, end, &offset, error));
    limit = offset;
    bool many_volumes = get(end + 4, 2) != get(end + 6, 2) || get(end + 8, 2) != get(end + 10, 2);
    *found = (directory){get(end + 16, 4), get(end + 12, 4), get(end + 10, 2)};
    if (offset >= LOCATOR_SIZE) {
        FCMAE_TRY(fcmae_source_read(source, offset - LOCATOR_SIZE, locator, LOCATOR_SIZE, error));
        if (memcmp(locator, "PK\6\7", 4) == 0) {
            limit = get(locator + 8, 8);
            if (limit > offset - LOCATOR_SIZE || offset - LOCATOR_SIZE - limit < END64_SIZE)
                return damaged(source, offset - LOCATOR_SIZE, "a zip64 locator that points nowhere",
                               error);
            FCMAE_TRY(fcmae_source_read(source, limit, end64, END64_SIZE, error));
            if (memcmp(end64, "PK\6\6", 4) != 0)
                return damaged(source, limit, "no zip64 end record", error);
            *found = (directory){get(end64 + 48, 8), get(end64 + 40, 8), get(end64 + 32, 8)};
            many_volumes = get(end64 + 24, 8) != found->entries;
        }
    }
    if (many_volumes)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%s: a zip archive in several volumes",
                          source->name);
    if (found->offset > limit || found->size > limit - found->offset)
        return damaged(source, offset, "a directory outside the file", error);
    if (found->entries > found->size / ENTRY_SIZE || found->size > LARGEST_DIRECTORY)
        return damaged(source, found->offset, "a directory of impossible size", error);
    return FCMAE_OK;
}

/** Replaces the 0xffffffff fields of an entry by those of its zip64 extra field. */
static bool read_zip64(const uint8_t *extra, size_t length, uint64_t *fields[3])
{
    bool needed = false;
    for (int i = 0; i < 3; i++) needed |= *fields[i] == 0xffffffffu;
    if (!needed) return true;
    while (length >= 4) {
        size_t id = (size_t)get(extra, 2), size = (size_t)get(extra + 2, 2);
        if (size > length - 4) return false;
        if (id == 1) {
            const uint8_t *next = extra + 4;
            for (int i = 0; i < 3; i++)
                if (*fields[i] == 0xffffffffu) {
                    if (size < 8) return false;
                    *fields[i] = get(next, 8);
                    next += 8;
                    size -= 8;
                }
            return true;
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return false;
}

/** Finds the data behind the local header and checks that they lie before the directory. */
static fcmae_status place_entry(const fcmae_source *source, fcmae_zip_entry *entry,
                                uint64_t directory_offset, fcmae_error *error)
{
    uint8_t local[LOCAL_SIZE];
    if (entry->header > directory_offset || directory_offset - entry->header < LOCAL_SIZE)
        return damaged(source, entry->header, "an entry outside the file", error);
    FCMAE_TRY(fcmae_source_read(source, entry->header, local, LOCAL_SIZE, error));
    if (memcmp(local, "PK\3\4", 4) != 0)
        return damaged(source, entry->header, "no local header", error);
    uint64_t offset = entry->header + LOCAL_SIZE + get(local + 26, 2) + get(local + 28, 2);
    fcmae_section *section = &entry->section;
    if (offset > directory_offset || section->stored > directory_offset - offset)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: entry %.200s at offset %llu claims %llu bytes that the file has not",
                          source->name, entry->name, (unsigned long long)entry->header,
                          (unsigned long long)section->stored);
    section->offset = offset;
    if (!section->deflated && section->size != section->stored)
        return damaged(source, entry->header, "a stored entry of two sizes", error);
    if (section->deflated && section->size / FCMAE_DEFLATE_RATIO > section->stored)
        return fcmae_fail(
            error, FCMAE_ERR_FORMAT,
            "%s: entry %.200s claims to hold %llu bytes in %llu, more than deflate can "
            "pack",
            source->name, entry->name, (unsigned long long)section->size,
            (unsigned long long)section->stored);
    return FCMAE_OK;
}

/** Reads one directory entry at bytes[*position]. *keep is false for folders. */
static fcmae_status read_entry(const fcmae_source *source, fcmae_pool *pool, const directory *where,
                               const uint8_t *bytes, uint64_t *position, fcmae_zip_entry *entry,
                               bool *keep, fcmae_error *error)
{
    const uint8_t *fixed = bytes + *position;
    uint64_t offset = where->offset + *position, room = where->size - *position;
    if (room < ENTRY_SIZE || memcmp(fixed, "PK\1\2", 4) != 0)
        return damaged(source, offset, "no directory entry", error);
    uint64_t flags = get(fixed + 8, 2), method = get(fixed + 10, 2);
    uint64_t stored = get(fixed + 20, 4), size = get(fixed + 24, 4), header = get(fixed + 42, 4);
    size_t name = (size_t)get(fixed + 28, 2), extra = (size_t)get(fixed + 30, 2);
    uint64_t total = ENTRY_SIZE + name + extra + get(fixed + 32, 2);
    if (total > room) return damaged(source, offset, "a directory entry that is cut off", error);
    uint64_t *fields[3] = {&size, &stored, &header};
    if (!read_zip64(fixed + ENTRY_SIZE + name, extra, fields))
        return damaged(source, offset, "a bad zip64 field", error);
    if (name == 0 || memchr(fixed + ENTRY_SIZE, 0, name))
        return damaged(source, offset, "an entry without a proper name", error);
    entry->name = fcmae_pool_text(pool, (const char *)fixed + ENTRY_SIZE, name);
    if (!entry->name)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the names in %s", source->name);
    *position += total;
    *keep = entry->name[name - 1] != '/';
    if (!*keep) return FCMAE_OK;
    if (flags & 1)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%s: entry %.200s is encrypted",
                          source->name, entry->name);
    if (method != 0 && method != 8)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s: entry %.200s uses compression method %llu, only deflate is known",
                          source->name, entry->name, (unsigned long long)method);
    entry->header = header;
    entry->section = (fcmae_section){.stored = stored, .size = size, .deflated = method == 8};
    return place_entry(source, entry, where->offset, error);
}

static int compare_headers(const void *a, const void *b, void *argument)
{
    const fcmae_zip_entry *entries = argument;
    const fcmae_zip_entry *x = &entries[*(const int *)a], *y = &entries[*(const int *)b];
    return x->header < y->header ? -1 : x->header > y->header;
}

static int compare_names(const void *a, const void *b, void *argument)
{
    const fcmae_zip_entry *entries = argument;
    return strcmp(entries[*(const int *)a].name, entries[*(const int *)b].name);
}

/** Two entries must not share bytes (a way to make bombs) nor a name. */
static fcmae_status check_entries(const fcmae_zip *zip, const fcmae_source *source,
                                  fcmae_error *error)
{
    int *order = zip->by_name;
    size_t count = (size_t)zip->count;
    for (int i = 0; i < zip->count; i++) order[i] = i;
    if (count > 1) qsort_r(order, count, sizeof *order, compare_headers, zip->entries);
    for (int i = 1; i < zip->count; i++) {
        const fcmae_zip_entry *before = &zip->entries[order[i - 1]],
                              *next = &zip->entries[order[i]];
        if (before->section.offset + before->section.stored > next->header)
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: entries %.200s and %.200s overlap at offset %llu", source->name,
                              before->name, next->name, (unsigned long long)next->header);
    }
    if (count > 1) qsort_r(order, count, sizeof *order, compare_names, zip->entries);
    for (int i = 1; i < zip->count; i++)
        if (strcmp(zip->entries[order[i - 1]].name, zip->entries[order[i]].name) == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: two entries are called %.200s",
                              source->name, zip->entries[order[i]].name);
    return FCMAE_OK;
}

static fcmae_status read_directory(fcmae_zip *zip, const fcmae_source *source, fcmae_pool *pool,
                                   const directory *where, const uint8_t *bytes, fcmae_error *error)
{
    uint64_t position = 0;
    zip->entries = fcmae_pool_take(pool, (size_t)where->entries * sizeof *zip->entries);
    zip->by_name = fcmae_pool_take(pool, (size_t)where->entries * sizeof *zip->by_name);
    if (!zip->entries || !zip->by_name)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: its zip directory is too large",
                          source->name);
    for (uint64_t i = 0; i < where->entries; i++) {
        bool keep;
        FCMAE_TRY(read_entry(source, pool, where, bytes, &position, &zip->entries[zip->count],
                             &keep, error));
        zip->count += keep;
    }
    return check_entries(zip, source, error);
}

fcmae_status fcmae_zip_open(fcmae_zip *zip, const fcmae_source *source, fcmae_pool *pool,
                            fcmae_error *error)
{
    directory where;
    *zip = (fcmae_zip){0};
    FCMAE_TRY(find_directory(source, &where, error));
    uint8_t *bytes = malloc((size_t)where.size + 1);
    if (!bytes) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", source->name);
    fcmae_status status = fcmae_source_read(source, where.offset, bytes, (size_t)where.size, error);
    if (status == FCMAE_OK) status = read_directory(zip, source, pool, &where, bytes, error);
    free(bytes);
    return status;
}

const fcmae_zip_entry *fcmae_zip_find(const fcmae_zip *zip, const char *name)
{
    int low = 0, high = zip->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const fcmae_zip_entry *entry = &zip->entries[zip->by_name[middle]];
        int order = strcmp(name, entry->name);
        if (order == 0) return entry;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
