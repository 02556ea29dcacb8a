/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A grid of equal square pictures under column labels: the program's doorway to cairo. */
#ifndef TOOLS_PICTURE_H
#define TOOLS_PICTURE_H

#include <stdint.h>

#include "fcmae/status.h"

typedef struct cli_picture cli_picture;

/** White, rows x columns of side x side pixels, labels [columns] on top. */
fcmae_status cli_picture_create(cli_picture **picture, int rows, int columns, int side,
                                const char *const *labels, fcmae_error *error);
/** Puts [side, side, 3] bytes at a place of the grid. */
void cli_picture_set(cli_picture *picture, int row, int column, const uint8_t *pixels);
/** Writes a PNG, complete or not at all. */
fcmae_status cli_picture_write(const cli_picture *picture, const char *path, fcmae_error *error);
void cli_picture_destroy(cli_picture **picture);

#endif
