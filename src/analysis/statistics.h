/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Statistics of one [sites, channels] tensor; the definitions are in fcmae/analysis.h. */
#ifndef FCMAE_ANALYSIS_STATISTICS_H
#define FCMAE_ANALYSIS_STATISTICS_H

#include "fcmae/analysis.h"

/** Where per-channel results go besides the summary. */
typedef struct fcmae_channel_detail {
    float *mean;     /**< [channels] over the sites, or NULL                      */
    float *activity; /**< [channels] mean of max(value, 0), or NULL               */
    uint8_t *dead;   /**< [channels] 1: dead, or NULL                             */
} fcmae_channel_detail;

/** fcmae_channel_measure() with thresholds and details (may be NULL). */
void fcmae_channel_measure_full(const fcmae_observation *observation, double dead_threshold,
                                double saturated_threshold, double *scratch,
                                const fcmae_channel_detail *detail,
                                fcmae_channel_statistics *statistics);

/** Class selectivity index of one channel: (best - rest) / (best + rest), `rest` the mean of the
 *  class means but the best. `sum` [classes] sums of activity, step `stride`; `count` [classes].
 *  -1 if the channel never responds or fewer than two classes have images. */
double fcmae_class_selectivity(const double *sum, int64_t stride, const int64_t *count,
                               int classes);

#endif
