/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Progress on standard error: a bar on a terminal, a plain line now and then elsewhere.
 *
 *     train  [=========>       ]  47%  step 1410/3000  loss 0.4312  168.2 images/s  ETA 2 min 31 s
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "arguments.h"

/** Zero-initialised it is silent. */
typedef struct cli_progress {
    const char *label;     /**< what is being done: "pretrain"                  */
    const char *unit;      /**< what is counted: "step"                         */
    int64_t total, done;   /**< total 0: unknown                                */
    int64_t first;         /**< `done` at the start: a resumed run begins later */
    double started, shown; /**< seconds on a monotonic clock                    */
    double images, recent_images, recent_time, rate;
    bool active, terminal, drawn;
    char watched[96]; /**< what was measured last, to be shown behind the rest */
} cli_progress;

/** `done` units are finished already (0 unless resumed). Strings are borrowed. */
void cli_progress_start(cli_progress *progress, const cli_arguments *arguments, const char *label,
                        const char *unit, int64_t done, int64_t total);
/** Reports `done` of `total` units and `images` further images; `loss` NAN: none to show. */
void cli_progress_update(cli_progress *progress, int64_t done, int64_t images, double loss);
/** Ends the line. */
void cli_progress_end(cli_progress *progress);
/** A receiver for remarks of the library that does not tear the bar apart. */
fcmae_log cli_progress_log(cli_progress *progress);

/** "2 h 05 min", "3 min 20 s", "12 s" */
const char *cli_duration(double seconds, char *text, int size);
/** "1.5 GiB" */
const char *cli_bytes(double bytes, char *text, int size);

#endif
