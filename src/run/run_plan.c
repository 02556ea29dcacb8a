/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a run decides before the first update: length, learning rates, lanes, memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "fcmae/measure.h"
#include "run/run.h"

/* ---- length and rates ---- */

static fcmae_status check_rates(const fcmae_run_values *v, double epochs, fcmae_error *error)
{
    if (!isfinite(v->lr))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the base learning rate of %g times the batch is no number", v->base_lr);
    if (v->warmup_epochs > epochs)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the warm-up takes %g epochs, but the run has only %g", v->warmup_epochs,
                          epochs);
    if (v->min_lr > v->lr)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the final learning rate %g is above the peak of %g", v->min_lr, v->lr);
    return FCMAE_OK;
}

fcmae_status fcmae_run_schedule(fcmae_run *run, fcmae_error *error)
{
    fcmae_run_values *v = run->values;
    fcmae_train_plan *plan = &run->plan;
    bool counted = fcmae_options_given(run->options, "steps");
    double steps = counted ? (double)v->steps
                           : ceil(v->epochs * (double)plan->steps_per_epoch - 1e-6);
    if (steps > 1e15)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the run would take %g updates", steps);
    v->steps = plan->steps = steps < 1 ? 1 : (int64_t)steps;
    plan->effective_batch = v->batch_size * v->accumulate;
    if (!fcmae_options_given(run->options, "lr") && !run->rate_chosen)
        v->lr = v->base_lr * (double)plan->effective_batch / 256;
    double epochs = (double)plan->steps / (double)plan->steps_per_epoch;
    if (!fcmae_options_given(run->options, "warmup-epochs"))
        v->warmup_epochs = run->task->warmup(run, epochs);
    FCMAE_TRY(check_rates(v, epochs, error));
    v->epochs = plan->epochs = epochs;
    if (!fcmae_options_given(run->options, "save-every"))
        v->save_every = run->automatic ? fcmae_run_save_interval(plan) : plan->steps_per_epoch;
    plan->lr = v->lr;
    plan->warmup_epochs = v->warmup_epochs;
    run->schedule = (fcmae_schedule){v->lr, v->min_lr, v->warmup_epochs, epochs};
    return FCMAE_OK;
}

/* ---- lanes, instruction set, memory ---- */

/** A whole number of the options: as given, else as recorded, else 0, which means "choose". */
static int kept_number(const fcmae_run *run, const char *option, int value)
{
    char text[32];
    if (fcmae_options_given(run->options, option)) return value;
    if (!fcmae_run_recorded(run, option, text, sizeof text)) return 0;
    long recorded = strtol(text, NULL, 10);
    return recorded > 0 && recorded <= INT32_MAX ? (int)recorded : 0;
}

enum { ISA_AVX512 = 3, ISA_AVX512_BF16 = 4 };

static int isa_index(const char *name)
{
    int index = fcmae_option_choice(FCMAE_INSTRUCTION_SETS, name);
    return index > 0 ? index : 0;
}

/** The instruction set of the checkpoint to continue from; 0: none. Where the precision changes,
 * the one that goes with it: products of bfloat16 are an instruction set of their own. */
static int recorded_isa(const fcmae_run *run, char *name, size_t size)
{
    char precision[16] = "";
    bool pairs = run->values->precision == FCMAE_BFLOAT16;
    if (!fcmae_run_recorded(run, "isa", name, size)) return 0;
    memmove(name, name + 1, strlen(name)); /* without the quotes of JSON */
    name[strcspn(name, "\"")] = 0;
    int isa = isa_index(name);
    fcmae_run_recorded(run, "precision", precision, sizeof precision);
    if (isa < ISA_AVX512 || (strcmp(precision, "\"bf16\"") == 0) == pairs) return isa;
    return pairs ? ISA_AVX512_BF16 : ISA_AVX512;
}

/** The instruction set: as given, else as recorded, as far as the processor has it. */
static fcmae_status choose_isa(fcmae_run *run, fcmae_error *error)
{
    fcmae_run_values *v = run->values;
    bool given = fcmae_options_given(run->options, "isa") && v->isa > 0;
    bool pairs = v->precision == FCMAE_BFLOAT16;
    char recorded[32] = "";
    int wanted = given ? v->isa : recorded_isa(run, recorded, sizeof recorded);
    if (!pairs && wanted == ISA_AVX512_BF16) wanted = ISA_AVX512; /* the same without bfloat16 */
    const char *present = fcmae_measure_instruction_set(wanted, pairs);
    v->isa = isa_index(present);
    if (wanted <= v->isa) return FCMAE_OK;
    if (given)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "this processor does not have the instruction set asked for; the best "
                          "it has is %s",
                          present);
    fcmae_log_line(&run->callbacks.log, FCMAE_LOG_WARNING,
                   "the run was made with %s, which this processor does not have: it goes on with "
                   "%s, in other last bits",
                   recorded, present);
    return FCMAE_OK;
}

static fcmae_status check_memory(uint64_t bytes, fcmae_error *error)
{
    uint64_t present = fcmae_physical_memory();
    if (present == 0 || bytes <= present) return FCMAE_OK;
    return fcmae_fail(
        error, FCMAE_ERR_MEMORY,
        "this run needs %.2f GiB of memory, the machine has %.2f GiB: take fewer lanes, "
        "a smaller micro-batch, batch or model ('fcmae info' says what each costs)",
        (double)bytes / 1073741824.0, (double)present / 1073741824.0);
}

fcmae_status fcmae_run_plan_memory(fcmae_run *run, fcmae_error *error)
{
    fcmae_run_values *v = run->values;
    FCMAE_TRY(choose_isa(run, error));
    fcmae_memory_use use = {
        .engine = {.height = v->input_size,
                   .width = v->input_size,
                   .batch = (int)v->batch_size,
                   .lanes = kept_number(run, "lanes", v->lanes),
                   .micro_batch = kept_number(run, "micro-batch", v->micro_batch),
                   .threads = v->threads,
                   .frozen_blocks = run->frozen_blocks,
                   .precision = (fcmae_precision)v->precision,
                   .instruction_set = v->isa},
        .masks_per_image = run->views,
        .average = v->ema > 0};
    fcmae_memory_plan memory;
    run->task->plan(run, &use);
    FCMAE_TRY(fcmae_plan_memory(&v->model, &use, &memory, error));
    run->plan.engine = memory.engine;
    run->plan.total_bytes = memory.total_bytes;
    v->lanes = memory.engine.options.lanes;
    v->micro_batch = memory.engine.options.micro_batch;
    return check_memory(memory.total_bytes, error);
}
