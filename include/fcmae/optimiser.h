/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Optimiser: AdamW over a model's parameter block, the learning-rate schedule, layer-wise
 * learning-rate decay and the moving average of the weights.
 *
 * Everything here is a pure function of its inputs, the instruction set among them: the same bits
 * for any number of threads.
 */
#ifndef FCMAE_OPTIMISER_H
#define FCMAE_OPTIMISER_H

#include "fcmae/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How the learning rate shrinks towards the input of the network (fine-tuning). */
typedef enum fcmae_layer_decay {
    FCMAE_LAYER_DECAY_NONE = 0,
    FCMAE_LAYER_DECAY_SINGLE = 1, /**< one layer id per block: n = number of blocks               */
    FCMAE_LAYER_DECAY_GROUP = 2   /**< 12 groups, made for depths 3-3-27-3: n = 12                */
} fcmae_layer_decay;

/**
 * Layer id of a parameter: 0 .. fcmae_layer_count() - 1, counted from the input. The scale of its
 * learning rate is layer_decay_rate ^ (fcmae_layer_count() - 1 - id), so the head has scale 1.
 * As ConvNeXt V2's optim_factory.py; decoder parameters count as head. 0 without layer decay.
 */
FCMAE_API int fcmae_layer_id(const fcmae_model_config *config, const fcmae_parameter *parameter,
                             fcmae_layer_decay kind);
/** n + 2, where n is the number of blocks (single) or 12 (group); 1 without layer decay. */
FCMAE_API int fcmae_layer_count(const fcmae_model_config *config, fcmae_layer_decay kind);

/** Zero means zero here, except where a field says otherwise: start from fcmae_adamw_defaults(). */
typedef struct fcmae_adamw_options {
    double beta1, beta2; /**< 0.9 and 0.95 (pretraining) or 0.999 (fine-tuning); in [0, 1) */
    double epsilon; /**< 1e-8; added after the corrected square root                          */
    double weight_decay; /**< 0.05; applied to the weights of convolutions and linears */
    bool grn_decay;      /**< true: GRN gamma and beta and the mask token decay too, as the official
                              pretraining code does by accident (they are not rank 1 there). false:
                              only matrices and kernels decay */
    double clip; /**< largest gradient norm; 0: no clipping                                 */
    fcmae_layer_decay layer_decay;
    double layer_decay_rate; /**< in (0, 1]; unused without layer decay */
    int frozen_blocks;   /**< the first encoder blocks, with stem and downsampling before them, are
                              left as they are: no decay, no part in the gradient's norm          */
    int instruction_set; /**< as in fcmae_engine_options: the last bits depend on it              */
} fcmae_adamw_options;

/** Pretraining values: 0.9, 0.95, 1e-8, weight decay 0.05, no clipping, no layer decay. */
FCMAE_API fcmae_adamw_options fcmae_adamw_defaults(void);

/** Whether weight decay applies to a parameter under these options. */
FCMAE_API bool fcmae_adamw_decays(const fcmae_adamw_options *options,
                                  const fcmae_parameter *parameter);

/** The moments of one model's parameters, and how many updates they are of. Opaque; one owner. One
 *  thread at a time; different ones in parallel. */
typedef struct fcmae_adamw fcmae_adamw;

/**
 * Zero moments for every parameter of a model: two blocks of its size.
 * @param model  only its configuration and table are read; nothing is kept.
 * @return FCMAE_ERR_ARGUMENT: an option outside its range; FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_adamw_create(fcmae_adamw **adamw, const fcmae_model *model,
                                          const fcmae_adamw_options *options, fcmae_error *error);
FCMAE_API void fcmae_adamw_destroy(fcmae_adamw **adamw);

/**
 * One update (Loshchilov and Hutter, arXiv 1711.05101, as PyTorch computes it), for every element
 * p with gradient g at update number t = 1, 2, ...:
 *
 *   p = p (1 - s lr wd)          s: layer scale; wd: 0 where the parameter does not decay
 *   m = m + (1 - beta1) (g - m)
 *   v = beta2 v + (1 - beta2) g^2
 *   p = p - s lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *
 * One pass over the four blocks, memory bound. With clipping, g is scaled by
 * min(1, clip / (norm + 1e-6)), which needs a pass over the gradient first.
 *
 * @param values     [io] the model's block.
 * @param gradients  a block of the same layout, padding zero.
 * @param lr         learning rate of this update, >= 0.
 * @param threads    any number: the bits are the same.
 * @param norm       [out] L2 norm of the whole gradient before clipping; may be NULL.
 * @return FCMAE_ERR_NUMERIC: the gradient is not finite. The values may then be spoilt (not when
 *         clipping, which looks first): drop them.
 */
FCMAE_API fcmae_status fcmae_adamw_step(fcmae_adamw *adamw, float *values, const float *gradients,
                                        double lr, int threads, double *norm, fcmae_error *error);

/** First and second moment, blocks of the model's layout: borrowed, writable (to resume). */
FCMAE_API float *fcmae_adamw_first_moment(fcmae_adamw *adamw);
FCMAE_API float *fcmae_adamw_second_moment(fcmae_adamw *adamw);
/** Number of updates done; set it when resuming. */
FCMAE_API int64_t fcmae_adamw_updates(const fcmae_adamw *adamw);
FCMAE_API void fcmae_adamw_set_updates(fcmae_adamw *adamw, int64_t updates);

/** Linear warm-up, then half a cosine. Zero-initialise, then set. */
typedef struct fcmae_schedule {
    double lr;            /**< the peak                             */
    double min_lr;        /**< the end, 0 <= min_lr <= lr           */
    double warmup_epochs; /**< 0: none                              */
    double epochs;        /**< length of the run, >= warmup_epochs  */
} fcmae_schedule;

/**
 * Learning rate at a fractional epoch e (= updates done / updates per epoch):
 *   e < warmup: lr e / warmup;  else min_lr + (lr - min_lr) (1 + cos(pi (e - warmup) /
 *   (epochs - warmup))) / 2;  min_lr from e = epochs on.
 * The first update of a run with warm-up thus has rate 0, as in the official code.
 */
FCMAE_API double fcmae_schedule_rate(const fcmae_schedule *schedule, double epoch);

/** average = decay * average + (1 - decay) * values over a block (timm ModelEma). Bitwise
 *  independent of `threads`. The average starts as a copy of the values.
 *  @param instruction_set  as in fcmae_adamw_options */
FCMAE_API void fcmae_ema_update(float *average, const float *values, int64_t count, double decay,
                                int instruction_set, int threads);

#ifdef __cplusplus
}
#endif
#endif
