/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Signals: what tells how a pretraining run goes. The loss of images that it does not train on,
 * with the same masks every time; the effective rank of features; nearest neighbours where there
 * are labels. By default they take two or three hundredths of the run.
 */
#ifndef FCMAE_TASK_SIGNALS_H
#define FCMAE_TASK_SIGNALS_H

#include "fcmae/mask.h"
#include "task/held_out.h"
#include "task/plateau.h"
#include "task/watch_knn.h"

/** Of the options below. */
typedef struct fcmae_signal_values {
    const char *val_data;
    double val_share;
    int64_t watch_every, watch_knn;
    int stop_when;
} fcmae_signal_values;

/* clang-format off */

/** Rows of a task's table. @param at_  AT_(member of fcmae_signal_values) */
#define FCMAE_SIGNAL_ROWS(at_)                                                                     \
    {"val-data", FCMAE_OPTION_TEXT, at_(val_data), .unit = "DIR", .otherwise = "a share of --data",\
     .excludes = "val-share", .record = FCMAE_RECORD_MACHINE,                                      \
     .help = "Folder of images that are not trained on: the loss of up to 256 of them is measured "\
             "again and again, with the same masks every time."},                                  \
    {"val-share", FCMAE_OPTION_NUMBER, at_(val_share), .range = "[0, 0.5]",                        \
     .otherwise = "2 %, 8 to 256 images; none of fewer than 50 or of shards",                      \
     .record = FCMAE_RECORD_FIXED,                                                                 \
     .help = "Share of the images that is held out for that instead, drawn by the seed."},         \
    {"watch-every", FCMAE_OPTION_INTEGER, at_(watch_every), .range = "[0, 1000000000]",            \
     .otherwise = "some 20 to 50 times in the run", .record = FCMAE_RECORD_MACHINE,                \
     .help = "Updates between measurements of the held-out loss and of the effective rank "        \
             "(RankMe) of the pooled features of some 128 masked images. 0: never."},              \
    {"watch-knn", FCMAE_OPTION_INTEGER, at_(watch_knn), .range = "[0, 1000000000]",                \
     .otherwise = "5 to 20 times in the run, where images lie in folders of classes",              \
     .record = FCMAE_RECORD_MACHINE,                                                               \
     .help = "Updates between measurements of how well the 20 nearest of up to 1024 whole images " \
             "tell an image's class. Labels are never trained on. 0: never."},                     \
    {"stop-when", FCMAE_OPTION_CHOICE, at_(stop_when), .fallback = "never",                        \
     .choices = "never|plateau", .record = FCMAE_RECORD_FREE,                                      \
     .help = "plateau: end the run once a fifth of its measurements, at least five, brought no "   \
             "held-out loss that is 0.2 % below the best before."}

/* clang-format on */

/** Zero-initialise. */
typedef struct fcmae_signals {
    const fcmae_signal_values *values; /**< set by open */
    fcmae_dataset *others;             /**< of val_data; closed once they are decoded */
    fcmae_held_out held;
    fcmae_watched images; /**< those held out first, then some that are trained on */
    int64_t with_loss;    /**< number of those held out */
    int64_t every;        /**< updates between measurements; 0: none */
    uint8_t *removed;     /**< [images.count, cells] */
    double *loss;         /**< [images.count] */
    float *pooled;        /**< [images.count, dims[3]] */
    fcmae_plateau losses; /**< held-out losses of the run so far */
    fcmae_watch_knn knn;
} fcmae_signals;

/** After the images were opened: draws those that are held out and opens what else there is.
 *  Resolves val-share; a run that goes on keeps what it began with. `values` is borrowed. */
fcmae_status fcmae_signals_open(fcmae_signals *signals, const fcmae_signal_values *values,
                                fcmae_run *run, fcmae_error *error);
/** Of a run whose length is known: decides how often.
 *  @param masks  of the run; the views of an image do not matter
 *  @return whether anything is measured */
bool fcmae_signals_plan(fcmae_signals *signals, const fcmae_run *run,
                        const fcmae_mask_shape *masks);
/** Records that, decodes the images and draws their masks. */
fcmae_status fcmae_signals_prepare(fcmae_signals *signals, const fcmae_run *run,
                                   const fcmae_mask_shape *masks, fcmae_error *error);
/** After a resume: takes the losses so far from the log. A run that had ended at a plateau has
 *  nothing left to do. */
fcmae_status fcmae_signals_begin(fcmae_signals *signals, fcmae_run *run, fcmae_error *error);
/**
 * To be called after every update. Adds "val_loss", "rankme", "knn_top1" (percent) and
 * "watch_seconds" (what that took) where it is time: after the first and the last update and at
 * equal distances between. Shortens the run where it is to end at a plateau.
 */
fcmae_status fcmae_signals_measure(fcmae_signals *signals, fcmae_run *run, int64_t step,
                                   fcmae_train_figures *figures, fcmae_error *error);
void fcmae_signals_release(fcmae_signals *signals);

#endif
