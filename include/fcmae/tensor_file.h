/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Tensor files: named arrays on disk, whatever the container.
 *
 * Read: safetensors, torch zip archives (.pt, .pth, .bin; torch 1.6 and later), the legacy torch
 * stream, .npz and .npy; the index (.index.json) of weights in several files, which are opened with
 * it. Written: safetensors and torch zip archives. Opening reads the table
 * only; values are read tensor by tensor, so memory is bounded by the largest tensor.
 *
 * Files are not trusted. Nothing in them is executed; every offset, length and shape is checked
 * against the file before it is used, and a file that breaks a rule is refused with the tensor or
 * the byte offset that broke it.
 */
#ifndef FCMAE_TENSOR_FILE_H
#define FCMAE_TENSOR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fcmae_dtype {
    FCMAE_DTYPE_F32 = 0,
    FCMAE_DTYPE_F16,
    FCMAE_DTYPE_BF16,
    FCMAE_DTYPE_F64,
    FCMAE_DTYPE_I64,
    FCMAE_DTYPE_I32,
    FCMAE_DTYPE_I16,
    FCMAE_DTYPE_I8,
    FCMAE_DTYPE_U64,
    FCMAE_DTYPE_U32,
    FCMAE_DTYPE_U16,
    FCMAE_DTYPE_U8,
    FCMAE_DTYPE_BOOL,
    FCMAE_DTYPE_OTHER /**< listed, but its values cannot be read (complex, 8-bit floats) */
} fcmae_dtype;

/** Bytes of one element; 0 for OTHER. */
FCMAE_API size_t fcmae_dtype_size(fcmae_dtype dtype);
/** "f32", "bf16", "i64", ...; never NULL. */
FCMAE_API const char *fcmae_dtype_name(fcmae_dtype dtype);
/** The dtype of that name (upper or lower case), or OTHER. */
FCMAE_API fcmae_dtype fcmae_dtype_find(const char *name);

/** Elements of any readable dtype to f32 (f64 and integers are rounded to nearest even). */
FCMAE_API void fcmae_dtype_widen(fcmae_dtype dtype, int64_t count, const void *bytes,
                                 float *values);
/** f32 to F32, F16, BF16 or F64, rounded to nearest even as PyTorch
 *  rounds; too large is infinity. */
FCMAE_API void fcmae_dtype_narrow(fcmae_dtype dtype, int64_t count, const float *values,
                                  void *bytes);

#define FCMAE_TENSOR_RANK 8

/** One tensor of a file. */
typedef struct fcmae_tensor {
    const char *name; /**< UTF-8; names of nested dictionaries are joined with '.' */
    fcmae_dtype dtype;
    int rank; /**< 0 .. FCMAE_TENSOR_RANK */
    int64_t shape[FCMAE_TENSOR_RANK];
    int64_t count; /**< product of shape; 0 is legal */
} fcmae_tensor;

/** One text of a file, both zero-terminated UTF-8. */
typedef struct fcmae_metadata {
    const char *key, *value;
} fcmae_metadata;

typedef enum fcmae_container {
    FCMAE_CONTAINER_SAFETENSORS = 0,
    FCMAE_CONTAINER_TORCH,        /**< torch zip archive */
    FCMAE_CONTAINER_TORCH_LEGACY, /**< torch stream before 1.6; read only */
    FCMAE_CONTAINER_NUMPY         /**< .npz or .npy; read only */
} fcmae_container;

/** "safetensors", "torch", "torch legacy", "numpy"; never NULL. */
FCMAE_API const char *fcmae_container_name(fcmae_container container);

/** An open file. Opaque; one owner. Reading from several threads at once is allowed. */
typedef struct fcmae_tensor_file fcmae_tensor_file;

/**
 * Opens a file of any readable container, recognised by its first bytes.
 * @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_IO, FCMAE_ERR_FORMAT (damaged, or not a tensor file),
 *         FCMAE_ERR_UNSUPPORTED (a TorchScript archive, a pre-0.1.10 tar, an encrypted zip),
 *         FCMAE_ERR_NOT_FOUND also: a file that an index names;
 *         FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_tensor_file_open(fcmae_tensor_file **file, const char *path,
                                              fcmae_error *error);
/** The same for a file held in memory; `bytes` is retained (borrowed) until the close. */
FCMAE_API fcmae_status fcmae_tensor_file_open_memory(fcmae_tensor_file **file, const void *bytes,
                                                     size_t size, fcmae_error *error);
/** Closes and sets *file to NULL; NULL and *file == NULL are fine. */
FCMAE_API void fcmae_tensor_file_close(fcmae_tensor_file **file);

FCMAE_API fcmae_container fcmae_tensor_file_container(const fcmae_tensor_file *file);
/** All tensors, in the order of the file. Lives as long as the file. */
FCMAE_API const fcmae_tensor *fcmae_tensor_file_tensors(const fcmae_tensor_file *file, int *count);
/** Tensor of that name, or NULL. */
FCMAE_API const fcmae_tensor *fcmae_tensor_file_find(const fcmae_tensor_file *file,
                                                     const char *name);
/** All texts: `__metadata__` of safetensors; numbers and strings beside the tensors of a torch
 * file. */
FCMAE_API const fcmae_metadata *fcmae_tensor_file_metadata(const fcmae_tensor_file *file,
                                                           int *count);
/** Text of that key, or NULL. */
FCMAE_API const char *fcmae_tensor_file_text(const fcmae_tensor_file *file, const char *key);

/**
 * Reads one tensor as f32 in C order.
 * @param tensor  an entry of fcmae_tensor_file_tensors().
 * @param values  [out] tensor->count floats.
 * @return FCMAE_ERR_IO, FCMAE_ERR_FORMAT (compressed data is damaged), FCMAE_ERR_UNSUPPORTED
 * (dtype), FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_tensor_file_read(const fcmae_tensor_file *file,
                                              const fcmae_tensor *tensor, float *values,
                                              fcmae_error *error);
/** The same in the tensor's own dtype, little-endian: count * fcmae_dtype_size() bytes. */
FCMAE_API fcmae_status fcmae_tensor_file_read_raw(const fcmae_tensor_file *file,
                                                  const fcmae_tensor *tensor, void *bytes,
                                                  fcmae_error *error);

/** What to write. Zero-initialise. Borrowed during the call. */
typedef struct fcmae_tensor_contents {
    const fcmae_tensor *tensors; /**< names must differ; dtype not OTHER */
    int count;
    const fcmae_metadata *metadata; /**< keys must differ */
    int metadata_count;
    /** Safetensors: checksums of every tensor and of the header go into the metadata (entry
     *  "checksums"), and readers of this library compare them. Other programs pass over it. */
    bool checksums;
    /** Writes tensor `index` in its dtype, C order, little-endian, into `bytes`. Called once per
     *  tensor, in the order of the file; only one tensor is in memory at a time. */
    fcmae_status (*fill)(void *cookie, int index, void *bytes, fcmae_error *error);
    /** Called after each tensor with the bytes written so far and in all; may be NULL. */
    void (*progress)(void *cookie, uint64_t done, uint64_t total);
    void *cookie;
} fcmae_tensor_contents;

/**
 * Writes a file so that it is complete or absent: under a temporary name in the same folder,
 * flushed to the disk, renamed. A failure leaves an older file of that name as it was.
 * @param container  SAFETENSORS or TORCH. In torch archives, metadata go into a dictionary
 * `metadata` beside the state dict `model`; without metadata the state dict is the object.
 * @return FCMAE_ERR_IO (disk full, no permission), FCMAE_ERR_ARGUMENT, FCMAE_ERR_MEMORY, or what
 * `fill` returned.
 */
FCMAE_API fcmae_status fcmae_tensor_file_write(const char *path, fcmae_container container,
                                               const fcmae_tensor_contents *contents,
                                               fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
