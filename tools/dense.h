/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What the commands that use a dense network share: eval, predict, embed, knn, probe. */
#ifndef TOOLS_DENSE_H
#define TOOLS_DENSE_H

#include "fcmae/fcmae.h"
#include "progress.h"
#include "stop.h"

enum { CLI_PATH = 4096 };

/** Options that all of them have; the first members of their values. */
struct cli_dense_values {
    const char *checkpoint, *key, *data;
    int64_t input_size, batch_size, threads, workers;
    double crop_ratio, bad_share;
    int precision;
    bool ignore_unexpected; /**< of commands that need a head */
};

#define CLI_HELP_CHECKPOINT                                                                       \
    "Checkpoint: safetensors, PyTorch or NumPy file, or a run folder, which stands for its best " \
    "checkpoint if it has one, else its latest."

/* Rows of the option table; `values` is the command's struct, whose first member is `dense`. */
#define CLI_DENSE_AT(values, member) \
    (offsetof(struct values, dense) + offsetof(struct cli_dense_values, member))
#define CLI_DENSE_OPTIONS(values)                                                                 \
    {"input-size",                                                                                \
     FCMAE_OPTION_INTEGER,                                                                        \
     CLI_DENSE_AT(values, input_size),                                                            \
     .range = "[32, 4096]",                                                                       \
     .unit = "PX",                                                                                \
     .otherwise = "the checkpoint's, else 224",                                                   \
     .help = "Side of the input, a multiple of the patch (32)."},                                 \
        {"crop-ratio",                                                                            \
         FCMAE_OPTION_NUMBER,                                                                     \
         CLI_DENSE_AT(values, crop_ratio),                                                        \
         .range = "(0, 1]",                                                                       \
         .otherwise = "0.875; from 384 pixels on the whole picture is squeezed",                  \
         .help =                                                                                  \
             "Evaluation: the shorter side is resized to input-size / crop-ratio, the centre is " \
             "kept."},                                                                            \
        {"batch-size",     FCMAE_OPTION_INTEGER,  CLI_DENSE_AT(values, batch_size),               \
         .fallback = "32", .range = "[1, 65536]", .help = "Images per batch."},                   \
        {"precision",       FCMAE_OPTION_CHOICE,   CLI_DENSE_AT(values, precision),               \
         .fallback = "f32", .choices = "f32|bf16", .help = CLI_HELP_PRECISION},                   \
        {"bad-share",                                                                             \
         FCMAE_OPTION_NUMBER,                                                                     \
         CLI_DENSE_AT(values, bad_share),                                                         \
         .range = "[0, 1]",                                                                       \
         .otherwise = "5 %, of a small set a little more",                                        \
         .help =                                                                                  \
             "Share of unreadable files above which the command fails; below it they are left "   \
             "out."},                                                                             \
        {"threads",       FCMAE_OPTION_INTEGER, CLI_DENSE_AT(values, threads),                    \
         .fallback = "0", .range = "[0, 1024]", .help = CLI_HELP_THREADS},                        \
    {                                                                                             \
        "workers", FCMAE_OPTION_INTEGER, CLI_DENSE_AT(values, workers),                           \
            .fallback = "0", .range = "[0, 1024]",                                                \
            .help = "Threads that prepare images; 0: as threads. Never changes a result."         \
    }

/** A network ready for use. Zero-initialise; cli_dense_release() afterwards. */
typedef struct cli_dense {
    const cli_arguments *arguments;
    cli_progress bar;
    char path[CLI_PATH]; /**< of the checkpoint file, "" for a fresh network */
    fcmae_model *model;
    fcmae_class_names names; /**< of its outputs, if known */
    bool has_head;           /**< of the checkpoint */
    fcmae_pass_options pass;
} cli_dense;

void cli_dense_release(cli_dense *dense);

/** How a network is to be built. Zero-initialise. */
typedef struct cli_dense_wish {
    int classes;            /**< of the head; 0: the checkpoint's, which must have one */
    bool fresh_head;        /**< norm and head may be missing or of other classes */
    const char *model;      /**< preset for the checkpoint "none"; NULL: only weights will do */
    uint64_t seed;          /**< for what is drawn freshly */
    const char *names_file; /**< class names instead of the checkpoint's, or NULL */
    int64_t images;         /**< that it will see, or 0: they bound its batch */
} cli_dense_wish;

/** Loads a classifier and sets the pass options from the command's. */
fcmae_status cli_dense_load(cli_dense *dense, const cli_arguments *arguments,
                            const cli_dense_wish *wish, fcmae_error *error);

/** Opens a labelled folder: DIR/`part` if DIR holds both train and val, else DIR itself, which is
 *  an error if `both` are needed. */
fcmae_status cli_open_part(fcmae_dataset **dataset, const char *data, const char *part, bool both,
                           fcmae_log log, fcmae_error *error);

/** DIR/train and DIR/val, which must both be there; CLI_PATH bytes each. */
fcmae_status cli_data_folders(const char *data, char *train, char *val, fcmae_error *error);

/** Starts a bar for a pass over images. */
void cli_dense_bar(cli_dense *dense, const char *label, int64_t images);

/** "n01440764" or "output 3". */
const char *cli_class_name(const cli_dense *dense, int output, char *text, int size);

/** Standard error of a share of n in percent. */
double cli_binomial_error(double correct, double n);

#endif
