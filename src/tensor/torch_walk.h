/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** From the object of a torch checkpoint to a flat list of tensors and texts. */
#ifndef FCMAE_TENSOR_TORCH_WALK_H
#define FCMAE_TENSOR_TORCH_WALK_H

#include "tensor/pickle.h"

#define FCMAE_LARGEST_PICKLE ((uint64_t)32 << 20)

/** Finds the data of a storage: a section that holds exactly its bytes. */
typedef fcmae_status (*fcmae_storage_finder)(void *cookie, const fcmae_pickle_storage *storage,
                                             fcmae_section *section, fcmae_error *error);

/**
 * Adds every tensor below `root` to the file, named by the keys that lead to it, and numbers and
 * texts near the root as metadata.
 */
fcmae_status fcmae_torch_walk(fcmae_tensor_file *file, fcmae_pickle_value *root, bool big_endian,
                              fcmae_storage_finder find, void *cookie, fcmae_error *error);

#endif
