/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Conversions: the ring official -> timm -> huggingface -> official -> sparse -> dense, byte for
 * byte, and the names and shapes of every published size in every layout.
 *
 *     test_convert             what the test suite runs
 *     test_convert tiny huge   the ring for these sizes, V1 and V2, with time and memory
 */

#include "checkpoint/entries.h"
#include "fcmae/convert.h"
#include "fcmae/measure.h"
#include "fcmae/preset.h"
#include "support/files.h"
#include "support/suite.h"

static const char *const objectives[] = {"masked", "classify"};

static fcmae_model_config sized(const char *name, int version, const char *objective)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    if (strcmp(name, "small") == 0) {
        const int depths[] = {1, 2, 1, 1}, dims[] = {8, 16, 24, 40};
        fcmae_config_default(&config);
        memcpy(config.depths, depths, sizeof depths);
        memcpy(config.dims, dims, sizeof dims);
    } else
        ck_assert_msg(fcmae_preset_load(name, &config, &error) == FCMAE_OK, "%s", error.message);
    config.version = version;
    config.objective = objective;
    config.classes = fcmae_config_has_part(&config, FCMAE_PART_HEAD) ? 11 : 0;
    return config;
}

/** Saves a network whose every value is different (up to the precision of floats). */
static void save_network(const fcmae_model_config *config, const char *path)
{
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_model_create(&model, config, &error) == FCMAE_OK, "%s", error.message);
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    float *values = fcmae_model_values(model), next = 1;
    for (int i = 0; i < count; i++)
        for (int64_t row = 0; row < table[i].rows; row++)
            for (int64_t column = 0; column < table[i].columns; column++) {
                values[table[i].offset + row * table[i].stride + column] = next;
                next = next < 16777215.0f ? next + 1 : -16777215.0f;
            }
    ck_assert_msg(fcmae_checkpoint_save(path, model, NULL, &error) == FCMAE_OK, "%s",
                  error.message);
    fcmae_model_destroy(&model);
}

static void convert(const char *from, const char *to, fcmae_convert_options options)
{
    fcmae_error error = {0};
    fcmae_status status = fcmae_convert(from, to, &options, NULL, &error);
    ck_assert_msg(status == FCMAE_OK, "%s -> %s: %s", from, to, error.message);
}

static void assert_same_files(const char *a, const char *b)
{
    char command[600];
    snprintf(command, sizeof command, "cmp '%s' '%s'", a, b);
    ck_assert_msg(system(command) == 0, "%s and %s differ", a, b);
}

static void drop(const char *name)
{
    ck_assert_int_eq(remove(test_path(name)), 0);
}

/** The ring; files that are no longer needed go at once. */
static void go_round(const char *size, int version)
{
    fcmae_model_config config = sized(size, version, "classify");
    save_network(&config, test_path("official.safetensors"));
    double start = fcmae_measure_seconds();
    convert(test_path("official.safetensors"), test_path("timm.pt"),
            (fcmae_convert_options){.format = FCMAE_FORMAT_TIMM});
    double first = fcmae_measure_seconds() - start;
    convert(test_path("timm.pt"), test_path("huggingface"),
            (fcmae_convert_options){.format = FCMAE_FORMAT_HUGGINGFACE});
    drop("timm.pt");
    convert(test_path("huggingface"), test_path("again.safetensors"), (fcmae_convert_options){0});
    assert_same_files(test_path("official.safetensors"), test_path("again.safetensors"));
    drop("huggingface/model.safetensors");
    start = fcmae_measure_seconds();
    convert(test_path("again.safetensors"), test_path("sparse.pth"),
            (fcmae_convert_options){.sparse = true});
    double unfold = fcmae_measure_seconds() - start;
    drop("again.safetensors");
    start = fcmae_measure_seconds();
    convert(test_path("sparse.pth"), test_path("dense.safetensors"), (fcmae_convert_options){0});
    double fold = fcmae_measure_seconds() - start;
    assert_same_files(test_path("official.safetensors"), test_path("dense.safetensors"));
    drop("sparse.pth");
    drop("dense.safetensors");
    drop("official.safetensors");
    printf("# %s V%d: timm %.2f s, unfold %.2f s, fold %.2f s\n", size, version, first, unfold,
           fold);
}

START_TEST(the_ring_closes)
{
    go_round("small", _i);
    go_round("atto", _i);
}
END_TEST

START_TEST(a_pretraining_checkpoint_folds_and_unfolds)
{
    fcmae_model_config config = sized("small", _i, "masked");
    const char *sparse = test_path("pre.safetensors"), *again = test_path("pre-again.safetensors");
    save_network(&config, sparse);
    convert(sparse, test_path("pre.pt"), (fcmae_convert_options){.sparse = true});
    convert(test_path("pre.pt"), again, (fcmae_convert_options){.sparse = true});
    assert_same_files(sparse, again);
    convert(sparse, test_path("fold.pt"), (fcmae_convert_options){0});
    fcmae_model *whole = NULL, *encoder = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_checkpoint_load_model(&whole, &(fcmae_model_source){.path = sparse},
                                                 NULL, NULL, &error),
                     FCMAE_OK);
    ck_assert_int_eq(
        fcmae_checkpoint_load_model(&encoder, &(fcmae_model_source){.path = test_path("fold.pt")},
                                    NULL, NULL, &error),
        FCMAE_OK);
    ck_assert_mem_eq(fcmae_model_values(whole), fcmae_model_values(encoder),
                     (size_t)fcmae_model_block_size(whole) * sizeof(float));
    fcmae_model_destroy(&whole);
    fcmae_model_destroy(&encoder);
}
END_TEST

START_TEST(a_fresh_head_is_drawn_from_the_seed)
{
    fcmae_model_config config = sized("small", 2, "masked");
    fcmae_convert_result result = {0};
    fcmae_error error = {0};
    const char *from = test_path("head.safetensors");
    save_network(&config, from);
    fcmae_convert_options options = {.classes = 5, .seed = 1};
    ck_assert_int_eq(fcmae_convert(from, test_path("h1.safetensors"), &options, &result, &error),
                     FCMAE_OK);
    ck_assert_str_eq(result.config.objective, "classify");
    ck_assert_int_eq(result.config.classes, 5);
    ck_assert_int_eq(result.report.errors, 0);
    convert(from, test_path("h2.safetensors"), options);
    assert_same_files(test_path("h1.safetensors"), test_path("h2.safetensors"));
    fcmae_model *model = NULL;
    ck_assert_int_eq(
        fcmae_checkpoint_load_model(
            &model,
            &(fcmae_model_source){.path = test_path("h1.safetensors"), .objective = "classify"},
            NULL, NULL, &error),
        FCMAE_OK);
    float head[5 * 40], sum = 0;
    fcmae_parameter_export(fcmae_model_find(model, "head.weight"), fcmae_model_values(model), head);
    for (int i = 0; i < 200; i++) sum += head[i] * head[i];
    ck_assert(sum / 200 > 2e-10f && sum / 200 < 6e-10f); /* std 2e-5 */
    ck_assert(fcmae_model_values(model)[fcmae_model_find(model, "norm.weight")->offset] == 1);
    fcmae_convert_result_release(&result);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(every_size_in_every_layout)
{
    static const char *const sizes[] = {"atto", "femto", "pico",  "nano",
                                        "tiny", "base",  "large", "huge"};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int o = 0; o < 2; o++) {
            fcmae_model_config config = sized(sizes[s], _i, objectives[o]);
            struct fcmae_model plan = {.config = config};
            ck_assert_int_eq(fcmae_model_build_table(&plan, NULL), FCMAE_OK);
            for (int layout = FCMAE_LAYOUT_SPARSE; layout <= FCMAE_LAYOUT_MMPRETRAIN; layout++)
                for (int i = 0; i < plan.count; i++) {
                    char name[FCMAE_NAME_SIZE];
                    fcmae_tensor tensor = {0};
                    fcmae_parsed_name parsed;
                    const fcmae_parameter *p = &plan.table[i];
                    if (!fcmae_layout_has(p, (fcmae_layout)layout)) continue;
                    fcmae_layout_describe(p, &config, (fcmae_layout)layout, name, &tensor);
                    ck_assert_msg(fcmae_layout_parse(name, &parsed), "%s is not understood", name);
                    ck_assert_str_eq(parsed.official, p->name);
                    ck_assert_msg(fcmae_layout_fits(p, parsed.kernel, &tensor), "%s does not fit",
                                  name);
                    ck_assert(parsed.kernel == fcmae_layout_is_kernel(p, (fcmae_layout)layout));
                    if (p->part != FCMAE_PART_DECODER)
                        ck_assert(parsed.part == p->part && parsed.stage == p->stage);
                }
            free(plan.table);
            free(plan.blocks);
        }
}
END_TEST

START_TEST(names_of_every_origin)
{
    static const struct {
        const char *name, *official;
    } cases[] = {
        {"module.encoder.stages.2.11.dwconv.kernel", "stages.2.11.dwconv.weight"},
        {"_orig_mod.module.downsample_layers.1.1.weight", "downsample_layers.1.1.weight"},
        {"module._orig_mod.stem.1.bias", "downsample_layers.0.1.bias"},
        {"stages.1.downsample.0.weight", "downsample_layers.1.0.weight"},
        {"stages.0.blocks.1.mlp.grn.weight", "stages.0.1.grn.gamma"},
        {"stages.0.blocks.1.gamma", "stages.0.1.gamma"},
        {"convnextv2.encoder.stages.3.layers.2.grn.bias", "stages.3.2.grn.beta"},
        {"convnext.encoder.stages.3.layers.2.layer_scale_parameter", "stages.3.2.gamma"},
        {"encoder.stages.3.downsampling_layer.1.bias", "downsample_layers.3.1.bias"},
        {"embeddings.patch_embeddings.weight", "downsample_layers.0.0.weight"},
        {"convnextv2.layernorm.bias", "norm.bias"},
        {"head.fc.weight", "head.weight"},
        {"features.0.0.weight", "downsample_layers.0.0.weight"},
        {"features.0.1.bias", "downsample_layers.0.1.bias"},
        {"features.4.1.weight", "downsample_layers.2.1.weight"},
        {"features.7.2.block.3.weight", "stages.3.2.pwconv1.weight"},
        {"features.1.0.layer_scale", "stages.0.0.gamma"},
        {"classifier.0.weight", "norm.weight"},
        {"classifier.2.bias", "head.bias"},
        {"stages.0.downsample_layers.1.weight", "downsample_layers.0.1.weight"},
        {"model.stages.3.downsample_layers.1.bias", "downsample_layers.3.1.bias"},
        {"model.stages.1.layers.2.depthwise_conv.weight", "stages.1.2.dwconv.weight"},
        {"layer_norm.weight", "norm.weight"},
        {"backbone.downsample_layers.0.0.weight", "downsample_layers.0.0.weight"},
        {"module.backbone.stages.0.1.pointwise_conv2.bias", "stages.0.1.pwconv2.bias"},
        {"backbone.norm3.bias", "norm.bias"},
        {"features.8.0.weight", NULL},
        {"features.1.0.weight", NULL},
        {"features.2.0.block.0.weight", NULL},
        {"model.downsample_layers.0.0.weight", NULL},
        {"backbone.stem.0.weight", NULL},
        {"norm2.weight", NULL},
        {"classifier.bias", "head.bias"},
        {"module.mask_token", "mask_token"},
        {"decoder.0.grn.gamma", "decoder.0.grn.gamma"},
        {"stages.4.0.dwconv.weight", NULL},
        {"stages.0.00.dwconv.weight", NULL},
        {"stages.0.0.dwconv", NULL},
        {"stages.0.blocks.0.dwconv.weight", NULL},
        {"stages.0.layers.0.conv_dw.weight", NULL},
        {"downsample_layers.0.0.kernel", NULL},
        {"downsample_layers.1.2.weight", NULL},
        {"encoder", NULL},
        {"", NULL},
        {"....", NULL},
        {"layer1.0.conv1.weight", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fcmae_parsed_name parsed;
        bool understood = fcmae_layout_parse(cases[i].name, &parsed);
        ck_assert_msg(understood == (cases[i].official != NULL), "%s", cases[i].name);
        if (understood) ck_assert_str_eq(parsed.official, cases[i].official);
    }
}
END_TEST

START_TEST(options_that_make_no_sense)
{
    fcmae_model_config config = sized("small", 2, NULL);
    char from[300];
    fcmae_error error = {0};
    snprintf(from, sizeof from, "%s", test_path("sense.safetensors"));
    save_network(&config, from);
    const struct {
        const char *to;
        fcmae_convert_options options;
        fcmae_status status;
    } cases[] = {
        {"x.safetensors", {.sparse = true, .format = FCMAE_FORMAT_TIMM}, FCMAE_ERR_ARGUMENT},
        {"x.safetensors", {.sparse = true, .classes = 3}, FCMAE_ERR_ARGUMENT},
        {"x.safetensors", {.dtype = FCMAE_DTYPE_I64}, FCMAE_ERR_ARGUMENT},
        {"x.onnx", {0}, FCMAE_ERR_ARGUMENT},
        {"x.pt", {.format = FCMAE_FORMAT_ONNX}, FCMAE_ERR_ARGUMENT},
        {"folder", {0}, FCMAE_ERR_ARGUMENT},
        {"x.onnx", {.format = FCMAE_FORMAT_ONNX, .dtype = FCMAE_DTYPE_F16}, FCMAE_ERR_UNSUPPORTED},
        {"x.pt", {.key = "teacher"}, FCMAE_ERR_NOT_FOUND},
        {"no/such/folder/x.pt", {0}, FCMAE_ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(fcmae_convert(from, test_path(cases[i].to), &cases[i].options, NULL,
                                    &error) == cases[i].status,
                      "case %zu: %s", i, error.message);
        ck_assert_int_eq(access(test_path(cases[i].to), F_OK), -1);
    }
}
END_TEST

/** Converts a network; returns the status and what is remarked. */
static fcmae_status to_target(const fcmae_model_config *config, fcmae_convert_options options,
                              const char *to, char *remark)
{
    fcmae_convert_result result = {0};
    char from[300];
    snprintf(from, sizeof from, "%s", test_path("target.safetensors"));
    save_network(config, from);
    fcmae_status status = fcmae_convert(from, test_path(to), &options, &result, NULL);
    strcpy(remark, result.remark);
    fcmae_convert_result_release(&result);
    return status;
}

static const char *text_of(const char *name)
{
    static char text[4096];
    FILE *file = fopen(test_path(name), "r");
    if (!file) return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* Every option of a preset reaches the other program, or the conversion is refused. */
START_TEST(what_a_target_cannot_hold)
{
    char remark[200];
    for (int stride = 2; stride <= 8; stride *= 2) {
        fcmae_model_config config = sized("small", 2, "classify");
        config.stem_stride = stride;
        fcmae_status status = to_target(
            &config, (fcmae_convert_options){.format = FCMAE_FORMAT_TIMM}, "timm-stem", remark);
        ck_assert_int_eq(status, stride == 4 ? FCMAE_OK : FCMAE_ERR_UNSUPPORTED);
        ck_assert_int_eq(access(test_path("timm-stem"), F_OK), stride == 4 ? 0 : -1);
        if (stride == 4) ck_assert_int_eq(rename(test_path("timm-stem"), test_path("timm-4")), 0);
        ck_assert_int_eq(to_target(&config,
                                   (fcmae_convert_options){.format = FCMAE_FORMAT_HUGGINGFACE},
                                   "hf-stem", remark),
                         FCMAE_OK);
        char patch[32];
        snprintf(patch, sizeof patch, "\"patch_size\": %d,", stride);
        ck_assert_ptr_nonnull(strstr(text_of("hf-stem/config.json"), patch));
        ck_assert_int_eq(to_target(&config, (fcmae_convert_options){.format = FCMAE_FORMAT_ONNX},
                                   "stem.onnx", remark),
                         FCMAE_OK);
        ck_assert_str_eq(remark, "");
        ck_assert_int_eq(to_target(&config, (fcmae_convert_options){0}, "stem.pt", remark),
                         FCMAE_OK);
        ck_assert_int_eq(strstr(remark, "official code cannot load") != NULL, stride != 4);
    }
    fcmae_model_config first = sized("small", 1, "classify");
    ck_assert_int_eq(to_target(&first, (fcmae_convert_options){.sparse = true}, "v1.pt", remark),
                     FCMAE_OK);
    ck_assert_ptr_nonnull(strstr(remark, "its sparse network is V2"));
    first.layer_scale_init = 0; /* of which Hugging Face would make a network without LayerScale */
    ck_assert_int_eq(to_target(&first, (fcmae_convert_options){.format = FCMAE_FORMAT_HUGGINGFACE},
                               "hf-scale", remark),
                     FCMAE_OK);
    const char *scale = strstr(text_of("hf-scale/config.json"), "\"layer_scale_init_value\": ");
    ck_assert_ptr_nonnull(scale);
    ck_assert_double_gt(strtod(strchr(scale, ':') + 1, NULL), 0);
}
END_TEST

/* How images of another kind are prepared is not made up. */
START_TEST(images_of_other_channels)
{
    char remark[200];
    fcmae_model_config config = sized("small", 2, "classify");
    config.channels = 4;
    ck_assert_int_eq(to_target(&config, (fcmae_convert_options){.format = FCMAE_FORMAT_TIMM},
                               "timm-four", remark),
                     FCMAE_OK);
    ck_assert_ptr_nonnull(strstr(remark, "images of 4 channels"));
    ck_assert_ptr_nonnull(strstr(text_of("timm-four/config.json"), "\"in_chans\": 4"));
    ck_assert_ptr_null(strstr(text_of("timm-four/config.json"), "\"mean\""));
    ck_assert_int_eq(to_target(&config, (fcmae_convert_options){.format = FCMAE_FORMAT_HUGGINGFACE},
                               "hf-four", remark),
                     FCMAE_OK);
    ck_assert_ptr_nonnull(strstr(remark, "images of 4 channels"));
    ck_assert_ptr_null(text_of("hf-four/preprocessor_config.json"));
}
END_TEST

START_TEST(onnx_is_written)
{
    fcmae_model_config config = sized("small", _i, "classify");
    fcmae_convert_result result = {0};
    fcmae_error error = {0};
    fcmae_convert_options options = {.format = FCMAE_FORMAT_ONNX};
    save_network(&config, test_path("onnx.safetensors"));
    ck_assert_msg(fcmae_convert(test_path("onnx.safetensors"), test_path("m.onnx"), &options,
                                &result, &error) == FCMAE_OK,
                  "%s", error.message);
    size_t size;
    unsigned char *bytes = read_bytes(test_path("m.onnx"), &size);
    ck_assert(size > result.bytes);
    ck_assert_mem_eq(bytes,
                     "\x08\x08\x12\x05"
                     "fcmae",
                     9); /* ir_version 8, the producer */
    free(bytes);
    fcmae_convert_result_release(&result);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, the_ring_closes, 1, 3);
    tcase_add_loop_test(cases, a_pretraining_checkpoint_folds_and_unfolds, 1, 3);
    tcase_add_test(cases, a_fresh_head_is_drawn_from_the_seed);
    tcase_add_loop_test(cases, every_size_in_every_layout, 1, 3);
    tcase_add_test(cases, names_of_every_origin);
    tcase_add_test(cases, options_that_make_no_sense);
    tcase_add_test(cases, what_a_target_cannot_hold);
    tcase_add_test(cases, images_of_other_channels);
    tcase_add_loop_test(cases, onnx_is_written, 1, 3);
}

static char **wanted;

START_TEST(wanted_rings)
{
    for (char **size = wanted; *size; size++) go_round(*size, _i);
}
END_TEST

static void add_wanted(TCase *cases)
{
    tcase_set_timeout(cases, 3600);
    tcase_add_loop_test(cases, wanted_rings, 1, 3);
}

int main(int count, char **words)
{
    create_test_folder();
    wanted = words + 1;
    int result = run_suite("convert", count > 1 ? add_wanted : add_tests);
    remove_test_folder();
    return result;
}
