/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * Event files of TensorBoard: records of length, checksum and a protocol-buffer `Event`
 * (tensorflow/core/util/event.proto and framework/summary.proto give the numbers of the fields).
 *
 * Every sitting of a run writes a file of its own; their names sort in the order in which they were
 * made. Every sitting says where it begins, and TensorBoard then drops what an earlier one showed
 * of those updates. Every record is one write, so a killed process leaves at most one torn record,
 * where TensorBoard stops reading that file.
 */
#ifndef FCMAE_RUN_EVENT_FILE_H
#define FCMAE_RUN_EVENT_FILE_H

#include "core/buffer.h"

/** Zero-initialised: closed. */
typedef struct fcmae_event_file {
    bool open;
    int file;
    int64_t size;               /**< bytes, all of them whole records */
    fcmae_buffer record, inner; /**< scratch */
} fcmae_event_file;

/**
 * Makes the folder if need be, and a new file in it.
 * @param done  updates that are done already: later ones in older files no longer count
 */
fcmae_status fcmae_event_file_open(fcmae_event_file *file, const char *folder, int64_t done,
                                   fcmae_error *error);
/** Numbers of one update; those that are no finite floats are left out. */
fcmae_status fcmae_event_file_scalars(fcmae_event_file *file, int64_t step, const char *const *tags,
                                      const double *values, int count, fcmae_error *error);
/** A picture of one update, from a PNG file. Its head is looked at, its pixels are not decoded. */
fcmae_status fcmae_event_file_picture(fcmae_event_file *file, int64_t step, const char *tag,
                                      const char *png, fcmae_error *error);
void fcmae_event_file_close(fcmae_event_file *file);

#endif
