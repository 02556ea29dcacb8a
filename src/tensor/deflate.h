/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The one doorway to zlib: deflated sections and the CRC of zip entries. */
#ifndef FCMAE_TENSOR_DEFLATE_H
#define FCMAE_TENSOR_DEFLATE_H

#include "tensor/tensor_file.h"

/** Deflate cannot make more than this many bytes out of one: larger claims are lies. */
#define FCMAE_DEFLATE_RATIO 1032

/** Inflates a raw deflate section from its start, drops `first` bytes and keeps the next `size`. */
fcmae_status fcmae_inflate(const fcmae_source *source, const fcmae_section *section, uint64_t first,
                           void *bytes, size_t size, fcmae_error *error);

/** CRC-32 of zip: start with 0, continue with the value returned. */
uint32_t fcmae_crc32(uint32_t crc, const void *bytes, size_t size);

#endif
