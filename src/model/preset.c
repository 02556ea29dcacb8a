/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Presets: one table of keys, and the one doorway to inih.
 *
 * inih reads lines through `next_line`, which counts them, so that a value is refused with its
 * line.
 */
#include "fcmae/preset.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "model/preset_texts.h"

enum { FILE_LIMIT = 65536, LINE_LIMIT = 190 }; /* inih takes lines of up to 199 bytes */

void fcmae_config_default(fcmae_model_config *config)
{
    *config = (fcmae_model_config){
        .objective = "masked",
        .version = 2,
        .channels = 3,
        .stem_stride = 4,
        .decoder_depth = 1,
        .decoder_dim = 512,
        .norm_pix = true,
        .grn_scope = FCMAE_GRN_IMAGE,
        .classes = 1000,
        .layer_scale_init = 1e-6,
    };
}

void fcmae_recipe_default(fcmae_recipe *recipe)
{
    *recipe = (fcmae_recipe){
        .pretrain = {.base_lr = 1.5e-4,
                     .min_lr = 0,
                     .weight_decay = 0.05,
                     .beta1 = 0.9,
                     .beta2 = 0.95,
                     .epsilon = 1e-8,
                     .batch = 4096,
                     .epochs = 800,
                     .warmup_epochs = 40,
                     .mask_ratio = 0.6,
                     .crop_min = 0.2,
                     .crop_max = 1,
                     .flip = 0.5},
        .finetune = {.base_lr = 8e-4,
                     .min_lr = 1e-6,
                     .weight_decay = 0.05,
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .epsilon = 1e-8,
                     .batch = 1024,
                     .epochs = 300,
                     .warmup_epochs = 40,
                     .layer_decay = 0.9,
                     .layer_grouping = FCMAE_LAYERS_SINGLE,
                     .rand_augment_magnitude = 9,
                     .rand_augment_deviation = 0.5,
                     .random_erasing = 0.25,
                     .label_smoothing = 0.1,
                     .mixup = 0.8,
                     .cutmix = 1,
                     .mix_switch = 0.5,
                     .drop_path = 0.2,
                     .ema = 0.9999,
                     .head_init = 2e-5},
    };
}

/* ------------------------------------------------------------------------------- the keys */

typedef struct preset_values {
    fcmae_model_config config;
    fcmae_recipe recipe;
} preset_values;

typedef enum key_type { KEY_INT, KEY_STAGES, KEY_NUMBER, KEY_SWITCH, KEY_CHOICE } key_type;

typedef struct preset_key {
    const char *section, *name;
    key_type type;
    size_t offset;
    double low, high;       /* numbers: closed interval */
    const char *choices[2]; /* KEY_CHOICE: values 0 and 1 */
} preset_key;

#define MODEL(member) offsetof(preset_values, config.member)
#define PRETRAIN(member) \
    "pretrain", #member, KEY_NUMBER, offsetof(preset_values, recipe.pretrain.member)
#define FINETUNE(member) \
    "finetune", #member, KEY_NUMBER, offsetof(preset_values, recipe.finetune.member)

/* Largest value of what must stay below 1. */
#define BELOW_ONE (1 - 1e-9)

enum { KEY_COUNT = 45 };

static const preset_key keys[KEY_COUNT] = {
    {"model", "version", KEY_INT, MODEL(version), 1, 2},
    {"model", "depths", KEY_STAGES, MODEL(depths), 1, 256},
    {"model", "dims", KEY_STAGES, MODEL(dims), 8, 16384},
    {"model", "channels", KEY_INT, MODEL(channels), 1, 64},
    {"model", "stem_stride", KEY_INT, MODEL(stem_stride), 2, 8},
    {"model", "decoder_depth", KEY_INT, MODEL(decoder_depth), 1, 64},
    {"model", "decoder_dim", KEY_INT, MODEL(decoder_dim), 16, 8192},
    {"model", "norm_pix", KEY_SWITCH, MODEL(norm_pix)},
    {"model", "grn_scope", KEY_CHOICE, MODEL(grn_scope), .choices = {"image", "batch"}},
    {"model", "classes", KEY_INT, MODEL(classes), 1, 1000000},
    {"model", "layer_scale_init", KEY_NUMBER, MODEL(layer_scale_init), -1e6, 1e6},
    {PRETRAIN(base_lr), 0, 1e3},
    {PRETRAIN(min_lr), 0, 1e3},
    {PRETRAIN(weight_decay), 0, 1e3},
    {PRETRAIN(beta1), 0, BELOW_ONE},
    {PRETRAIN(beta2), 0, BELOW_ONE},
    {PRETRAIN(epsilon), 1e-30, 1},
    {"pretrain", "batch", KEY_INT, offsetof(preset_values, recipe.pretrain.batch), 1, 1 << 24},
    {PRETRAIN(epochs), 1e-6, 1e6},
    {PRETRAIN(warmup_epochs), 0, 1e6},
    {PRETRAIN(mask_ratio), 1e-6, 1 - 1e-6},
    {PRETRAIN(crop_min), 1e-3, 1},
    {PRETRAIN(crop_max), 1e-3, 1},
    {PRETRAIN(flip), 0, 1},
    {FINETUNE(base_lr), 0, 1e3},
    {FINETUNE(min_lr), 0, 1e3},
    {FINETUNE(weight_decay), 0, 1e3},
    {FINETUNE(beta1), 0, BELOW_ONE},
    {FINETUNE(beta2), 0, BELOW_ONE},
    {FINETUNE(epsilon), 1e-30, 1},
    {"finetune", "batch", KEY_INT, offsetof(preset_values, recipe.finetune.batch), 1, 1 << 24},
    {FINETUNE(epochs), 1e-6, 1e6},
    {FINETUNE(warmup_epochs), 0, 1e6},
    {FINETUNE(layer_decay), 1e-6, 1},
    {"finetune", "layer_grouping", KEY_CHOICE,
     offsetof(preset_values, recipe.finetune.layer_grouping), .choices = {"single", "group"}},
    {FINETUNE(rand_augment_magnitude), 0, 10},
    {FINETUNE(rand_augment_deviation), 0, 10},
    {FINETUNE(random_erasing), 0, 1},
    {FINETUNE(label_smoothing), 0, BELOW_ONE},
    {FINETUNE(mixup), 0, 1e3},
    {FINETUNE(cutmix), 0, 1e3},
    {FINETUNE(mix_switch), 0, 1},
    {FINETUNE(drop_path), 0, BELOW_ONE},
    {FINETUNE(ema), 0, BELOW_ONE},
    {FINETUNE(head_init), 0, 1},
};

_Static_assert(KEY_COUNT <= 64, "reader.seen has a bit per key");

/* -------------------------------------------------------------------------------- reading */

typedef struct preset_reader {
    const char *file, *next; /* name for messages; text not read yet */
    int line;
    uint64_t seen;
    preset_values preset;
    fcmae_error error; /* the first failure */
} preset_reader;

static int refuse(preset_reader *reader, const char *format, ...) FCMAE_PRINTF(2, 3);
static int refuse(preset_reader *reader, const char *format, ...)
{
    if (reader->error.status != FCMAE_OK) return 0;
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fcmae_fail(&reader->error, FCMAE_ERR_FORMAT, "%s:%d: %s", reader->file, reader->line, text);
    return 0;
}

/* inih's fgets: the next line of the text, or NULL at its end. */
static char *next_line(char *line, int size, void *cookie)
{
    preset_reader *reader = cookie;
    if (!*reader->next || reader->error.status != FCMAE_OK) return NULL;
    reader->line++;
    size_t length = strcspn(reader->next, "\n");
    if (length > LINE_LIMIT || length + 2 > (size_t)size) {
        refuse(reader, "the line is longer than %d bytes", LINE_LIMIT);
        return NULL;
    }
    memcpy(line, reader->next, length);
    line[length] = '\0';
    reader->next += length + (reader->next[length] == '\n');
    const char *first = line + strspn(line, " \t\r");
    if (first > line && *first && *first != ';' && *first != '#') {
        refuse(reader, "lines must not be indented");
        return NULL;
    }
    return line;
}

static bool read_int(const char *text, int *value, char **end)
{
    errno = 0;
    long number = strtol(text, end, 10);
    if (*end == text || errno || number < INT32_MIN || number > INT32_MAX) return false;
    *value = (int)number;
    return true;
}

static int set_int(preset_reader *reader, const preset_key *key, const char *text, int *out)
{
    char *end = NULL;
    int value = 0;
    if (!read_int(text, &value, &end) || *end)
        return refuse(reader, "%s = %s: must be a whole number", key->name, text);
    if (value < key->low || value > key->high)
        return refuse(reader, "%s = %s: must be in [%.0f, %.0f]", key->name, text, key->low,
                      key->high);
    *out = value;
    return 1;
}

/* "2, 2, 6, 2" */
static int set_stages(preset_reader *reader, const preset_key *key, const char *text, int *out)
{
    int values[FCMAE_STAGES];
    const char *at = text;
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        char *end = NULL;
        if (!read_int(at, &values[stage], &end))
            return refuse(reader, "%s = %s: must be %d whole numbers with commas between them",
                          key->name, text, FCMAE_STAGES);
        if (values[stage] < key->low || values[stage] > key->high)
            return refuse(reader, "%s = %s: each must be in [%.0f, %.0f]", key->name, text,
                          key->low, key->high);
        while (*end == ' ') end++;
        if (*end != (stage + 1 < FCMAE_STAGES ? ',' : '\0'))
            return refuse(reader, "%s = %s: must be %d whole numbers with commas between them",
                          key->name, text, FCMAE_STAGES);
        at = end + 1;
    }
    memcpy(out, values, sizeof values);
    return 1;
}

static int set_number(preset_reader *reader, const preset_key *key, const char *text, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return refuse(reader, "%s = %s: must be a number", key->name, text);
    if (value < key->low || value > key->high)
        return refuse(reader, "%s = %s: must be in [%g, %g]", key->name, text, key->low, key->high);
    *out = value;
    return 1;
}

static int choose(preset_reader *reader, const preset_key *key, const char *text,
                  const char *const choices[2])
{
    for (int i = 0; i < 2; i++)
        if (strcmp(text, choices[i]) == 0) return i;
    refuse(reader, "%s = %s: must be %s or %s", key->name, text, choices[0], choices[1]);
    return -1;
}

static int set_value(preset_reader *reader, const preset_key *key, const char *text)
{
    static const char *const off_on[2] = {"off", "on"};
    void *member = (char *)&reader->preset + key->offset;
    int index = 0;
    switch (key->type) {
    case KEY_INT: return set_int(reader, key, text, member);
    case KEY_STAGES: return set_stages(reader, key, text, member);
    case KEY_NUMBER: return set_number(reader, key, text, member);
    case KEY_SWITCH:
        index = choose(reader, key, text, off_on);
        if (index >= 0) *(bool *)member = index == 1;
        break;
    case KEY_CHOICE:
        index = choose(reader, key, text, key->choices);
        if (index >= 0) memcpy(member, &index, sizeof index); /* an enumeration */
        break;
    }
    return index >= 0;
}

/* inih calls this for every "name = value". */
static int take_entry(void *cookie, const char *section, const char *name, const char *text)
{
    preset_reader *reader = cookie;
    bool known_section = false;
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].section, section)) continue;
        known_section = true;
        if (strcmp(keys[i].name, name)) continue;
        if (reader->seen & (UINT64_C(1) << i))
            return refuse(reader, "%s is given twice in [%s]", name, section);
        reader->seen |= UINT64_C(1) << i;
        return set_value(reader, &keys[i], text);
    }
    if (known_section) return refuse(reader, "[%s] has no key '%s'", section, name);
    return refuse(reader,
                  "'%s' stands in section [%s]; there are [model], [pretrain] and [finetune]", name,
                  section);
}

/* "models/atto.ini" -> "atto" */
static void set_name(fcmae_model_config *config, const char *file)
{
    const char *base = strrchr(file, '/');
    snprintf(config->name, sizeof config->name, "%s", base ? base + 1 : file);
    size_t length = strlen(config->name);
    if (length > 4 && strcmp(config->name + length - 4, ".ini") == 0)
        config->name[length - 4] = '\0';
}

static fcmae_status check_preset(const preset_reader *reader, fcmae_error *error)
{
    const preset_values *preset = &reader->preset;
    const char *file = reader->file;
    if (preset->config.depths[0] == 0 || preset->config.dims[0] == 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: [model] does not say %s", file,
                          preset->config.depths[0] == 0 ? "depths" : "dims");
    if (preset->recipe.pretrain.crop_min > preset->recipe.pretrain.crop_max)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: crop_min = %g is above crop_max = %g", file,
                          preset->recipe.pretrain.crop_min, preset->recipe.pretrain.crop_max);
    fcmae_status status = fcmae_config_check(&preset->config, error);
    if (status != FCMAE_OK) return fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s", file);
    return FCMAE_OK;
}

fcmae_status fcmae_preset_parse(const char *text, const char *file, fcmae_model_config *config,
                                fcmae_recipe *recipe, fcmae_error *error)
{
    preset_reader reader = {.file = file, .next = text};
    fcmae_config_default(&reader.preset.config);
    fcmae_recipe_default(&reader.preset.recipe);
    int result = ini_parse_stream(next_line, &reader, take_entry, &reader);
    if (reader.error.status != FCMAE_OK) {
        if (error) *error = reader.error;
        return reader.error.status;
    }
    if (result > 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s:%d: neither 'key = value' nor '[section]' nor a comment", file,
                          result);
    if (result < 0) return fcmae_fail(error, FCMAE_ERR_MEMORY, "%s: no memory to read it", file);
    FCMAE_TRY(check_preset(&reader, error));
    set_name(&reader.preset.config, file);
    *config = reader.preset.config;
    if (recipe) *recipe = reader.preset.recipe;
    return FCMAE_OK;
}

/* ------------------------------------------------------------------------------- by name */

const char *const *fcmae_preset_names(int *count)
{
    if (count) *count = fcmae_preset_text_count;
    return fcmae_preset_text_names;
}

const char *fcmae_preset_text(const char *name)
{
    for (int i = 0; i < fcmae_preset_text_count; i++)
        if (strcmp(fcmae_preset_text_names[i], name) == 0) return fcmae_preset_texts[i];
    return NULL;
}

static fcmae_status unknown_name(const char *name, fcmae_error *error)
{
    char list[400] = "";
    size_t used = 0;
    for (int i = 0; i < fcmae_preset_text_count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 fcmae_preset_text_names[i]);
    return fcmae_fail(error, FCMAE_ERR_NOT_FOUND,
                      "there is no preset and no file '%s'; presets are %s", name, list);
}

fcmae_status fcmae_preset_load(const char *name, fcmae_model_config *config, fcmae_recipe *recipe,
                               fcmae_error *error)
{
    const char *built_in = fcmae_preset_text(name);
    if (built_in) return fcmae_preset_parse(built_in, name, config, recipe, error);
    FILE *file = fopen(name, "rb");
    if (!file && errno == ENOENT) return unknown_name(name, error);
    if (!file)
        return fcmae_fail(error, FCMAE_ERR_IO, "%s cannot be opened: %s", name, strerror(errno));
    char *text = malloc(FILE_LIMIT + 1);
    size_t size = text ? fread(text, 1, FILE_LIMIT + 1, file) : 0;
    fcmae_status status = FCMAE_OK;
    if (!text)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read %s", name);
    else if (ferror(file))
        status = fcmae_fail(error, FCMAE_ERR_IO, "%s cannot be read: %s", name, strerror(errno));
    else if (size > FILE_LIMIT || memchr(text, 0, size))
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is no preset: %s", name,
                            size > FILE_LIMIT ? "it is larger than 64 KiB" : "it is not text");
    fclose(file);
    if (status == FCMAE_OK) {
        text[size] = '\0';
        status = fcmae_preset_parse(text, name, config, recipe, error);
    }
    free(text);
    return status;
}
