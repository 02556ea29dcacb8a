/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The rows of an option table that describe a network: section [model] of a preset, the recorded
 * options of a run, and the ranges that fcmae_config_check() tests.
 */
#ifndef FCMAE_MODEL_MODEL_OPTIONS_H
#define FCMAE_MODEL_MODEL_OPTIONS_H

#include "core/options.h"
#include "fcmae/model.h"

/* rows of a table, one below the other */
/* clang-format off */

/** `at(member)`: offset of a member of the fcmae_model_config inside the values; `by`: who may set
 *  what a run can choose (fcmae_option_source); the rest belongs into preset files. */
#define FCMAE_MODEL_OPTIONS(at, by)                                                                \
    {"version", FCMAE_OPTION_INT, at(version), .fallback = "2", .range = "[1, 2]",                 \
     .help = "2: ConvNeXt V2, with GRN; 1: ConvNeXt V1, with LayerScale.", FCMAE_MODEL_ROW},       \
    {"depths", FCMAE_OPTION_FOUR, at(depths), .range = "[1, 256]", .unit = "N, N, N, N",           \
     .help = "Blocks of the four stages.", FCMAE_MODEL_ROW},                                       \
    {"dims", FCMAE_OPTION_FOUR, at(dims), .range = "[8, 16384]", .unit = "N, N, N, N",             \
     .help = "Channels of the four stages, multiples of 8.", FCMAE_MODEL_ROW},                     \
    {"channels", FCMAE_OPTION_INT, at(channels), .fallback = "3", .range = "[1, 64]",              \
     .help = "Channels of an image.", FCMAE_MODEL_ROW},                                            \
    {"stem-stride", FCMAE_OPTION_INT, at(stem_stride), .fallback = "4", .range = "[2, 8]",         \
     .help = "Kernel and stride of the stem: 2, 4 or 8; a mask cell has 8 times as many pixels.",  \
     FCMAE_MODEL_ROW},                                                                             \
    {"classes", FCMAE_OPTION_INT, at(classes), .fallback = "1000", .range = "[1, 1000000]",        \
     .help = "Outputs of the classifier.", FCMAE_MODEL_ROW_FREE},                                  \
    {"layer-scale-init", FCMAE_OPTION_NUMBER, at(layer_scale_init), .fallback = "1e-6",            \
     .range = "(-1e6, 1e6)", .help = "First value of LayerScale; V1 only.", FCMAE_MODEL_ROW},      \
    {"grn-scope", FCMAE_OPTION_CHOICE, at(grn_scope), .fallback = "image",                         \
     FCMAE_FROM_PRESET,                                                                            \
     .choices = "image|batch",                                                                     \
     .help = "Set of visible sites over which GRN takes its norm.", .section = "model",            \
     .record = FCMAE_RECORD_FIXED, .source = by}

/** What the decoder is and predicts: likewise, for runs that have one. */
#define FCMAE_DECODER_OPTIONS(at, by)                                                              \
    {"norm-pix", FCMAE_OPTION_SWITCH, at(norm_pix), .fallback = "on",                              \
     FCMAE_FROM_PRESET,                                                                            \
     .help = "Normalise the pixels to predict by their patch.", .section = "model",                \
     .record = FCMAE_RECORD_FIXED, .source = by},                                                  \
    {"decoder-depth", FCMAE_OPTION_INT, at(decoder_depth), .fallback = "1", .range = "[1, 64]",    \
     FCMAE_FROM_PRESET,                                                                            \
     .help = "Blocks of the decoder.", .section = "model", .record = FCMAE_RECORD_FIXED,           \
     .source = by},                                                                                \
    {"decoder-dim", FCMAE_OPTION_INT, at(decoder_dim), .fallback = "512", .range = "[16, 8192]",   \
     FCMAE_FROM_PRESET,                                                                            \
     .help = "Channels of the decoder, a multiple of 16.", .section = "model",                     \
     .record = FCMAE_RECORD_FIXED, .source = by}

/* clang-format on */

#define FCMAE_FROM_PRESET .otherwise = "from the model's preset"
#define FCMAE_MODEL_ROW \
    .section = "model", .record = FCMAE_RECORD_FIXED, .source = FCMAE_SOURCE_PRESET
#define FCMAE_MODEL_ROW_FREE \
    .section = "model", .record = FCMAE_RECORD_NOT, .source = FCMAE_SOURCE_PRESET

/** The rows alone, over a fcmae_model_config. */
extern const fcmae_option_set fcmae_model_option_set;

#endif
