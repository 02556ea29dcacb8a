/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Bytes of tensor files: ranges of a file or of memory, stored or deflated. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tensor/deflate.h"
#include "tensor/tensor_file.h"

fcmae_status fcmae_source_read(const fcmae_source *source, uint64_t offset, void *bytes,
                               size_t size, fcmae_error *error)
{
    if (offset > source->size || size > source->size - offset)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s: %zu bytes at offset %llu reach beyond its end at %llu", source->name,
                          size, (unsigned long long)offset, (unsigned long long)source->size);
    if (source->memory) {
        if (size) memcpy(bytes, source->memory + offset, size);
        return FCMAE_OK;
    }
    for (size_t done = 0; done < size;) {
        size_t piece = size - done < ((size_t)1 << 30) ? size - done : (size_t)1 << 30;
        ssize_t got = pread(source->descriptor, (char *)bytes + done, piece,
                            (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return fcmae_fail_system(error, FCMAE_ERR_IO, errno, "reading %s", source->name);
        if (got == 0)
            return fcmae_fail(error, FCMAE_ERR_IO, "%s became shorter while it was read",
                              source->name);
        done += (size_t)got;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_section_read(const fcmae_source *source, const fcmae_section *section,
                                uint64_t first, void *bytes, size_t size, fcmae_error *error)
{
    if (first > section->size || size > section->size - first)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: a range beyond the section at offset %llu",
                          source->name, (unsigned long long)section->offset);
    if (size == 0) return FCMAE_OK;
    if (section->deflated) return fcmae_inflate(source, section, first, bytes, size, error);
    return fcmae_source_read(source, section->offset + first, bytes, size, error);
}
