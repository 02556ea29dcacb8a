/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Zip archives: where the data of each entry lie. Own code rather than libarchive because tensors
 * are read at random, by offset, out of entries of gigabytes; an archive library would stream them.
 *
 * Sizes and offsets come from the central directory (torch writes none into local headers). CRCs
 * are not verified: writers may leave them 0, and a range of an entry has none.
 */
#ifndef FCMAE_TENSOR_ZIP_H
#define FCMAE_TENSOR_ZIP_H

#include "tensor/tensor_file.h"

typedef struct fcmae_zip_entry {
    const char *name;
    fcmae_section section;
    uint64_t header; /**< offset of the local header */
} fcmae_zip_entry;

typedef struct fcmae_zip {
    fcmae_zip_entry *entries; /**< in the order of the central directory, folders left out */
    int count;
    int *by_name;
} fcmae_zip;

/**
 * Reads the directory. Memory is taken from `pool`.
 * @return FCMAE_ERR_FORMAT: damaged, overlapping entries, names twice, sizes no compression
 * reaches; FCMAE_ERR_UNSUPPORTED: encrypted, another compression than deflate, several volumes.
 */
fcmae_status fcmae_zip_open(fcmae_zip *zip, const fcmae_source *source, fcmae_pool *pool,
                            fcmae_error *error);
/** Entry of that name, or NULL. */
const fcmae_zip_entry *fcmae_zip_find(const fcmae_zip *zip, const char *name);

/** Fills the file from a .npz whose directory is open. */
fcmae_status fcmae_npz_read(fcmae_tensor_file *file, const fcmae_zip *zip, fcmae_error *error);

#endif
