/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** One situation for the engine: a model with random parameters, a batch, and how it is run. */
#ifndef TESTS_NETWORK_CASE_H
#define TESTS_NETWORK_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcmae/engine.h"
#include "reference/network.h"

#define ENCODER_ALONE "none"

/** "masked", "classify", ENCODER_ALONE. */
extern const char *const network_objectives[3];

/** What a test writes down; zero means "the plain choice". */
typedef struct network_case {
    const char *name;
    const char *objective;    /* 0: "masked"; ENCODER_ALONE: none */
    int version;              /* 0: 2 */
    int dims[FCMAE_STAGES];   /* 0: 8, 16, 24, 40 */
    int depths[FCMAE_STAGES]; /* 0: 1, 1, 2, 1 */
    int channels, stem_stride, decoder_depth, decoder_dim, classes; /* 0: 3, 2, 1, 16, 5 */
    bool plain_targets;                                             /* norm_pix off */
    fcmae_grn_scope scope;
    int rows, columns; /* cells; 0: 2 x 3 */
    int samples;       /* 0: 3 */
    int images;        /* 0: one per sample; else sample i is of image i % images */
    int visible;       /* visible cells of a sample; 0: cells - 1 ... 1 in turn */
    bool drop_path;
    int batch, lanes, micro_batch, threads, instruction_set; /* 0: samples, 1, 1, 1, best */
    fcmae_precision precision;
} network_case;

/** The case made real. Every array is owned. */
typedef struct network_setup {
    network_case c;
    fcmae_model_config config;
    fcmae_model *model;
    fcmae_engine *engine;
    reference_network *reference;
    int cells, height, width;
    float *values, *targets, *branch_scale; /* of the batch */
    double *images, *double_targets, *double_branch_scale;
    int32_t *image_of;
    uint8_t *removed;
    fcmae_batch batch;
    reference_batch reference_batch;
} network_setup;

/** Builds everything; the parameters are random, none of them small. */
network_setup make_setup(const network_case *c, uint64_t stream);
/** Only the model, the batch and the reference: engine is NULL. */
network_setup make_setup_without_engine(const network_case *c, uint64_t stream);
void release_setup(network_setup *setup);

/** Options of the case; training only if there is an objective. */
fcmae_engine_options case_options(const network_setup *setup, bool train);
/** Whether the network has a decoder, or a head. */
bool has_decoder(const network_setup *setup);
bool has_head(const network_setup *setup);
/** After the model's values were changed: packs the weights and copies them to the reference. */
void refresh_parameters(network_setup *setup);

/** Where two arrays differ most, relative to the largest magnitude of `expected`. */
double relative_error(const float *got, const double *expected, int64_t count);

/** Steps and forwards the engine, runs the reference, compares everything there is. */
void check_setup(network_setup *setup, double tolerance);
/** make_setup(), check_setup() and release_setup(). */
void check_case(const network_case *c, double tolerance);

/** zero_gradients, one step, gradients: a copy of the gradient block. Free with free(). */
float *step_gradients(fcmae_engine *engine, const fcmae_model *model, const fcmae_batch *batch,
                      double *loss);

#endif
