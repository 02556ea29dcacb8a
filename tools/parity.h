/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Reading and running a parity file; comparing is the command's part. */
#ifndef TOOLS_PARITY_H
#define TOOLS_PARITY_H

#include "fcmae/checkpoint.h"
#include "fcmae/fcmae.h"

/** What a file can expect besides gradients. */
enum {
    CLI_PARITY_LOSS,
    CLI_PARITY_PREDICTION,
    CLI_PARITY_ENCODER,
    CLI_PARITY_LOGITS,
    CLI_PARITY_OUTPUTS
};
extern const char *const cli_parity_output_names[CLI_PARITY_OUTPUTS];

typedef struct cli_parity_tensor {
    float *expected, *computed; /**< owned; NULL: not expected */
    int rank;
    int64_t shape[4];
} cli_parity_tensor;

/** Zero-initialise, set threads, lanes, micro_batch and precision of `engine`. */
typedef struct cli_parity_case {
    fcmae_engine_options engine;
    fcmae_checkpoint *file;
    fcmae_model *model;
    int64_t samples, height, width, cells;
    float *image, *targets;
    uint8_t *removed; /**< NULL: every cell visible */
    cli_parity_tensor output[CLI_PARITY_OUTPUTS];
    float *gradients, *computed_gradients; /**< blocks; NULL: none expected */
    bool *gradient_expected;               /**< per parameter */
    float *scratch[2];                     /**< room for the largest parameter */
} cli_parity_case;

/** Reads everything, builds the model, checks every shape. */
fcmae_status cli_parity_read(cli_parity_case *parity, const char *path, fcmae_error *error);
/** Computes what is expected. */
fcmae_status cli_parity_run(cli_parity_case *parity, fcmae_error *error);
void cli_parity_release(cli_parity_case *parity);

#endif
