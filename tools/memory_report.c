/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "memory_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "progress.h"

static const double gib = 1073741824.0;
static const char *const use_names[CLI_USE_COUNT] = {"pretraining", "fine-tuning", "inference"};
static const char *const use_keys[CLI_USE_COUNT] = {"pretrain", "finetune", "inference"};

fcmae_status cli_memory_plan(cli_memory *m, const fcmae_model_config *config,
                             const fcmae_engine_options *engine, int visible,
                             const fcmae_options *finetune, fcmae_error *error)
{
    m->batch = engine->batch;
    m->machine = fcmae_measure_physical_memory();
    for (int u = 0; u < CLI_USE_COUNT; u++) {
        fcmae_model_config c = *config;
        c.objective = u == CLI_USE_PRETRAIN ? "masked" : "classify";
        if (u != CLI_USE_PRETRAIN) c.grn_scope = FCMAE_GRN_IMAGE; /* as those commands set it */
        fcmae_memory_use use = {.engine = *engine,
                                .average = u == CLI_USE_FINETUNE &&
                                           fcmae_options_number(finetune, "ema") > 0,
                                .mixing = fcmae_options_number(finetune, "mixup") > 0 ||
                                          fcmae_options_number(finetune, "cutmix") > 0 ||
                                          fcmae_options_number(finetune, "random-erasing") > 0,
                                .watching = u == CLI_USE_PRETRAIN,
                                .validation = true};
        use.engine.train = u != CLI_USE_INFERENCE;
        use.engine.visible_cells = u == CLI_USE_PRETRAIN ? visible : 0;
        fcmae_status status = fcmae_plan_memory(&c, &use, &m->use[u].plan, error);
        if (status == FCMAE_OK)
            status = fcmae_plan_memory_growth(&c, &use, &m->use[u].growth, error);
        if (status == FCMAE_OK)
            status = fcmae_plan_largest_batch(&c, &use, (uint64_t)gib, &m->use[u].largest_per_gib,
                                              error);
        if (status == FCMAE_OK && m->machine)
            status = fcmae_plan_largest_batch(&c, &use, m->machine, &m->use[u].largest_here, error);
        if (status != FCMAE_OK) return status;
        m->use[u].further = (int64_t)(gib / (double)m->use[u].growth.sample_bytes);
    }
    return FCMAE_OK;
}

static void print_parts(const cli_memory *m)
{
    printf("Memory for batches of %d\n", m->batch);
    printf("  %-12s %10s %10s %10s %10s %10s %10s %10s %12s\n", "", "weights", "packed",
           "gradients", "activation", "optimiser", "images", "total", "lanes x mb");
    for (int u = 0; u < CLI_USE_COUNT; u++) {
        const fcmae_memory_plan *p = &m->use[u].plan;
        const fcmae_engine_plan_info *e = &p->engine;
        const uint64_t parts[] = {e->parameter_bytes,  e->packed_bytes,    e->gradient_bytes,
                                  e->activation_bytes, p->optimiser_bytes, p->image_bytes,
                                  p->total_bytes};
        printf("  %-12s", use_names[u]);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            char text[32];
            printf(" %10s", cli_bytes((double)parts[i], text, sizeof text));
        }
        printf(" %6d x %d\n", e->options.lanes, e->options.micro_batch);
    }
}

/* A batch size, or that there is none. */
static const char *batch_text(int batch, char *text, size_t size)
{
    if (batch > 0)
        snprintf(text, size, "%d", batch);
    else
        snprintf(text, size, "none");
    return text;
}

void cli_memory_print(const cli_memory *m)
{
    char a[32], b[32], here[48] = "";
    print_parts(m);
    if (m->machine)
        snprintf(here, sizeof here, "in %s", cli_bytes((double)m->machine, a, sizeof a));
    printf("\nLargest batch per GiB: memory is fixed + batch x each, from the batch that fills the "
           "lanes\n");
    printf("  %-12s %10s %10s %10s %10s %14s %14s\n", "", "fixed", "each", "from batch", "in 1 GiB",
           "a further GiB", here);
    for (int u = 0; u < CLI_USE_COUNT; u++) {
        const fcmae_memory_growth *g = &m->use[u].growth;
        printf("  %-12s %10s", use_names[u], cli_bytes((double)g->fixed_bytes, a, sizeof a));
        printf(" %10s %10d", cli_bytes((double)g->sample_bytes, a, sizeof a), g->from);
        printf(" %10s", batch_text(m->use[u].largest_per_gib, b, sizeof b));
        printf(" %14" PRId64, m->use[u].further);
        if (m->machine) printf(" %14s", batch_text(m->use[u].largest_here, b, sizeof b));
        printf("\n");
    }
}

json_t *cli_memory_json(const cli_memory *m)
{
    json_t *memory = json_object();
    cli_json_set(&memory, "batch_size", json_integer(m->batch));
    cli_json_set(&memory, "machine", json_integer((json_int_t)m->machine));
    for (int u = 0; u < CLI_USE_COUNT; u++) {
        const fcmae_memory_plan *p = &m->use[u].plan;
        const fcmae_engine_plan_info *e = &p->engine;
        const fcmae_memory_growth *g = &m->use[u].growth;
        json_t *object = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i}", "parameters",
            (json_int_t)e->parameter_bytes, "packed", (json_int_t)e->packed_bytes, "gradients",
            (json_int_t)e->gradient_bytes, "activations", (json_int_t)e->activation_bytes,
            "optimiser", (json_int_t)p->optimiser_bytes, "images", (json_int_t)p->image_bytes,
            "total", (json_int_t)p->total_bytes, "lanes", e->options.lanes, "micro_batch",
            e->options.micro_batch);
        json_t *growth = json_pack(
            "{s:I, s:I, s:i, s:i, s:I, s:o}", "fixed", (json_int_t)g->fixed_bytes, "per_image",
            (json_int_t)g->sample_bytes, "from_batch", g->from, "largest_batch_per_gib",
            m->use[u].largest_per_gib, "images_per_further_gib", (json_int_t)m->use[u].further,
            "largest_batch_of_machine",
            m->machine ? json_integer(m->use[u].largest_here) : json_null());
        cli_json_update(&object, growth);
        cli_json_set(&memory, use_keys[u], object);
    }
    return memory;
}
