/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading presets: every entry is checked by the row of the option that it sets. */
#include "fcmae/preset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ini.h"
#include "model/model_options.h"
#include "model/preset_texts.h"
#include "model/recipes.h"

typedef struct preset_entry {
    const fcmae_option_set *set; /* of the section */
    const fcmae_option *option;
    char *value;
} preset_entry;

struct fcmae_preset {
    fcmae_model_config config;
    preset_entry *entries;
    int count;
};

/* ---- entries ---- */

/** The options that a section sets; NULL: there is no such section. */
static const fcmae_option_set *set_of_section(const char *section)
{
    if (strcmp(section, "model") == 0) return &fcmae_model_option_set;
    const fcmae_option_set *set;
    for (int i = 0; (set = fcmae_recipe_set(i)) != NULL; i++)
        if (strcmp(section, set->name) == 0) return set;
    return NULL;
}

static void list_sections(char *text, size_t size)
{
    const fcmae_option_set *set;
    size_t used = (size_t)snprintf(text, size, "[model]");
    for (int i = 0; (set = fcmae_recipe_set(i)) != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, ", [%s]", set->name);
}

static fcmae_status find_row(const fcmae_ini_entry *entry, const fcmae_option_set **set,
                             const fcmae_option **option, fcmae_error *error)
{
    *set = set_of_section(entry->section);
    if (!*set) {
        char sections[200];
        list_sections(sections, sizeof sections);
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "%s:%d: '%s' stands in section [%s]; there are %s", entry->file,
                          entry->line, entry->key, entry->section, sections);
    }
    *option = fcmae_option_find(*set, entry->key);
    if (*option && (*option)->section && strcmp((*option)->section, entry->section) == 0)
        return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s:%d: [%s] has no key '%s'", entry->file,
                      entry->line, entry->section, entry->key);
}

/** Whether the value is possible: a row alone, read into spare room. */
static fcmae_status check_value(const fcmae_option *option, const fcmae_ini_entry *entry,
                                fcmae_error *error)
{
    double spare[4];
    fcmae_option alone = *option;
    char key[64];
    alone.offset = 0;
    alone.name = fcmae_option_key(option, key, sizeof key);
    if (fcmae_option_parse(&alone, entry->value, spare, error) == FCMAE_OK) return FCMAE_OK;
    return fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s:%d", entry->file, entry->line);
}

static fcmae_status take_entry(void *cookie, const fcmae_ini_entry *entry, fcmae_error *error)
{
    fcmae_preset *preset = cookie;
    const fcmae_option_set *set = NULL;
    const fcmae_option *option = NULL;
    FCMAE_TRY(find_row(entry, &set, &option, error));
    for (int i = 0; i < preset->count; i++)
        if (preset->entries[i].option == option)
            return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s:%d: %s is given twice in [%s]",
                              entry->file, entry->line, entry->key, entry->section);
    FCMAE_TRY(check_value(option, entry, error));
    preset_entry *entries = realloc(preset->entries, ((size_t)preset->count + 1) * sizeof *entries);
    if (entries) preset->entries = entries;
    char *value = entries ? strdup(entry->value) : NULL;
    if (!value) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read %s", entry->file);
    entries[preset->count++] = (preset_entry){set, option, value};
    if (set == &fcmae_model_option_set)
        FCMAE_TRY(fcmae_option_parse(option, value, &preset->config, error));
    return FCMAE_OK;
}

/* ---- whole presets ---- */

/** "models/atto.ini" -> "atto" */
static void set_name(fcmae_model_config *config, const char *file)
{
    const char *base = strrchr(file, '/');
    snprintf(config->name, sizeof config->name, "%s", base ? base + 1 : file);
    size_t length = strlen(config->name);
    if (length > 4 && strcmp(config->name + length - 4, ".ini") == 0)
        config->name[length - 4] = '\0';
}

static fcmae_status check_model(const fcmae_model_config *config, const char *file,
                                fcmae_error *error)
{
    if (config->depths[0] == 0 || config->dims[0] == 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s: [model] does not say %s", file,
                          config->depths[0] == 0 ? "depths" : "dims");
    if (fcmae_config_check(config, error) == FCMAE_OK) return FCMAE_OK;
    return fcmae_error_prefix(error, FCMAE_ERR_FORMAT, "%s", file);
}

fcmae_status fcmae_preset_parse(fcmae_preset **out, const char *text, const char *file,
                                fcmae_error *error)
{
    fcmae_preset *preset = calloc(1, sizeof *preset);
    if (!preset) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read %s", file);
    fcmae_config_default(&preset->config);
    fcmae_status status = fcmae_ini_parse(text, file, take_entry, preset, error);
    if (status == FCMAE_OK) status = check_model(&preset->config, file, error);
    if (status != FCMAE_OK) {
        fcmae_preset_close(&preset);
        return status;
    }
    set_name(&preset->config, file);
    *out = preset;
    return FCMAE_OK;
}

void fcmae_preset_close(fcmae_preset **preset)
{
    if (!preset || !*preset) return;
    for (int i = 0; i < (*preset)->count; i++) free((*preset)->entries[i].value);
    free((*preset)->entries);
    free(*preset);
    *preset = NULL;
}

const fcmae_model_config *fcmae_preset_config(const fcmae_preset *preset)
{
    return &preset->config;
}

fcmae_status fcmae_preset_apply(const fcmae_preset *preset, fcmae_options *options,
                                fcmae_error *error)
{
    const fcmae_option_set *set = fcmae_options_describe(options);
    for (int i = 0; i < preset->count; i++) {
        const preset_entry *entry = &preset->entries[i];
        if (entry->set != set && entry->set != &fcmae_model_option_set) continue;
        if (entry->set != set && !fcmae_option_find(set, entry->option->name)) continue;
        FCMAE_TRY(fcmae_options_set_at(options, FCMAE_LEVEL_RECIPE, entry->option->name,
                                       entry->value, error));
    }
    return FCMAE_OK;
}

/* ---- by name ---- */

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

fcmae_status fcmae_preset_open(fcmae_preset **preset, const char *name, fcmae_error *error)
{
    const char *built_in = fcmae_preset_text(name);
    if (built_in) return fcmae_preset_parse(preset, built_in, name, error);
    fcmae_buffer text = {0};
    fcmae_status status = fcmae_ini_load(name, &text, error);
    if (status == FCMAE_ERR_NOT_FOUND) status = unknown_name(name, error);
    if (status == FCMAE_OK)
        status = fcmae_preset_parse(preset, (const char *)text.bytes, name, error);
    fcmae_buffer_release(&text);
    return status;
}

fcmae_status fcmae_preset_load(const char *name, fcmae_model_config *config, fcmae_error *error)
{
    fcmae_preset *preset = NULL;
    FCMAE_TRY(fcmae_preset_open(&preset, name, error));
    *config = preset->config;
    fcmae_preset_close(&preset);
    return FCMAE_OK;
}
