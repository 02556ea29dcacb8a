/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Files written by the real PyTorch 1.13 and 2.x, NumPy, safetensors, timm and transformers: see
 *  fixtures/generate.py, which also says what value every element has. */
#include "fcmae/checkpoint.h"
#include "fcmae/convert.h"
#include "support/files.h"
#include "support/suite.h"

static const char *fixture(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", FIXTURES, name);
    return path;
}

static void check_values(fcmae_model *model, const char *file)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    for (int position = 0; position < count; position++) {
        const fcmae_parameter *p = &table[position];
        float *official = malloc((size_t)p->count * sizeof *official);
        fcmae_parameter_export(p, fcmae_model_values(model), official);
        for (int64_t i = 0; i < p->count; i++) {
            float expected = (float)((31 * position + 7 * i) % 251 - 125) / 64;
            ck_assert_msg(official[i] == expected, "%s: %s[%lld] is %g instead of %g", file,
                          p->name, (long long)i, (double)official[i], (double)expected);
        }
        free(official);
    }
}

static const struct {
    const char *file, *key;
    const char *objective;
    int version;
    fcmae_layout layout;
    int beside; /* tensors that the model has no use for */
} files[] = {
    {"torch113-training.pth", "ema", "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch113-training.pth", "model_ema", "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-training.pth", "ema", "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch113-legacy.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-legacy.pth", "state_dict", "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch113-sparse.pth", NULL, "masked", 2, FCMAE_LAYOUT_SPARSE},
    {"torch2-sparse.pth", "model", "masked", 2, FCMAE_LAYOUT_SPARSE},
    {"torch113-views.bin", NULL, NULL, 2, FCMAE_LAYOUT_DENSE},
    {"torch2-views.bin", NULL, NULL, 2, FCMAE_LAYOUT_DENSE},
    {"dense.npz", NULL, "classify", 1, FCMAE_LAYOUT_DENSE},
    {"dense-bf16.safetensors", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"timm-v2.safetensors", NULL, "classify", 2, FCMAE_LAYOUT_TIMM},
    {"timm-v1.safetensors", NULL, "classify", 1, FCMAE_LAYOUT_TIMM},
    {"huggingface-v2", NULL, "classify", 2, FCMAE_LAYOUT_HUGGINGFACE},
    {"huggingface-v1", NULL, "classify", 1, FCMAE_LAYOUT_HUGGINGFACE},
    {"huggingface-sharded", NULL, "classify", 2, FCMAE_LAYOUT_HUGGINGFACE},
    {"torch-sharded", NULL, "classify", 2, FCMAE_LAYOUT_HUGGINGFACE},
    {"torch-sharded/pytorch_model.bin.index.json", NULL, "classify", 2, FCMAE_LAYOUT_HUGGINGFACE},
    {"torchvision-v1.pth", NULL, "classify", 1, FCMAE_LAYOUT_TORCHVISION},
    {"huggingface-dinov3", NULL, NULL, 1, FCMAE_LAYOUT_DINOV3, 2},
    {"dinov3-in-memory.pth", NULL, NULL, 1, FCMAE_LAYOUT_DINOV3, 2},
    {"dinov3-official.pth", NULL, NULL, 1, FCMAE_LAYOUT_DENSE, 4},
    {"mmpretrain-v2.pth", NULL, "classify", 2, FCMAE_LAYOUT_MMPRETRAIN},
    {"torch2-protocol3-zip.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-protocol3-legacy.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-protocol4-zip.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-protocol4-legacy.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-protocol5-zip.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
    {"torch2-protocol5-legacy.pth", NULL, "classify", 2, FCMAE_LAYOUT_DENSE},
};

START_TEST(files_of_the_real_libraries)
{
    const char *path = fixture(files[_i].file);
    fcmae_checkpoint *checkpoint = NULL;
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    fcmae_load_report report = {0};
    ck_assert_msg(fcmae_checkpoint_open(&checkpoint, path, files[_i].key, &error) == FCMAE_OK, "%s",
                  error.message);
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(checkpoint);
    ck_assert(info->recognised);
    ck_assert_int_eq(info->layout, files[_i].layout);
    ck_assert_int_eq(info->config.version, files[_i].version);
    ck_assert_pstr_eq(info->config.objective, files[_i].objective);
    ck_assert_int_eq(info->report.errors, 0);
    ck_assert_int_eq(info->report.count, files[_i].beside);
    fcmae_checkpoint_close(&checkpoint);
    fcmae_status status = fcmae_checkpoint_load_model(
        &model,
        &(fcmae_model_source){.path = path, .key = files[_i].key, .objective = files[_i].objective},
        NULL, &report, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    ck_assert_int_eq(report.count, files[_i].beside);
    check_values(model, files[_i].file);
    fcmae_load_report_release(&report);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(the_plain_weights_of_a_training_checkpoint)
{
    /* "model" comes first: zeros here, unlike the averaged weights beside it */
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    ck_assert_msg(
        fcmae_checkpoint_load_model(
            &model,
            &(fcmae_model_source){.path = fixture("torch2-training.pth"), .objective = "classify"},
            NULL, NULL, &error) == FCMAE_OK,
        "%s", error.message);
    for (int64_t i = 0; i < fcmae_model_block_size(model); i++)
        ck_assert(fcmae_model_values(model)[i] == 0);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(class_names_come_along)
{
    fcmae_checkpoint *checkpoint = NULL;
    fcmae_error error = {0};
    const char *path = test_path("named.safetensors");
    ck_assert_msg(fcmae_convert(fixture("huggingface-v2"), path, NULL, NULL, &error) == FCMAE_OK,
                  "%s", error.message);
    ck_assert_int_eq(fcmae_checkpoint_open(&checkpoint, path, NULL, &error), FCMAE_OK);
    ck_assert_str_eq(fcmae_tensor_file_text(fcmae_checkpoint_file(checkpoint), "class_names"),
                     "[\"class 0\",\"class 1\",\"class 2\",\"class 3\",\"class 4\"]");
    fcmae_checkpoint_close(&checkpoint);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, files_of_the_real_libraries, 0, (int)(sizeof files / sizeof *files));
    tcase_add_test(cases, the_plain_weights_of_a_training_checkpoint);
    tcase_add_test(cases, class_names_come_along);
}

int main(void)
{
    create_test_folder();
    int result = run_suite("fixtures", add_tests);
    remove_test_folder();
    return result;
}
