/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "common_options.h"

enum { WIDTH = 80, HELP_COLUMN = 26 };

void cli_wrap(FILE *stream, const char *text, int column, int indent)
{
    while (*text) {
        if (*text == '\n') { /* an empty line separates paragraphs */
            fprintf(stream, "\n\n%*s", indent, "");
            column = indent;
            while (*text == '\n') text++;
            continue;
        }
        size_t length = strcspn(text, " \n");
        if (column > indent && column + (int)length + 1 > WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', stream);
            column++;
        }
        fwrite(text, 1, length, stream);
        column += (int)length;
        text += length;
        while (*text == ' ') text++;
        if (*text == '\n' && text[1] != '\n') text++; /* a single newline is a space */
    }
    fputc('\n', stream);
}

const char *cli_placeholder(const fcmae_option *option)
{
    if (option->unit) return option->unit;
    switch (option->type) {
    case FCMAE_OPTION_SWITCH: return "on|off";
    case FCMAE_OPTION_INT:
    case FCMAE_OPTION_INTEGER: return "N";
    case FCMAE_OPTION_NUMBER: return "F";
    case FCMAE_OPTION_TEXT: return "TEXT";
    case FCMAE_OPTION_CHOICE: return option->choices;
    case FCMAE_OPTION_TEXTS: return "TEXT...";
    case FCMAE_OPTION_FOUR: return "N, N, N, N";
    case FCMAE_OPTION_FLAG:
    case FCMAE_OPTION_HEADING: break;
    }
    return "";
}

const char *cli_remainder(const fcmae_option *option, char *text, size_t size)
{
    char range[64] = "";
    if (option->range) snprintf(range, sizeof range, " In %s.", option->range);
    if (option->otherwise)
        snprintf(text, size, "%s [default: %s]", range, option->otherwise);
    else if (option->fallback)
        snprintf(text, size, "%s [default %s]", range, option->fallback);
    else
        snprintf(text, size, "%s%s", range, option->required ? " [required]" : "");
    return text;
}

static void print_usage(FILE *stream, const fcmae_option_set *set)
{
    bool optional = false;
    fprintf(stream, "Usage: fcmae %s", set->name);
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (option->positional)
            fprintf(stream, option->required ? " %s%s" : " [%s%s]", option->name,
                    option->type == FCMAE_OPTION_TEXTS ? "..." : "");
        else if (cli_is_typed(option) && option->required)
            fprintf(stream, " --%s %s", option->name, cli_placeholder(option));
        else if (cli_is_typed(option))
            optional = true;
    }
    fputs(optional ? " [options]\n" : "\n", stream);
}

static void print_option(FILE *stream, const fcmae_option *option)
{
    char left[96], text[1200], rest[200];
    if (option->positional)
        snprintf(left, sizeof left, "  %s", option->name);
    else
        snprintf(left, sizeof left, "  --%s %s", option->name, cli_placeholder(option));
    snprintf(text, sizeof text, "%s%s", option->help, cli_remainder(option, rest, sizeof rest));
    int column = fprintf(stream, "%s", left);
    if (column >= HELP_COLUMN - 1) {
        fputc('\n', stream);
        column = 0;
    }
    fprintf(stream, "%*s", HELP_COLUMN - column, "");
    cli_wrap(stream, text, HELP_COLUMN, HELP_COLUMN);
}

static void print_examples(FILE *stream, const char *text)
{
    fputs("\nExample:\n", stream);
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(stream, "  %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

void cli_help(FILE *stream, const fcmae_option_set *set)
{
    const fcmae_option_set *common = cli_common_of(set);
    fprintf(stream, "fcmae %s: %s\n\n", set->name, set->purpose);
    print_usage(stream, set);
    if (set->description) {
        fputc('\n', stream);
        cli_wrap(stream, set->description, 0, 0);
    }
    if (set->example) print_examples(stream, set->example);
    bool heading = set->count > 0 && set->options[0].type == FCMAE_OPTION_HEADING;
    if (!heading) fputs("\nOptions:\n", stream);
    for (int i = 0; i < set->count; i++) {
        if (set->options[i].type == FCMAE_OPTION_HEADING)
            fprintf(stream, "\n%s:\n", set->options[i].help);
        else if (set->options[i].source == FCMAE_SOURCE_ANY)
            print_option(stream, &set->options[i]);
    }
    for (int i = 0; i < common->count; i++) print_option(stream, &common->options[i]);
}
