/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Nearest neighbours while a network is pretrained: how often an image's neighbours are of its
 *  class. No label reaches the training. */
#ifndef FCMAE_TASK_WATCH_KNN_H
#define FCMAE_TASK_WATCH_KNN_H

#include "task/held_out.h"

/** Zero-initialise. */
typedef struct fcmae_watch_knn {
    fcmae_dataset *set; /**< the images with their labels; closed once the sample is decoded */
    fcmae_watched sample;
    int classes;
    int64_t wanted; /**< images of the sample, the same share of every class */
    int64_t every;  /**< updates between measurements; 0: none */
} fcmae_watch_knn;

/**
 * Looks whether the images have labels: folders of classes, at least two and fewer than half the
 * images, or shards with .cls members.
 * @param needed  whether it is a failure if they have none
 */
fcmae_status fcmae_watch_knn_open(fcmae_watch_knn *watch, const fcmae_run *run, bool needed,
                                  fcmae_error *error);
/** Decides `wanted` and `every` of a run whose length is known, so that it costs a hundredth of it.
 *  @param visible  share of an image that a sample of the run shows
 *  @param every    as given; below 0: open */
void fcmae_watch_knn_plan(fcmae_watch_knn *watch, const fcmae_run *run, double visible,
                          int64_t every);
/** Decodes the sample. */
fcmae_status fcmae_watch_knn_load(fcmae_watch_knn *watch, const fcmae_run *run, fcmae_error *error);
/**
 * Share of the sample, in percent, that the 20 nearest of its other images classify correctly: as
 * `fcmae knn` with its defaults, on whole images, but without a second set of them.
 */
fcmae_status fcmae_watch_knn_measure(const fcmae_watch_knn *watch, const fcmae_run *run,
                                     double *top1, fcmae_error *error);
void fcmae_watch_knn_release(fcmae_watch_knn *watch);

#endif
