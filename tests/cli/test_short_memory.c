/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * Whichever allocation fails, a result is complete or the program says that it failed. The build
 * leads the allocations of the library and of the program's files through the functions below; each
 * attempt is a process of its own, in which one of them fails: one of several; with the word
 * "every" each of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "commands.h"
#include "fcmae/fcmae.h"
#include "json.h"
#include "support/files.h"
#include "support/suite.h"

static long *seen;        /* allocations so far, in memory that parent and child share */
static long failing = -1; /* the one that fails */
static bool watching;

static bool fails(void)
{
    return watching && (*seen)++ == failing;
}

/* the names are the linker's */
#define WRAPPED(type, name, nothing, parameters, arguments) \
    type __real_##name parameters;                          \
    type __wrap_##name parameters;                          \
    type __wrap_##name parameters                           \
    {                                                       \
        return fails() ? nothing : __real_##name arguments; \
    }
WRAPPED(void *, malloc, NULL, (size_t size), (size))
WRAPPED(void *, calloc, NULL, (size_t count, size_t size), (count, size))
WRAPPED(void *, realloc, NULL, (void *memory, size_t size), (memory, size))
WRAPPED(int, posix_memalign, ENOMEM, (void **memory, size_t alignment, size_t size),
        (memory, alignment, size))
WRAPPED(char *, strdup, NULL, (const char *text), (text))

/* ---- what is tried: each returns an exit code and leaves its result in the file ---- */

static int try_info(const char *result)
{
    cli_arguments arguments;
    char preset[300], json[] = "--json", tensors[] = "--tensors", side[] = "--input-size=32";
    char *words[] = {preset, json, tensors, side};
    snprintf(preset, sizeof preset, "%s", test_path("small.ini"));
    if (!freopen(result, "w", stdout)) return CLI_FAILURE;
    int code = cli_parse(&cli_command_info, 4, words, &arguments);
    if (code == CLI_SUCCESS) code = cli_command_info.run(&arguments);
    cli_arguments_release(&arguments);
    return code;
}

static fcmae_model *model;

static int try_checkpoint(const char *result)
{
    fcmae_error error = {0};
    const fcmae_metadata texts[] = {{"step", "3"}, {"note", "as many words as it takes"}};
    const fcmae_checkpoint_contents contents = {.metadata = texts, .metadata_count = 2};
    return fcmae_checkpoint_save(result, model, &contents, &error) == FCMAE_OK ? CLI_SUCCESS
                                                                               : CLI_FAILURE;
}

static int try_report(const char *result)
{
    cli_arguments arguments;
    char run[300], option[] = "--output", page[300];
    char *words[] = {run, option, page};
    snprintf(run, sizeof run, "%s", test_path("run"));
    snprintf(page, sizeof page, "%s", result);
    int code = cli_parse(&cli_command_report, 3, words, &arguments);
    if (code == CLI_SUCCESS) code = cli_command_report.run(&arguments);
    cli_arguments_release(&arguments);
    return code;
}

/* ---- the attempts ---- */

typedef int attempt(const char *result);

static int run_attempt(attempt *try, long number, const char *result)
{
    *seen = 0;
    unlink(result);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        failing = number;
        watching = true;
        int code = try(result);
        watching = false;
        fflush(NULL);
        _exit(code);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "allocation %ld: ended by signal %d", number,
                  WTERMSIG(status));
    return WEXITSTATUS(status);
}

static bool every; /* not one of several, which takes a minute */

static void try_all(attempt *try, const char *name)
{
    enum { ATTEMPTS = 600 };
    char path[300];
    size_t wanted_size, size;
    snprintf(path, sizeof path, "%s", test_path(name));
    ck_assert_int_eq(run_attempt(try, -1, path), CLI_SUCCESS);
    long count = *seen, failures = 0, step = every ? 1 : 1 + count / ATTEMPTS;
    unsigned char *wanted = read_bytes(path, &wanted_size);
    ck_assert_int_gt(count, 50);
    for (long i = 0; i < count; i += step) {
        int code = run_attempt(try, i, path);
        if (code != CLI_SUCCESS) {
            failures++;
            continue;
        }
        unsigned char *found = read_bytes(path, &size);
        ck_assert_msg(size == wanted_size && memcmp(found, wanted, size) == 0,
                      "allocation %ld of %ld failed, the exit status was 0, but %s is another one",
                      i, count, name);
        free(found);
    }
    ck_assert_int_gt(failures, 20);
    free(wanted);
}

START_TEST(info_is_complete_or_fails)
{
    try_all(try_info, "info.json");
}
END_TEST

START_TEST(a_checkpoint_is_complete_or_fails)
{
    fcmae_model_config config;
    ck_assert_int_eq(fcmae_preset_load(test_path("small.ini"), &config, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_model_create(&model, &config, NULL), FCMAE_OK);
    try_all(try_checkpoint, "checkpoint.safetensors");
    fcmae_model_destroy(&model);
}
END_TEST

/* a page of what a run leaves: options, log, pictures, an analysis */
START_TEST(a_report_is_complete_or_fails)
{
    static const char config[] = "{\"model\": \"atto\", \"mask_ratio\": 0.6, \"command\": \"fcmae "
                                 "pretrain --data a_folder_with_a_long_name\"}\n";
    static const char log[] =
        "{\"step\": 1, \"loss\": 1.0312345678901234, \"lr\": 1e-4, \"images_per_s\": 100.0}\n"
        "{\"step\": 1, \"event\": \"warning\", \"message\": \"something worth mentioning\"}\n"
        "{\"step\": 2, \"loss\": 0.9, \"lr\": 2e-4, \"val_loss\": 1.25, \"collapse\": [0.1, 0.2, "
        "0.3, 0.4]}\n";
    static const char analysis[] =
        "{\"models\": [{\"label\": \"a\", \"verdict\": \"Diverse\", \"layers\": [{\"tensor\": "
        "\"grn\", \"layer\": \"stages.0.0\", \"depth\": 0.5, \"distance\": 0.25}]}]}\n";
    static const unsigned char picture[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0};
    mkdir(test_path("run"), 0777);
    mkdir(test_path("run/reconstructions"), 0777);
    write_bytes(test_path("run/config.json"), config, sizeof config - 1);
    write_bytes(test_path("run/log.jsonl"), log, sizeof log - 1);
    write_bytes(test_path("run/collapse.json"), analysis, sizeof analysis - 1);
    write_bytes(test_path("run/reconstructions/step-000001.png"), picture, sizeof picture);
    write_bytes(test_path("run/reconstructions/step-000002.png"), picture, sizeof picture);
    try_all(try_report, "report.html");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, info_is_complete_or_fails);
    tcase_add_test(cases, a_checkpoint_is_complete_or_fails);
    tcase_add_test(cases, a_report_is_complete_or_fails);
}

int main(int count, char **words)
{
    every = count > 1 && strcmp(words[1], "every") == 0;
    static const char preset[] =
        "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 16, 16\ndecoder_dim = 16\n";
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED) return 1;
    cli_json_insist_on_memory();
    create_test_folder();
    FILE *file = fopen(test_path("small.ini"), "w");
    if (!file || fputs(preset, file) < 0 || fclose(file) != 0) return 1;
    int failed = run_suite("short memory", add_tests);
    remove_test_folder();
    return failed;
}
