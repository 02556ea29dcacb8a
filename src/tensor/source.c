/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Bytes of tensor files: ranges of a file or of memory. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

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
