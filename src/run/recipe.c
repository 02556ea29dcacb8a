/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The automatic recipe: batch, length, learning rate and input size from the images at hand.
 *
 * The published recipes are made for a million images and 4096 of them in an update; a few hundred
 * or thousand photos get a handful of updates at a vanishing rate from them. The rules here were
 * chosen by what the features are worth afterwards (docs/recipe.md has the runs):
 *
 *   batch    16, from 200 images on 32, from 800 on 64, from 50,000 on 128, from 200,000 on 256
 *   epochs   rule.epochs sqrt(1000 / images), between the rule's bounds
 *   rate     rule.lr sqrt(samples of an update / 64)
 *   input    the middle one of the shorter sides of some images, down to a multiple of 32
 *
 * A run that is continued takes what its checkpoint records. What the user gives stands above all.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "fcmae/preset.h"
#include "image/codec.h"
#include "run/run.h"

enum { PROBED = 65, SMALLEST_INPUT = 64, INPUT_STEP = 32 };

/* ---- the rules ---- */

static int64_t choose_batch(int64_t images)
{
    static const struct {
        int64_t images, batch;
    } rule[] = {{200000, 256}, {50000, 128}, {800, 64}, {200, 32}, {16, 16}};
    for (int i = 0; i < FCMAE_COUNT(rule); i++)
        if (images >= rule[i].images) return rule[i].batch;
    return images;
}

static double choose_epochs(const fcmae_run_rule *rule, int64_t images)
{
    double epochs = rint(rule->epochs * sqrt(1000.0 / (double)images));
    return fmin(fmax(epochs, rule->fewest_epochs), rule->most_epochs);
}

/** Two digits are enough. */
static double choose_rate(const fcmae_run_rule *rule, int64_t samples)
{
    char text[32];
    snprintf(text, sizeof text, "%.2g", rule->lr * sqrt((double)samples / 64));
    return strtod(text, NULL);
}

int64_t fcmae_run_save_interval(const fcmae_train_plan *plan)
{
    int64_t interval = plan->steps / 20;
    return interval < 50 ? 50 : interval > 1000 ? 1000 : interval;
}

/* ---- the images ---- */

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/** The middle one of the shorter sides of images spread over the set; 0: none could be read. */
static fcmae_status middle_side(const fcmae_run *run, int *side, fcmae_error *error)
{
    int sides[PROBED], count = 0;
    int64_t images = fcmae_dataset_count(run->dataset);
    fcmae_buffer file = {0};
    for (int64_t i = 0; i < PROBED && i < images; i++) {
        int64_t at = images <= PROBED ? i : i * images / PROBED;
        fcmae_image_info info;
        if (fcmae_dataset_fetch(run->dataset, at, &file, NULL) != FCMAE_OK ||
            fcmae_image_probe(&info, file.bytes, file.size, NULL) != FCMAE_OK)
            continue;
        sides[count++] = info.width < info.height ? info.width : info.height;
    }
    fcmae_buffer_release(&file);
    if (count == 0)
        return fcmae_fail(error, FCMAE_ERR_FORMAT,
                          "none of %d images of %s that were tried can be read: no input size can "
                          "be chosen; see which file it is with fcmae embed, or give input-size",
                          images < PROBED ? (int)images : PROBED, run->data_root);
    qsort(sides, (size_t)count, sizeof *sides, compare);
    *side = sides[count / 2];
    return FCMAE_OK;
}

static fcmae_status choose_input(const fcmae_run *run, double *pixels, fcmae_error *error)
{
    int side = run->natural_input, largest = run->task->rule.largest_input;
    *pixels = side;
    if (side > 0) return FCMAE_OK;
    FCMAE_TRY(middle_side(run, &side, error));
    side = side / INPUT_STEP * INPUT_STEP;
    *pixels = side < SMALLEST_INPUT ? SMALLEST_INPUT : side > largest ? largest : side;
    return FCMAE_OK;
}

/* ---- the options ---- */

/** Presets of one's own say what they say for a reason; the published ones are what is replaced. */
static fcmae_option_level level_of_choice(const fcmae_run *run)
{
    const char *preset = run->values->model_name;
    return !preset || fcmae_preset_text(preset) ? FCMAE_LEVEL_RECIPE : FCMAE_LEVEL_DEFAULT;
}

/** Whether an option is the recipe's to set. */
static bool is_open(const fcmae_run *run, const char *option)
{
    return fcmae_options_level(run->options, option) <= level_of_choice(run);
}

static fcmae_status set(fcmae_run *run, const char *option, double value, fcmae_error *error)
{
    char text[64];
    if (!fcmae_run_recorded(run, option, text, sizeof text))
        snprintf(text, sizeof text, "%.17g", value);
    return fcmae_options_set_at(run->options, level_of_choice(run), option, text, error);
}

static fcmae_status choose_length(fcmae_run *run, fcmae_error *error)
{
    bool counted = fcmae_options_given(run->options, "steps");
    if (counted || !is_open(run, "epochs")) return FCMAE_OK;
    return set(run, "epochs", choose_epochs(&run->task->rule, run->values->data_images), error);
}

fcmae_status fcmae_run_choose(fcmae_run *run, fcmae_error *error)
{
    fcmae_run_values *v = run->values;
    const fcmae_run_rule *rule = &run->task->rule;
    /* earlier versions knew the published recipes alone */
    if (run->automatic) FCMAE_TRY(fcmae_run_recall(run, "recipe", "paper", NULL, error));
    run->automatic = run->automatic && v->recipe == 0;
    if (!run->automatic) return FCMAE_OK;
    if (is_open(run, "input-size")) {
        double pixels = 0;
        FCMAE_TRY(choose_input(run, &pixels, error));
        FCMAE_TRY(set(run, "input-size", pixels, error));
    }
    if (is_open(run, "batch-size")) {
        int64_t batch = choose_batch(v->data_images), views = run->views;
        FCMAE_TRY(set(run, "batch-size", (double)((batch + views - 1) / views * views), error));
    }
    FCMAE_TRY(choose_length(run, error));
    run->rate_chosen = is_open(run, "lr") && is_open(run, "base-lr");
    if (run->rate_chosen)
        FCMAE_TRY(set(run, "lr", choose_rate(rule, v->batch_size * v->accumulate), error));
    char length[48] = "";
    if (!fcmae_options_given(run->options, "steps"))
        snprintf(length, sizeof length, ", %.4g epochs", v->epochs);
    snprintf(run->plan.recipe, sizeof run->plan.recipe,
             "recipe auto, for %" PRId64 " images: input of %d px, batches of %" PRId64 "%s",
             v->data_images, v->input_size, v->batch_size, length);
    return FCMAE_OK;
}
