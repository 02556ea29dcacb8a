/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What any network makes of the encoder's output: means over sites, and maps for the caller. */
#ifndef FCMAE_MODEL_FEATURES_H
#define FCMAE_MODEL_FEATURES_H

#include "model/lane.h"

/** lane->pooled[sample] = mean over the visible sites of the encoder's output. */
void fcmae_lane_pool(fcmae_lane *lane, int count);
/** The outputs `encoder` and `pooled` of a forward call. */
void fcmae_lane_write_features(const fcmae_lane *lane, const fcmae_call *call, int64_t first,
                               int count);

#endif
