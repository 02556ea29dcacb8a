/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Private to the reference network: one pass over a batch and the arrays it keeps.
 *
 * A pass keeps every intermediate array until its result is released; the backward pass reads the
 * forward pass upside down. Rows of all samples stand one after the other at every level.
 */
#ifndef TESTS_REFERENCE_NETWORK_PASS_H
#define TESTS_REFERENCE_NETWORK_PASS_H

#include "reference/network.h"
#include "reference/operators.h"

#define LAYER_NORM_EPSILON 1e-6
enum { DECODER = FCMAE_STAGES, LEVELS };

/* Active sites of all samples on the grid of one stage (level 4: the decoder's full grid). */
typedef struct level {
    int height, width;
    uint8_t *active; /* [samples][height * width] */
    int64_t *first;  /* [samples + 1] first row of a sample */
} level;

/* Arrays of one block, named after what made them. */
typedef struct block_trace {
    const double *x;
    double *mixed, *normed, *expanded, *hidden, *response, *reduced, *branch, *y;
} block_trace;

typedef struct pass_memory {
    struct pass_memory *next;
    double values[];
} pass_memory;

typedef struct pass {
    reference_network *network;
    const fcmae_model_config *config;
    const reference_batch *batch;
    level levels[LEVELS];
    double *patches[FCMAE_STAGES];  /* stem: convolution before its norm; else the norm before it */
    double *embedded[FCMAE_STAGES]; /* what enters a stage's blocks */
    const double *output[LEVELS];   /* what leaves them */
    block_trace *blocks[LEVELS];
    double *projected, *predicted; /* decoder */
    double *pooled, *normed;       /* head */
    pass_memory **memory;
} pass;

/** Zeroed doubles that live until the result is released. */
double *pass_take(pass *p, int64_t count);
/** Value and gradient of the tensor named prefix + name. */
double *pass_value(pass *p, const char *prefix, const char *name);
double *pass_gradient(pass *p, const char *prefix, const char *name);
/** Sites of one sample at a level, and rows of all samples there. */
reference_grid pass_grid(const pass *p, int at, int sample);
int64_t pass_rows(const pass *p, int at);
const double *pass_image(const pass *p, int sample);

void pass_build_levels(pass *p);
/** The blocks of a level: returns (and keeps) the output, or the gradient of the input. */
const double *pass_blocks_forward(pass *p, int at, const double *x);
const double *pass_blocks_backward(pass *p, int at, const double *dy);
/** Image to p->output[3], and the gradients of all encoder parameters from that of p->output[3]. */
void pass_encoder_forward(pass *p);
void pass_encoder_backward(pass *p, const double *dy);

#endif
