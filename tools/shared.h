/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What several commands need: common readings of common options. */
#ifndef TOOLS_SHARED_H
#define TOOLS_SHARED_H

#include "arguments.h"
#include "fcmae/fcmae.h"

/** Help texts of options that many commands have. */
#define CLI_HELP_MODEL                                                                             \
    "A preset (atto, femto, pico, nano, tiny, base, large, huge; atto-v1 ... for ConvNeXt V1) or " \
    "the path of a preset file."
#define CLI_HELP_UNEXPECTED                                                                      \
    "Leave out tensors that are none of the network's, such as a projector; otherwise they are " \
    "an error."
#define CLI_HELP_KEY                                                               \
    "Which weights of the file, where it holds several: model, model_ema, ... or " \
    "ema for any average."
#define CLI_HELP_THREADS "Processor threads; 0: all. Never changes a result."
#define CLI_HELP_LANES                                                                             \
    "Lanes: images worked on side by side, each with gradients of its own; 0: one per processor, " \
    "fewer where memory is short. Part of a run: it decides the last bits of the result."
#define CLI_HELP_MICRO_BATCH "Images a lane carries at a time; 0: 8, fewer if the batch is small."
#define CLI_HELP_PRECISION                                                                 \
    "bf16 multiplies in bfloat16 and keeps weights, sums and norms in float32: about 1.5 " \
    "times as fast on processors with AVX-512 BF16, emulated (slower than f32) elsewhere."

/**
 * "224" or "256x192" (height x width) in pixels, positive multiples of the model's patch.
 * Prints the reason and returns CLI_USAGE if it is not.
 */
int cli_input_size(const cli_command *command, const char *option, const char *text,
                   const fcmae_model_config *config, int *height, int *width);

/** fcmae_checkpoint_find(), and one line that says which file it is where a folder was given. */
fcmae_status cli_find_checkpoint(const cli_arguments *arguments, const char *given, char *path,
                                 size_t size, fcmae_error *error);

/** Whether what stands in the place of a checkpoint is a preset, which has no weights of its own:
 *  "atto", "my/model.ini". */
bool cli_names_preset(const char *given);

/** What is worth knowing of a file: where in it the network was found, averaged weights that nobody
 *  asked for; with `lenient` also tensors that are left out since they are none of a network. */
void cli_remark_contents(const cli_arguments *arguments, const fcmae_checkpoint_info *info,
                         bool lenient);

/** The same of a file that is yet to be opened, with `lenient`; whoever loads it says why it cannot
 *  be. */
void cli_remark_file(const cli_arguments *arguments, const char *path, const char *key);

/** Side of an image where neither the user nor the checkpoint says it. */
enum { CLI_INPUT = 224 };
/** Side of the input that a checkpoint or run records; 0: it records none, or cannot be read, which
 *  whoever loads it will say. @param key  as for fcmae_checkpoint_open(), or NULL */
int cli_recorded_input(const char *checkpoint, const char *key);

/**
 * Remarks, once per command, that bfloat16 products will be emulated, if `precision` asks for them
 * and the processor or `instruction_set` (0: the best; as in fcmae_engine_options) lacks them.
 */
void cli_remark_emulation(const cli_arguments *arguments, int precision, int instruction_set);

/** "7,257,992" */
const char *cli_grouped(int64_t value, char *text, int size);

/** Fills *error with a sentence and returns `status`. */
fcmae_status cli_error(fcmae_error *error, fcmae_status status, const char *format, ...)
    FCMAE_PRINTF(3, 4);

/** Fails with a sentence if `bytes` exceed the machine's memory. @param advice  "choose ..." */
fcmae_status cli_check_memory(double bytes, const char *advice, fcmae_error *error);

#endif
