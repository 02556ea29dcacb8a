/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reference network: ConvNeXt V1/V2 with the FCMAE decoder or the classifier's head, forward and
 * backward over a whole batch in double precision, composed of reference/operators.h alone.
 *
 * Parameters are looked up by their official names and kept in the official layout.
 */
#ifndef TESTS_REFERENCE_NETWORK_H
#define TESTS_REFERENCE_NETWORK_H

#include <stdint.h>

#include "fcmae/model.h"

typedef struct reference_tensor {
    char name[64];
    int64_t count;
    double *value, *gradient; /* official layout */
} reference_tensor;

typedef struct reference_network {
    fcmae_model_config config;
    reference_tensor *tensors; /* in the order of the model's table */
    int count;
} reference_network;

/** Copies configuration and values; gradients are zero. Aborts when memory is short. */
reference_network *reference_network_create(const fcmae_model *model);
void reference_network_destroy(reference_network *network);
/** The tensor of that name; aborts when there is none. */
reference_tensor *reference_network_find(const reference_network *network, const char *name);
void reference_network_zero_gradients(reference_network *network);

/** As fcmae_batch, with images [images][channels][height][width] in double. Borrowed. */
typedef struct reference_batch {
    int samples, height, width;
    const double *images;
    const int32_t *image_of;    /* [samples] or NULL: sample i is image i        */
    const uint8_t *removed;     /* [samples][cells] or NULL: all visible         */
    const double *targets;      /* [samples][classes] or NULL                    */
    const double *branch_scale; /* [encoder blocks][samples] or NULL: all 1      */
} reference_batch;

/** What one encoder block made of the rows of all samples, in reading order per sample. */
typedef struct reference_trace {
    int stage, block, channels;
    const int64_t *first;            /* [samples + 1] first row of each sample */
    const double *hidden, *response; /* [rows][4 channels] after GELU, after GRN (V1: the same) */
    const double *branch, *output;   /* [rows][channels] */
} reference_trace;

/** Everything a pass can be asked for; NULL where the kind of network has no such thing. */
typedef struct reference_result {
    double loss;             /* PRETRAIN with removed cells, CLASSIFIER with targets; else 0 */
    double *sample_loss;     /* [samples]                                                    */
    double *encoder;         /* [samples][dims[3]][h][w], zeros where removed                */
    double *pooled;          /* [samples][dims[3]] mean over visible sites                   */
    double *prediction;      /* [samples][h * w][patch values], every patch                  */
    double *logits;          /* [samples][classes]                                           */
    reference_trace *traces; /* [encoder blocks]                                         */
    void *memory;
} reference_result;

/** Forward; with `backward` also adds the gradients of weight * loss to the tensors. */
reference_result reference_network_run(reference_network *network, const reference_batch *batch,
                                       int backward, double weight);
void reference_result_release(reference_result *result);

#endif
