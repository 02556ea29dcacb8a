/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Evaluations during fine-tuning, of the weights and their average; the best ones are kept. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "evaluate/dense_pass.h"
#include "evaluate/evaluate.h"
#include "task/finetuning.h"

#define BEST "best.safetensors"

fcmae_status fcmae_finetune_open_validation(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    const fcmae_dataset_options labelled = {.labelled = true, .log = run->callbacks.log};
    FCMAE_TRY(fcmae_dataset_open(&own->validation, v->validation, &labelled, error));
    int classes = fcmae_dataset_classes(own->validation);
    own->output_of = calloc((size_t)classes, sizeof *own->output_of);
    if (!own->output_of)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of classes");
    fcmae_status status = fcmae_class_names_match(&own->names, own->classes, own->validation, NULL,
                                                  own->output_of, &run->callbacks.log, error);
    if (status == FCMAE_OK) return FCMAE_OK;
    return fcmae_error_prefix(error, status, "%.300s does not go with %.300s", v->validation,
                              v->train);
}

/* ---- the best weights ---- */

static void best_path(const fcmae_run *run, char *path)
{
    snprintf(path, FCMAE_PATH, "%s/" BEST, run->folder.path);
}

fcmae_status fcmae_finetune_recall_best(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetune_result *last = &((fcmae_finetuning *)run->own)->last;
    char path[FCMAE_PATH];
    fcmae_tensor_file *file = NULL;
    (void)error;
    last->best_top1 = -1;
    best_path(run, path);
    if (run->state.step == 0 || fcmae_tensor_file_open(&file, path, NULL) != FCMAE_OK)
        return FCMAE_OK;
    const char *top1 = fcmae_tensor_file_text(file, "val_top1");
    const char *step = fcmae_tensor_file_text(file, "step");
    if (top1 && step) {
        last->best_top1 = strtod(top1, NULL);
        last->best_step = strtoll(step, NULL, 10);
    }
    fcmae_tensor_file_close(&file);
    return FCMAE_OK;
}

static fcmae_status save_best(const fcmae_run *run, bool average, fcmae_error *error)
{
    const fcmae_finetune_result *last = &((const fcmae_finetuning *)run->own)->last;
    char path[FCMAE_PATH], top1[40], step[32];
    best_path(run, path);
    snprintf(top1, sizeof top1, "%.17g", last->best_top1);
    snprintf(step, sizeof step, "%" PRId64, last->best_step);
    const fcmae_metadata texts[] = {run->texts[0],
                                    run->texts[1],
                                    {"step", step},
                                    {"val_top1", top1},
                                    {"weights", average ? "average" : "weights"}};
    const fcmae_named_block block = {"", average ? run->average : fcmae_model_values(run->model)};
    const fcmae_checkpoint_contents contents = {
        .blocks = &block, .block_count = 1, .metadata = texts, .metadata_count = 5};
    return fcmae_checkpoint_save(path, run->model, &contents, error);
}

/* ---- evaluations ---- */

/** With the weights that are bound to the engine now. */
static fcmae_status evaluate(fcmae_run *run, fcmae_evaluation *evaluation, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    const fcmae_finetune_values *v = fcmae_finetune_values_of(run);
    int64_t images = fcmae_dataset_count(own->validation);
    int batch = v->run.batch_size < images ? (int)v->run.batch_size : (int)images;
    const fcmae_loader_options loading = {
        .transform = fcmae_transform_evaluate(v->run.input_size, v->crop_ratio),
        .batch = batch,
        .workers = v->run.workers,
        .prefetch = FCMAE_RUN_PREFETCH,
        .bad_share = fcmae_run_bad_share(run),
        .log = run->callbacks.log};
    fcmae_tally tally;
    fcmae_pass pass = {.engine = run->engine,
                       .model = run->model,
                       .dataset = own->validation,
                       .batch = batch,
                       .size = v->run.input_size,
                       .outputs = FCMAE_PASS_LOGITS,
                       .visit = fcmae_tally_visit,
                       .visitor = &tally};
    int64_t seen = 0;
    FCMAE_TRY(fcmae_loader_create(&pass.loader, own->validation, &loading, error));
    pass.batches = fcmae_loader_batches(pass.loader);
    fcmae_status status = fcmae_tally_begin(&tally, own->classes, own->output_of, evaluation,
                                            error);
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
static fcmae_status evaluate_average(fcmae_run *run, fcmae_error *error)
{
    fcmae_finetuning *own = run->own;
    fcmae_evaluation evaluation = {0};
    fcmae_engine_bind(run->engine, run->average);
    fcmae_status status = evaluate(run, &evaluation, error);
    fcmae_engine_bind(run->engine, NULL);
    fcmae_finetune_result *r = &own->last;
    if (status == FCMAE_OK)
        take_figures(&evaluation, &r->average_top1, &r->average_top5, &r->average_loss);
    r->has_average = true;
    fcmae_evaluation_release(&evaluation);
    return status;
}

static void add_figures(const fcmae_finetune_result *r, fcmae_train_figures *figures)
{
    fcmae_run_figure(figures, "val_top1", r->top1);
    fcmae_run_figure(figures, "val_top5", r->top5);
    fcmae_run_figure(figures, "val_loss", r->loss);
    if (!r->has_average) return;
    fcmae_run_figure(figures, "ema_top1", r->average_top1);
    fcmae_run_figure(figures, "ema_top5", r->average_top5);
    fcmae_run_figure(figures, "ema_loss", r->average_loss);
}

static void tell(const fcmae_run *run, const fcmae_finetune_result *r)
{
    char average[100] = "";
    if (r->has_average)
        snprintf(average, sizeof average, "; average: top-1 %.2f %%, loss %.4f", r->average_top1,
                 r->average_loss);
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_INFO,
                   "epoch %.4g: top-1 %.2f %%, top-5 %.2f %%, loss %.4f%s", r->epoch, r->top1,
                   r->top5, r->loss, average);
}

static fcmae_status evaluate_now(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                                 fcmae_error *error)
{
    fcmae_finetune_result *r = &((fcmae_finetuning *)run->own)->last;
    fcmae_evaluation evaluation = {0};
    fcmae_status status = evaluate(run, &evaluation, error);
    if (status == FCMAE_OK) take_figures(&evaluation, &r->top1, &r->top5, &r->loss);
    r->images = evaluation.pass.images;
    r->step = step;
    r->epoch = (double)step / (double)run->plan.steps_per_epoch;
    fcmae_evaluation_release(&evaluation);
    if (status == FCMAE_OK && run->average) status = evaluate_average(run, error);
    if (status != FCMAE_OK) return status;
    add_figures(r, figures);
    bool average = r->has_average && r->average_top1 > r->top1;
    double top1 = average ? r->average_top1 : r->top1;
    if (top1 > r->best_top1) {
        r->best_top1 = top1;
        r->best_step = step;
        FCMAE_TRY(save_best(run, average, error));
    }
    tell(run, r);
    return FCMAE_OK;
}

/** Whether an update ends a stretch of `evaluate-every` epochs or the run. */
static bool is_due(const fcmae_run *run, int64_t step)
{
    double stretch = fcmae_finetune_values_of(run)->evaluate_every *
                     (double)run->plan.steps_per_epoch;
    return step == run->plan.steps ||
           floor((double)step / stretch + 1e-9) > floor((double)(step - 1) / stretch + 1e-9);
}

fcmae_status fcmae_finetune_inspect(fcmae_run *run, int64_t step, fcmae_train_figures *figures,
                                    fcmae_error *error)
{
    return is_due(run, step) ? evaluate_now(run, step, figures, error) : FCMAE_OK;
}

/* ---- what the run came to ---- */

/** Standard error of a share of n images, in percent. */
static double binomial_error(double percent, double n)
{
    double share = percent / 100;
    return n > 0 ? 100 * sqrt(share * (1 - share) / n) : 0;
}

static char *details(const fcmae_finetune_result *r)
{
    json_t *evaluation = json_pack("{s:f, s:f, s:f, s:o, s:I}", "top1", r->top1, "top1_error",
                                   binomial_error(r->top1, (double)r->images), "top5", r->top5,
                                   "loss", fcmae_json_figure(r->loss), "images",
                                   (json_int_t)r->images);
    if (r->has_average) {
        fcmae_json_set(&evaluation, "ema_top1", json_real(r->average_top1));
        fcmae_json_set(&evaluation, "ema_top5", json_real(r->average_top5));
        fcmae_json_set(&evaluation, "ema_loss", fcmae_json_figure(r->average_loss));
    }
    json_t *object = json_pack("{s:f, s:I, s:o}", "best_top1", r->best_top1, "best_step",
                               (json_int_t)r->best_step, "evaluation", evaluation);
    char *text = fcmae_json_line(object);
    json_decref(object);
    return text;
}

fcmae_status fcmae_finetune_report(fcmae_run *run, fcmae_train_result *result, fcmae_error *error)
{
    const fcmae_finetune_result *r = &((const fcmae_finetuning *)run->own)->last;
    bool evaluated = r->step > 0;
    result->details = evaluated
                          ? details(r)
                          : strdup("{\"best_top1\": 0.0, \"best_step\": 0, \"evaluation\": null}");
    if (evaluated &&
        asprintf(&result->summary,
                 "Top-1 %.2f %% (+- %.2f)%s, best %.2f %% after update %" PRId64 ": %s/" BEST,
                 r->top1, binomial_error(r->top1, (double)r->images),
                 r->has_average ? "" : " without an average", r->best_top1, r->best_step,
                 run->values->output) < 0)
        result->summary = NULL;
    if (result->details && (result->summary || !evaluated)) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the result of the evaluation");
}
