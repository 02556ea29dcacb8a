/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What the globals of torch checkpoints mean. */
#include <string.h>

#include "tensor/pickle.h"

static fcmae_status odd(fcmae_error *error, const char *what)
{
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "damaged pickle, %s", what);
}

static fcmae_status exhausted(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "its pickle needs too much memory");
}

/** Kind and size of the elements; of a kind that is not known the size is 0. */
static void describe_storage(const fcmae_pickle_value *global, fcmae_pickle_storage *storage)
{
    static const struct {
        const char *name;
        fcmae_dtype dtype;
        size_t element; /* where the dtype has none */
    } storages[] = {
        {"torch FloatStorage", FCMAE_DTYPE_F32},
        {"torch DoubleStorage", FCMAE_DTYPE_F64},
        {"torch HalfStorage", FCMAE_DTYPE_F16},
        {"torch BFloat16Storage", FCMAE_DTYPE_BF16},
        {"torch LongStorage", FCMAE_DTYPE_I64},
        {"torch IntStorage", FCMAE_DTYPE_I32},
        {"torch ShortStorage", FCMAE_DTYPE_I16},
        {"torch CharStorage", FCMAE_DTYPE_I8},
        {"torch ByteStorage", FCMAE_DTYPE_U8},
        {"torch BoolStorage", FCMAE_DTYPE_BOOL},
        {"torch ComplexFloatStorage", FCMAE_DTYPE_OTHER, 8},
        {"torch ComplexDoubleStorage", FCMAE_DTYPE_OTHER, 16},
        {"torch QInt8Storage", FCMAE_DTYPE_OTHER, 1},
        {"torch QUInt8Storage", FCMAE_DTYPE_OTHER, 1},
        {"torch QInt32Storage", FCMAE_DTYPE_OTHER, 4},
    };
    storage->untyped = fcmae_pickle_is(global, "torch.storage UntypedStorage") ||
                       fcmae_pickle_is(global, "torch UntypedStorage");
    storage->dtype = storage->untyped ? FCMAE_DTYPE_U8 : FCMAE_DTYPE_OTHER;
    storage->element = storage->untyped ? 1 : 0;
    for (size_t i = 0; i < sizeof storages / sizeof *storages && !storage->untyped; i++)
        if (fcmae_pickle_is(global, storages[i].name)) {
            storage->dtype = storages[i].dtype;
            storage->element = storages[i].element ? storages[i].element
                                                   : fcmae_dtype_size(storage->dtype);
        }
}

static bool dtype_of_global(const fcmae_pickle_value *global, fcmae_dtype *dtype)
{
    static const struct {
        const char *name;
        fcmae_dtype dtype;
    } dtypes[] = {
        {"torch float32", FCMAE_DTYPE_F32}, {"torch float64", FCMAE_DTYPE_F64},
        {"torch float16", FCMAE_DTYPE_F16}, {"torch bfloat16", FCMAE_DTYPE_BF16},
        {"torch int64", FCMAE_DTYPE_I64},   {"torch int32", FCMAE_DTYPE_I32},
        {"torch int16", FCMAE_DTYPE_I16},   {"torch int8", FCMAE_DTYPE_I8},
        {"torch uint64", FCMAE_DTYPE_U64},  {"torch uint32", FCMAE_DTYPE_U32},
        {"torch uint16", FCMAE_DTYPE_U16},  {"torch uint8", FCMAE_DTYPE_U8},
        {"torch bool", FCMAE_DTYPE_BOOL},
    };
    if (global->kind != FCMAE_PICKLE_GLOBAL) return false;
    *dtype = FCMAE_DTYPE_OTHER;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (fcmae_pickle_is(global, dtypes[i].name)) *dtype = dtypes[i].dtype;
    return true;
}

/** ("storage", type, key, location, count [, None or (view key, offset, count)]) */
fcmae_status fcmae_pickle_persistent(const fcmae_pickle_value *id, fcmae_pool *pool,
                                     fcmae_pickle_value *result, fcmae_error *error)
{
    if (id->kind != FCMAE_PICKLE_TUPLE || id->as.list.count < 1)
        return odd(error, "a bad persistent id");
    fcmae_pickle_value *const *part = id->as.list.item;
    if (!fcmae_pickle_is(part[0], "storage")) return FCMAE_OK; /* a whole module: opaque */
    fcmae_pickle_storage *storage = fcmae_pool_take(pool, sizeof *storage);
    if (!storage) return exhausted(error);
    if (id->as.list.count < 5 || part[2]->kind != FCMAE_PICKLE_TEXT ||
        part[4]->kind != FCMAE_PICKLE_INT || part[4]->as.integer < 0)
        return odd(error, "a bad storage id");
    describe_storage(part[1], storage);
    storage->key = part[2]->as.text.start;
    storage->key_length = part[2]->as.text.length;
    storage->count = part[4]->as.integer;
    if (id->as.list.count > 5 && part[5]->kind == FCMAE_PICKLE_TUPLE) {
        fcmae_pickle_value *const *view = part[5]->as.list.item;
        if (part[5]->as.list.count < 3 || view[0]->kind != FCMAE_PICKLE_TEXT ||
            view[1]->kind != FCMAE_PICKLE_INT || view[2]->kind != FCMAE_PICKLE_INT ||
            view[1]->as.integer < 0 || view[2]->as.integer < 0)
            return odd(error, "a bad storage view");
        storage->view_offset = view[1]->as.integer;
        /* part[2] names the root, part[4] its size; the view's own size bounds the tensor */
    }
    result->kind = FCMAE_PICKLE_STORAGE;
    result->as.storage = storage;
    return FCMAE_OK;
}

/** A tuple of up to FCMAE_TENSOR_RANK sizes. */
static bool read_sizes(const fcmae_pickle_value *tuple, int64_t *sizes)
{
    if (tuple->kind != FCMAE_PICKLE_TUPLE && tuple->kind != FCMAE_PICKLE_LIST) return false;
    if (tuple->as.list.count > FCMAE_TENSOR_RANK) return false;
    for (int64_t i = 0; i < tuple->as.list.count; i++) {
        const fcmae_pickle_value *size = tuple->as.list.item[i];
        if (size->kind != FCMAE_PICKLE_INT || size->as.integer < 0) return false;
        sizes[i] = size->as.integer;
    }
    return true;
}

/** _rebuild_tensor(_v2, _v3): (storage, offset, size, stride, ..., dtype for v3) */
static fcmae_status rebuild_tensor(const fcmae_pickle_value *arguments, bool with_dtype,
                                   fcmae_pool *pool, fcmae_pickle_value *result, fcmae_error *error)
{
    fcmae_pickle_value *const *part = arguments->as.list.item;
    int64_t count = arguments->as.list.count;
    if (count < 4 || (with_dtype && count < 7) || part[0]->kind != FCMAE_PICKLE_STORAGE ||
        part[1]->kind != FCMAE_PICKLE_INT || part[1]->as.integer < 0)
        return odd(error, "a tensor without storage");
    fcmae_tensor *tensor = fcmae_pool_take(pool, sizeof *tensor);
    int64_t *stride = fcmae_pool_take(pool, FCMAE_TENSOR_RANK * sizeof *stride);
    if (!tensor || !stride) return exhausted(error);
    if (part[2]->kind == FCMAE_PICKLE_TUPLE && part[2]->as.list.count > FCMAE_TENSOR_RANK)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED, "a tensor of %lld dimensions, at most %d",
                          (long long)part[2]->as.list.count, FCMAE_TENSOR_RANK);
    if (!read_sizes(part[2], tensor->shape) || !read_sizes(part[3], stride) ||
        part[2]->as.list.count != part[3]->as.list.count)
        return odd(error, "a tensor of impossible size or stride");
    tensor->rank = (int)part[2]->as.list.count;
    tensor->dtype = part[0]->as.storage->dtype;
    if (with_dtype && !dtype_of_global(part[6], &tensor->dtype))
        return odd(error, "a tensor without dtype");
    result->kind = FCMAE_PICKLE_TENSOR;
    result->as.tensor.storage = part[0]->as.storage;
    result->as.tensor.tensor = tensor;
    result->as.tensor.stride = stride;
    result->as.tensor.offset = part[1]->as.integer;
    return FCMAE_OK;
}

/** An ordered dictionary made of a list of pairs, as Python 2 wrote them. */
static fcmae_status build_dictionary(const fcmae_pickle_value *arguments, fcmae_pool *pool,
                                     fcmae_pickle_value *result, fcmae_error *error)
{
    result->kind = FCMAE_PICKLE_DICT;
    if (arguments->as.list.count == 0 || arguments->as.list.item[0]->kind != FCMAE_PICKLE_LIST)
        return FCMAE_OK;
    const fcmae_pickle_value *pairs = arguments->as.list.item[0];
    int64_t count = pairs->as.list.count;
    result->as.list.item = fcmae_pool_take(pool, (size_t)count * 2 * sizeof *result->as.list.item);
    if (!result->as.list.item) return exhausted(error);
    for (int64_t i = 0; i < count; i++) {
        const fcmae_pickle_value *pair = pairs->as.list.item[i];
        if ((pair->kind != FCMAE_PICKLE_LIST && pair->kind != FCMAE_PICKLE_TUPLE) ||
            pair->as.list.count != 2)
            return odd(error, "a dictionary of things that are no pairs");
        memcpy(result->as.list.item + 2 * i, pair->as.list.item, 2 * sizeof *pair->as.list.item);
    }
    result->as.list.count = result->as.list.capacity = 2 * count;
    return FCMAE_OK;
}

fcmae_status fcmae_pickle_call(const fcmae_pickle_value *callable,
                               const fcmae_pickle_value *arguments, fcmae_pool *pool,
                               fcmae_pickle_value *result, fcmae_error *error)
{
    int64_t count = arguments->as.list.count;
    fcmae_pickle_value *const *part = arguments->as.list.item;
    if (fcmae_pickle_is(callable, "collections OrderedDict"))
        return build_dictionary(arguments, pool, result, error);
    if (fcmae_pickle_is(callable, "collections defaultdict")) {
        result->kind = FCMAE_PICKLE_DICT;
        return FCMAE_OK;
    }
    if (fcmae_pickle_is(callable, "torch._utils _rebuild_tensor") ||
        fcmae_pickle_is(callable, "torch._utils _rebuild_tensor_v2"))
        return rebuild_tensor(arguments, false, pool, result, error);
    if (fcmae_pickle_is(callable, "torch._utils _rebuild_tensor_v3"))
        return rebuild_tensor(arguments, true, pool, result, error);
    if (fcmae_pickle_is(callable, "torch._utils _rebuild_parameter") ||
        fcmae_pickle_is(callable, "torch._utils _rebuild_parameter_with_state") ||
        fcmae_pickle_is(callable, "torch.nn.parameter Parameter") ||
        fcmae_pickle_is(callable, "torch Size")) {
        if (count < 1) return odd(error, "a parameter without a tensor");
        *result = *part[0];
        return FCMAE_OK;
    }
    if (fcmae_pickle_is(callable, "torch._tensor _rebuild_from_type_v2")) {
        /* (function, type, its arguments, state): a tensor with attributes */
        if (count < 3 || part[2]->kind != FCMAE_PICKLE_TUPLE)
            return odd(error, "a bad tensor subclass");
        if (fcmae_pickle_is(part[0], "torch._tensor _rebuild_from_type_v2")) return FCMAE_OK;
        return fcmae_pickle_call(part[0], part[2], pool, result, error);
    }
    return FCMAE_OK; /* unknown: stays opaque */
}
