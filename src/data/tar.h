/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Tar files: where their members lie. The doorway to libarchive is tar.c. */
#ifndef FCMAE_DATA_TAR_H
#define FCMAE_DATA_TAR_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

/** Members of at most this many bytes are handed out with their contents. */
#define FCMAE_TAR_SMALL 64

typedef struct fcmae_tar_member {
    const char *path;
    uint64_t offset, size;  /**< of the contents, in the tar file */
    const uint8_t *content; /**< NULL unless small */
} fcmae_tar_member;

typedef fcmae_status (*fcmae_tar_visit)(void *argument, const fcmae_tar_member *member,
                                        fcmae_error *error);

/**
 * Calls `visit` for every regular member of an uncompressed tar file (ustar, PAX, GNU) in order.
 * Contents are skipped, not read. Stops at the first failure of `visit`.
 * @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO; FCMAE_ERR_FORMAT: damaged or truncated;
 *         FCMAE_ERR_UNSUPPORTED: compressed, or a member with holes.
 */
fcmae_status fcmae_tar_list(const char *path, fcmae_tar_visit visit, void *argument,
                            fcmae_error *error);

#endif
