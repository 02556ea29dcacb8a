/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The layers between stages: stem (patch linear, then LayerNorm) and 2x2/2 downsampling (LayerNorm,
 * then patch linear), forward and backward. docs/equations.md
 *
 * Rows of the finer stage stand in Z-order, so the four children of a row are adjacent and a
 * downsampling is one product on the same memory seen as [rows][4 * stride]. Its LayerNorm affine
 * is folded into the packed weights like a block's; the stem's affine is kept, because a depthwise
 * convolution and the residual read its output.
 */
#ifndef FCMAE_MODEL_PATCH_H
#define FCMAE_MODEL_PATCH_H

#include "dense/linear.h"
#include "fcmae/engine.h"
#include "model/model.h"
#include "model/workspace.h"
#include "sparse/site_map.h"

typedef struct fcmae_patch_layer {
    const fcmae_patch_parameters *parameters;
    const float *values;
    int in, in_stride; /* channels of the input rows (downsampling) or image (stem) */
    int out, out_stride;
    int positions;               /* inputs per output: 4, or stem_stride^2 */
    bool pairs;                  /* downsampling: operands in bfloat16 */
    fcmae_packed weight;         /* [positions * in][out] */
    fcmae_packed weight_back[4]; /* downsampling: [out][in] for each child */
    float *bias;                 /* folded; stem: the parameter */
    float *norm_weight;          /* downsampling: norm.weight once for each child */
} fcmae_patch_layer;

void fcmae_patch_reserve(fcmae_patch_layer *layer, fcmae_arena *arena,
                         const fcmae_patch_parameters *p, int in, int out, int positions, bool stem,
                         bool pairs);
/** Takes room for the weights that only backward reads: of a downsampling layer. */
void fcmae_patch_reserve_backward(fcmae_patch_layer *layer, fcmae_arena *arena);
int fcmae_patch_pack_tasks(const fcmae_patch_layer *layer);
void fcmae_patch_pack(const fcmae_patch_layer *layer, const fcmae_kernels *kernels, int task);

/** Downsampling. x: [4 * rows][in_stride]; normalised (kept) likewise, rstd [4 * rows];
 *  out: [rows][out_stride]. */
void fcmae_downsample_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                              int rows, const float *x, float *normalised, float *rstd, float *out);
/** gradient: [rows][out_stride] of the output; dx: [4 * rows][in_stride], overwritten. */
void fcmae_downsample_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                               int rows, const float *normalised, const float *rstd,
                               const float *gradient, float *dx, float *gradients);
/** Raw gradients to gradients of the parameters (downsampling only). */
void fcmae_downsample_finish(const fcmae_patch_layer *layer, float *gradients);

/** Stride of a stem patch row: stem_stride^2 * channels, padded. */
int fcmae_stem_patch_stride(const fcmae_model_config *config);

/** What the stem's forward leaves for its backward. */
typedef struct fcmae_stem_state {
    float *patches;    /* [rows][patch stride] */
    float *normalised; /* [rows][out_stride] */
    float *rstd;       /* [rows] */
} fcmae_stem_state;

/** Stem. Reads the visible sites' pixels of images first.. (map image i is image_index[i]); out:
 *  [rows][out_stride]. */
void fcmae_stem_forward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace,
                        const fcmae_model_config *config, const fcmae_site_map *map,
                        const fcmae_images *images, const int32_t *image_index,
                        const fcmae_stem_state *state, float *out);
/** gradient is overwritten. */
void fcmae_stem_backward(const fcmae_patch_layer *layer, const fcmae_workspace *workspace, int rows,
                         int patch_stride, const fcmae_stem_state *state, float *gradient,
                         float *gradients);

#endif
