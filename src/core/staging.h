/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A folder of files that belong together: complete, or as it was before. They are written into a
 * folder beside it, which takes its name at the end; if it exists, they replace its files.
 */
#ifndef FCMAE_CORE_STAGING_H
#define FCMAE_CORE_STAGING_H

#include "core/status.h"

/** Zero-initialise. */
typedef struct fcmae_staging {
    char *path;      /**< final name; of what a link leads to */
    char *temporary; /**< the folder to write files into */
    int descriptor;  /**< of it, locked: one process writes there */
} fcmae_staging;

/**
 * Makes the folder to write into, empty: what a killed process left is removed.
 * @return FCMAE_ERR_IO: it cannot be made, `path` is no folder, or another process writes there.
 */
fcmae_status fcmae_staging_open(fcmae_staging *staging, const char *path, fcmae_error *error);
/** Gives the files their place. Releases `staging` either way. */
fcmae_status fcmae_staging_commit(fcmae_staging *staging, fcmae_error *error);
/** Removes what was written. Safe after commit and on a zeroed struct. */
void fcmae_staging_discard(fcmae_staging *staging);

#endif
