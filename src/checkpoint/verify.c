/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Whether a file is what someone takes it for: every tensor as it was written, the network of a
 *  preset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "core/memory.h"
#include "core/status.h"
#include "fcmae/preset.h"

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

/** What decides the encoder. */
static const char *describe(const fcmae_model_config *c, char *text, size_t size)
{
    const int *depths = c->depths, *dims = c->dims;
    snprintf(text, size,
             "V%d, depths %d, %d, %d, %d, dims %d, %d, %d, %d, stem stride %d, image channels %d",
             c->version, depths[0], depths[1], depths[2], depths[3], dims[0], dims[1], dims[2],
             dims[3], c->stem_stride, c->channels);
    return text;
}

fcmae_status fcmae_checkpoint_expect_preset(const fcmae_checkpoint *c, const char *preset,
                                            fcmae_error *error)
{
    fcmae_model_config wanted;
    char found_text[200], wanted_text[200];
    FCMAE_TRY(fcmae_checkpoint_expect_model(c, error));
    FCMAE_TRY(fcmae_preset_load(preset, &wanted, error));
    describe(&c->info.config, found_text, sizeof found_text);
    describe(&wanted, wanted_text, sizeof wanted_text);
    if (strcmp(found_text, wanted_text) == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_MISMATCH,
                      "%.300s holds a ConvNeXt of %s, but model %.100s is one of %s: leave model "
                      "out, or take another checkpoint",
                      c->path, found_text, preset, wanted_text);
}
