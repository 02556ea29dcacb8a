/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The walk of one micro-batch through the four stages of the encoder, forward and back. */
#ifndef FCMAE_MODEL_ENCODER_H
#define FCMAE_MODEL_ENCODER_H

#include "model/lane.h"

/** Builds the maps of all stages and leaves the output of each in its last rows. */
void fcmae_encoder_forward(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count);
/** From the gradients in lane->sent, which are overwritten. */
void fcmae_encoder_backward(fcmae_lane *lane, const fcmae_call *call, int64_t first, int count);

#endif
