/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Private side of fcmae/tensor_file.h: what the container readers fill in.
 *
 * A reader finds the *sections* of a file (byte ranges, perhaps compressed) and places each tensor
 * in one of them: an offset and element strides. tensor_file.c does all reading of tensors.
 */
#ifndef FCMAE_TENSOR_TENSOR_FILE_H
#define FCMAE_TENSOR_TENSOR_FILE_H

#include <stdbool.h>

#include "core/status.h"
#include "fcmae/tensor_file.h"
#include "tensor/write.h"

/** Bytes at offsets: an open file or a block of memory. */
typedef struct fcmae_source {
    int descriptor; /**< used if memory is NULL */
    const uint8_t *memory;
    uint64_t size;
    const char *name; /**< for messages */
} fcmae_source;

/** Reads exactly `size` bytes; a range outside the source is FCMAE_ERR_FORMAT. */
fcmae_status fcmae_source_read(const fcmae_source *source, uint64_t offset, void *bytes,
                               size_t size, fcmae_error *error);

/** A range of the source that holds data. */
typedef struct fcmae_section {
    uint64_t offset, stored; /**< bytes in the file */
    uint64_t size;           /**< bytes of data: == stored unless deflated */
    bool deflated;
} fcmae_section;

/** Reads data bytes [first, first + size) of a section; the caller has checked the range. */
fcmae_status fcmae_section_read(const fcmae_source *source, const fcmae_section *section,
                                uint64_t first, void *bytes, size_t size, fcmae_error *error);

/** Where a tensor lies. */
typedef struct fcmae_placement {
    int section;
    uint64_t offset;                   /**< of element 0, bytes into the section */
    int64_t stride[FCMAE_TENSOR_RANK]; /**< in elements, >= 0 */
    bool big_endian;
} fcmae_placement;

/** Memory freed as a whole with the file. Zero-initialise. */
typedef struct fcmae_pool {
    struct fcmae_pool_chunk *chunks;
    size_t total, limit; /**< bytes handed out and the most that may be; 0: 256 MiB */
} fcmae_pool;
/** Zeroed memory, or NULL when the limit or the machine's memory is exhausted. */
void *fcmae_pool_take(fcmae_pool *pool, size_t size);
/** A zero-terminated copy of `length` bytes, or NULL. */
char *fcmae_pool_text(fcmae_pool *pool, const char *text, size_t length);
void fcmae_pool_release(fcmae_pool *pool);

/** Entry of safetensors' metadata with the checksums of the tensors, in the order of their data,
 *  and behind them that of the header. */
#define FCMAE_CHECKSUMS "checksums"
enum { FCMAE_CHECKSUM_DIGITS = 16 };

/** Where a tensor is read that an index only names. */
typedef struct fcmae_tensor_origin {
    fcmae_tensor_file *file;
    const fcmae_tensor *tensor;
} fcmae_tensor_origin;

struct fcmae_tensor_file {
    fcmae_source source;
    fcmae_container container;
    fcmae_tensor *tensors;
    fcmae_placement *places;
    int count, capacity;
    fcmae_section *sections;
    int section_count, section_capacity;
    fcmae_metadata *metadata;
    int metadata_count, metadata_capacity;
    int *by_name;               /**< indices of tensors sorted by name */
    uint64_t *checksums;        /**< [count]; NULL: the file records none */
    fcmae_tensor_file **shards; /**< files that an index names, owned */
    int shard_count;
    fcmae_tensor_origin *origins; /**< [count] of an index; NULL: the tensors are in this file */
    fcmae_pool pool;
};

/** 64 bits that depend on names, dtypes and shapes of tensors and on texts, in whatever order. */
uint64_t fcmae_header_checksum(const fcmae_tensor *tensors, int count,
                               const fcmae_metadata *metadata, int metadata_count);
/** F32, F16, BF16, F64. */
bool fcmae_dtype_is_floating(fcmae_dtype dtype);

/* listing.c: what readers build */

/** Adds a section; *index receives its number. */
fcmae_status fcmae_tensor_file_add_section(fcmae_tensor_file *file, const fcmae_section *section,
                                           int *index, fcmae_error *error);
/**
 * Adds a tensor after checking it: rank, shape product, and that every element lies in its section.
 * tensor->name is copied; tensor->count is computed. place->stride NULL-filled with -1 in [0] means
 * C order.
 */
fcmae_status fcmae_tensor_file_add(fcmae_tensor_file *file, const fcmae_tensor *tensor,
                                   const fcmae_placement *place, fcmae_error *error);
fcmae_status fcmae_tensor_file_add_metadata(fcmae_tensor_file *file, const char *key,
                                            size_t key_length, const char *value,
                                            size_t value_length, fcmae_error *error);

/** "its table of contents needs too much memory" */
fcmae_status fcmae_tensor_file_too_large(const fcmae_tensor_file *file, fcmae_error *error);
/** Elements from the first to the last one of a tensor that is not empty; false on overflow. */
bool fcmae_tensor_span(const fcmae_tensor *tensor, const int64_t *stride, int64_t *span);
/** Element strides of C order. */
void fcmae_tensor_strides(const fcmae_tensor *tensor, int64_t *stride);
/** Product of a shape into *count; false if a size is negative or the product overflows 2^62. */
bool fcmae_shape_count(int rank, const int64_t *shape, int64_t *count);

/* one file each, entered in the table of tensor_file.c */
fcmae_status fcmae_safetensors_read(fcmae_tensor_file *file, fcmae_error *error);
fcmae_status fcmae_torch_zip_read(fcmae_tensor_file *file, fcmae_error *error);
fcmae_status fcmae_torch_legacy_read(fcmae_tensor_file *file, fcmae_error *error);
fcmae_status fcmae_npy_read(fcmae_tensor_file *file, fcmae_error *error);

/** Fills in an opened file. */
typedef fcmae_status fcmae_tensor_reader(fcmae_tensor_file *file, fcmae_error *error);
/** Opens a file with that reader; NULL: the one of the container whose mark it bears. */
fcmae_status fcmae_tensor_file_open_by(fcmae_tensor_file **file, const char *path,
                                       fcmae_tensor_reader *read, fcmae_error *error);

/** foreign.c: says what a file is that no container's mark was found in. @param bytes  its first */
fcmae_status fcmae_foreign_refuse(const fcmae_tensor_file *file, const void *bytes, size_t size,
                                  fcmae_error *error);

/* A writer opens the file and puts everything into it; tensor_file.c closes it. */
fcmae_status fcmae_safetensors_write(fcmae_tensor_writer *writer, const char *path,
                                     fcmae_error *error);
fcmae_status fcmae_torch_write(fcmae_tensor_writer *writer, const char *path, fcmae_error *error);

#endif
