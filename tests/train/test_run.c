/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** What a run keeps on disk: settings, log, folder, pairs of checkpoint files. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/json.h"
#include "fcmae/checkpoint.h"
#include "run/run_folder.h"
#include "run/run_log.h"
#include "run/run_state.h"
#include "scratch.h"
#include "support/suite.h"

static char folder[SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
}

static void teardown(void)
{
    scratch_remove(folder);
}

/* ---- record ---- */

struct values {
    int64_t batch_size;
    double lr;
    const char *data;
    bool norm_pix;
    int secret;
};
#define AT(member) offsetof(struct values, member)
static const fcmae_option rows[] = {
    {.type = FCMAE_OPTION_HEADING, .help = "All"},
    {"batch-size", FCMAE_OPTION_INTEGER, AT(batch_size), .also = "batch",
     .record = FCMAE_RECORD_FIXED},
    {"lr", FCMAE_OPTION_NUMBER, AT(lr), .record = FCMAE_RECORD_FREE},
    {"data", FCMAE_OPTION_TEXT, AT(data), .record = FCMAE_RECORD_MACHINE},
    {"norm-pix", FCMAE_OPTION_SWITCH, AT(norm_pix), .record = FCMAE_RECORD_FIXED},
    {"secret", FCMAE_OPTION_INT, AT(secret), .record = FCMAE_RECORD_NOT},
};
static const fcmae_option_set try_set = {.name = "try",
                                         .options = rows,
                                         .count = FCMAE_COUNT(rows),
                                         .values_size = sizeof(struct values)};

static void fill_record(fcmae_record *record, int64_t batch, double lr, const char *data)
{
    const struct values values = {batch, lr, data, true, 7};
    ck_assert_int_eq(fcmae_record_take(record, &try_set, &values, NULL), FCMAE_OK);
}

static const char *find_recorded(const void *cookie, const char *key)
{
    const fcmae_record *earlier = cookie;
    for (int i = 0; i < earlier->count; i++)
        if (strcmp(earlier->items[i].key, key) == 0) return earlier->items[i].text;
    return NULL;
}

/** A record of a time when batch-size was called batch. */
static const char *find_older(const void *cookie, const char *key)
{
    (void)cookie;
    return strcmp(key, "batch") == 0 ? "32" : NULL;
}

/** A record with a zero of the other sign. */
static const char *find_negative(const void *cookie, const char *key)
{
    (void)cookie;
    return strcmp(key, "lr") == 0 ? "-0.0" : NULL;
}

static int remarks;
static void count_remark(void *cookie, fcmae_log_level level, const char *message)
{
    (void)cookie;
    (void)level;
    (void)message;
    remarks++;
}

START_TEST(records_are_compared)
{
    fcmae_record old = {0}, same = {0}, other_lr = {0}, other_batch = {0};
    const fcmae_log log = {count_remark, NULL};
    fcmae_error error = {0};
    fill_record(&old, 64, 0.1, "a");
    fill_record(&same, 64, 0.1, "b");
    fill_record(&other_lr, 64, 0.2, "a");
    fill_record(&other_batch, 32, 0.2, "a");
    ck_assert_int_eq(fcmae_record_compare(&same, find_recorded, &old, &log, &error), FCMAE_OK);
    ck_assert_int_eq(remarks, 0);
    ck_assert_int_eq(fcmae_record_compare(&other_lr, find_recorded, &old, &log, &error), FCMAE_OK);
    ck_assert_int_eq(remarks, 1);
    ck_assert_int_eq(fcmae_record_compare(&other_batch, find_recorded, &old, &log, &error),
                     FCMAE_ERR_MISMATCH);
    ck_assert(strstr(error.message, "batch_size 64, not 32"));
    ck_assert_int_eq(remarks, 1); /* no word of a learning rate that does not come to pass */
    ck_assert_int_eq(fcmae_record_compare(&old, find_older, NULL, &log, &error),
                     FCMAE_ERR_MISMATCH);
    fcmae_record zero = {0};
    fill_record(&zero, 64, 0, "a");
    ck_assert_int_eq(fcmae_record_compare(&zero, find_negative, NULL, &log, &error), FCMAE_OK);
    ck_assert_int_eq(remarks, 1);
    fcmae_record_release(&zero);
    char *json = fcmae_record_json(&old);
    ck_assert_str_eq(json, "{\n  \"batch_size\": 64,\n  \"lr\": 0.1,\n  \"data\": \"a\",\n"
                           "  \"norm_pix\": true\n}");
    free(json);
    fcmae_record_release(&old);
    fcmae_record_release(&same);
    fcmae_record_release(&other_lr);
    fcmae_record_release(&other_batch);
}
END_TEST

/* ---- log ---- */

static void write_steps(fcmae_run_log *log, int64_t first, int64_t last)
{
    for (int64_t step = first; step <= last; step++) {
        fcmae_train_progress p = {
            .step = step, .loss = 1.0 / (double)step, .elapsed = (double)step * 10};
        ck_assert_int_eq(fcmae_run_log_step(log, &p, NULL, NULL), FCMAE_OK);
    }
}

/** Steps in the log, as "1 2 3"; every line must parse. */
static void expect_steps(const char *wanted)
{
    char found[200] = "";
    char *text = scratch_read(folder, "log.jsonl", NULL);
    ck_assert_ptr_nonnull(text);
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        ck_assert_msg(end != NULL, "the last line is torn: %s", line);
        json_t *object = NULL;
        ck_assert_int_eq(fcmae_json_parse(line, (size_t)(end - line), "line", &object, NULL),
                         FCMAE_OK);
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%lld%s",
                 found[0] ? " " : "", (long long)fcmae_json_integer(object, "step", -1),
                 json_object_get(object, "event") ? "!" : "");
        json_decref(object);
        line = end + 1;
    }
    ck_assert_str_eq(found, wanted);
    free(text);
}

START_TEST(log_is_continued_without_gaps_or_repeats)
{
    fcmae_run_log log;
    const char *images[] = {"a.jpg", "b\xff.jpg"};
    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 0, NULL), FCMAE_OK);
    write_steps(&log, 1, 7);
    ck_assert_int_eq(fcmae_run_log_event(&log, 7, "note", "text", images, 2, NULL), FCMAE_OK);
    write_steps(&log, 8, 9);
    fcmae_run_log_close(&log);
    expect_steps("1 2 3 4 5 6 7 7! 8 9");

    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 8, NULL), FCMAE_OK);
    ck_assert_double_eq(log.elapsed, 80);
    fcmae_run_log_close(&log);
    expect_steps("1 2 3 4 5 6 7 7! 8");

    /* killed within a write */
    size_t size = 0;
    char *text = scratch_read(folder, "log.jsonl", &size);
    scratch_write(folder, "log.jsonl", text, size - 9);
    free(text);
    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 8, NULL), FCMAE_OK);
    write_steps(&log, 9, 9);
    fcmae_run_log_close(&log);
    expect_steps("1 2 3 4 5 6 7 9");

    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 3, NULL), FCMAE_OK);
    write_steps(&log, 4, 5);
    fcmae_run_log_close(&log);
    expect_steps("1 2 3 4 5");
    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 0, NULL), FCMAE_OK);
    fcmae_run_log_close(&log);
    expect_steps("");
}
END_TEST

START_TEST(log_survives_garbage)
{
    static const char text[] =
        "{\"step\": 1, \"loss\": 1}\nnot json\n\n[]\n{\"step\": 2, \"loss\": 1}\n"
        "{\"step\": \"x\", \"loss\": 1}\n{\"step\": 3, \"loss\": 1}\n";
    fcmae_run_log log;
    scratch_write(folder, "log.jsonl", text, sizeof text - 1);
    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 2, NULL), FCMAE_OK);
    ck_assert_int_eq(log.size, (int64_t)(strstr(text, "{\"step\": \"x") - text));
    fcmae_run_log_close(&log);
}
END_TEST

START_TEST(log_takes_a_torn_line_back)
{
    fcmae_run_log log;
    fcmae_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(fcmae_run_log_open(&log, folder, 0, NULL), FCMAE_OK);
    write_steps(&log, 1, 3);
    struct rlimit before, limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){(rlim_t)log.size + 20, before.rlim_max};
    fcmae_train_progress p = {.step = 4};
    int set = setrlimit(RLIMIT_FSIZE,
                        &limit); /* no assertion until it is lifted: those write too */
    fcmae_status status = fcmae_run_log_step(&log, &p, NULL, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(set, 0);
    ck_assert_int_eq(status, FCMAE_ERR_IO);
    fcmae_run_log_close(&log);
    expect_steps("1 2 3");
}
END_TEST

/* ---- folder ---- */

static void touch(const char *name)
{
    scratch_write(folder, name, "x", 1);
}

START_TEST(folder_lists_whole_pairs)
{
    touch("checkpoint-5.safetensors");
    touch("checkpoint-5.state.safetensors");
    touch("checkpoint-20.safetensors");
    touch("checkpoint-20.state.safetensors");
    touch("checkpoint-30.safetensors");
    touch("checkpoint-40.state.safetensors");
    touch("checkpoint-x.state.safetensors");
    touch("checkpoint-99999999999999999999.state.safetensors");
    touch("checkpoint-50.safetensors.123-0.tmp");
    touch("mine.tmp");
    fcmae_run_folder f;
    ck_assert_int_eq(fcmae_run_folder_open(&f, folder, NULL), FCMAE_OK);
    ck_assert_int_eq(f.count, 2);
    ck_assert_int_eq(f.steps[0], 5);
    ck_assert_int_eq(f.steps[1], 20);
    ck_assert(!scratch_exists(folder, "checkpoint-50.safetensors.123-0.tmp"));
    ck_assert(scratch_exists(folder, "mine.tmp"));
    fcmae_run_folder_close(&f);
}
END_TEST

START_TEST(folder_keeps_the_newest)
{
    fcmae_run_folder f;
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/deep/er//run/", folder);
    ck_assert_int_eq(fcmae_run_folder_open(&f, path, NULL), FCMAE_OK);
    for (int64_t step = 10; step <= 50; step += 10) {
        char weights[FCMAE_PATH], state[FCMAE_PATH];
        fcmae_run_folder_weights(&f, step, weights);
        fcmae_run_folder_state(&f, step, state);
        scratch_write("", weights + 1, "x", 1);
        if (step != 20) scratch_write("", state + 1, "x", 1);
        if (step != 20) ck_assert_int_eq(fcmae_run_folder_saved(&f, step, 2, NULL), FCMAE_OK);
    }
    ck_assert_int_eq(f.count, 2);
    ck_assert_int_eq(f.steps[0], 40);
    ck_assert(!scratch_exists(path, "checkpoint-10.safetensors"));
    ck_assert(!scratch_exists(path, "checkpoint-20.safetensors")); /* half a pair, and old */
    ck_assert(!scratch_exists(path, "checkpoint-30.state.safetensors"));
    ck_assert(scratch_exists(path, "checkpoint-40.safetensors"));
    ck_assert(scratch_exists(path, "checkpoint-50.state.safetensors"));
    char *latest = scratch_read(path, "latest", NULL);
    ck_assert_str_eq(latest, "checkpoint-50.safetensors\n");
    free(latest);
    fcmae_run_folder_close(&f);
}
END_TEST

START_TEST(folder_is_locked)
{
    fcmae_run_folder first, second;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_run_folder_open(&first, folder, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_run_folder_open(&second, folder, &error), FCMAE_ERR_IO);
    ck_assert(strstr(error.message, "another process"));
    fcmae_run_folder_close(&first);
    ck_assert_int_eq(fcmae_run_folder_open(&second, folder, &error), FCMAE_OK);
    fcmae_run_folder_close(&second);
    touch("file");
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/file/run", folder);
    ck_assert_int_eq(fcmae_run_folder_open(&second, path, &error), FCMAE_ERR_IO);
    ck_assert_int_eq(fcmae_run_folder_open(&second, "", &error), FCMAE_ERR_ARGUMENT);
}
END_TEST

/* ---- state ---- */

typedef struct parts {
    fcmae_run_state state;
    fcmae_record record;
    char weights[2 * SCRATCH_PATH], companion[2 * SCRATCH_PATH];
} parts;

static void fill_block(float *block, const fcmae_model *model, float first)
{
    int count;
    const fcmae_parameter *table = fcmae_model_parameters(model, &count);
    for (int i = 0; i < count; i++)
        for (int64_t r = 0; r < table[i].rows; r++)
            for (int64_t c = 0; c < table[i].columns; c++)
                block[table[i].offset + r * table[i].stride + c] = first += 0.37f;
}

static void make_parts(parts *p, bool average, int64_t step)
{
    *p = (parts){0};
    fcmae_model_config config = scratch_model();
    const fcmae_adamw_options options = fcmae_adamw_defaults();
    ck_assert_int_eq(fcmae_model_create(&p->state.model, &config, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_adamw_create(&p->state.adamw, p->state.model, &options, NULL), FCMAE_OK);
    size_t size = (size_t)fcmae_model_block_size(p->state.model);
    if (average) p->state.average = calloc(size, sizeof(float));
    fill_record(&p->record, 64, 0.1, "a");
    p->state.record = &p->record;
    p->state.step = step;
    p->state.epoch = step / 10;
    p->state.batch = step % 10;
    snprintf(p->weights, sizeof p->weights, "%s/%lld.safetensors", folder, (long long)step);
    snprintf(p->companion, sizeof p->companion, "%s/%lld.state.safetensors", folder,
             (long long)step);
}

static void fill_parts(parts *p, float first)
{
    fill_block(fcmae_model_values(p->state.model), p->state.model, first);
    fill_block(fcmae_adamw_first_moment(p->state.adamw), p->state.model, first + 1);
    fill_block(fcmae_adamw_second_moment(p->state.adamw), p->state.model, first + 2);
    if (p->state.average) fill_block(p->state.average, p->state.model, first + 3);
}

static void free_parts(parts *p)
{
    free(p->state.average);
    fcmae_adamw_destroy(&p->state.adamw);
    fcmae_model_destroy(&p->state.model);
    fcmae_record_release(&p->record);
}

static fcmae_status load(parts *p, const parts *from, fcmae_error *error)
{
    return fcmae_run_state_load(&p->state, from->weights, from->companion, NULL, error);
}

START_TEST(state_comes_back_bit_for_bit)
{
    for (int average = 0; average < 2; average++) {
        parts saved, loaded;
        fcmae_error error = {0};
        make_parts(&saved, average, 37);
        make_parts(&loaded, average, 0);
        fill_parts(&saved, 0.1f);
        ck_assert_msg(fcmae_run_state_save(&saved.state, saved.weights, saved.companion, &error) ==
                          FCMAE_OK,
                      "%s", error.message);
        ck_assert_msg(load(&loaded, &saved, &error) == FCMAE_OK, "%s", error.message);
        size_t bytes = (size_t)fcmae_model_block_size(saved.state.model) * sizeof(float);
        ck_assert_mem_eq(fcmae_model_values(saved.state.model),
                         fcmae_model_values(loaded.state.model), bytes);
        ck_assert_mem_eq(fcmae_adamw_first_moment(saved.state.adamw),
                         fcmae_adamw_first_moment(loaded.state.adamw), bytes);
        ck_assert_mem_eq(fcmae_adamw_second_moment(saved.state.adamw),
                         fcmae_adamw_second_moment(loaded.state.adamw), bytes);
        if (average) ck_assert_mem_eq(saved.state.average, loaded.state.average, bytes);
        ck_assert_int_eq(loaded.state.step, 37);
        ck_assert_int_eq(loaded.state.epoch, 3);
        ck_assert_int_eq(loaded.state.batch, 7);
        ck_assert_int_eq(fcmae_adamw_updates(loaded.state.adamw), 37);
        char text[32];
        ck_assert(fcmae_run_state_option(saved.companion, &rows[1], text, sizeof text));
        ck_assert_str_eq(text, "64");
        ck_assert(!fcmae_run_state_option(saved.companion, &rows[3], text, sizeof text));
        free_parts(&saved);
        free_parts(&loaded);
    }
}
END_TEST

START_TEST(average_may_appear_and_disappear)
{
    parts without, with, target;
    make_parts(&without, false, 5);
    make_parts(&with, true, 6);
    fill_parts(&without, 1);
    fill_parts(&with, 2);
    ck_assert_int_eq(fcmae_run_state_save(&without.state, without.weights, without.companion, NULL),
                     FCMAE_OK);
    ck_assert_int_eq(fcmae_run_state_save(&with.state, with.weights, with.companion, NULL),
                     FCMAE_OK);
    size_t bytes = (size_t)fcmae_model_block_size(with.state.model) * sizeof(float);
    make_parts(&target, true, 0);
    ck_assert_int_eq(load(&target, &without, NULL), FCMAE_OK);
    ck_assert_mem_eq(target.state.average, fcmae_model_values(without.state.model), bytes);
    free_parts(&target);
    make_parts(&target, false, 0);
    ck_assert_int_eq(load(&target, &with, NULL), FCMAE_OK);
    free_parts(&target);
    free_parts(&with);
    free_parts(&without);
}
END_TEST

/** Saves a pair, lets `harm` damage it, expects a refusal. */
static void expect_refusal(void (*harm)(const parts *), fcmae_status wanted, const char *sentence)
{
    parts saved, loaded;
    fcmae_error error = {0};
    make_parts(&saved, true, 9);
    make_parts(&loaded, true, 0);
    fill_parts(&saved, 3);
    ck_assert_int_eq(fcmae_run_state_save(&saved.state, saved.weights, saved.companion, NULL),
                     FCMAE_OK);
    harm(&saved);
    fcmae_status status = load(&loaded, &saved, &error);
    ck_assert_msg(status == wanted && strstr(error.message, sentence), "status %d: %s", status,
                  error.message);
    free_parts(&saved);
    free_parts(&loaded);
}

static void change_file(const char *path, long at, int whence, bool cut)
{
    FILE *file = fopen(path, "r+b");
    ck_assert(file && fseek(file, at, whence) == 0);
    long place = ftell(file);
    if (cut) {
        ck_assert_int_eq(ftruncate(fileno(file), place), 0);
    } else {
        int byte = fgetc(file);
        fseek(file, place, SEEK_SET);
        fputc(byte ^ 1, file);
    }
    fclose(file);
}

static void cut_companion(const parts *p)
{
    change_file(p->companion, -100, SEEK_END, true);
}
static void cut_weights(const parts *p)
{
    change_file(p->weights, -100, SEEK_END, true);
}
static void flip_weights(const parts *p)
{
    change_file(p->weights, -100, SEEK_END, false);
}
static void flip_companion(const parts *p)
{
    change_file(p->companion, -100, SEEK_END, false);
}
static void remove_weights(const parts *p)
{
    remove(p->weights);
}
static void empty_companion(const parts *p)
{
    change_file(p->companion, 0, SEEK_SET, true);
}
static void foreign_weights(const parts *p)
{
    parts other;
    make_parts(&other, true, 9);
    fill_parts(&other, 4);
    ck_assert_int_eq(fcmae_checkpoint_save(p->weights, other.state.model, NULL, NULL), FCMAE_OK);
    free_parts(&other);
}
static void weights_as_companion(const parts *p)
{
    ck_assert_int_eq(fcmae_checkpoint_save(p->companion, p->state.model, NULL, NULL), FCMAE_OK);
}

START_TEST(damaged_pairs_are_refused)
{
    expect_refusal(cut_companion, FCMAE_ERR_FORMAT, "9.state.safetensors");
    expect_refusal(cut_weights, FCMAE_ERR_FORMAT, "9.safetensors");
    expect_refusal(flip_weights, FCMAE_ERR_FORMAT, "is not what was written");
    expect_refusal(flip_companion, FCMAE_ERR_FORMAT, "is not what was written");
    expect_refusal(remove_weights, FCMAE_ERR_NOT_FOUND, "9.safetensors");
    expect_refusal(empty_companion, FCMAE_ERR_FORMAT, "9.state.safetensors");
    expect_refusal(foreign_weights, FCMAE_ERR_FORMAT, "do not belong together");
    expect_refusal(weights_as_companion, FCMAE_ERR_FORMAT, "not a complete training state");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, records_are_compared);
    tcase_add_test(cases, log_is_continued_without_gaps_or_repeats);
    tcase_add_test(cases, log_survives_garbage);
    tcase_add_test(cases, log_takes_a_torn_line_back);
    tcase_add_test(cases, folder_lists_whole_pairs);
    tcase_add_test(cases, folder_keeps_the_newest);
    tcase_add_test(cases, folder_is_locked);
    tcase_add_test(cases, state_comes_back_bit_for_bit);
    tcase_add_test(cases, average_may_appear_and_disappear);
    tcase_add_test(cases, damaged_pairs_are_refused);
}

int main(void)
{
    return run_suite("run", add_tests);
}
