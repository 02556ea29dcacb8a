/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The ends of the FCMAE decoder: projection and mask token in front, prediction and loss behind.
 * The blocks between them are ordinary ones over a decoder map (every cell active).
 *
 * Rows of a decoder map: removed cells of all images first, then visible ones in encoder order. The
 * projection is then one product into the tail, and prediction and loss read a prefix.
 *
 *   target: pixels of a patch in order (row, column, channel); with norm_pix standardised with the
 *   unbiased variance, eps 1e-6 inside the root.   loss: mean over values and removed patches.
 */
#ifndef FCMAE_OBJECTIVE_DECODER_H
#define FCMAE_OBJECTIVE_DECODER_H

#include "dense/linear.h"
#include "fcmae/engine.h"
#include "model/network.h"

typedef struct fcmae_decoder_parameters {
    const fcmae_parameter *mask_token, *proj_weight, *proj_bias, *pred_weight, *pred_bias;
} fcmae_decoder_parameters;

typedef struct fcmae_decoder {
    const fcmae_network *network; /**< whose values it computes with */
    fcmae_decoder_parameters parameters;
    int channels, stride;     /**< of the encoder output             */
    int dim;                  /**< width of the decoder = its stride */
    int values, value_stride; /**< of one predicted patch          */
    bool pairs;               /**< prediction in bfloat16 */
    fcmae_packed proj, proj_back, pred, pred_back;
} fcmae_decoder;

void fcmae_decoder_reserve(fcmae_decoder *decoder, fcmae_arena *arena,
                           const fcmae_network *network);
/** Takes room for the weights that only backward reads. */
void fcmae_decoder_reserve_backward(fcmae_decoder *decoder, fcmae_arena *arena);
int fcmae_decoder_pack_tasks(const fcmae_decoder *decoder);
void fcmae_decoder_pack(const fcmae_decoder *decoder, const fcmae_kernels *kernels, int task);

/** encoder: [visible rows][stride] -> rows [map->rows][dim]: mask tokens, then projections. */
void fcmae_decoder_embed(const fcmae_decoder *decoder, const fcmae_workspace *workspace,
                         const fcmae_site_map *map, const float *encoder, float *rows);
/** gradient: [map->rows][dim]; dencoder: [visible rows][stride], overwritten. */
void fcmae_decoder_embed_backward(const fcmae_decoder *decoder, const fcmae_workspace *workspace,
                                  const fcmae_site_map *map, const float *encoder,
                                  const float *gradient, float *dencoder, float *gradients);

/** Targets of the leading map->live rows: [live][value_stride]. */
void fcmae_decoder_targets(const fcmae_decoder *decoder, const fcmae_workspace *workspace,
                           const fcmae_site_map *map, const fcmae_images *images,
                           const int32_t *image_index, float *targets);
/** prediction panels [values / w][live][w] of the leading rows. */
void fcmae_decoder_predict(const fcmae_decoder *decoder, const fcmae_workspace *workspace, int live,
                           const float *rows, float *prediction);
/** What fcmae_decoder_loss() reads and writes for the leading rows of a map. */
typedef struct fcmae_decoder_step {
    int live;             /**< rows with a prediction: map->live */
    const float *rows;    /**< [live][dim] decoder output */
    const float *targets; /**< [live][value_stride], from fcmae_decoder_targets() */
    float factor;         /**< 2 * weight / (values * removed patches of the whole batch) */
    float *error;         /**< scratch panels [values / w][live][w] */
    double *panel_loss;   /**< [values / w] sums of squared errors, overwritten */
    float *gradient;      /**< [live][dim] of the decoder output, overwritten */
    float *gradients;     /**< of the parameters, a block of the model; added to */
} fcmae_decoder_step;

/** Prediction, squared error against the targets, and all gradients in one pass per panel. */
void fcmae_decoder_loss(const fcmae_decoder *decoder, const fcmae_workspace *workspace,
                        const fcmae_decoder_step *step);

#endif
