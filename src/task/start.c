/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "task/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "fcmae/preset.h"

/** Whether a checkpoint of the run will replace every weight anyway. */
static bool goes_on(const fcmae_run *run)
{
    char text[32];
    return fcmae_run_recorded(run, "batch-size", text, sizeof text);
}

/* ---- which network ---- */

/** The network of a file as a preset: options of a run that nobody gave come from there. */
static fcmae_status apply_network(const fcmae_checkpoint_info *info, bool encoder_only,
                                  fcmae_run *run, fcmae_error *error)
{
    const fcmae_model_config *c = &info->config;
    const int *depths = c->depths, *dims = c->dims;
    char text[600];
    int used = snprintf(text, sizeof text,
                        "[model]\nversion = %d\ndepths = %d, %d, %d, %d\ndims = %d, %d, %d, %d\n"
                        "channels = %d\nstem_stride = %d\n",
                        c->version, depths[0], depths[1], depths[2], depths[3], dims[0], dims[1],
                        dims[2], dims[3], c->channels, c->stem_stride);
    if (info->has_decoder && !encoder_only)
        snprintf(text + used, sizeof text - (size_t)used,
                 "decoder_depth = %d\ndecoder_dim = %d\nnorm_pix = %s\n", c->decoder_depth,
                 c->decoder_dim, c->norm_pix ? "on" : "off");
    fcmae_preset *preset = NULL;
    FCMAE_TRY(fcmae_preset_parse(&preset, text, c->name[0] ? c->name : "given", error));
    fcmae_status status = fcmae_preset_apply(preset, run->options, error);
    if (status == FCMAE_OK)
        memcpy(run->values->model.name, fcmae_preset_config(preset)->name,
               sizeof run->values->model.name);
    fcmae_preset_close(&preset);
    return status;
}

static fcmae_status apply_recipe(const char *name, fcmae_run *run, fcmae_error *error)
{
    fcmae_preset *preset = NULL;
    if (!fcmae_preset_text(name)) return FCMAE_OK;
    FCMAE_TRY(fcmae_preset_open(&preset, name, error));
    fcmae_status status = fcmae_preset_apply(preset, run->options, error);
    fcmae_preset_close(&preset);
    return status;
}

/** Opens the file; where it is gone, the weights of the run itself: the same network. */
static fcmae_status open_file(const fcmae_start *start, const fcmae_run *run,
                              fcmae_checkpoint **file, fcmae_error *error)
{
    fcmae_status status = fcmae_checkpoint_open(file, start->path, start->key, error);
    if (status != FCMAE_ERR_NOT_FOUND || fcmae_run_open_own(run, file, NULL) != FCMAE_OK)
        return status;
    return FCMAE_OK;
}

fcmae_status fcmae_start_resolve(fcmae_start *start, fcmae_run *run, fcmae_error *error)
{
    fcmae_checkpoint *file = NULL;
    start->path[0] = 0;
    if (!start->given) {
        if (!start->encoder_only) return FCMAE_OK;
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "init-encoder-only says what to take of the file of init, which is not "
                          "given");
    }
    fcmae_status found = fcmae_checkpoint_find(start->given, start->path, sizeof start->path,
                                               error);
    if (found == FCMAE_ERR_NOT_FOUND) /* a run that goes on can do without it */
        snprintf(start->path, sizeof start->path, "%s", start->given);
    else if (found != FCMAE_OK)
        return found;
    if (strcmp(start->given, start->path) != 0)
        fcmae_log_line(&run->callbacks.log, FCMAE_LOG_INFO, "%s stands for %s", start->given,
                       start->path);
    if (fcmae_options_given(run->options, "model")) return FCMAE_OK;
    FCMAE_TRY(open_file(start, run, &file, error));
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(file);
    fcmae_status status = fcmae_checkpoint_expect_model(file, error);
    if (status == FCMAE_OK) status = apply_recipe(info->config.name, run, error);
    if (status == FCMAE_OK) status = apply_network(info, start->encoder_only, run, error);
    fcmae_checkpoint_close(&file);
    return status;
}

/* ---- the weights ---- */

void fcmae_start_remark(const fcmae_run *run, const fcmae_checkpoint_info *info)
{
    const fcmae_log *log = &run->callbacks.log;
    char names[500];
    if (info->average)
        fcmae_log_line(log, FCMAE_LOG_INFO,
                       "%s also holds averaged weights (%s), often the better ones: they are not "
                       "used without the key ema",
                       info->path, info->average);
    if (fcmae_load_report_unexpected(&info->report, names, sizeof names) > 0)
        fcmae_log_line(log, FCMAE_LOG_INFO, "left out, since they are none of a ConvNeXt: %s",
                       names);
}

/** Tensors that the model kept because the file has none, or one of another size. */
static int kept(const fcmae_load_report *report)
{
    int count = 0;
    for (int i = 0; i < report->count; i++) count += report->entries[i].kind == FCMAE_TENSOR_KEPT;
    return count;
}

/** Copies the tensors of an encoder into the model that has more behind it. */
static fcmae_status copy_encoder(fcmae_model *encoder, fcmae_model *model, fcmae_error *error)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(encoder, &count);
    int64_t largest = 1;
    for (int i = 0; i < count; i++)
        if (table[i].count > largest) largest = table[i].count;
    float *official = fcmae_allocate_aligned((size_t)largest, sizeof *official);
    if (!official)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to copy a tensor of %lld values",
                          (long long)largest);
    for (int i = 0; i < count; i++) {
        fcmae_parameter_export(&table[i], fcmae_model_values(encoder), official);
        fcmae_parameter_import(fcmae_model_find(model, table[i].name), official,
                               fcmae_model_values(model));
    }
    free(official);
    return FCMAE_OK;
}

/** The encoder alone: what is behind it stays as it was initialised. */
static fcmae_status load_encoder(const fcmae_checkpoint *file, fcmae_run *run, fcmae_error *error)
{
    fcmae_model_config config = run->values->model;
    fcmae_model *encoder = NULL;
    const fcmae_load_options options = {.ignore_unexpected = true};
    config.objective = NULL;
    FCMAE_TRY(fcmae_model_create(&encoder, &config, error));
    fcmae_status status = fcmae_checkpoint_load(file, encoder, &options, NULL, error);
    if (status == FCMAE_OK) status = copy_encoder(encoder, run->model, error);
    fcmae_model_destroy(&encoder);
    return status;
}

/** A decoder is taken whole or not at all: half of one is worth less than a fresh one. */
static fcmae_status load_weights(const fcmae_start *start, const fcmae_checkpoint *file,
                                 fcmae_run *run, fcmae_error *error)
{
    const fcmae_checkpoint_info *info = fcmae_checkpoint_describe(file);
    const fcmae_log *log = &run->callbacks.log;
    fcmae_load_report report = {0};
    const fcmae_load_options options = {
        .fresh_head = true, .fresh_decoder = true, .ignore_unexpected = true};
    FCMAE_TRY(fcmae_checkpoint_expect_model(file, error));
    fcmae_start_remark(run, info);
    if (start->encoder_only || !info->has_decoder) {
        FCMAE_TRY(load_encoder(file, run, error));
        fcmae_log_line(log, FCMAE_LOG_INFO, "the encoder comes from %s; the decoder is fresh%s",
                       start->path, info->has_decoder ? "" : ", since the file has none");
        return FCMAE_OK;
    }
    fcmae_status status = fcmae_checkpoint_load(file, run->model, &options, &report, error);
    int fresh = kept(&report);
    fcmae_load_report_release(&report);
    if (status != FCMAE_OK) return status;
    if (fresh == 0) {
        fcmae_log_line(log, FCMAE_LOG_INFO, "encoder and decoder come from %s", start->path);
        return FCMAE_OK;
    }
    fcmae_model_initialise(run->model, (uint64_t)run->values->seed);
    FCMAE_TRY(load_encoder(file, run, error));
    fcmae_log_line(log, FCMAE_LOG_INFO,
                   "the encoder comes from %s; the decoder is fresh, since that of the file is "
                   "another one (%d tensors differ)",
                   start->path, fresh);
    return FCMAE_OK;
}

fcmae_status fcmae_start_load(const fcmae_start *start, fcmae_run *run, fcmae_error *error)
{
    fcmae_checkpoint *file = NULL;
    if (!start->path[0] || goes_on(run)) return FCMAE_OK;
    FCMAE_TRY(fcmae_checkpoint_open(&file, start->path, start->key, error));
    fcmae_status status = load_weights(start, file, run, error);
    fcmae_checkpoint_close(&file);
    return status;
}
