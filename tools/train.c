/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The command of every kind of training: plan, progress and result of a run. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "commands.h"
#include "fcmae/fcmae.h"
#include "json.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"
#include "stop.h"

/** Figures that stay in sight until they are measured again. */
static const struct {
    const char *figure, *form;
} watched[] = {
    {"val_loss", "held-out %.4f"}, {"rankme", "rank %.1f"}, {"knn_top1", "k-NN %.1f %%"}};
enum { WATCHED = sizeof watched / sizeof *watched };

/** What the callbacks share. */
typedef struct session {
    const cli_arguments *arguments;
    cli_progress bar;
    fcmae_log log;
    double started;
    double watched[WATCHED]; /* as last measured; NAN: not yet */
} session;

static void show_plan(void *cookie, const fcmae_train_plan *plan)
{
    session *s = cookie;
    char memory[32], time[32];
    const char *name = s->arguments->command->set->name;
    if (!s->arguments->quiet) {
        fprintf(stderr,
                "%" PRId64 " images, %" PRId64 " updates of %" PRId64
                " samples (%.4g epochs), learning rate %.3g, %d lanes of %d, %s of memory\n",
                plan->images, plan->steps, plan->effective_batch, plan->epochs, plan->lr,
                plan->engine.options.lanes, plan->engine.options.micro_batch,
                cli_bytes((double)plan->total_bytes, memory, sizeof memory));
        if (plan->recipe[0])
            fprintf(stderr, "%s%s%s\n", CLI_SHOWN(plan->recipe),
                    plan->seconds > 0 ? "; it will take about " : "",
                    plan->seconds > 0 ? cli_duration(plan->seconds, time, sizeof time) : "");
        if (plan->resumed_from[0])
            fprintf(stderr, "continues after update %" PRId64 " from %s\n", plan->first_step,
                    CLI_SHOWN(plan->resumed_from));
    }
    s->started = fcmae_measure_seconds();
    cli_progress_start(&s->bar, s->arguments, name, "step", plan->first_step, plan->steps);
}

static void keep_watched(session *s, const fcmae_train_figures *figures)
{
    char *text = s->bar.watched;
    size_t used = 0, size = sizeof s->bar.watched;
    for (int i = 0; figures && i < figures->count; i++)
        for (int k = 0; k < WATCHED; k++)
            if (strcmp(figures->figures[i].name, watched[k].figure) == 0)
                s->watched[k] = figures->figures[i].values[0];
    text[0] = 0;
    for (int k = 0; k < WATCHED && used < size; k++) {
        if (isnan(s->watched[k])) continue;
        if (used > 0) used += (size_t)snprintf(text + used, size - used, "  ");
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, watched[k].form, s->watched[k]);
    }
}

static void show_progress(void *cookie, const fcmae_train_progress *progress)
{
    session *s = cookie;
    keep_watched(s, progress->figures);
    cli_progress_update(&s->bar, progress->step, progress->samples, progress->loss);
}

static bool should_stop(void *cookie)
{
    (void)cookie;
    return cli_stop_requested();
}

static void show_remark(void *cookie, fcmae_log_level level, const char *message)
{
    session *s = cookie;
    if (s->log.write) s->log.write(s->log.cookie, level, message);
}

/* ---- the result ---- */

static int print_json(const session *s, const char *run, const fcmae_train_result *r, double rate)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o, s:f, s:f}", "run", run, "checkpoint", r->checkpoint, "step",
        (json_int_t)r->step, "updates", (json_int_t)r->updates, "loss", cli_json_figure(r->loss),
        "mean_loss", cli_json_figure(r->mean_loss), "images_per_s", rate, "elapsed", r->elapsed);
    if (r->details) cli_json_update(&object, json_loads(r->details, 0, NULL));
    cli_json_set(&object, "peak_memory_bytes",
                 json_integer((json_int_t)fcmae_measure_peak_memory()));
    return cli_print_json(s->arguments, object);
}

static int print_result(const session *s, const fcmae_train_result *r)
{
    char run[1024], time[32], memory[32];
    double taken = s->started > 0 ? fcmae_measure_seconds() - s->started : 0;
    double rate = taken > 0 ? (double)r->samples / taken : 0;
    fcmae_options_text(s->arguments->options, "output", run, sizeof run);
    if (s->arguments->json) return print_json(s, run, r, rate);
    if (r->updates == 0)
        printf("Nothing was left to do: update %" PRId64 " is in %s\n", r->step,
               CLI_SHOWN(r->checkpoint));
    else
        printf("Update %" PRId64 ", loss %.4f (mean of this sitting %.4f), %.1f images/s, %s, peak "
               "memory %s\nCheckpoint: %s\n",
               r->step, r->loss, r->mean_loss, rate, cli_duration(taken, time, sizeof time),
               cli_bytes((double)fcmae_measure_peak_memory(), memory, sizeof memory),
               r->checkpoint[0] ? CLI_SHOWN(r->checkpoint) : "none yet");
    if (r->summary) printf("%s\n", r->summary);
    return cli_finish(s->arguments);
}

int cli_train(const cli_arguments *arguments)
{
    session s = {.arguments = arguments};
    fcmae_train_result result = {0};
    fcmae_error error = {0};
    char *command = cli_command_line();
    for (int i = 0; i < WATCHED; i++) s.watched[i] = NAN;
    s.log = cli_progress_log(&s.bar);
    s.bar.active = !arguments->quiet;
    const fcmae_train_callbacks callbacks = {.cookie = &s,
                                             .log = {show_remark, &s},
                                             .command = command,
                                             .begin = show_plan,
                                             .progress = show_progress,
                                             .should_stop = should_stop};
    cli_remark_emulation(arguments, (int)fcmae_options_number(arguments->options, "precision"),
                         (int)fcmae_options_number(arguments->options, "isa"));
    cli_stop_on_signals();
    fcmae_status status = fcmae_train(arguments->options, &callbacks, &result, &error);
    cli_progress_end(&s.bar);
    int code = CLI_FAILURE;
    bool interrupted = status == FCMAE_ERR_INTERRUPTED;
    if (interrupted)
        fprintf(stderr, "fcmae %s: %s; the same command goes on from there\n",
                arguments->command->set->name, CLI_SHOWN(error.message));
    if (status == FCMAE_OK || interrupted)
        code = print_result(&s, &result);
    else
        code = cli_fail(arguments, &error);
    if (interrupted && code == CLI_SUCCESS) code = cli_stop_status(); /* `a && b` ends here */
    fcmae_train_result_release(&result);
    free(command);
    return code;
}
