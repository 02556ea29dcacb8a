/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** Comparing a file with a model, tensor by tensor, and reading what matched. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/entries.h"
#include "core/status.h"
#include "tensor/tensor_file.h"

const char *fcmae_mismatch_name(fcmae_mismatch_kind kind)
{
    switch (kind) {
    case FCMAE_TENSOR_MISSING: return "missing";
    case FCMAE_TENSOR_UNEXPECTED: return "unexpected";
    case FCMAE_TENSOR_WRONG_SHAPE: return "wrong shape";
    case FCMAE_TENSOR_IGNORED: return "ignored";
    case FCMAE_TENSOR_KEPT: return "kept as it is";
    }
    return "unknown";
}

void fcmae_load_report_release(fcmae_load_report *report)
{
    if (!report) return;
    free(report->entries);
    *report = (fcmae_load_report){0};
}

int fcmae_load_report_unexpected(const fcmae_load_report *report, char *text, size_t size)
{
    enum { SHOWN = 3 };
    int count = 0;
    size_t used = 0;
    if (size > 0) text[0] = 0;
    for (int i = 0; i < report->count; i++) {
        if (report->entries[i].kind != FCMAE_TENSOR_UNEXPECTED) continue;
        if (count < SHOWN && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", count ? ", " : "",
                                     report->entries[i].name);
        count++;
    }
    if (count > SHOWN && used < size)
        snprintf(text + used, size - used, " and %d more", count - SHOWN);
    return count;
}

static void print_shape(int rank, const int64_t *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    if (used < size) snprintf(text + used, size - used, rank == 1 ? ",)" : ")");
}

static fcmae_status add_line(fcmae_load_report *report, fcmae_mismatch_kind kind, const char *name,
                             const fcmae_parameter *parameter, const fcmae_tensor *tensor,
                             fcmae_error *error)
{
    if ((report->count & (report->count - 1)) == 0) { /* full at every power of two */
        size_t room = report->count ? (size_t)report->count * 2 : 1;
        fcmae_mismatch *entries = realloc(report->entries, room * sizeof *entries);
        if (!entries) return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a load report");
        report->entries = entries;
    }
    fcmae_mismatch *line = &report->entries[report->count++];
    *line = (fcmae_mismatch){.kind = kind};
    snprintf(line->name, sizeof line->name, "%s", name);
    if (parameter)
        print_shape(parameter->rank, parameter->shape, line->expected, sizeof line->expected);
    if (tensor) print_shape(tensor->rank, tensor->shape, line->found, sizeof line->found);
    if (kind <= FCMAE_TENSOR_WRONG_SHAPE) report->errors++;
    return FCMAE_OK;
}

/** May the model keep its own value of this parameter? */
static bool may_keep(const fcmae_parameter *parameter, const fcmae_load_options *options)
{
    bool head = parameter->part == FCMAE_PART_HEAD || parameter->part == FCMAE_PART_OTHER;
    return (head && options->fresh_head) ||
           (parameter->part == FCMAE_PART_DECODER && options->fresh_decoder);
}

static fcmae_status match_parameter(const fcmae_entries *entries, const fcmae_parameter *parameter,
                                    const fcmae_load_options *options, const fcmae_entry **source,
                                    fcmae_load_report *report, fcmae_error *error)
{
    const fcmae_entry *entry = fcmae_entries_find(entries, parameter->name);
    *source = NULL;
    if (!entry)
        return add_line(report,
                        may_keep(parameter, options) ? FCMAE_TENSOR_KEPT : FCMAE_TENSOR_MISSING,
                        parameter->name, parameter, NULL, error);
    if (!fcmae_layout_fits(parameter, entry->parsed.kernel, entry->tensor))
        return add_line(report,
                        may_keep(parameter, options) ? FCMAE_TENSOR_KEPT : FCMAE_TENSOR_WRONG_SHAPE,
                        entry->tensor->name, parameter, entry->tensor, error);
    if (fcmae_dtype_size(entry->tensor->dtype) == 0)
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "tensor %.200s has elements of an unknown kind", entry->tensor->name);
    *source = entry;
    report->loaded++;
    return FCMAE_OK;
}

bool fcmae_is_companion(const char *name)
{
    static const char *const prefixes[] = {"ema.", "exp_avg.", "exp_avg_sq."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return fcmae_layout_beside(name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/** Lists the entries that no parameter of the table asked for. */
static fcmae_status match_leftovers(const fcmae_entries *entries, const fcmae_parameter *table,
                                    int count, const fcmae_load_options *options,
                                    fcmae_load_report *report, fcmae_error *error)
{
    fcmae_status status = FCMAE_OK;
    const char **names = calloc((size_t)count + 1, sizeof *names);
    if (!names)
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory for a list of %d names", count);
    for (int i = 0; i < count; i++) names[i] = table[i].name;
    qsort(names, (size_t)count, sizeof *names, compare_names);
    for (int i = 0; i < entries->count && status == FCMAE_OK; i++) {
        const fcmae_entry *entry = &entries->entry[i];
        const char *name = entry->parsed.official;
        if (bsearch(&name, names, (size_t)count, sizeof *names, compare_names)) continue;
        bool harmless = entry->parsed.part != FCMAE_PART_DOWNSAMPLE &&
                        entry->parsed.part != FCMAE_PART_BLOCK; /* behind the encoder */
        status = add_line(report, harmless ? FCMAE_TENSOR_IGNORED : FCMAE_TENSOR_UNEXPECTED,
                          entry->tensor->name, NULL, entry->tensor, error);
    }
    free(names);
    for (int i = 0; i < entries->unknown_count && status == FCMAE_OK; i++) {
        const fcmae_tensor *tensor = entries->unknown[i];
        bool harmless = options->ignore_unexpected ||
                        fcmae_is_companion(tensor->name + entries->prefix_length);
        status = add_line(report, harmless ? FCMAE_TENSOR_IGNORED : FCMAE_TENSOR_UNEXPECTED,
                          tensor->name, NULL, tensor, error);
    }
    return status;
}

fcmae_status fcmae_entries_match(const fcmae_entries *entries, const fcmae_parameter *table,
                                 int count, const fcmae_load_options *options,
                                 const fcmae_entry **source, fcmae_load_report *report,
                                 fcmae_error *error)
{
    fcmae_load_report_release(report);
    for (int i = 0; i < count; i++)
        FCMAE_TRY(match_parameter(entries, &table[i], options, &source[i], report, error));
    return match_leftovers(entries, table, count, options, report, error);
}

fcmae_status fcmae_entry_read_stored(const fcmae_tensor_file *file, const fcmae_entry *entry,
                                     float *values, fcmae_error *error)
{
    const fcmae_tensor *tensor = entry->tensor;
    if (!fcmae_dtype_is_floating(tensor->dtype))
        return fcmae_fail(error, FCMAE_ERR_UNSUPPORTED,
                          "%.300s: tensor %.100s holds whole numbers (%s): quantised weights mean "
                          "nothing without their scales; take the file in floating point",
                          file->source.name, tensor->name, fcmae_dtype_name(tensor->dtype));
    FCMAE_TRY(fcmae_tensor_file_read(file, tensor, values, error));
    for (int64_t i = 0; i < tensor->count; i++)
        if (!isfinite(values[i]))
            return fcmae_fail(error, FCMAE_ERR_NUMERIC,
                              "%.300s: tensor %.100s holds %g at place %lld: the run that made it "
                              "went wrong, or the file is damaged; take an earlier checkpoint",
                              file->source.name, tensor->name, (double)values[i], (long long)i);
    return FCMAE_OK;
}

fcmae_status fcmae_entry_read(const fcmae_tensor_file *file, const fcmae_entry *entry,
                              const fcmae_parameter *parameter, float *scratch, float *official,
                              fcmae_error *error)
{
    if (!entry->parsed.kernel) return fcmae_entry_read_stored(file, entry, official, error);
    FCMAE_TRY(fcmae_entry_read_stored(file, entry, scratch, error));
    fcmae_kernel_import(parameter, sizeof(float), scratch, official);
    return FCMAE_OK;
}
