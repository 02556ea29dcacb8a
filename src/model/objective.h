/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * An objective: what stands between the encoder's features and the loss. It brings parameters,
 * packed weights, memory of a lane, and forward, loss and backward of a micro-batch; the walk
 * through the encoder knows none of them. src/objective/README.md tells how to add one.
 *
 * What an objective may use, all of one lane and one micro-batch:
 * - the features: rows [rows][fcmae_stride(dims[s])] of the output of stage s,
 *   fcmae_stage_output(&lane->stage[s]), chunk after chunk (fcmae_stage_chunk) with the map that
 *   says which image and place a row is of;
 * - lane->sent[s], rows of the same order, for each stage named in `sends`: run() writes every one
 *   of them (they hold anything before), and backward of the encoder starts at the deepest such
 *   stage and adds the others in where it comes by. Stages that are not named cost nothing;
 * - lane->pooled if `pooled`, lane->own (its own blocks), lane->removed, lane->image_index,
 *   lane->workspace, lane->state, lane->gradients;
 * - lane->network->values with the parameters' offsets, and lane->network->layers.
 */
#ifndef FCMAE_MODEL_OBJECTIVE_H
#define FCMAE_MODEL_OBJECTIVE_H

#include "fcmae/engine.h"
#include "model/lane.h"
#include "model/network.h"
#include "model/table.h"

#define FCMAE_BIT(index) (1u << (index))

/** Functions may be NULL where it says so. */
struct fcmae_objective {
    const char *name; /**< "masked": in configurations and options */
    const char *kind; /**< "pretrain": what checkpoints call such a network (metadata "kind") */
    unsigned parts;   /**< bits of fcmae_parameter_part: of the parameters it adds */
    unsigned sends;   /**< bits of stages whose output it sends a gradient to */
    bool pooled;      /**< needs lane->pooled in a training step, too */
    bool targets;     /**< a training step needs the batch's targets */
    bool frozen;      /**< can be trained with frozen blocks: sees whole images */
    size_t layers_size, state_size; /**< bytes of network->layers and lane->state, zeroed */

    /** NULL, or: are the fields of the configuration that it reads in their range? */
    fcmae_status (*check)(const fcmae_model_config *config, fcmae_error *error);
    /** Called twice: before and after the encoder's tensors (order of a PyTorch state dict). */
    void (*add_parameters)(fcmae_table *table, const fcmae_model_config *config,
                           bool after_encoder);
    /** NULL, or: the shape of its own blocks, whose parameters it added (block is left NULL). */
    fcmae_stage (*own_stage)(const fcmae_model_config *config);

    /** Sets the layers up and takes room for what forward reads (twice: measure, take). */
    void (*reserve)(const fcmae_network *network, fcmae_arena *arena);
    /** NULL, or: likewise for what only backward reads. */
    void (*reserve_backward)(const fcmae_network *network, fcmae_arena *arena);
    /** NULL (nothing to pack), or: number of packing tasks, and one of them. */
    int (*pack_tasks)(const fcmae_network *network);
    void (*pack)(const fcmae_network *network, const fcmae_kernels *kernels, int task);

    /** NULL, or: takes room in lane->state (twice) and raises what the workspace needs. */
    void (*reserve_lane)(fcmae_lane *lane, fcmae_arena *arena, fcmae_workspace_size *size);
    /** NULL, or: checks what a training step needs of the batch and sets call->terms (which is
     *  the number of samples) to the number of terms that the loss is the mean of. */
    fcmae_status (*begin)(fcmae_call *call, int cells, fcmae_error *error);
    /** Samples [first, first + count) of the call after the encoder ran. call->backward: forward,
     *  loss, backward into lane->sent and lane->gradients, of call->weight / call->terms times the
     *  sum. Otherwise writes what call->outputs asks for. Returns the sum of the terms. */
    double (*run)(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count);
    /** NULL, or: adds what it costs per sample (model/operations.h). */
    void (*count)(const fcmae_model_config *config, int high, int wide, int visible,
                  fcmae_engine_plan_info *info, double *necessary);
};

/** Every objective, ended by NULL: src/objective/objectives.c. */
extern const fcmae_objective *const fcmae_objectives[];

/** NULL if there is none of that name; NULL for NULL: the encoder alone. */
const fcmae_objective *fcmae_objective_find(const char *name);
/** Name of the first objective whose parameters are of that part. */
const char *fcmae_objective_of_part(fcmae_parameter_part part);
/** What checkpoints call the network of a configuration, and the objective of such a word: true if
 *  there is one (NULL: the encoder alone). */
const char *fcmae_objective_kind(const fcmae_model_config *config);
bool fcmae_objective_of_kind(const char *kind, const char **objective);
/** The part of fcmae_config_check() that concerns the objective. */
fcmae_status fcmae_objective_check(const fcmae_model_config *config, fcmae_error *error);
/** For its check: the field of a configuration that a row of the model's options names lies in the
 *  range of that row (model/model_options.h), or is a multiple. */
fcmae_status fcmae_check_row(const fcmae_model_config *config, const char *name,
                             fcmae_error *error);
fcmae_status fcmae_check_multiple(const char *field, int value, int unit, fcmae_error *error);

#endif
