/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Presets: published sizes to the last parameter, published recipes, and refusals by line. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fcmae/preset.h"
#include "fcmae/train.h"
#include "support/suite.h"

/* Encoder, classifier of 1000 and of 21841 classes, pretraining model; number of tensors of the
 * encoder, the classifier and the pretraining model. From the models published by the authors. */
static const struct size {
    const char *name;
    int64_t encoder, classifier, classifier_22k, pretrain;
    int encoder_tensors, classifier_tensors, pretrain_tensors;
} sizes[] = {
    {"atto", 3386760, 3708400, 10398361, 7257992, 136, 140, 151},
    {"femto", 4847472, 5233240, 13257025, 8751472, 136, 140, 151},
    {"pico", 8552256, 9066280, 19757713, 12521792, 136, 140, 151},
    {"nano", 14981520, 15623800, 28982881, 19016592, 156, 160, 171},
    {"tiny", 27864960, 28635496, 44662225, 31965568, 196, 200, 211},
    {"base", 87690752, 88717800, 110079825, 91922432, 376, 380, 391},
    {"large", 196416768, 197956840, 229989457, 200910592, 376, 380, 391},
    {"huge", 657467008, 660289640, 718998737, 662616192, 376, 380, 391},
};

static void check_count(const char *name, const char *objective, int classes, int64_t parameters,
                        int tensors)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_preset_load(name, &config, &error) == FCMAE_OK, "%s", error.message);
    config.objective = objective;
    config.classes = classes;
    int count = 0;
    int64_t found = 0;
    ck_assert_msg(fcmae_config_parameters(&config, NULL, &count, &found, &error) == FCMAE_OK, "%s",
                  error.message);
    ck_assert_msg(found == parameters, "%s %s: %lld parameters", name,
                  objective ? objective : "encoder", (long long)found);
    ck_assert_msg(count == tensors, "%s %s: %d tensors", name, objective ? objective : "encoder",
                  count);
}

START_TEST(published_sizes_are_met)
{
    const struct size *s = &sizes[_i];
    check_count(s->name, NULL, 1000, s->encoder, s->encoder_tensors);
    check_count(s->name, "classify", 1000, s->classifier, s->classifier_tensors);
    check_count(s->name, "classify", 21841, s->classifier_22k, s->classifier_tensors);
    check_count(s->name, "masked", 1000, s->pretrain, s->pretrain_tensors);
}
END_TEST

/* GRN (2 * 4C) is gone, LayerScale (C) has come: seven C fewer per block, decoder included. */
START_TEST(version_1_differs_by_grn_and_layer_scale)
{
    fcmae_model_config one, two;
    int64_t blocks = 512;
    ck_assert_int_eq(fcmae_preset_load("tiny-v1", &one, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_preset_load("tiny", &two, NULL), FCMAE_OK);
    ck_assert_int_eq(one.version, 1);
    ck_assert_double_eq(one.layer_scale_init, 1e-6);
    for (int s = 0; s < FCMAE_STAGES; s++) blocks += two.depths[s] * two.dims[s];
    check_count("tiny-v1", "masked", 1000, 31965568 - 7 * blocks, 211 - 19);
}
END_TEST

/* A recipe value of a preset, as its kind of training sees it. */
static double recipe(const char *name, const char *task, const char *option)
{
    fcmae_preset *preset = NULL;
    fcmae_options *options = NULL;
    fcmae_error error = {0};
    ck_assert_msg(fcmae_preset_open(&preset, name, &error) == FCMAE_OK, "%s", error.message);
    ck_assert_int_eq(fcmae_options_create(&options, fcmae_task_options(task), NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_preset_apply(preset, options, NULL), FCMAE_OK);
    double value = fcmae_options_number(options, option);
    fcmae_options_destroy(&options);
    fcmae_preset_close(&preset);
    return value;
}

START_TEST(every_preset_is_sound)
{
    int count = 0;
    const char *const *names = fcmae_preset_names(&count);
    ck_assert_int_ge(count, 15);
    for (int i = 0; i < count; i++) {
        fcmae_model_config config;
        fcmae_error error = {0};
        fcmae_status status = fcmae_preset_load(names[i], &config, &error);
        ck_assert_msg(status == FCMAE_OK, "%s", error.message);
        ck_assert_str_eq(config.name, names[i]);
        ck_assert_int_eq(config.version, strstr(names[i], "-v1") ? 1 : 2);
        ck_assert_int_eq(config.decoder_dim, 512);
        ck_assert_double_eq(recipe(names[i], "pretrain", "batch"), 4096);
        ck_assert_double_eq(recipe(names[i], "pretrain", "base-lr"), 1.5e-4);
        ck_assert_double_eq(recipe(names[i], "finetune", "ema"), 0.9999);
        ck_assert_ptr_nonnull(fcmae_preset_text(names[i]));
    }
}
END_TEST

static const struct published {
    const char *preset, *option;
    double value;
} published[] = {
    {"atto", "weight-decay", 0.3},    {"atto", "mixup", 0},
    {"atto", "epochs", 600},          {"atto", "warmup-epochs", 0},
    {"atto", "label-smoothing", 0.2}, {"femto", "weight-decay", 0.05},
    {"femto", "cutmix", 0.3},         {"femto", "drop-path", 0},
    {"base", "base-lr", 6.25e-4},     {"base", "layer-decay", 0.6},
    {"base", "layer-grouping", 1},    {"huge", "layer-decay", 0.75},
    {"huge", "drop-path", 0.3},
};

START_TEST(published_recipes)
{
    const struct published *p = &published[_i];
    ck_assert_double_eq(recipe(p->preset, "finetune", p->option), p->value);
}
END_TEST

/* Text that must be refused, and what the sentence must contain. */
static const struct refusal {
    const char *text, *expected;
} refusals[] = {
    {"", "depths"},
    {"[model]\ndepths = 1,1,1,1\n", "does not say dims"},
    {"[model]\ndepths = 1,1,1\n", "x.ini:2: depths"},
    {"[model]\ndepths = 1,1,1,1,1\n", "x.ini:2: depths"},
    {"[model]\ndepths = 1,1,1,0\n", "x.ini:2: depths"},
    {"[model]\n\n# words\ndepth = 3\n", "x.ini:4: [model] has no key 'depth'"},
    {"[modle]\ndepths = 1,1,1,1\n", "x.ini:2: 'depths' stands in section [modle]"},
    {"[model]\ndims = 8,16,24,32\ndims = 8,16,24,32\n", "x.ini:3: dims is given twice"},
    {"[model]\ndepths = 1,1,1,1\ndims = 8,16,24,33\n", "multiple of 8"},
    {"[model]\nversion = 3\n", "x.ini:2: version"},
    {"[model]\nversion = two\n", "x.ini:2: version"},
    {"[model]\nchannels = 99999999999999999999\n", "x.ini:2: channels"},
    {"[model]\nnorm_pix = yes\n", "x.ini:2: norm_pix"},
    {"[pretrain]\nmask_ratio = 1\n", "x.ini:2: mask_ratio"},
    {"[pretrain]\nbase_lr = nan\n", "x.ini:2: base_lr"},
    {"[pretrain]\nbase_lr = 1e-4x\n", "x.ini:2: base_lr"},
    {"[finetune]\nlayer_grouping = pairs\n", "x.ini:2: layer_grouping"},
    {"[model]\ndepths = 1,1,1,1\n  2,2,2,2\n", "x.ini:3: lines must not be indented"},
    {"[model]\nwhat is this\n", "x.ini:2: neither"},
    {"[model\n", "x.ini:1: neither"},
    {"[pretrain]\ndata = photos\n", "x.ini:2: [pretrain] has no key 'data'"},
    {"[finetune]\nmask_ratio = 0.5\n", "x.ini:2: [finetune] has no key 'mask_ratio'"},
};

START_TEST(mistakes_are_refused_by_line)
{
    fcmae_preset *preset = NULL;
    fcmae_error error = {0};
    fcmae_status status = fcmae_preset_parse(&preset, refusals[_i].text, "x.ini", &error);
    ck_assert_msg(status == FCMAE_ERR_FORMAT, "accepted: %s", refusals[_i].text);
    ck_assert_msg(strstr(error.message, refusals[_i].expected), "'%s' lacks '%s'", error.message,
                  refusals[_i].expected);
    ck_assert_ptr_null(preset);
}
END_TEST

START_TEST(long_lines_are_refused)
{
    char text[400] = "[model]\n# ";
    memset(text + 10, 'x', 300);
    fcmae_preset *preset = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_preset_parse(&preset, text, "x.ini", &error), FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "x.ini:2: the line is longer"), "%s", error.message);
}
END_TEST

START_TEST(a_file_needs_only_depths_and_dims)
{
    char path[] = "/tmp/fcmae-preset-XXXXXX.ini";
    int descriptor = mkstemps(path, 4);
    ck_assert_int_ge(descriptor, 0);
    const char *text = "\xef\xbb\xbf[model]\r\ndepths = 1, 1, 2, 1 ; few\r\ndims = 8,16,24,32\r\n"
                       "grn_scope = batch\r\n";
    ck_assert_int_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    fcmae_model_config config;
    fcmae_error error = {0};
    fcmae_status status = fcmae_preset_load(path, &config, &error);
    double ratio = recipe(path, "pretrain", "mask-ratio"),
           erasing = recipe(path, "finetune", "random-erasing");
    unlink(path);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    ck_assert(strncmp(config.name, "fcmae-preset-", 13) == 0 && !strchr(config.name, '.'));
    ck_assert_int_eq(config.depths[2], 2);
    ck_assert_int_eq(config.dims[3], 32);
    ck_assert_int_eq(config.grn_scope, FCMAE_GRN_BATCH);
    ck_assert_int_eq(config.version, 2);
    ck_assert_int_eq(config.stem_stride, 4);
    ck_assert(config.norm_pix);
    ck_assert_double_eq(ratio, 0.6);
    ck_assert_double_eq(erasing, 0.25);
}
END_TEST

START_TEST(unknown_names_list_the_known)
{
    fcmae_model_config config;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_preset_load("atoo", &config, &error), FCMAE_ERR_NOT_FOUND);
    ck_assert(strstr(error.message, "atoo") && strstr(error.message, "atto, femto"));
    ck_assert_int_eq(fcmae_preset_load("/", &config, &error), FCMAE_ERR_FORMAT);
    ck_assert_int_eq(fcmae_preset_load("/dev/zero", &config, &error), FCMAE_ERR_FORMAT);
}
END_TEST

/* Presets with bytes changed, cut and doubled: accepted or refused, never more. */
START_TEST(hostile_text_is_survived)
{
    const char *original = fcmae_preset_text("base");
    size_t length = strlen(original);
    char *text = malloc(2 * length + 1);
    uint64_t state = 1;
    int refused = 0;
    for (int round = 0; round < 3000; round++) {
        memcpy(text, original, length + 1);
        for (int change = 0; change < 1 + round % 4; change++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            char byte = (char)(1 + (state >> 33) % 255);
            text[(state >> 41) % length] = round % 3 ? byte : "\n=[];#,-9e. "[(uint8_t)byte % 12];
        }
        if (round % 5 == 0) text[(state >> 20) % length] = '\0';
        if (round % 7 == 0) strcat(text, original);
        fcmae_preset *preset = NULL;
        fcmae_error error = {0};
        fcmae_status status = fcmae_preset_parse(&preset, text, "x.ini", &error);
        fcmae_preset_close(&preset);
        ck_assert(status == FCMAE_OK || status == FCMAE_ERR_FORMAT);
        ck_assert(status == FCMAE_OK || strncmp(error.message, "x.ini:", 6) == 0);
        refused += status != FCMAE_OK;
    }
    ck_assert_int_gt(refused, 500);
    free(text);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, published_sizes_are_met, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(cases, version_1_differs_by_grn_and_layer_scale);
    tcase_add_test(cases, every_preset_is_sound);
    tcase_add_loop_test(cases, published_recipes, 0, FCMAE_COUNT(published));
    tcase_add_loop_test(cases, mistakes_are_refused_by_line, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(cases, long_lines_are_refused);
    tcase_add_test(cases, a_file_needs_only_depths_and_dims);
    tcase_add_test(cases, unknown_names_list_the_known);
    tcase_add_test(cases, hostile_text_is_survived);
}

int main(void)
{
    return run_suite("preset", add_tests);
}
