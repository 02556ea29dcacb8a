/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* From the words of a command line to the options of a command. */
#include "arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common_options.h"
#include "help.h"
#include "shown.h"
#include "stop.h"

/* ---- messages ---- */

int cli_usage_error(const cli_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char sentence[CLI_SHOWN_SIZE];
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    fprintf(stderr, "fcmae %s: %s\nSee 'fcmae help %s'.\n", command->set->name, CLI_SHOWN(sentence),
            command->set->name);
    return CLI_USAGE;
}

int cli_fail(const cli_arguments *arguments, const fcmae_error *error)
{
    fprintf(stderr, "fcmae %s: %s\n", arguments->command->set->name,
            CLI_SHOWN(error->message[0] ? error->message : fcmae_status_name(error->status)));
    bool interrupted = error->status == FCMAE_ERR_INTERRUPTED && cli_stop_requested();
    return interrupted ? cli_stop_status() : CLI_FAILURE;
}

int cli_flush(const char *name)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_SUCCESS;
    if (errno == EPIPE) return CLI_FAILURE; /* the reader has seen enough, as in `... | head` */
    char reason[100];
    fprintf(stderr, "fcmae %s: writing to standard output failed: %s\n", name,
            strerror_r(errno, reason, sizeof reason)); /* GNU's: returns the text */
    return CLI_FAILURE;
}

int cli_finish(const cli_arguments *arguments)
{
    return cli_flush(arguments->command->set->name);
}

/* ---- words ---- */

/* What parsing needs to know besides the arguments. */
typedef struct reader {
    cli_arguments *arguments;
    int count, at;
    char **words;
} reader;

static bool is_word(const char *name, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(name, word, length) == 0;
}

static int unknown_option(const cli_command *command, const char *name, size_t length)
{
    enum { MOST = 160 };
    const fcmae_option_set *sets[] = {command->set, cli_common_of(command->set)};
    const char *names[MOST];
    char word[64];
    int count = 0;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < sets[s]->count && count < MOST; i++)
            if (cli_is_typed(&sets[s]->options[i])) names[count++] = sets[s]->options[i].name;
    const char *near = fcmae_suggest(word, names, count);
    if (near)
        return cli_usage_error(command, "unknown option --%s; did you mean --%s?", word, near);
    return cli_usage_error(command, "unknown option --%s", word);
}

/** "-d": there are no short names; the first option that begins so may be meant. */
static int refuse_short(const cli_command *command, const char *word)
{
    const fcmae_option_set *sets[] = {command->set, cli_common_of(command->set)};
    size_t length = strlen(word + 1);
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < sets[s]->count; i++) {
            const fcmae_option *option = &sets[s]->options[i];
            if (!cli_is_typed(option) || option->positional || !option->name) continue;
            if (strncmp(option->name, word + 1, length) == 0)
                return cli_usage_error(command,
                                       "unknown option %s: options have long names, such as --%s",
                                       word, option->name);
        }
    return cli_usage_error(command, "unknown option %s: options have long names, such as --help",
                           word);
}

static const fcmae_option *find_typed(const fcmae_option_set *set, const char *name, size_t length)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const fcmae_option *option = fcmae_option_find(set, word);
    return option && cli_is_typed(option) ? option : NULL;
}

static int set_value(cli_arguments *arguments, const fcmae_option *option, const char *text)
{
    fcmae_error error = {0};
    if (fcmae_options_set(arguments->options, option->name, text, &error) == FCMAE_OK)
        return CLI_SUCCESS;
    return cli_usage_error(arguments->command, "%s%s", option->positional ? "" : "--",
                           error.message);
}

/* The word that follows an option, or NULL after saying that there is none. */
static const char *next_value(reader *r, const char *name)
{
    if (r->at + 1 < r->count && strncmp(r->words[r->at + 1], "--", 2) != 0)
        return r->words[++r->at];
    cli_usage_error(r->arguments->command, "--%s needs a value", name);
    return NULL;
}

static int take_config(reader *r, const char *text)
{
    fcmae_error error = {0};
    if (!text && !(text = next_value(r, "config"))) return CLI_USAGE;
    if (fcmae_options_read(r->arguments->options, text, &error) == FCMAE_OK) return CLI_SUCCESS;
    return cli_usage_error(r->arguments->command, "%s", error.message);
}

/* --name, --name=value, --name value */
static int take_named(reader *r)
{
    cli_arguments *a = r->arguments;
    const char *name = r->words[r->at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const char *text = equals ? equals + 1 : NULL;
    const fcmae_option *option = find_typed(a->command->set, name, length);
    if (!option && is_word(name, length, "config")) return take_config(r, text);
    bool common = !option && find_typed(cli_common_of(a->command->set), name, length);
    if (!option && !common) return unknown_option(a->command, name, length);
    if ((common || option->type == FCMAE_OPTION_FLAG) && text)
        return cli_usage_error(a->command, "--%.*s takes no value", (int)length, name);
    if (common) {
        if (is_word(name, length, "quiet")) a->quiet = true;
        if (is_word(name, length, "json")) a->json = true;
        return CLI_SUCCESS;
    }
    if (option->type == FCMAE_OPTION_FLAG) return set_value(a, option, "on");
    if (!text && !(text = next_value(r, option->name))) return CLI_USAGE;
    int result = set_value(a, option, text);
    /* a list takes the words up to the next option */
    while (result == CLI_SUCCESS && option->type == FCMAE_OPTION_TEXTS && !equals &&
           r->at + 1 < r->count && strncmp(r->words[r->at + 1], "--", 2) != 0)
        result = set_value(a, option, r->words[++r->at]);
    return result;
}

static int take_positional(reader *r)
{
    const fcmae_option_set *set = r->arguments->command->set;
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (!option->positional) continue;
        if (cli_given(r->arguments, option->name) && option->type != FCMAE_OPTION_TEXTS) continue;
        return set_value(r->arguments, option, r->words[r->at]);
    }
    return cli_usage_error(r->arguments->command, "unexpected argument '%s'", r->words[r->at]);
}

/* A required option that is missing, or two that exclude each other. */
static int check(const cli_arguments *arguments)
{
    const cli_command *command = arguments->command;
    for (int i = 0; i < command->set->count; i++) {
        const fcmae_option *option = &command->set->options[i];
        if (option->required &&
            fcmae_options_level(arguments->options, option->name) == FCMAE_LEVEL_UNSET)
            return cli_usage_error(command, "%s%s is required: %s", option->positional ? "" : "--",
                                   option->name, option->help);
    }
    fcmae_error error = {0};
    if (fcmae_options_check(arguments->options, &error) == FCMAE_OK) return CLI_SUCCESS;
    return cli_usage_error(command, "%s", error.message);
}

int cli_parse(const cli_command *command, int count, char **words, cli_arguments *arguments)
{
    fcmae_error error = {0};
    *arguments = (cli_arguments){.command = command};
    if (fcmae_options_create(&arguments->options, command->set, &error) != FCMAE_OK)
        return cli_fail(arguments, &error);
    arguments->values = fcmae_options_values(arguments->options);
    reader r = {arguments, count, 0, words};
    bool options_ended = false;
    for (; r.at < count; r.at++) {
        const char *word = words[r.at];
        int result;
        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
            continue;
        }
        if (!options_ended && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            cli_help(stdout, command->set);
            return -1;
        }
        if (!options_ended && strncmp(word, "--", 2) == 0)
            result = take_named(&r);
        else if (!options_ended && word[0] == '-' && word[1])
            result = refuse_short(command, word);
        else
            result = take_positional(&r);
        if (result != CLI_SUCCESS) return result;
    }
    return check(arguments);
}

void cli_arguments_release(cli_arguments *arguments)
{
    fcmae_options_destroy(&arguments->options);
    *arguments = (cli_arguments){0};
}

bool cli_given(const cli_arguments *arguments, const char *name)
{
    return fcmae_options_given(arguments->options, name);
}
