/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The parameter block is cut into pieces of at most 16384 floats that never cross a parameter, so
 * every piece has one weight decay and one layer scale. A piece writes its own elements and its own
 * partial sum of squares; the sums are added in order of the pieces. Nothing depends on threads.
 */
#include <math.h>
#include <stdlib.h>

#include "core/kernels.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/status.h"
#include "fcmae/optimiser.h"

enum { PIECE = 16384 }; /* 64 KiB of each stream */

typedef struct piece {
    int64_t offset;
    int32_t count;
    int32_t group; /* index into fcmae_adamw.groups */
} piece;

/* The combinations of (decays, layer) that occur: index layer * 2 + decays. */
typedef struct group {
    double layer_scale;
    fcmae_adamw_factors factors; /* of the update under way */
} group;

struct fcmae_adamw {
    fcmae_adamw_options options;
    float *first, *second;
    int64_t updates;
    piece *pieces;
    int64_t piece_count;
    double *squares; /* [piece_count] */
    group *groups;
    int group_count;
    const fcmae_kernels *kernels;
};

fcmae_adamw_options fcmae_adamw_defaults(void)
{
    return (fcmae_adamw_options){
        .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.05, .layer_decay_rate = 1};
}

bool fcmae_adamw_decays(const fcmae_adamw_options *options, const fcmae_parameter *parameter)
{
    switch (parameter->role) {
    case FCMAE_ROLE_WEIGHT:
    case FCMAE_ROLE_DEPTHWISE_WEIGHT:
    case FCMAE_ROLE_EXPAND_WEIGHT:
    case FCMAE_ROLE_REDUCE_WEIGHT: return true;
    case FCMAE_ROLE_GRN_GAMMA:
    case FCMAE_ROLE_GRN_BETA:
    case FCMAE_ROLE_MASK_TOKEN: return options->grn_decay;
    case FCMAE_ROLE_BIAS:
    case FCMAE_ROLE_NORM_WEIGHT:
    case FCMAE_ROLE_NORM_BIAS:
    case FCMAE_ROLE_DEPTHWISE_BIAS:
    case FCMAE_ROLE_EXPAND_BIAS:
    case FCMAE_ROLE_REDUCE_BIAS:
    case FCMAE_ROLE_LAYER_SCALE: break;
    }
    return false;
}

static fcmae_status check_options(const fcmae_adamw_options *o, fcmae_error *error)
{
    if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the betas are %g and %g, but must be at least 0 and below 1", o->beta1,
                          o->beta2);
    if (!(o->epsilon > 0 && isfinite(o->epsilon)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "epsilon is %g, but must be positive",
                          o->epsilon);
    if (!(o->weight_decay >= 0 && isfinite(o->weight_decay)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the weight decay is %g, but must be 0 or more", o->weight_decay);
    if (!(o->clip >= 0 && isfinite(o->clip)))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the gradient clip is %g, but must be 0 (none) or more", o->clip);
    if (o->instruction_set < 0 || o->instruction_set > 4)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the instruction set is %d, but must be 0 (the best), 1 (portable), "
                          "2 (AVX2), 3 (AVX-512) or 4 (AVX-512 with bfloat16)",
                          o->instruction_set);
    if (o->frozen_blocks < 0)
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT, "%d blocks cannot be frozen",
                          o->frozen_blocks);
    if (o->layer_decay != FCMAE_LAYER_DECAY_NONE &&
        !(o->layer_decay_rate > 0 && o->layer_decay_rate <= 1))
        return fcmae_fail(error, FCMAE_ERR_ARGUMENT,
                          "the layer decay is %g, but must be above 0 and at most 1",
                          o->layer_decay_rate);
    return FCMAE_OK;
}

/** Whether a parameter belongs to the first `blocks` encoder blocks or to a layer before them. */
static bool is_frozen(const fcmae_model_config *config, const fcmae_parameter *p, int blocks)
{
    if (p->part != FCMAE_PART_DOWNSAMPLE && p->part != FCMAE_PART_BLOCK) return false;
    int place = p->part == FCMAE_PART_BLOCK ? p->block
                                            : 0; /* a layer shares the fate of the next block */
    for (int s = 0; s < p->stage; s++) place += config->depths[s];
    return place < blocks;
}

/** Fills adamw->pieces, or counts them while it is NULL. */
static int64_t cut_pieces(fcmae_adamw *adamw, const fcmae_model *model)
{
    int parameters;
    const fcmae_parameter *table = fcmae_model_parameters(model, &parameters);
    int64_t count = 0;
    for (int i = 0; i < parameters; i++) {
        const fcmae_parameter *p = &table[i];
        int layer = fcmae_layer_id(fcmae_model_configuration(model), p, adamw->options.layer_decay);
        int64_t size = p->rows * p->stride;
        if (is_frozen(fcmae_model_configuration(model), p, adamw->options.frozen_blocks)) continue;
        for (int64_t done = 0; done < size; done += PIECE, count++) {
            if (!adamw->pieces) continue;
            int64_t rest = size - done;
            adamw->pieces[count] = (piece){.offset = p->offset + done,
                                           .count = (int32_t)(rest < PIECE ? rest : PIECE),
                                           .group = layer * 2 +
                                                    fcmae_adamw_decays(&adamw->options, p)};
        }
    }
    return count;
}

fcmae_status fcmae_adamw_create(fcmae_adamw **out, const fcmae_model *model,
                                const fcmae_adamw_options *options, fcmae_error *error)
{
    FCMAE_TRY(check_options(options, error));
    fcmae_adamw *adamw = calloc(1, sizeof *adamw);
    if (!adamw) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for the optimiser");
    adamw->options = *options;
    adamw->kernels = fcmae_kernels_get(fcmae_isa_choose(options->instruction_set, false));
    const fcmae_model_config *config = fcmae_model_configuration(model);
    size_t size = (size_t)fcmae_model_block_size(model);
    int layers = fcmae_layer_count(config, options->layer_decay);
    adamw->piece_count = cut_pieces(adamw, model);
    adamw->group_count = 2 * layers;
    adamw->pieces = calloc((size_t)adamw->piece_count, sizeof *adamw->pieces);
    adamw->squares = calloc((size_t)adamw->piece_count, sizeof *adamw->squares);
    adamw->groups = calloc((size_t)adamw->group_count, sizeof *adamw->groups);
    adamw->first = fcmae_allocate_aligned(size, sizeof(float));
    adamw->second = fcmae_allocate_aligned(size, sizeof(float));
    if (!adamw->pieces || !adamw->squares || !adamw->groups || !adamw->first || !adamw->second) {
        fcmae_adamw_destroy(&adamw);
        return fcmae_fail(error, FCMAE_ERR_MEMORY,
                          "no memory for the moments of the optimiser (%.2f GiB)",
                          (double)size * 8 / 1073741824.0);
    }
    cut_pieces(adamw, model);
    for (int i = 0; i < adamw->group_count; i++)
        adamw->groups[i].layer_scale = options->layer_decay == FCMAE_LAYER_DECAY_NONE
                                           ? 1
                                           : pow(options->layer_decay_rate, layers - 1 - i / 2);
    *out = adamw;
    return FCMAE_OK;
}

void fcmae_adamw_destroy(fcmae_adamw **adamw)
{
    if (!adamw || !*adamw) return;
    free((*adamw)->pieces);
    free((*adamw)->squares);
    free((*adamw)->groups);
    free((*adamw)->first);
    free((*adamw)->second);
    free(*adamw);
    *adamw = NULL;
}

float *fcmae_adamw_first_moment(fcmae_adamw *adamw)
{
    return adamw->first;
}

float *fcmae_adamw_second_moment(fcmae_adamw *adamw)
{
    return adamw->second;
}

int64_t fcmae_adamw_updates(const fcmae_adamw *adamw)
{
    return adamw->updates;
}

void fcmae_adamw_set_updates(fcmae_adamw *adamw, int64_t updates)
{
    adamw->updates = updates;
}

typedef struct step_work {
    fcmae_adamw *adamw;
    float *values;
    const float *gradients;
} step_work;

static void measure_piece(void *argument, int64_t index, int worker)
{
    (void)worker;
    const step_work *work = argument;
    const piece *p = &work->adamw->pieces[index];
    work->adamw->squares[index] = work->adamw->kernels->sum_of_squares(p->count,
                                                                       work->gradients + p->offset);
}

static void update_piece(void *argument, int64_t index, int worker)
{
    (void)worker;
    const step_work *work = argument;
    fcmae_adamw *adamw = work->adamw;
    const piece *p = &adamw->pieces[index];
    adamw->squares[index] = adamw->kernels->adamw(
        p->count, work->values + p->offset, work->gradients + p->offset, adamw->first + p->offset,
        adamw->second + p->offset, &adamw->groups[p->group].factors);
}

static double norm_of_pieces(const fcmae_adamw *adamw)
{
    double sum = 0;
    for (int64_t i = 0; i < adamw->piece_count; i++) sum += adamw->squares[i];
    return sqrt(sum);
}

static void set_factors(fcmae_adamw *adamw, double lr, double gradient_scale)
{
    const fcmae_adamw_options *o = &adamw->options;
    double t = (double)adamw->updates;
    for (int i = 0; i < adamw->group_count; i++) {
        double scaled = lr * adamw->groups[i].layer_scale;
        double decay = i % 2 ? o->weight_decay : 0;
        adamw->groups[i].factors = (fcmae_adamw_factors){
            .gradient_scale = (float)gradient_scale,
            .keep = (float)(1 - scaled * decay),
            .step_size = (float)(scaled / (1 - pow(o->beta1, t))),
            .correction2_root = (float)sqrt(1 - pow(o->beta2, t)),
            .beta1 = o->beta1,
            .beta2 = o->beta2,
            .epsilon = o->epsilon};
    }
}

static fcmae_status not_finite(fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_NUMERIC, "the gradient is not finite");
}

fcmae_status fcmae_adamw_step(fcmae_adamw *adamw, float *values, const float *gradients, double lr,
                              int threads, double *norm, fcmae_error *error)
{
    step_work work = {adamw, values, gradients};
    double scale = 1, found = 0;
    if (adamw->options.clip > 0) {
        fcmae_parallel_for(threads, adamw->piece_count, measure_piece, &work);
        found = norm_of_pieces(adamw);
        if (norm) *norm = found;
        if (!isfinite(found)) return not_finite(error);
        scale = fmin(1, adamw->options.clip / (found + 1e-6));
    }
    adamw->updates++;
    set_factors(adamw, lr, scale);
    fcmae_parallel_for(threads, adamw->piece_count, update_piece, &work);
    if (adamw->options.clip > 0) return FCMAE_OK;
    found = norm_of_pieces(adamw);
    if (norm) *norm = found;
    return isfinite(found) ? FCMAE_OK : not_finite(error);
}
