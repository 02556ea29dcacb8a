/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * The options that every kind of training has: their values, and the rows of a task's table.
 *
 * A task's values begin with a fcmae_run_values, so offsets in it are offsets in theirs. Where a
 * row has both a default and "from the recipe", the default is for presets that do not say it.
 */
#ifndef FCMAE_RUN_RUN_VALUES_H
#define FCMAE_RUN_RUN_VALUES_H

#include "fcmae/model.h"
#include "model/model_options.h"

typedef struct fcmae_run_values {
    const char *model_name;   /* as typed: a preset or a file */
    fcmae_model_config model; /* from the preset or a checkpoint */
    const char *output, *resume, *command;
    double epochs;
    int64_t steps, batch_size, seed, save_every;
    int recipe, recipe_batch, accumulate, keep, drop_last;
    double lr, base_lr, min_lr, warmup_epochs, weight_decay, beta1, beta2, epsilon, clip, ema;
    bool ema_warmup, grn_decay, fast_decode, tensorboard;
    int input_size;
    double crop_scale, crop_scale_max, flip, bad_share;
    int threads, workers, lanes, micro_batch, precision, isa;
    int64_t data_images;
    const char *data_names; /* fingerprint of the listing */
} fcmae_run_values;

#define FCMAE_RUN_AT(member) offsetof(fcmae_run_values, member)
#define FCMAE_FROM_RECIPE .otherwise = "from the recipe"

/* rows of a table, one below the other */
/* clang-format off */

/** Length, seed, checkpoints. `section_` of presets; `epochs_`, `batch_`: of the recipe. */
#define FCMAE_RUN_ROWS(section_, epochs_, batch_)                                                  \
    {"output", FCMAE_OPTION_TEXT, FCMAE_RUN_AT(output), .required = true, .unit = "RUN",           \
     .record = FCMAE_RECORD_MACHINE,                                                               \
     .help = "Run folder: config.json, log.jsonl and checkpoints."},                               \
    {"resume", FCMAE_OPTION_TEXT, FCMAE_RUN_AT(resume), .fallback = "auto",                        \
     .unit = "auto|never|FILE", .record = FCMAE_RECORD_MACHINE,                                    \
     .help = "auto continues from the newest complete checkpoint of the run folder; never "        \
             "insists on a fresh folder; FILE continues from that checkpoint."},                   \
    {"epochs", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(epochs), .fallback = epochs_, FCMAE_FROM_RECIPE,  \
     .range = "(0, 1e6]", .section = section_, .record = FCMAE_RECORD_FREE,                        \
     .help = "Passes over the images."},                                                           \
    {"steps", FCMAE_OPTION_INTEGER, FCMAE_RUN_AT(steps), .range = "[1, 1000000000]",               \
     .otherwise = "from the epochs", .excludes = "epochs", .record = FCMAE_RECORD_FREE,            \
     .help = "Length in updates instead of epochs."},                                              \
    {"batch-size", FCMAE_OPTION_INTEGER, FCMAE_RUN_AT(batch_size), .fallback = "64",               \
     .range = "[1, 1048576]", .record = FCMAE_RECORD_FIXED,                                        \
     .help = "Samples per batch: images, or masked views of them."},                               \
    {"accumulate", FCMAE_OPTION_INT, FCMAE_RUN_AT(accumulate), .fallback = "1",                    \
     .range = "[1, 1048576]", .record = FCMAE_RECORD_FIXED,                                        \
     .help = "Batches per update. The effective batch is batch-size times this."},                 \
    {"drop-last", FCMAE_OPTION_CHOICE, FCMAE_RUN_AT(drop_last), .fallback = "auto",                \
     .choices = "auto|on|off", .record = FCMAE_RECORD_FIXED,                                       \
     .help = "Leave out the last batch of an epoch where it is smaller than the others. auto: "    \
             "only where an epoch has at least ten batches."},                                     \
    {"batch", FCMAE_OPTION_INT, FCMAE_RUN_AT(recipe_batch), .fallback = batch_,                    \
     .range = "[1, 16777216]", .section = section_, .source = FCMAE_SOURCE_PRESET,                 \
     .help = "Images per update of the published run, for the record: batch-size and accumulate "  \
             "say what a run takes, and the learning rate follows them."},                         \
    {"seed", FCMAE_OPTION_INTEGER, FCMAE_RUN_AT(seed), .fallback = "0", .range = "[0, inf)",       \
     .record = FCMAE_RECORD_FIXED,                                                                 \
     .help = "Same seed, same bits, on any number of threads."},                                   \
    {"save-every", FCMAE_OPTION_INTEGER, FCMAE_RUN_AT(save_every), .range = "[1, 1000000000]",     \
     .otherwise = "once an epoch", .record = FCMAE_RECORD_MACHINE,                                 \
     .help = "Updates between checkpoints."},                                                      \
    {"keep", FCMAE_OPTION_INT, FCMAE_RUN_AT(keep), .fallback = "3", .range = "[0, 1000000]",       \
     .record = FCMAE_RECORD_MACHINE, .help = "Checkpoints that stay in the run folder; 0: all."},  \
    {"tensorboard", FCMAE_OPTION_FLAG, FCMAE_RUN_AT(tensorboard), .record = FCMAE_RECORD_MACHINE,  \
     .help = "Show the run in TensorBoard too: event files in RUN/tensorboard with every number "  \
             "of log.jsonl, and with the pictures of reconstructions."}

/** Learning rate and AdamW. The defaults are those of the recipe. */
#define FCMAE_OPTIMISATION_ROWS(section_, base_lr_, min_lr_, warmup_, beta2_, ema_)                \
    {"lr", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(lr), .range = "[0, inf)",                             \
     .otherwise = "from base-lr", .excludes = "base-lr", .record = FCMAE_RECORD_FREE,              \
     .help = "Peak learning rate, whatever the batch."},                                           \
    {"base-lr", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(base_lr), .fallback = base_lr_,                  \
     FCMAE_FROM_RECIPE, .range = "[0, inf)", .section = section_,                                  \
     .help = "Peak learning rate for an effective batch of 256; scaled with the batch."},          \
    {"min-lr", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(min_lr), .fallback = min_lr_, FCMAE_FROM_RECIPE,  \
     .range = "[0, inf)", .section = section_, .record = FCMAE_RECORD_FREE,                        \
     .help = "Learning rate at the end of the cosine."},                                           \
    {"warmup-epochs", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(warmup_epochs), .fallback = warmup_,       \
     .otherwise = "from the recipe, in proportion to the length of the run",                       \
     .range = "[0, inf)", .section = section_, .record = FCMAE_RECORD_FREE,                        \
     .help = "Epochs over which the learning rate rises from 0."},                                 \
    {"weight-decay", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(weight_decay), .fallback = "0.05",          \
     FCMAE_FROM_RECIPE, .range = "[0, inf)", .section = section_, .record = FCMAE_RECORD_FREE,     \
     .help = "On the weights of convolutions and linears."},                                       \
    {"grn-decay", FCMAE_OPTION_SWITCH, FCMAE_RUN_AT(grn_decay), .fallback = "off",                 \
     .record = FCMAE_RECORD_FREE,                                                                  \
     .help = "Decay GRN's gamma and beta and the mask token too, as the official pretraining "     \
             "does."},                                                                             \
    {"beta1", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(beta1), .fallback = "0.9", FCMAE_FROM_RECIPE,      \
     .range = "[0, 1)", .section = section_, .record = FCMAE_RECORD_FREE, .help = "Of AdamW."},    \
    {"beta2", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(beta2), .fallback = beta2_, FCMAE_FROM_RECIPE,     \
     .range = "[0, 1)", .section = section_, .record = FCMAE_RECORD_FREE, .help = "Of AdamW."},    \
    {"epsilon", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(epsilon), .fallback = "1e-8",                    \
     FCMAE_FROM_RECIPE, .range = "(0, inf)", .section = section_, .record = FCMAE_RECORD_FREE,     \
     .help = "Of AdamW."},                                                                         \
    {"clip", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(clip), .fallback = "0", .range = "[0, inf)",        \
     .record = FCMAE_RECORD_FREE, .help = "Largest norm of the gradient; 0: not clipped."},        \
    {"ema", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(ema), .also = "ema-decay", .fallback = ema_,         \
     FCMAE_FROM_RECIPE, .range = "[0, 1)", .section = section_, .record = FCMAE_RECORD_FREE,       \
     .help = "Decay of a moving average of the weights, saved beside them; 0: none."},             \
    {"ema-warmup", FCMAE_OPTION_SWITCH, FCMAE_RUN_AT(ema_warmup), .fallback = "off",               \
     FCMAE_FROM_RECIPE, .section = section_, .record = FCMAE_RECORD_FREE,                          \
     .help = "At update t the decay is at most (1 + t) / (10 + t): for short runs, where the "     \
             "average would stay near its beginning."}

#define FCMAE_INPUT_SIZE_ROW                                                                       \
    {"input-size", FCMAE_OPTION_INT, FCMAE_RUN_AT(input_size), .fallback = "224",                  \
     .range = "[32, 4096]", .unit = "PX", .record = FCMAE_RECORD_FIXED,                            \
     .help = "Side of the input, a multiple of the patch (32)."}

/** From a file to a sample. */
#define FCMAE_IMAGE_ROWS(section_, crop_scale_)                                                    \
    {"crop-scale", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(crop_scale), .also = "crop-min",              \
     .fallback = crop_scale_, FCMAE_FROM_RECIPE, .range = "(0, 1]", .section = section_,           \
     .record = FCMAE_RECORD_FIXED,                                                                 \
     .help = "Smallest share of an image's area in a random crop."},                               \
    {"crop-scale-max", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(crop_scale_max), .also = "crop-max",      \
     .fallback = "1", FCMAE_FROM_RECIPE, .range = "(0, 1]", .section = section_,                   \
     .record = FCMAE_RECORD_FIXED, .help = "Largest share, not below crop-scale."},                \
    {"flip", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(flip), .fallback = "0.5", FCMAE_FROM_RECIPE,        \
     .range = "[0, 1]", .section = section_, .record = FCMAE_RECORD_FIXED,                         \
     .help = "Probability of mirroring an image."},                                                \
    {"fast-decode", FCMAE_OPTION_FLAG, FCMAE_RUN_AT(fast_decode), .record = FCMAE_RECORD_FIXED,    \
     .help = "Let JPEG shrink while decoding: faster on large pictures, no longer Pillow's bits."},\
    {"bad-share", FCMAE_OPTION_NUMBER, FCMAE_RUN_AT(bad_share), .range = "[0, 1]",                 \
     .otherwise = "5 %, of a small set a little more", .record = FCMAE_RECORD_MACHINE,             \
     .help = "Share of unreadable files above which the run stops; below it they are skipped."}

/** What computes, and what the run finds out. */
#define FCMAE_MACHINE_ROWS                                                                         \
    {"threads", FCMAE_OPTION_INT, FCMAE_RUN_AT(threads), .range = "[1, 4096]",                     \
     .otherwise = "all processors", .record = FCMAE_RECORD_MACHINE,                                \
     .help = "Threads that compute. Does not change the result."},                                 \
    {"workers", FCMAE_OPTION_INT, FCMAE_RUN_AT(workers), .range = "[1, 1024]",                     \
     .otherwise = "as threads", .record = FCMAE_RECORD_MACHINE,                                    \
     .help = "Threads that prepare images. Does not change the result."},                          \
    {"lanes", FCMAE_OPTION_INT, FCMAE_RUN_AT(lanes), .range = "[1, 4096]",                         \
     .otherwise = "chosen, then kept", .record = FCMAE_RECORD_FREE,                                \
     .help = "Independent streams of images. Shapes the order of sums; recorded in checkpoints."}, \
    {"micro-batch", FCMAE_OPTION_INT, FCMAE_RUN_AT(micro_batch), .range = "[1, 65536]",            \
     .otherwise = "chosen, then kept", .record = FCMAE_RECORD_FREE,                                \
     .help = "Images a lane carries at a time; likewise."},                                        \
    {"precision", FCMAE_OPTION_CHOICE, FCMAE_RUN_AT(precision), .fallback = "f32",                 \
     .choices = "f32|bf16", .record = FCMAE_RECORD_FREE,                                           \
     .help = "bf16 multiplies in bfloat16 and keeps weights, sums and norms in float32: about "\
             "1.5 times as fast on processors with AVX-512 BF16, emulated (slower than f32) "      \
             "elsewhere."},                                                                        \
    {"isa", FCMAE_OPTION_CHOICE, FCMAE_RUN_AT(isa), .choices = FCMAE_INSTRUCTION_SETS,             \
     .otherwise = "the best of the processor, then kept", .record = FCMAE_RECORD_FREE,             \
     .help = "Most capable instruction set to use. Shapes the last bits; recorded in checkpoints, "\
             "and a resumed run keeps it where the processor has it."},                            \
    {"data-images", FCMAE_OPTION_INTEGER, FCMAE_RUN_AT(data_images), FCMAE_FACT(FIXED),            \
     .help = "Number of images."},                                                                 \
    {"data-names", FCMAE_OPTION_TEXT, FCMAE_RUN_AT(data_names), FCMAE_FACT(FIXED),                 \
     .help = "Checksum of the names of the images and their order."},                              \
    {"command", FCMAE_OPTION_TEXT, FCMAE_RUN_AT(command), FCMAE_FACT(MACHINE),                     \
     .help = "Command line that made the run."}

/* clang-format on */

#define FCMAE_FACT(kind) .record = FCMAE_RECORD_##kind, .source = FCMAE_SOURCE_FACT

/** Rows of the network: those that a run can choose stand first in help. */
#define FCMAE_RUN_MODEL_AT(member) FCMAE_RUN_AT(model.member)
#define FCMAE_MODEL_NAME_ROW(...)                                            \
    {                                                                        \
        "model", FCMAE_OPTION_TEXT, FCMAE_RUN_AT(model_name),                \
            .unit = "NAME|FILE", .record = FCMAE_RECORD_MACHINE, __VA_ARGS__ \
    }

#endif
