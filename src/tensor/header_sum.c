/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** A checksum of what a header says: names, kinds and shapes of the tensors, and texts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/checksum.h"
#include "tensor/tensor_file.h"

/** Of a name and what belongs to it. */
static uint64_t pair(const char *name, const char *facts)
{
    return (fcmae_checksum(name, strlen(name)) | 1) * fcmae_checksum(facts, strlen(facts));
}

/* A sum over pairs: parsers may hand them over in any order. */
uint64_t fcmae_header_checksum(const fcmae_tensor *tensors, int count,
                               const fcmae_metadata *metadata, int metadata_count)
{
    uint64_t sum = (uint64_t)count;
    for (int i = 0; i < metadata_count; i++) sum += pair(metadata[i].key, metadata[i].value);
    for (int i = 0; i < count; i++) {
        char facts[16 + FCMAE_TENSOR_RANK * 24];
        int used = snprintf(facts, sizeof facts, "%s", fcmae_dtype_name(tensors[i].dtype));
        for (int d = 0; d < tensors[i].rank; d++)
            used += snprintf(facts + used, sizeof facts - (size_t)used, " %" PRId64,
                             tensors[i].shape[d]);
        sum += pair(tensors[i].name, facts);
    }
    return sum;
}
