/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Folder trees. The list of folders is its own work list: folders are read in the order in which
 * they were found, their subfolders appended in code-point order, so the same tree is always
 * walked in the same way. Each physical folder (device, inode) is listed once, which ends every
 * loop of links.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/shards.h"
#include "image/codec.h"

typedef struct identity {
    dev_t device;
    ino_t inode;
    bool used;
} identity;

typedef struct walk {
    fcmae_dataset *dataset;
    const fcmae_log *log;
    bool labelled;
    identity *seen; /* open addressing, at most half full */
    size_t seen_count, seen_capacity;
    fcmae_strings pending; /* paths of folders to read ... */
    int *labels;           /* ... and the class each belongs to */
    size_t labels_capacity;
    int64_t others; /* files that are no images */
    char first_other[300];
} walk;

static fcmae_status no_memory(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "out of memory while listing the data set");
}

static size_t slot_of(const identity *table, size_t capacity, dev_t device, ino_t inode)
{
    uint64_t hash = ((uint64_t)inode * 0x9E3779B97F4A7C15u) ^ ((uint64_t)device << 17);
    size_t slot = (size_t)(hash ^ hash >> 29) & (capacity - 1);
    while (table[slot].used && (table[slot].device != device || table[slot].inode != inode))
        slot = (slot + 1) & (capacity - 1);
    return slot;
}

/** Notes a folder; *known tells whether it was there already. */
static fcmae_status note_folder(walk *w, dev_t device, ino_t inode, bool *known, fcmae_error *error)
{
    if (2 * (w->seen_count + 1) > w->seen_capacity) {
        size_t capacity = w->seen_capacity ? w->seen_capacity * 2 : 64;
        identity *table = calloc(capacity, sizeof *table);
        if (!table) return no_memory(error);
        for (size_t i = 0; i < w->seen_capacity; i++)
            if (w->seen[i].used)
                table[slot_of(table, capacity, w->seen[i].device, w->seen[i].inode)] = w->seen[i];
        free(w->seen);
        w->seen = table;
        w->seen_capacity = capacity;
    }
    size_t slot = slot_of(w->seen, w->seen_capacity, device, inode);
    *known = w->seen[slot].used;
    if (*known) return FCMAE_OK;
    w->seen[slot] = (identity){device, inode, true};
    w->seen_count++;
    return FCMAE_OK;
}

static fcmae_status add_pending(walk *w, const char *path, int label, fcmae_error *error)
{
    if (w->pending.count == w->labels_capacity) {
        size_t capacity = w->labels_capacity ? w->labels_capacity * 2 : 16;
        int *labels = realloc(w->labels, capacity * sizeof *labels);
        if (!labels) return no_memory(error);
        w->labels = labels;
        w->labels_capacity = capacity;
    }
    w->labels[w->pending.count] = label;
    return fcmae_strings_add(&w->pending, path, error);
}

static bool has_image_ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && fcmae_codec_has_ending(dot + 1);
}

static bool holds_image(int folder, const char *name)
{
    uint8_t bytes[FCMAE_CODEC_MAGIC];
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return false;
    ssize_t size = read(file, bytes, sizeof bytes);
    close(file);
    return size > 0 && fcmae_codec_of_bytes(bytes, (size_t)size);
}

/** DT_REG, DT_DIR or DT_UNKNOWN (anything else, and links that lead nowhere). */
static unsigned char kind_of(int folder, const struct dirent *entry)
{
    if (entry->d_type == DT_REG || entry->d_type == DT_DIR) return entry->d_type;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) return DT_UNKNOWN;
    struct stat information;
    if (fstatat(folder, entry->d_name, &information, 0) != 0) return DT_UNKNOWN;
    return S_ISREG(information.st_mode)   ? DT_REG
           : S_ISDIR(information.st_mode) ? DT_DIR
                                          : DT_UNKNOWN;
}

static int compare_names(const void *a, const void *b, void *base)
{
    const char *text = base;
    return strcmp(text + *(const uint32_t *)a, text + *(const uint32_t *)b);
}

static void note_other(walk *w, const char *path, const char *name)
{
    if (w->others++ == 0)
        snprintf(w->first_other, sizeof w->first_other, "%.180s/%.100s", path, name);
}

/** What systems leave beside pictures: of archives from a Mac, of network disks, of Windows. */
static bool is_litter(const char *name)
{
    static const char *const names[] = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return name[0] == '.';
}

/** Whether a subfolder is one that training made: its pictures are no data. */
static bool is_run(int folder, const char *name)
{
    static const char *const files[] = {"config.json", "log.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", name, files[i]);
        if (length < 0 || length >= PATH_MAX || faccessat(folder, path, F_OK, 0) != 0) return false;
    }
    return true;
}

/** Reads the entries of an open folder; subfolders go to `folders`. */
static fcmae_status read_entries(walk *w, DIR *stream, const char *path, bool take_files,
                                 fcmae_strings *folders, fcmae_error *error)
{
    int descriptor = dirfd(stream);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry && errno != 0)
            return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "reading folder %s", path);
        if (!entry) return FCMAE_OK;
        if (is_litter(entry->d_name)) continue;
        unsigned char kind = kind_of(descriptor, entry);
        if (kind == DT_DIR && is_run(descriptor, entry->d_name))
            fcmae_log_line(w->log, FCMAE_LOG_INFO, "left out, a run and no data: %s/%s", path,
                           entry->d_name);
        else if (kind == DT_DIR)
            FCMAE_TRY(fcmae_strings_add(folders, entry->d_name, error));
        else if (kind == DT_REG && take_files &&
                 (has_image_ending(entry->d_name) || holds_image(descriptor, entry->d_name)))
            FCMAE_TRY(fcmae_dataset_add_name(w->dataset, entry->d_name, error));
        else
            note_other(w, path, entry->d_name);
    }
}

/** The subfolders of the root of a labelled set are its classes. */
static fcmae_status take_classes(fcmae_dataset *dataset, fcmae_strings *folders, fcmae_error *error)
{
    if (folders->count > INT_MAX / 2)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%zu classes are too many", folders->count);
    dataset->classes = calloc(folders->count + 1, sizeof *dataset->classes);
    if (!dataset->classes) return no_memory(error);
    for (size_t i = 0; i < folders->count; i++, dataset->class_count++)
        if (!(dataset->classes[i] = strdup(folders->items[i]))) return no_memory(error);
    return FCMAE_OK;
}

static fcmae_status read_folder(walk *w, size_t number, DIR *stream, fcmae_strings *folders,
                                fcmae_error *error)
{
    const char *path = w->pending.items[number];
    bool root = number == 0;
    FCMAE_TRY(fcmae_dataset_add_folder(w->dataset, path, w->labels[number], error));
    FCMAE_TRY(read_entries(w, stream, path, !(root && w->labelled), folders, error));
    fcmae_folder *folder = &w->dataset->folders[w->dataset->folder_count - 1];
    if (folder->count > 1)
        qsort_r(w->dataset->name_offsets + folder->entries, folder->count, sizeof(uint32_t),
                compare_names, w->dataset->names.bytes + folder->names);
    fcmae_strings_sort(folders);
    if (root && w->labelled) FCMAE_TRY(take_classes(w->dataset, folders, error));
    for (size_t i = 0; i < folders->count; i++) {
        char child[PATH_MAX];
        const char *join = path[strlen(path) - 1] == '/' ? "" : "/";
        int length = snprintf(child, sizeof child, "%s%s%s", path, join, folders->items[i]);
        if (length < 0 || (size_t)length >= sizeof child) {
            fcmae_log_line(w->log, FCMAE_LOG_WARNING, "folder left out, its path is too long: %s",
                           child);
            continue;
        }
        int label = !w->labelled ? -1 : root ? (int)i : w->labels[number];
        FCMAE_TRY(add_pending(w, child, label, error));
    }
    return FCMAE_OK;
}

/** Opens and reads one folder of the work list. Only the root must be readable. */
static fcmae_status visit(walk *w, size_t number, fcmae_error *error)
{
    const char *path = w->pending.items[number];
    DIR *stream = opendir(path);
    struct stat information;
    if (!stream || fstat(dirfd(stream), &information) != 0) {
        int reason = errno;
        if (stream) closedir(stream);
        if (number == 0)
            return fcmae_fail_system(error, reason == ENOENT ? FCMAE_ERR_NOT_FOUND : FCMAE_ERR_IO,
                                     reason, "cannot open the folder %s", path);
        char text[100];
        fcmae_log_line(w->log, FCMAE_LOG_WARNING, "folder left out: %s: %s", path,
                       fcmae_system_error(reason, text, sizeof text));
        return FCMAE_OK;
    }
    bool known = false;
    fcmae_status status = note_folder(w, information.st_dev, information.st_ino, &known, error);
    if (status == FCMAE_OK && known)
        fcmae_log_line(w->log, FCMAE_LOG_WARNING,
                       "folder left out, it was listed already under another name: %s", path);
    fcmae_strings folders = {0};
    if (status == FCMAE_OK && !known) status = read_folder(w, number, stream, &folders, error);
    fcmae_strings_release(&folders);
    closedir(stream);
    return status;
}

static int compare_folders(const void *a, const void *b)
{
    const fcmae_folder *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp(x->path, y->path);
}

/** Complains about a tree without images, mentions what was left out. */
static fcmae_status judge(walk *w, const char *path, fcmae_error *error)
{
    fcmae_dataset *dataset = w->dataset;
    char others[400] = "";
    if (w->others > 0)
        snprintf(others, sizeof others, " (%lld other files, the first is %s)",
                 (long long)w->others, w->first_other);
    if (w->labelled && dataset->class_count == 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s has no subfolders: a labelled set needs one per class%s", path,
                          others);
    char names[200];
    if (dataset->count == 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s holds no %s image%s", path,
                          fcmae_codec_names(names, sizeof names), others);
    if (w->others > 0)
        fcmae_log_line(w->log, FCMAE_LOG_WARNING, "%s: left out %lld other files, the first is %s",
                       path, (long long)w->others, w->first_other);
    size_t folder = 0; /* they are in the order of their labels */
    for (int label = 0; label < dataset->class_count; label++) {
        uint32_t any = 0;
        for (; folder < dataset->folder_count && dataset->folders[folder].label <= label; folder++)
            if (dataset->folders[folder].label == label) any |= dataset->folders[folder].count;
        if (!any)
            fcmae_log_line(w->log, FCMAE_LOG_WARNING, "%s: class %s has no images", path,
                           dataset->classes[label]);
    }
    return FCMAE_OK;
}

/** Lists the tree. */
static fcmae_status open_tree(walk *w, const char *path, fcmae_error *error)
{
    FCMAE_TRY(add_pending(w, path, -1, error));
    for (size_t i = 0; i < w->pending.count; i++) FCMAE_TRY(visit(w, i, error));
    qsort(w->dataset->folders, w->dataset->folder_count, sizeof *w->dataset->folders,
          compare_folders);
    fcmae_dataset_number(w->dataset);
    return FCMAE_OK;
}

static fcmae_status open_folder(fcmae_dataset **out, const char *path, bool labelled,
                                const fcmae_log *log, fcmae_error *error)
{
    walk w = {.dataset = calloc(1, sizeof *w.dataset), .labelled = labelled, .log = log};
    if (!w.dataset) return no_memory(error);
    fcmae_strings shards = {0};
    fcmae_status status = open_tree(&w, path, error);
    if (status == FCMAE_OK && w.dataset->count == 0)
        status = fcmae_shards_in_folder(path, &shards, error);
    if (status == FCMAE_OK && shards.count == 0) status = judge(&w, path, error);
    fcmae_strings_release(&w.pending);
    free(w.labels);
    free(w.seen);
    if (status == FCMAE_OK && shards.count == 0)
        *out = w.dataset;
    else
        fcmae_dataset_close(&w.dataset);
    if (status == FCMAE_OK && shards.count > 0)
        status = fcmae_shards_open(out, shards.items, shards.count, labelled, log, error);
    fcmae_strings_release(&shards);
    return status;
}

fcmae_status fcmae_dataset_open(fcmae_dataset **out, const char *path,
                                const fcmae_dataset_options *options, fcmae_error *error)
{
    if (!path || !path[0]) return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no data folder was named");
    bool labelled = options && options->labelled;
    const fcmae_log *log = options ? &options->log : NULL;
    struct stat information;
    bool exists = stat(path, &information) == 0;
    const char *dot = strrchr(path, '.');
    bool tar = dot && strncasecmp(dot, ".tar", 4) == 0;
    if (exists && S_ISREG(information.st_mode) && !tar) {
        if (labelled)
            return fcmae_fail(
                error, FCMAE_ERR_FORMAT,
                "%s is a single file, but a labelled set is a folder of class folders", path);
        char names[200];
        if (!holds_image(AT_FDCWD, path))
            return fcmae_fail(error, FCMAE_ERR_FORMAT,
                              "%s is neither a folder nor a %s picture nor a .tar shard", path,
                              fcmae_codec_names(names, sizeof names));
        return fcmae_dataset_from_files(out, &path, 1, error);
    }
    if (exists ? !S_ISREG(information.st_mode) : !strchr(path, '{'))
        return open_folder(out, path, labelled, log, error);
    fcmae_strings shards = {0};
    fcmae_status status = exists ? fcmae_strings_add(&shards, path, error)
                                 : fcmae_shards_expand(path, &shards, error);
    if (status == FCMAE_OK)
        status = fcmae_shards_open(out, shards.items, shards.count, labelled, log, error);
    fcmae_strings_release(&shards);
    return status;
}
