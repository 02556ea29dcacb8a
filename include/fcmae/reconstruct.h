/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Reconstruction: pictures of what a masked autoencoder paints into removed patches. A few fixed
 * images and masks, predicted by any engine of the same input size as often as one likes.
 *
 * A network trained on normalised targets predicts each patch up to its mean and contrast, which
 * are those of the original in the picture.
 */
#ifndef FCMAE_RECONSTRUCT_H
#define FCMAE_RECONSTRUCT_H

#include "fcmae/data.h"
#include "fcmae/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is to be reconstructed. Borrowed during the call. */
typedef struct fcmae_reconstruction_request {
    fcmae_model_config config; /**< with a decoder, of 3 channels                         */
    const char *data;          /**< folder the images are drawn from                      */
    int side;                  /**< pixels, a multiple of the patch, at least two patches */
    int count;                 /**< images, drawn by the seed                             */
    int mask_unit;             /**< see fcmae/mask.h                                      */
    int threads;               /**< that decode; 0: every processor                       */
    double mask_ratio;
    uint64_t seed; /**< of the choice of images and of the masks                         */
    fcmae_log log; /**< unreadable files; used during the call                            */
} fcmae_reconstruction_request;

/** Images, masks, and their last prediction. Opaque; one owner; one thread at a time. */
typedef struct fcmae_reconstruction fcmae_reconstruction;

/** Reads the images and draws the masks. Fewer images than asked for is no error, none is.
 *  @return FCMAE_ERR_SHAPE, FCMAE_ERR_UNSUPPORTED (channels), FCMAE_ERR_FORMAT (no image could be
 *          read), and what opening the folder returns. */
FCMAE_API fcmae_status fcmae_reconstruction_create(fcmae_reconstruction **reconstruction,
                                                   const fcmae_reconstruction_request *request,
                                                   fcmae_error *error);
FCMAE_API void fcmae_reconstruction_destroy(fcmae_reconstruction **reconstruction);

/** Number of images. */
FCMAE_API int fcmae_reconstruction_count(const fcmae_reconstruction *reconstruction);
/** Visible cells of every mask: what an engine must be made for. */
FCMAE_API int fcmae_reconstruction_visible(const fcmae_reconstruction *reconstruction);
/** Name of an image, cut to `size`, and its loss over the removed patches in the last prediction.
 */
FCMAE_API double fcmae_reconstruction_image(const fcmae_reconstruction *reconstruction, int index,
                                            char *name, size_t size);

/** Forward of all images in one call. @param engine  for at least as many samples. */
FCMAE_API fcmae_status fcmae_reconstruction_predict(fcmae_reconstruction *reconstruction,
                                                    fcmae_engine *engine, fcmae_error *error);
/** Writes a PNG, complete or not at all: one row per image: masked, reconstruction, original. */
FCMAE_API fcmae_status fcmae_reconstruction_draw(const fcmae_reconstruction *reconstruction,
                                                 const char *path, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
