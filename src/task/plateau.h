/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Whether a loss that is measured now and then has stopped falling. */
#ifndef FCMAE_TASK_PLATEAU_H
#define FCMAE_TASK_PLATEAU_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/** Measurements so far, in order; owned. Zero-initialise; free() the values. */
typedef struct fcmae_plateau {
    double *values;
    int64_t count, capacity;
} fcmae_plateau;

fcmae_status fcmae_plateau_add(fcmae_plateau *plateau, double value, fcmae_error *error);
/** Adds those that the log of a run holds under `figure`.
 *  @param last  [out] update of the last one; -1: there is none */
fcmae_status fcmae_plateau_recall(fcmae_plateau *plateau, const char *folder, const char *figure,
                                  int64_t *last, fcmae_error *error);
/** Whether the last fifth of `planned` measurements, at least five, is nowhere 0.2 % below the
 *  lowest before. */
bool fcmae_plateau_reached(const fcmae_plateau *plateau, int64_t planned);

#endif
