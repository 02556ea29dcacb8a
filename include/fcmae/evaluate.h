/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Using a dense network: class names, evaluation on a labelled folder, features, nearest neighbours
 * and linear probes.
 *
 * The network of every call is an ordinary model ("classify", or the encoder alone), usually from
 * fcmae_checkpoint_load_model(), which folds pretraining checkpoints. Images are read, resized and
 * normalised as for the published networks; an unreadable file is named in the log, left out and
 * counted.
 */
#ifndef FCMAE_EVALUATE_H
#define FCMAE_EVALUATE_H

#include "fcmae/checkpoint.h"
#include "fcmae/data.h"
#include "fcmae/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- the network */

/**
 * Opens a checkpoint of any kind and builds the dense classifier: a decoder is left out, GRN takes
 * its norm per image whatever the pretraining did.
 * @param classes  of the head; 0: the file's own.
 * @param fresh    norm and head may be missing or of other classes: they are then fresh, drawn from
 *                 `seed`. Else a file without a head is FCMAE_ERR_MISMATCH.
 * @param lenient  tensors that are none of the network's are passed over; else they are
 *                 FCMAE_ERR_MISMATCH
 * @return as fcmae_checkpoint_open() and fcmae_checkpoint_load().
 */
FCMAE_API fcmae_status fcmae_dense_load(fcmae_model **model, const char *path, const char *key,
                                        int classes, bool fresh, bool lenient, uint64_t seed,
                                        fcmae_error *error);

/* ---------------------------------------------------------------- class names */

/** Names of a classifier's outputs, in their order. Zero-initialised: unknown. */
typedef struct fcmae_class_names {
    char **names; /**< owned */
    int count;
} fcmae_class_names;

FCMAE_API void fcmae_class_names_release(fcmae_class_names *names);
/** Number of a name, or -1. An identifier of WordNet ("n01440764") is also found by its place in
 *  front of a name ("n01440764 tench"), one that is no UTF-8 by what JSON makes of it. */
FCMAE_API int fcmae_class_names_find(const fcmae_class_names *names, const char *name);
/** The class folders of a labelled data set. */
FCMAE_API fcmae_status fcmae_class_names_of_dataset(fcmae_class_names *names,
                                                    const fcmae_dataset *dataset,
                                                    fcmae_error *error);
/** The text file with one name per line. FCMAE_ERR_FORMAT: a name twice, or none. */
FCMAE_API fcmae_status fcmae_class_names_read(fcmae_class_names *names, const char *path,
                                              fcmae_error *error);
/**
 * The names that a checkpoint carries: a JSON array of strings under "class_names" in its metadata.
 * Left empty if it has none. FCMAE_ERR_FORMAT: the text is damaged.
 */
FCMAE_API fcmae_status fcmae_class_names_of_checkpoint(fcmae_class_names *names,
                                                       const fcmae_checkpoint *checkpoint,
                                                       fcmae_error *error);
/** The same list as that JSON text, for fcmae_checkpoint_save(); the caller frees. */
FCMAE_API char *fcmae_class_names_text(const fcmae_class_names *names);

/**
 * Which output of a network stands for each class of a data set.
 *
 * With a map file (lines "FOLDER OUTPUT", separated by blanks; OUTPUT is a number or one of
 * `names`; '#' begins a remark): as it says. Else with names: by name. Else by place, if their
 * numbers agree.
 * @param names     of the outputs; may be empty.
 * @param outputs   number of outputs of the network.
 * @param map_file  or NULL.
 * @param output_of [out] [fcmae_dataset_classes()]
 * @param log       is told which names have no folder.
 * @return FCMAE_ERR_MISMATCH: a class of the data set stands for no output; the sentence names it.
 */
FCMAE_API fcmae_status fcmae_class_names_match(const fcmae_class_names *names, int outputs,
                                               const fcmae_dataset *dataset, const char *map_file,
                                               int32_t *output_of, const fcmae_log *log,
                                               fcmae_error *error);

/* ---------------------------------------------------------------- passes over a set of images */

/** How images reach a network. Zero-initialise; 0 means "choose". */
typedef struct fcmae_pass_options {
    int input_size; /**< pixels, a multiple of fcmae_config_patch(); 0: 224                      */
    double crop_ratio; /**< as for fcmae_transform_evaluate(): 0 is the published rule */
    int batch;   /**< 0: 32                                                                  */
    int threads; /**< 0: every processor                                                     */
    int workers; /**< threads that prepare images; 0: as threads                             */
    fcmae_precision precision;
    double bad_share; /**< as in fcmae_loader_options                                             */
    const int64_t *subset; /**< images to use, or NULL for all; borrowed */
    int64_t subset_count;
    fcmae_log log;
    void (*progress)(void *cookie, int64_t done, int64_t total); /**< may be NULL */
    bool (*should_stop)(void *cookie); /**< FCMAE_ERR_INTERRUPTED when it says so; may be NULL */
    void *cookie;
} fcmae_pass_options;

/** What a pass computes. */
typedef enum fcmae_pass_output {
    FCMAE_PASS_LOGITS = 1,
    FCMAE_PASS_POOLED = 2, /**< mean over the sites of the encoder's output                     */
    FCMAE_PASS_NORMALISED =
        4,                 /**< that through the final LayerNorm (an encoder: without weights)   */
    FCMAE_PASS_MAP = 8,    /**< the encoder's output                                           */
    FCMAE_PASS_STAGES = 16 /**< mean over the sites of the output of every stage                */
} fcmae_pass_output;

/** One batch of a pass; what was not asked for is NULL. Valid during the call. */
typedef struct fcmae_pass_batch {
    fcmae_samples samples;
    const float *logits;               /**< [count, classes]                  */
    const float *pooled;               /**< [count, dims[3]]                  */
    const float *normalised;           /**< [count, dims[3]]                  */
    const float *map;                  /**< [count, dims[3], size/32, size/32] */
    const float *stages[FCMAE_STAGES]; /**< [count, dims[s]]         */
} fcmae_pass_batch;

/** Receives every batch, in order. A failure ends the pass. */
typedef fcmae_status fcmae_pass_visitor(void *cookie, const fcmae_pass_batch *batch,
                                        fcmae_error *error);

typedef struct fcmae_pass_result {
    int64_t images, bad_files;
    double seconds, images_per_s; /**< of the whole pass, decoding included */
} fcmae_pass_result;

/**
 * Runs a network over a data set in its order.
 * @param outputs  of fcmae_pass_output, added up; LOGITS needs a classifier.
 * @param result   [out] may be NULL.
 */
FCMAE_API fcmae_status fcmae_pass_run(fcmae_model *model, const fcmae_dataset *dataset,
                                      const fcmae_pass_options *options, int outputs,
                                      fcmae_pass_visitor *visit, void *cookie,
                                      fcmae_pass_result *result, fcmae_error *error);

/** The `count` largest logits of one image, best first, with softmax probabilities over all.
 *  @return how many were written: min(count, classes). Of equal logits the
 *  lower number is first. */
FCMAE_API int fcmae_top_classes(const float *logits, int classes, int count, int32_t *best,
                                double *probability);

/* ---------------------------------------------------------------- evaluation */

/** Images of one class that were taken for another. */
typedef struct fcmae_confusion {
    int32_t label, predicted; /**< outputs of the network */
    int64_t images;
} fcmae_confusion;

/** Zero-initialise; fcmae_evaluation_release() afterwards. */
typedef struct fcmae_evaluation {
    fcmae_pass_result pass;
    int64_t top1, top5; /**< images right; top5: among the best min(5, classes) */
    double loss; /**< mean cross-entropy, without smoothing                                  */
    int classes; /**< outputs of the network                                                */
    int64_t *class_images, *class_top1; /**< [classes]; owned */
    fcmae_confusion *confusions;        /**< most frequent first; owned        */
    int64_t confusion_count;
} fcmae_evaluation;

FCMAE_API void fcmae_evaluation_release(fcmae_evaluation *evaluation);

/**
 * @param output_of  from fcmae_class_names_match().
 * @return also FCMAE_ERR_ARGUMENT: the network is no classifier or the data set has no labels.
 */
FCMAE_API fcmae_status fcmae_evaluate(fcmae_model *model, const fcmae_dataset *dataset,
                                      const int32_t *output_of, const fcmae_pass_options *options,
                                      fcmae_evaluation *evaluation, fcmae_error *error);

/* ---------------------------------------------------------------- features */

/** Features of a set of images. Zero-initialise; fcmae_features_release() afterwards. */
typedef struct fcmae_features {
    int64_t count;
    int dimension;
    float *values;    /**< [count, dimension]; owned                        */
    int32_t *labels;  /**< [count], of the data set; owned                  */
    int64_t *indices; /**< [count], into the data set; owned                */
    int views;        /**< passes that were made: rows of the same image     */
} fcmae_features;

FCMAE_API void fcmae_features_release(fcmae_features *features);

/** Which features of an image. */
typedef struct fcmae_features_options {
    fcmae_pass_output output; /**< FCMAE_PASS_POOLED or FCMAE_PASS_NORMALISED */
    int views;         /**< 0: one centre crop of every image. 1 .. 10000: so many random resized
                            crops of every image, with random flips */
    double crop_scale; /**< smallest area of a random crop, share of the image in (0, 1]; without
                            views it is not read */
    uint64_t seed;     /**< of crops and flips; without views it is not read */
} fcmae_features_options;

/**
 * Computes features once, to be used many times.
 * @param pass      how images reach the network
 * @param options   borrowed for the call
 * @param features  [out] released and filled again; empty after a failure of the pass
 * @return FCMAE_ERR_ARGUMENT: a member outside its range; FCMAE_ERR_FORMAT: no image could be read;
 *         else as fcmae_pass_run().
 */
FCMAE_API fcmae_status fcmae_features_collect(fcmae_model *model, const fcmae_dataset *dataset,
                                              const fcmae_pass_options *pass,
                                              const fcmae_features_options *options,
                                              fcmae_features *features, fcmae_error *error);

/**
 * Writes one output of a pass as a NumPy array of float32, first axis the images, and beside it
 * PATH.txt with the name of each image on its line. Both are complete or absent; memory does not
 * grow with the data set.
 * @param outputs  one of fcmae_pass_output.
 * @param stage    STAGES: which, 0 .. 3.
 * @param result   [out] may be NULL.
 */
FCMAE_API fcmae_status fcmae_features_write(fcmae_model *model, const fcmae_dataset *dataset,
                                            const fcmae_pass_options *options,
                                            fcmae_pass_output output, int stage, const char *path,
                                            fcmae_pass_result *result, fcmae_error *error);

/* ---------------------------------------------------------------- nearest neighbours */

typedef struct fcmae_knn_options {
    const int *k; /**< [count] numbers of neighbours */
    int count;
    double temperature; /**< votes weigh exp(cosine / temperature) (Wu et al., arXiv 1805.01978);
                             0: one each, a tie goes to the nearer class */
    bool centre;        /**< subtract the mean of the training features first */
    bool leave_one_out; /**< both sets are the same images: none is a neighbour of itself */
    int threads;        /**< 0: every processor. Never changes a result. */
} fcmae_knn_options;

/**
 * Classifies by the labels of the training features with the largest cosine.
 * @param correct  [out] [options->count] validation images classified correctly
 */
FCMAE_API fcmae_status fcmae_knn_classify(const fcmae_features *training,
                                          const fcmae_features *validation, int classes,
                                          const fcmae_knn_options *options, int64_t *correct,
                                          fcmae_error *error);

/* ---------------------------------------------------------------- linear probe */

typedef enum fcmae_probe_optimiser {
    FCMAE_PROBE_LARS = 0,
    FCMAE_PROBE_SGD = 1
} fcmae_probe_optimiser;

/** Start from fcmae_probe_defaults(). */
typedef struct fcmae_probe_options {
    fcmae_probe_optimiser optimiser;
    const double
        *rates; /**< [rate_count] learning rates to try, for a batch of 256 (linear rule) */
    int rate_count;
    double epochs, warmup_epochs; /**< cosine to 0                                               */
    int batch; /**< features per update; cut to their number                            */
    double momentum, trust, weight_decay;
    double held_out; /**< share of the training images that chooses the rate, in (0, 1)         */
    uint64_t seed;
    int threads; /**< 0: every processor. Never changes a result.                         */
} fcmae_probe_options;

/** MAE's protocol (He et al., arXiv 2111.06377, table 10): LARS, momentum 0.9, trust 0.001, no
 * weight decay, 90 epochs, 10 of them warm-up; batch 1024; rates 0.01 to 30; a
 * tenth is held out. */
FCMAE_API fcmae_probe_options fcmae_probe_defaults(void);

/** Zero-initialise; fcmae_probe_release() afterwards. */
typedef struct fcmae_probe {
    int classes, dimension;
    float *weight;             /**< [classes, dimension]; BatchNorm folded in; owned */
    float *bias;               /**< [classes]; owned */
    double rate;               /**< the one chosen */
    double *held_out_accuracy; /**< [rate_count]; owned */
    double training_loss;      /**< mean over the last epoch */
} fcmae_probe;

FCMAE_API void fcmae_probe_release(fcmae_probe *probe);

/**
 * Trains a linear classifier on features: BatchNorm without affine parameters (statistics of all
 * training features, epsilon 1e-6), linear, softmax cross-entropy. Every rate is trained without
 * the held-out images, the best of them once more with all.
 */
FCMAE_API fcmae_status fcmae_probe_train(const fcmae_features *training, int classes,
                                         const fcmae_probe_options *options, fcmae_probe *probe,
                                         fcmae_error *error);
/** Images whose label has the largest output. */
FCMAE_API int64_t fcmae_probe_correct(const fcmae_probe *probe, const fcmae_features *features);
/** Puts the probe into the head of a classifier of that many classes whose features it was trained
 *  on (NORMALISED). */
FCMAE_API fcmae_status fcmae_probe_install(const fcmae_probe *probe, fcmae_model *model,
                                           fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
