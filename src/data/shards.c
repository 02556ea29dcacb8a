/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * WebDataset shards: tar files whose consecutive members of one key form a sample.
 *
 * Opening reads the headers only, all shards at once, and notes where each picture lies; a picture
 * is later read with one pread(). Epochs go through the shards in an order of their own with a
 * sliding shuffle (fcmae_dataset_shuffle), and the loader announces to the kernel what comes next,
 * so the disk sees long sequential reads and the page cache is the shuffle buffer.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/parallel.h"
#include "data/shards.h"
#include "data/tar.h"
#include "image/codec.h"

#define MAX_SHARDS 1000000
#define READERS 8 /* shards listed at a time: the disk is waited for, not the processor */

/* ------------------------------------------------------------ one shard */

typedef struct sample {
    uint64_t offset, size;
    size_t name; /* in shard.names */
    int label;
} sample;

typedef struct shard {
    const char *path;
    bool labelled;
    fcmae_buffer samples; /* of struct sample */
    fcmae_buffer names;
    int64_t others; /* samples without a picture */
    fcmae_status status;
    fcmae_error error;

    /* the group that is being read */
    char key[PATH_MAX];
    bool open;
    sample current;
    bool pictured, exact;    /* a picture was found; its extension is a single word */
    fcmae_buffer extensions; /* of the group, each zero-terminated */
} shard;

static fcmae_status append(fcmae_buffer *buffer, const void *bytes, size_t size, fcmae_error *error)
{
    fcmae_buffer_add(buffer, bytes, size);
    return fcmae_buffer_check(buffer, "the list of a shard", error);
}

static fcmae_status close_group(shard *s, fcmae_error *error)
{
    if (!s->open) return FCMAE_OK;
    s->open = false;
    if (!s->pictured) {
        s->others++;
        return FCMAE_OK;
    }
    if (s->labelled && s->current.label < 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: sample %s has no label (.cls)", s->path,
                          s->key);
    return append(&s->samples, &s->current, sizeof s->current, error);
}

/** Splits at the first dot of the base name; false for members that belong to no sample. */
static bool split_name(const char *path, char *key, size_t room, const char **extension)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strchr(base, '.'), *first_end = strchr(path, '/');
    size_t first = first_end ? (size_t)(first_end - path) : strlen(path);
    if (!dot || (!slash && dot == base)) return false;
    if (first >= 4 && memcmp(path, "__", 2) == 0 && memcmp(path + first - 2, "__", 2) == 0)
        return false;
    size_t length = (size_t)(dot - path);
    if (length >= room) return false;
    memcpy(key, path, length);
    key[length] = 0;
    *extension = dot + 1;
    return true;
}

static bool is_picture(const char *extension, bool *exact)
{
    const char *dot = strrchr(extension, '.'), *last = dot ? dot + 1 : extension;
    *exact = !dot;
    return fcmae_codec_has_ending(last);
}

/** Decimal integer with white space around it; -1 if it is anything else. */
static int parse_label(const fcmae_tar_member *member)
{
    char text[FCMAE_TAR_SMALL + 1] = "", *end = NULL;
    if (!member->content) return -1;
    memcpy(text, member->content, member->size);
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || errno != 0 || value < 0 || value > INT_MAX / 2) return -1;
    while (isspace((unsigned char)*end)) end++;
    return *end == 0 ? (int)value : -1;
}

static fcmae_status note_extension(shard *s, const char *extension, fcmae_error *error)
{
    for (size_t at = 0; at < s->extensions.size; at += strlen((char *)s->extensions.bytes + at) + 1)
        if (strcasecmp((char *)s->extensions.bytes + at, extension) == 0)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: sample %s has two members .%s", s->path,
                              s->key, extension);
    return append(&s->extensions, extension, strlen(extension) + 1, error);
}

static fcmae_status visit_member(void *argument, const fcmae_tar_member *member, fcmae_error *error)
{
    shard *s = argument;
    char key[PATH_MAX];
    const char *extension = NULL;
    bool exact = false;
    if (!split_name(member->path, key, sizeof key, &extension)) return FCMAE_OK;
    if (!s->open || strcmp(key, s->key) != 0) {
        FCMAE_TRY(close_group(s, error));
        strcpy(s->key, key);
        s->open = true;
        s->pictured = s->exact = false;
        s->extensions.size = 0;
        s->current = (sample){.label = -1};
    }
    FCMAE_TRY(note_extension(s, extension, error));
    if (strcasecmp(extension, "cls") == 0) {
        s->current.label = parse_label(member);
        if (s->current.label < 0 && s->labelled)
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s: the label of sample %s is not a number from 0 on", s->path, key);
    }
    if (is_picture(extension, &exact) && (!s->pictured || (exact && !s->exact))) {
        s->current.offset = member->offset;
        s->current.size = member->size;
        s->current.name = s->names.size;
        s->pictured = true;
        s->exact = exact;
        FCMAE_TRY(append(&s->names, member->path, strlen(member->path) + 1, error));
    }
    return FCMAE_OK;
}

static void list_shard(void *argument, int64_t index, int worker)
{
    shard *s = &((shard *)argument)[index];
    (void)worker;
    s->status = fcmae_tar_list(s->path, visit_member, s, &s->error);
    if (s->status == FCMAE_OK) s->status = close_group(s, &s->error);
}

/* ------------------------------------------------------------ all of them */

static fcmae_status add_shard(fcmae_dataset *dataset, const shard *s, int *classes,
                              fcmae_error *error)
{
    FCMAE_TRY(fcmae_dataset_add_folder(dataset, s->path, -1, error));
    size_t count = s->samples.size / sizeof(sample), before = dataset->entry_count;
    const sample *samples = (const sample *)(const void *)s->samples.bytes;
    fcmae_place *places = realloc(dataset->places, (before + count + 1) * sizeof *places);
    if (!places) return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while listing shards");
    dataset->places = places;
    for (size_t i = 0; i < count; i++) {
        if (samples[i].size > FCMAE_IMAGE_MAX_FILE)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: a picture of %llu bytes is too large",
                              s->path, (unsigned long long)samples[i].size);
        places[before + i] = (fcmae_place){samples[i].offset, (uint32_t)samples[i].size,
                                           s->labelled ? samples[i].label : -1};
        if (s->labelled && samples[i].label >= *classes) *classes = samples[i].label + 1;
        FCMAE_TRY(fcmae_dataset_add_name(dataset, (char *)s->names.bytes + samples[i].name, error));
    }
    return FCMAE_OK;
}

static fcmae_status name_classes(fcmae_dataset *dataset, int classes, fcmae_error *error)
{
    if (classes > 1000000)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "a label of %d is not plausible", classes - 1);
    dataset->classes = calloc((size_t)classes + 1, sizeof *dataset->classes);
    for (; dataset->classes && dataset->class_count < classes; dataset->class_count++) {
        char text[20];
        snprintf(text, sizeof text, "%d", dataset->class_count);
        if (!(dataset->classes[dataset->class_count] = strdup(text))) break;
    }
    if (dataset->class_count < classes)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while listing shards");
    return FCMAE_OK;
}

static fcmae_status fail_empty(const char *path, size_t count, fcmae_error *error)
{
    char names[200];
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s%s: no %s image in %s", path,
                      count > 1 ? " and following" : "", fcmae_codec_names(names, sizeof names),
                      count > 1 ? "these shards" : "it");
}

fcmae_status fcmae_shards_open(fcmae_dataset **out, char *const *paths, size_t count, bool labelled,
                               const fcmae_log *log, fcmae_error *error)
{
    fcmae_dataset *dataset = calloc(1, sizeof *dataset);
    shard *shards = calloc(count, sizeof *shards);
    fcmae_status status = dataset && shards ? FCMAE_OK
                                            : fcmae_fail(error, FCMAE_ERR_MEMORY,
                                                         "out of memory while listing shards");
    int64_t others = 0;
    int classes = 0;
    for (size_t i = 0; shards && i < count; i++)
        shards[i] = (shard){.path = paths[i], .labelled = labelled};
    if (status == FCMAE_OK) fcmae_parallel_for(READERS, (int64_t)count, list_shard, shards);
    for (size_t i = 0; status == FCMAE_OK && i < count; i++) {
        status = shards[i].status;
        if (status != FCMAE_OK) fcmae_fail(error, status, "%s", shards[i].error.message);
        if (status == FCMAE_OK) status = add_shard(dataset, &shards[i], &classes, error);
        others += shards[i].others;
    }
    if (status == FCMAE_OK && labelled) status = name_classes(dataset, classes, error);
    if (status == FCMAE_OK) fcmae_dataset_number(dataset);
    if (status == FCMAE_OK && dataset->count == 0) status = fail_empty(paths[0], count, error);
    if (status == FCMAE_OK && others > 0)
        fcmae_log_line(log, FCMAE_LOG_WARNING, "%s%s: left out %lld samples without a picture",
                       paths[0], count > 1 ? " and following" : "", (long long)others);
    for (size_t i = 0; shards && i < count; i++) {
        fcmae_buffer_release(&shards[i].samples);
        fcmae_buffer_release(&shards[i].names);
        fcmae_buffer_release(&shards[i].extensions);
    }
    free(shards);
    if (status != FCMAE_OK && dataset)
        fcmae_dataset_close(&dataset);
    else
        *out = dataset;
    return status;
}

/* ------------------------------------------------------------ lists of shards */

/** The text before, an alternative and the text behind, expanded further. */
static fcmae_status expand_with(const char *pattern, size_t open, const char *middle,
                                const char *behind, fcmae_strings *out, fcmae_error *error)
{
    char text[PATH_MAX];
    int length = snprintf(text, sizeof text, "%.*s%s%s", (int)open, pattern, middle, behind);
    if (length < 0 || (size_t)length >= sizeof text || out->count >= MAX_SHARDS)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%.200s: too many or too long names of shards",
                          pattern);
    return fcmae_shards_expand(text, out, error);
}

fcmae_status fcmae_shards_expand(const char *pattern, fcmae_strings *out, fcmae_error *error)
{
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close) return fcmae_strings_add(out, pattern, error);
    size_t before = (size_t)(open - pattern);
    unsigned long long first = 0, last = 0;
    int digits_start = 0, digits_middle = 0, digits_end = 0;
    if (sscanf(open, "{%n%18llu%n..%18llu%n", &digits_start, &first, &digits_middle, &last,
               &digits_end) == 2 &&
        open + digits_end == close && first <= last) {
        if (last - first >= MAX_SHARDS)
            return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%.200s names too many shards", pattern);
        for (unsigned long long i = first; i <= last; i++) {
            char number[40];
            snprintf(number, sizeof number, "%0*llu", digits_middle - digits_start, i);
            FCMAE_TRY(expand_with(pattern, before, number, close + 1, out, error));
        }
        return FCMAE_OK;
    }
    for (const char *at = open + 1; at <= close;) { /* a,b,c */
        size_t length = strcspn(at, ",}");
        char word[PATH_MAX];
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        FCMAE_TRY(expand_with(pattern, before, word, close + 1, out, error));
        at += length + 1;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_shards_in_folder(const char *path, fcmae_strings *out, fcmae_error *error)
{
    DIR *stream = opendir(path);
    if (!stream) return FCMAE_OK;
    fcmae_status status = FCMAE_OK;
    const struct dirent *entry;
    while (status == FCMAE_OK && (entry = readdir(stream))) {
        char full[PATH_MAX];
        const char *dot = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' || !dot || strcasecmp(dot, ".tar") != 0) continue;
        int length = snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        if (length > 0 && (size_t)length < sizeof full)
            status = fcmae_strings_add(out, full, error);
    }
    closedir(stream);
    fcmae_strings_sort(out);
    return status;
}
