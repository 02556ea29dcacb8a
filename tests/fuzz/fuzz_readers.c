/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * libFuzzer over the readers of tensor files. One program, four targets:
 *
 *     fuzz_readers --target=safetensors|pickle|zip|npz [--seeds] FOLDER [libFuzzer options]
 *
 * safetensors: the input is a header, behind its length, and 64 bytes of data; pickle: the input is
 * data.pkl of an archive with two storages; zip: the input is the file; npz: the input is an
 * array's header, alone and as a member.
 *
 * --targets lists them; --seeds writes good files into the folder to start from. Both end there.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcmae/tensor_file.h"
#include "support/zip_builder.h"

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum { SAFETENSORS, PICKLE, ZIP, NPZ } target;
static const char *const target_names[] = {"safetensors", "pickle", "zip", "npz"};

/** Opens, lists and reads: nothing may go wrong but a status. */
static void read_everything(const void *data, size_t size)
{
    fcmae_tensor_file *file = NULL;
    fcmae_error error = {0};
    unsigned char *copy = malloc(size + !size); /* its own block: one byte too far is seen */
    if (size) memcpy(copy, data, size);
    if (fcmae_tensor_file_open_memory(&file, copy, size, &error) == FCMAE_OK) {
        int count;
        const fcmae_tensor *tensors = fcmae_tensor_file_tensors(file, &count);
        for (int i = 0; i < count && i < 50; i++) {
            if (tensors[i].count > 1 << 16) continue;
            float *values = malloc((size_t)tensors[i].count * sizeof *values + 1);
            fcmae_tensor_file_read(file, &tensors[i], values, &error);
            free(values);
        }
        fcmae_tensor_file_close(&file);
    } else if (error.message[0] == 0)
        abort(); /* every refusal has a sentence */
    free(copy);
}

static void wrap_header(const uint8_t *data, size_t size)
{
    bytes file = {0};
    unsigned char zeros[64] = {0};
    put_number(&file, size, 8);
    put(&file, data, size);
    put(&file, zeros, sizeof zeros);
    read_everything(file.data, file.size);
    free(file.data);
}

static void wrap_pickle(const uint8_t *data, size_t size)
{
    unsigned char zeros[64] = {0};
    zip_item items[] = {
        {"a/data.pkl", data, size}, {"a/data/0", zeros, 64}, {"a/data/1", zeros, 7}};
    bytes zip = build_zip(items, 3, -1), legacy = {0};
    read_everything(zip.data, zip.size);
    free(zip.data);
    put(&legacy, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}.",
        25);
    put(&legacy, data, size);
    read_everything(legacy.data, legacy.size);
    free(legacy.data);
}

static void wrap_array(const uint8_t *data, size_t size)
{
    bytes array = {0};
    put(&array, "\x93NUMPY\1", 8);
    put_number(&array, size & 0xffff, 2);
    put(&array, data, size & 0xffff);
    for (int i = 0; i < 64; i++) put(&array, "", 1);
    zip_item item = {"w.npy", array.data, array.size};
    bytes zip = build_zip(&item, 1, -1);
    read_everything(array.data, array.size);
    read_everything(zip.data, zip.size);
    free(array.data);
    free(zip.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (target == SAFETENSORS) wrap_header(data, size);
    if (target == PICKLE) wrap_pickle(data, size);
    if (target == ZIP) read_everything(data, size);
    if (target == NPZ) wrap_array(data, size);
    return 0;
}

/* ---------------------------------------------------------------- seeds ---------------------- */

static void seed(const char *folder, const char *name, const void *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) exit(1);
}

static fcmae_status fill(void *cookie, int index, void *data, fcmae_error *error)
{
    memset(data, index, 24);
    return FCMAE_OK;
}

/** What our own writer makes of two tensors and a text. */
static unsigned char *written(const char *folder, fcmae_container container, size_t *size)
{
    static const fcmae_tensor tensors[] = {
        {.name = "w", .dtype = FCMAE_DTYPE_F32, .rank = 2, .shape = {2, 3}, .count = 6},
        {.name = "half", .dtype = FCMAE_DTYPE_F16, .rank = 1, .shape = {12}, .count = 12}};
    static const fcmae_metadata text = {"format", "pt"};
    fcmae_tensor_contents contents = {
        .tensors = tensors, .count = 2, .metadata = &text, .metadata_count = 1, .fill = fill};
    char path[512];
    snprintf(path, sizeof path, "%s/whole", folder);
    if (fcmae_tensor_file_write(path, container, &contents, NULL) != FCMAE_OK) exit(1);
    FILE *file = fopen(path, "rb");
    unsigned char *data = malloc(1 << 20);
    *size = file ? fread(data, 1, 1 << 20, file) : 0;
    fclose(file);
    remove(path);
    return data;
}

static void write_seeds(const char *folder)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n";
    size_t size;
    unsigned char *data = written(
        folder, target == SAFETENSORS ? FCMAE_CONTAINER_SAFETENSORS : FCMAE_CONTAINER_TORCH, &size);
    uint64_t length;
    memcpy(&length, data, 8);
    if (target == SAFETENSORS) seed(folder, "header", data + 8, (size_t)length);
    if (target == ZIP) seed(folder, "archive", data, size);
    if (target ==
        PICKLE) { /* the first entry: 64 bytes of header, then the pickle up to its STOP */
        unsigned char *start = memchr(data, 0x80, size);
        while (start && start[1] != 2)
            start = memchr(start + 1, 0x80, size - (size_t)(start + 1 - data));
        unsigned char *end = start ? memmem(start, size - (size_t)(start - data), "uu.", 3) : NULL;
        if (!end) exit(1);
        seed(folder, "pickle", start, (size_t)(end - start) + 3);
        seed(folder, "namespace", "\x80\2cargparse\nNamespace\n)\x81}X\1\0\0\0aK\1sb.", 36);
    }
    if (target == NPZ || target == ZIP) {
        bytes array = {0};
        put(&array, "\x93NUMPY\1\0\73\0", 10);
        put_text(&array, header);
        for (int i = 0; i < 24; i++) put(&array, "", 1);
        zip_item item = {"w.npy", array.data, array.size};
        bytes zip = build_zip(&item, 1, -1);
        if (target == NPZ) seed(folder, "header", header, sizeof header - 1);
        if (target == ZIP) seed(folder, "npz", zip.data, zip.size);
        free(zip.data);
        free(array.data);
    }
    free(data);
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
    bool seeds = false;
    const char *folder = NULL;
    for (int i = 1; i < *count; i++) {
        const char *word = (*words)[i];
        for (int t = 0; t < 4; t++)
            if (strncmp(word, "--target=", 9) == 0 && strcmp(word + 9, target_names[t]) == 0)
                target = t;
        if (strcmp(word, "--targets") == 0) {
            for (int t = 0; t < 4; t++) puts(target_names[t]);
            exit(0);
        }
        seeds |= strcmp(word, "--seeds") == 0;
        if (word[0] != '-') folder = word;
    }
    if (seeds && folder) {
        write_seeds(folder);
        exit(0);
    }
    return 0;
}
