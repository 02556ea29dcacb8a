/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Torch and NumPy files that are damaged or mean harm: an error
 *  that says where, and nothing else. */
#include <zlib.h>

#include "core/random.h"
#include "fcmae/checkpoint.h"
#include "support/files.h"
#include "support/suite.h"
#include "support/zip_builder.h"

/** Opens bytes and reads every tensor that is not absurdly large. */
static fcmae_status try_file(const unsigned char *data, size_t size, fcmae_error *error)
{
    fcmae_checkpoint *checkpoint = NULL;
    fcmae_status status = fcmae_checkpoint_open_memory(&checkpoint, data, size, NULL, error);
    if (status != FCMAE_OK) return status;
    int count;
    const fcmae_tensor_file *file = fcmae_checkpoint_file(checkpoint);
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(file, &count);
    for (int i = 0; i < count && status == FCMAE_OK; i++) {
        if (tensors[i].count > 1 << 20) continue;
        float *values = malloc((size_t)tensors[i].count * sizeof *values + 1);
        status = fcmae_tensor_file_read(file, &tensors[i], values, error);
        free(values);
    }
    fcmae_checkpoint_close(&checkpoint);
    return status;
}

/** A one-tensor archive whose pickle and storage are given; expects `says` (NULL: success). */
static void expect_archive(bytes pickle, size_t storage, const char *says)
{
    fcmae_error error = {0};
    unsigned char *data = calloc(1, storage + 1);
    zip_item items[] = {{"a/data.pkl", pickle.data, pickle.size},
                        {"a/data/0", data, storage},
                        {"a/version", "3\n", 2}};
    bytes zip = build_zip(items, 3, -1);
    fcmae_status status = try_file(zip.data, zip.size, &error);
    if (!says)
        ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    else {
        ck_assert_msg(status != FCMAE_OK, "accepted; expected: %s", says);
        ck_assert_msg(strstr(error.message, says), "\"%s\" does not say \"%s\"", error.message,
                      says);
    }
    free(data);
    free(zip.data);
    free(pickle.data);
}

#define TENSOR(type, count, layout) \
    pickle_of_tensor(type, count, sizeof(count) - 1, layout, sizeof(layout) - 1)
#define LONG(bytes8) "\x8a\x08" bytes8
#define HUGE_63 LONG("\xff\xff\xff\xff\xff\xff\xff\x7f")

START_TEST(tensors_that_lie)
{
    /* K n: a number below 256; (K a K b t: a tuple */
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(K\3K\1t"), 24, NULL);
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(K\1K\2t"), 24, NULL);
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\0K\3t(K\3K\1t"), 24, NULL);
    expect_archive(TENSOR("FloatStorage", "K\6", "K\5))"), 24, NULL);
    expect_archive(TENSOR("FloatStorage", "K\6", "K\1(K\2K\3t(K\3K\1t"), 24,
                   "tensor w reaches beyond");
    expect_archive(TENSOR("FloatStorage", "K\7", "K\0(K\2K\3t(K\3K\1t"), 24,
                   "should hold 7 elements");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(K\4K\1t"), 24,
                   "tensor w reaches beyond");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(K\3t"), 24, "size or stride");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2J\xff\xff\xff\xfft(K\3K\1t"), 24,
                   "size or stride");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(J\xff\xff\xff\xffK\1t"), 24,
                   "size or stride");
    expect_archive(TENSOR("FloatStorage", "K\6", "J\xff\xff\xff\xff(K\2K\3t(K\3K\1t"), 24,
                   "without storage");
    expect_archive(TENSOR("FloatStorage", "J\xff\xff\xff\xff", "K\0(K\2K\3t(K\3K\1t"), 24,
                   "storage id");
    expect_archive(TENSOR("NoSuchStorage", "K\6", "K\0(K\2K\3t(K\3K\1t"), 24, "unknown kind");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(" HUGE_63 HUGE_63 "t(K\1K\1t"), 24,
                   "impossible shape");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(" HUGE_63 "t(K\0t"), 24, "impossible shape");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(J\xff\xff\xff\x7ft(K\0t"), 24,
                   "repeats a storage");
    expect_archive(TENSOR("FloatStorage", "K\6", HUGE_63 "(K\1t(K\1t"), 24, "impossible offset");
    expect_archive(TENSOR("FloatStorage", HUGE_63, "K\0(K\1t(K\1t"), 24, "should hold");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\2K\3t(" HUGE_63 "K\1t"), 24,
                   "reaches beyond");
    expect_archive(TENSOR("FloatStorage", "K\6", "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1t"), 24,
                   "9 dimensions");
}
END_TEST

static void expect_pickle(const char *text, size_t size, const char *says)
{
    bytes pickle = {0};
    put(&pickle, text, size);
    expect_archive(pickle, 4, says);
}
#define PICKLE(text, says) expect_pickle("\x80\2" text, sizeof("\x80\2" text) - 1, says)

START_TEST(pickles_that_lie)
{
    PICKLE("}.", NULL);
    PICKLE("", "no STOP");
    PICKLE(".", "STOP without a result");
    PICKLE("(.", "STOP without a result");
    PICKLE("u.", "no mark");
    PICKLE("(u.", "items without a container");
    PICKLE("}(K\1u.", "a key without a value");
    PICKLE("K\1(K\1K\1u.", "no container");
    PICKLE("K\1\x86.", "values that are not there");
    PICKLE("R.", "call without arguments");
    PICKLE("K\1K\2R.", "call without arguments");
    PICKLE("b.", "state without an object");
    PICKLE("h\5.", "undefined memo entry");
    PICKLE("j\xff\xff\xff\xff.", "undefined memo entry");
    PICKLE("K\1r\xff\xff\xff\xff.", "memo index beyond any use");
    PICKLE("q\0.", "memo entry without a value");
    PICKLE("X\xff\xff\xff\xff", "longer than the data");
    PICKLE("U\x20"
           "abc",
           "longer than the data");
    PICKLE("\x8a\xff\1.", "longer than the data");
    PICKLE("ctorch", "global without an end");
    PICKLE("Q.", "persistent id without a value");
    PICKLE("K\1Q.", "bad persistent id");
    PICKLE("\x97.", "opcode 0x97"); /* a buffer outside the stream */
    PICKLE("B\1\0\0\0x.", NULL);
    PICKLE("B\xff\xff\xff\xffx.", "bytes beyond the end");
    PICKLE("\x8e\xff\xff\xff\xff\xff\xff\xff\xffx.", "bytes beyond the end");
    PICKLE("\x96\2\0\0\0\0\0\0\0xy.", NULL);
    PICKLE("C\2x", "bytes beyond the end");
    PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.", "longer than the data");
    PICKLE("\x8d\1\0\0\0\0\0\0\0x.", NULL);
    PICKLE("T\xff\xff\xff\xffx.", "longer than the data");
    PICKLE("\x8b\xff\xff\xff\x7f\1.", "longer than the data");
    PICKLE("\x8b\x09\0\0\0"
           "123456789.",
           NULL);
    PICKLE("\x8f(K\1K\2\x90.", NULL);
    PICKLE("]\x90.", "no mark");
    PICKLE("(K\1\x91.", NULL);
    PICKLE("K\1\x91.", "no mark");
    PICKLE("ca\nb\n)}\x92.", NULL);
    PICKLE("}\x92.", "call without arguments");
    PICKLE("K\1(K\2"
           "1.",
           NULL);
    PICKLE("1.", "no mark");
    PICKLE("K\1K\2"
           "0.",
           NULL);
    PICKLE("0.", "nothing to drop");
    PICKLE("K\1(0t.", "nothing to drop");
    PICKLE("i", "opcode 0x69");
    PICKLE("ctorch._utils\n_rebuild_tensor_v2\n)R.", "tensor without storage");
    PICKLE("ctorch._utils\n_rebuild_parameter\n)R.", "parameter without a tensor");
    PICKLE("ccollections\nOrderedDict\n(](K\1ltR.", "opcode 0x6c");
    /* nothing is executed: a call of os.system is an opaque value */
    PICKLE("cos\nsystem\n(X\4\0\0\0exitt"
           "R.",
           NULL);
    PICKLE("cposix\nsystem\n(X\x14\0\0\0touch /tmp/fcmae-pwntR.", NULL);
    ck_assert_int_eq(access("/tmp/fcmae-pwn", F_OK), -1);
    /* a list that contains itself, a dictionary that is its own value */
    PICKLE("]q\0h\0a.", NULL);
    PICKLE("}q\0X\1\0\0\0ah\0s.", NULL);
    /* Namespace, path, set, numpy scalar as training scripts leave them */
    PICKLE("cargparse\nNamespace\n)\x81}X\1\0\0\0aK\1sb.", NULL);
    PICKLE("cpathlib\nPosixPath\n(X\1\0\0\0atR.", NULL);
    PICKLE("c__builtin__\nset\n(](K\1etR.", NULL);
}
END_TEST

/** `count` times `opcode`, closed by `end`. */
static bytes repeated(const char *opcode, size_t length, int count, const char *end)
{
    bytes pickle = {0};
    put(&pickle, "\x80\2", 2);
    for (int i = 0; i < count; i++) put(&pickle, opcode, length);
    put_text(&pickle, end);
    return pickle;
}

START_TEST(pickles_that_exhaust)
{
    /* deep nesting: [[[[...]]]] by memo and append, tuples in tuples */
    expect_archive(repeated(")\x85\x85\x85\x85", 5, 200000, "."), 4, NULL);
    expect_archive(repeated("](", 2, 200000, "."), 4, "STOP without a result");
    expect_archive(repeated("(", 1, 2000000, "."), 4, "STOP without a result");
    bytes deep = repeated(")", 1, 1, "");
    for (int i = 0; i < 500000; i++) put(&deep, "\x85", 1);
    put_text(&deep, ".");
    expect_archive(deep, 4, NULL);
    /* every level doubles: 2^200000 leaves, each node visited once */
    bytes laughs = repeated(")", 1, 1, "");
    for (int i = 0; i < 60000; i++) put(&laughs, "q\0h\0\x86", 5);
    put_text(&laughs, ".");
    expect_archive(laughs, 4, NULL);
    /* one long list copied into dictionaries over and over: memory has a limit */
    bytes copies = repeated("](", 2, 1, "");
    for (int i = 0; i < 20000; i++) put(&copies, "K\1K\1\x86", 5);
    put(&copies, "e\x85q\0", 4);
    for (int i = 0; i < 100000; i++) {
        put_text(&copies, "ccollections\nOrderedDict\n");
        put(&copies, "h\0R", 3);
    }
    put_text(&copies, ".");
    expect_archive(copies, 4, "too much memory");
}
END_TEST

START_TEST(zips_that_lie)
{
    bytes pickle = TENSOR("FloatStorage", "K\1", "K\0(K\1t(K\1t");
    const struct {
        zip_item item[3];
        int count, entries;
        const char *says;
    } cases[] = {
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4}}, 2, -1, NULL},
        {{{"a/data.pkl", pickle.data, pickle.size}}, 1, -1, "storage 0 is missing"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4}},
         2,
         3,
         "impossible size"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4}},
         2,
         60000,
         "impossible size"},
        {{{"a/x", "", 0}}, 1, -1, "neither of PyTorch"},
        {{{"a/archive_format", "pt2", 3}}, 1, -1, "a program of torch.export"},
        {{{"model.weights.h5", "", 0}}, 1, -1, "a Keras model"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data.pkl", "x", 1}},
         2,
         -1,
         "two entries are called"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4, .flags = 1}},
         2,
         -1,
         "encrypted"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4, .method = 12}},
         2,
         -1,
         "compression method 12"},
        {{{"a/data.pkl", pickle.data, pickle.size},
          {"a/data/0", "abcd", 4, .claimed_size = 1u << 30, .method = 8}},
         2,
         -1,
         "more than deflate can"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4, .method = 8}},
         2,
         -1,
         "damaged"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4, .claimed_size = 5}},
         2,
         -1,
         "two sizes"},
        {{{"a/data.pkl", pickle.data, pickle.size},
          {"a/data/0", "abcd", 4, .claimed_size = 5000, .claimed_stored = 5000}},
         2,
         -1,
         "claims 5000 bytes"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/data/0", "abcd", 4, .claimed_offset = 7}},
         2,
         -1,
         "no local header"},
        {{{"a/data.pkl", pickle.data, pickle.size},
          {"a/data/0", "abcd", 4, .claimed_offset = 0xfffffff0u}},
         2,
         -1,
         "outside the file"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/constants.pkl", "", 0}},
         2,
         -1,
         "TorchScript"},
        {{{"a/data.pkl", pickle.data, pickle.size}, {"a/code/x.py", "", 0}}, 2, -1, "TorchScript"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fcmae_error error = {0};
        bytes zip = build_zip(cases[i].item, cases[i].count, cases[i].entries);
        fcmae_status status = try_file(zip.data, zip.size, &error);
        ck_assert_msg((status == FCMAE_OK) == !cases[i].says, "case %zu: %s", i, error.message);
        if (cases[i].says)
            ck_assert_msg(strstr(error.message, cases[i].says),
                          "case %zu: \"%s\" does not say \"%s\"", i, error.message, cases[i].says);
        free(zip.data);
    }
    free(pickle.data);
}
END_TEST

START_TEST(overlapping_entries_are_a_bomb)
{
    bytes pickle = TENSOR("FloatStorage", "K\1", "K\0(K\1t(K\1t");
    zip_item items[] = {{"a/data.pkl", pickle.data, pickle.size},
                        {"b/data.pkl", pickle.data, pickle.size}};
    /* both directory entries are made to name the same bytes */
    bytes zip = build_zip(items, 2, -1);
    size_t second = 30 + strlen(items[0].name) +
                    items[0].size; /* offset of the second local header */
    for (size_t i = 0; i + 4 < zip.size; i++)
        if (memcmp(zip.data + i, "PK\1\2", 4) == 0 && i > second + 60) {
            size_t entry = i + 46 + strlen(items[0].name);
            memset(zip.data + entry + 42, 0, 4);
            break;
        }
    fcmae_error error = {0};
    ck_assert_int_eq(try_file(zip.data, zip.size, &error), FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "overlap"), "%s", error.message);
    free(zip.data);
    free(pickle.data);
}
END_TEST

/** An .npy array of that header and `size` zero bytes. */
static bytes build_array(const char *header, size_t size)
{
    bytes array = {0};
    put(&array, "\x93NUMPY\1", 8);
    put_number(&array, strlen(header), 2);
    put_text(&array, header);
    for (size_t i = 0; i < size; i++) put(&array, "", 1);
    return array;
}

START_TEST(arrays_that_lie)
{
    static const struct {
        const char *header;
        size_t size;
        const char *says;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, NULL},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}\n", 24, NULL},
        {"{'shape': (), 'descr': '>f8', 'fortran_order': False}", 8, NULL},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }", 8, NULL},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "unknown kind"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 23, "reaches beyond"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)", 24, "not an array's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}", 24, "not an array's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", 24, "not an array's"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 24, "not an array's"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 24, "not an array's"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 24, "not an array's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,)}", 24,
         "not an array's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 24,
         "impossible shape"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (4611686018427387904, 0, 9)}", 24,
         "impossible shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4,
         "not an array's"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "not an array's"},
        {"{} ", 4, "not an array's"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int packed = 0; packed < 2; packed++) {
            fcmae_error error = {0};
            bytes array = build_array(cases[i].header, cases[i].size);
            zip_item item = {"w.npy", array.data, array.size};
            bytes file = packed ? build_zip(&item, 1, -1) : array;
            fcmae_status status = try_file(file.data, file.size, &error);
            ck_assert_msg((status == FCMAE_OK) == !cases[i].says, "%s: %s", cases[i].header,
                          error.message);
            if (cases[i].says)
                ck_assert_msg(strstr(error.message, cases[i].says), "%s: %s", cases[i].header,
                              error.message);
            if (packed) free(file.data);
            free(array.data);
        }
    }
}
END_TEST

START_TEST(deflated_members)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (70000,), }\n";
    bytes array = build_array(header, 280000);
    uLongf room = compressBound(array.size);
    unsigned char *packed = malloc(room);
    z_stream stream = {0};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = array.data;
    stream.avail_in = (uInt)array.size;
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    zip_item item = {"w.npy", packed, stream.total_out, .claimed_size = array.size, .method = 8};
    fcmae_error error = {0};
    bytes zip = build_zip(&item, 1, -1);
    ck_assert_msg(try_file(zip.data, zip.size, &error) == FCMAE_OK, "%s", error.message);
    free(zip.data);
    item.size -= 20; /* the stream ends early */
    zip = build_zip(&item, 1, -1);
    ck_assert_int_eq(try_file(zip.data, zip.size, &error), FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "damaged"), "%s", error.message);
    free(zip.data);
    deflateEnd(&stream);
    free(packed);
    free(array.data);
}
END_TEST

/** A good archive with every container feature of our own writer. */
static unsigned char *good_archive(fcmae_container container, size_t *size)
{
    fcmae_model_config config = {.name = "custom",
                                 .objective = NULL,
                                 .version = 2,
                                 .depths = {1, 1, 1, 1},
                                 .dims = {8, 8, 8, 8},
                                 .channels = 3,
                                 .stem_stride = 4,
                                 .norm_pix = true};
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    fcmae_checkpoint_contents contents = {.container = container};
    const char *path = test_path("good");
    ck_assert_int_eq(fcmae_model_create(&model, &config, &error), FCMAE_OK);
    ck_assert_int_eq(fcmae_checkpoint_save(path, model, &contents, &error), FCMAE_OK);
    fcmae_model_destroy(&model);
    return read_bytes(path, size);
}

START_TEST(every_truncation_of_an_archive_is_refused)
{
    size_t size;
    unsigned char *data = good_archive(FCMAE_CONTAINER_TORCH, &size);
    fcmae_error error = {0};
    ck_assert_int_eq(try_file(data, size, &error), FCMAE_OK);
    for (size_t length = 0; length < size;
         length += length < 2000 || length + 2000 > size ? 1 : 97) {
        unsigned char *part = malloc(length + 1);
        memcpy(part, data, length);
        ck_assert_msg(try_file(part, length, &error) != FCMAE_OK, "%zu of %zu bytes were accepted",
                      length, size);
        free(part);
    }
    free(data);
}
END_TEST

START_TEST(damaged_bytes_never_crash)
{
    for (int container = 0; container < 2; container++) {
        size_t size;
        unsigned char *data = good_archive((fcmae_container)container, &size);
        unsigned char *copy = malloc(size);
        fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, (uint64_t)container);
        for (int round = 0; round < 3000; round++) {
            fcmae_error error = {0};
            memcpy(copy, data, size);
            for (int i = 0; i < 4; i++) { /* most of them where the structure is */
                size_t place = (size_t)fcmae_random_below(&random, size < 9000 ? size : 9000);
                if (container == 1 && fcmae_random_below(&random, 2)) place = size - 1 - place;
                copy[place] = (unsigned char)fcmae_random_u32(&random);
            }
            try_file(copy, size, &error);
        }
        free(copy);
        free(data);
    }
}
END_TEST

START_TEST(a_hostile_checkpoint_is_no_model)
{
    /* sizes that would need terabytes: refused before memory is taken,
     *  as the tensors are not there */
    fcmae_error error = {0};
    static const char header[] =
        "{\"stages.0.0.dwconv.bias\":{\"dtype\":\"F32\",\"shape\":[1048576,0,3],"
        "\"data_offsets\":[0,0]},\"downsample_layers.0.0.bias\":{\"dtype\":\"F32\","
        "\"shape\":[4194304,0],\"data_offsets\":[0,0]}}";
    uint64_t length = sizeof header - 1;
    unsigned char *data = calloc(1, 8 + sizeof header);
    memcpy(data, &length, 8);
    memcpy(data + 8, header, sizeof header - 1);
    write_bytes(test_path("huge.safetensors"), data, 8 + sizeof header - 1);
    free(data);
    fcmae_model *model = NULL;
    ck_assert_int_eq(fcmae_checkpoint_load_model(
                         &model, &(fcmae_model_source){.path = test_path("huge.safetensors")}, NULL,
                         NULL, &error),
                     FCMAE_ERR_MISMATCH);
}
END_TEST

START_TEST(a_few_tensors_that_claim_a_giant)
{
    /* 6 MB of tensors whose names say: 256 blocks of 16384 channels, terabytes of weights */
    enum { WIDE = 16384 };
    static float zeros[WIDE];
    fcmae_error error = {0};
    const char *path = test_path("giant.safetensors");
    fcmae_tensor tensors[6];
    static const char *const names[] = {"downsample_layers.0.0.bias", "downsample_layers.1.1.bias",
                                        "downsample_layers.2.1.bias", "downsample_layers.3.1.bias",
                                        "stages.3.255.dwconv.bias",   "stages.2.255.dwconv.bias"};
    fcmae_model_config config = {.name = "x",
                                 .objective = NULL,
                                 .version = 2,
                                 .channels = 3,
                                 .depths = {1, 1, 1, 1},
                                 .dims = {8, 8, 8, 8},
                                 .stem_stride = 4};
    fcmae_model *model = NULL;
    fcmae_extra_tensor extra[8];
    fcmae_named_block none[1] = {{"", NULL}};
    ck_assert_int_eq(fcmae_model_create(&model, &config, &error), FCMAE_OK);
    for (int i = 0; i < 6; i++) {
        tensors[i] = (fcmae_tensor){.name = names[i], .rank = 1, .shape = {WIDE}, .count = WIDE};
        extra[i] = (fcmae_extra_tensor){tensors[i], zeros};
    }
    extra[6] = (fcmae_extra_tensor){
        {.name = "stages.0.0.dwconv.bias", .rank = 1, .shape = {8}, .count = 8}, zeros};
    extra[7] = (fcmae_extra_tensor){
        {.name = "stages.1.255.norm.bias", .rank = 1, .shape = {8}, .count = 8}, zeros};
    fcmae_checkpoint_contents contents = {
        .blocks = none, .block_count = 0, .extra = extra, .extra_count = 8};
    ck_assert_msg(fcmae_checkpoint_save(path, model, &contents, &error) == FCMAE_OK, "%s",
                  error.message);
    fcmae_model_destroy(&model);
    ck_assert_int_eq(fcmae_checkpoint_load_model(&model, &(fcmae_model_source){.path = path}, NULL,
                                                 NULL, &error),
                     FCMAE_ERR_MISMATCH);
    ck_assert_msg(strstr(error.message, "missing"), "%s", error.message);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_few_tensors_that_claim_a_giant);
    tcase_add_test(cases, tensors_that_lie);
    tcase_add_test(cases, pickles_that_lie);
    tcase_add_test(cases, pickles_that_exhaust);
    tcase_add_test(cases, zips_that_lie);
    tcase_add_test(cases, overlapping_entries_are_a_bomb);
    tcase_add_test(cases, arrays_that_lie);
    tcase_add_test(cases, deflated_members);
    tcase_add_test(cases, every_truncation_of_an_archive_is_refused);
    tcase_add_test(cases, damaged_bytes_never_crash);
    tcase_add_test(cases, a_hostile_checkpoint_is_no_model);
}

int main(void)
{
    create_test_folder();
    int result = run_suite("hostile", add_tests);
    remove_test_folder();
    return result;
}
