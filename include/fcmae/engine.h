/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Engine: runs a model. Forward, backward and inference over batches of images.
 *
 * A batch is carried in lanes: a lane takes micro-batches of a few images through the whole network
 * with activations of its own that stay in cache, and adds into a gradient block of its own; the
 * blocks are summed in a fixed order. Results depend on the number of lanes and the micro-batch
 * (both part of a run's configuration), never on the number of threads.
 *
 * One network serves every use: pretraining sees the visible cells of each mask, a dense pass is
 * the same network with every cell visible. What is trained is the objective of the model's
 * configuration.
 */
#ifndef FCMAE_ENGINE_H
#define FCMAE_ENGINE_H

#include "fcmae/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fcmae_precision { FCMAE_FLOAT32 = 0, FCMAE_BFLOAT16 = 1 } fcmae_precision;

/** Zero-initialise, then set what matters; 0 means "choose". */
typedef struct fcmae_engine_options {
    bool train; /**< forward and backward of the model's objective; false: forward only, of any
                       model, with about a tenth of the memory */
    int height, width; /**< input size in pixels, multiples of fcmae_config_patch()             */
    int visible_cells; /**< most visible cells of a sample; 0: all of them                      */
    int batch;         /**< most samples per call; needed to choose lanes and for GRN_BATCH     */
    int lanes;         /**< 0: one per processor, fewer where memory or the batch is small      */
    int micro_batch;   /**< samples a lane carries at a time; 0: 8, fewer if the batch is small */
    int threads;       /**< 0: every processor. Never changes a result.                         */
    int frozen_blocks; /**< "classify": the first encoder blocks, with stem and downsampling
                          before them, get no gradients and cost no backward pass; 0 .. all */
    fcmae_precision precision;
    int instruction_set; /**< the most to use. 0: the best of this processor; 1 portable, 2 AVX2,
                              3 AVX-512, 4 with its products of bfloat16. Results differ between
                              sets in the last bits.                                             */
} fcmae_engine_options;

/** The names of the instruction sets, in the order of those numbers: choices of an option. */
#define FCMAE_INSTRUCTION_SETS "auto|portable|avx2|avx512|avx512bf16"

/** What a plan amounts to: filled by fcmae_engine_plan() without allocating. */
typedef struct fcmae_engine_plan_info {
    fcmae_engine_options options; /**< every 0 replaced by the choice                            */
    uint64_t parameter_bytes;     /**< the model's value block                                   */
    uint64_t packed_bytes;        /**< weights repacked for the kernels                          */
    uint64_t gradient_bytes;      /**< all lanes                                                 */
    uint64_t activation_bytes;    /**< all lanes                                                 */
    uint64_t total_bytes;         /**< sum of the above (optimiser and data not included)        */
    double forward_flops;         /**< necessary floating-point operations per sample, forward   */
    double backward_flops;        /**< likewise backward: 2 * MAC; see docs/performance.md       */
    double encoder_macs;          /**< multiply-adds of convolutions and linears in the encoder   */
    double encoder_macs_dense;    /**< the same with every cell visible                          */
    double decoder_macs;          /**< decoder, every patch predicted (as papers count)          */
} fcmae_engine_plan_info;

FCMAE_API fcmae_status fcmae_engine_plan(const fcmae_model_config *config,
                                         const fcmae_engine_options *options,
                                         fcmae_engine_plan_info *info, fcmae_error *error);

/** A network at work: packed weights, the memory of its lanes, gradients. Opaque; one owner. One
 *  thread at a time (it uses options.threads of its own); different engines in parallel, also of
 *  one model that nobody changes meanwhile. */
typedef struct fcmae_engine fcmae_engine;

/**
 * Allocates everything a step needs and packs the weights.
 * @param model  retained: must outlive the engine.
 * @return FCMAE_ERR_ARGUMENT / FCMAE_ERR_SHAPE for impossible options, FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_engine_create(fcmae_engine **engine, fcmae_model *model,
                                           const fcmae_engine_options *options, fcmae_error *error);
FCMAE_API void fcmae_engine_destroy(fcmae_engine **engine);
/** The plan in force. */
FCMAE_API const fcmae_engine_plan_info *fcmae_engine_info(const fcmae_engine *engine);

/** Repacks the weights: call after the values in use changed. Once per optimiser step. */
FCMAE_API void fcmae_engine_pack(fcmae_engine *engine);
/**
 * From now on the engine computes with this block of values (a moving average, a teacher) and packs
 * it; nothing is copied. Gradients are then those at these values.
 * @param values  retained until the next call: layout of fcmae_model_values(), 64-byte aligned,
 * zero padding; NULL: the model's own.
 */
FCMAE_API void fcmae_engine_bind(fcmae_engine *engine, const float *values);

/** Images of one call: either bytes or values. Borrowed. */
typedef struct fcmae_images {
    int64_t count;
    const uint8_t *bytes; /**< [count, H, W, channels], or NULL */
    const float *values; /**< [count, channels, H, W], already normalised, or NULL                */
    const float *mean;   /**< bytes only: value = (byte / 255 - mean[c]) / deviation[c]           */
    const float *deviation;
} fcmae_images;

/** Samples of one call. Borrowed. Zero-initialise. */
typedef struct fcmae_batch {
    fcmae_images images;
    int64_t samples;         /**< masked views of images; usually images.count                   */
    const int32_t *image_of; /**< [samples] index of the image, or NULL: sample i is image i      */
    const uint8_t *removed; /**< [samples, cells] 1 = removed, or NULL: everything visible        */
    const float *targets;   /**< [samples, classes] target distribution (rows sum to 1), or NULL */
    const float *branch_scale; /**< [encoder blocks, samples] drop path: 0 or 1/keep; NULL: none */
} fcmae_batch;

/** Sets the gradients to zero. */
FCMAE_API void fcmae_engine_zero_gradients(fcmae_engine *engine);

/**
 * Forward and backward of one batch; gradients of weight * loss are added.
 * "masked": mean squared error over removed cells; a sample needs at least one visible and one
 * removed cell. "classify": soft cross-entropy, mean over samples.
 * @param weight  1 / (accumulated batches), normally 1.
 * @param loss    [out] mean loss of this batch (not multiplied by weight).
 * @return FCMAE_ERR_ARGUMENT (which sample and why), FCMAE_ERR_SHAPE, FCMAE_ERR_NUMERIC: the loss
 *         is not finite (the sample is named; gradients are then undefined).
 */
FCMAE_API fcmae_status fcmae_engine_step(fcmae_engine *engine, const fcmae_batch *batch,
                                         double weight, double *loss, fcmae_error *error);

/**
 * [samples] the loss of every sample of the batch of the last fcmae_engine_step(), which failed
 * with FCMAE_ERR_NUMERIC; NULL if it did not, or if the losses of single samples are finite. Valid
 * until the next call of the engine.
 */
FCMAE_API const double *fcmae_engine_failed_losses(const fcmae_engine *engine);

/**
 * Sums the lanes, as a fixed tree of pairs; call once per optimiser step.
 * @param gradients  [out] the gradient block (layout of fcmae_model_values), borrowed and writable,
 *                   valid until the next zero_gradients.
 * @return FCMAE_ERR_ARGUMENT if the engine does not train; what failed, if processes share the
 *         batch and could not sum.
 */
FCMAE_API fcmae_status fcmae_engine_gradients(fcmae_engine *engine, float **gradients,
                                              fcmae_error *error);

/**
 * What a forward pass can write, each NULL or a caller's buffer. All in sample order.
 */
struct fcmae_observation;

typedef struct fcmae_outputs {
    float *logits;     /**< [samples, classes]                                                   */
    float *pooled;     /**< [samples, dims[3]] mean over visible sites of the encoder output,
                            before the final LayerNorm                                           */
    float *encoder;    /**< [samples, dims[3], h, w], zeros where removed                         */
    float *prediction; /**< [samples, h * w, patch_values], every patch */
    double *sample_loss; /**< [samples] "masked": mean over removed patches; "classify": needs
                            targets */
    /** Called for every encoder block of every sample, in one thread per lane; NULL to skip. */
    void (*observe)(void *cookie, const struct fcmae_observation *observation);
    void *cookie;
} fcmae_outputs;

/** Points of a block an observer is shown. */
typedef enum fcmae_observation_point {
    FCMAE_OBSERVE_HIDDEN, /**< [sites, 4C] after GELU                                             */
    FCMAE_OBSERVE_GRN,    /**< [sites, 4C] after GRN (V2 only)                                    */
    FCMAE_OBSERVE_BRANCH, /**< [sites, C] before the residual addition                            */
    FCMAE_OBSERVE_OUTPUT  /**< [sites, C] after it                                                */
} fcmae_observation_point;

/** One tensor of one image at one block. `values` is [sites, stride], valid during the call. */
typedef struct fcmae_observation {
    int64_t sample;
    int stage, block; /**< the decoder's blocks are not shown */
    fcmae_observation_point point;
    const float *values;
    int64_t sites, channels, stride;
    const int32_t *position; /**< [sites] y * width + x on the stage's grid */
    int height, width;
    int lane; /**< calls of one lane never overlap */
} fcmae_observation;

/** Forward only, in any mode. */
FCMAE_API fcmae_status fcmae_engine_forward(fcmae_engine *engine, const fcmae_batch *batch,
                                            const fcmae_outputs *outputs, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
