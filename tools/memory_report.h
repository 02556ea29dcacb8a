/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What `info` says of memory: the three ways to run a network, by part and by batch. */
#ifndef TOOLS_MEMORY_REPORT_H
#define TOOLS_MEMORY_REPORT_H

#include "fcmae/fcmae.h"
#include "json.h"

/** The ways to run a network, as they cost memory. */
enum { CLI_USE_PRETRAIN, CLI_USE_FINETUNE, CLI_USE_INFERENCE, CLI_USE_COUNT };

typedef struct cli_memory {
    int batch;
    uint64_t machine; /**< memory of this machine; 0: unknown */
    struct {
        fcmae_memory_plan plan;
        fcmae_memory_growth growth;
        int largest_per_gib; /**< largest batch in one GiB, weights and all; 0: none fits */
        int largest_here;    /**< in the memory of this machine */
        int64_t further;     /**< samples that each further GiB adds */
    } use[CLI_USE_COUNT];
} cli_memory;

/**
 * Plans every use with `engine` (mode and visible cells are set here; it says the batch).
 * @param visible  visible cells in pretraining
 * @param finetune  options of fine-tuning: whether fine-tuning averages weights and mixes images
 */
fcmae_status cli_memory_plan(cli_memory *memory, const fcmae_model_config *config,
                             const fcmae_engine_options *engine, int visible,
                             const fcmae_options *finetune, fcmae_error *error);

/** Two tables: by part, for the batch; by batch. */
void cli_memory_print(const cli_memory *memory);
/** The object "memory_bytes". Caller frees. */
json_t *cli_memory_json(const cli_memory *memory);

#endif
