/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/run_setup.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"

static fcmae_status refuse(fcmae_error *error, const char *sentence, double value)
{
    return fcmae_fail(error, FCMAE_ERR_ARGUMENT, sentence, value);
}

fcmae_status fcmae_run_options_check(const fcmae_run_options *run, fcmae_error *error)
{
    if (!run->output || !run->output[0])
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "no run folder is given");
    if (run->batch_size < 1 || run->batch_size > 1 << 20)
        return refuse(error, "the batch size is %g, but must be 1 to 1048576",
                      (double)run->batch_size);
    if (run->accumulate < 1 || run->accumulate > 1 << 20)
        return refuse(error, "%g batches per update, but there must be 1 to 1048576",
                      run->accumulate);
    if (run->steps < 0 || (run->steps == 0 && !(run->epochs > 0 && run->epochs < 1e9)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the run is %" PRId64 " updates or %g epochs long: one of them must be "
                          "positive",
                          run->steps, run->epochs);
    if (run->save_every < 0 || run->keep < 0 || run->threads < 0 || run->workers < 0 ||
        run->lanes < 0 || run->micro_batch < 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "save_every %" PRId64 ", keep %d, threads %d, workers %d, lanes %d, "
                          "micro_batch %d: none may be negative",
                          run->save_every, run->keep, run->threads, run->workers, run->lanes,
                          run->micro_batch);
    return FCMAE_OK;
}

fcmae_status fcmae_optimisation_check(const fcmae_optimisation *o, fcmae_error *error)
{
    if (!(o->lr >= 0 && isfinite(o->lr)) || !(o->base_lr >= 0 && isfinite(o->base_lr)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the learning rate is %g and its base %g, but neither may be negative",
                          o->lr, o->base_lr);
    if (!(o->min_lr >= 0 && isfinite(o->min_lr)))
        return refuse(error, "the final learning rate is %g, but must be 0 or more", o->min_lr);
    if (!(o->ema_decay >= 0 && o->ema_decay < 1))
        return refuse(error, "the decay of the average is %g, but must be in [0, 1)", o->ema_decay);
    if (isnan(o->warmup_epochs)) return refuse(error, "%g warm-up epochs", o->warmup_epochs);
    return FCMAE_OK;
}

uint64_t fcmae_run_fingerprint(const fcmae_dataset *dataset, const char *folder)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t root = strlen(folder);
    char name[FCMAE_PATH];
    for (int64_t i = 0; i < fcmae_dataset_count(dataset); i++) {
        fcmae_dataset_name(dataset, i, name, sizeof name);
        const char *relative = strncmp(name, folder, root) == 0 ? name + root : name;
        while (*relative == '/') relative++;
        for (const char *c = relative;; c++) {
            sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
            if (!*c) break;
        }
    }
    return sum;
}

fcmae_status fcmae_run_schedule(fcmae_loop *loop, fcmae_run_options *run, fcmae_optimisation *r,
                                fcmae_train_plan *plan, fcmae_error *error)
{
    double steps = run->steps > 0 ? (double)run->steps
                                  : ceil(run->epochs * (double)loop->steps_per_epoch - 1e-6);
    if (steps > 1e15)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "the run would take %g updates", steps);
    loop->steps = steps < 1 ? 1 : (int64_t)steps;
    plan->effective_batch = run->batch_size * run->accumulate;
    if (r->lr == 0) r->lr = r->base_lr * (double)plan->effective_batch / 256;
    double epochs = (double)loop->steps / (double)loop->steps_per_epoch;
    if (r->warmup_epochs < 0) r->warmup_epochs = fmin(-r->warmup_epochs, 0.05 * epochs);
    if (r->warmup_epochs > epochs)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the warm-up takes %g epochs, but the run has only %g", r->warmup_epochs,
                          epochs);
    if (r->min_lr > r->lr)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the final learning rate %g is above the peak of %g", r->min_lr, r->lr);
    run->steps = loop->steps;
    run->epochs = epochs;
    if (run->save_every == 0) run->save_every = loop->steps_per_epoch;
    loop->schedule = (fcmae_schedule){r->lr, r->min_lr, r->warmup_epochs, epochs};
    loop->ema_decay = r->ema_decay;
    loop->ema_warmup = r->ema_warmup;
    plan->lr = r->lr;
    plan->warmup_epochs = r->warmup_epochs;
    plan->epochs = epochs;
    plan->steps = loop->steps;
    plan->steps_per_epoch = loop->steps_per_epoch;
    return FCMAE_OK;
}

fcmae_status fcmae_run_memory(uint64_t bytes, fcmae_error *error)
{
    uint64_t present = fcmae_physical_memory();
    if (present == 0 || bytes <= present) return FCMAE_OK;
    return fcmae_fail(
        error, FCMAE_ERR_MEMORY,
        "this run needs %.2f GiB of memory, the machine has %.2f GiB: take fewer lanes, "
        "a smaller micro-batch, batch or model ('fcmae info' says what each costs)",
        (double)bytes / 1073741824.0, (double)present / 1073741824.0);
}

/* ---- for config.json and the checkpoints ---- */

void fcmae_model_settings(fcmae_settings *s, const fcmae_model_config *m)
{
    const fcmae_setting_kind fixed = FCMAE_SETTING_FIXED;
    fcmae_settings_text(s, FCMAE_SETTING_FREE, "model", m->name);
    fcmae_settings_integer(s, fixed, "version", m->version);
    fcmae_settings_integers(s, fixed, "depths", m->depths, FCMAE_STAGES);
    fcmae_settings_integers(s, fixed, "dims", m->dims, FCMAE_STAGES);
    fcmae_settings_integer(s, fixed, "channels", m->channels);
    fcmae_settings_integer(s, fixed, "stem_stride", m->stem_stride);
    if (fcmae_config_has_part(m, FCMAE_PART_DECODER)) {
        fcmae_settings_integer(s, fixed, "decoder_depth", m->decoder_depth);
        fcmae_settings_integer(s, fixed, "decoder_dim", m->decoder_dim);
        fcmae_settings_flag(s, fixed, "norm_pix", m->norm_pix);
    }
    fcmae_settings_text(s, fixed, "grn_scope", m->grn_scope == FCMAE_GRN_BATCH ? "batch" : "image");
    if (m->version == 1) fcmae_settings_number(s, fixed, "layer_scale_init", m->layer_scale_init);
}

void fcmae_optimisation_settings(fcmae_settings *s, const fcmae_optimisation *r)
{
    const fcmae_setting_kind free_kind = FCMAE_SETTING_FREE;
    fcmae_settings_number(s, free_kind, "lr", r->lr);
    fcmae_settings_number(s, free_kind, "min_lr", r->min_lr);
    fcmae_settings_number(s, free_kind, "warmup_epochs", r->warmup_epochs);
    fcmae_settings_number(s, free_kind, "beta1", r->adamw.beta1);
    fcmae_settings_number(s, free_kind, "beta2", r->adamw.beta2);
    fcmae_settings_number(s, free_kind, "epsilon", r->adamw.epsilon);
    fcmae_settings_number(s, free_kind, "weight_decay", r->adamw.weight_decay);
    fcmae_settings_flag(s, free_kind, "grn_decay", r->adamw.grn_decay);
    fcmae_settings_number(s, free_kind, "clip", r->adamw.clip);
    fcmae_settings_number(s, free_kind, "ema_decay", r->ema_decay);
    fcmae_settings_flag(s, free_kind, "ema_warmup", r->ema_warmup);
}

void fcmae_run_settings(fcmae_settings *s, const fcmae_run_options *run,
                        const fcmae_engine_options *engine)
{
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "steps", run->steps);
    fcmae_settings_number(s, FCMAE_SETTING_FREE, "epochs", run->epochs);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "batch_size", run->batch_size);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "accumulate", run->accumulate);
    fcmae_settings_integer(s, FCMAE_SETTING_FIXED, "seed", (int64_t)run->seed);
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "lanes", engine->lanes);
    fcmae_settings_integer(s, FCMAE_SETTING_FREE, "micro_batch", engine->micro_batch);
    fcmae_settings_text(s, FCMAE_SETTING_FREE, "precision",
                        run->precision == FCMAE_BFLOAT16 ? "bf16" : "f32");
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "threads", run->threads);
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "workers", run->workers);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "output", run->output);
    fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "resume", run->resume ? run->resume : "auto");
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "save_every", run->save_every);
    fcmae_settings_integer(s, FCMAE_SETTING_MACHINE, "keep", run->keep);
    if (run->command) fcmae_settings_text(s, FCMAE_SETTING_MACHINE, "command", run->command);
}
