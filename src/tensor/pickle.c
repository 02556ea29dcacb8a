/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The pickle machine: a stack, marks and a memo over values in a pool. */
#include "tensor/pickle.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_TEXT ((size_t)16 << 20)

typedef struct machine {
    const uint8_t *bytes;
    size_t size, position;
    uint64_t origin;
    const char *file;
    fcmae_pool *pool;
    fcmae_pickle_value **stack;
    size_t depth, stack_capacity;
    size_t *marks;
    size_t mark_count, mark_capacity;
    fcmae_pickle_value **memo;
    size_t memo_capacity, memo_next;
    fcmae_pickle_storage *storages;
    fcmae_error *error;
} machine;

static fcmae_status broken(machine *m, const char *what)
{
    return fcmae_fail(m->error, FCMAE_ERR_FORMAT, "%s: damaged pickle, %s at byte %llu", m->file,
                      what, (unsigned long long)(m->origin + m->position));
}

static fcmae_status exhausted(machine *m)
{
    return fcmae_fail(m->error, FCMAE_ERR_MEMORY, "%s: its pickle needs too much memory", m->file);
}

/** Makes room for index `count` in an array of `element` bytes. */
static bool grow(void **array, size_t *capacity, size_t count, size_t element)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    if (wanted <= count) wanted = count + 1;
    void *larger = realloc(*array, wanted * element);
    if (!larger) return false;
    memset((char *)larger + *capacity * element, 0, (wanted - *capacity) * element);
    *array = larger;
    *capacity = wanted;
    return true;
}

static fcmae_status push(machine *m, fcmae_pickle_value *value)
{
    if (!value || !grow((void **)&m->stack, &m->stack_capacity, m->depth, sizeof *m->stack))
        return exhausted(m);
    m->stack[m->depth++] = value;
    return FCMAE_OK;
}

static fcmae_pickle_value *make(machine *m, fcmae_pickle_kind kind)
{
    fcmae_pickle_value *value = fcmae_pool_take(m->pool, sizeof *value);
    if (value) value->kind = kind;
    return value;
}

static fcmae_status push_kind(machine *m, fcmae_pickle_kind kind)
{
    return push(m, make(m, kind));
}

static fcmae_status push_integer(machine *m, fcmae_pickle_kind kind, int64_t integer)
{
    fcmae_pickle_value *value = make(m, kind);
    if (value) value->as.integer = integer;
    return push(m, value);
}

static fcmae_status push_text(machine *m, fcmae_pickle_kind kind, const char *start, size_t length)
{
    fcmae_pickle_value *value = make(m, kind);
    if (value) {
        value->as.text.start = start;
        value->as.text.length = length;
    }
    return push(m, value);
}

/** Values above the last mark. */
static size_t floor_of(const machine *m)
{
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

static fcmae_pickle_value *pop(machine *m)
{
    return m->depth > floor_of(m) ? m->stack[--m->depth] : NULL;
}

static bool append(machine *m, fcmae_pickle_value *list, fcmae_pickle_value *const *items,
                   int64_t count)
{
    int64_t needed = list->as.list.count + count;
    if (needed > list->as.list.capacity) {
        int64_t capacity = needed > list->as.list.capacity * 2 ? needed
                                                               : list->as.list.capacity * 2;
        fcmae_pickle_value **larger = fcmae_pool_take(m->pool, (size_t)capacity *
                                                                   sizeof(fcmae_pickle_value *));
        if (!larger) return false;
        if (list->as.list.count)
            memcpy(larger, list->as.list.item, (size_t)list->as.list.count * sizeof *larger);
        list->as.list.item = larger;
        list->as.list.capacity = capacity;
    }
    if (count)
        memcpy(list->as.list.item + list->as.list.count, items, (size_t)count * sizeof *items);
    list->as.list.count = needed;
    return true;
}

static fcmae_status push_tuple(machine *m, size_t first)
{
    fcmae_pickle_value *tuple = make(m, FCMAE_PICKLE_TUPLE);
    int64_t count = (int64_t)(m->depth - first);
    if (!tuple || (count > 0 && !append(m, tuple, m->stack + first, count))) return exhausted(m);
    m->depth = first;
    return push(m, tuple);
}

/** Adds the values above `first` to the container below them. */
static fcmae_status add_items(machine *m, size_t first, fcmae_pickle_kind kind)
{
    if (first == floor_of(m)) return broken(m, "items without a container");
    fcmae_pickle_value *container = m->stack[first - 1];
    int64_t count = (int64_t)(m->depth - first);
    if (kind == FCMAE_PICKLE_DICT && count % 2) return broken(m, "a key without a value");
    if (container->kind == kind) {
        if (!append(m, container, m->stack + first, count)) return exhausted(m);
    } else if (container->kind != FCMAE_PICKLE_OPAQUE)
        return broken(m, "items for something that is no container");
    m->depth = first;
    return FCMAE_OK;
}

/* ---------------------------------------------------------------- operands ------------------- */

/** The next `count` bytes, or NULL beyond the end. */
static const uint8_t *take(machine *m, size_t count)
{
    if (count > m->size - m->position) return NULL;
    const uint8_t *bytes = m->bytes + m->position;
    m->position += count;
    return bytes;
}

static bool take_number(machine *m, int count, uint64_t *value)
{
    const uint8_t *bytes = take(m, (size_t)count);
    *value = 0;
    for (int i = 0; bytes && i < count; i++) *value |= (uint64_t)bytes[i] << (8 * i);
    return bytes != NULL;
}

/** A line without its newline; NULL beyond the end. */
static const char *take_line(machine *m, size_t *length)
{
    const uint8_t *start = m->bytes + m->position;
    const uint8_t *end = memchr(start, '\n', m->size - m->position);
    if (!end) return NULL;
    *length = (size_t)(end - start);
    m->position += *length + 1;
    return (const char *)start;
}

static fcmae_status take_text(machine *m, int length_bytes)
{
    uint64_t length;
    if (!take_number(m, length_bytes, &length)) return broken(m, "the end of the data");
    if (length > m->size - m->position) return broken(m, "a text longer than the data");
    const uint8_t *text = take(m, (size_t)length);
    if (length > LONGEST_TEXT) return push_kind(m, FCMAE_PICKLE_OPAQUE); /* an array's bytes */
    return push_text(m, FCMAE_PICKLE_TEXT, (const char *)text, (size_t)length);
}

/** Bytes of an object that no tensor needs: BINBYTES and its like. */
static fcmae_status take_bytes(machine *m, int length_bytes)
{
    uint64_t length;
    if (!take_number(m, length_bytes, &length)) return broken(m, "the end of the data");
    if (length > m->size - m->position) return broken(m, "bytes beyond the end of the data");
    m->position += (size_t)length;
    return push_kind(m, FCMAE_PICKLE_OPAQUE);
}

static fcmae_status take_long(machine *m, int length_bytes)
{
    uint64_t length;
    if (!take_number(m, length_bytes, &length)) return broken(m, "the end of the data");
    const uint8_t *bytes = take(m, (size_t)length);
    if (!bytes) return broken(m, "a number longer than the data");
    if (length > 8) return push_kind(m, FCMAE_PICKLE_OPAQUE);
    uint64_t value = length && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = length; i-- > 0;) value = value << 8 | bytes[i];
    return push_integer(m, FCMAE_PICKLE_INT, (int64_t)value);
}

static fcmae_status take_real(machine *m)
{
    const uint8_t *bytes = take(m, 8);
    if (!bytes) return broken(m, "the end of the data");
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | bytes[i];
    fcmae_pickle_value *value = make(m, FCMAE_PICKLE_FLOAT);
    if (value) memcpy(&value->as.real, &bits, sizeof bits);
    return push(m, value);
}

/** GLOBAL: "module\nname\n" becomes the symbol "module name". */
static fcmae_status push_global(machine *m, const char *module, size_t module_length,
                                const char *name, size_t name_length)
{
    if (module_length > 256 || name_length > 256)
        return broken(m, "a global with a very long name");
    char *text = fcmae_pool_take(m->pool, module_length + name_length + 2);
    if (!text) return exhausted(m);
    memcpy(text, module, module_length);
    text[module_length] = ' ';
    memcpy(text + module_length + 1, name, name_length);
    return push_text(m, FCMAE_PICKLE_GLOBAL, text, module_length + 1 + name_length);
}

static fcmae_status take_global(machine *m)
{
    size_t module_length, name_length;
    const char *module = take_line(m, &module_length);
    const char *name = module ? take_line(m, &name_length) : NULL;
    if (!name) return broken(m, "a global without an end");
    return push_global(m, module, module_length, name, name_length);
}

static fcmae_status stack_global(machine *m)
{
    fcmae_pickle_value *name = pop(m), *module = pop(m);
    if (!name || !module || name->kind != FCMAE_PICKLE_TEXT || module->kind != FCMAE_PICKLE_TEXT)
        return broken(m, "a global without a name");
    return push_global(m, module->as.text.start, module->as.text.length, name->as.text.start,
                       name->as.text.length);
}

/* ---------------------------------------------------------------- calls and memo ------------- */

/** REDUCE, NEWOBJ: both are a callable below a tuple of arguments. */
static fcmae_status call(machine *m)
{
    fcmae_pickle_value *arguments = pop(m), *callable = pop(m);
    if (!arguments || !callable || arguments->kind != FCMAE_PICKLE_TUPLE)
        return broken(m, "a call without arguments");
    fcmae_pickle_value *result = make(m, FCMAE_PICKLE_OPAQUE);
    if (!result) return exhausted(m);
    fcmae_status status = fcmae_pickle_call(callable, arguments, m->pool, result, m->error);
    if (status != FCMAE_OK)
        return fcmae_error_prefix(m->error, status, "%s, byte %llu", m->file,
                                  (unsigned long long)(m->origin + m->position));
    return push(m, result);
}

static fcmae_status persistent(machine *m)
{
    fcmae_pickle_value *id = pop(m);
    if (!id) return broken(m, "a persistent id without a value");
    fcmae_pickle_value *result = make(m, FCMAE_PICKLE_OPAQUE);
    if (!result) return exhausted(m);
    fcmae_status status = fcmae_pickle_persistent(id, m->pool, result, m->error);
    if (status != FCMAE_OK)
        return fcmae_error_prefix(m->error, status, "%s, byte %llu", m->file,
                                  (unsigned long long)(m->origin + m->position));
    if (result->kind == FCMAE_PICKLE_STORAGE) {
        result->as.storage->next = m->storages;
        m->storages = result->as.storage;
    }
    return push(m, result);
}

/** NEWOBJ_EX: a class, arguments with and without names. */
static fcmae_status call_with_names(machine *m)
{
    if (!pop(m)) return broken(m, "a call without arguments");
    return call(m);
}

static fcmae_status remember(machine *m, uint64_t index)
{
    if (m->depth == floor_of(m)) return broken(m, "a memo entry without a value");
    if (index > m->position) return broken(m, "a memo index beyond any use");
    if (!grow((void **)&m->memo, &m->memo_capacity, (size_t)index, sizeof *m->memo))
        return exhausted(m);
    m->memo[index] = m->stack[m->depth - 1];
    m->memo_next++;
    return FCMAE_OK;
}

static fcmae_status recall(machine *m, int bytes)
{
    uint64_t index;
    if (!take_number(m, bytes, &index)) return broken(m, "the end of the data");
    if (index >= m->memo_capacity || !m->memo[index]) return broken(m, "an undefined memo entry");
    return push(m, m->memo[index]);
}

static fcmae_status put(machine *m, int bytes)
{
    uint64_t index;
    if (!take_number(m, bytes, &index)) return broken(m, "the end of the data");
    return remember(m, index);
}

static fcmae_status push_mark(machine *m)
{
    if (!grow((void **)&m->marks, &m->mark_capacity, m->mark_count, sizeof *m->marks))
        return exhausted(m);
    m->marks[m->mark_count++] = m->depth;
    return FCMAE_OK;
}

/** The stack height of the last mark, which is removed. */
static bool pop_mark(machine *m, size_t *first)
{
    if (m->mark_count == 0) return false;
    *first = m->marks[--m->mark_count];
    return true;
}

static fcmae_status tuple_of(machine *m, size_t count)
{
    if (m->depth - floor_of(m) < count) return broken(m, "a tuple of values that are not there");
    return push_tuple(m, m->depth - count);
}

static fcmae_status with_mark(machine *m, uint8_t opcode)
{
    size_t first;
    if (!pop_mark(m, &first)) return broken(m, "no mark");
    if (opcode == 't') return push_tuple(m, first);
    if (opcode == '1' || opcode == 0x91) { /* POP_MARK, and a set that never changes */
        m->depth = first;
        return opcode == '1' ? FCMAE_OK : push_kind(m, FCMAE_PICKLE_OPAQUE);
    }
    return add_items(m, first, opcode == 'u' ? FCMAE_PICKLE_DICT : FCMAE_PICKLE_LIST);
}

static fcmae_status single_item(machine *m, uint8_t opcode)
{
    size_t count = opcode == 's' ? 2 : 1;
    if (m->depth - floor_of(m) < count + 1) return broken(m, "an item without a container");
    return add_items(m, m->depth - count, opcode == 's' ? FCMAE_PICKLE_DICT : FCMAE_PICKLE_LIST);
}

static fcmae_status integer_operand(machine *m, int bytes)
{
    uint64_t value;
    if (!take_number(m, bytes, &value)) return broken(m, "the end of the data");
    return push_integer(m, FCMAE_PICKLE_INT, bytes == 4 ? (int64_t)(int32_t)value : (int64_t)value);
}

/** PROTO and FRAME say nothing that matters here. */
static fcmae_status skip(machine *m, size_t bytes)
{
    return take(m, bytes) ? FCMAE_OK : broken(m, "the end of the data");
}

static fcmae_status step(machine *m, uint8_t opcode)
{
    switch (opcode) {
    case 0x80: return skip(m, 1);
    case 0x95: return skip(m, 8);
    case '(': return push_mark(m);
    case '}': return push_kind(m, FCMAE_PICKLE_DICT);
    case ']': return push_kind(m, FCMAE_PICKLE_LIST);
    case ')': return push_kind(m, FCMAE_PICKLE_TUPLE);
    case 0x8f: return push_kind(m, FCMAE_PICKLE_OPAQUE); /* a set */
    case 't':
    case 'u':
    case 'e':
    case '1':
    case 0x90: /* into a set, as 'e' into a list */
    case 0x91: return with_mark(m, opcode);
    case '0': return pop(m) ? FCMAE_OK : broken(m, "nothing to drop");
    case 's':
    case 'a': return single_item(m, opcode);
    case 0x85: return tuple_of(m, 1);
    case 0x86: return tuple_of(m, 2);
    case 0x87: return tuple_of(m, 3);
    case 'X':
    case 'T': return take_text(m, 4);
    case 0x8d: return take_text(m, 8);
    case 0x8c:
    case 'U': return take_text(m, 1);
    case 'C': return take_bytes(m, 1);
    case 'B': return take_bytes(m, 4);
    case 0x8e:
    case 0x96: return take_bytes(m, 8);
    case 'K': return integer_operand(m, 1);
    case 'M': return integer_operand(m, 2);
    case 'J': return integer_operand(m, 4);
    case 0x8a: return take_long(m, 1);
    case 0x8b: return take_long(m, 4);
    case 'G': return take_real(m);
    case 0x88: return push_integer(m, FCMAE_PICKLE_BOOL, 1);
    case 0x89: return push_integer(m, FCMAE_PICKLE_BOOL, 0);
    case 'N': return push_kind(m, FCMAE_PICKLE_NONE);
    case 'c': return take_global(m);
    case 0x93: return stack_global(m);
    case 'R':
    case 0x81: return call(m);
    case 0x92: return call_with_names(m);
    case 'b': /* state of an object: tensors and dictionaries need none */
        return pop(m) && m->depth > floor_of(m) ? FCMAE_OK : broken(m, "state without an object");
    case 'Q': return persistent(m);
    case 'q': return put(m, 1);
    case 'r': return put(m, 4);
    case 0x94: return remember(m, m->memo_next);
    case 'h': return recall(m, 1);
    case 'j': return recall(m, 4);
    default:
        return fcmae_fail(m->error, FCMAE_ERR_UNSUPPORTED,
                          "%s: pickle opcode 0x%02x at byte %llu is not one that tensors need",
                          m->file, opcode, (unsigned long long)(m->origin + m->position - 1));
    }
}

static fcmae_status run(machine *m, fcmae_pickle_result *result)
{
    for (;;) {
        const uint8_t *opcode = take(m, 1);
        if (!opcode) return broken(m, "no STOP before the end of the data");
        if (*opcode == '.') break;
        FCMAE_TRY(step(m, *opcode));
    }
    if (m->depth == 0 || m->mark_count) return broken(m, "STOP without a result");
    *result = (fcmae_pickle_result){m->stack[m->depth - 1], m->position, m->storages};
    return FCMAE_OK;
}

fcmae_status fcmae_pickle_read(const uint8_t *bytes, size_t size, uint64_t origin, const char *file,
                               fcmae_pool *pool, fcmae_pickle_result *result, fcmae_error *error)
{
    machine m = {
        .bytes = bytes, .size = size, .origin = origin, .file = file, .pool = pool, .error = error};
    fcmae_status status = run(&m, result);
    free(m.stack);
    free(m.marks);
    free(m.memo);
    return status;
}
