/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Looking at every tensor of a file, for those who describe it and use none. */
#include <stdlib.h>

#include "checkpoint/entries.h"
#include "core/memory.h"
#include "core/status.h"
#include "tensor/tensor_file.h"

fcmae_status fcmae_checkpoint_verify(const fcmae_checkpoint *c, fcmae_error *error)
{
    int count;
    int64_t largest = 1;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(c->file, &count);
    bool *seen = calloc((size_t)count + 1, sizeof *seen);
    for (int i = 0; i < count; i++)
        if (tensors[i].count > largest) largest = tensors[i].count;
    void *values = fcmae_allocate_aligned((size_t)largest, sizeof(double));
    fcmae_status status = FCMAE_OK;
    if (!seen || !values)
        status = fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read a tensor of %lld values",
                            (long long)largest);
    for (int i = 0; i < c->entries.count && status == FCMAE_OK; i++) {
        const fcmae_entry *entry = &c->entries.entry[i];
        if (!fcmae_dtype_is_floating(entry->tensor->dtype)) continue;
        seen[entry->tensor - tensors] = true;
        status = fcmae_entry_read_stored(c->file, entry, values, error);
    }
    for (int i = 0; i < count && status == FCMAE_OK; i++)
        if (!seen[i] && fcmae_dtype_size(tensors[i].dtype) > 0)
            status = fcmae_tensor_file_read_raw(c->file, &tensors[i], values, error);
    free(seen);
    free(values);
    return status;
}
