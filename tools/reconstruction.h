/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Pictures of what a masked autoencoder paints into removed patches: a few fixed images and masks,
 *  predicted by any engine of the same input size as often as one likes. */
#ifndef TOOLS_RECONSTRUCTION_H
#define TOOLS_RECONSTRUCTION_H

#include "fcmae/fcmae.h"

typedef struct cli_reconstruction_options {
    fcmae_model_config config;
    const char *data; /**< folder the images are drawn from */
    int side, count, mask_unit, threads;
    double mask_ratio;
    uint64_t seed; /**< of the choice of images and of the masks */
    fcmae_log log; /**< unreadable files; used while preparing */
} cli_reconstruction_options;

/** Zero-initialise; release in any case. */
typedef struct cli_reconstruction {
    fcmae_model_config config;
    int side, patch, grid, cells, visible, count;
    uint8_t *images, *removed; /**< [count, side, side, 3], [count, cells] */
    int64_t *indices;          /**< [count] into the data set */
    float *predictions;        /**< [count, cells, patch values] */
    double *losses;            /**< [count] on the removed patches */
    fcmae_dataset *dataset;
} cli_reconstruction;

/** Reads the images and draws the masks. `count` may come out smaller than asked for. */
fcmae_status cli_reconstruction_prepare(cli_reconstruction *r, const cli_reconstruction_options *o,
                                        fcmae_error *error);
/** The engine takes r->count samples of r->visible cells. */
fcmae_status cli_reconstruction_predict(cli_reconstruction *r, fcmae_engine *engine,
                                        fcmae_error *error);
/** Writes a PNG: one row per image, masked, reconstruction, original. */
fcmae_status cli_reconstruction_draw(const cli_reconstruction *r, const char *path,
                                     fcmae_error *error);
void cli_reconstruction_release(cli_reconstruction *r);

#endif
