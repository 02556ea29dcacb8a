/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "evaluate/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dense_pass.h"

enum { TOP = 5 };

void fcmae_evaluation_release(fcmae_evaluation *evaluation)
{
    free(evaluation->class_images);
    free(evaluation->class_top1);
    free(evaluation->confusions);
    *evaluation = (fcmae_evaluation){0};
}

/** log of the sum of exp(logits). */
static double log_total(const float *logits, int classes)
{
    double most = -INFINITY, total = 0;
    for (int k = 0; k < classes; k++)
        if (logits[k] > most) most = logits[k];
    for (int k = 0; k < classes; k++) total += exp(logits[k] - most);
    return most + log(total);
}

int fcmae_top_classes(const float *logits, int classes, int count, int32_t *best,
                      double *probability)
{
    int found = 0;
    if (count > classes) count = classes;
    for (int k = 0; k < classes; k++) {
        if (found == count && (count == 0 || !(logits[k] > logits[best[found - 1]]))) continue;
        int place = found < count ? found++ : found - 1;
        while (place > 0 && logits[best[place - 1]] < logits[k]) {
            best[place] = best[place - 1];
            place--;
        }
        best[place] = k;
    }
    double total = log_total(logits, classes);
    for (int i = 0; i < found; i++) probability[i] = exp(logits[best[i]] - total);
    return found;
}

fcmae_status fcmae_tally_begin(fcmae_tally *tally, int classes, const int32_t *output_of,
                               fcmae_evaluation *evaluation, fcmae_error *error)
{
    fcmae_evaluation_release(evaluation);
    *tally = (fcmae_tally){.classes = classes, .output_of = output_of, .evaluation = evaluation};
    evaluation->classes = classes;
    evaluation->class_images = calloc((size_t)classes, sizeof *evaluation->class_images);
    evaluation->class_top1 = calloc((size_t)classes, sizeof *evaluation->class_top1);
    if (evaluation->class_images && evaluation->class_top1) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to count %d classes", classes);
}

static fcmae_status note_confusion(fcmae_tally *tally, int32_t label, int32_t predicted,
                                   fcmae_error *error)
{
    if (tally->pair_count == tally->capacity) {
        int64_t capacity = tally->capacity ? 2 * tally->capacity : 256;
        int32_t *pairs = realloc(tally->pairs, (size_t)capacity * 2 * sizeof *pairs);
        if (!pairs) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to count confusions");
        tally->pairs = pairs;
        tally->capacity = capacity;
    }
    tally->pairs[2 * tally->pair_count] = label;
    tally->pairs[2 * tally->pair_count + 1] = predicted;
    tally->pair_count++;
    return FCMAE_OK;
}

fcmae_status fcmae_tally_visit(void *cookie, const fcmae_pass_batch *batch, fcmae_error *error)
{
    fcmae_tally *tally = cookie;
    fcmae_evaluation *e = tally->evaluation;
    for (int i = 0; i < batch->samples.count; i++) {
        const float *logits = batch->logits + (size_t)i * (size_t)tally->classes;
        int32_t label = tally->output_of[batch->samples.labels[i]], best[TOP];
        double probability[TOP];
        int found = fcmae_top_classes(logits, tally->classes, TOP, best, probability);
        e->class_images[label]++;
        tally->loss_sum += log_total(logits, tally->classes) - logits[label];
        for (int k = 0; k < found; k++) e->top5 += best[k] == label;
        if (found > 0 && best[0] == label) {
            e->top1++;
            e->class_top1[label]++;
        } else {
            FCMAE_TRY(note_confusion(tally, label, found > 0 ? best[0] : -1, error));
        }
    }
    return FCMAE_OK;
}

static int compare_pairs(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
    return (x[1] > y[1]) - (x[1] < y[1]);
}

static int compare_confusions(const void *a, const void *b)
{
    const fcmae_confusion *x = a, *y = b;
    if (x->images != y->images) return x->images > y->images ? -1 : 1;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

/** Equal pairs become one entry. */
static void collect_confusions(fcmae_tally *tally)
{
    fcmae_evaluation *e = tally->evaluation;
    if (tally->pair_count == 0) return;
    qsort(tally->pairs, (size_t)tally->pair_count, 2 * sizeof *tally->pairs, compare_pairs);
    e->confusions = calloc((size_t)tally->pair_count, sizeof *e->confusions);
    if (!e->confusions) return; /* the figures do not depend on this list */
    for (int64_t i = 0; i < tally->pair_count; i++) {
        const int32_t *pair = tally->pairs + 2 * i;
        fcmae_confusion *last = e->confusions + e->confusion_count - 1;
        if (e->confusion_count == 0 || last->label != pair[0] || last->predicted != pair[1])
            e->confusions[e->confusion_count++] = (fcmae_confusion){pair[0], pair[1], 1};
        else
            last->images++;
    }
    qsort(e->confusions, (size_t)e->confusion_count, sizeof *e->confusions, compare_confusions);
}

void fcmae_tally_end(fcmae_tally *tally, int64_t images)
{
    collect_confusions(tally);
    tally->evaluation->loss = images > 0 ? tally->loss_sum / (double)images : 0;
    free(tally->pairs);
    tally->pairs = NULL;
}

fcmae_status fcmae_evaluate(fcmae_model *model, const fcmae_dataset *dataset,
                            const int32_t *output_of, const fcmae_pass_options *options,
                            fcmae_evaluation *evaluation, fcmae_error *error)
{
    const fcmae_model_config *config = fcmae_model_configuration(model);
    if (!fcmae_config_has_part(config, FCMAE_PART_HEAD))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "a network without a head cannot be evaluated");
    if (fcmae_dataset_classes(dataset) == 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the images have no labels");
    fcmae_tally tally;
    fcmae_pass_result pass = {0};
    fcmae_status status = fcmae_tally_begin(&tally, config->classes, output_of, evaluation, error);
    if (status == FCMAE_OK)
        status = fcmae_pass_run(model, dataset, options, FCMAE_PASS_LOGITS, fcmae_tally_visit,
                                &tally, &pass, error);
    fcmae_tally_end(&tally, pass.images);
    evaluation->pass = pass;
    return status;
}
