/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A pass over images with an engine and a loader that exist already (see fcmae/evaluate.h). */
#ifndef FCMAE_EVALUATE_DENSE_PASS_H
#define FCMAE_EVALUATE_DENSE_PASS_H

#include "core/status.h"
#include "fcmae/evaluate.h"

typedef struct fcmae_pass {
    fcmae_engine *engine;         /**< borrowed; its batch is at least the loader's        */
    fcmae_model *model;           /**< borrowed                                            */
    fcmae_loader *loader;         /**< borrowed; stands where the pass begins              */
    const fcmae_dataset *dataset; /**< the loader's, for names in messages         */
    int batch, size;              /**< of the loader                                       */
    int64_t batches;              /**< how many to run; a loader in evaluation may end first */
    int64_t total;                /**< images, for progress                                */
    int outputs;                  /**< of fcmae_pass_output                                */
    fcmae_pass_visitor *visit;
    void *visitor;
    void (*progress)(void *cookie, int64_t done, int64_t total);
    bool (*should_stop)(void *cookie);
    void *cookie;
} fcmae_pass;

/** @param images  [out] images seen. */
fcmae_status fcmae_pass_batches(const fcmae_pass *pass, int64_t *images, fcmae_error *error);

/** The final LayerNorm of pooled features [count, dims[3]], with the network's weights if it has
 *  them. @param normalised  [out] may be `pooled` itself */
void fcmae_pass_normalise(fcmae_model *model, const float *pooled, int64_t count,
                          float *normalised);

/** The options with every 0 replaced by the choice, or why they are impossible. */
fcmae_status fcmae_pass_resolve(fcmae_pass_options *options, const fcmae_model_config *config,
                                fcmae_error *error);

/** What a pass is to see, and who is told of it. */
typedef struct fcmae_pass_request {
    fcmae_transform transform;
    int epochs; /**< 0: once, in order; above: a training loader, so many epochs, by the seed */
    uint64_t seed;
    int outputs; /**< of fcmae_pass_output */
    fcmae_pass_visitor *visit;
    void *visitor;
} fcmae_pass_request;

/** fcmae_pass_run() with a transform and epochs of its own. */
fcmae_status fcmae_pass_run_request(fcmae_model *model, const fcmae_dataset *dataset,
                                    const fcmae_pass_options *options,
                                    const fcmae_pass_request *request, fcmae_pass_result *result,
                                    fcmae_error *error);

#endif
