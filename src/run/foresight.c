/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * How long a run will take, before it begins.
 *
 * A few updates are tried on the side: real batches through loader and engine, and an optimiser of
 * its own at learning rate 0, which leaves every weight as it is. Then the loader goes back to
 * where the run begins. The processors that compute also prepare the images, so only a steady state
 * tells the time of an update: the batches that were prepared ahead are not counted.
 */
#include "fcmae/measure.h"
#include "run/run.h"

#define LEAST_STEPS 100 /* shorter runs are over before that is worth it */
#define TRIED 12        /* updates */
#define LONGEST 3.0     /* seconds */
#define LARGEST_BLOCK \
    (1 << 26) /* values; the moments of larger models would cost too much memory */

typedef struct trial {
    fcmae_adamw *adamw; /* NULL: left out */
    double seconds;     /* of the updates that count ... */
    int counted;        /* ... and their number */
} trial;

static fcmae_status try_update(fcmae_run *run, trial *t, fcmae_error *error)
{
    float *gradients;
    fcmae_engine_zero_gradients(run->engine);
    for (int i = 0; i < run->values->accumulate; i++) {
        fcmae_samples samples;
        double loss;
        FCMAE_TRY(fcmae_loader_next(run->loader, &samples, error));
        FCMAE_TRY(run->task->batch(run, &samples, &run->last, error));
        FCMAE_TRY(fcmae_engine_step(run->engine, &run->last, 1, &loss, error));
    }
    FCMAE_TRY(fcmae_engine_gradients(run->engine, &gradients, error));
    if (t->adamw)
        FCMAE_TRY(fcmae_adamw_step(t->adamw, fcmae_model_values(run->model), gradients, 0,
                                   run->values->threads, NULL, error));
    fcmae_engine_pack(run->engine);
    return FCMAE_OK;
}

/** Until there are enough, or enough time is spent. */
static fcmae_status try_updates(fcmae_run *run, trial *t, fcmae_error *error)
{
    double begin = fcmae_measure_seconds(), before = begin;
    for (int i = 0; i < FCMAE_RUN_PREFETCH + TRIED; i++) {
        FCMAE_TRY(try_update(run, t, error));
        double now = fcmae_measure_seconds();
        bool late = now - begin > LONGEST;
        if (i > FCMAE_RUN_PREFETCH || late) {
            t->seconds += now - before;
            t->counted++;
        }
        if (late) break;
        before = now;
    }
    return FCMAE_OK;
}

fcmae_status fcmae_run_foresee(fcmae_run *run, fcmae_error *error)
{
    fcmae_train_plan *plan = &run->plan;
    int64_t left = plan->steps - run->state.step;
    trial t = {0};
    if (!run->automatic || !run->callbacks.begin || left < LEAST_STEPS) return FCMAE_OK;
    const fcmae_adamw_options options = {.beta1 = 0.9,
                                         .beta2 = 0.95,
                                         .epsilon = 1e-8,
                                         .clip = 1e30, /* looks at the gradient first */
                                         .instruction_set = run->values->isa};
    if (fcmae_model_block_size(run->model) <= LARGEST_BLOCK)
        FCMAE_TRY(fcmae_adamw_create(&t.adamw, run->model, &options, error));
    /* whatever fails here fails again in the run, where it is reported with its place */
    if (try_updates(run, &t, NULL) == FCMAE_OK && t.counted > 0)
        plan->seconds = t.seconds / t.counted * (double)left;
    fcmae_adamw_destroy(&t.adamw);
    run->last.samples = 0;
    return fcmae_loader_start(run->loader, (uint32_t)run->state.epoch, run->state.batch, error);
}
