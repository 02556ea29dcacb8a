/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "run/run_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcmae/checkpoint.h"

#define FORMAT_NAME "fcmae training state 1"

enum { KEY_SIZE = 64, OWN_TEXTS = 7 };

enum { CHAINS = 4 }; /* independent, so that it runs at the speed of memory */

static void add_row(uint64_t chain[CHAINS], const float *row, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, &row[i], sizeof word);
        uint64_t mixed = (chain[i % CHAINS] ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        chain[i % CHAINS] = mixed ^ (mixed >> 29);
    }
}

/** 64 bits that depend on every bit of a block's tensors; padding does not count. */
static uint64_t block_checksum(const fcmae_model *model, const float *block)
{
    uint64_t chain[CHAINS] = {1, 2, 3, 4}, sum = 0;
    int parameters;
    const fcmae_parameter *table = fcmae_model_parameters(model, &parameters);
    for (int i = 0; i < parameters; i++)
        for (int64_t row = 0; row < table[i].rows; row++)
            add_row(chain, block + table[i].offset + row * table[i].stride, table[i].columns);
    for (int i = 0; i < CHAINS; i++) {
        sum = (sum ^ chain[i]) * UINT64_C(0xbf58476d1ce4e5b9);
        sum ^= sum >> 32;
    }
    return sum;
}

static uint64_t weights_checksum(const fcmae_run_state *state)
{
    return block_checksum(state->model, fcmae_model_values(state->model));
}

/** One checksum over the moments and, if wanted, the average. */
static uint64_t companion_checksum(const fcmae_run_state *state, bool average)
{
    const fcmae_model *model = state->model;
    uint64_t sum = block_checksum(model, fcmae_adamw_first_moment(state->adamw));
    sum = sum * 31 + block_checksum(model, fcmae_adamw_second_moment(state->adamw));
    return average ? sum * 31 + block_checksum(model, state->average) : sum;
}

/* ---- writing ---- */

typedef struct texts {
    fcmae_metadata *items;      /* [OWN_TEXTS + recorded options] */
    char (*keys)[KEY_SIZE + 8]; /* [recorded options] */
    char values[OWN_TEXTS][KEY_SIZE];
    int count;
} texts;

static void release_texts(texts *t)
{
    free(t->items);
    free(t->keys);
}

static void add_text(texts *t, const char *key, const char *format, ...) FCMAE_PRINTF(3, 4);
static void add_text(texts *t, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->values[t->count], KEY_SIZE, format, arguments);
    va_end(arguments);
    t->items[t->count] = (fcmae_metadata){key, t->values[t->count]};
    t->count++;
}

static void describe(texts *t, const fcmae_run_state *state)
{
    add_text(t, "format", FORMAT_NAME);
    add_text(t, "step", "%" PRId64, state->step);
    add_text(t, "epoch", "%" PRId64, state->epoch);
    add_text(t, "batch", "%" PRId64, state->batch);
    add_text(t, "seed", "%" PRIu64, state->seed);
    add_text(t, "weights_checksum", "%016" PRIx64, weights_checksum(state));
    add_text(t, "state_checksum", "%016" PRIx64, companion_checksum(state, state->average != NULL));
    for (int i = 0; i < state->record->count; i++) {
        const fcmae_recorded *item = &state->record->items[i];
        if (item->option->record == FCMAE_RECORD_MACHINE) continue;
        snprintf(t->keys[i], sizeof t->keys[i], "config.%s", item->key);
        t->items[t->count++] = (fcmae_metadata){t->keys[i], item->text};
    }
}

fcmae_status fcmae_run_state_save(const fcmae_run_state *state, const char *weights_path,
                                  const char *state_path, fcmae_error *error)
{
    char step[32];
    snprintf(step, sizeof step, "%" PRId64, state->step);
    fcmae_metadata weights_texts[1 + FCMAE_RUN_TEXTS] = {{"step", step}};
    for (int i = 0; i < state->text_count; i++) weights_texts[1 + i] = state->texts[i];
    const fcmae_checkpoint_contents weights = {.metadata = weights_texts,
                                               .metadata_count = 1 + state->text_count};
    FCMAE_TRY(fcmae_checkpoint_save(weights_path, state->model, &weights, error));

    texts t = {.items = calloc((size_t)(OWN_TEXTS + state->record->count), sizeof *t.items),
               .keys = calloc((size_t)state->record->count + 1, sizeof *t.keys)};
    if (!t.items || !t.keys) {
        release_texts(&t);
        return fcmae_fail(error, FCMAE_ERR_MEMORY, "no memory to describe the state of a run");
    }
    describe(&t, state);
    const fcmae_named_block blocks[] = {{"exp_avg.", fcmae_adamw_first_moment(state->adamw)},
                                        {"exp_avg_sq.", fcmae_adamw_second_moment(state->adamw)},
                                        {"ema.", state->average}};
    const fcmae_checkpoint_contents companion = {.blocks = blocks,
                                                 .block_count = state->average ? 3 : 2,
                                                 .metadata = t.items,
                                                 .metadata_count = t.count};
    fcmae_status status = fcmae_checkpoint_save(state_path, state->model, &companion, error);
    /* weights alone are of no use here, and on a full disk their room is */
    if (status != FCMAE_OK && access(state_path, F_OK) != 0) unlink(weights_path);
    release_texts(&t);
    return status;
}

/* ---- reading ---- */

static fcmae_status damaged(const char *path, const char *what, fcmae_error *error)
{
    return fcmae_fail(error, FCMAE_ERR_FORMAT, "%s is not a complete training state: %s", path,
                      what);
}

/** A text that must be a whole number. */
static bool whole_number(const char *text, int64_t *value)
{
    if (!text || !*text || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
        return false;
    *value = strtoll(text, NULL, 10);
    return true;
}

static const char *recorded_option(const void *cookie, const char *name)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "config.%s", name);
    return fcmae_tensor_file_text(cookie, key);
}

static fcmae_status compare_checksum(const fcmae_tensor_file *file, const char *path,
                                     const char *key, uint64_t found, fcmae_error *error)
{
    char text[32];
    const char *wanted = fcmae_tensor_file_text(file, key);
    snprintf(text, sizeof text, "%016" PRIx64, found);
    if (wanted && strcmp(wanted, text) == 0) return FCMAE_OK;
    return fcmae_fail(error, FCMAE_ERR_FORMAT,
                      "%s and its weights do not belong together, or one of them is damaged (%s)",
                      path, key);
}

static fcmae_status read_texts(fcmae_run_state *state, const fcmae_tensor_file *file,
                               const char *path, const fcmae_log *log, fcmae_error *error)
{
    const char *format = fcmae_tensor_file_text(file, "format");
    if (!format || strcmp(format, FORMAT_NAME) != 0)
        return damaged(path, "its format is not \"" FORMAT_NAME "\"", error);
    if (!whole_number(fcmae_tensor_file_text(file, "step"), &state->step) ||
        !whole_number(fcmae_tensor_file_text(file, "epoch"), &state->epoch) ||
        !whole_number(fcmae_tensor_file_text(file, "batch"), &state->batch))
        return damaged(path, "it does not say where the run stood", error);
    return fcmae_record_compare(state->record, recorded_option, file, log, error);
}

static fcmae_status read_weights(fcmae_run_state *state, const char *path, fcmae_error *error)
{
    fcmae_checkpoint *weights = NULL;
    FCMAE_TRY(fcmae_checkpoint_open(&weights, path, NULL, error));
    fcmae_status status = fcmae_checkpoint_load(weights, state->model, NULL, NULL, error);
    fcmae_checkpoint_close(&weights);
    return status;
}

static bool has_tensor(const fcmae_tensor_file *file, const char *prefix)
{
    int count;
    const fcmae_tensor *tensors = fcmae_tensor_file_tensors(file, &count);
    for (int i = 0; i < count; i++)
        if (strncmp(tensors[i].name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

static fcmae_status read_blocks(fcmae_run_state *state, const fcmae_checkpoint *companion,
                                const char *path, const fcmae_log *log, fcmae_error *error)
{
    const fcmae_model *model = state->model;
    const fcmae_tensor_file *file = fcmae_checkpoint_file(companion);
    FCMAE_TRY(fcmae_checkpoint_load_block(companion, model, "exp_avg.",
                                          fcmae_adamw_first_moment(state->adamw), error));
    FCMAE_TRY(fcmae_checkpoint_load_block(companion, model, "exp_avg_sq.",
                                          fcmae_adamw_second_moment(state->adamw), error));
    bool recorded = has_tensor(file, "ema.");
    if (state->average && recorded)
        FCMAE_TRY(fcmae_checkpoint_load_block(companion, model, "ema.", state->average, error));
    if (recorded && !state->average) return FCMAE_OK; /* the checksum is over more than is wanted */
    FCMAE_TRY(
        compare_checksum(file, path, "state_checksum", companion_checksum(state, recorded), error));
    if (state->average && !recorded) {
        memcpy(state->average, fcmae_model_values(state->model),
               (size_t)fcmae_model_block_size(model) * sizeof *state->average);
        fcmae_log_line(
            log, FCMAE_LOG_INFO,
            "the checkpoint holds no average of the weights: it starts from the weights");
    }
    return FCMAE_OK;
}

static fcmae_status read_tensors(fcmae_run_state *state, const fcmae_checkpoint *companion,
                                 const char *weights_path, const char *state_path,
                                 const fcmae_log *log, fcmae_error *error)
{
    const fcmae_tensor_file *file = fcmae_checkpoint_file(companion);
    FCMAE_TRY(read_weights(state, weights_path, error));
    FCMAE_TRY(
        compare_checksum(file, state_path, "weights_checksum", weights_checksum(state), error));
    return read_blocks(state, companion, state_path, log, error);
}

fcmae_status fcmae_run_state_load(fcmae_run_state *state, const char *weights_path,
                                  const char *state_path, const fcmae_log *log, fcmae_error *error)
{
    fcmae_checkpoint *companion = NULL;
    FCMAE_TRY(fcmae_checkpoint_open(&companion, state_path, NULL, error));
    const fcmae_tensor_file *file = fcmae_checkpoint_file(companion);
    fcmae_status status = read_texts(state, file, state_path, log, error);
    if (status == FCMAE_OK) {
        status = read_tensors(state, companion, weights_path, state_path, log, error);
        /* the options agree, so that tensors which do not fit are no other network's */
        if (status == FCMAE_ERR_MISMATCH) status = FCMAE_ERR_FORMAT;
    }
    if (status == FCMAE_OK) fcmae_adamw_set_updates(state->adamw, state->step);
    fcmae_checkpoint_close(&companion);
    return status;
}

bool fcmae_run_state_option(const char *state_path, const fcmae_option *option, char *text,
                            size_t size)
{
    fcmae_tensor_file *file = NULL;
    char key[KEY_SIZE];
    if (fcmae_tensor_file_open(&file, state_path, NULL) != FCMAE_OK) return false;
    const char *found = recorded_option(file, fcmae_option_key(option, key, sizeof key));
    if (found) snprintf(text, size, "%s", found);
    fcmae_tensor_file_close(&file);
    return found != NULL;
}
