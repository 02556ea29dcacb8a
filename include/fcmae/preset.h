/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Presets: a model of a known size together with the recipes it was trained by.
 *
 * A preset is a short .ini file (see models/ of the sources for all of them). [model] says what the
 * network is; [pretrain], [finetune] and so on, one section for each kind of run, are its recipes:
 * their keys are options of that run, which docs/options.md lists. The files of the published sizes
 * are built into the library; any other model is a file of one's own:
 *
 *     [model]
 *     depths = 2, 2, 6, 2
 *     dims = 40, 80, 160, 320
 *
 * Only depths and dims must be given; everything else has its default. Unknown sections and keys,
 * keys given twice and impossible values are refused with file and line.
 *
 * Numbers: ConvNeXt V2 (Woo et al., arXiv 2301.00808), tables 8 to 11, and the commands published
 * with its code where the two differ (models/base.ini says where).
 */
#ifndef FCMAE_PRESET_H
#define FCMAE_PRESET_H

#include "fcmae/model.h"
#include "fcmae/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The defaults of [model]; depths and dims stay zero. */
FCMAE_API void fcmae_config_default(fcmae_model_config *config);

/** A preset that was read. Opaque; one owner. Immutable: any thread may read. */
typedef struct fcmae_preset fcmae_preset;

/**
 * Reads the text of a preset file.
 * @param file  name for messages; without folder and .ini it becomes the model's name.
 * @return FCMAE_ERR_FORMAT: "FILE:LINE: reason". FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_preset_parse(fcmae_preset **preset, const char *text, const char *file,
                                          fcmae_error *error);
/**
 * The same for a built-in name ("atto") or the path of a file.
 * @return FCMAE_ERR_NOT_FOUND (with the list of names), FCMAE_ERR_IO, and as above.
 */
FCMAE_API fcmae_status fcmae_preset_open(fcmae_preset **preset, const char *name,
                                         fcmae_error *error);
/** Frees and sets *preset to NULL; NULL and *preset == NULL are fine. */
FCMAE_API void fcmae_preset_close(fcmae_preset **preset);

/** The network, as a pretraining model. Lives as long as the preset. */
FCMAE_API const fcmae_model_config *fcmae_preset_config(const fcmae_preset *preset);
/** Sets the options of a run as the preset says, at FCMAE_LEVEL_RECIPE: the keys of [model] and of
 * the section of the options' name. @return FCMAE_ERR_MEMORY. */
FCMAE_API fcmae_status fcmae_preset_apply(const fcmae_preset *preset, fcmae_options *options,
                                          fcmae_error *error);

/** Opens a preset for its network alone. Errors as fcmae_preset_open(). */
FCMAE_API fcmae_status fcmae_preset_load(const char *name, fcmae_model_config *config,
                                         fcmae_error *error);

/** Names of the built-in presets. @param count  [out] may be NULL. */
FCMAE_API const char *const *fcmae_preset_names(int *count);
/** Text of a built-in preset, or NULL. */
FCMAE_API const char *fcmae_preset_text(const char *name);

#ifdef __cplusplus
}
#endif
#endif
