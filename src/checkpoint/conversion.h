/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A conversion under way: the parameters of the output and where each comes from. */
#ifndef FCMAE_CHECKPOINT_CONVERSION_H
#define FCMAE_CHECKPOINT_CONVERSION_H

#include "checkpoint/entries.h"
#include "fcmae/convert.h"

typedef struct fcmae_conversion {
    const fcmae_convert_options *options;
    fcmae_checkpoint *input;
    fcmae_model_config config;  /**< of the output */
    fcmae_parameter *table;     /**< the output's parameters; offsets are meaningless */
    const fcmae_entry **source; /**< of each, NULL: fresh */
    int count;
    float *scratch; /**< room for the largest parameter */
    fcmae_load_report report;
} fcmae_conversion;

/** Opens the input, decides what the output holds and compares. */
fcmae_status fcmae_conversion_open(fcmae_conversion *conversion, const char *input,
                                   const fcmae_convert_options *options, fcmae_error *error);
void fcmae_conversion_close(fcmae_conversion *conversion);
/** Parameter `index` as f32 in C order of its official shape. */
fcmae_status fcmae_conversion_read(fcmae_conversion *conversion, int index, float *official,
                                   fcmae_error *error);

/** Names of the classes as a new JSON array (also from a folder's config.json), or NULL. */
struct json_t;
struct json_t *fcmae_conversion_classes(const fcmae_conversion *conversion, const char *input);

/** config.json, and preprocessor_config.json for Hugging Face, in `folder`. */
fcmae_status fcmae_write_model_folder(const fcmae_conversion *conversion, const char *folder,
                                      const struct json_t *classes, fcmae_error *error);

/** The network as an ONNX graph. @param bytes [out] tensor data written. */
fcmae_status fcmae_onnx_write(fcmae_conversion *conversion, const char *path, uint64_t *bytes,
                              fcmae_error *error);

/** The sentence for a comparison that failed (load.c). */
fcmae_status fcmae_load_refuse(const char *path, const fcmae_load_report *report,
                               fcmae_error *error);

#endif
