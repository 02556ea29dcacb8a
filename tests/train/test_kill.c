/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/** The real program, killed and asked to stop at moments nobody chose. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/random.h"
#include "fcmae/measure.h"
#include "run/run_log.h"
#include "scratch.h"
#include "support/suite.h"

#define STEPS "120"
#define LAST "checkpoint-" STEPS ".safetensors"
#define LAST_STATE "checkpoint-" STEPS ".state.safetensors"

static const char preset[] =
    "[model]\ndepths = 1, 1, 1, 1\ndims = 8, 8, 16, 16\ndecoder_dim = 16\n";
static char folder[SCRATCH_PATH];

static void setup(void)
{
    scratch_make(folder);
    scratch_images(folder);
    scratch_write(folder, "smallest.ini", preset, sizeof preset - 1);
}

static void teardown(void)
{
    scratch_remove(folder);
}

/** Starts the program in `folder`, its words in folder/program.log. */
static pid_t start(const char *run, const char *threads, const char *save_every)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0) return child;
    int log = chdir(folder) == 0 ? open("program.log", O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(99);
    execl(FCMAE_PROGRAM, "fcmae", "pretrain", "--data", "set/train", "--model", "smallest.ini",
          "--output", run, "--input-size", "64", "--batch-size", "8", "--lr", "0.002", "--steps",
          STEPS, "--save-every", save_every, "--lanes", "2", "--micro-batch", "2", "--ema", "0.9",
          "--keep", "2", "--val-share", "0.2", "--watch-every", "7", "--watch-knn", "30",
          "--watch-collapse", "11", "--tensorboard", "--threads", threads, "--quiet", (char *)NULL);
    _exit(98);
}

/** Waits for the end and expects this exit status. */
static void expect_status(pid_t child, int expected)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    char *words = scratch_read(folder, "program.log", NULL);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "status %d: %s", status,
                  words ? words : "");
    free(words);
}

static void expect_success(pid_t child)
{
    expect_status(child, 0);
}

static void rest(double time)
{
    struct timespec wait = {(time_t)time, (long)((time - (double)(time_t)time) * 1e9)};
    nanosleep(&wait, NULL);
}

static void same_runs(const char *a, const char *b)
{
    char first[2 * SCRATCH_PATH], second[2 * SCRATCH_PATH];
    snprintf(first, sizeof first, "%s/%s", folder, a);
    snprintf(second, sizeof second, "%s/%s", folder, b);
    scratch_same(first, second, LAST);
    scratch_same(first, second, LAST_STATE);
}

/** Numbers of a log under one name. */
typedef struct series {
    double values[64];
    int count;
} series;

static fcmae_status note(void *cookie, int64_t step, double value, fcmae_error *error)
{
    series *s = cookie;
    (void)step, (void)error;
    ck_assert_int_lt(s->count, 64);
    s->values[s->count++] = value;
    return FCMAE_OK;
}

/** What was measured is in both logs, once, with the same bits. */
static void same_figures(const char *a, const char *b)
{
    static const char *const figures[] = {"val_loss", "rankme", "knn_top1"};
    for (int f = 0; f < 3; f++) {
        series found[2] = {{.count = 0}, {.count = 0}};
        for (int i = 0; i < 2; i++) {
            char path[2 * SCRATCH_PATH];
            snprintf(path, sizeof path, "%s/%s", folder, i ? b : a);
            ck_assert_int_eq(fcmae_run_log_read(path, figures[f], note, &found[i], NULL), FCMAE_OK);
        }
        ck_assert_int_ge(found[0].count, 5);
        ck_assert_int_eq(found[0].count, found[1].count);
        for (int i = 0; i < found[0].count; i++)
            ck_assert_double_eq(found[0].values[i], found[1].values[i]);
    }
}

static int count_lines(const char *run)
{
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, run);
    char *text = scratch_read(path, "log.jsonl", NULL);
    int lines = 0;
    for (char *c = text; c && *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

/** Kills the run ten times; returns how often it had reached a checkpoint by then. */
static int kill_ten_times(double whole)
{
    static const char *const threads[] = {"1", "2", "3"};
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/killed", folder);
    fcmae_random random = fcmae_random_start((uint64_t)time(NULL), FCMAE_RANDOM_TEST, 0, 0);
    int kills = 0, useful = 0;
    for (int attempt = 0; kills < 10; attempt++) {
        ck_assert_int_lt(attempt, 40);
        pid_t child = start("killed", threads[attempt % 3], attempt % 2 ? "1" : "3");
        int status = 0;
        rest(0.005 + 0.3 * whole * fcmae_random_uniform(&random));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) {
            kills++;
            useful += scratch_exists(path, "latest");
        } else {
            scratch_remove(path); /* it was faster: the counting goes on with a fresh run */
            whole *= 0.7;         /* and is aimed earlier: the first run was on a busier machine */
        }
    }
    return useful;
}

START_TEST(killed_ten_times)
{
    double began = fcmae_measure_seconds();
    expect_success(start("whole", "2", "2"));
    int useful = kill_ten_times(fcmae_measure_seconds() - began);
    ck_assert_int_ge(useful, 1);
    expect_success(start("killed", "3", "5"));
    same_runs("whole", "killed");
    same_figures("whole", "killed");
    ck_assert_int_eq(count_lines("killed"), atoi(STEPS));
}
END_TEST

START_TEST(terminated)
{
    expect_success(start("whole", "1", "50"));
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++) {
        pid_t child = start("asked", "2", "1000");
        int before = count_lines("asked");
        for (int wait = 0; wait < 2000 && count_lines("asked") < before + 3; wait++) rest(0.002);
        kill(child, signals[i]);
        expect_status(child, 128 + signals[i]);
        char path[2 * SCRATCH_PATH];
        snprintf(path, sizeof path, "%s/asked", folder);
        ck_assert(scratch_exists(path, "latest")); /* far from a regular checkpoint */
    }
    expect_success(start("asked", "1", "1000"));
    same_runs("whole", "asked");
    ck_assert_int_eq(count_lines("asked"), atoi(STEPS));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, killed_ten_times);
    tcase_add_test(cases, terminated);
}

int main(void)
{
    return run_suite("kill", add_tests);
}
