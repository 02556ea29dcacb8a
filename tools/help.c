/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Help texts, made from the option tables; and suggestions for mistyped words. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

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

static const char *placeholder(const cli_option *option)
{
    if (option->unit) return option->unit;
    switch (option->type) {
    case CLI_SWITCH: return "on|off";
    case CLI_INTEGER: return "N";
    case CLI_NUMBER: return "F";
    case CLI_TEXT: return "TEXT";
    case CLI_CHOICE: return option->choices;
    case CLI_TEXTS: return "TEXT...";
    case CLI_FLAG:
    case CLI_HEADING: break;
    }
    return "";
}

static void print_usage(FILE *stream, const cli_command *command)
{
    bool optional = false;
    fprintf(stream, "Usage: fcmae %s", command->name);
    for (int i = 0; i < command->option_count; i++) {
        const cli_option *option = &command->options[i];
        if (option->type == CLI_HEADING) continue;
        if (option->positional)
            fprintf(stream, option->required ? " %s%s" : " [%s%s]", option->name,
                    option->type == CLI_TEXTS ? "..." : "");
        else if (option->required)
            fprintf(stream, " --%s %s", option->name, placeholder(option));
        else
            optional = true;
    }
    fputs(optional ? " [options]\n" : "\n", stream);
}

static void print_option(FILE *stream, const cli_option *option)
{
    char left[96], text[1200];
    if (option->positional)
        snprintf(left, sizeof left, "  %s", option->name);
    else
        snprintf(left, sizeof left, "  --%s %s", option->name, placeholder(option));
    int used = snprintf(text, sizeof text, "%s", option->help);
    if (option->range && used < (int)sizeof text)
        used += snprintf(text + used, sizeof text - (size_t)used, " In %s.", option->range);
    if (used >= (int)sizeof text) used = sizeof text - 1;
    if (option->fallback)
        snprintf(text + used, sizeof text - (size_t)used, " [default %s]", option->fallback);
    else if (option->otherwise)
        snprintf(text + used, sizeof text - (size_t)used, " [default: %s]", option->otherwise);
    else if (option->required)
        snprintf(text + used, sizeof text - (size_t)used, " [required]");
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

void cli_help(FILE *stream, const cli_command *command)
{
    fprintf(stream, "fcmae %s: %s\n\n", command->name, command->purpose);
    print_usage(stream, command);
    if (command->description) {
        fputc('\n', stream);
        cli_wrap(stream, command->description, 0, 0);
    }
    if (command->example) print_examples(stream, command->example);
    bool heading = command->option_count > 0 && command->options[0].type == CLI_HEADING;
    if (!heading) fputs("\nOptions:\n", stream);
    for (int i = 0; i < command->option_count; i++) {
        if (command->options[i].type == CLI_HEADING)
            fprintf(stream, "\n%s:\n", command->options[i].help);
        else
            print_option(stream, &command->options[i]);
    }
    static const cli_option common[] = {
        {"quiet", CLI_FLAG, .help = "No progress and no remarks on standard error."},
        {"help", CLI_FLAG, .help = "Show this text."},
    };
    for (int i = 0; i < CLI_COUNT(common); i++) print_option(stream, &common[i]);
}

/* ----------------------------------------------------------------------------- suggestions */

enum { WORD = 63 };

static int minimum(int a, int b)
{
    return a < b ? a : b;
}

/* Edits that turn a into b: insertions, deletions, replacements, swapped neighbours. */
static int edit_distance(const char *a, const char *b)
{
    int rows = minimum((int)strlen(a), WORD), columns = minimum((int)strlen(b), WORD);
    int distance[WORD + 1][WORD + 1];
    for (int i = 0; i <= rows; i++) distance[i][0] = i;
    for (int j = 0; j <= columns; j++) distance[0][j] = j;
    for (int i = 1; i <= rows; i++) {
        for (int j = 1; j <= columns; j++) {
            int best = distance[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = minimum(best, minimum(distance[i - 1][j], distance[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = minimum(best, distance[i - 2][j - 2] + 1);
            distance[i][j] = best;
        }
    }
    return distance[rows][columns];
}

const char *cli_suggest(const char *word, const char *const *candidates, int count)
{
    const char *near = NULL;
    int length = (int)strlen(word), best = length / 3 + 1; /* more edits than that: another word */
    if (best > 3) best = 3;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (length >= 3 && strncmp(candidates[i], word, (size_t)length) == 0) distance = 1;
        if (distance < best || (distance == best && !near)) {
            best = distance;
            near = candidates[i];
        }
    }
    return near;
}
