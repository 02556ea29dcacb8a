/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "data/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define READ_BLOCK 4096 /* a header and little of the contents that will be skipped */

static fcmae_status list_member(struct archive *archive, struct archive_entry *entry,
                                const char *path, uint64_t file_size, fcmae_tar_visit visit,
                                void *argument, fcmae_error *error)
{
    uint8_t content[FCMAE_TAR_SMALL];
    const char *name = archive_entry_pathname_utf8(entry);
    if (!name) name = archive_entry_pathname(entry);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
        archive_entry_size(entry) < 0)
        return FCMAE_OK;
    if (archive_entry_sparse_count(entry) > 0)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "%s: member %s is a file with holes", path,
                          name);
    /* the header was consumed, the contents were not: this is where they start */
    fcmae_tar_member member = {.path = name,
                               .size = (uint64_t)archive_entry_size(entry),
                               .offset = (uint64_t)archive_filter_bytes(archive, 0)};
    if (member.offset > file_size || member.size > file_size - member.offset)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: the file is truncated within member %s",
                          path, name);
    if (member.size <= FCMAE_TAR_SMALL) {
        if (archive_read_data(archive, content, sizeof content) != (la_ssize_t)member.size)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: member %s cannot be read", path, name);
        member.content = content;
    }
    return visit(argument, &member, error);
}

static fcmae_status list_members(struct archive *archive, const char *path, uint64_t file_size,
                                 fcmae_tar_visit visit, void *argument, fcmae_error *error)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF) return FCMAE_OK;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
            const char *reason = archive_error_string(archive);
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: damaged at byte %lld: %s", path,
                              (long long)archive_filter_bytes(archive, 0),
                              reason ? reason : "no tar header");
        }
        FCMAE_TRY(list_member(archive, entry, path, file_size, visit, argument, error));
    }
}

/** Well-known first bytes of compressed streams. */
static int looks_compressed(int file)
{
    uint8_t b[6] = {0};
    if (pread(file, b, sizeof b, 0) != (ssize_t)sizeof b) return 0;
    return (b[0] == 0x1F && b[1] == 0x8B) || memcmp(b, "BZh", 3) == 0 ||
           memcmp(b,
                  "\xFD"
                  "7zXZ",
                  5) == 0 ||
           memcmp(b, "\x28\xB5\x2F\xFD", 4) == 0;
}

static fcmae_status list_open_file(int file, uint64_t size, const char *path, fcmae_tar_visit visit,
                                   void *argument, fcmae_error *error)
{
    if (looks_compressed(file))
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%s is compressed; shards are read in place, so decompress it first "
                          "(pictures hardly shrink)",
                          path);
    struct archive *archive = archive_read_new();
    if (!archive) return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: out of memory", path);
    fcmae_status status;
    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, file, READ_BLOCK) != ARCHIVE_OK)
        status = fcmae_fail(error, FCMAE_ERR_IO, "%s: %s", path, archive_error_string(archive));
    else
        status = list_members(archive, path, size, visit, argument, error);
    archive_read_free(archive);
    return status;
}

fcmae_status fcmae_tar_list(const char *path, fcmae_tar_visit visit, void *argument,
                            fcmae_error *error)
{
    int file = -1;
    uint64_t size = 0;
    FCMAE_TRY(fcmae_file_open(path, O_RDONLY, &file, &size, error));
    fcmae_status status = list_open_file(file, size, path, visit, argument, error);
    close(file);
    return status;
}
