/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Loading what a file happens to have of a block, as parity files hold some gradients only. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "core/memory.h"
#include "core/status.h"

static fcmae_status read_one(const fcmae_tensor_file *file, const fcmae_entry *entry,
                             const fcmae_parameter *parameter, float *block, fcmae_error *error)
{
    if (!fcmae_layout_fits(parameter, entry->parsed.kernel, entry->tensor))
        return fcmae_fail(error, FCMAE_ERR_MISMATCH, "tensor %.200s has not the shape of %s",
                          entry->tensor->name, parameter->name);
    size_t count = (size_t)parameter->count;
    float *scratch = fcmae_allocate_aligned(2 * count, sizeof *scratch);
    if (!scratch)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to read a tensor of %zu values",
                          count);
    fcmae_status status = fcmae_entry_read(file, entry, parameter, scratch, scratch + count, error);
    if (status == FCMAE_OK) fcmae_parameter_import(parameter, scratch + count, block);
    free(scratch);
    return status;
}

/* Every tensor under the prefix must belong to the model: a typing error would go unnoticed. */
static fcmae_status check_known(const fcmae_entries *entries, const fcmae_model *model,
                                fcmae_error *error)
{
    if (entries->unknown_count > 0)
        return fcmae_fail(error, FCMAE_ERR_MISMATCH, "tensor %.200s is no parameter",
                          entries->unknown[0]->name);
    for (int i = 0; i < entries->count; i++)
        if (!fcmae_model_find(model, entries->entry[i].parsed.official))
            return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                              "the model has no parameter for tensor %.200s",
                              entries->entry[i].tensor->name);
    return FCMAE_OK;
}

fcmae_status fcmae_checkpoint_load_present(const fcmae_checkpoint *checkpoint,
                                           const fcmae_model *model, const char *prefix,
                                           float *block, bool *found, fcmae_error *error)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    fcmae_entries entries;
    FCMAE_TRY(fcmae_entries_collect(&entries, checkpoint->file, prefix, error));
    memset(block, 0, (size_t)fcmae_model_block_size(model) * sizeof *block);
    fcmae_status status = check_known(&entries, model, error);
    for (int i = 0; i < count && status == FCMAE_OK; i++) {
        const fcmae_entry *entry = fcmae_entries_find(&entries, table[i].name);
        found[i] = entry != NULL;
        if (entry) status = read_one(checkpoint->file, entry, &table[i], block, error);
    }
    fcmae_entries_release(&entries);
    return status;
}
