/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Data: sets of images, and the loader that keeps a training step supplied.
 *
 * Every draw is a pure function of (seed, epoch, position in the epoch): the number of workers, a
 * resume or the speed of the disk cannot change a batch.
 */
#ifndef FCMAE_DATA_H
#define FCMAE_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcmae/transform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- sets of images */

/** A list of images, with labels or without. Immutable after it was opened: any thread may read. */
typedef struct fcmae_dataset fcmae_dataset;

/** Zero-initialise. */
typedef struct fcmae_dataset_options {
    /** true: the immediate subfolders are the classes, in code-point order of their names
     *  ("B" < "a", "10" < "9"), as torchvision's ImageFolder; images beside them are left out.
     *  false: every image of the tree, label -1. */
    bool labelled;
    fcmae_log log; /**< is told of what was left out; used during the call only */
} fcmae_dataset_options;

/**
 * Opens a folder tree, or shards: a .tar file, a list such as "train-{000..146}.tar", or a folder
 * without images that holds .tar files. Any other file is a set of one image.
 *
 * Folder tree. Links are followed; a folder that is reached a second time (a loop of links)
 * is left out, and so are names that start with a dot, what systems leave beside pictures
 * (__MACOSX, @eaDir, Thumbs.db, desktop.ini), and run folders, which hold config.json and
 * log.jsonl. Files named .jpg .jpeg .jpe .jfif or .png (any case) are taken without being opened;
 * the first bytes of every other file decide. Order: by folder path, then file name, both by code
 * points.
 *
 * Shards (WebDataset): consecutive members whose paths agree up to the first dot of the file name
 * are a sample; its picture is the member with an ending as above, its label the number in .cls
 * (needed if `labelled`; classes are named by their numbers). Opening reads every header, not the
 * pictures. Shards must not be compressed.
 *
 * Memory: the file names and 4 bytes each, 20 in shards (10 million names of 25 letters: 300 MB).
 *
 * @return FCMAE_ERR_NOT_FOUND: no such folder or shard; FCMAE_ERR_IO: it cannot be read;
 *         FCMAE_ERR_FORMAT: it holds no image, or (labelled) no subfolder with images or a sample
 *         without label, or a shard is damaged; FCMAE_ERR_UNSUPPORTED: a shard is compressed;
 *         FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_dataset_open(fcmae_dataset **dataset, const char *path,
                                          const fcmae_dataset_options *options, fcmae_error *error);
/** A set of given files, label -1, in the given order. The names are
 *  copied, the files not opened. */
FCMAE_API fcmae_status fcmae_dataset_from_files(fcmae_dataset **dataset, const char *const *paths,
                                                int64_t count, fcmae_error *error);
FCMAE_API void fcmae_dataset_close(fcmae_dataset **dataset);

/** Number of images, >= 1. */
FCMAE_API int64_t fcmae_dataset_count(const fcmae_dataset *dataset);
/** Number of classes; 0 without labels. A class folder without images keeps its number. */
FCMAE_API int fcmae_dataset_classes(const fcmae_dataset *dataset);
/** Name of a class, owned by the data set; NULL outside 0 .. classes-1. */
FCMAE_API const char *fcmae_dataset_class_name(const fcmae_dataset *dataset, int class_index);
/** Class of an image; -1 without labels. */
FCMAE_API int fcmae_dataset_label(const fcmae_dataset *dataset, int64_t index);
/** Name of an image, cut to `size` bytes including the final zero. */
FCMAE_API void fcmae_dataset_name(const fcmae_dataset *dataset, int64_t index, char *name,
                                  size_t size);
/**
 * Draws a part of a data set without repetition, the same share of every class (rounded to nearest,
 * at least one image of a class that has any), as a function of the seed.
 * @param fraction  in (0, 1]
 * @param indices   [out] ascending, allocated; the caller frees it with free().
 */
FCMAE_API fcmae_status fcmae_dataset_subset(const fcmae_dataset *dataset, double fraction,
                                            uint64_t seed, int64_t **indices, int64_t *count,
                                            fcmae_error *error);

/* ---------------------------------------------------------------- the loader */

/** Zero-initialise, then set what matters. */
typedef struct fcmae_loader_options {
    fcmae_transform transform;
    int batch; /**< samples per batch, >= 1 */
    /** true: every epoch in an order of its own, without end, the last incomplete batch left out.
     *  false: once, in the order of the data set, the last batch may be smaller. */
    bool training;
    bool keep_last; /**< training: the last incomplete batch of an epoch is used, smaller */
    uint64_t seed;
    int workers;  /**< threads; 0: one per processor */
    int prefetch; /**< batches prepared ahead; 0: 3 */
    /** Training on shards: images among which the order is random, so that the disk is read
     *  sequentially; the page cache holds their files. 0: 4096. Part of what determines a batch. */
    int64_t shuffle_buffer;
    /** Bytes of memory for decoded pictures that are kept from epoch to epoch; 0: none. Batches
     * stay the same in every bit. Worth it where all decoded pictures fit; not with fast_decode. */
    uint64_t cache_bytes;
    /** Share of unreadable files above which the run stops. 0: 5 %, but of a small set always up to
     *  min(10, a quarter). Negative: the first unreadable file stops the run. */
    double bad_share;
    const int64_t *subset; /**< indices to use, or NULL for all; copied */
    int64_t subset_count;
    fcmae_log log; /**< one warning per unreadable file, from the thread that calls next() */
} fcmae_loader_options;

/** What next() hands out. Borrowed until the following call of next(), start() or destroy(). */
typedef struct fcmae_samples {
    int count;              /**< 0: a data set that is not for training is at its end */
    const uint8_t *images;  /**< [count, size, size, 3] */
    const int32_t *labels;  /**< [count] */
    const int64_t *indices; /**< [count] into the data set: the image that was really used */
    uint32_t epoch;
    int64_t batch; /**< number within the epoch */
} fcmae_samples;

typedef struct fcmae_loader_statistics {
    double wait_seconds; /**< time next() spent waiting for samples */
    double work_seconds; /**< time the workers spent, summed */
    int64_t samples;     /**< delivered */
    int64_t bad_files;   /**< different files found unreadable */
} fcmae_loader_statistics;

/** Batches in the order of a run, prepared by threads of its own. Opaque; one owner. One thread
 *  takes batches; fcmae_loader_get_statistics() from any, callbacks included. */
typedef struct fcmae_loader fcmae_loader;

/**
 * Starts the workers; they prepare batches from epoch 0, batch 0 on.
 *
 * An unreadable file is named in the log once and counted. In training another image, drawn by
 * (seed, epoch, position), takes its place; in evaluation the sample is left out and the batch is
 * smaller by one.
 *
 * @param dataset  retained: must outlive the loader.
 * @return FCMAE_ERR_ARGUMENT: an option outside its range; FCMAE_ERR_SHAPE: training on fewer
 * images than a batch without `keep_last`; FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_loader_create(fcmae_loader **loader, const fcmae_dataset *dataset,
                                           const fcmae_loader_options *options, fcmae_error *error);
/** Stops the workers and frees everything. */
FCMAE_API void fcmae_loader_destroy(fcmae_loader **loader);
/** Batches of one epoch, >= 1. */
FCMAE_API int64_t fcmae_loader_batches(const fcmae_loader *loader);
/** Continues at any batch of any epoch: exactly what an uninterrupted run would get there. */
FCMAE_API fcmae_status fcmae_loader_start(fcmae_loader *loader, uint32_t epoch, int64_t batch,
                                          fcmae_error *error);
/**
 * The next batch; waits for it if need be. In training epoch follows epoch.
 * @return FCMAE_ERR_FORMAT: too many unreadable files (how many, and the first of them);
 *         FCMAE_ERR_MEMORY. The loader is then to be destroyed.
 */
FCMAE_API fcmae_status fcmae_loader_next(fcmae_loader *loader, fcmae_samples *samples,
                                         fcmae_error *error);
FCMAE_API fcmae_loader_statistics fcmae_loader_get_statistics(const fcmae_loader *loader);

/* ---------------------------------------------------------------- synthetic images */

/** Zero-initialise, then set what matters. */
typedef struct fcmae_synthetic_options {
    int classes;               /**< 1 .. 1000; 0: 10 */
    int64_t images;            /**< training images in all, dealt evenly; 0: 1000 */
    int64_t validation_images; /**< 0: a fifth of `images`, at least one per class */
    int size;                  /**< side in pixels, 16 .. 2048; 0: 64 */
    uint64_t seed;
    bool png;    /**< PNG instead of JPEG of quality 90 */
    int threads; /**< 0: one per processor. Never changes a file. */
} fcmae_synthetic_options;

/**
 * Writes folder/train/class_NNN/NNNNNN.jpg and folder/val/...: shaded objects before a textured
 * background. A class is a shape and a texture; colour, place, size, rotation, light and background
 * vary freely, so a classifier has something to learn and a masked autoencoder something to see. A
 * function of the options alone. Existing files of these names are replaced.
 */
FCMAE_API fcmae_status fcmae_synthetic_write(const char *folder,
                                             const fcmae_synthetic_options *options,
                                             fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
