/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Which part of a file the network is: a dictionary (`model`, `state_dict`), what wrappers put
 * before the names (`backbone.`, `visual.trunk.`), or both, one inside the other at any depth.
 *
 * Every network has one stem. Each place where the name of its convolution stands is a network; one
 * is taken, several are listed for the user to choose. A file without any is judged by the prefix
 * under which most known names stand, so that the error says what is there.
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "core/status.h"
#include "fcmae/options.h"

#define STEM "downsample_layers.0.0.weight"

static const char *const averaged[] = {"state_dict_ema", "model_ema", "ema"};

/** Places of networks in a file. */
typedef struct places {
    int count;
    char first[FCMAE_KEY_SIZE];
    char list[300]; /**< all of them, for a message */
} places;

/** Tries the dictionary `key` ("" for the file itself): found if it holds any parameter. */
static fcmae_status try_key(fcmae_checkpoint *c, const char *key, bool *found, fcmae_error *error)
{
    char prefix[sizeof c->key + 1];
    snprintf(prefix, sizeof prefix, "%.*s%s", FCMAE_KEY_SIZE - 1, key, *key ? "." : "");
    FCMAE_TRY(fcmae_entries_collect(&c->entries, c->file, prefix, error));
    *found = c->entries.count > 0;
    if (*found)
        snprintf(c->key, sizeof c->key, "%s", key);
    else
        fcmae_entries_release(&c->entries);
    return FCMAE_OK;
}

/** As try_key(), in place of what was found before. */
static fcmae_status take(fcmae_checkpoint *c, const char *key, bool *found, fcmae_error *error)
{
    char copy[sizeof c->key];
    snprintf(copy, sizeof copy, "%s", key);
    fcmae_entries_release(&c->entries);
    return try_key(c, copy, found, error);
}

static bool has_stem(const fcmae_checkpoint *c)
{
    return fcmae_entries_find(&c->entries, STEM) != NULL;
}

static bool stands_under(const char *name, const char *key)
{
    size_t length = strlen(key);
    return length == 0 || (strncmp(name, key, length) == 0 && name[length] == '.');
}

static bool is_averaged(const char *name)
{
    for (int k = 0; k < FCMAE_COUNT(averaged); k++)
        if (stands_under(name, averaged[k])) return true;
    return false;
}

/** A dictionary of averaged weights besides the one that was taken. */
static const char *find_average(const fcmae_checkpoint *c)
{
    int count;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(c->file, &count);
    for (int k = 0; k < FCMAE_COUNT(averaged); k++) {
        bool taken = stands_under(c->key, averaged[k]) || strcmp(c->key, averaged[k]) == 0;
        for (int i = 0; i < count && !taken; i++)
            if (stands_under(tensors[i].name, averaged[k])) return averaged[k];
    }
    return NULL;
}

/** Length of what stands before a known name, with its dot; -1: no end of the name is known.
 *  @param official  the name it must be, or NULL: any */
static int before_known(const char *name, const char *official)
{
    for (const char *at = name; at; at = strchr(at, '.')) {
        fcmae_parsed_name parsed;
        if (*at == '.') at++;
        if (fcmae_layout_parse(at, &parsed) &&
            (!official || strcmp(parsed.official, official) == 0))
            return (int)(at - name);
    }
    return -1;
}

/** Networks below `key`. Averaged weights and companions of our own count only where nothing else
 *  is there. */
static void find_networks(const fcmae_checkpoint *c, const char *key, places *found)
{
    int count;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(c->file, &count);
    *found = (places){0};
    for (int pass = 0; pass < 2 && found->count == 0; pass++)
        for (int i = 0; i < count; i++) {
            const char *name = tensors[i].name;
            if (!stands_under(name, key) || (!*key && fcmae_is_companion(name)) ||
                (!*key && pass == 0 && is_averaged(name)))
                continue;
            size_t above = *key ? strlen(key) + 1 : 0;
            int length = before_known(name + above, STEM);
            if (length < 0 || above + (size_t)length < 2 ||
                above + (size_t)length > sizeof found->first)
                continue;
            char prefix[FCMAE_KEY_SIZE];
            snprintf(prefix, sizeof prefix, "%.*s", (int)above + length - 1, name);
            if (found->count == 0) memcpy(found->first, prefix, sizeof prefix);
            size_t used = strlen(found->list);
            snprintf(found->list + used, sizeof found->list - used, "%s%s",
                     found->count++ ? ", " : "", prefix);
        }
}

/** The prefix under which most known names stand; false: no name is known. */
static bool find_most(const fcmae_checkpoint *c, char best[FCMAE_KEY_SIZE])
{
    int count, most = 0, known = 0;
    char current[FCMAE_KEY_SIZE] = "";
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(c->file, &count);
    for (int i = 0; i < count; i++) { /* names of one prefix are mostly neighbours */
        int length = fcmae_is_companion(tensors[i].name) ? 0 : before_known(tensors[i].name, NULL);
        if (length < 2 || length > FCMAE_KEY_SIZE) continue;
        if (strlen(current) + 1 != (size_t)length ||
            strncmp(current, tensors[i].name, (size_t)length - 1) != 0) {
            snprintf(current, sizeof current, "%.*s", length - 1, tensors[i].name);
            known = 0;
        }
        if (++known <= most) continue;
        most = known;
        memcpy(best, current, sizeof current);
    }
    return most > 0;
}

static fcmae_status key_not_found(const fcmae_checkpoint *c, const char *key, fcmae_error *error)
{
    char list[400] = "";
    size_t used = 0;
    int count;
    places elsewhere;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(c->file, &count);
    find_networks(c, "", &elsewhere);
    if (elsewhere.count > 0)
        return fcmae_fail(error, FCMAE_ERR_NOT_FOUND,
                          "%.300s has no ConvNeXt parameters under \"%.60s\"; the key that would "
                          "do: %s",
                          c->path, key, elsewhere.list);
    const char *last = "";
    size_t last_length = 0;
    for (int i = 0; i < count && used < sizeof list - 80; i++) {
        size_t length = strcspn(tensors[i].name, ".");
        if (length > 60 || (length == last_length && strncmp(tensors[i].name, last, length) == 0))
            continue;
        last = tensors[i].name;
        last_length = length;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "",
                                 (int)length, last);
    }
    return fcmae_fail(error, FCMAE_ERR_NOT_FOUND,
                      "%.300s has no ConvNeXt parameters under \"%.60s\"; at its top are: %s",
                      c->path, key, list);
}

/** Where no stem is in what was found: the network that stands further inside, if there is one. */
static fcmae_status look_inside(fcmae_checkpoint *c, const char *key, bool *found,
                                fcmae_error *error)
{
    places inside;
    find_networks(c, key, &inside);
    if (inside.count == 1) return take(c, inside.first, found, error);
    if (inside.count == 0) return FCMAE_OK;
    fcmae_entries_release(&c->entries);
    return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                      "%.300s holds several networks: say by key which one to take (%s)", c->path,
                      inside.list);
}

/** What was found as the dictionary `model` may be the encoder of a network with more beside it:
 *  then the file itself has more known names. */
static fcmae_status prefer_whole(fcmae_checkpoint *c, bool *found, fcmae_error *error)
{
    int before = c->entries.count;
    char old[FCMAE_KEY_SIZE];
    if (!c->key[0]) return FCMAE_OK;
    snprintf(old, sizeof old, "%s", c->key);
    if (take(c, "", found, NULL) == FCMAE_OK && has_stem(c) && c->entries.count > before)
        return FCMAE_OK;
    return take(c, old, found, error);
}

/** A word before the stem may be the prefix of the whole network or part of the names of one layout
 *  (`backbone.`): whichever makes more names known. */
static fcmae_status go_deeper(fcmae_checkpoint *c, bool *found, fcmae_error *error)
{
    const fcmae_entry *stem = fcmae_entries_find(&c->entries, STEM);
    if (!stem) return FCMAE_OK;
    const char *name = stem->tensor->name; /* lives as long as the file */
    int most = c->entries.count;
    char best[FCMAE_KEY_SIZE], prefix[FCMAE_KEY_SIZE];
    snprintf(best, sizeof best, "%s", c->key);
    for (const char *at = strchr(name + c->entries.prefix_length, '.'); at;
         at = strchr(at + 1, '.')) {
        fcmae_parsed_name parsed;
        if (at - name >= FCMAE_KEY_SIZE || !fcmae_layout_parse(at + 1, &parsed) ||
            strcmp(parsed.official, STEM) != 0)
            continue;
        snprintf(prefix, sizeof prefix, "%.*s", (int)(at - name), name);
        if (take(c, prefix, found, NULL) != FCMAE_OK || c->entries.count <= most) continue;
        most = c->entries.count;
        memcpy(best, prefix, sizeof best);
    }
    return strcmp(c->key, best) == 0 && *found ? FCMAE_OK : take(c, best, found, error);
}

/** The key that the user gave: a dictionary, all that stands before the names, or part of it. */
static fcmae_status take_given(fcmae_checkpoint *c, const char *key, fcmae_error *error)
{
    char plain[FCMAE_KEY_SIZE];
    const char *own = plain, *const *candidates = &own;
    int count = 1, length = (int)strlen(key);
    bool found = false;
    if (length > 0 && key[length - 1] == '.') length--; /* as in the names themselves */
    snprintf(plain, sizeof plain, "%.*s", length, key);
    if (strcmp(plain, "ema") == 0) {
        candidates = averaged;
        count = FCMAE_COUNT(averaged);
    }
    for (int i = 0; i < count && !found; i++) {
        FCMAE_TRY(try_key(c, candidates[i], &found, error));
        if (!found || !has_stem(c)) FCMAE_TRY(look_inside(c, candidates[i], &found, error));
    }
    return found ? go_deeper(c, &found, error) : key_not_found(c, key, error);
}

fcmae_status fcmae_checkpoint_choose_key(fcmae_checkpoint *c, const char *key, fcmae_error *error)
{
    static const char *const usual[] = {"model",     "state_dict",     "",
                                        "model_ema", "state_dict_ema", "ema"};
    char best[FCMAE_KEY_SIZE];
    bool found = false;
    if (key) return take_given(c, key, error);
    for (int i = 0; i < FCMAE_COUNT(usual) && !found; i++)
        FCMAE_TRY(try_key(c, usual[i], &found, error));
    if (found) FCMAE_TRY(prefer_whole(c, &found, error));
    if (!found || !has_stem(c)) FCMAE_TRY(look_inside(c, "", &found, error));
    if ((!found || !has_stem(c)) && find_most(c, best)) { /* no network, but parts of one */
        int before = c->entries.count;
        char old[FCMAE_KEY_SIZE];
        snprintf(old, sizeof old, "%s", c->key);
        if (take(c, best, &found, NULL) != FCMAE_OK || c->entries.count < before)
            FCMAE_TRY(take(c, old, &found, error));
    }
    FCMAE_TRY(go_deeper(c, &found, error));
    c->info.average = find_average(c);
    return FCMAE_OK;
}
