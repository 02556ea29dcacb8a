/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Folders for one test, and what tests of runs have in common. */
#ifndef TESTS_TRAIN_SCRATCH_H
#define TESTS_TRAIN_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/data.h"
#include "fcmae/train.h"

enum { SCRATCH_PATH = 300 };

/** Makes an empty folder, in memory where the system has such a place. */
void scratch_make(char *path);
/** Removes it with all that is in it. */
void scratch_remove(const char *path);

/** Reads a file; the caller frees. NULL if there is none. */
char *scratch_read(const char *folder, const char *name, size_t *size);
void scratch_write(const char *folder, const char *name, const void *bytes, size_t size);
bool scratch_exists(const char *folder, const char *name);
/** Fails the test unless both folders hold the same bytes under this name. */
void scratch_same(const char *folder_a, const char *folder_b, const char *name);

/** Writes 40 synthetic images of 48 pixels to folder/set/train. */
void scratch_images(const char *folder);

/** The smallest model that has all kinds of layers. */
fcmae_model_config scratch_model(void);
/** Options of a pretraining of 12 updates (2.4 epochs) of that model in folder/`run`, on
 *  folder/set/train. scratch_forget() frees them. */
fcmae_options *scratch_pretraining(const char *folder, const char *run);
/** Options of `task` that know the model and the run folder alone. */
fcmae_options *scratch_task(const char *task, const char *folder, const char *run);
/** Frees every options that the two above made. */
void scratch_forget(void);
/** Sets an option, or fails the test. */
void scratch_set(fcmae_options *options, const char *name, const char *text);
void scratch_number(fcmae_options *options, const char *name, double value);

#endif
