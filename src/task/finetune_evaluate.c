/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dense_pass.h"
#include "evaluate/evaluate.h"
#include "run/run_setup.h"
#include "task/finetune.h"

#define BEST "best.safetensors"

fcmae_status fcmae_finetune_open_validation(fcmae_finetuning *f, fcmae_error *error)
{
    const fcmae_dataset_options labelled = {.labelled = true, .log = f->callbacks.train.log};
    if (!f->options.validation) return FCMAE_OK;
    FCMAE_TRY(fcmae_dataset_open(&f->validation, f->options.validation, &labelled, error));
    f->output_of = calloc((size_t)fcmae_dataset_classes(f->validation), sizeof *f->output_of);
    if (!f->output_of)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of classes");
    fcmae_status status = fcmae_class_names_match(&f->names, f->classes, f->validation, NULL,
                                                  f->output_of, &f->callbacks.train.log, error);
    return status == FCMAE_OK ? FCMAE_OK
                              : fcmae_error_prefix(error, status, "%.300s does not go with %.300s",
                                                   f->options.validation, f->options.train);
}

static void best_path(const fcmae_finetuning *f, char *path)
{
    snprintf(path, FCMAE_PATH, "%s/" BEST, f->loop.folder.path);
}

void fcmae_finetune_recall_best(fcmae_finetuning *f)
{
    char path[FCMAE_PATH];
    fcmae_tensor_file *file = NULL;
    f->last.best_top1 = -1;
    best_path(f, path);
    if (f->loop.state.step == 0 || fcmae_tensor_file_open(&file, path, NULL) != FCMAE_OK) return;
    const char *top1 = fcmae_tensor_file_text(file, "val_top1");
    const char *step = fcmae_tensor_file_text(file, "step");
    if (top1 && step) {
        f->last.best_top1 = strtod(top1, NULL);
        f->last.best_step = strtoll(step, NULL, 10);
    }
    fcmae_tensor_file_close(&file);
}

static fcmae_status save_best(const fcmae_finetuning *f, bool average, fcmae_error *error)
{
    char path[FCMAE_PATH], top1[40], step[32];
    best_path(f, path);
    snprintf(top1, sizeof top1, "%.17g", f->last.best_top1);
    snprintf(step, sizeof step, "%" PRId64, f->last.best_step);
    const fcmae_metadata texts[] = {f->texts[0],
                                    f->texts[1],
                                    {"step", step},
                                    {"val_top1", top1},
                                    {"weights", average ? "average" : "weights"}};
    const fcmae_named_block block = {"", average ? f->average : fcmae_model_values(f->model)};
    const fcmae_checkpoint_contents contents = {
        .blocks = &block, .block_count = 1, .metadata = texts, .metadata_count = 5};
    return fcmae_checkpoint_save(path, f->model, &contents, error);
}

/** With the weights that are packed in the engine now. */
static fcmae_status evaluate(fcmae_finetuning *f, fcmae_evaluation *evaluation, fcmae_error *error)
{
    const fcmae_finetune_options *o = &f->options;
    int64_t images = fcmae_dataset_count(f->validation);
    int batch = o->run.batch_size < images ? (int)o->run.batch_size : (int)images;
    const fcmae_loader_options loading = {
        .transform = fcmae_transform_evaluate(o->input_size, o->crop_ratio),
        .batch = batch,
        .workers = o->run.workers > 0 ? o->run.workers : o->run.threads,
        .prefetch = FCMAE_RUN_PREFETCH,
        .bad_share = o->bad_share,
        .log = f->callbacks.train.log};
    fcmae_tally tally;
    fcmae_pass pass = {.engine = f->engine,
                       .model = f->model,
                       .batch = batch,
                       .size = o->input_size,
                       .outputs = FCMAE_PASS_LOGITS,
                       .visit = fcmae_tally_visit,
                       .visitor = &tally};
    int64_t seen = 0;
    FCMAE_TRY(fcmae_loader_create(&pass.loader, f->validation, &loading, error));
    pass.batches = fcmae_loader_batches(pass.loader);
    fcmae_status status = fcmae_tally_begin(&tally, f->classes, f->output_of, evaluation, error);
    if (status == FCMAE_OK) status = fcmae_pass_batches(&pass, &seen, error);
    fcmae_tally_end(&tally, seen);
    evaluation->pass.images = seen;
    fcmae_loader_destroy(&pass.loader);
    if (status == FCMAE_OK && seen == 0)
        status = fcmae_fail(error, FCMAE_ERR_FORMAT, "no validation image could be read");
    return status;
}

static void take_figures(const fcmae_evaluation *e, double *top1, double *top5, double *loss)
{
    double images = (double)e->pass.images;
    *top1 = 100 * (double)e->top1 / images;
    *top5 = 100 * (double)e->top5 / images;
    *loss = e->loss;
}

/** Evaluates the average of the weights. */
static fcmae_status evaluate_average(fcmae_finetuning *f, fcmae_error *error)
{
    fcmae_evaluation evaluation = {0};
    fcmae_engine_bind(f->engine, f->average);
    fcmae_status status = evaluate(f, &evaluation, error);
    fcmae_engine_bind(f->engine, NULL);
    fcmae_finetune_result *r = &f->last;
    if (status == FCMAE_OK)
        take_figures(&evaluation, &r->average_top1, &r->average_top5, &r->average_loss);
    r->has_average = true;
    fcmae_evaluation_release(&evaluation);
    return status;
}

static void add_figure(fcmae_train_figures *figures, const char *name, double value)
{
    if (figures->count >= FCMAE_TRAIN_FIGURES) return;
    int i = figures->count++;
    figures->figures[i].name = name;
    figures->figures[i].size = 1;
    figures->figures[i].values[0] = value;
}

static void log_figures(const fcmae_finetune_result *r, fcmae_train_figures *figures)
{
    add_figure(figures, "val_top1", r->top1);
    add_figure(figures, "val_top5", r->top5);
    add_figure(figures, "val_loss", r->loss);
    if (!r->has_average) return;
    add_figure(figures, "ema_top1", r->average_top1);
    add_figure(figures, "ema_top5", r->average_top5);
    add_figure(figures, "ema_loss", r->average_loss);
}

static fcmae_status evaluate_now(fcmae_finetuning *f, int64_t step, fcmae_train_figures *figures,
                                 fcmae_error *error)
{
    fcmae_finetune_result *r = &f->last;
    fcmae_evaluation evaluation = {0};
    fcmae_status status = evaluate(f, &evaluation, error);
    if (status == FCMAE_OK) take_figures(&evaluation, &r->top1, &r->top5, &r->loss);
    r->images = evaluation.pass.images;
    r->step = step;
    r->epoch = (double)step / (double)f->loop.steps_per_epoch;
    fcmae_evaluation_release(&evaluation);
    if (status == FCMAE_OK && f->average) status = evaluate_average(f, error);
    if (status != FCMAE_OK) return status;
    log_figures(r, figures);
    bool average = r->has_average && r->average_top1 > r->top1;
    double top1 = average ? r->average_top1 : r->top1;
    if (top1 > r->best_top1) {
        r->best_top1 = top1;
        r->best_step = step;
        FCMAE_TRY(save_best(f, average, error));
    }
    if (f->callbacks.evaluated) f->callbacks.evaluated(f->callbacks.train.cookie, r);
    return FCMAE_OK;
}

/** Whether an update ends a stretch of `evaluate_every` epochs or the run. */
static bool is_due(const fcmae_finetuning *f, int64_t step)
{
    double stretch = f->options.evaluate_every * (double)f->loop.steps_per_epoch;
    return step == f->loop.steps ||
           floor((double)step / stretch + 1e-9) > floor((double)(step - 1) / stretch + 1e-9);
}

fcmae_status fcmae_finetune_inspect(void *cookie, int64_t step, fcmae_engine *engine,
                                    const fcmae_batch *batch, fcmae_train_figures *figures,
                                    fcmae_error *error)
{
    fcmae_finetuning *f = cookie;
    const fcmae_train_callbacks *calls = &f->callbacks.train;
    if (f->validation && is_due(f, step)) FCMAE_TRY(evaluate_now(f, step, figures, error));
    if (calls->inspect && calls->inspect_every > 0 && step % calls->inspect_every == 0)
        return calls->inspect(calls->cookie, step, engine, batch, figures, error);
    return FCMAE_OK;
}
