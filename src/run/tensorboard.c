/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a run shows in TensorBoard: every number of its log, and pictures. */
#include <stdio.h>

#include "run/run.h"

enum {
    OF_PROGRESS = 7,
    MOST = OF_PROGRESS + FCMAE_TRAIN_FIGURES * FCMAE_TRAIN_FIGURE_SIZE,
    TAG = 48
};

fcmae_status fcmae_run_tensorboard_open(fcmae_run *run, fcmae_error *error)
{
    char folder[FCMAE_PATH];
    if (!run->values->tensorboard) return FCMAE_OK;
    if (snprintf(folder, sizeof folder, "%s/tensorboard", run->folder.path) >= FCMAE_PATH)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the path of the run is too long");
    return fcmae_event_file_open(&run->events, folder, run->state.step, error);
}

/** A file that cannot be written is given up: the log has the same numbers. */
static void give_up(fcmae_run *run, fcmae_status status, const fcmae_error *error)
{
    if (status == FCMAE_OK) return;
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING,
                   "nothing more is written for TensorBoard: %s", error->message);
    fcmae_event_file_close(&run->events);
}

typedef struct scalars {
    char tags[MOST][TAG];
    const char *names[MOST];
    double values[MOST];
    int count;
} scalars;

static void add(scalars *s, const char *group, const char *name, int part, double value)
{
    char *tag = s->tags[s->count];
    if (part > 0)
        snprintf(tag, TAG, "%.15s/%.24s/%d", group, name, part);
    else
        snprintf(tag, TAG, "%.15s/%.31s", group, name);
    s->names[s->count] = tag;
    s->values[s->count++] = value;
}

void fcmae_run_tensorboard_step(fcmae_run *run, const fcmae_train_progress *p,
                                const fcmae_train_figures *figures)
{
    scalars s = {.count = 0};
    fcmae_error error = {0};
    if (!run->events.open) return;
    const struct {
        const char *name;
        double value;
    } of_progress[OF_PROGRESS] = {{"loss", p->loss},
                                  {"lr", p->lr},
                                  {"grad_norm", p->grad_norm},
                                  {"epoch", p->epoch},
                                  {"images_per_s", p->images_per_s},
                                  {"data_wait", p->data_wait},
                                  {"elapsed", p->elapsed}};
    for (int i = 0; i < OF_PROGRESS; i++)
        add(&s, "train", of_progress[i].name, 0, of_progress[i].value);
    for (int i = 0; i < figures->count; i++)
        for (int k = 0; k < figures->figures[i].size; k++)
            add(&s, "watch", figures->figures[i].name, figures->figures[i].size > 1 ? k + 1 : 0,
                figures->figures[i].values[k]);
    give_up(run,
            fcmae_event_file_scalars(&run->events, p->step, s.names, s.values, s.count, &error),
            &error);
}

void fcmae_run_tensorboard_picture(fcmae_run *run, int64_t step, const char *png)
{
    fcmae_error error = {0};
    if (!run->events.open) return;
    give_up(run, fcmae_event_file_picture(&run->events, step, "reconstruction", png, &error),
            &error);
}
