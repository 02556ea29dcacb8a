/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of TensorBoard's event files. */
#ifndef FCMAE_CORE_CRC32C_H
#define FCMAE_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** Checksum of `size` bytes. */
uint32_t fcmae_crc32c(const void *bytes, size_t size);

#endif
