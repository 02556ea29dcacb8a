/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A checksum against accidents, at the speed of memory; not against forgery. */
#ifndef FCMAE_CORE_CHECKSUM_H
#define FCMAE_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** 64 bits that depend on every bit and on the order of the bytes; the same on every machine. */
uint64_t fcmae_checksum(const void *bytes, size_t size);

#endif
