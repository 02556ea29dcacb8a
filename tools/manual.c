/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Manual pages (roff, as man(7) has it) and option tables (Markdown), made from the option tables.
 */
#include "manual.h"

#include <ctype.h>
#include <string.h>

#include "commands.h"
#include "common_options.h"
#include "fcmae/train.h"
#include "help.h"

/* ---- roff ---- */

/* Text for roff: dashes and backslashes as they are, no line that begins like a request. */
static void put_roff(FILE *out, const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", out);
        start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", out);
        else
            fputc(*text, out);
    }
}

static void put_heading(FILE *out, const char *text)
{
    fputs(".SH ", out);
    for (; *text; text++) fputc(toupper((unsigned char)*text), out);
    fputc('\n', out);
}

static void put_title(FILE *out, const char *name, const char *purpose)
{
    fprintf(out, ".TH \"%s\" 1 \"\" \"fcmae %s\" \"User Commands\"\n.SH NAME\n", name,
            fcmae_version());
    put_roff(out, name);
    fputs(" \\- ", out);
    put_roff(out, purpose);
    fputc('\n', out);
}

static void put_option(FILE *out, const fcmae_option *option)
{
    char rest[200];
    fputs(".TP\n.B ", out);
    put_roff(out, option->positional ? "" : "--");
    put_roff(out, option->name);
    if (!option->positional && option->type != FCMAE_OPTION_FLAG) {
        fputs(" \\fI", out);
        put_roff(out, cli_placeholder(option));
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put_roff(out, option->help);
    put_roff(out, cli_remainder(option, rest, sizeof rest));
    fputc('\n', out);
}

static void put_synopsis(FILE *out, const fcmae_option_set *set)
{
    fprintf(out, ".SH SYNOPSIS\n.B fcmae %s\n", set->name);
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (!option->required && !option->positional) continue;
        fputs(option->required ? "" : "[", out);
        if (!option->positional) {
            fputs("\\fB", out);
            put_roff(out, "--");
            put_roff(out, option->name);
            fputs("\\fR ", out);
        }
        fprintf(out, "\\fI%s\\fR%s\n", option->positional ? option->name : cli_placeholder(option),
                option->required ? "" : "]");
    }
    fputs("[options]\n", out);
}

static void put_examples(FILE *out, const char *text)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    put_roff(out, text);
    fputs("\n.fi\n", out);
}

void cli_manual_command(FILE *out, const fcmae_option_set *set)
{
    char name[64];
    const fcmae_option_set *common = cli_common_of(set);
    snprintf(name, sizeof name, "fcmae-%s", set->name);
    put_title(out, name, set->purpose);
    put_synopsis(out, set);
    if (set->description) {
        fputs(".SH DESCRIPTION\n", out);
        put_roff(out, set->description);
        fputc('\n', out);
    }
    bool heading = set->count > 0 && set->options[0].type == FCMAE_OPTION_HEADING;
    if (!heading) put_heading(out, "Options");
    for (int i = 0; i < set->count; i++) {
        if (set->options[i].type == FCMAE_OPTION_HEADING)
            put_heading(out, set->options[i].help);
        else if (set->options[i].source == FCMAE_SOURCE_ANY)
            put_option(out, &set->options[i]);
    }
    put_heading(out, "Common options");
    for (int i = 0; i < common->count; i++) put_option(out, &common->options[i]);
    if (set->example) put_examples(out, set->example);
    fputs(".SH SEE ALSO\n.BR fcmae (1)\n", out);
}

void cli_manual(FILE *out)
{
    cli_command command;
    put_title(out, "fcmae",
              "masked-autoencoder pretraining of ConvNeXt, from images to a classifier");
    fputs(".SH SYNOPSIS\n.B fcmae\n\\fICOMMAND\\fR [options]\n.SH DESCRIPTION\n", out);
    put_roff(out, "Each command has a manual page of its own, fcmae-COMMAND(1), and 'fcmae help "
                  "COMMAND' shows the same on the terminal. Results go to standard output, "
                  "progress to standard error.\n");
    put_heading(out, "Commands");
    for (int i = 0; cli_command_at(i, &command); i++) {
        fprintf(out, ".TP\n.BR fcmae\\-%s (1)\n", command.set->name);
        put_roff(out, command.set->purpose);
        fputc('\n', out);
    }
    fputs(".SH EXIT STATUS\n0: success. 1: failure. 2: a command line that makes no sense. 128 and "
          "the "
          "number of the signal where one ended it (130: Ctrl-C).\n",
          out);
}

/* ---- Markdown ---- */

/* A cell of a table: bars would end it. */
static void put_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_default(FILE *out, const fcmae_option *option)
{
    if (option->otherwise)
        put_cell(out, option->otherwise);
    else if (option->fallback)
        put_cell(out, option->fallback);
    else if (option->required)
        fputs("required", out);
}

static void put_row(FILE *out, const fcmae_option *option)
{
    char key[64];
    bool typed = option->source == FCMAE_SOURCE_ANY;
    const char *dashes = !typed || option->positional ? "" : "--";
    fprintf(out, "| `%s%s", dashes,
            typed ? option->name : fcmae_option_key(option, key, sizeof key));
    if (typed && !option->positional && option->type != FCMAE_OPTION_FLAG) {
        fputc(' ', out);
        put_cell(out, cli_placeholder(option));
    }
    fputs("` | ", out);
    put_cell(out, option->help);
    fputs(" | ", out);
    if (option->range) put_cell(out, option->range);
    fputs(" | ", out);
    put_default(out, option);
    fputs(" |\n", out);
}

static void put_table(FILE *out, const char *heading)
{
    fprintf(out, "\n**%s**\n\n| option | | range | default |\n|---|---|---|---|\n", heading);
}

/* Rows of one source, if there are any. */
static void put_rows(FILE *out, const fcmae_option_set *set, fcmae_option_source source,
                     const char *heading)
{
    bool begun = false;
    for (int i = 0; i < set->count; i++) {
        const fcmae_option *option = &set->options[i];
        if (option->type == FCMAE_OPTION_HEADING || option->source != source) continue;
        if (!begun) put_table(out, heading);
        begun = true;
        put_row(out, option);
    }
}

void cli_markdown_command(FILE *out, const fcmae_option_set *set)
{
    fprintf(out, "\n## fcmae %s\n\n%c%s.\n", set->name, toupper((unsigned char)set->purpose[0]),
            set->purpose + 1);
    bool heading = set->count > 0 && set->options[0].type == FCMAE_OPTION_HEADING;
    if (!heading) put_table(out, "Options");
    for (int i = 0; i < set->count; i++) {
        if (set->options[i].type == FCMAE_OPTION_HEADING)
            put_table(out, set->options[i].help);
        else if (set->options[i].source == FCMAE_SOURCE_ANY)
            put_row(out, &set->options[i]);
    }
    put_rows(out, set, FCMAE_SOURCE_PRESET, "In preset files alone");
    put_rows(out, set, FCMAE_SOURCE_FACT, "Recorded in config.json beside the options");
}

void cli_markdown(FILE *out)
{
    cli_command command;
    fputs("# Options\n\n"
          "Every option of every command: made by `fcmae help --markdown`, checked by a test. In "
          "files\n(`--config`, presets, config.json) a name has `_` for `-`. Options of a kind of "
          "training whose default\nis \"from the recipe\" are keys of its section in a preset.\n",
          out);
    for (int i = 0; cli_command_at(i, &command); i++) cli_markdown_command(out, command.set);
    fputs("\n## Of every command\n", out);
    put_table(out, "Common options");
    const fcmae_option_set *common = cli_common_of(fcmae_task_at(0));
    for (int i = 0; i < common->count; i++) put_row(out, &common->options[i]);
}
