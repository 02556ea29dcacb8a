/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Data of a section, stored or deflated. */
#include "tensor/deflate.h"
#include "tensor/tensor_file.h"

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
