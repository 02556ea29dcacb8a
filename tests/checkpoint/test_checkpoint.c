/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Checkpoints: saved and loaded in every layout, and files that do not fit. */
#include <sys/stat.h>

#include "fcmae/checkpoint.h"
#include "fcmae/options.h"
#include "fcmae/preset.h"
#include "support/files.h"
#include "support/suite.h"

static const char *const objectives[] = {"masked", "classify", NULL};

static fcmae_model_config small_config(const char *objective, int version)
{
    fcmae_model_config config;
    fcmae_config_default(&config);
    const int depths[] = {1, 2, 1, 1}, dims[] = {8, 16, 24, 40};
    memcpy(config.depths, depths, sizeof depths);
    memcpy(config.dims, dims, sizeof dims);
    config.objective = objective;
    config.version = version;
    config.classes = fcmae_config_has_part(&config, FCMAE_PART_HEAD) ? 7 : 0;
    config.decoder_dim = 32;
    config.decoder_depth = 2;
    strcpy(config.name, "custom");
    return config;
}

static fcmae_model *small_model(const char *objective, int version, uint64_t seed)
{
    fcmae_model_config config = small_config(objective, version);
    fcmae_model *model = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_model_create(&model, &config, &error) == FCMAE_OK, "%s", error.message);
    /* every value different and exact in f32, biases and norms too */
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    float next = (float)seed;
    for (int i = 0; i < count; i++) {
        float *official = malloc((size_t)table[i].count * sizeof *official);
        for (int64_t j = 0; j < table[i].count; j++) official[j] = next++;
        fcmae_parameter_import(&table[i], official, fcmae_model_values(model));
        free(official);
    }
    return model;
}

static bool same_values(fcmae_model *a, fcmae_model *b)
{
    return fcmae_model_block_size(a) == fcmae_model_block_size(b) &&
           memcmp(fcmae_model_values(a), fcmae_model_values(b),
                  (size_t)fcmae_model_block_size(a) * sizeof(float)) == 0;
}

static void save(const char *path, fcmae_model *model, const fcmae_checkpoint_contents *contents)
{
    fcmae_error error = {0};
    ck_assert_msg(fcmae_checkpoint_save(path, model, contents, &error) == FCMAE_OK, "%s",
                  error.message);
}

static fcmae_checkpoint *open_checkpoint(const char *path, const char *key)
{
    fcmae_checkpoint *checkpoint = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_checkpoint_open(&checkpoint, path, key, &error) == FCMAE_OK, "%s",
                  error.message);
    return checkpoint;
}

START_TEST(every_layout_gives_the_model_back)
{
    const char *path = test_path("layout.safetensors");
    for (int version = 1; version <= 2; version++)
        for (int o = 0; o < 3; o++)
            for (int layout = FCMAE_LAYOUT_AUTO; layout <= FCMAE_LAYOUT_MMPRETRAIN; layout++) {
                bool dinov3 = layout == FCMAE_LAYOUT_DINOV3, head = o == 1;
                if (o == 0 && layout >= FCMAE_LAYOUT_TIMM) continue;
                if ((dinov3 || layout == FCMAE_LAYOUT_TORCHVISION) && version == 2) continue;
                if (dinov3 && head) continue;
                fcmae_model *model = small_model(objectives[o], version, 1), *back = NULL;
                fcmae_checkpoint_contents contents = {
                    .layout = (fcmae_layout)layout,
                    .container = layout % 2 ? FCMAE_CONTAINER_TORCH : FCMAE_CONTAINER_SAFETENSORS};
                fcmae_load_report report = {0};
                fcmae_error error = {0};
                save(path, model, &contents);
                ck_assert_msg(fcmae_checkpoint_load_model(
                                  &back,
                                  &(fcmae_model_source){.path = path, .objective = objectives[o]},
                                  NULL, &report, &error) == FCMAE_OK,
                              "%s", error.message);
                ck_assert(same_values(model, back));
                int count;
                fcmae_model_parameters(model, &count);
                ck_assert_int_eq(report.loaded, count);
                ck_assert_int_eq(report.count, 0);
                fcmae_load_report_release(&report);
                fcmae_model_destroy(&model);
                fcmae_model_destroy(&back);
            }
}
END_TEST

START_TEST(a_file_describes_itself)
{
    fcmae_model *model = small_model("masked", 2, 1);
    const fcmae_metadata texts[] = {{"class_names", "[\"a\",\"b\"]"}};
    fcmae_checkpoint_contents contents = {.metadata = texts, .metadata_count = 1};
    save(test_path("self.safetensors"), model, &contents);
    fcmae_checkpoint *c = open_checkpoint(test_path("self.safetensors"), NULL);
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(c);
    fcmae_model_config expected = small_config("masked", 2);
    ck_assert(info->recognised);
    ck_assert_int_eq(info->layout, FCMAE_LAYOUT_SPARSE);
    ck_assert_str_eq(info->config.objective, "masked");
    ck_assert_mem_eq(info->config.depths, expected.depths, sizeof expected.depths);
    ck_assert_mem_eq(info->config.dims, expected.dims, sizeof expected.dims);
    ck_assert_int_eq(info->config.decoder_depth, 2);
    ck_assert_int_eq(info->config.decoder_dim, 32);
    ck_assert_int_eq(info->config.stem_stride, 4);
    ck_assert_int_eq(info->values, fcmae_model_parameter_count(model));
    ck_assert(info->has_decoder && !info->has_head);
    ck_assert_int_eq(info->report.count, 0);
    ck_assert_str_eq(fcmae_tensor_file_text(fcmae_checkpoint_file(c), "class_names"),
                     "[\"a\",\"b\"]");
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(a_run_folder_means_its_newest_checkpoint)
{
    fcmae_model *model = small_model("masked", 2, 1);
    ck_assert_int_eq(mkdir(test_path("run"), 0700), 0);
    save(test_path("run/checkpoint-7.safetensors"), model, NULL);
    write_bytes(test_path("run/latest"), "checkpoint-7.safetensors\n", 25);
    fcmae_checkpoint *c = open_checkpoint(test_path("run"), NULL);
    ck_assert(fcmae_checkpoint_describe(c)->recognised);
    fcmae_checkpoint_close(&c);
    c = open_checkpoint(test_path("run/latest"), NULL);
    ck_assert(fcmae_checkpoint_describe(c)->recognised);
    fcmae_checkpoint_close(&c);

    /* a path is no name, and a cut line is none */
    static const char *const wrong[] = {"../checkpoint-7.safetensors\n", "checkpoint-7.safetensors",
                                        "\n", ""};
    for (int i = 0; i < 4; i++) {
        fcmae_error error = {0};
        write_bytes(test_path("run/latest"), wrong[i], strlen(wrong[i]));
        ck_assert_int_eq(fcmae_checkpoint_open(&c, test_path("run"), NULL, &error),
                         FCMAE_ERR_FORMAT);
        ck_assert_int_ne(fcmae_checkpoint_open(&c, test_path("run/latest"), NULL, &error),
                         FCMAE_OK);
    }
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(the_official_names_and_shapes)
{
    static const struct {
        const char *name;
        int rank;
        int64_t shape[4];
    } sparse[] = {
        {"encoder.downsample_layers.0.0.weight", 4, {8, 3, 4, 4}},
        {"encoder.downsample_layers.0.1.bias", 1, {8}},
        {"encoder.downsample_layers.2.0.ln.weight", 1, {16}},
        {"encoder.downsample_layers.2.1.kernel", 3, {4, 16, 24}},
        {"encoder.downsample_layers.2.1.bias", 2, {1, 24}},
        {"encoder.stages.1.1.dwconv.kernel", 2, {49, 16}},
        {"encoder.stages.1.1.dwconv.bias", 2, {1, 16}},
        {"encoder.stages.1.1.norm.ln.weight", 1, {16}},
        {"encoder.stages.1.1.pwconv1.linear.weight", 2, {64, 16}},
        {"encoder.stages.1.1.grn.gamma", 2, {1, 64}},
        {"encoder.stages.1.1.pwconv2.linear.bias", 1, {16}},
        {"mask_token", 4, {1, 32, 1, 1}},
        {"proj.weight", 4, {32, 40, 1, 1}},
        {"decoder.1.dwconv.weight", 4, {32, 1, 7, 7}},
        {"decoder.1.grn.beta", 4, {1, 1, 1, 128}},
        {"pred.weight", 4, {3072, 32, 1, 1}},
    };
    fcmae_model *model = small_model("masked", 2, 1);
    save(test_path("names.safetensors"), model, NULL);
    fcmae_checkpoint *c = open_checkpoint(test_path("names.safetensors"), NULL);
    for (size_t i = 0; i < sizeof sparse / sizeof *sparse; i++) {
        const fcmae_tensor *tensor = fcmae_tensor_file_find(fcmae_checkpoint_file(c),
                                                            sparse[i].name);
        ck_assert_msg(tensor, "%s is missing", sparse[i].name);
        ck_assert_int_eq(tensor->rank, sparse[i].rank);
        ck_assert_mem_eq(tensor->shape, sparse[i].shape, (size_t)tensor->rank * sizeof(int64_t));
    }
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(kernel_order_is_minkowskis)
{
    /* the table of positions: k = kw * 7 + kh, and k = kw * 2 + kh for the 2x2 */
    fcmae_model *model = small_model("masked", 2, 1);
    fcmae_error error = {0};
    save(test_path("kernel.safetensors"), model, NULL);
    fcmae_checkpoint *c = open_checkpoint(test_path("kernel.safetensors"), NULL);
    const fcmae_tensor_file *file = fcmae_checkpoint_file(c);
    static float kernel[49 * 16], dense[49 * 16], patch[4 * 16 * 24], official[4 * 16 * 24];
    fcmae_parameter_export(fcmae_model_find(model, "stages.1.0.dwconv.weight"),
                           fcmae_model_values(model), dense);
    fcmae_tensor_file_read(file, fcmae_tensor_file_find(file, "encoder.stages.1.0.dwconv.kernel"),
                           kernel, &error);
    for (int channel = 0; channel < 16; channel++)
        for (int kh = 0; kh < 7; kh++)
            for (int kw = 0; kw < 7; kw++)
                ck_assert(dense[channel * 49 + kh * 7 + kw] ==
                          kernel[(kw * 7 + kh) * 16 + channel]);
    fcmae_parameter_export(fcmae_model_find(model, "downsample_layers.2.1.weight"),
                           fcmae_model_values(model), official);
    fcmae_tensor_file_read(
        file, fcmae_tensor_file_find(file, "encoder.downsample_layers.2.1.kernel"), patch, &error);
    for (int o = 0; o < 24; o++)
        for (int i = 0; i < 16; i++)
            for (int kh = 0; kh < 2; kh++)
                for (int kw = 0; kw < 2; kw++)
                    ck_assert(official[((o * 16 + i) * 2 + kh) * 2 + kw] ==
                              patch[((kw * 2 + kh) * 16 + i) * 24 + o]);
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(blocks_of_the_optimiser)
{
    fcmae_model *model = small_model("masked", 2, 1);
    fcmae_model *first = small_model("masked", 2, 1000);
    fcmae_model *second = small_model("masked", 2, 5000);
    const fcmae_named_block blocks[] = {{"exp_avg.", fcmae_model_values(first)},
                                        {"exp_avg_sq.", fcmae_model_values(second)}};
    const int64_t step = 77;
    const fcmae_extra_tensor extra[] = {
        {{.name = "step", .dtype = FCMAE_DTYPE_I64, .rank = 0, .count = 1}, &step}};
    fcmae_checkpoint_contents contents = {
        .blocks = blocks, .block_count = 2, .extra = extra, .extra_count = 1};
    const char *path = test_path("optimiser.safetensors");
    fcmae_error error = {0};
    save(path, model, &contents);
    fcmae_checkpoint *c = open_checkpoint(path, NULL);
    ck_assert(!fcmae_checkpoint_describe(c)->recognised);
    size_t size = (size_t)fcmae_model_block_size(model) * sizeof(float);
    float *block = malloc(size);
    ck_assert_int_eq(fcmae_checkpoint_load_block(c, model, "exp_avg.", block, &error), FCMAE_OK);
    ck_assert_mem_eq(block, fcmae_model_values(first), size);
    ck_assert_int_eq(fcmae_checkpoint_load_block(c, model, "exp_avg_sq.", block, &error), FCMAE_OK);
    ck_assert_mem_eq(block, fcmae_model_values(second), size);
    ck_assert_int_eq(fcmae_checkpoint_load_block(c, model, "ema.", block, &error),
                     FCMAE_ERR_MISMATCH);
    int64_t read = 0;
    const fcmae_tensor_file *file = fcmae_checkpoint_file(c);
    ck_assert_int_eq(
        fcmae_tensor_file_read_raw(file, fcmae_tensor_file_find(file, "step"), &read, &error),
        FCMAE_OK);
    ck_assert_int_eq(read, 77);
    fcmae_checkpoint_close(&c);
    free(block);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&first);
    fcmae_model_destroy(&second);
}
END_TEST

START_TEST(averaged_weights_on_request)
{
    fcmae_model *model = small_model("classify", 2, 1);
    fcmae_model *average = small_model("classify", 2, 1000), *back = NULL;
    const fcmae_named_block blocks[] = {{"", fcmae_model_values(model)},
                                        {"ema.", fcmae_model_values(average)}};
    fcmae_checkpoint_contents contents = {.blocks = blocks, .block_count = 2};
    const char *path = test_path("ema.safetensors");
    fcmae_error error = {0};
    save(path, model, &contents);
    ck_assert_int_eq(fcmae_checkpoint_load_model(
                         &back, &(fcmae_model_source){.path = path, .objective = "classify"}, NULL,
                         NULL, &error),
                     FCMAE_OK);
    ck_assert(same_values(back, model));
    fcmae_model_destroy(&back);
    ck_assert_int_eq(fcmae_checkpoint_load_model(
                         &back,
                         &(fcmae_model_source){.path = path, .key = "ema", .objective = "classify"},
                         NULL, NULL, &error),
                     FCMAE_OK);
    ck_assert(same_values(back, average));
    fcmae_model_destroy(&back);
    ck_assert_int_eq(
        fcmae_checkpoint_load_model(
            &back, &(fcmae_model_source){.path = path, .key = "teacher", .objective = "classify"},
            NULL, NULL, &error),
        FCMAE_ERR_NOT_FOUND);
    fcmae_checkpoint *c = open_checkpoint(path, NULL);
    ck_assert_str_eq(fcmae_checkpoint_describe(c)->average, "ema"); /* so that it can be told */
    fcmae_checkpoint_close(&c);
    c = open_checkpoint(path, "ema");
    ck_assert_ptr_null(fcmae_checkpoint_describe(c)->average);
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&average);
}
END_TEST

static fcmae_status fill_bytes(void *cookie, int index, void *bytes, fcmae_error *error)
{
    const fcmae_tensor *tensors = cookie;
    (void)error;
    memset(bytes, 1, (size_t)tensors[index].count);
    return FCMAE_OK;
}

/* Wrappers and larger models put words before the names; two networks are a question. */
START_TEST(a_network_inside_another)
{
    static const char long_prefix[] =
        "lightning_module_of_a_long_name.wrapped_network_of_a_longer_one.backbone.";
    const char *const prefixes[] = {"model.",
                                    "backbone.",
                                    "net.backbone.",
                                    "state_dict.visual.trunk.",
                                    "student.module.encoder.",
                                    "a.b.c.d.e.f.g.h.i.j.k.l.m.",
                                    long_prefix};
    fcmae_model *model = small_model("classify", 2, 1), *other = small_model("classify", 2, 500);
    const char *path = test_path("inside.safetensors");
    fcmae_error error = {0};
    for (int i = 0; i < FCMAE_COUNT(prefixes); i++) {
        const fcmae_named_block block = {prefixes[i], fcmae_model_values(model)};
        const fcmae_checkpoint_contents contents = {.blocks = &block, .block_count = 1};
        fcmae_model *back = NULL;
        save(path, model, &contents);
        const fcmae_model_source source = {.path = path, .objective = "classify"};
        ck_assert_msg(fcmae_checkpoint_load_model(&back, &source, NULL, NULL, &error) == FCMAE_OK,
                      "%s: %s", prefixes[i], error.message);
        ck_assert(same_values(back, model));
        fcmae_model_destroy(&back);
    }
    const fcmae_named_block both[] = {{"student.net.", fcmae_model_values(model)},
                                      {"teacher.net.", fcmae_model_values(other)}};
    const fcmae_checkpoint_contents contents = {.blocks = both, .block_count = 2};
    fcmae_checkpoint *c = NULL;
    save(path, model, &contents);
    ck_assert_int_eq(fcmae_checkpoint_open(&c, path, NULL, &error), FCMAE_ERR_MISMATCH);
    ck_assert_msg(strstr(error.message, "student.net, teacher.net"), "%s", error.message);
    fcmae_model *back = NULL;
    const fcmae_model_source source = {.path = path, .key = "teacher.net", .objective = "classify"};
    ck_assert_int_eq(fcmae_checkpoint_load_model(&back, &source, NULL, NULL, &error), FCMAE_OK);
    ck_assert(same_values(back, other));
    fcmae_model_destroy(&back);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&other);
}
END_TEST

/* A key may be part of what stands before the names; one that is wrong is answered with the right
 * one. Averaged weights beside the weights are no second network. */
START_TEST(keys_in_part_and_wrong_ones)
{
    fcmae_model *model = small_model("classify", 2, 1), *other = small_model("classify", 2, 500);
    const fcmae_named_block both[] = {{"state_dict.model.net.", fcmae_model_values(model)},
                                      {"state_dict_ema.model.net.", fcmae_model_values(other)}};
    const fcmae_checkpoint_contents contents = {.blocks = both, .block_count = 2};
    static const struct {
        const char *key, *found;
    } keys[] = {
        {NULL, "state_dict.model.net"},          {"state_dict", "state_dict.model.net"},
        {"state_dict.", "state_dict.model.net"}, {"state_dict.model", "state_dict.model.net"},
        {"ema", "state_dict_ema.model.net"},     {"state_dict_ema", "state_dict_ema.model.net"},
    };
    const char *path = test_path("keys.safetensors");
    fcmae_error error = {0};
    fcmae_checkpoint *c = NULL;
    save(path, model, &contents);
    for (int i = 0; i < FCMAE_COUNT(keys); i++) {
        c = open_checkpoint(path, keys[i].key);
        const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(c);
        ck_assert(info->recognised);
        ck_assert_str_eq(info->key, keys[i].found);
        ck_assert_pstr_eq(info->average, i == 0 ? "state_dict_ema" : NULL);
        fcmae_checkpoint_close(&c);
    }
    ck_assert_int_eq(fcmae_checkpoint_open(&c, path, "teacher", &error), FCMAE_ERR_NOT_FOUND);
    ck_assert_msg(strstr(error.message, "would do: state_dict.model.net"), "%s", error.message);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&other);
}
END_TEST

/** Writes the tensors of a model whose official names do not begin with `without`, under `prefix`,
 *  and one of another name. */
static void save_part(const char *path, fcmae_model *model, const char *without, const char *prefix)
{
    int count, kept = 0;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    fcmae_tensor *tensors = calloc((size_t)count + 1, sizeof *tensors);
    char(*names)[128] = calloc((size_t)count + 1, sizeof *names);
    ck_assert(tensors && names);
    for (int i = 0; i < count; i++) {
        const fcmae_parameter *p = &table[i];
        if (strncmp(p->name, without, strlen(without)) == 0) continue;
        snprintf(names[kept], sizeof *names, "%s%s", prefix, p->name);
        tensors[kept] = (fcmae_tensor){
            .name = names[kept], .dtype = FCMAE_DTYPE_I8, .rank = p->rank, .count = p->count};
        memcpy(tensors[kept++].shape, p->shape, sizeof p->shape);
    }
    tensors[kept++] = (fcmae_tensor){
        .name = "projector.0.weight", .dtype = FCMAE_DTYPE_I8, .rank = 1, .shape = {3}, .count = 3};
    const fcmae_tensor_contents contents = {
        .tensors = tensors, .count = kept, .fill = fill_bytes, .cookie = tensors};
    ck_assert_int_eq(fcmae_tensor_file_write(path, FCMAE_CONTAINER_SAFETENSORS, &contents, NULL),
                     FCMAE_OK);
    free(tensors);
    free(names);
}

/* What is no whole network is judged by the prefix under which most names are known. */
START_TEST(parts_of_a_network_inside_another)
{
    fcmae_model *model = small_model("classify", 2, 1);
    const char *path = test_path("part.safetensors");
    save_part(path, model, "downsample_layers.0", "net.body.");
    fcmae_checkpoint *c = open_checkpoint(path, NULL);
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(c);
    ck_assert_str_eq(info->key, "net.body");
    ck_assert_int_eq(info->parameters, info->tensors - 1);
    ck_assert_int_eq(info->report.errors, 4); /* the stem */
    fcmae_checkpoint_close(&c);
    fcmae_model_destroy(&model);
}
END_TEST

/* Whole numbers are the halves of quantised weights. */
START_TEST(weights_are_no_whole_numbers)
{
    fcmae_model *model = small_model("classify", 2, 1), *back = NULL;
    fcmae_error error = {0};
    int count;
    save(test_path("float.safetensors"), model, NULL);
    fcmae_checkpoint *c = open_checkpoint(test_path("float.safetensors"), NULL);
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(fcmae_checkpoint_file(c), &count);
    fcmae_tensor *whole = calloc((size_t)count, sizeof *whole);
    ck_assert_ptr_nonnull(whole);
    for (int i = 0; i < count; i++) {
        whole[i] = tensors[i];
        whole[i].dtype = FCMAE_DTYPE_I8;
    }
    const fcmae_tensor_contents contents = {
        .tensors = whole, .count = count, .fill = fill_bytes, .cookie = whole};
    ck_assert_int_eq(fcmae_tensor_file_write(test_path("whole.safetensors"),
                                             FCMAE_CONTAINER_SAFETENSORS, &contents, NULL),
                     FCMAE_OK);
    fcmae_checkpoint_close(&c);
    free(whole);
    const fcmae_model_source source = {.path = test_path("whole.safetensors"),
                                       .objective = "classify"};
    ck_assert_int_eq(fcmae_checkpoint_load_model(&back, &source, NULL, NULL, &error),
                     FCMAE_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(error.message, "quantised"), "%s", error.message);
    fcmae_model_destroy(&model);
}
END_TEST

START_TEST(a_pretrained_encoder_gets_a_fresh_head)
{
    fcmae_model *model = small_model("masked", 2, 1), *classifier = NULL;
    fcmae_load_options options = {.fresh_head = true};
    fcmae_load_report report = {0};
    const char *path = test_path("encoder.safetensors");
    fcmae_error error = {0};
    save(path, model, NULL);
    ck_assert_int_eq(
        fcmae_checkpoint_load_model(
            &classifier,
            &(fcmae_model_source){.path = path, .objective = "classify", .classes = 5, .seed = 1},
            NULL, NULL, &error),
        FCMAE_ERR_MISMATCH);
    ck_assert_ptr_null(classifier);
    ck_assert_msg(strstr(error.message, "missing head.bias") ||
                      strstr(error.message, "missing norm."),
                  "%s", error.message);
    ck_assert_msg(
        fcmae_checkpoint_load_model(
            &classifier,
            &(fcmae_model_source){.path = path, .objective = "classify", .classes = 5, .seed = 1},
            &options, &report, &error) == FCMAE_OK,
        "%s", error.message);
    int kept = 0, ignored = 0;
    for (int i = 0; i < report.count; i++) {
        kept += report.entries[i].kind == FCMAE_TENSOR_KEPT;
        ignored += report.entries[i].kind == FCMAE_TENSOR_IGNORED;
    }
    ck_assert_int_eq(kept, 4);
    ck_assert_int_eq(ignored, 1 + 2 + 2 * 10 + 2);
    const fcmae_parameter *a = fcmae_model_find(model, "stages.3.0.pwconv2.weight");
    const fcmae_parameter *b = fcmae_model_find(classifier, "stages.3.0.pwconv2.weight");
    ck_assert_mem_eq(fcmae_model_values(model) + a->offset,
                     fcmae_model_values(classifier) + b->offset,
                     (size_t)(a->rows * a->stride) * sizeof(float));
    ck_assert(fcmae_model_values(classifier)[fcmae_model_find(classifier, "norm.weight")->offset] ==
              1);
    fcmae_load_report_release(&report);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&classifier);
}
END_TEST

START_TEST(a_file_that_does_not_fit_changes_nothing)
{
    fcmae_model *model = small_model("classify", 2, 1);
    fcmae_model *other = small_model("classify", 1, 1000);
    fcmae_model *same = small_model("classify", 1, 1000);
    fcmae_error error = {0};
    fcmae_load_report report = {0};
    save(test_path("v2.safetensors"), model, NULL);
    fcmae_checkpoint *c = open_checkpoint(test_path("v2.safetensors"), NULL);
    ck_assert_int_eq(fcmae_checkpoint_load(c, other, NULL, &report, &error), FCMAE_ERR_MISMATCH);
    ck_assert(same_values(other, same));
    ck_assert_int_eq(report.errors,
                     5 + 10); /* 5 blocks: gamma missing, GRN gamma and beta unexpected */
    ck_assert_msg(strstr(error.message, "15 tensors") && strstr(error.message, "stages.0.0.gamma"),
                  "%s", error.message);
    fcmae_checkpoint_close(&c);
    fcmae_load_report_release(&report);
    fcmae_model_destroy(&model);
    fcmae_model_destroy(&other);
    fcmae_model_destroy(&same);
}
END_TEST

START_TEST(half_precision_files)
{
    fcmae_model *model = small_model(NULL, 2, 1), *back = NULL;
    fcmae_error error = {0};
    const char *path = test_path("half.safetensors");
    float *values = fcmae_model_values(model);
    for (int64_t i = 0; i < fcmae_model_block_size(model); i++)
        values[i] = values[i] ? (float)((int)values[i] % 128) : 0; /* exact in bf16 */
    for (int dtype = FCMAE_DTYPE_F16; dtype <= FCMAE_DTYPE_F64; dtype++) {
        fcmae_checkpoint_contents contents = {.dtype = (fcmae_dtype)dtype};
        save(path, model, &contents);
        ck_assert_int_eq(fcmae_checkpoint_load_model(&back, &(fcmae_model_source){.path = path},
                                                     NULL, NULL, &error),
                         FCMAE_OK);
        ck_assert(same_values(model, back));
        fcmae_model_destroy(&back);
    }
    fcmae_model_destroy(&model);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, every_layout_gives_the_model_back);
    tcase_add_test(cases, a_file_describes_itself);
    tcase_add_test(cases, a_run_folder_means_its_newest_checkpoint);
    tcase_add_test(cases, the_official_names_and_shapes);
    tcase_add_test(cases, kernel_order_is_minkowskis);
    tcase_add_test(cases, blocks_of_the_optimiser);
    tcase_add_test(cases, averaged_weights_on_request);
    tcase_add_test(cases, a_network_inside_another);
    tcase_add_test(cases, keys_in_part_and_wrong_ones);
    tcase_add_test(cases, parts_of_a_network_inside_another);
    tcase_add_test(cases, weights_are_no_whole_numbers);
    tcase_add_test(cases, a_pretrained_encoder_gets_a_fresh_head);
    tcase_add_test(cases, a_file_that_does_not_fit_changes_nothing);
    tcase_add_test(cases, half_precision_files);
}

int main(void)
{
    create_test_folder();
    int result = run_suite("checkpoint", add_tests);
    remove_test_folder();
    return result;
}
