/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Activation galleries: the channel maps of one image, one panel per block. */
#ifndef FCMAE_REPORT_GALLERY_H
#define FCMAE_REPORT_GALLERY_H

#include "core/text.h"
#include "fcmae/analysis.h"

/** Appends a PNG with a panel for every block of `point`; false in *any if no gallery was kept. */
fcmae_status fcmae_gallery_png(const fcmae_collapse_entry *entry, fcmae_observation_point point,
                               const fcmae_collapse_setup *setup, fcmae_buffer *out, bool *any,
                               fcmae_error *error);

/** Colour of a share 0 .. 1: dark blue over green to yellow (the ten anchors of viridis). */
void fcmae_colour_map(double share, uint8_t rgb[3]);

#endif
