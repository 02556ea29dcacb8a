/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Memory of a whole run: engine, optimiser and prepared images, planned without allocating anything
 * by the code that fcmae_train() asks before it starts.
 *
 * Micro-batches bound the activations, so beyond the batch that fills the lanes a further sample
 * costs its share of the prepared images and nothing else. GRN over the batch is the exception: it
 * carries the whole batch at once.
 */
#ifndef FCMAE_MEMORY_H
#define FCMAE_MEMORY_H

#include <stdbool.h>

#include "fcmae/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is run. Zero-initialise, then set what matters. */
typedef struct fcmae_memory_use {
    fcmae_engine_options engine; /**< whether it trains decides what else is held                 */
    int masks_per_image; /**< samples that share an image; 0: 1                                   */
    bool average;    /**< training: a moving average of the weights                            */
    bool mixing;     /**< "classify": images are mixed or erased, and held as floats for it    */
    bool validation; /**< "classify": evaluates meanwhile, on batches of its own               */
    bool watching;   /**< "masked": looks at up to 1280 images meanwhile, some of them whole      */
} fcmae_memory_use;

typedef struct fcmae_memory_plan {
    fcmae_engine_plan_info engine;
    uint64_t optimiser_bytes; /**< AdamW's moments, averages of the weights; 0 for inference      */
    uint64_t image_bytes; /**< batches prepared ahead and the one in use; what is watched      */
    uint64_t total_bytes; /**< of all. The program itself, libraries and the decoding of images (a
                               few pictures per worker) come on top                            */
} fcmae_memory_plan;

/** Memory at use->engine.batch samples per batch. Errors as those of fcmae_engine_plan(). */
FCMAE_API fcmae_status fcmae_plan_memory(const fcmae_model_config *config,
                                         const fcmae_memory_use *use, fcmae_memory_plan *plan,
                                         fcmae_error *error);

/** How memory grows with the batch, from two plans: total = fixed + batch * per sample. */
typedef struct fcmae_memory_growth {
    uint64_t fixed_bytes, sample_bytes;
    int from; /**< holds from this batch on, which fills the lanes; a smaller one takes less      */
} fcmae_memory_growth;

/** The batch in use->engine does not matter. */
FCMAE_API fcmae_status fcmae_plan_memory_growth(const fcmae_model_config *config,
                                                const fcmae_memory_use *use,
                                                fcmae_memory_growth *growth, fcmae_error *error);

/** Largest batch size up to which the plan stays within `bytes`, found by planning; at most 2^20,
 * which an engine cannot exceed; 0: not even one sample fits. The batch in use->engine does not
 * matter. */
FCMAE_API fcmae_status fcmae_plan_largest_batch(const fcmae_model_config *config,
                                                const fcmae_memory_use *use, uint64_t bytes,
                                                int *batch, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
