/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "checkpoint/conversion.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/status.h"
#include "fcmae/preset.h"
#include "model/objective.h"

#define FRESH_HEAD_DEVIATION 2e-5

/** The network that comes out, and its head. */
static fcmae_status decide(fcmae_conversion *c, fcmae_error *error)
{
    const fcmae_checkpoint_info *info = &c->input->info;
    const fcmae_convert_options *options = c->options;
    FCMAE_TRY(fcmae_checkpoint_expect_model(c->input, error));
    c->config = info->config;
    const char *classify = fcmae_objective_of_part(FCMAE_PART_HEAD);
    c->config.objective = info->has_head ? classify : NULL;
    if (options->sparse && info->has_decoder)
        c->config.objective = fcmae_objective_of_part(FCMAE_PART_DECODER);
    if (options->classes > 0 && !fcmae_config_has_part(&c->config, FCMAE_PART_DECODER)) {
        c->config.objective = classify;
        c->config.classes = options->classes;
    }
    if (fcmae_config_has_part(&c->config, FCMAE_PART_HEAD) &&
        c->config.classes == 0) { /* head beside a decoder */
        const fcmae_entry *bias = fcmae_entries_find(&c->input->entries, "head.bias");
        c->config.classes = bias && bias->tensor->count < 1 << 20 ? (int)bias->tensor->count : 0;
    }
    if (!fcmae_config_has_part(&c->config, FCMAE_PART_HEAD)) c->config.classes = 0;
    return fcmae_config_check(&c->config, error);
}

/** Whether the output has the final norm: with a head, where it is
 *  kept, and where loaders want it. */
static bool wants_norm(const fcmae_conversion *c)
{
    return fcmae_config_has_part(&c->config, FCMAE_PART_HEAD) || c->input->info.has_norm ||
           c->options->format == FCMAE_FORMAT_TIMM ||
           c->options->format == FCMAE_FORMAT_HUGGINGFACE ||
           c->options->format == FCMAE_FORMAT_ONNX;
}

/** The table of the output: a classifier's, perhaps without its
 *  head; or the pretraining model's. */
static fcmae_status build_table(fcmae_conversion *c, fcmae_error *error)
{
    struct fcmae_model plan = {.config = c->config};
    bool norm = wants_norm(c);
    if (!plan.config.objective && norm) {
        plan.config.objective = fcmae_objective_of_part(FCMAE_PART_HEAD);
        plan.config.classes = 1;
    }
    fcmae_status status = fcmae_model_build_table(&plan, error);
    free(plan.blocks);
    if (status != FCMAE_OK) {
        free(plan.table);
        return status;
    }
    c->table = plan.table;
    for (int i = 0; i < plan.count; i++) {
        const fcmae_parameter *p = &plan.table[i];
        bool head = p->part == FCMAE_PART_HEAD &&
                    (p->role == FCMAE_ROLE_WEIGHT || p->role == FCMAE_ROLE_BIAS);
        if (head && !c->config.objective) continue;
        c->table[c->count++] = *p;
    }
    return FCMAE_OK;
}

static fcmae_status compare(fcmae_conversion *c, fcmae_error *error)
{
    fcmae_load_options options = {.fresh_head = true,
                                  .ignore_unexpected = c->options->ignore_unexpected};
    int64_t largest = 1;
    c->source = calloc((size_t)c->count + 1, sizeof *c->source);
    for (int i = 0; i < c->count; i++)
        if (c->table[i].count > largest) largest = c->table[i].count;
    c->scratch = fcmae_allocate_aligned((size_t)largest, sizeof *c->scratch);
    if (!c->source || !c->scratch)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to convert %s", c->input->path);
    FCMAE_TRY(fcmae_entries_match(&c->input->entries, c->table, c->count, &options, c->source,
                                  &c->report, error));
    return c->report.errors > 0 ? fcmae_load_refuse(c->input->path, &c->report, error) : FCMAE_OK;
}

fcmae_status fcmae_conversion_open(fcmae_conversion *c, const char *input,
                                   const fcmae_convert_options *options, fcmae_error *error)
{
    *c = (fcmae_conversion){.options = options};
    FCMAE_TRY(fcmae_checkpoint_open(&c->input, input, options->key, error));
    FCMAE_TRY(decide(c, error));
    FCMAE_TRY(build_table(c, error));
    return compare(c, error);
}

void fcmae_conversion_close(fcmae_conversion *c)
{
    fcmae_checkpoint_close(&c->input);
    fcmae_load_report_release(&c->report);
    free(c->table);
    free(c->source);
    free(c->scratch);
    *c = (fcmae_conversion){0};
}

/** A parameter of a fresh head. */
static void draw(const fcmae_parameter *p, uint64_t seed, float *official)
{
    fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_INITIALISATION, 0, 0);
    for (int64_t i = 0; i < p->count; i++)
        official[i] = p->role == FCMAE_ROLE_NORM_WEIGHT ? 1
                      : p->role == FCMAE_ROLE_WEIGHT
                          ? (float)(FRESH_HEAD_DEVIATION * fcmae_random_normal(&random))
                          : 0;
}

fcmae_status fcmae_conversion_read(fcmae_conversion *c, int index, float *official,
                                   fcmae_error *error)
{
    if (c->source[index])
        return fcmae_entry_read(c->input->file, c->source[index], &c->table[index], c->scratch,
                                official, error);
    draw(&c->table[index], c->options->seed, official);
    return FCMAE_OK;
}
