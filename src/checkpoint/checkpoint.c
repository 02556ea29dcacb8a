/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Opening checkpoints: which layout, which network; which dictionary says key.c. */
#include "fcmae/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "core/status.h"
#include "fcmae/options.h"

static void count_dtypes(fcmae_checkpoint *c)
{
    int64_t votes[FCMAE_DTYPE_OTHER + 1] = {0};
    for (int i = 0; i < c->entries.count; i++) {
        const fcmae_entry *entry = &c->entries.entry[i];
        votes[entry->tensor->dtype] += entry->tensor->count;
        c->info.values += entry->tensor->count;
        c->info.has_decoder |= entry->parsed.part == FCMAE_PART_DECODER;
        c->info.has_norm |= strncmp(entry->parsed.official, "norm.", 5) == 0;
        c->info.has_head |= strncmp(entry->parsed.official, "head.", 5) == 0;
    }
    for (int i = 1; i <= FCMAE_DTYPE_OTHER; i++)
        if (votes[i] > votes[c->info.dtype]) c->info.dtype = (fcmae_dtype)i;
}

/** Compares the file with the network it claims to be, without memory for values. */
static fcmae_status compare_with_itself(fcmae_checkpoint *c, fcmae_error *error)
{
    struct fcmae_model plan = {.config = c->info.config};
    fcmae_load_options options = {0};
    fcmae_status status = fcmae_model_build_table(&plan, error);
    const fcmae_entry **source = status == FCMAE_OK ? calloc((size_t)plan.count + 1, sizeof *source)
                                                    : NULL;
    if (status == FCMAE_OK && !source)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to compare %s", c->path);
    if (status == FCMAE_OK)
        status = fcmae_entries_match(&c->entries, plan.table, plan.count, &options, source,
                                     &c->info.report, error);
    free(source);
    free(plan.table);
    free(plan.blocks);
    return status;
}

static fcmae_status describe(fcmae_checkpoint *c, fcmae_error *error)
{
    fcmae_checkpoint_info *info = &c->info;
    info->container = fcmae_tensor_file_container(c->file);
    info->key = c->key;
    info->path = c->path;
    info->layout = fcmae_entries_layout(&c->entries);
    info->parameters = c->entries.count;
    fcmae_tensor_file_tensors(c->file, &info->tensors);
    count_dtypes(c);
    info->recognised = fcmae_entries_infer(&c->entries, &info->config);
    if (!info->recognised) {
        fcmae_config_from_metadata(c->file, &info->config);
        return FCMAE_OK;
    }
    fcmae_config_read_modes(c->file, &info->config);
    return compare_with_itself(c, error);
}

/** Side of the input that the metadata records, if that makes sense. */
static int recorded_input(const fcmae_checkpoint *c)
{
    const char *text = fcmae_tensor_file_text(c->file, "input_size");
    long pixels = text ? strtol(text, NULL, 10) : 0;
    return pixels >= 16 && pixels <= 8192 ? (int)pixels : 0;
}

/** Takes over `c`, whose file is open. */
static fcmae_status finish_open(fcmae_checkpoint *c, const char *key, fcmae_checkpoint **out,
                                fcmae_error *error)
{
    fcmae_status status = fcmae_checkpoint_choose_key(c, key, error);
    if (status == FCMAE_OK) status = describe(c, error);
    if (status != FCMAE_OK) {
        fcmae_checkpoint_close(&c);
        return status;
    }
    c->info.input_size = recorded_input(c);
    *out = c;
    return FCMAE_OK;
}

fcmae_status fcmae_checkpoint_open(fcmae_checkpoint **checkpoint, const char *path, const char *key,
                                   fcmae_error *error)
{
    char found[4096];
    FCMAE_TRY(fcmae_checkpoint_find(path, found, sizeof found, error));
    fcmae_checkpoint *c = calloc(1, sizeof *c);
    if (c) c->path = strdup(found);
    if (!c || !c->path) {
        fcmae_checkpoint_close(&c);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open %s", path);
    }
    fcmae_status status = fcmae_tensor_file_open(&c->file, c->path, error);
    if (status != FCMAE_OK) {
        fcmae_checkpoint_close(&c);
        return status;
    }
    return finish_open(c, key, checkpoint, error);
}

fcmae_status fcmae_checkpoint_open_memory(fcmae_checkpoint **checkpoint, const void *bytes,
                                          size_t size, const char *key, fcmae_error *error)
{
    fcmae_checkpoint *c = calloc(1, sizeof *c);
    if (c) c->path = strdup("(memory)");
    if (!c || !c->path) {
        fcmae_checkpoint_close(&c);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to open a checkpoint");
    }
    fcmae_status status = fcmae_tensor_file_open_memory(&c->file, bytes, size, error);
    if (status != FCMAE_OK) {
        fcmae_checkpoint_close(&c);
        return status;
    }
    return finish_open(c, key, checkpoint, error);
}

void fcmae_checkpoint_close(fcmae_checkpoint **checkpoint)
{
    if (!checkpoint || !*checkpoint) return;
    fcmae_checkpoint *c = *checkpoint;
    fcmae_entries_release(&c->entries);
    fcmae_load_report_release(&c->info.report);
    fcmae_tensor_file_close(&c->file);
    free(c->path);
    free(c);
    *checkpoint = NULL;
}

const fcmae_checkpoint_info *fcmae_checkpoint_describe(const fcmae_checkpoint *checkpoint)
{
    return &checkpoint->info;
}

/** model-00001-of-00003.safetensors and its like. */
static bool is_shard(const char *path)
{
    const char *of = strstr(path, "-of-");
    while (of && strstr(of + 1, "-of-")) of = strstr(of + 1, "-of-");
    return of && of > path && strchr("0123456789", of[-1]) && of[4] >= '0' && of[4] <= '9';
}

fcmae_status fcmae_checkpoint_expect_model(const fcmae_checkpoint *checkpoint, fcmae_error *error)
{
    enum { SHOWN = 3 };
    const fcmae_checkpoint_info *info = &checkpoint->info;
    char names[300] = "";
    int count;
    if (info->recognised) return FCMAE_OK;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(checkpoint->file, &count);
    for (int i = 0; i < count && i < SHOWN; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%.80s", i > 0 ? ", " : "", tensors[i].name);
    }
    if (count == 0)
        return fcmae_fail(
            error, FCMAE_ERR_MISMATCH,
            "%.300s holds no dictionary of tensors: a whole module, perhaps; save its "
            "state_dict() instead",
            checkpoint->path);
    if (info->parameters == 0)
        return fcmae_fail(
            error, FCMAE_ERR_MISMATCH,
            "%.300s holds no ConvNeXt: none of its %d tensors has a known name (%s%s)",
            checkpoint->path, count, names, count > SHOWN ? ", ..." : "");
    return fcmae_fail(
        error, FCMAE_ERR_MISMATCH,
        "%.300s holds parts of a ConvNeXt, but no whole encoder: %d of its %d tensors "
        "have known names (%s%s)%s",
        checkpoint->path, info->parameters, count, names, count > SHOWN ? ", ..." : "",
        is_shard(checkpoint->path) ? "; it is one of several files: give their folder" : "");
}

const fcmae_tensor_file *fcmae_checkpoint_file(const fcmae_checkpoint *checkpoint)
{
    return checkpoint->file;
}
