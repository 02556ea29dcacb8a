/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** WebDataset shards as a set of images. */
#ifndef FCMAE_DATA_SHARDS_H
#define FCMAE_DATA_SHARDS_H

#include "data/dataset.h"
#include "data/strings.h"

/** Appends the names of "x-{000..099}.tar" or "{a,b}.tar"; a name without braces is itself. */
fcmae_status fcmae_shards_expand(const char *pattern, fcmae_strings *out, fcmae_error *error);
/** Appends the files of a folder that are named .tar, sorted. */
fcmae_status fcmae_shards_in_folder(const char *path, fcmae_strings *out, fcmae_error *error);
/** Lists the pictures of count >= 1 shards. */
fcmae_status fcmae_shards_open(fcmae_dataset **dataset, char *const *paths, size_t count,
                               bool labelled, const fcmae_log *log, fcmae_error *error);

#endif
