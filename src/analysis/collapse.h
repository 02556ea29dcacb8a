/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The accumulator behind fcmae_collapse, shared by collapse.c
 *  (filling) and summary.c (results). */
#ifndef FCMAE_ANALYSIS_COLLAPSE_H
#define FCMAE_ANALYSIS_COLLAPSE_H

#include "analysis/statistics.h"

/** What one sample leaves behind at one layer. */
typedef struct fcmae_collapse_cell {
    double distance, distance_alive;
    float dead, saturated;
    int32_t sites; /**< 0: not shown yet; -1: not finite */
} fcmae_collapse_cell;

/** One tensor of one block. Arrays are slices of the accumulator's blocks or owned where said. */
typedef struct fcmae_collapse_slot {
    fcmae_collapse_layer result;
    fcmae_collapse_cell *cells; /**< [images]                                            owned */
    float *rows;                /**< [min(images, FCMAE_RANK_IMAGES), channels] means     owned */
    float *activity;            /**< [batch, channels] of the batch in progress, or NULL  owned */
    uint8_t *dead;              /**< [batch, channels] likewise                           owned */
    int64_t *dead_images;       /**< [channels] in how many images it was dead            owned */
    double *class_sum;          /**< [classes, channels], or NULL                         owned */
    float *maps;                /**< gallery [count, height, width], or NULL              owned */
    int32_t *gallery_channel;   /**< [count]                                              owned */
    uint8_t *gallery_dead;      /**< [count]                                              owned */
    int gallery_count, height, width;
} fcmae_collapse_slot;

struct fcmae_collapse {
    fcmae_model_config config;
    fcmae_collapse_options options;
    int blocks, points; /**< encoder blocks, tensors per block */
    int first_block[FCMAE_STAGES];
    int point_rank[4];            /**< place of a point within its block, -1: not wanted */
    fcmae_collapse_slot *slots;   /**< [blocks * points] */
    fcmae_collapse_layer *layers; /**< [blocks * points] filled by finish */
    int64_t *class_images;        /**< [classes] or NULL */
    double **scratch;             /**< [lanes] */
    int64_t folded;
    bool finished;
};

#endif
