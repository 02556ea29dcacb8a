/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The folder of a run: which checkpoints it holds, their names, and who may write there.
 * What the files contain is the business of run_state.h and run_log.h.
 */
#ifndef FCMAE_RUN_RUN_FOLDER_H
#define FCMAE_RUN_RUN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

enum { FCMAE_PATH = 4096 };

/** Zero-initialise. */
typedef struct fcmae_run_folder {
    char path[FCMAE_PATH - 64]; /**< leaves room for the names of the files */
    int descriptor;             /**< of the folder itself, locked: one process trains in a folder */
    int made; /**< so many of the lowest folders are new: removed if nothing comes into them */
    int64_t *steps; /**< of checkpoints with both files, ascending                    */
    int count;
} fcmae_run_folder;

/**
 * Makes the folder (and the ones above it) if missing, locks it, removes temporary files that a
 * killed process left, and lists the checkpoints.
 * @return FCMAE_ERR_IO: it cannot be made, or another process trains in it.
 */
fcmae_status fcmae_run_folder_open(fcmae_run_folder *folder, const char *path, fcmae_error *error);
/** Lists the checkpoints of a folder that somebody else may be training in: no lock, nothing is
 *  removed. FCMAE_ERR_IO: there is no such folder. fcmae_run_folder_close() afterwards. */
fcmae_status fcmae_run_folder_look(fcmae_run_folder *folder, const char *path, fcmae_error *error);
void fcmae_run_folder_close(fcmae_run_folder *folder);

/** RUN/checkpoint-<step>.safetensors and its companion. `path` has FCMAE_PATH bytes. */
void fcmae_run_folder_weights(const fcmae_run_folder *folder, int64_t step, char *path);
void fcmae_run_folder_state(const fcmae_run_folder *folder, int64_t step, char *path);
/** The companion of any checkpoint file: "x.safetensors" -> "x.state.safetensors". */
fcmae_status fcmae_state_of_weights(const char *weights, char *path, fcmae_error *error);

/** Writes RUN/<name> so that it is complete or as before, even after a power cut. */
fcmae_status fcmae_run_folder_write(const fcmae_run_folder *folder, const char *name,
                                    const char *text, fcmae_error *error);

/**
 * Takes note of a checkpoint whose two files are in place: points `latest` at it and removes the
 * oldest ones beyond `keep` (0: none). Also removes halves of checkpoints that are older still.
 */
fcmae_status fcmae_run_folder_saved(fcmae_run_folder *folder, int64_t step, int keep,
                                    fcmae_error *error);

#endif
