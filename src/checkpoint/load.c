/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Loading parameters: compare everything first, read into a copy,
 *  then change the model at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/conversion.h"
#include "core/memory.h"
#include "core/status.h"
#include "fcmae/preset.h"

/** The sentence for a report with errors: how many, and the first of them. */
fcmae_status fcmae_load_refuse(const char *path, const fcmae_load_report *report,
                               fcmae_error *error)
{
    char list[600] = "";
    size_t used = 0;
    int shown = 0;
    for (int i = 0; i < report->count && shown < 4; i++) {
        const fcmae_mismatch *line = &report->entries[i];
        if (line->kind > FCMAE_TENSOR_WRONG_SHAPE) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %.80s", shown ? "; " : "",
                                 fcmae_mismatch_name(line->kind), line->name);
        if (line->kind == FCMAE_TENSOR_WRONG_SHAPE)
            used += (size_t)snprintf(list + used, sizeof list - used, " %.24s instead of %.24s",
                                     line->found, line->expected);
        shown++;
    }
    return fcmae_fail(error, FCMAE_ERR_MISMATCH, "%.250s does not fit the model, %d tensor%s: %s%s",
                      path, report->errors, report->errors == 1 ? "" : "s", list,
                      report->errors > shown ? "; ..." : "");
}

/** Reads every matched parameter into `block`. */
static fcmae_status read_parameters(const fcmae_tensor_file *file, const fcmae_parameter *table,
                                    int count, const fcmae_entry *const *source, float *block,
                                    fcmae_error *error)
{
    int64_t largest = 0;
    for (int i = 0; i < count; i++)
        if (source[i] && table[i].count > largest) largest = table[i].count;
    float *official = fcmae_allocate_aligned((size_t)largest, sizeof *official);
    float *scratch = fcmae_allocate_aligned((size_t)largest, sizeof *scratch);
    fcmae_status status = FCMAE_OK;
    if (!official || !scratch)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read a tensor of %lld values",
                            (long long)largest);
    for (int i = 0; i < count && status == FCMAE_OK; i++) {
        if (!source[i]) continue;
        status = fcmae_entry_read(file, source[i], &table[i], scratch, official, error);
        if (status == FCMAE_OK) fcmae_parameter_import(&table[i], official, block);
    }
    free(official);
    free(scratch);
    return status;
}

/** Matches and reads into `block`; `report` receives the comparison. */
static fcmae_status load_entries(const fcmae_checkpoint *c, const fcmae_entries *entries,
                                 const fcmae_model *model, const fcmae_load_options *options,
                                 float *block, fcmae_load_report *report, fcmae_error *error)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    const fcmae_entry **source = calloc((size_t)count + 1, sizeof *source);
    if (!source) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to compare %s", c->path);
    fcmae_status status = fcmae_entries_match(entries, table, count, options, source, report,
                                              error);
    if (status == FCMAE_OK && report->errors > 0)
        status = fcmae_load_refuse(c->path, report, error);
    if (status == FCMAE_OK) status = read_parameters(c->file, table, count, source, block, error);
    free(source);
    return status;
}

/** Loads straight into the model's own block: after a failure the model is of no use. */
static fcmae_status load_in_place(const fcmae_checkpoint *c, fcmae_model *model,
                                  const fcmae_load_options *options, fcmae_load_report *report,
                                  fcmae_error *error)
{
    return load_entries(c, &c->entries, model, options, fcmae_model_values(model), report, error);
}

fcmae_status fcmae_checkpoint_load(const fcmae_checkpoint *checkpoint, fcmae_model *model,
                                   const fcmae_load_options *options, fcmae_load_report *report,
                                   fcmae_error *error)
{
    static const fcmae_load_options strict = {0};
    fcmae_load_report own = {0};
    size_t size = (size_t)fcmae_model_block_size(model);
    float *copy = fcmae_allocate_aligned(size, sizeof *copy);
    if (!copy)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to load %s beside the model",
                          checkpoint->path);
    memcpy(copy, fcmae_model_values(model), size * sizeof *copy);
    fcmae_status status = load_entries(checkpoint, &checkpoint->entries, model,
                                       options ? options : &strict, copy, report ? report : &own,
                                       error);
    if (status == FCMAE_OK) memcpy(fcmae_model_values(model), copy, size * sizeof *copy);
    fcmae_load_report_release(&own);
    free(copy);
    return status;
}

fcmae_status fcmae_checkpoint_load_block(const fcmae_checkpoint *checkpoint,
                                         const fcmae_model *model, const char *prefix, float *block,
                                         fcmae_error *error)
{
    static const fcmae_load_options strict = {0};
    fcmae_load_report report = {0};
    fcmae_entries entries;
    FCMAE_TRY(fcmae_entries_collect(&entries, checkpoint->file, prefix, error));
    memset(block, 0, (size_t)fcmae_model_block_size(model) * sizeof *block);
    fcmae_status status = load_entries(checkpoint, &entries, model, &strict, block, &report, error);
    if (status != FCMAE_OK && *prefix)
        fcmae_error_prefix(error, status, "tensors \"%.60s...\"", prefix);
    fcmae_load_report_release(&report);
    fcmae_entries_release(&entries);
    return status;
}

/** The configuration to build from a file for the wanted objective. */
static fcmae_status wanted_config(const fcmae_checkpoint *c, const fcmae_model_source *source,
                                  bool fresh_decoder, fcmae_model_config *config,
                                  fcmae_error *error)
{
    FCMAE_TRY(fcmae_checkpoint_expect_model(c, error));
    *config = c->info.config;
    config->objective = source->objective;
    bool head = fcmae_config_has_part(config, FCMAE_PART_HEAD);
    if (head && source->classes > 0) config->classes = source->classes;
    if (head && config->classes == 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "%.300s has no classification head: say how many classes a fresh one has",
                          c->path);
    if (fcmae_config_has_part(config, FCMAE_PART_DECODER) && !c->info.has_decoder) {
        if (!fresh_decoder)
            return fcmae_fail(
                error, FCMAE_ERR_MISMATCH,
                "%.300s has no decoder: it holds %s; the checkpoints of a pretraining "
                "run have one",
                c->path, c->info.config.classes > 0 ? "a classifier" : "an encoder");
        fcmae_model_config defaults;
        fcmae_config_default(&defaults);
        config->decoder_depth = defaults.decoder_depth;
        config->decoder_dim = defaults.decoder_dim;
    }
    return fcmae_config_check(config, error);
}

/** Compares with the model of `config` before its memory is taken: what a hostile file claims to be
 *  may be larger than any machine. */
static fcmae_status compare_first(const fcmae_checkpoint *c, const fcmae_model_config *config,
                                  const fcmae_load_options *options, fcmae_load_report *report,
                                  fcmae_error *error)
{
    struct fcmae_model plan = {.config = *config};
    fcmae_status status = fcmae_model_build_table(&plan, error);
    const fcmae_entry **source = status == FCMAE_OK ? calloc((size_t)plan.count + 1, sizeof *source)
                                                    : NULL;
    if (status == FCMAE_OK && !source)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to compare %s", c->path);
    if (status == FCMAE_OK)
        status = fcmae_entries_match(&c->entries, plan.table, plan.count, options, source, report,
                                     error);
    if (status == FCMAE_OK && report->errors > 0)
        status = fcmae_load_refuse(c->path, report, error);
    free(source);
    free(plan.table);
    free(plan.blocks);
    return status;
}

fcmae_status fcmae_checkpoint_load_model(fcmae_model **model, const fcmae_model_source *source,
                                         const fcmae_load_options *options,
                                         fcmae_load_report *report, fcmae_error *error)
{
    static const fcmae_load_options strict = {0};
    fcmae_checkpoint *c = NULL;
    fcmae_model_config config;
    fcmae_model *built = NULL;
    fcmae_load_report own = {0};
    if (!options) options = &strict;
    FCMAE_TRY(fcmae_checkpoint_open(&c, source->path, source->key, error));
    fcmae_status status = wanted_config(c, source, options->fresh_decoder, &config, error);
    if (status == FCMAE_OK)
        status = compare_first(c, &config, options, report ? report : &own, error);
    if (status == FCMAE_OK) status = fcmae_model_create(&built, &config, error);
    if (status == FCMAE_OK) {
        if (options->fresh_head || options->fresh_decoder)
            fcmae_model_initialise(built, source->seed);
        status = load_in_place(c, built, options, report ? report : &own, error);
    }
    fcmae_checkpoint_close(&c);
    fcmae_load_report_release(&own);
    if (status != FCMAE_OK) {
        fcmae_model_destroy(&built);
        return status;
    }
    *model = built;
    return FCMAE_OK;
}
