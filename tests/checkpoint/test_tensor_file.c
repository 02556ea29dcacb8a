/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Element types, safetensors written and read, and files that break a rule of the format. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/json.h"
#include "fcmae/tensor_file.h"
#include "support/files.h"
#include "support/suite.h"

START_TEST(half_and_bfloat_round_as_pytorch_does)
{
    const struct {
        float value;
        unsigned half, bfloat;
    } cases[] = {
        {1.0f, 0x3c00, 0x3f80},       {-2.5f, 0xc100, 0xc020},    {65504.0f, 0x7bff, 0x4780},
        {65520.0f, 0x7c00, 0x4780},   {0x1p-24f, 0x0001, 0x3380}, {0x1p-25f, 0x0000, 0x3300},
        {0x1.8p-25f, 0x0001, 0x3340}, {0x1p-14f, 0x0400, 0x3880}, {0.1f, 0x2e66, 0x3dcd},
        {-0.0f, 0x8000, 0x8000},      {INFINITY, 0x7c00, 0x7f80}, {1.001953125f, 0x3c02, 0x3f80},
        {3.389e38f, 0x7c00, 0x7f7f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned short half, bfloat;
        fcmae_dtype_narrow(FCMAE_DTYPE_F16, 1, &cases[i].value, &half);
        fcmae_dtype_narrow(FCMAE_DTYPE_BF16, 1, &cases[i].value, &bfloat);
        ck_assert_msg(half == cases[i].half, "half(%g) = %04x", (double)cases[i].value, half);
        ck_assert_msg(bfloat == cases[i].bfloat, "bfloat(%g) = %04x", (double)cases[i].value,
                      bfloat);
    }
}
END_TEST

START_TEST(every_half_and_bfloat_survives)
{
    for (int dtype = FCMAE_DTYPE_F16; dtype <= FCMAE_DTYPE_BF16; dtype++)
        for (unsigned bits = 0; bits < 65536; bits++) {
            unsigned short from = (unsigned short)bits, to;
            float value;
            fcmae_dtype_widen((fcmae_dtype)dtype, 1, &from, &value);
            fcmae_dtype_narrow((fcmae_dtype)dtype, 1, &value, &to);
            if (isnan(value))
                ck_assert(dtype == FCMAE_DTYPE_F16 ? (to & 0x7c00) == 0x7c00 && (to & 0x3ff)
                                                   : (to & 0x7f80) == 0x7f80 && (to & 0x7f));
            else
                ck_assert_uint_eq(to, from);
        }
}
END_TEST

/* ------------------------------------------------------------------ writing ------------------ */

static const float some_floats[6] = {1, -2, 3.5f, 0.25f, 1e-30f, 6};
static const int64_t some_integers[2] = {-7, INT64_C(1) << 53};

static fcmae_status fill_some(void *cookie, int index, void *bytes, fcmae_error *error)
{
    if (cookie && index == *(int *)cookie) return FCMAE_ERR_NUMERIC;
    if (index == 0) memcpy(bytes, some_floats, sizeof some_floats);
    if (index == 1) memcpy(bytes, some_integers, sizeof some_integers);
    return FCMAE_OK;
}

static const fcmae_tensor some_tensors[] = {
    {.name = "weight", .dtype = FCMAE_DTYPE_F32, .rank = 2, .shape = {2, 3}, .count = 6},
    {.name = "step", .dtype = FCMAE_DTYPE_I64, .rank = 1, .shape = {2}, .count = 2},
    {.name = "empty", .dtype = FCMAE_DTYPE_F32, .rank = 2, .shape = {0, 3}, .count = 0},
};
static const fcmae_metadata some_texts[] = {{"format", "pt"}, {"note", "quotes \" and \xc3\xa9"}};
static const fcmae_tensor_contents some_contents = {.tensors = some_tensors,
                                                    .count = 3,
                                                    .metadata = some_texts,
                                                    .metadata_count = 2,
                                                    .fill = fill_some};

START_TEST(safetensors_bytes_are_the_reference_writers)
{
    /* safetensors.numpy.save({...}, metadata={"format": "pt"}) of the same tensors, version 0.5 */
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"step\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[16,16]},"
        "\"weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}}";
    fcmae_error error = {0};
    fcmae_tensor_contents contents = some_contents;
    contents.metadata_count = 1;
    const char *path = test_path("reference.safetensors");
    ck_assert_int_eq(fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &contents, &error),
                     FCMAE_OK);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    uint64_t length = (sizeof header - 1 + 7) / 8 * 8, written;
    memcpy(&written, bytes, 8);
    ck_assert_uint_eq(written, length);
    ck_assert_uint_eq(size, 8 + length + 40);
    ck_assert_mem_eq(bytes + 8, header, sizeof header - 1);
    ck_assert_mem_eq(bytes + 8 + length, some_integers, 16);
    ck_assert_mem_eq(bytes + 8 + length + 16, some_floats, 24);
    free(bytes);
}
END_TEST

START_TEST(safetensors_round_trip)
{
    fcmae_error error = {0};
    fcmae_tensor_file *file = NULL;
    const char *path = test_path("round.safetensors");
    ck_assert_int_eq(
        fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &some_contents, &error),
        FCMAE_OK);
    ck_assert_msg(fcmae_tensor_file_open(&file, path, &error) == FCMAE_OK, "%s", error.message);
    int count;
    fcmae_tensor_file_tensors(file, &count);
    ck_assert_int_eq(count, 3);
    ck_assert_str_eq(fcmae_tensor_file_text(file, "note"), "quotes \" and \xc3\xa9");
    ck_assert_ptr_null(fcmae_tensor_file_text(file, "absent"));
    ck_assert_ptr_null(fcmae_tensor_file_find(file, "absent"));
    const fcmae_tensor *weight = fcmae_tensor_file_find(file, "weight");
    float floats[6];
    ck_assert_int_eq(fcmae_tensor_file_read(file, weight, floats, &error), FCMAE_OK);
    ck_assert_mem_eq(floats, some_floats, sizeof floats);
    int64_t integers[2];
    ck_assert_int_eq(
        fcmae_tensor_file_read_raw(file, fcmae_tensor_file_find(file, "step"), integers, &error),
        FCMAE_OK);
    ck_assert_mem_eq(integers, some_integers, sizeof integers);
    fcmae_tensor_file_close(&file);
    ck_assert_ptr_null(file);
}
END_TEST

static int allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left-- != 0 ? malloc(size) : NULL; /* one fails, the next ones succeed */
}

/* whichever allocation of the header fails: an error, never a file that lacks something */
START_TEST(a_header_is_whole_or_an_error)
{
    fcmae_buffer good = {0}, file = {0};
    const char *path = test_path("scarce");
    ck_assert_int_eq(
        fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &some_contents, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_file_read(&good, path, 1 << 20, NULL), FCMAE_OK);
    int failures = 0;
    fcmae_status status = FCMAE_ERR_MEMORY;
    json_set_alloc_funcs(scarce_malloc, free);
    for (; status != FCMAE_OK && failures < 1000; failures++) {
        allocations_left = failures;
        fcmae_error error = {0};
        status = fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &some_contents, &error);
        ck_assert(status == FCMAE_OK || error.message[0]);
    }
    json_set_alloc_funcs(malloc, free);
    ck_assert_int_gt(failures, 20);
    ck_assert_int_lt(failures, 1000);
    ck_assert_int_eq(fcmae_file_read(&file, path, 1 << 20, NULL), FCMAE_OK);
    ck_assert_uint_eq(file.size, good.size);
    ck_assert_mem_eq(file.bytes, good.bytes, good.size);
    fcmae_buffer_release(&good);
    fcmae_buffer_release(&file);
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    const char *path = test_path("old.safetensors");
    fcmae_error error = {0};
    int failing = 0; /* the second tensor of the file */
    fcmae_tensor_contents contents = some_contents;
    write_bytes(path, "old", 3);
    contents.cookie = &failing;
    ck_assert_int_eq(fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &contents, &error),
                     FCMAE_ERR_NUMERIC);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    ck_assert_uint_eq(size, 3);
    ck_assert_mem_eq(bytes, "old", 3);
    free(bytes);
    char command[300];
    snprintf(command, sizeof command, "test $(ls %s | grep -c old) = 1", test_folder_path);
    ck_assert_msg(system(command) == 0, "the temporary file is still there");
}
END_TEST

/* a bad disk: what stands in the file is not what was put there */
static fcmae_status fill_and_damage(void *cookie, int index, void *bytes, fcmae_error *error)
{
    memset(bytes, 0, 1 << 16);
    char path[300];
    snprintf(path, sizeof path, "%s" FCMAE_TEMPORARY, test_path("spoilt"));
    FILE *file = index > 0 ? fopen(path, "r+b") : NULL; /* the header has left the buffer */
    if (!file) return FCMAE_OK;
    char header[256] = "";
    ck_assert_uint_eq(fread(header, 1, sizeof header - 1, file), sizeof header - 1);
    const char *change = memmem(header, sizeof header, cookie, strlen(cookie));
    ck_assert_ptr_nonnull(change);
    fseek(file, change - header + (long)strlen(cookie) - 1, SEEK_SET);
    fputc('8', file);
    fclose(file);
    return FCMAE_OK;
}

START_TEST(a_file_counts_when_it_has_been_read_again)
{
    static const char *const damaged[] = {"[16384", "first", "data_offsets"};
    static const int64_t side = 1 << 14;
    const fcmae_tensor tensors[] = {
        {.name = "first", .dtype = FCMAE_DTYPE_F32, .rank = 1, .shape = {side}, .count = side},
        {.name = "second", .dtype = FCMAE_DTYPE_F32, .rank = 1, .shape = {side}, .count = side}};
    fcmae_tensor_contents contents = {.tensors = tensors, .count = 2, .fill = fill_and_damage};
    contents.cookie = (void *)(uintptr_t)damaged[_i];
    fcmae_error error = {0};
    ck_assert_int_ne(fcmae_tensor_file_write(test_path("spoilt"), FCMAE_CONTAINER_SAFETENSORS,
                                             &contents, &error),
                     FCMAE_OK);
    ck_assert_msg(strstr(error.message, "spoilt"), "%s", error.message);
    ck_assert_int_ne(access(test_path("spoilt"), F_OK), 0);
}
END_TEST

static fcmae_status fill_zero(void *cookie, int index, void *bytes, fcmae_error *error)
{
    memset(bytes, 0, 1 << 20);
    return FCMAE_OK;
}

START_TEST(a_full_disk_is_an_error_and_leaves_the_old_file)
{
    const char *path = test_path("full.safetensors");
    fcmae_error error = {0};
    fcmae_tensor large = {.name = "large", .rank = 1, .shape = {1 << 18}, .count = 1 << 18};
    fcmae_tensor_contents contents = {.tensors = &large, .count = 1, .fill = fill_zero};
    write_bytes(path, "old", 3);
    struct rlimit limit = {1 << 16, 1 << 16}; /* the process of this test only */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &contents, &error),
                     FCMAE_ERR_IO);
    ck_assert_msg(strstr(error.message, "full.safetensors"), "%s", error.message);
    struct stat information;
    ck_assert_int_eq(stat(path, &information), 0);
    ck_assert_int_eq(information.st_size, 3);
}
END_TEST

START_TEST(contents_are_checked)
{
    fcmae_tensor twice[2] = {some_tensors[0], some_tensors[0]};
    fcmae_tensor_contents contents = {.tensors = twice, .count = 2, .fill = fill_some};
    fcmae_error error = {0};
    ck_assert_int_eq(
        fcmae_tensor_file_write(test_path("x"), FCMAE_CONTAINER_SAFETENSORS, &contents, &error),
        FCMAE_ERR_ARGUMENT);
    twice[1].name = "other";
    twice[1].count = 5;
    ck_assert_int_eq(
        fcmae_tensor_file_write(test_path("x"), FCMAE_CONTAINER_SAFETENSORS, &contents, &error),
        FCMAE_ERR_ARGUMENT);
    ck_assert_int_eq(access(test_path("x"), F_OK), -1);
}
END_TEST

/* ------------------------------------------------------------------ broken files ------------- */

/** Opens a safetensors file of that header and `data` bytes of data. */
static fcmae_status open_header(const char *header, size_t data, fcmae_error *error)
{
    uint64_t length = strlen(header);
    unsigned char *bytes = calloc(1, 8 + length + data);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    fcmae_tensor_file *file = NULL;
    fcmae_status status = fcmae_tensor_file_open_memory(&file, bytes, 8 + length + data, error);
    fcmae_tensor_file_close(&file);
    free(bytes);
    return status;
}

#define ENTRY(dtype, shape, offsets) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

START_TEST(rules_of_safetensors)
{
    static const struct {
        const char *header;
        size_t data;
        const char *says; /* part of the message; NULL: the file is fine */
    } cases[] = {
        {"{}", 0, NULL},
        {"{}   ", 0, NULL},
        {"{\"a\":" ENTRY("F32", "[]", "[0,4]") "}", 4, NULL},
        {"{\"a\":" ENTRY("F32", "[0]", "[0,0]") ",\"b\":" ENTRY("U8", "[3]", "[0,3]") "}", 3, NULL},
        {"{\"a\":" ENTRY("F4", "[2]", "[0,1]") "}", 1, NULL},
        {"{\"a\":" ENTRY("F4", "[1]", "[0,1]") "}", 1, "tensor a does not fill whole bytes"},
        {"{\"a\":" ENTRY("F32", "[2]", "[0,4]") "}", 4, "tensor a needs 8 bytes"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 5, "end at data offset 4"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 3, "tensor a ends at data offset 4"},
        {"{\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, "tensor a begins at data offset 4"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[2,6]") "}", 6,
         "tensor b begins at data offset 2"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[0,4]") "}", 4,
         "begins at data offset 0"},
        {"{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "tensor a has no valid data_offsets"},
        {"{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "no valid data_offsets"},
        {"{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", 4, "not made of sizes"},
        {"{\"a\":" ENTRY("F32", "[1.0]", "[0,4]") "}", 4, "not made of sizes"},
        {"{\"a\":" ENTRY("F99", "[1]", "[0,4]") "}", 4, "no known dtype"},
        {"{\"a\":" ENTRY("F32", "[4611686018427387904,4611686018427387904]", "[0,4]") "}", 4,
         "overflows"},
        {"{\"a\":" ENTRY("F32", "[9223372036854775807]", "[0,4]") "}", 4, "overflows"},
        {"{\"a\":" ENTRY("F32", "[9223372036854775808]", "[0,4]") "}", 4, "not valid JSON"},
        {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "9 dimensions"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
         "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
         "unknown property"},
        {"{\"a\":[]}", 0, "not described by an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "is not a text"},
        {"{\"__metadata__\":[]}", 0, "not an object"},
        {"{\"a\":", 0, "not valid JSON"},
        {"{} x", 0, "not valid JSON"},
        {"{\"\xff\":1}", 0, "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fcmae_error error = {0};
        fcmae_status status = open_header(cases[i].header, cases[i].data, &error);
        if (!cases[i].says)
            ck_assert_msg(status == FCMAE_OK, "%s: %s", cases[i].header, error.message);
        else {
            ck_assert_msg(status != FCMAE_OK, "%s was accepted", cases[i].header);
            ck_assert_msg(strstr(error.message, cases[i].says), "%s: %s", cases[i].header,
                          error.message);
        }
    }
}
END_TEST

START_TEST(header_lengths_that_lie)
{
    static const uint64_t lengths[] = {100000001, UINT64_MAX, INT64_MAX, 3, 1000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[12] = {0};
        fcmae_tensor_file *file = NULL;
        fcmae_error error = {0};
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}", 2);
        ck_assert_int_eq(fcmae_tensor_file_open_memory(&file, bytes, 10, &error), FCMAE_ERR_FORMAT);
    }
}
END_TEST

START_TEST(a_deep_or_huge_header_is_refused_quickly)
{
    size_t size = 5000000;
    char *bytes = malloc(size + 1);
    uint64_t length = size - 8;
    fcmae_tensor_file *file = NULL;
    fcmae_error error = {0};
    memset(bytes, '[', size);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, "{\"a\":", 5);
    ck_assert_int_eq(fcmae_tensor_file_open_memory(&file, bytes, size, &error), FCMAE_ERR_FORMAT);
    length = 100000;
    memcpy(bytes, &length, 8);
    ck_assert_int_eq(fcmae_tensor_file_open_memory(&file, bytes, size, &error), FCMAE_ERR_FORMAT);
    free(bytes);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    fcmae_error error = {0};
    const char *path = test_path("whole.safetensors");
    ck_assert_int_eq(
        fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &some_contents, &error),
        FCMAE_OK);
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    for (size_t length = 0; length < size; length++) {
        fcmae_tensor_file *file = NULL;
        unsigned char *part = malloc(length +
                                     1); /* its own block: a sanitizer sees one byte too far */
        memcpy(part, bytes, length);
        ck_assert_int_ne(fcmae_tensor_file_open_memory(&file, part, length, &error), FCMAE_OK);
        free(part);
    }
    free(bytes);
}
END_TEST

START_TEST(things_that_are_no_files)
{
    fcmae_tensor_file *file = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_tensor_file_open(&file, test_path("absent"), &error),
                     FCMAE_ERR_NOT_FOUND);
    ck_assert_int_eq(fcmae_tensor_file_open(&file, test_folder_path, &error), FCMAE_ERR_FORMAT);
    ck_assert_int_eq(mkfifo(test_path("pipe"), 0600), 0);
    ck_assert_int_eq(fcmae_tensor_file_open(&file, test_path("pipe"), &error), FCMAE_ERR_FORMAT);
    write_bytes(test_path("text"), "hello world, this is not a tensor file", 38);
    ck_assert_int_eq(fcmae_tensor_file_open(&file, test_path("text"), &error), FCMAE_ERR_FORMAT);
}
END_TEST

/** Opens bytes as a file; the sentence must be of that status and hold the text. */
static void refused(const char *name, const void *bytes, size_t size, fcmae_status status,
                    const char *says)
{
    fcmae_tensor_file *file = NULL;
    fcmae_error error = {0};
    write_bytes(test_path(name), bytes, size);
    ck_assert_msg(fcmae_tensor_file_open(&file, test_path(name), &error) == status, "%s: %s", name,
                  error.message);
    ck_assert_msg(strstr(error.message, says), "%s: %s", name, error.message);
}

/* What people give for weights is named, with what to do. */
START_TEST(files_of_other_kinds)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } files[] = {
        {"", 0, "empty: what should have been downloaded"},
        {"GGUF\3\0\0\0", 8, "a GGUF file"},
        {"\x89HDF\r\n\x1a\n\0\0\0\0", 12, "HDF5"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56, "git lfs pull"},
        {"<!DOCTYPE html><html>", 21, "a web page"},
        {"\xef\xbb\xbf \n<HTML>", 11, "a web page"},
        {"<?xml version='1.0'?><Error>", 28, "a web page"},
        {"\x08\x08\x12\x07pytorch", 11, "an ONNX graph"},
        {"\x08\x0a:\x10..", 6, "an ONNX graph"},
        {"\0\0\0\0TFL3", 8, "TensorFlow Lite"},
        {"\x1f\x8b\x08\0....", 8, "gzip: unpack it"},
        {"\xfd"
         "7zXZ\0..",
         8, "xz"},
        {"\x80\4\x95\1\0\0\0\0\0\0\0}.", 13, "a pickle that torch.save() did not write"},
        {"{\"architecture\": \"convnextv2_atto\"}", 35, "a JSON text"},
        {"{\"meta\":{\"a\": 1}}", 17, "a JSON text"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        refused("other", files[i].bytes, files[i].size, FCMAE_ERR_FORMAT, files[i].says);
}
END_TEST

/* The files of an index lie beside it and hold what it says. */
START_TEST(an_index_that_lies)
{
    static const struct {
        const char *map, *says;
        fcmae_status status;
    } cases[] = {
        {"{\"a\": \"absent.safetensors\"}", "absent.safetensors", FCMAE_ERR_NOT_FOUND},
        {"{\"a\": \"../index.json\"}", "no file beside it", FCMAE_ERR_FORMAT},
        {"{\"a\": \"/etc/passwd\"}", "no file beside it", FCMAE_ERR_FORMAT},
        {"{\"a\": 3}", "does not say where tensor a is", FCMAE_ERR_FORMAT},
        {"[]", "without a weight_map", FCMAE_ERR_FORMAT},
        {"{\"b\": \"part.npy\"}", "tensor b is not in", FCMAE_ERR_FORMAT},
        {"{\"a\": \"other.index.json\"}", "a JSON text", FCMAE_ERR_FORMAT},
        {"{\"a\": 3", "valid JSON", FCMAE_ERR_FORMAT},
    };
    static const char array[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, "
                                "'shape': (1,), }";
    char npy[132];
    memset(npy, ' ', sizeof npy);
    memcpy(npy, array, sizeof array - 1);
    npy[127] = '\n';
    memset(npy + 128, 0, 4);
    write_bytes(test_path("part.npy"), npy, sizeof npy);
    static const char whole[] = "{\"weight_map\": {\"array\": \"part.npy\"}}";
    write_bytes(test_path("other.index.json"), whole, sizeof whole - 1);
    fcmae_tensor_file *file = NULL;
    fcmae_error error = {0};
    fcmae_status status = fcmae_tensor_file_open(&file, test_path("other.index.json"), &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    float value = 1;
    ck_assert_int_eq(
        fcmae_tensor_file_read(file, fcmae_tensor_file_find(file, "array"), &value, &error),
        FCMAE_OK);
    ck_assert(value == 0);
    fcmae_tensor_file_close(&file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        int length = snprintf(text, sizeof text, "{\"weight_map\": %s}", cases[i].map);
        refused("index.json", text, (size_t)length, cases[i].status, cases[i].says);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, half_and_bfloat_round_as_pytorch_does);
    tcase_add_test(cases, every_half_and_bfloat_survives);
    tcase_add_test(cases, safetensors_bytes_are_the_reference_writers);
    tcase_add_test(cases, safetensors_round_trip);
    tcase_add_test(cases, a_header_is_whole_or_an_error);
    tcase_add_test(cases, a_failed_write_leaves_the_old_file);
    tcase_add_loop_test(cases, a_file_counts_when_it_has_been_read_again, 0, 3);
    tcase_add_test(cases, a_full_disk_is_an_error_and_leaves_the_old_file);
    tcase_add_test(cases, contents_are_checked);
    tcase_add_test(cases, rules_of_safetensors);
    tcase_add_test(cases, header_lengths_that_lie);
    tcase_add_test(cases, a_deep_or_huge_header_is_refused_quickly);
    tcase_add_test(cases, every_truncation_is_refused);
    tcase_add_test(cases, things_that_are_no_files);
    tcase_add_test(cases, files_of_other_kinds);
    tcase_add_test(cases, an_index_that_lies);
}

int main(void)
{
    create_test_folder();
    int result = run_suite("tensor_file", add_tests);
    remove_test_folder();
    return result;
}
