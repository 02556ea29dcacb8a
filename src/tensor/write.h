/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What the writers of tensor files share: an atomic file, one tensor's memory, progress. */
#ifndef FCMAE_TENSOR_WRITE_H
#define FCMAE_TENSOR_WRITE_H

#include <stdbool.h>

#include "core/file.h"
#include "fcmae/tensor_file.h"

typedef struct fcmae_tensor_writer {
    const fcmae_tensor_contents *contents;
    fcmae_atomic_file file;
    uint64_t position;    /**< bytes written so far */
    uint64_t done, total; /**< tensor bytes, for progress */
    void *bytes;          /**< room for the largest tensor */
    uint32_t crc;         /**< of everything put since it was last set to 0 */
    bool want_crc;
    uint64_t checksum; /**< of the tensor that was put last */
} fcmae_tensor_writer;

/** Names non-empty and unique, dtypes writable, counts equal to the shapes. */
fcmae_status fcmae_contents_check(const fcmae_tensor_contents *contents, const char *path,
                                  fcmae_error *error);

/** fcmae_dtype_narrow() of a tensor's values, which must be within the range of its dtype; else
 *  FCMAE_ERR_NUMERIC, which names it. */
fcmae_status fcmae_tensor_narrow(const fcmae_tensor *tensor, const float *values, void *bytes,
                                 fcmae_error *error);

/** Opens the temporary file; `contents` and `want_crc` are set by the caller. */
fcmae_status fcmae_writer_open(fcmae_tensor_writer *writer, const char *path, fcmae_error *error);
fcmae_status fcmae_writer_put(fcmae_tensor_writer *writer, const void *bytes, size_t size,
                              fcmae_error *error);
/** Fills tensor `index`, writes it and reports progress. */
fcmae_status fcmae_writer_put_tensor(fcmae_tensor_writer *writer, int index, fcmae_error *error);
/** Commits if `status` is FCMAE_OK, discards otherwise; returns the final status. */
fcmae_status fcmae_writer_close(fcmae_tensor_writer *writer, fcmae_status status,
                                fcmae_error *error);

#endif
