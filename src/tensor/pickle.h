/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A pickle reader that executes nothing.
 *
 * It understands what Python writes in protocols 2 to 5 without buffers outside the stream. Globals
 * are symbols: calls of the handful that build tensors and ordered dictionaries are understood by
 * name, everything else becomes an opaque value.
 * Memory is bounded by the size of the pickle; containers may be shared or cyclic.
 */
#ifndef FCMAE_TENSOR_PICKLE_H
#define FCMAE_TENSOR_PICKLE_H

#include "tensor/tensor_file.h"

typedef enum fcmae_pickle_kind {
    FCMAE_PICKLE_NONE,
    FCMAE_PICKLE_BOOL,
    FCMAE_PICKLE_INT,
    FCMAE_PICKLE_FLOAT,
    FCMAE_PICKLE_TEXT,
    FCMAE_PICKLE_TUPLE,
    FCMAE_PICKLE_LIST,
    FCMAE_PICKLE_DICT,   /**< items: key, value, key, value, ... */
    FCMAE_PICKLE_GLOBAL, /**< text: "module name" */
    FCMAE_PICKLE_STORAGE,
    FCMAE_PICKLE_TENSOR,
    FCMAE_PICKLE_OPAQUE /**< an object of a class we do not know */
} fcmae_pickle_kind;

typedef struct fcmae_pickle_value fcmae_pickle_value;

/** A tensor's storage as its persistent id describes it. */
typedef struct fcmae_pickle_storage {
    const char *key; /**< not terminated */
    size_t key_length;
    fcmae_dtype dtype; /**< U8 and untyped set for UntypedStorage */
    bool untyped;
    size_t element;      /**< bytes of one, also where the values cannot be read; 0: unknown */
    int64_t count;       /**< elements; bytes if untyped */
    int64_t view_offset; /**< legacy views of another storage, in elements */
    struct fcmae_pickle_storage *next; /**< of all that the pickle mentions */
} fcmae_pickle_storage;

struct fcmae_pickle_value {
    fcmae_pickle_kind kind;
    bool visited; /**< by the walk over the result */
    union {
        int64_t integer; /**< BOOL, INT */
        double real;
        struct {
            const char *start; /**< into the pickle, not terminated */
            size_t length;
        } text; /**< TEXT, GLOBAL */
        struct {
            fcmae_pickle_value **item;
            int64_t count, capacity;
        } list; /**< TUPLE, LIST, DICT */
        fcmae_pickle_storage *storage;
        struct {
            fcmae_pickle_storage *storage;
            fcmae_tensor *tensor; /**< dtype, rank, shape */
            int64_t *stride;
            int64_t offset; /**< in elements */
        } tensor;
    } as;
};

/* pickle_value.c */

/** Does a GLOBAL or TEXT equal this text? */
bool fcmae_pickle_is(const fcmae_pickle_value *value, const char *text);

/* pickle_torch.c: what the known globals mean; each may return an opaque value */

/** Value of callable(*arguments). */
fcmae_status fcmae_pickle_call(const fcmae_pickle_value *callable,
                               const fcmae_pickle_value *arguments, fcmae_pool *pool,
                               fcmae_pickle_value *result, fcmae_error *error);
/** Value of a persistent id. */
fcmae_status fcmae_pickle_persistent(const fcmae_pickle_value *id, fcmae_pool *pool,
                                     fcmae_pickle_value *result, fcmae_error *error);

/* pickle.c */

/** What a pickle was. */
typedef struct fcmae_pickle_result {
    fcmae_pickle_value *value;
    size_t used;                    /**< bytes up to and including STOP */
    fcmae_pickle_storage *storages; /**< every one that is mentioned, inside objects too */
} fcmae_pickle_result;

/**
 * Reads one pickle from the start of `bytes`, which the result points into.
 * @param origin  offset of `bytes` in the file, for messages.
 * @return FCMAE_ERR_FORMAT (with the offset), FCMAE_ERR_UNSUPPORTED (an opcode outside the set),
 * FCMAE_ERR_MEMORY.
 */
fcmae_status fcmae_pickle_read(const uint8_t *bytes, size_t size, uint64_t origin, const char *file,
                               fcmae_pool *pool, fcmae_pickle_result *result, fcmae_error *error);

#endif
