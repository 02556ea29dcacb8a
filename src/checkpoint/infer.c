/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Which network a set of tensors is: from names and shapes, or from
 *  a checkpoint's own metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "fcmae/preset.h"
#include "model/objective.h"

static int64_t count_of(const fcmae_entries *entries, const char *official)
{
    const fcmae_entry *entry = fcmae_entries_find(entries, official);
    return entry ? entry->tensor->count : 0;
}

/** A size that fits a configuration, or 0. */
static int small(int64_t value)
{
    return value > 0 && value <= 1 << 20 ? (int)value : 0;
}

static void infer_stem(const fcmae_entries *entries, fcmae_model_config *config)
{
    const fcmae_entry *stem = fcmae_entries_find(entries, "downsample_layers.0.0.weight");
    if (!stem || stem->tensor->rank != 4) return;
    config->channels = small(stem->tensor->shape[1]);
    config->stem_stride = small(stem->tensor->shape[2]);
}

static void infer_dims(const fcmae_entries *entries, fcmae_model_config *config)
{
    for (int stage = 0; stage < FCMAE_STAGES; stage++) {
        char name[64];
        snprintf(name, sizeof name, "downsample_layers.%d.%d.bias", stage, stage ? 1 : 0);
        config->dims[stage] = small(count_of(entries, name));
        snprintf(name, sizeof name, "stages.%d.0.dwconv.bias", stage);
        if (config->dims[stage] == 0) config->dims[stage] = small(count_of(entries, name));
    }
}

static void infer_blocks(const fcmae_entries *entries, fcmae_model_config *config)
{
    config->version = 2;
    config->decoder_depth = 0;
    bool grn = false, layer_scale = false;
    for (int i = 0; i < entries->count; i++) {
        const fcmae_parsed_name *name = &entries->entry[i].parsed;
        if (name->part == FCMAE_PART_BLOCK && name->block >= config->depths[name->stage])
            config->depths[name->stage] = name->block + 1;
        if (name->part == FCMAE_PART_DECODER && strncmp(name->official, "decoder.", 8) == 0 &&
            name->block >= config->decoder_depth)
            config->decoder_depth = name->block + 1;
        if (strstr(name->official, ".grn."))
            grn = true;
        else if (name->part == FCMAE_PART_BLOCK && strstr(name->official, ".gamma"))
            layer_scale = true;
    }
    if (layer_scale && !grn) config->version = 1;
}

static bool has_part(const fcmae_entries *entries, fcmae_parameter_part part)
{
    for (int i = 0; i < entries->count; i++)
        if (entries->entry[i].parsed.part == part) return true;
    return false;
}

/** The objective whose parameters are of its own making; NULL: there are none. */
static const char *other_objective(const fcmae_entries *entries)
{
    for (int i = 0; i < entries->count; i++) {
        const fcmae_parsed_name *name = &entries->entry[i].parsed;
        char first[sizeof name->official];
        if (name->part != FCMAE_PART_OTHER) continue;
        snprintf(first, sizeof first, "%.*s", (int)strcspn(name->official, "."), name->official);
        return fcmae_objective_find(first)->name;
    }
    return NULL;
}

/** The name of the built-in preset of these sizes, or "custom". */
static void name_preset(fcmae_model_config *config)
{
    int count;
    const char *const *names = fcmae_preset_names(&count);
    snprintf(config->name, sizeof config->name, "custom");
    for (int i = 0; i < count; i++) {
        fcmae_model_config preset;
        if (fcmae_preset_load(names[i], &preset, NULL) != FCMAE_OK) continue;
        if (preset.version == config->version &&
            memcmp(preset.depths, config->depths, sizeof preset.depths) == 0 &&
            memcmp(preset.dims, config->dims, sizeof preset.dims) == 0) {
            snprintf(config->name, sizeof config->name, "%s", preset.name);
            return;
        }
    }
}

bool fcmae_entries_infer(const fcmae_entries *entries, fcmae_model_config *config)
{
    fcmae_model_config found;
    fcmae_config_default(&found);
    memset(found.depths, 0, sizeof found.depths);
    infer_stem(entries, &found);
    infer_dims(entries, &found);
    infer_blocks(entries, &found);
    found.objective = other_objective(entries);
    if (has_part(entries, FCMAE_PART_DECODER)) {
        found.objective = fcmae_objective_of_part(FCMAE_PART_DECODER);
        found.decoder_dim = small(count_of(entries, "mask_token"));
        if (found.decoder_dim == 0) found.decoder_dim = small(count_of(entries, "proj.bias"));
    } else if (count_of(entries, "head.weight") > 0 || count_of(entries, "head.bias") > 0) {
        found.objective = fcmae_objective_of_part(FCMAE_PART_HEAD);
        found.classes = small(count_of(entries, "head.bias"));
        if (found.classes == 0 && found.dims[3] > 0)
            found.classes = small(count_of(entries, "head.weight") / found.dims[3]);
    }
    if (!fcmae_config_has_part(&found, FCMAE_PART_HEAD)) found.classes = 0;
    if (fcmae_config_check(&found, NULL) != FCMAE_OK) return false;
    name_preset(&found);
    *config = found;
    return true;
}

/** Up to `count` integers out of "2, 2, 6, 2" or "[2,2,6,2]"; false if there are not that many. */
static bool read_integers(const char *text, int count, int *values)
{
    for (int i = 0; i < count; i++) {
        while (*text && !strchr("-0123456789", *text)) text++;
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || value < 0 || value > 1 << 20) return false;
        values[i] = (int)value;
        text = end;
    }
    return true;
}

static void read_integer(const fcmae_tensor_file *file, const char *key, int *value)
{
    const char *text = fcmae_tensor_file_text(file, key);
    int read;
    if (text && read_integers(text, 1, &read)) *value = read;
}

static bool text_is(const fcmae_tensor_file *file, const char *key, const char *value)
{
    const char *text = fcmae_tensor_file_text(file, key);
    return text && strcmp(text, value) == 0;
}

void fcmae_config_read_modes(const fcmae_tensor_file *file, fcmae_model_config *config)
{
    const char *name = fcmae_tensor_file_text(file, "model");
    const char *scale = fcmae_tensor_file_text(file, "layer_scale_init");
    if (name) snprintf(config->name, sizeof config->name, "%.63s", name);
    if (text_is(file, "norm_pix", "off")) config->norm_pix = false;
    if (text_is(file, "norm_pix", "on")) config->norm_pix = true;
    if (text_is(file, "grn_scope", "batch")) config->grn_scope = FCMAE_GRN_BATCH;
    if (text_is(file, "grn_scope", "image")) config->grn_scope = FCMAE_GRN_IMAGE;
    if (scale) {
        double value = strtod(scale, NULL);
        if (value > -1e6 && value < 1e6) config->layer_scale_init = value;
    }
}

bool fcmae_config_from_metadata(const fcmae_tensor_file *file, fcmae_model_config *config)
{
    fcmae_model_config found;
    const char *depths = fcmae_tensor_file_text(file, "depths");
    const char *dims = fcmae_tensor_file_text(file, "dims");
    const char *name = fcmae_tensor_file_text(file, "model");
    fcmae_config_default(&found);
    if (depths && dims) {
        if (!read_integers(depths, FCMAE_STAGES, found.depths) ||
            !read_integers(dims, FCMAE_STAGES, found.dims))
            return false;
    } else if (!name || strchr(name, '/') || strchr(name, '.') || /* built-in names only */
               fcmae_preset_load(name, &found, NULL) != FCMAE_OK)
        return false;
    read_integer(file, "version", &found.version);
    read_integer(file, "channels", &found.channels);
    read_integer(file, "stem_stride", &found.stem_stride);
    read_integer(file, "decoder_depth", &found.decoder_depth);
    read_integer(file, "decoder_dim", &found.decoder_dim);
    read_integer(file, "classes", &found.classes);
    const char *kind = fcmae_tensor_file_text(file, "kind"), *objective;
    if (kind && fcmae_objective_of_kind(kind, &objective)) found.objective = objective;
    if (!found.name[0]) snprintf(found.name, sizeof found.name, "custom");
    fcmae_config_read_modes(file, &found);
    if (fcmae_config_check(&found, NULL) != FCMAE_OK) return false;
    *config = found;
    return true;
}
