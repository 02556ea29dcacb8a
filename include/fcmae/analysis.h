/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Analysis: is a network collapsing? Distances between channels, dead channels, pictures, a report.
 *
 * The measure is the mean pairwise cosine distance of ConvNeXt V2 (Woo et al., arXiv 2301.00808,
 * section 4). For one image and one layer with channels X_1 .. X_C, each the vector of its values
 * at the S visible sites,
 *
 *     d = 1/C^2 sum_i sum_j (1 - cos(X_i, X_j)) / 2        (i = j included)
 *
 * With unit vectors u_i = X_i / |X_i| the double sum is |sum_i u_i|^2, so
 * d = (1 - |sum_i u_i|^2 / C^2) / 2 costs O(C S). 0 <= d <= 1/2; equal channels give 0, mutually
 * orthogonal ones (1 - 1/C) / 2. Values are averaged over images.
 *
 * A dead channel has no direction, hence no cosine. Code that divides by max(norm, eps) gives it
 * cosine 0 with everything, which RAISES d: a layer that dies would look more diverse. Here:
 *  - `distance` counts every pair with a dead channel in it as cosine 1 (distance 0): a dead
 *    channel adds nothing to what the layer can tell, exactly like a copy of another channel;
 *  - `distance_alive` is the distance among the living channels alone (0 if fewer than two live).
 * With L of C channels alive, distance = distance_alive * (L / C)^2 holds for every image. The
 * share of dead channels stands beside them.
 *
 * Conventions, per image: a channel is dead if its norm is at most `dead_threshold` times the root
 * mean square of the norms of its layer; it is saturated if it lives, has two or more sites and
 * its standard deviation over the sites is at most `saturated_threshold` times its |mean|: the same
 * answer everywhere. The reasons, with examples: docs/collapse.md.
 */
#ifndef FCMAE_ANALYSIS_H
#define FCMAE_ANALYSIS_H

#include "fcmae/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FCMAE_DEAD_THRESHOLD 1e-3
#define FCMAE_SATURATED_THRESHOLD 0.05
/** Effective rank looks at no more than this many images. */
#define FCMAE_RANK_IMAGES 1024

/* ---- one tensor ------------------------------------------------------------------------------ */

/** What one image's tensor of one layer amounts to. */
typedef struct fcmae_channel_statistics {
    double distance;       /**< mean pairwise cosine distance, dead channels as cosine 1          */
    double distance_alive; /**< among living channels only                                        */
    double dead;           /**< share of dead channels, 0 .. 1                                    */
    double saturated; /**< share of saturated channels, 0 .. 1; 0 where there is one site     */
    bool finite;      /**< false: a NaN or infinity was seen; the rest is then 0              */
} fcmae_channel_statistics;

/** Doubles of scratch fcmae_channel_measure() needs. */
#define FCMAE_CHANNEL_SCRATCH(channels) (4 * (size_t)(channels))

/**
 * Statistics of one observation with the default thresholds. Reads the tensor twice, arithmetic in
 * double; about half a nanosecond per value.
 * @param observation  values [sites, stride]; sites >= 1, channels >= 1.
 * @param scratch      [FCMAE_CHANNEL_SCRATCH(channels)].
 */
FCMAE_API void fcmae_channel_measure(const fcmae_observation *observation, double *scratch,
                                     fcmae_channel_statistics *statistics);

/* ---- every layer over many images, in one pass
 *  -------------------------------------------------- */

/** Zero-initialise, then set what matters. */
typedef struct fcmae_collapse_options {
    unsigned points;      /**< sum of 1u << fcmae_observation_point; 0: HIDDEN, and GRN for V2    */
    int64_t images;       /**< samples that will be shown, >= 1                                  */
    int batch;            /**< most samples between two calls of fcmae_collapse_fold()            */
    int lanes;            /**< lanes of the engine (fcmae_engine_info()->options.lanes)           */
    int classes;          /**< number of classes of the labels given to fold(), 0: no selectivity */
    int gallery_channels; /**< channels of the first sample kept as pictures, per layer; 0: none  */
    double dead_threshold;      /**< 0: FCMAE_DEAD_THRESHOLD                                      */
    double saturated_threshold; /**< 0: FCMAE_SATURATED_THRESHOLD                                 */
} fcmae_collapse_options;

#define FCMAE_SELECTIVITY_BINS 20

/** One tensor of one block over all images. Shares are 0 .. 1. NAN: not measured. */
typedef struct fcmae_collapse_layer {
    int stage, block; /**< as in the official names stages.<stage>.<block> */
    fcmae_observation_point point;
    int index;    /**< number of the block in the encoder, from 0              */
    double depth; /**< (index + 1) / blocks                                    */
    int64_t channels;
    double sites;                    /**< mean number of visible sites                            */
    double distance, distance_error; /**< mean over images, its standard error */
    double distance_alive, distance_alive_error;
    double distance_low, distance_high; /**< smallest and largest over the images */
    double dead;            /**< mean share of channels dead in an image               */
    double dead_everywhere; /**< share of channels dead in every image                 */
    double saturated;       /**< mean share of saturated channels                      */
    double effective_rank;  /**< of the pooled features, see fcmae_effective_rank()     */
    double rank_limit;      /**< min(channels, images used - 1): what it could reach    */
    double selectivity;     /**< class selectivity index, mean over responding channels */
    double selectivity_histogram[FCMAE_SELECTIVITY_BINS]; /**< shares over [0,1]; all 0 without */
} fcmae_collapse_layer;

/** Accumulator of one model. Opaque; one owner. Its observer may be called by the threads of that
 *  engine; other calls from one thread at a time. */
typedef struct fcmae_collapse fcmae_collapse;

/**
 * Memory: per layer 4 * channels * min(images, FCMAE_RANK_IMAGES) bytes for the effective rank
 * (Atto, two tensors, 1000 images: 60 MB), 40 bytes per image, with labels 8 * channels * classes.
 * @param config  the model's; copied. The decoder is not analysed.
 */
FCMAE_API fcmae_status fcmae_collapse_create(fcmae_collapse **collapse,
                                             const fcmae_model_config *config,
                                             const fcmae_collapse_options *options,
                                             fcmae_error *error);
FCMAE_API void fcmae_collapse_destroy(fcmae_collapse **collapse);

/**
 * Give this as fcmae_outputs.observe with the accumulator as cookie. Points that were not asked for
 * and the decoder are ignored. Every value it keeps belongs to its (layer, sample), so results do
 * not depend on lanes, threads or the order of calls.
 */
FCMAE_API void fcmae_collapse_observe(void *collapse, const struct fcmae_observation *observation);

/**
 * Ends a batch: call after each fcmae_engine_forward() with the number of its samples. Folds what
 * must be summed over images in the order of the samples.
 * @param labels  [samples] 0 .. classes-1, or -1: unknown; NULL if options.classes is 0, only then.
 * @return FCMAE_ERR_ARGUMENT: more samples than announced, a layer that was not shown, a bad label;
 *         FCMAE_ERR_NUMERIC: which layer and image hold a NaN or infinity.
 */
FCMAE_API fcmae_status fcmae_collapse_fold(fcmae_collapse *collapse, int64_t samples,
                                           const int32_t *labels, fcmae_error *error);

/** Computes the results from what was folded (at least one sample). May be called once. */
FCMAE_API fcmae_status fcmae_collapse_finish(fcmae_collapse *collapse, int threads,
                                             fcmae_error *error);

/** Results after fcmae_collapse_finish(): by block, then by point. Lives as long as the
 * accumulator. */
FCMAE_API const fcmae_collapse_layer *fcmae_collapse_layers(const fcmae_collapse *collapse,
                                                            int *count);
/** Number of samples folded so far. */
FCMAE_API int64_t fcmae_collapse_images(const fcmae_collapse *collapse);
/** Configuration it was created with. */
FCMAE_API const fcmae_model_config *fcmae_collapse_config(const fcmae_collapse *collapse);

/**
 * Channel maps of the first sample at one layer: `count` channels spread evenly over the layer
 * (channel[i] = i * channels / count). Removed sites are NAN.
 */
typedef struct fcmae_collapse_gallery {
    int count, height, width;
    const int32_t *channel; /**< [count]                        */
    const float *maps;      /**< [count, height, width]         */
    const uint8_t *dead;    /**< [count] 1: dead in this image  */
} fcmae_collapse_gallery;
/** @return false if no gallery was asked for or the layer does not exist. */
FCMAE_API bool fcmae_collapse_get_gallery(const fcmae_collapse *collapse, int layer,
                                          fcmae_collapse_gallery *gallery);

/** Judgement on the mean distance over the blocks of one tensor. */
typedef enum fcmae_collapse_state {
    FCMAE_DIVERSE,  /**< mean distance >= 0.20                     */
    FCMAE_WEAKENED, /**< 0.10 .. 0.20                              */
    FCMAE_COLLAPSED /**< below 0.10: a fifth of what is reachable   */
} fcmae_collapse_state;

/**
 * A few sentences for people: state, worst block, dead and saturated shares. The limits are ours
 * (the paper prints no numbers); they are rules of thumb for the 4C activation.
 * @param text  [size] receives UTF-8, cut if too long.
 */
FCMAE_API fcmae_collapse_state fcmae_collapse_verdict(const fcmae_collapse *collapse, char *text,
                                                      size_t size);

/** "hidden", "grn", "branch", "output"; NULL for anything else. */
FCMAE_API const char *fcmae_observation_point_name(fcmae_observation_point point);

/**
 * Effective rank (Roy and Vetterli 2007; as "RankMe", Garrido et al. 2023): exp of the Shannon
 * entropy of s_k / sum(s), s the singular values of the [rows, columns] matrix after its column
 * means are taken away. 1 .. min(rows - 1, columns); 0 if nothing varies. The collapse analysis
 * gives it one row per image: the layer's features averaged over the visible sites. Cost: min^2 *
 * max / 2 + 2/3 min^3 multiply-adds, min and max of (rows, columns); double, by OpenBLAS.
 * @return FCMAE_ERR_ARGUMENT, FCMAE_ERR_MEMORY; FCMAE_ERR_UNSUPPORTED: OpenBLAS fails its test.
 */
FCMAE_API fcmae_status fcmae_effective_rank(const float *values, int64_t rows, int64_t columns,
                                            double *rank, fcmae_error *error);

/* ---- files
 *  ------------------------------------------------------------------------------------- */

/** One model of a comparison. Borrowed. */
typedef struct fcmae_collapse_entry {
    const char *label;              /**< curve name; also part of file names (made safe)          */
    const char *checkpoint;         /**< path, for the record                                     */
    const fcmae_collapse *collapse; /**< finished                                                 */
    int64_t step; /**< optimiser steps of the checkpoint, -1: unknown            */
} fcmae_collapse_entry;

/** What the numbers were taken from, for the record. Zero-initialise. */
typedef struct fcmae_collapse_setup {
    const char *data;    /**< folder                              */
    const char *command; /**< the command line                    */
    int height, width;
    double mask_ratio; /**< 0: dense                            */
    uint64_t seed;
    const uint8_t
        *picture; /**< [height, width, 3] the first image, shown in galleries; may be NULL */
} fcmae_collapse_setup;

/**
 * Writes into `directory` (created if missing), each file atomically:
 *   collapse.json   everything, one object
 *   collapse.csv    one line per model, block and tensor
 *   distance.png, distance.svg   distance against relative depth, one curve per model and tensor
 *   activations-<label>-<tensor>.png   one panel of channel maps per block, if galleries were kept
 * Gallery colours: |value| / (largest |value| of that channel in that image), 0 dark, 1 bright;
 * dead channels are crossed out, removed sites grey.
 */
FCMAE_API fcmae_status fcmae_collapse_write(const char *directory,
                                            const fcmae_collapse_setup *setup,
                                            const fcmae_collapse_entry *entries, int count,
                                            fcmae_error *error);

/* ---- during pretraining ---- */

/** The distance of each stage on the few samples of one forward pass. Opaque; one owner. Its
 *  observer may be called by the threads of that engine; other calls from one thread at a time. */
typedef struct fcmae_watch fcmae_watch;

/** @param samples  most samples of one forward pass; @param lanes  those of the engine. */
FCMAE_API fcmae_status fcmae_watch_create(fcmae_watch **watch, const fcmae_model_config *config,
                                          int samples, int lanes, fcmae_error *error);
FCMAE_API void fcmae_watch_destroy(fcmae_watch **watch);
/** Give this as fcmae_outputs.observe with the watch as cookie. */
FCMAE_API void fcmae_watch_observe(void *watch, const struct fcmae_observation *observation);
/**
 * Mean over the samples and the blocks of each stage of `distance` and of the dead share at the 4C
 * activation, then forgets them. Stages that were not shown give NAN. In the run log these are the
 * arrays "collapse" and "collapse_dead"; "collapse_seconds" beside them is what measuring took.
 */
FCMAE_API void fcmae_watch_read(fcmae_watch *watch, double distance[FCMAE_STAGES],
                                double dead[FCMAE_STAGES]);

/* ---- report
 * -------------------------------------------------------------------------------------- */

/**
 * One self-contained HTML page about one or more run folders: what was run, curves of log.jsonl,
 * RUN/reconstructions/step-<step>.png, RUN/collapse*.json (as written above, also in RUN/collapse*
 * folders), and the command that reproduces it. Needs no network; light and dark; any width.
 * Whatever a run does not have is left out; damaged lines of a log are skipped and counted on the
 * page.
 * @param log  receives a warning for each part that could not be read; may be NULL.
 * @return FCMAE_ERR_NOT_FOUND: a run folder without config.json and log.jsonl; FCMAE_ERR_IO.
 */
FCMAE_API fcmae_status fcmae_report_write(const char *const *runs, int count, const char *output,
                                          const fcmae_log *log, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
