/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading side of the layouts: from any file's tensor name to the official dense one. */
#include <stdio.h>
#include <string.h>

#include "checkpoint/layout.h"
#include "checkpoint/layout_names.h"
#include "model/objective.h"

#define MOST_WORDS 12

/** A name cut at its dots. */
typedef struct words {
    int count;
    const char *word[MOST_WORDS];
    char text[FCMAE_NAME_SIZE];
} words;

static bool cut(const char *name, words *w)
{
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof w->text) return false;
    memcpy(w->text, name, length + 1);
    w->count = 0;
    for (char *next = w->text; next;) {
        if (w->count == MOST_WORDS) return false;
        w->word[w->count++] = next;
        next = strchr(next, '.');
        if (next) *next++ = 0;
    }
    return true;
}

static bool is(const words *w, int index, const char *text)
{
    return index < w->count && strcmp(w->word[index], text) == 0;
}

/** A plain decimal number below 1000 without leading zeros. */
static bool number(const words *w, int index, int *value)
{
    if (index >= w->count) return false;
    const char *text = w->word[index];
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 3 || text[length] || (text[0] == '0' && length > 1)) return false;
    *value = 0;
    for (size_t i = 0; i < length; i++) *value = *value * 10 + (text[i] - '0');
    return true;
}

static void drop(words *w, int count)
{
    w->count -= count;
    memmove(w->word, w->word + count, (size_t)w->count * sizeof *w->word);
}

static void drop_wrappers(words *w)
{
    static const char *const wrappers[] = {"module", "_orig_mod", "encoder", "convnextv2",
                                           "convnext"};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers && w->count > 1; i++)
        if (is(w, 0, wrappers[i])) {
            drop(w, 1);
            i = (size_t)-1; /* start over: they nest in any order */
        }
}

/** True and the official leaf if words from `first` on are `leaf`: weight or bias (or kernel). */
static const char *leaf_at(const words *w, int first)
{
    if (w->count != first + 1) return NULL;
    if (is(w, first, "weight") || is(w, first, "bias")) return w->word[first];
    return NULL;
}

static bool set_official(fcmae_parsed_name *parsed, const char *module, const char *leaf)
{
    if (!leaf) return false;
    snprintf(parsed->official, sizeof parsed->official, "%.40s.%.16s", module, leaf);
    return true;
}

/** The rest of a name inside a block, compared with the rows of the table. */
static bool parse_leaf(const words *w, int first, const fcmae_layout *layouts, int layout_count,
                       const char *module, fcmae_parsed_name *parsed)
{
    char rest[FCMAE_NAME_SIZE] = "";
    for (int i = first; i < w->count; i++) {
        if (i > first) strcat(rest, ".");
        strcat(rest, w->word[i]);
    }
    for (int l = 0; l < layout_count; l++)
        for (int row = 0; row < FCMAE_BLOCK_LEAVES; row++) {
            fcmae_parameter_role role = fcmae_block_leaves[row].role;
            if (strcmp(rest, fcmae_block_leaf(role, layouts[l])) != 0) continue;
            parsed->layout = layouts[l];
            parsed->kernel = layouts[l] == FCMAE_LAYOUT_SPARSE &&
                             role == FCMAE_ROLE_DEPTHWISE_WEIGHT;
            snprintf(parsed->official, sizeof parsed->official, "%.24s.%.32s", module,
                     fcmae_block_leaf(role, FCMAE_LAYOUT_DENSE));
            return true;
        }
    return false;
}

static bool parse_block(const words *w, fcmae_parsed_name *parsed)
{
    static const fcmae_layout official[] = {FCMAE_LAYOUT_DENSE, FCMAE_LAYOUT_SPARSE};
    static const fcmae_layout timm[] = {FCMAE_LAYOUT_TIMM};
    static const fcmae_layout huggingface[] = {FCMAE_LAYOUT_HUGGINGFACE};
    char module[32];
    int first = 3;
    const fcmae_layout *layouts = official;
    if (is(w, 2, "blocks")) layouts = timm;
    if (is(w, 2, "layers")) layouts = huggingface;
    if (layouts != official) first = 4;
    if (!number(w, first - 1, &parsed->block)) return false;
    parsed->part = FCMAE_PART_BLOCK;
    snprintf(module, sizeof module, "stages.%d.%d", parsed->stage, parsed->block);
    return parse_leaf(w, first, layouts, layouts == official ? 2 : 1, module, parsed);
}

static bool parse_decoder(const words *w, fcmae_parsed_name *parsed)
{
    static const fcmae_layout layouts[] = {FCMAE_LAYOUT_DENSE};
    char module[32];
    parsed->part = FCMAE_PART_DECODER;
    parsed->stage = FCMAE_STAGES;
    if (is(w, 0, "mask_token") && w->count == 1) {
        snprintf(parsed->official, sizeof parsed->official, "mask_token");
        return true;
    }
    if (is(w, 0, "proj") || is(w, 0, "pred"))
        return set_official(parsed, w->word[0], leaf_at(w, 1));
    if (!is(w, 0, "decoder") || !number(w, 1, &parsed->block)) return false;
    snprintf(module, sizeof module, "decoder.%d", parsed->block);
    return parse_leaf(w, 2, layouts, 1, module, parsed);
}

/** Stem and downsampling: `stage` and `module` (0 or 1) are known, the leaf begins at `first`. */
static bool parse_downsampling(const words *w, int first, int stage, int module,
                               fcmae_parsed_name *parsed)
{
    char name[48];
    if (stage >= FCMAE_STAGES || module > 1) return false;
    parsed->part = FCMAE_PART_DOWNSAMPLE;
    parsed->stage = stage;
    snprintf(name, sizeof name, "downsample_layers.%d.%d", stage, module);
    if (parsed->layout == FCMAE_LAYOUT_DENSE && stage > 0) { /* the sparse spelling */
        if (module == 0 && is(w, first, "ln")) {
            parsed->layout = FCMAE_LAYOUT_SPARSE;
            return set_official(parsed, name, leaf_at(w, first + 1));
        }
        if (module == 1 && is(w, first, "kernel") && w->count == first + 1) {
            parsed->layout = FCMAE_LAYOUT_SPARSE;
            parsed->kernel = true;
            return set_official(parsed, name, "weight");
        }
    }
    return set_official(parsed, name, leaf_at(w, first));
}

static bool parse_stage(const words *w, fcmae_parsed_name *parsed)
{
    int module;
    if (!number(w, 1, &parsed->stage) || parsed->stage >= FCMAE_STAGES) return false;
    bool timm = is(w, 2, "downsample"), huggingface = is(w, 2, "downsampling_layer");
    if (!timm && !huggingface) return parse_block(w, parsed);
    parsed->layout = timm ? FCMAE_LAYOUT_TIMM : FCMAE_LAYOUT_HUGGINGFACE;
    return parsed->stage > 0 && number(w, 3, &module) &&
           parse_downsampling(w, 4, parsed->stage, module, parsed);
}

static bool parse_head(const words *w, fcmae_parsed_name *parsed)
{
    static const struct {
        const char *first, *second, *official;
        fcmae_layout layout;
    } heads[] = {
        {"norm", NULL, "norm", FCMAE_LAYOUT_DENSE},
        {"head", NULL, "head", FCMAE_LAYOUT_DENSE},
        {"head", "norm", "norm", FCMAE_LAYOUT_TIMM},
        {"head", "fc", "head", FCMAE_LAYOUT_TIMM},
        {"layernorm", NULL, "norm", FCMAE_LAYOUT_HUGGINGFACE},
        {"classifier", NULL, "head", FCMAE_LAYOUT_HUGGINGFACE},
    };
    parsed->part = FCMAE_PART_HEAD;
    parsed->stage = FCMAE_STAGES;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        int first = heads[i].second ? 2 : 1;
        if (!is(w, 0, heads[i].first) || !leaf_at(w, first)) continue;
        if (heads[i].second && !is(w, 1, heads[i].second)) continue;
        parsed->layout = heads[i].layout;
        return set_official(parsed, heads[i].official, leaf_at(w, first));
    }
    return false;
}

/** <objective>.<...>: the parameters of other objectives have one name in every layout. */
static bool parse_other(const words *w, fcmae_parsed_name *parsed)
{
    const fcmae_objective *objective = fcmae_objective_find(w->word[0]);
    if (!objective || !(objective->parts & FCMAE_BIT(FCMAE_PART_OTHER)) || w->count < 2)
        return false;
    parsed->part = FCMAE_PART_OTHER;
    parsed->stage = FCMAE_STAGES;
    size_t used = 0;
    for (int i = 0; i < w->count && used < sizeof parsed->official; i++)
        used += (size_t)snprintf(parsed->official + used, sizeof parsed->official - used, "%s%s",
                                 i > 0 ? "." : "", w->word[i]);
    return used < sizeof parsed->official;
}

bool fcmae_layout_parse(const char *name, fcmae_parsed_name *parsed)
{
    words w;
    int stage, module;
    *parsed = (fcmae_parsed_name){.layout = FCMAE_LAYOUT_DENSE};
    if (!cut(name, &w)) return false;
    drop_wrappers(&w);
    if (is(&w, 0, "stages")) return parse_stage(&w, parsed);
    if (is(&w, 0, "downsample_layers"))
        return number(&w, 1, &stage) && number(&w, 2, &module) &&
               parse_downsampling(&w, 3, stage, module, parsed);
    if (is(&w, 0, "stem")) {
        parsed->layout = FCMAE_LAYOUT_TIMM;
        return number(&w, 1, &module) && parse_downsampling(&w, 2, 0, module, parsed);
    }
    if (is(&w, 0, "embeddings")) {
        parsed->layout = FCMAE_LAYOUT_HUGGINGFACE;
        if (is(&w, 1, "patch_embeddings")) return parse_downsampling(&w, 2, 0, 0, parsed);
        return is(&w, 1, "layernorm") && parse_downsampling(&w, 2, 0, 1, parsed);
    }
    return parse_decoder(&w, parsed) || parse_head(&w, parsed) || parse_other(&w, parsed);
}
