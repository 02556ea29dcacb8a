/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The frame of the program: parsing by a table, resolved options as JSON, suggestions, formats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "fcmae/train.h"
#include "progress.h"
#include "shared.h"
#include "shown.h"
#include "support/suite.h"

struct values {
    const char *name;
    int64_t count;
    double ratio;
    bool flag, toggle;
    int choice;
    fcmae_texts files;
    const char *place;
};
#define AT(member) offsetof(struct values, member)

static const fcmae_option options[] = {
    {"PLACE", FCMAE_OPTION_TEXT, AT(place), .positional = true, .help = "where"},
    {"Numbers", FCMAE_OPTION_HEADING, .help = "Numbers"},
    {"count", FCMAE_OPTION_INTEGER, AT(count), .fallback = "7", .range = "[-2, 100)",
     .help = "how many"},
    {"ratio", FCMAE_OPTION_NUMBER, AT(ratio), .otherwise = "of the model", .range = "(0, 1]",
     .help = "part"},
    {"Others", FCMAE_OPTION_HEADING, .help = "Others"},
    {"name", FCMAE_OPTION_TEXT, AT(name), .help = "what"},
    {"flag", FCMAE_OPTION_FLAG, AT(flag), .help = "whether"},
    {"to-ggle", FCMAE_OPTION_SWITCH, AT(toggle), .fallback = "on", .help = "on or off"},
    {"choice", FCMAE_OPTION_CHOICE, AT(choice), .fallback = "two", .choices = "one|two|three",
     .help = "which"},
    {"files", FCMAE_OPTION_TEXTS, AT(files), .help = "several"},
};

static const cli_command command = {
    .set = &(const fcmae_option_set){.name = "try",
                                     .purpose = "nothing",
                                     .options = options,
                                     .count = FCMAE_COUNT(options),
                                     .values_size = sizeof(struct values)}};

/* Parses the words of a line; messages go nowhere. */
static int parse(const char *line, cli_arguments *arguments)
{
    static char copy[512];
    char *words[64];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) words[count++] = word;
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    FILE *nowhere = fopen("/dev/null", "w");
    dup2(fileno(nowhere), STDERR_FILENO);
    int result = cli_parse(&command, count, words, arguments);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(nowhere);
    return result;
}

START_TEST(defaults_and_values)
{
    cli_arguments a;
    ck_assert_int_eq(parse("", &a), CLI_SUCCESS);
    const struct values *v = a.values;
    ck_assert_int_eq(v->count, 7);
    ck_assert(v->toggle && !v->flag && !v->name && !v->place && !a.quiet);
    ck_assert_int_eq(v->choice, 1);
    ck_assert_int_eq(v->files.count, 0);
    ck_assert(!cli_given(&a, "count"));
    cli_arguments_release(&a);

    ck_assert_int_eq(parse("here --count -2 --ratio=1e-1 --flag --to-ggle off --choice three "
                           "--files a b c --name n=1 --files d --quiet",
                           &a),
                     CLI_SUCCESS);
    v = a.values;
    ck_assert_str_eq(v->place, "here");
    ck_assert_int_eq(v->count, -2);
    ck_assert_double_eq(v->ratio, 0.1);
    ck_assert(!v->toggle && v->flag && a.quiet);
    ck_assert_int_eq(v->choice, 2);
    ck_assert_str_eq(v->name, "n=1");
    ck_assert_int_eq(v->files.count, 4);
    ck_assert_str_eq(v->files.items[3], "d");
    ck_assert(cli_given(&a, "count") && cli_given(&a, "PLACE") && !cli_given(&a, "Others"));
    cli_arguments_release(&a);

    ck_assert_int_eq(parse("--count 1 --count 2 -- --name", &a), CLI_SUCCESS);
    v = a.values;
    ck_assert_int_eq(v->count, 2); /* the last one counts */
    ck_assert_str_eq(v->place, "--name");
    cli_arguments_release(&a);
}
END_TEST

START_TEST(mistakes_are_usage_errors)
{
    static const char *const lines[] = {
        "--count",      "--count --flag", "--count x",    "--count 1.5",
        "--count 100",  "--count -3",     "--count 1e1",  "--ratio 0",
        "--ratio 1.01", "--ratio inf",    "--ratio 0.5x", "--ratio=",
        "--flag=1",     "--to-ggle yes",  "--choice tw",  "--choice one|two",
        "--name=",      "one two",        "--unknown",    "--coun 3",
        "-f",           "--Numbers 3",    "--quiet=1",    "--",
    };
    for (int i = 0; i < FCMAE_COUNT(lines) - 1; i++) {
        cli_arguments a;
        int result = parse(lines[i], &a);
        ck_assert_msg(result == CLI_USAGE, "'%s' gave %d", lines[i], result);
        cli_arguments_release(&a);
    }
}
END_TEST

/* A file with these words; unlink it. */
static const char *file_of(const char *text)
{
    static char path[] = "/tmp/fcmae-options-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int file = mkstemp(path);
    ck_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    return path;
}

/* What a file says holds unless the command line says otherwise, wherever --config stands. */
START_TEST(files_come_behind_the_command_line)
{
    static const char *const files[] = {
        "count = 5\nratio = 0.25 ; of all\nto_ggle = off\n[other]\nname = x\n[try]\nchoice = one\n",
        "{\"count\": 5, \"ratio\": 0.25, \"to_ggle\": false, \"choice\": \"one\", \"name\": null,"
        " \"files\": [\"a\", \"b\"]}"};
    for (int i = 0; i < 2; i++) {
        char line[200];
        cli_arguments a;
        const char *path = file_of(files[i]);
        snprintf(line, sizeof line, "--ratio 0.5 --config %s --choice three", path);
        ck_assert_int_eq(parse(line, &a), CLI_SUCCESS);
        const struct values *v = a.values;
        ck_assert_int_eq(v->count, 5);
        ck_assert_double_eq(v->ratio, 0.5);
        ck_assert(!v->toggle && !v->name);
        ck_assert_int_eq(v->choice, 2);
        ck_assert_int_eq(v->files.count, i == 0 ? 0 : 2);
        ck_assert(cli_given(&a, "count") && !cli_given(&a, "name"));
        cli_arguments_release(&a);
        unlink(path);
    }
}
END_TEST

START_TEST(files_with_mistakes_are_refused_by_place)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"count = 5\ncoutn = 6\n", ":2: try has no option coutn; did you mean count?"},
                 {"count = 500\n", ":1: count 500: must be in [-2, 100)"},
                 {"what is this\n", ":1: neither"},
                 {"{\"count\": 5, \"coutn\": 6}", ": try has no option coutn"},
                 {"count = 5\nname = a\n[try]\ncount = 6\n", ":4: count is given twice"},
                 {"[tyr]\ncount = 5\n", " has a section [tyr], but no line outside"},
                 {"{\"to-ggle\": true, \"to_ggle\": false}", ": to-ggle is given twice"},
                 {"{\"coutn\": null}", ": try has no option coutn"},
                 {"{\"count\": [5, 6]}", ": count: must be a text"},
                 {"{\"count\": []}", ": count: must be a text"},
                 {"{\"count\": {}}", ": count: must be a text"},
                 {"{\"count\": 5", "is not valid JSON"}};
    for (int i = 0; i < FCMAE_COUNT(cases); i++) {
        fcmae_options *all = NULL;
        fcmae_error error = {0};
        const char *path = file_of(cases[i].text);
        ck_assert_int_eq(fcmae_options_create(&all, command.set, NULL), FCMAE_OK);
        ck_assert_int_eq(fcmae_options_read(all, path, &error), FCMAE_ERR_FORMAT);
        ck_assert_msg(strstr(error.message, cases[i].expected), "%s", error.message);
        fcmae_options_destroy(&all);
        unlink(path);
    }
}
END_TEST

/* Two that exclude each other: an error at one level, the higher level wins otherwise. */
START_TEST(options_that_exclude_each_other)
{
    fcmae_options *run = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_options_create(&run, fcmae_task_options("pretrain"), NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_set(run, "data", "x", NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_set(run, "output", "x", NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_set_at(run, FCMAE_LEVEL_FILE, "steps", "9", NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_set_at(run, FCMAE_LEVEL_FILE, "epochs", "2", NULL), FCMAE_OK);
    ck_assert(fcmae_options_given(run, "steps") && !fcmae_options_given(run, "epochs"));
    ck_assert_int_eq(fcmae_options_set(run, "epochs", "3", NULL), FCMAE_OK);
    ck_assert(!fcmae_options_given(run, "steps") && fcmae_options_given(run, "epochs"));
    ck_assert_int_eq(fcmae_options_check(run, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_set(run, "steps", "4", NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_options_check(run, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_str_eq(error.message, "steps and epochs exclude each other");
    fcmae_options_destroy(&run);
    /* a flag that is off excludes nothing */
    ck_assert_int_eq(fcmae_options_create(&run, fcmae_task_options("finetune"), NULL), FCMAE_OK);
    static const char *const values[][2] = {{"data", "x"},        {"output", "x"},
                                            {"checkpoint", "x"},  {"keep-head", "off"},
                                            {"head-init", "0.1"}, {"keep-head", "on"}};
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(fcmae_options_set(run, values[i][0], values[i][1], NULL), FCMAE_OK);
        if (i == 4) ck_assert(fcmae_options_given(run, "head-init"));
        if (i == 4) ck_assert_int_eq(fcmae_options_check(run, NULL), FCMAE_OK);
    }
    ck_assert_int_eq(fcmae_options_check(run, NULL), FCMAE_ERR_ARGUMENT);
    ck_assert(!fcmae_options_given(run, "head-init"));
    fcmae_options_destroy(&run);
}
END_TEST

START_TEST(suggestions)
{
    static const char *const names[] = {"pretrain", "parity", "probe", "info", "bench"};
    ck_assert_str_eq(fcmae_suggest("pretrian", names, 5), "pretrain");
    ck_assert_str_eq(fcmae_suggest("pretrai", names, 5), "pretrain");
    ck_assert_str_eq(fcmae_suggest("inof", names, 5), "info");
    ck_assert_str_eq(fcmae_suggest("prob", names, 5), "probe");
    ck_assert_str_eq(fcmae_suggest("benhc", names, 5), "bench");
    ck_assert_ptr_null(fcmae_suggest("convolution", names, 5));
    ck_assert_ptr_null(fcmae_suggest("xyz", names, 5));
}
END_TEST

START_TEST(formats)
{
    char text[32];
    ck_assert_str_eq(cli_grouped(7257992, text, sizeof text), "7,257,992");
    ck_assert_str_eq(cli_grouped(100, text, sizeof text), "100");
    ck_assert_str_eq(cli_bytes(512, text, sizeof text), "512 B");
    ck_assert_str_eq(cli_bytes(1536, text, sizeof text), "1.5 KiB");
    ck_assert_str_eq(cli_bytes(300.0 * (1 << 30), text, sizeof text), "300 GiB");
    ck_assert_str_eq(cli_duration(59.4, text, sizeof text), "59 s");
    ck_assert_str_eq(cli_duration(59.6, text, sizeof text), "1 min 00 s");
    ck_assert_str_eq(cli_duration(7384, text, sizeof text), "2 h 03 min");
    ck_assert_str_eq(cli_duration(90000, text, sizeof text), "1 d 1 h");
    ck_assert_str_eq(cli_duration(-1, text, sizeof text), "?");
}
END_TEST

/* Names may hold any bytes; nothing of them reaches a terminal that is no letter to it. */
START_TEST(control_characters_are_spelled)
{
    static const char *const cases[][2] = {
        {"photos/caf\xc3\xa9.jpg", "photos/caf\xc3\xa9.jpg"},
        {"a\nfcmae: fine", "a\\nfcmae: fine"},
        {"\033[31m\r\t\177", "\\x1b[31m\\x0d\\x09\\x7f"},
        {"\xc2\x9b"
         "2J",
         "\\xc2\\x9b2J"},
        {"\x9b"
         "2J\xe9t\xe9",
         "\\x9b2J\xe9t\xe9"},
        {"\xe2\x82\xac \xf0\x9f\x90\x88 \xe2\x82", "\xe2\x82\xac \xf0\x9f\x90\x88 \xe2\\x82"},
        {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(CLI_SHOWN(cases[i][0]), cases[i][1]);
    ck_assert_ptr_eq(CLI_SHOWN(cases[0][0]), cases[0][0]);
    static char long_name[3 * CLI_SHOWN_SIZE];
    memset(long_name, '\n', sizeof long_name - 1);
    ck_assert_uint_lt(strlen(CLI_SHOWN(long_name)), CLI_SHOWN_SIZE);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, control_characters_are_spelled);
    tcase_add_test(cases, defaults_and_values);
    tcase_add_test(cases, mistakes_are_usage_errors);
    tcase_add_test(cases, files_come_behind_the_command_line);
    tcase_add_test(cases, files_with_mistakes_are_refused_by_place);
    tcase_add_test(cases, options_that_exclude_each_other);
    tcase_add_test(cases, suggestions);
    tcase_add_test(cases, formats);
}

int main(void)
{
    return run_suite("options", add_tests);
}
