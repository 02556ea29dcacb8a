/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Checkpoints: models in tensor files, in any naming the ConvNeXt world uses.
 *
 * Reading accepts whatever a file holds: the layout is recognised by the names, the size of the
 * network is inferred from the tensors, values are widened or narrowed to f32. A file that does not
 * fit is reported tensor by tensor and changes nothing.
 *
 * Files written here describe themselves: `__metadata__` holds model, version, kind, depths, dims,
 * channels, stem_stride, decoder_depth, decoder_dim, norm_pix, grn_scope, classes and
 * layer_scale_init, beside the caller's own entries.
 */
#ifndef FCMAE_CHECKPOINT_H
#define FCMAE_CHECKPOINT_H

#include "fcmae/model.h"
#include "fcmae/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who names the parameters. */
typedef enum fcmae_layout {
    FCMAE_LAYOUT_AUTO = 0, /**< writing: SPARSE for a network with a decoder, DENSE otherwise   */
    FCMAE_LAYOUT_SPARSE,   /**< official FCMAE training checkpoint, Minkowski kernels           */
    FCMAE_LAYOUT_DENSE,    /**< official dense ConvNeXt V1 / V2                                 */
    FCMAE_LAYOUT_TIMM,
    FCMAE_LAYOUT_HUGGINGFACE, /**< transformers: ConvNextV2ForImageClassification and its kin     */
    FCMAE_LAYOUT_TORCHVISION, /**< torchvision: ConvNeXt V1                                       */
    FCMAE_LAYOUT_DINOV3,      /**< transformers: DINOv3ConvNextModel, V1 without a head           */
    FCMAE_LAYOUT_MMPRETRAIN   /**< mmpretrain: ConvNeXt                                           */
} fcmae_layout;

/** "official sparse", "official dense", "timm", "huggingface", "torchvision", "huggingface dinov3",
 *  "mmpretrain"; never NULL. */
FCMAE_API const char *fcmae_layout_name(fcmae_layout layout);

/* ---------------------------------------------------------------- writing -------------------- */

/** A block of parameter-shaped values: the model's own, an average, a moment of the optimiser. */
typedef struct fcmae_named_block {
    const char *prefix;  /**< put before every name, e.g. "exp_avg."; "" for the model itself */
    const float *values; /**< layout of fcmae_model_values() */
} fcmae_named_block;

/** Any other tensor. `tensor.count` must agree with the shape. */
typedef struct fcmae_extra_tensor {
    fcmae_tensor tensor;
    const void *bytes; /**< C order, little-endian */
} fcmae_extra_tensor;

/** What a checkpoint holds. Zero-initialise; the zero values mean the model itself, safetensors,
 * f32. */
typedef struct fcmae_checkpoint_contents {
    fcmae_container container; /**< SAFETENSORS or TORCH */
    fcmae_layout layout;
    fcmae_dtype dtype;               /**< F32, F16, BF16 (or F64) */
    const fcmae_named_block *blocks; /**< NULL: the model's values */
    int block_count;
    const fcmae_extra_tensor *extra;
    int extra_count;
    const fcmae_metadata *metadata; /**< beside the model's configuration; an entry takes the place
                                         of one of the same key there */
    int metadata_count;
    void (*progress)(void *cookie, uint64_t done, uint64_t total); /**< bytes; may be NULL */
    void *cookie;
} fcmae_checkpoint_contents;

/**
 * Writes a checkpoint, complete or not at all (see fcmae_tensor_file_write()).
 * @param model     gives configuration, names and shapes; borrowed.
 * @param contents  NULL: all defaults.
 * @return as fcmae_tensor_file_write(); FCMAE_ERR_UNSUPPORTED for a decoder, a head or GRN in a
 * layout without one.
 */
FCMAE_API fcmae_status fcmae_checkpoint_save(const char *path, fcmae_model *model,
                                             const fcmae_checkpoint_contents *contents,
                                             fcmae_error *error);

/* ---------------------------------------------------------------- reading -------------------- */

/** One line of a comparison between a file and a model. */
typedef enum fcmae_mismatch_kind {
    FCMAE_TENSOR_MISSING,    /**< the model needs it, the file has not                            */
    FCMAE_TENSOR_UNEXPECTED, /**< the file has it, no ConvNeXt of this size does                  */
    FCMAE_TENSOR_WRONG_SHAPE,
    FCMAE_TENSOR_IGNORED, /**< decoder or head the model has no use for: harmless              */
    FCMAE_TENSOR_KEPT     /**< absent or of other classes, allowed: the model keeps its value  */
} fcmae_mismatch_kind;

typedef struct fcmae_mismatch {
    fcmae_mismatch_kind kind;
    char name[128];    /**< as in the file; official name if it is missing there */
    char expected[48]; /**< shape the model wants, "(40, 1, 7, 7)"; empty if none */
    char found[48];    /**< shape in the file; empty if none */
} fcmae_mismatch;

/** Zero-initialise; fcmae_load_report_release() afterwards. */
typedef struct fcmae_load_report {
    int loaded; /**< parameters taken from the file                         */
    int errors; /**< MISSING, UNEXPECTED and WRONG_SHAPE entries            */
    int count;
    fcmae_mismatch *entries; /**< owned */
} fcmae_load_report;

FCMAE_API void fcmae_load_report_release(fcmae_load_report *report);
/** The tensors that are none of a network's (UNEXPECTED) by name: "a, b, c and 4 more".
 *  @param text  [out] of `size` bytes; "" if there are none
 *  @return their number */
FCMAE_API int fcmae_load_report_unexpected(const fcmae_load_report *report, char *text,
                                           size_t size);
/** "missing", "unexpected", ...; never NULL. */
FCMAE_API const char *fcmae_mismatch_name(fcmae_mismatch_kind kind);

/** What may differ between a file and the model it is loaded into. Zero: nothing. */
typedef struct fcmae_load_options {
    bool fresh_head;    /**< norm and head (or what another objective has behind the encoder) may be
                             absent or have other classes: values are kept                      */
    bool fresh_decoder; /**< mask token, proj, decoder, pred may be absent or of other sizes    */
    bool ignore_unexpected; /**< tensors of no known name are ignored (parity files) */
} fcmae_load_options;

/** What a file is. */
typedef struct fcmae_checkpoint_info {
    const char *path; /**< of the file that was opened */
    fcmae_container container;
    fcmae_layout layout; /**< never AUTO */
    bool recognised;     /**< it holds ConvNeXt parameters; otherwise `config` means nothing  */
    fcmae_model_config config; /**< from the tensors, where they cannot tell from the metadata */
    fcmae_dtype dtype;         /**< of most parameters */
    const char *key;     /**< dictionary the parameters were found in, "" for the file itself */
    const char *average; /**< dictionary of averaged weights that the file has too and that nobody
                              asked for; NULL: none. A literal */
    int tensors;         /**< in the file */
    int parameters;      /**< recognised tensors under `key` */
    int64_t values;      /**< elements of those */
    bool has_decoder, has_norm, has_head;
    int input_size; /**< side of the input it was trained at, in pixels; 0: the file does not say */
    fcmae_load_report report; /**< against a model of `config`: what is missing or odd. Owned. */
} fcmae_checkpoint_info;

/** An open checkpoint. Opaque; one owner. Never changes: any thread may load from it. */
typedef struct fcmae_checkpoint fcmae_checkpoint;

/**
 * The file that a path stands for. The folder of a training run: its best checkpoint
 * (best.safetensors) if it has one, else its newest, which `latest` names. That file: the newest,
 * whether there is a best one or not. Any other folder: model.safetensors or pytorch_model.bin in
 * it, or the index (model.safetensors.index.json) of such weights in several files. Anything else:
 * itself, whether it exists or not.
 * @param path  [out] of `size` bytes
 * @return FCMAE_ERR_NOT_FOUND: a folder with none of these; FCMAE_ERR_FORMAT: `latest` names none;
 *         FCMAE_ERR_ARGUMENT: the path is too long.
 */
FCMAE_API fcmae_status fcmae_checkpoint_find(const char *given, char *path, size_t size,
                                             fcmae_error *error);

/**
 * Opens any readable tensor file; which one a path stands for says fcmae_checkpoint_find().
 * @param key  dictionary to take the parameters from: "model", "model_ema", "state_dict", ..., or
 *             what else stands before their names, in whole or in part ("backbone",
 *             "state_dict.model"); "ema": whichever averaged weights there are; NULL: model,
 *             state_dict, the file itself, averaged weights, else the one place, however deep,
 *             where a network stands.
 * @return as fcmae_tensor_file_open(); FCMAE_ERR_NOT_FOUND if there is nothing under `key`;
 *         FCMAE_ERR_MISMATCH if there are several networks: the sentence names their keys. A file
 *         without ConvNeXt parameters opens (info->recognised is false).
 */
FCMAE_API fcmae_status fcmae_checkpoint_open(fcmae_checkpoint **checkpoint, const char *path,
                                             const char *key, fcmae_error *error);
/** The same for a file held in memory; `bytes` is retained (borrowed) until the close. */
FCMAE_API fcmae_status fcmae_checkpoint_open_memory(fcmae_checkpoint **checkpoint,
                                                    const void *bytes, size_t size, const char *key,
                                                    fcmae_error *error);
FCMAE_API void fcmae_checkpoint_close(fcmae_checkpoint **checkpoint);

/** What the file is. Lives as long as the checkpoint. */
FCMAE_API const fcmae_checkpoint_info *fcmae_checkpoint_describe(
    const fcmae_checkpoint *checkpoint);
/** FCMAE_OK if the file holds a ConvNeXt; else FCMAE_ERR_MISMATCH and what it holds instead. */
FCMAE_API fcmae_status fcmae_checkpoint_expect_model(const fcmae_checkpoint *checkpoint,
                                                     fcmae_error *error);
/** FCMAE_OK if the file holds the encoder of the preset, a name or a path; else FCMAE_ERR_MISMATCH,
 *  and what both are. Errors of fcmae_preset_load(). */
FCMAE_API fcmae_status fcmae_checkpoint_expect_preset(const fcmae_checkpoint *checkpoint,
                                                      const char *preset, fcmae_error *error);
/**
 * Reads every tensor of the file, used or not: compares it with the checksum that the file has of
 * it, if it has one, and looks for parameters that are not finite or whole numbers. One tensor is
 * in memory.
 * @return FCMAE_ERR_FORMAT, FCMAE_ERR_NUMERIC, FCMAE_ERR_UNSUPPORTED: the sentence names the first
 *         such tensor; FCMAE_ERR_IO, FCMAE_ERR_MEMORY.
 */
FCMAE_API fcmae_status fcmae_checkpoint_verify(const fcmae_checkpoint *checkpoint,
                                               fcmae_error *error);
/** The file below, for tensors and texts that are no parameters. */
FCMAE_API const fcmae_tensor_file *fcmae_checkpoint_file(const fcmae_checkpoint *checkpoint);

/**
 * Loads the parameters into an existing model: all that must be there, or none.
 * @param options  NULL: nothing may differ.
 * @param report   [out] released and filled again, also on FCMAE_ERR_MISMATCH; may be NULL.
 * @return FCMAE_ERR_MISMATCH (the sentence names the first tensors, the report has all),
 *         FCMAE_ERR_IO, FCMAE_ERR_FORMAT, FCMAE_ERR_MEMORY; the model is unchanged then.
 */
FCMAE_API fcmae_status fcmae_checkpoint_load(const fcmae_checkpoint *checkpoint, fcmae_model *model,
                                             const fcmae_load_options *options,
                                             fcmae_load_report *report, fcmae_error *error);
/**
 * Loads a block of that prefix ("exp_avg.", "ema.") as written by fcmae_checkpoint_save().
 * @param block  [out] fcmae_model_block_size() floats; undefined after a failure.
 */
FCMAE_API fcmae_status fcmae_checkpoint_load_block(const fcmae_checkpoint *checkpoint,
                                                   const fcmae_model *model, const char *prefix,
                                                   float *block, fcmae_error *error);

/**
 * Loads those parameters of that prefix ("expected.grad.") that the file has.
 * @param block  [out] fcmae_model_block_size() floats, zero where the file has nothing.
 * @param found  [out] one per parameter of the model.
 * @return FCMAE_ERR_MISMATCH: a tensor under the prefix is no parameter of the model, or misshapen.
 */
FCMAE_API fcmae_status fcmae_checkpoint_load_present(const fcmae_checkpoint *checkpoint,
                                                     const fcmae_model *model, const char *prefix,
                                                     float *block, bool *found, fcmae_error *error);

/** Where a model comes from and what to build of it. Zero but for `path`: the encoder alone. */
typedef struct fcmae_model_source {
    const char *path;      /**< as for fcmae_checkpoint_open(); borrowed, like the texts below */
    const char *key;       /**< as there: which of the file's weights; NULL: the usual ones */
    const char *objective; /**< of the model to build, as in fcmae_model_config: "classify",
                                "masked", ...; NULL: the encoder alone */
    int classes;   /**< of the head, where the objective has one; 0: the file's own. A file without
                        a head has none: FCMAE_ERR_ARGUMENT */
    uint64_t seed; /**< parameters that the file may lack and does (fcmae_load_options) are drawn
                        from it */
} fcmae_model_source;

/**
 * Opens a file and builds the model it holds.
 * @param model    [out] the caller's: fcmae_model_destroy(). Untouched after a failure.
 * @param options  what the file may lack or have too much; NULL: nothing.
 * @param report   [out] as for fcmae_checkpoint_load(); may be NULL.
 * @return as fcmae_checkpoint_open() and fcmae_checkpoint_load(); FCMAE_ERR_MISMATCH also if the
 *         file holds no ConvNeXt model.
 */
FCMAE_API fcmae_status fcmae_checkpoint_load_model(fcmae_model **model,
                                                   const fcmae_model_source *source,
                                                   const fcmae_load_options *options,
                                                   fcmae_load_report *report, fcmae_error *error);

#ifdef __cplusplus
}
#endif
#endif
