/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The parameters among a file's tensors, the network they belong to, and how they fit a model. */
#ifndef FCMAE_CHECKPOINT_ENTRIES_H
#define FCMAE_CHECKPOINT_ENTRIES_H

#include "checkpoint/layout.h"
#include "fcmae/checkpoint.h"
#include "model/model.h"

#define FCMAE_KEY_SIZE 256

/** A recognised tensor. */
typedef struct fcmae_entry {
    const fcmae_tensor *tensor;
    fcmae_parsed_name parsed;
} fcmae_entry;

/** Everything under one prefix. Zero-initialise. */
typedef struct fcmae_entries {
    fcmae_entry *entry; /**< sorted by official name */
    int count;
    const fcmae_tensor **unknown;
    int unknown_count;
    size_t prefix_length; /**< of the prefix that all names here begin with */
} fcmae_entries;

/** Collects the tensors whose names begin with `prefix`; two spellings of one parameter are
 *  FCMAE_ERR_FORMAT. */
fcmae_status fcmae_entries_collect(fcmae_entries *entries, const fcmae_tensor_file *file,
                                   const char *prefix, fcmae_error *error);
void fcmae_entries_release(fcmae_entries *entries);
/** Entry of that official name, or NULL. */
const fcmae_entry *fcmae_entries_find(const fcmae_entries *entries, const char *official);
/** The layout most distinctive names belong to. */
fcmae_layout fcmae_entries_layout(const fcmae_entries *entries);

/** Infers sizes, version, kind and classes from names and shapes; false if they make no network. */
bool fcmae_entries_infer(const fcmae_entries *entries, fcmae_model_config *config);
/** Reads what tensors cannot tell (name, norm_pix, grn_scope, layer_scale_init) into `config`. */
void fcmae_config_read_modes(const fcmae_tensor_file *file, fcmae_model_config *config);
/** Reads the configuration written by fcmae_checkpoint_save(); false if there is none. */
bool fcmae_config_from_metadata(const fcmae_tensor_file *file, fcmae_model_config *config);

/** Compares with a table. source[i] becomes the entry of parameter i, or NULL. */
fcmae_status fcmae_entries_match(const fcmae_entries *entries, const fcmae_parameter *table,
                                 int count, const fcmae_load_options *options,
                                 const fcmae_entry **source, fcmae_load_report *report,
                                 fcmae_error *error);

/** Whether a tensor is one of those that our own checkpoints and networks of others hold beside the
 *  parameters. */
bool fcmae_is_companion(const char *name);

/** Reads a tensor as f32 in its own order. FCMAE_ERR_NUMERIC, which names it: a value is not
 *  finite. */
fcmae_status fcmae_entry_read_stored(const fcmae_tensor_file *file, const fcmae_entry *entry,
                                     float *values, fcmae_error *error);

/** Reads a matched parameter as f32 in its official C order; `scratch` holds as many floats. */
fcmae_status fcmae_entry_read(const fcmae_tensor_file *file, const fcmae_entry *entry,
                              const fcmae_parameter *parameter, float *scratch, float *official,
                              fcmae_error *error);

struct fcmae_checkpoint {
    fcmae_tensor_file *file;
    fcmae_entries entries;
    fcmae_checkpoint_info info;
    char *path;
    char key[FCMAE_KEY_SIZE];
};

/** Finds where in the file the network stands and collects its entries; sets `key` and
 *  info.average. @param key  what the user asked for, as for fcmae_checkpoint_open(), or NULL
 *  @return FCMAE_ERR_NOT_FOUND, FCMAE_ERR_MISMATCH: several networks; the sentence names keys. */
fcmae_status fcmae_checkpoint_choose_key(fcmae_checkpoint *checkpoint, const char *key,
                                         fcmae_error *error);

#endif
