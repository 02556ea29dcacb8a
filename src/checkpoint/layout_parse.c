/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading side of the layouts: from any file's tensor name to the official dense one. */
#include <stdio.h>
#include <string.h>

#include "checkpoint/layout.h"
#include "checkpoint/layout_names.h"
#include "model/objective.h"

/** Whether a name begins with a word and goes on behind its dot: the rest, or NULL. */
static const char *after_word(const char *name, const char *word)
{
    size_t length = strlen(word);
    return strncmp(name, word, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

/** The name without what wrappers and whole models put before it, nested in any order. */
static const char *without_wrappers(const char *name)
{
    static const char *const wrappers[] = {"module", "_orig_mod", "encoder", "convnextv2",
                                           "convnext"};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers;) {
        const char *rest = after_word(name, wrappers[i]);
        name = rest ? rest : name;
        i = rest ? 0 : i + 1;
    }
    return name;
}

/** A plain decimal number below 1000 without leading zeros; NULL, or what stands behind it. */
static const char *number(const char *text, int *value)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 3 || (text[0] == '0' && length > 1)) return NULL;
    *value = 0;
    for (size_t i = 0; i < length; i++) *value = *value * 10 + (text[i] - '0');
    return text + length;
}

/** Compares the words of a name with a pattern: what follows them behind a dot, or NULL. */
static const char *match(const char *pattern, const char *name, fcmae_parsed_name *parsed)
{
    if (!pattern) return NULL;
    pattern = without_wrappers(pattern);
    for (; *pattern; pattern++) {
        if (*pattern != '%') {
            if (*name++ != *pattern) return NULL;
            continue;
        }
        int value;
        name = number(name, &value);
        if (!name) return NULL;
        pattern++;
        if ((*pattern == 'e' && value % 2 != 0) || (*pattern == 'o' && value % 2 == 0)) return NULL;
        if (*pattern == 'b')
            parsed->block = value;
        else
            parsed->stage = *pattern == 's' ? value : value / 2;
    }
    return *name == '.' ? name + 1 : NULL;
}

static bool is_leaf(const char *text)
{
    return text && (strcmp(text, "weight") == 0 || strcmp(text, "bias") == 0);
}

/** The rest of a name inside a block, compared with the leaves of the row. */
static bool parse_leaf(const char *rest, fcmae_layout layout, const char *module,
                       fcmae_parsed_name *parsed)
{
    for (int i = 0; i < FCMAE_BLOCK_LEAVES; i++) {
        const char *leaf = fcmae_layout_names_of(layout)->leaf[i];
        if (!leaf || strcmp(rest, leaf) != 0) continue;
        parsed->kernel = layout == FCMAE_LAYOUT_SPARSE &&
                         fcmae_block_roles[i] == FCMAE_ROLE_DEPTHWISE_WEIGHT;
        snprintf(parsed->official, sizeof parsed->official, "%.24s.%.32s", module,
                 fcmae_block_leaf(fcmae_block_roles[i], FCMAE_LAYOUT_DENSE));
        return true;
    }
    return false;
}

static bool parse_downsampling(const char *name, fcmae_layout layout, fcmae_parsed_name *parsed)
{
    const fcmae_layout_names *names = fcmae_layout_names_of(layout);
    for (int module = 0; module < 2; module++) {
        parsed->stage = 0;
        const char *leaf = match(names->stem[module], name, parsed);
        if (!is_leaf(leaf)) {
            leaf = match(names->downsample[module], name, parsed);
            if (parsed->stage < 1 || parsed->stage >= FCMAE_STAGES) continue;
        }
        parsed->kernel = leaf && layout == FCMAE_LAYOUT_SPARSE && module == 1 &&
                         parsed->stage > 0 && strcmp(leaf, "kernel") == 0;
        if (parsed->kernel) leaf = "weight";
        if (!is_leaf(leaf)) continue;
        parsed->part = FCMAE_PART_DOWNSAMPLE;
        snprintf(parsed->official, sizeof parsed->official, "downsample_layers.%d.%d.%s",
                 parsed->stage, module, leaf);
        return true;
    }
    return false;
}

static bool parse_block(const char *name, fcmae_layout layout, fcmae_parsed_name *parsed)
{
    char module[32];
    const char *rest = match(fcmae_layout_names_of(layout)->block, name, parsed);
    if (!rest || parsed->stage >= FCMAE_STAGES) return false;
    parsed->part = FCMAE_PART_BLOCK;
    snprintf(module, sizeof module, "stages.%d.%d", parsed->stage, parsed->block);
    return parse_leaf(rest, layout, module, parsed);
}

static bool parse_head(const char *name, fcmae_layout layout, fcmae_parsed_name *parsed)
{
    const fcmae_layout_names *names = fcmae_layout_names_of(layout);
    const char *norm = match(names->norm, name, parsed), *head = match(names->head, name, parsed);
    if (!is_leaf(norm) && !is_leaf(head)) return false;
    parsed->part = FCMAE_PART_HEAD;
    parsed->stage = FCMAE_STAGES;
    snprintf(parsed->official, sizeof parsed->official, "%s.%s", is_leaf(norm) ? "norm" : "head",
             is_leaf(norm) ? norm : head);
    return true;
}

/** A name of that layout. */
static bool parse_as(const char *name, fcmae_layout layout, fcmae_parsed_name *parsed)
{
    *parsed = (fcmae_parsed_name){.layout = layout};
    return parse_downsampling(name, layout, parsed) || parse_block(name, layout, parsed) ||
           parse_head(name, layout, parsed);
}

static bool parse_decoder(const char *name, fcmae_parsed_name *parsed)
{
    char module[32];
    *parsed = (fcmae_parsed_name){
        .layout = FCMAE_LAYOUT_DENSE, .part = FCMAE_PART_DECODER, .stage = FCMAE_STAGES};
    bool whole = strcmp(name, "mask_token") == 0 || is_leaf(after_word(name, "proj")) ||
                 is_leaf(after_word(name, "pred"));
    if (whole) {
        snprintf(parsed->official, sizeof parsed->official, "%s", name);
        return true;
    }
    const char *rest = match("decoder.%b", name, parsed);
    snprintf(module, sizeof module, "decoder.%d", parsed->block);
    return rest && parse_leaf(rest, FCMAE_LAYOUT_DENSE, module, parsed);
}

/** <objective>.<...>: the parameters of other objectives have one name in every layout. */
static bool parse_other(const char *name, fcmae_parsed_name *parsed)
{
    char first[sizeof parsed->official];
    size_t length = strcspn(name, ".");
    if (!name[length] || strlen(name) >= sizeof first) return false;
    snprintf(first, sizeof first, "%.*s", (int)length, name);
    const fcmae_objective *objective = fcmae_objective_find(first);
    if (!objective || !(objective->parts & FCMAE_BIT(FCMAE_PART_OTHER))) return false;
    *parsed = (fcmae_parsed_name){
        .layout = FCMAE_LAYOUT_DENSE, .part = FCMAE_PART_OTHER, .stage = FCMAE_STAGES};
    snprintf(parsed->official, sizeof parsed->official, "%s", name);
    return true;
}

bool fcmae_layout_parse(const char *name, fcmae_parsed_name *parsed)
{
    name = without_wrappers(name);
    if (strlen(name) >= FCMAE_NAME_SIZE) return false;
    /* what several spell alike counts as dense */
    if (parse_as(name, FCMAE_LAYOUT_DENSE, parsed)) return true;
    for (fcmae_layout layout = FCMAE_LAYOUT_SPARSE; layout <= FCMAE_LAYOUT_LAST; layout++) {
        const char *outer = fcmae_layout_names_of(layout)->outer;
        const char *within = outer ? after_word(name, outer) : NULL;
        if (parse_as(name, layout, parsed) || (within && parse_as(within, layout, parsed)))
            return true;
    }
    return parse_decoder(name, parsed) || parse_other(name, parsed);
}

bool fcmae_layout_beside(const char *name)
{
    name = without_wrappers(name);
    for (fcmae_layout layout = FCMAE_LAYOUT_SPARSE; layout <= FCMAE_LAYOUT_LAST; layout++) {
        const fcmae_layout_names *names = fcmae_layout_names_of(layout);
        const char *within = names->outer ? after_word(name, names->outer) : NULL;
        for (const char *word = names->beside; word && *word; word = strchr(word, '.') + 1) {
            size_t length = (size_t)(strchr(word, '.') + 1 - word);
            if (strncmp(name, word, length) == 0 || (within && strncmp(within, word, length) == 0))
                return true;
        }
    }
    return false;
}
