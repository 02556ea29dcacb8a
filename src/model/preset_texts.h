/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The files of models/, compiled in: preset_texts.c is made from
 *  preset_texts.c.in by the build. */
#ifndef FCMAE_MODEL_PRESET_TEXTS_H
#define FCMAE_MODEL_PRESET_TEXTS_H

extern const int fcmae_preset_text_count;
extern const char *const fcmae_preset_text_names[];
extern const char *const fcmae_preset_texts[];

#endif
