/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A bit of a checkpoint has flipped: whoever reads it is told, or reads what was written. */
#include <stdlib.h>
#include <string.h>

#include "fcmae/checkpoint.h"
#include "fcmae/preset.h"
#include "support/files.h"
#include "support/suite.h"

enum { DATA_STEP = 23 }; /* bytes between the places in the data; of the header, all are tried */

static unsigned char *bytes;
static size_t size, header;
static fcmae_model *model;

static const fcmae_metadata texts[] = {{"class_names", "[\"cat\",\"dog\"]"}, {"input_size", "64"}};

static void setup(void)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    fcmae_config_default(&config);
    strcpy(config.name, "flips");
    config.objective = "classify";
    config.classes = 2;
    for (int i = 0; i < FCMAE_STAGES; i++) config.depths[i] = 1, config.dims[i] = 8;
    ck_assert_int_eq(fcmae_model_create(&model, &config, &error), FCMAE_OK);
    fcmae_model_initialise(model, 1);
    const fcmae_checkpoint_contents contents = {.metadata = texts, .metadata_count = 2};
    const char *path = test_path("flips.safetensors");
    ck_assert_int_eq(fcmae_checkpoint_save(path, model, &contents, &error), FCMAE_OK);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, size, file), size);
    fclose(file);
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    header = sizeof length + (size_t)length;
}

static void teardown(void)
{
    free(bytes);
    fcmae_model_destroy(&model);
}

/** Whether the bytes are read as what was written, by a reader who allows everything; false: they
 *  are refused with a sentence that says `says`, if that is not NULL. */
static bool reads(const char *says)
{
    fcmae_checkpoint *c = NULL;
    fcmae_model *back = NULL;
    fcmae_error error = {0};
    const fcmae_load_options lenient = {.fresh_head = true, .ignore_unexpected = true};
    const fcmae_model_config *written = fcmae_model_configuration(model);
    fcmae_status status = fcmae_checkpoint_open_memory(&c, bytes, size, NULL, &error);
    if (status == FCMAE_OK) {
        ck_assert_int_eq(fcmae_model_create(&back, written, NULL), FCMAE_OK);
        status = fcmae_checkpoint_load(c, back, &lenient, NULL, &error);
    }
    if (status == FCMAE_OK) {
        const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(c);
        ck_assert_mem_eq(fcmae_model_values(back), fcmae_model_values(model),
                         (size_t)fcmae_model_block_size(model) * sizeof(float));
        ck_assert_str_eq(info->config.name, written->name);
        ck_assert_int_eq(info->config.grn_scope, written->grn_scope);
        ck_assert_int_eq(info->config.norm_pix, written->norm_pix);
        ck_assert_int_eq(info->input_size, 64);
        ck_assert_str_eq(fcmae_tensor_file_text(fcmae_checkpoint_file(c), "class_names"),
                         texts[0].value);
    } else if (says) {
        ck_assert_msg(strstr(error.message, says), "%s", error.message);
    }
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&back);
    return status == FCMAE_OK;
}

START_TEST(of_the_header)
{
    size_t same = 0;
    ck_assert(reads(NULL));
    for (size_t place = 0; place < header; place++) {
        unsigned char mask = (unsigned char)(1 << (place * 5 % 8));
        bytes[place] ^= mask;
        same += reads(NULL);
        bytes[place] ^= mask;
    }
    /* the name of the checksums, without which there is nothing to compare, and the case of their
     * digits */
    ck_assert_uint_lt(same, header / 50);
}
END_TEST

START_TEST(of_the_data)
{
    for (size_t place = header; place < size; place += DATA_STEP) {
        unsigned char mask = (unsigned char)(1 << (place * 5 % 8));
        bytes[place] ^= mask;
        ck_assert_msg(!reads("is not what was written"), "byte %zu", place);
        bytes[place] ^= mask;
    }
}
END_TEST

static unsigned char *find(const char *text)
{
    unsigned char *found = memmem(bytes, header, text, strlen(text));
    ck_assert_ptr_nonnull(found);
    return found;
}

/* Files without checksums, and those with none of the header. */
START_TEST(of_earlier_versions)
{
    unsigned char *list = find("\"checksums\":\"") + 13, *last = memchr(list, '"', header);
    memcpy(last - 16, "\",\"other\":\"12345\"", 17);
    ck_assert(reads(NULL));
    bytes[size - 1] ^= 1;
    ck_assert(!reads("is not what was written"));
    find("\"checksums\"")[1] = 'x';
    bytes[size - 1] ^= 1;
    ck_assert(reads(NULL));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, of_the_header);
    tcase_add_test(cases, of_the_data);
    tcase_add_test(cases, of_earlier_versions);
}

int main(void)
{
    create_test_folder();
    int result = run_suite("flips", add_tests);
    remove_test_folder();
    return result;
}
