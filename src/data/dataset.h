/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A set of images (private side of fcmae/data.h). */
#ifndef FCMAE_DATA_DATASET_H
#define FCMAE_DATA_DATASET_H

#include "core/file.h"
#include "core/random.h"
#include "fcmae/data.h"

/** Where an image lies in its shard. */
typedef struct fcmae_place {
    uint64_t offset;
    uint32_t size;
    int32_t label;
} fcmae_place;

/** One folder with images of its own (not those of its subfolders), or one shard. */
typedef struct fcmae_folder {
    char *path; /**< from the root on; "" in a list of files, whose names are then whole paths */
    int label;
    uint32_t count; /**< images */
    int64_t first;  /**< number of its first image in the data set */
    size_t entries; /**< its part of `name_offsets` ... */
    size_t names;   /**< ... which count from here in `names` */
} fcmae_folder;

/** Lean on purpose: the names in one block and 4 bytes per image. */
struct fcmae_dataset {
    int64_t count;
    fcmae_folder *folders; /**< ascending `first` */
    size_t folder_count, folder_capacity;
    uint32_t *name_offsets;
    fcmae_place *places; /**< shards: one per entry; NULL for folders */
    size_t entry_count, entry_capacity;
    fcmae_buffer names; /**< zero-terminated, one behind the other */
    char **classes;
    int class_count;
};

/** Appends an empty folder. `path` is copied. */
fcmae_status fcmae_dataset_add_folder(fcmae_dataset *dataset, const char *path, int label,
                                      fcmae_error *error);
/** Appends an image to the folder that was added last. */
fcmae_status fcmae_dataset_add_name(fcmae_dataset *dataset, const char *name, fcmae_error *error);
/** Numbers the images in the present order of the folders; gives back spare memory. */
void fcmae_dataset_number(fcmae_dataset *dataset);
/**
 * The order of a training epoch. Folders: a uniform permutation. Shards: they are permuted and read
 * one behind the other through a buffer of `buffer` images, from which a random one is taken each
 * time.
 * @param shard_order  scratch, one per shard; shards only.
 * @param ahead        [out] [count] the order in which the buffer is filled; shards only.
 */
void fcmae_dataset_shuffle(const fcmae_dataset *dataset, fcmae_random *random, int64_t buffer,
                           int64_t *shard_order, int64_t *ahead, int64_t *order);
/** Tells the kernel that these images of shards will be read soon. */
void fcmae_dataset_announce(const fcmae_dataset *dataset, const int64_t *indices, int64_t count);
/** Reads the file of an image. Any thread. The message does not name the file. */
fcmae_status fcmae_dataset_fetch(const fcmae_dataset *dataset, int64_t index, fcmae_buffer *file,
                                 fcmae_error *error);

#endif
