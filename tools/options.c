/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Parsing of a command line by its command's table. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const cli_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "fcmae %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nSee 'fcmae help %s'.\n", command->name);
    va_end(arguments);
    return CLI_USAGE;
}

int cli_fail(const cli_arguments *arguments, const fcmae_error *error)
{
    fprintf(stderr, "fcmae %s: %s\n", arguments->command->name,
            error->message[0] ? error->message : fcmae_status_name(error->status));
    return CLI_FAILURE;
}

int cli_finish(const cli_arguments *arguments)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_SUCCESS;
    if (errno == EPIPE) return CLI_FAILURE; /* the reader has seen enough, as in `... | head` */
    fprintf(stderr, "fcmae %s: writing to standard output failed: %s\n", arguments->command->name,
            strerror(errno));
    return CLI_FAILURE;
}

/* ------------------------------------------------------------------------------- one value */

/* "[1, 64)": whether `value` lies in the interval the table shows. */
static bool in_range(const char *range, double value)
{
    char *end = NULL;
    double low = strtod(range + 1, &end);
    double high = strtod(end + 1, &end);
    while (*end == ' ') end++;
    bool above = range[0] == '[' ? value >= low : value > low;
    bool below = *end == ']' ? value <= high : value < high;
    return above && below;
}

/* Position of `word` in "one|two|three", or -1. */
static int choice_index(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int index = 0;
    for (const char *at = choices; at; index++) {
        const char *bar = strchr(at, '|');
        size_t width = bar ? (size_t)(bar - at) : strlen(at);
        if (width == length && memcmp(at, word, width) == 0) return index;
        at = bar ? bar + 1 : NULL;
    }
    return -1;
}

static const char *dashes(const cli_option *option)
{
    return option->positional ? "" : "--";
}

static int bad_value(const cli_command *command, const cli_option *option, const char *text,
                     const char *expected)
{
    return cli_usage_error(command, "%s%s %s: must be %s", dashes(option), option->name, text,
                           expected);
}

static int store_integer(const cli_command *command, const cli_option *option, const char *text,
                         int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end) return bad_value(command, option, text, "a whole number");
    char expected[128];
    snprintf(expected, sizeof expected, "in %s", option->range ? option->range : "64 bits");
    if (errno == ERANGE || (option->range && !in_range(option->range, (double)value)))
        return bad_value(command, option, text, expected);
    *out = value;
    return CLI_SUCCESS;
}

static int store_number(const cli_command *command, const cli_option *option, const char *text,
                        double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return bad_value(command, option, text, "a number");
    char expected[128];
    snprintf(expected, sizeof expected, "in %s", option->range ? option->range : "");
    if (option->range && !in_range(option->range, value))
        return bad_value(command, option, text, expected);
    *out = value;
    return CLI_SUCCESS;
}

static int store_choice(const cli_command *command, const cli_option *option, const char *choices,
                        const char *text, int *out)
{
    int index = choice_index(choices, text);
    if (index < 0) {
        char expected[256];
        snprintf(expected, sizeof expected, "one of %s", choices);
        return bad_value(command, option, text, expected);
    }
    *out = index;
    return CLI_SUCCESS;
}

static int store_text(const cli_command *command, cli_texts *list, const char *text)
{
    const char **items = realloc(list->items, ((size_t)list->count + 1) * sizeof *items);
    if (!items) return cli_usage_error(command, "out of memory");
    list->items = items;
    items[list->count++] = text;
    return CLI_SUCCESS;
}

static int store(const cli_command *command, const cli_option *option, const char *text,
                 void *values)
{
    void *member = (char *)values + option->offset;
    int index = 0, result = CLI_SUCCESS;
    switch (option->type) {
    case CLI_FLAG: *(bool *)member = true; break;
    case CLI_SWITCH:
        result = store_choice(command, option, "off|on", text, &index);
        *(bool *)member = index == 1;
        break;
    case CLI_INTEGER: return store_integer(command, option, text, member);
    case CLI_NUMBER: return store_number(command, option, text, member);
    case CLI_TEXT:
        if (!text[0]) return bad_value(command, option, "''", "not empty");
        *(const char **)member = text;
        break;
    case CLI_CHOICE: return store_choice(command, option, option->choices, text, member);
    case CLI_TEXTS: return store_text(command, member, text);
    case CLI_HEADING: break;
    }
    return result;
}

/* ------------------------------------------------------------------------------ all of them */

static int unknown_option(const cli_command *command, const char *name, int length)
{
    char word[64];
    const char *names[128];
    int count = 0;
    snprintf(word, sizeof word, "%.*s", length, name);
    for (int i = 0; i < command->option_count && count < 126; i++)
        if (command->options[i].type != CLI_HEADING && !command->options[i].positional)
            names[count++] = command->options[i].name;
    names[count++] = "help";
    names[count++] = "quiet";
    const char *near = cli_suggest(word, names, count);
    if (near)
        return cli_usage_error(command, "unknown option --%s; did you mean --%s?", word, near);
    return cli_usage_error(command, "unknown option --%s", word);
}

/* The option called `name` (of that length), or -1. */
static int find_option(const cli_command *command, const char *name, size_t length)
{
    for (int i = 0; i < command->option_count; i++) {
        const cli_option *option = &command->options[i];
        if (option->type == CLI_HEADING || option->positional) continue;
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return i;
    }
    return -1;
}

static int store_named(const cli_command *command, int count, char **words, int *at,
                       cli_arguments *arguments)
{
    const char *name = words[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    if (length == 5 && memcmp(name, "quiet", 5) == 0 && !equals) {
        arguments->quiet = true;
        return CLI_SUCCESS;
    }
    int index = find_option(command, name, length);
    if (index < 0) return unknown_option(command, name, (int)length);
    const cli_option *option = &command->options[index];
    const char *text = equals ? equals + 1 : NULL;
    if (option->type == CLI_FLAG && text)
        return cli_usage_error(command, "--%s takes no value", option->name);
    if (option->type != CLI_FLAG && !text) {
        if (*at + 1 >= count || strncmp(words[*at + 1], "--", 2) == 0)
            return cli_usage_error(command, "--%s needs a value", option->name);
        text = words[++*at];
    }
    arguments->given[index] = true;
    int result = store(command, option, text, arguments->values);
    /* a list takes the words up to the next option */
    while (result == CLI_SUCCESS && option->type == CLI_TEXTS && !equals && *at + 1 < count &&
           strncmp(words[*at + 1], "--", 2) != 0)
        result = store(command, option, words[++*at], arguments->values);
    return result;
}

static int store_positional(const cli_command *command, const char *word, cli_arguments *arguments)
{
    for (int i = 0; i < command->option_count; i++) {
        const cli_option *option = &command->options[i];
        if (!option->positional) continue;
        if (arguments->given[i] && option->type != CLI_TEXTS) continue;
        arguments->given[i] = true;
        return store(command, option, word, arguments->values);
    }
    return cli_usage_error(command, "unexpected argument '%s'", word);
}

static int check_required(const cli_command *command, const cli_arguments *arguments)
{
    for (int i = 0; i < command->option_count; i++) {
        const cli_option *option = &command->options[i];
        if (option->required && !arguments->given[i])
            return cli_usage_error(command, "%s%s is required: %s", dashes(option), option->name,
                                   option->help);
    }
    return CLI_SUCCESS;
}

int cli_parse(const cli_command *command, int count, char **words, cli_arguments *arguments)
{
    *arguments = (cli_arguments){.command = command};
    arguments->values = calloc(1, command->values_size ? command->values_size : 1);
    arguments->given = calloc((size_t)command->option_count + 1, sizeof *arguments->given);
    if (!arguments->values || !arguments->given) {
        fprintf(stderr, "fcmae: out of memory\n");
        return CLI_FAILURE;
    }
    for (int i = 0; i < command->option_count; i++) {
        const cli_option *option = &command->options[i];
        if (option->fallback) {
            int result = store(command, option, option->fallback, arguments->values);
            if (result != CLI_SUCCESS) return result;
        }
    }
    bool options_ended = false;
    for (int i = 0; i < count; i++) {
        int result;
        if (!options_ended && strcmp(words[i], "--") == 0) {
            options_ended = true;
            continue;
        }
        if (!options_ended && (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)) {
            cli_help(stdout, command);
            return -1;
        }
        if (!options_ended && strncmp(words[i], "--", 2) == 0)
            result = store_named(command, count, words, &i, arguments);
        else if (!options_ended && words[i][0] == '-' && words[i][1])
            result = cli_usage_error(command, "unknown option %s: options are long, as in --%s",
                                     words[i], words[i] + 1);
        else
            result = store_positional(command, words[i], arguments);
        if (result != CLI_SUCCESS) return result;
    }
    return check_required(command, arguments);
}

void cli_arguments_release(cli_arguments *arguments)
{
    const cli_command *command = arguments->command;
    for (int i = 0; command && arguments->values && i < command->option_count; i++)
        if (command->options[i].type == CLI_TEXTS)
            free(((cli_texts *)(void *)((char *)arguments->values + command->options[i].offset))
                     ->items);
    free(arguments->values);
    free(arguments->given);
    *arguments = (cli_arguments){0};
}

bool cli_given(const cli_arguments *arguments, const char *name)
{
    for (int i = 0; i < arguments->command->option_count; i++) {
        const cli_option *option = &arguments->command->options[i];
        if (option->type != CLI_HEADING && strcmp(option->name, name) == 0)
            return arguments->given[i];
    }
    return false;
}
