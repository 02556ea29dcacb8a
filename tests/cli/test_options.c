/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* The frame of the program: parsing by a table, resolved options as JSON, suggestions, formats. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "progress.h"
#include "shared.h"
#include "support/suite.h"

struct values {
    const char *name;
    int64_t count;
    double ratio;
    bool flag, toggle;
    int choice;
    cli_texts files;
    const char *place;
};
#define AT(member) offsetof(struct values, member)

static const cli_option options[] = {
    {"PLACE", CLI_TEXT, AT(place), .positional = true, .help = "where"},
    {"Numbers", CLI_HEADING, .help = "Numbers"},
    {"count", CLI_INTEGER, AT(count), .fallback = "7", .range = "[-2, 100)", .help = "how many"},
    {"ratio", CLI_NUMBER, AT(ratio), .otherwise = "of the model", .range = "(0, 1]",
     .help = "part"},
    {"Others", CLI_HEADING, .help = "Others"},
    {"name", CLI_TEXT, AT(name), .help = "what"},
    {"flag", CLI_FLAG, AT(flag), .help = "whether"},
    {"to-ggle", CLI_SWITCH, AT(toggle), .fallback = "on", .help = "on or off"},
    {"choice", CLI_CHOICE, AT(choice), .fallback = "two", .choices = "one|two|three",
     .help = "which"},
    {"files", CLI_TEXTS, AT(files), .help = "several"},
};

static const cli_command command = {.name = "try",
                                    .purpose = "nothing",
                                    .options = options,
                                    .option_count = CLI_COUNT(options),
                                    .values_size = sizeof(struct values)};

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
    for (int i = 0; i < CLI_COUNT(lines) - 1; i++) {
        cli_arguments a;
        int result = parse(lines[i], &a);
        ck_assert_msg(result == CLI_USAGE, "'%s' gave %d", lines[i], result);
        cli_arguments_release(&a);
    }
}
END_TEST

START_TEST(resolved_options_as_json)
{
    cli_arguments a;
    ck_assert_int_eq(parse("--ratio 0.25 --files x y", &a), CLI_SUCCESS);
    char *text = cli_options_json(&a);
    ck_assert_ptr_nonnull(text);
    static const char *const parts[] = {
        "\"count\": 7",      "\"ratio\": 0.25",     "\"name\": null", "\"flag\": false",
        "\"to_ggle\": true", "\"choice\": \"two\"", "\"PLACE\": null"};
    for (int i = 0; i < CLI_COUNT(parts); i++)
        ck_assert_msg(strstr(text, parts[i]), "%s lacks %s", text, parts[i]);
    ck_assert_ptr_null(strstr(text, "Numbers"));
    free(text);
    cli_arguments_release(&a);
}
END_TEST

START_TEST(suggestions)
{
    static const char *const names[] = {"pretrain", "parity", "probe", "info", "bench"};
    ck_assert_str_eq(cli_suggest("pretrian", names, 5), "pretrain");
    ck_assert_str_eq(cli_suggest("pretrai", names, 5), "pretrain");
    ck_assert_str_eq(cli_suggest("inof", names, 5), "info");
    ck_assert_str_eq(cli_suggest("prob", names, 5), "probe");
    ck_assert_str_eq(cli_suggest("benhc", names, 5), "bench");
    ck_assert_ptr_null(cli_suggest("convolution", names, 5));
    ck_assert_ptr_null(cli_suggest("xyz", names, 5));
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

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, defaults_and_values);
    tcase_add_test(cases, mistakes_are_usage_errors);
    tcase_add_test(cases, resolved_options_as_json);
    tcase_add_test(cases, suggestions);
    tcase_add_test(cases, formats);
}

int main(void)
{
    return run_suite("options", add_tests);
}
